"""The refusals of a store to write an entity."""

from tollkeeper_server.domain.configuration import KINDS, Entity, key_of
from tollkeeper_server.errors import Reason, TollkeeperError


def key_taken(entity: Entity) -> TollkeeperError:
    """Return the refusal of an entity whose id or name another of its kind has."""
    return TollkeeperError(
        Reason.ALREADY_EXISTS,
        f"{KINDS[type(entity)]} {key_of(entity)!r} exists already; choose another name, or update that one",
        field="name",
    )


def secret_taken() -> TollkeeperError:
    """Return the refusal of a token whose secret another token has."""
    return TollkeeperError(
        Reason.ALREADY_EXISTS, "secret: another token has it already; use another one", field="secret"
    )
