"""Violations that protovalidate found, as an error that names every field."""

from collections.abc import Sequence

from protovalidate import Violation
from tollkeeper.messages import Problem

from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.refusals import refusal_of

_NAME = "letters, digits, dots, dashes and underscores, the first a letter or digit"
WORDS = {
    r"^[\x20-\x7e]*$": "must be printable ASCII, without line breaks",
    r"^[\x21-\x7e]*$": "must be printable ASCII, without spaces or line breaks",
    r"^[\x21-\x7e]{0,128}$": "must be up to 128 printable ASCII characters, without spaces or line breaks",
    r"^[\x21-\x7e]{1,256}$": "must be 1 to 256 printable ASCII characters, without spaces or line breaks",
    r"^[\x21-\x29\x2b-\x7e]{1,256}$": (
        "must be 1 to 256 printable ASCII characters, without spaces, line breaks or *"
    ),
    r"^[\x21-\x29\x2b-\x7e]{0,255}([\x21-\x29\x2b-\x7e]|\*)$": (
        "must be 1 to 256 printable ASCII characters, without spaces or line breaks, and * only at the end"
    ),
    r"^[^:\x00-\x1f\x7f]{0,256}$": (
        "must have 256 characters at the most, and no colon, line break or other control character"
    ),
    r"^[^\x00-\x1f\x7f]*$": "must have no line breaks or other control characters",
    r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{0,64}$": "must be the name of a header, of up to 64 characters",
    r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$": "must be the name of a header, of 1 to 64 characters",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": f"must be 1 to 64 {_NAME}",
    r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$": f"must be up to 64 {_NAME}",
    r"^[A-Za-z0-9._-]{0,64}$": "must be up to 64 letters, digits, dots, dashes and underscores",
    r"^[A-Z]{0,16}$": "must be a method in capital letters, such as POST",
    r"^[0-9A-Za-z.:\[\]_-]{0,255}:[0-9]{1,5}$": "must be HOST:PORT or :PORT, such as 127.0.0.1:3001",
    r"^/[!$&-;=@-Z_a-z~]{0,255}$": (
        "must be a path of up to 256 characters that begins with /, without spaces, %, ? or #"
    ),
    r"^(/[!$&-.0-;=@-Z_a-z~]+)*$": (
        "must be a path such as /openai: it begins with /, does not end with /, and has no spaces, %, ? or #"
    ),
    r"^prj_[0-9a-hjkmnp-tv-z]{26}$": "must be the id of a project: prj_ and 26 small letters and digits",
    r"^tok_[0-9a-hjkmnp-tv-z]{26}$": "must be the id of a token: tok_ and 26 small letters and digits",
}
"""The meaning of every pattern in `proto/`."""


def refusal(violations: Sequence[Violation]) -> TollkeeperError:
    """Return INVALID_ARGUMENT naming the fields and the rules they broke, never their values."""
    return refusal_of(Problem(_path(violation), _description(violation)) for violation in violations)


def _description(violation: Violation) -> str:
    words = WORDS.get(str(violation.rule_value)) if violation.proto.rule_id == "string.pattern" else None
    return words or violation.proto.message or "is not valid"


def _path(violation: Violation) -> str:
    """Return the field's name, such as `deployments[0].upstream`; empty for the message as a whole."""
    if violation.proto.field is None:
        return ""
    names = []
    for element in violation.proto.field.elements:
        subscript = element.subscript
        names.append(f"{element.field_name}[{subscript.value}]" if subscript else str(element.field_name))
    return ".".join(names)
