"""Field masks: which fields an update changes."""

from collections.abc import Collection

from google.protobuf.message import Message
from tollkeeper.messages.fields import changeable, descriptor_of

from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.management.refusals import Refusals


def every_field(request: Message) -> frozenset[str]:
    """Return the fields that a request gives an entity besides what identifies it."""
    return frozenset(changeable(descriptor_of(request)))


def fields_to_change(request: Message) -> frozenset[str]:
    """Return the fields that `update_mask` names, or if there is none, those that are set.

    Every field of the request can be changed but its first, which identifies the entity, mask and etag.
    Raises INVALID_ARGUMENT for a path that can't, listing those that can.
    """
    allowed = changeable(descriptor_of(request))
    paths: Collection[str] = request.update_mask.paths  # type: ignore[attr-defined]  # every update has it
    if not paths:
        return frozenset(field.name for field, _ in request.ListFields()) & frozenset(allowed)
    for path in paths:
        if path not in allowed:
            raise invalid_argument(
                "update_mask", f"{path[:64]!r} can't be changed; these can: {', '.join(allowed)}"
            )
    return frozenset(paths)


def require_values(request: Message, changing: Collection[str], *names: str) -> None:
    """Refuse fields that are to be changed but have no value, where none would be ambiguous.

    Raises INVALID_ARGUMENT.
    """
    refusals = Refusals()
    for name in names:
        if name in changing and not request.HasField(name):
            refusals.add(name, "named in the update but has no value; give one")
    refusals.raise_any()
