"""Violations that protovalidate found, as an error that names every field."""

from collections.abc import Sequence

from protovalidate import Violation
from tollkeeper.messages import Problem

from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.refusals import refusal_of

# The meaning of the patterns, in words.
_WORDS = {
    r"^[\x20-\x7e]*$": "must be printable ASCII, without line breaks",
    r"^[\x21-\x7e]*$": "must be printable ASCII, without spaces or line breaks",
    r"^[^\x00-\x1f\x7f]*$": "must have no line breaks or other control characters",
    r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{0,64}$": "must be the name of a header, of up to 64 characters",
    r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$": "must be the name of a header, of 1 to 64 characters",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": (
        "must be 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit"
    ),
}


def refusal(violations: Sequence[Violation]) -> TollkeeperError:
    """Return INVALID_ARGUMENT naming the fields and the rules they broke, never their values."""
    return refusal_of(Problem(_path(violation), _description(violation)) for violation in violations)


def _description(violation: Violation) -> str:
    words = _WORDS.get(str(violation.rule_value)) if violation.proto.rule_id == "string.pattern" else None
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
