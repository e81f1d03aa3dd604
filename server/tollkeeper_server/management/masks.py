"""Field masks: which fields an update changes."""

from collections.abc import Collection

from google.protobuf.message import Message

from tollkeeper_server.errors import Reason, TollkeeperError

_NEVER = {"update_mask", "etag"}


def fields_to_change(request: Message, *, identity: str) -> frozenset[str]:
    """Returns the fields that `update_mask` names, or if there is none, those that are set.

    Every field of the request can be changed but its `identity`, mask and etag. Raises
    INVALID_ARGUMENT for a path that can't, listing those that can.
    """
    allowed = [field.name for field in request.DESCRIPTOR.fields if field.name not in {identity, *_NEVER}]
    paths: Collection[str] = request.update_mask.paths  # type: ignore[attr-defined]  # every update has it
    if not paths:
        return frozenset(field.name for field, _ in request.ListFields()) & frozenset(allowed)
    for path in paths:
        if path not in allowed:
            shown = path[:64].encode("ascii", "backslashreplace").decode()
            raise TollkeeperError(
                Reason.INVALID_ARGUMENT,
                f"update_mask: {shown!r} can't be changed; these can: {', '.join(allowed)}",
                field="update_mask",
            )
    return frozenset(paths)


def require_values(request: Message, changing: Collection[str], *names: str) -> None:
    """Refuses a field that is to be changed but has no value, where none would be ambiguous.

    Raises INVALID_ARGUMENT.
    """
    for name in names:
        if name in changing and not request.HasField(name):
            raise TollkeeperError(
                Reason.INVALID_ARGUMENT, f"{name}: named in the update but has no value; give one", field=name
            )
