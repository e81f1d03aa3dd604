"""Images, sound and files in a body, found by signs: what they are is not decoded.

A sign is looked for in text without escapes (`plain`), so that none is missed that is written otherwise. A
quote within a string is always escaped, so that no sign is found in what is only text.
"""

import re
from collections.abc import Sequence

_MEMBERS = rb"image_url|input_audio|audio_url|video_url|file_data|file_url"
_TYPES = (
    rb"image|image_url|image_file|input_image|computer_screenshot|input_audio|audio_url|video_url|file|"
    rb"input_file|document"
)
_TYPED = re.compile(rb'"type"\s*+:\s*+"(?:' + _TYPES + rb')"')
# A part may do without its type: some servers go by the member.
_NAMED = re.compile(rb'"(?:' + _MEMBERS + rb')"\s*+:')
SEARCHES = re.compile(rb'"(?:web|file)_search')
MAX_USES = re.compile(rb'"max_uses"\s*+:\s*+([^,}\]]{1,64}+)')
"""How often a tool may be used, as Anthropic's tools say it."""
MODALITIES = b'"modalities"'
SEEN = re.compile(
    rb'"(?:type"\s*+:\s*+"(?:image|input_|audio_url|video_url|file|document|computer_s)|modalities"|web_search|'
    rb"file_search|(?:" + _MEMBERS + rb')"\s*+:)'
)
"""Where none of these stands there is no more than text."""
_URI = re.compile(
    rb'.*"(?:image_url|file_data)"\s*+:\s*+(?:\{\s*+(?:"detail"\s*+:\s*+"[a-z]*+"\s*+,\s*+)?"url"\s*+:\s*+)?"\Z',
    re.DOTALL,
)
_URI_DATA = re.compile(rb"data:image/[^,\"]*+,")
_DATA = re.compile(rb'"data"\s*+:\s*+"')
_OF_IMAGE = re.compile(rb'.*"media_type"\s*+:\s*+"image/[a-z+.-]+"\s*+,\s*+\Z', re.DOTALL)
_BASE64 = re.compile(rb"[A-Za-z0-9+/=_-]*+")
_BEFORE = 128
_STEP = 256 * 1024
_ENDS = 64
# Escapes of letters, digits, underscores, dashes, dots and slashes.
_NEEDLESS = rb"\\u00([46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|3[0-9]|2[D-Fd-f])"
_MAY_BE = re.compile(_NEEDLESS)
_ESCAPED = re.compile(rb"(?<!\\)((?:\\\\)*+)" + _NEEDLESS)
_ESCAPE_BYTES = 6


def plain(body: bytes) -> bytes:
    """Return JSON that says the same, without escapes of what needs none; in steps that take no time."""
    steps = range(0, len(body), _STEP)
    if not any(_MAY_BE.search(body, at, at + _STEP + _ESCAPE_BYTES) for at in steps):
        return body
    pieces, at = [], 0
    while at < len(body):
        end = _uncut(body, at, min(at + _STEP, len(body)))
        pieces.append(_ESCAPED.sub(_written, body[at:end]))
        at = end
    return b"".join(pieces)


def _written(found: re.Match[bytes]) -> bytes:
    return found[1] + bytes((int(found[2], 16),))


def _uncut(body: bytes, start: int, end: int) -> int:
    """Return where a step ends that cuts no escape."""
    if end == len(body):
        return end
    cut = body.find(b"\\", end - _ESCAPE_BYTES, end)
    if cut < 0:
        return end
    first = start + len(body[start:cut].rstrip(b"\\"))
    # Of backslashes alone any two are one escape.
    return first if first > start else cut - (cut - start) % 2


def count_media(parts: Sequence[bytes]) -> int:
    """Return how many images, sounds and files a body has in these parts of it, at most."""
    typed = sum(1 for part in parts for _ in _TYPED.finditer(part))
    named = sum(1 for part in parts for _ in _NAMED.finditer(part))
    return max(typed, named)


def image_bytes(prompt: bytes) -> int:
    """Return how many bytes of a prompt are those of images, which it has as data."""
    size = 0
    for sign, begin, before in ((b"data:image/", _URI_DATA, _URI), (b'"data"', _DATA, _OF_IMAGE)):
        at = _find(prompt, sign, 0)
        while at >= 0:
            found = begin.match(prompt, at, at + _BEFORE)
            end = -1
            if found is not None and before.match(prompt[max(at - _BEFORE, 0) : at]):
                end = _find(prompt, b'"', found.end())
                size += _data_bytes(prompt, found.end(), end) if end >= 0 else 0
            at = _find(prompt, sign, max(end, at + 1))
    return size


def _find(body: bytes, sign: bytes, at: int) -> int:
    """Return where a sign stands next, -1 if it does nowhere, in steps that take no time."""
    while at < len(body):
        found = body.find(sign, at, at + _STEP + len(sign))
        if found >= 0:
            return found
        at += _STEP
    return -1


def _data_bytes(body: bytes, start: int, end: int) -> int:
    """Return the length of what is base64, as far as its ends tell; 0 for what is not."""
    ends = body[start : min(start + _ENDS, end)] + body[max(end - _ENDS, start) : end]
    return end - start if _BASE64.fullmatch(ends) else 0
