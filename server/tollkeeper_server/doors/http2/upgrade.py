"""An offer over HTTP/1.1 to go on with HTTP/2 in clear text (RFC 7540, 3.2), as curl and Java make it.

RFC 9113 has it no more, and a server may pass over it. Here it is taken if it comes at once, with the first
bytes of a connection and with no body: everything else is answered over HTTP/1.1.
"""

import base64

from msgspec import Struct

from tollkeeper_server.domain.headers import Header
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.http1.framing import FRAMING
from tollkeeper_server.http1.server.head import HeadReader

_END = b"\r\n\r\n"
_NAME = b"h2c"
_SETTINGS = b"http2-settings"
_SETTING_BYTES = 6
_MOST_SETTINGS = 32
# They are those of one connection of HTTP/1.1, and would be malformed in HTTP/2 (RFC 9113, 8.2.2).
_OF_HTTP1 = frozenset(
    {b"connection", b"upgrade", _SETTINGS, b"keep-alive", b"proxy-connection", b"te", b"host"}
)


class Offer(Struct, frozen=True):
    """The offer: the request's head in the form of HTTP/2, and the bytes that follow it."""

    encoded: bytes
    head: list[Header]
    rest: bytes

    def settings(self) -> bytes:
        """Return the settings, base64url of their frame. Raises ValueError if they are none."""
        padding = b"=" * (-len(self.encoded) % 4)
        decoded = base64.b64decode(self.encoded + padding, altchars=b"-_", validate=True)
        if len(decoded) % _SETTING_BYTES or len(decoded) > _MOST_SETTINGS * _SETTING_BYTES:
            raise ValueError("the settings are not a list of settings, or a very long one")
        return base64.urlsafe_b64encode(decoded)


def read_offer(first: bytes) -> Offer | None:
    """Return the offer that a connection's first bytes make; None if they make none that is taken."""
    end = first.find(_END)
    if end < 0 or _NAME not in first[:end].lower():
        return None
    head = HeadReader().read(first[: end + len(_END)])
    if isinstance(head, TollkeeperError):
        return None
    offers = b",".join(value for name, value in head.headers if name == b"upgrade").lower().split(b",")
    options = b",".join(value for name, value in head.headers if name == b"connection").lower().split(b",")
    settings = [value for name, value in head.headers if name == _SETTINGS]
    hosts = [value for name, value in head.headers if name == b"host"]
    is_offer = (
        head.version == "1.1"
        and _NAME in map(bytes.strip, offers)
        and {b"upgrade", _SETTINGS} <= set(map(bytes.strip, options))
        and len(settings) == len(hosts) == 1
        and not any(name in FRAMING for name, _ in head.headers)
    )
    if not is_offer:
        return None
    target = head.path + (b"?" + head.query if head.query else b"")
    fields: list[Header] = [
        (b":method", head.method.encode()),
        (b":scheme", b"http"),
        (b":authority", hosts[0]),
        (b":path", target),
    ]
    fields += [header for header in head.headers if header[0] not in _OF_HTTP1]
    return Offer(settings[0].strip(), fields, first[end + len(_END) :])
