"""Bodies with a content coding, as clients and servers send them."""

import gzip
import sys
import zlib
from collections.abc import Callable

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def _raw_deflate(body: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(body) + deflate.flush()


CODINGS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "gzip": (b"gzip", gzip.compress),
    "x-gzip": (b"x-gzip", gzip.compress),
    "gzip in members": (b"gzip", lambda body: gzip.compress(body[:3]) + gzip.compress(body[3:])),
    "deflate": (b"deflate", zlib.compress),
    "deflate without a header": (b"deflate", _raw_deflate),
    "br": (b"br", brotli.compress),
    "zstd": (b"zstd", zstd.compress),
    "zstd in frames": (b"zstd", lambda body: zstd.compress(body[:3]) + zstd.compress(body[3:])),
}
"""The name of each coding in its header, and what codes a body so."""
