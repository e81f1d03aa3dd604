"""What protovalidate found, as an error that names every field."""

from collections.abc import Sequence

from protovalidate import Violation

from tollkeeper_server.errors import FieldViolation, Reason, TollkeeperError

# More would not fit into the trailers of a gRPC call, which clients limit to 8 KiB.
_MOST = 10


def refusal(violations: Sequence[Violation]) -> TollkeeperError:
    """Returns INVALID_ARGUMENT naming the fields and the rules they broke, never their values."""
    found = tuple(
        FieldViolation(_path(violation), violation.proto.message or "is not valid")
        for violation in violations[:_MOST]
    )
    sentences = [f"{it.field}: {it.description}" if it.field else it.description for it in found]
    if len(violations) > _MOST:
        sentences.append(f"and {len(violations) - _MOST} more")
    return TollkeeperError(
        Reason.INVALID_ARGUMENT, "; ".join(sentences), field=found[0].field or None, violations=found
    )


def _path(violation: Violation) -> str:
    """Returns the field's name, such as `deployments[0].upstream`; empty for the message as a whole."""
    if violation.proto.field is None:
        return ""
    names = []
    for element in violation.proto.field.elements:
        subscript = element.subscript
        names.append(f"{element.field_name}[{subscript.value}]" if subscript else str(element.field_name))
    return ".".join(names)
