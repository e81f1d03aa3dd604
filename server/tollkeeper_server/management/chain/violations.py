"""What protovalidate found, as an error that names every field."""

from collections.abc import Sequence

from protovalidate import Violation

from tollkeeper_server.errors import FieldViolation, Reason, TollkeeperError

# More would not fit into the trailers of a gRPC call, which clients limit to 8 KiB.
_MOST = 10
# What the patterns say, of which nobody could see it at once.
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
    """Returns INVALID_ARGUMENT naming the fields and the rules they broke, never their values."""
    found = tuple(
        FieldViolation(_path(violation), _description(violation)) for violation in violations[:_MOST]
    )
    sentences = [f"{it.field}: {it.description}" if it.field else it.description for it in found]
    if len(violations) > _MOST:
        sentences.append(f"and {len(violations) - _MOST} more")
    return TollkeeperError(
        Reason.INVALID_ARGUMENT, "; ".join(sentences), field=found[0].field or None, violations=found
    )


def _description(violation: Violation) -> str:
    words = _WORDS.get(str(violation.rule_value)) if violation.proto.rule_id == "string.pattern" else None
    return words or violation.proto.message or "is not valid"


def _path(violation: Violation) -> str:
    """Returns the field's name, such as `deployments[0].upstream`; empty for the message as a whole."""
    if violation.proto.field is None:
        return ""
    names = []
    for element in violation.proto.field.elements:
        subscript = element.subscript
        names.append(f"{element.field_name}[{subscript.value}]" if subscript else str(element.field_name))
    return ".".join(names)
