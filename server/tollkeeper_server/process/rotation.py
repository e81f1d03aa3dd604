"""Sealing every secret of a store again, so that old encryption keys can go."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from tollkeeper_server.domain.author import Author, Door, acting
from tollkeeper_server.domain.configuration import Configuration, Entity, key_of
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.keys import ENCRYPTION_KEY_FILE, make_sealer
from tollkeeper_server.settings import ENV_PREFIX, LogFormat, Settings, SettingsError
from tollkeeper_server.store.open import file_of, make_store
from tollkeeper_server.store.ports import Store, StoreCorruptError
from tollkeeper_server.store.sealed import FIELDS, NAMED, Context, Sealer, UnsealError
from tollkeeper_server.telemetry.logs import set_up_logging

_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation found: `total` secrets, of which it has sealed `resealed` again."""

    total: int
    resealed: int


@dataclass(frozen=True, slots=True)
class _Found:
    """A sealed secret and its place: a field of an entity, or a name of the store's own."""

    sealed: str
    context: Context
    name: str
    entity: Entity | None = None


def run_rotation(settings: Settings) -> str:
    """Seal every secret of the settings' store with their first key; return what was done, in a sentence.

    Processes may serve from the store meanwhile. Raises `RunError` with the reason why it can't be done.
    """
    set_up_logging(settings.log_level, as_json=settings.log_format is LogFormat.JSON)
    try:
        return asyncio.run(_run(settings))
    except (OSError, SettingsError, StoreCorruptError, TollkeeperError) as error:
        raise RunError(str(error)) from error


async def _run(settings: Settings) -> str:
    if settings.encryption_key is None:
        raise RunError(
            f"{ENV_PREFIX}ENCRYPTION_KEY is not set; set it to the new key, a comma and the old one: export "
            f'{ENV_PREFIX}ENCRYPTION_KEY="$(openssl rand -base64 32),'
            f'$(cat {settings.data_dir / ENCRYPTION_KEY_FILE})"'
        )
    sealer = make_sealer(settings)
    file = file_of(settings.store, settings.data_dir)
    if file is not None and not file.exists():
        raise RunError(f"store {file}: there is no such file; name the store that the gateway uses")
    store = make_store(settings.store, settings.data_dir)
    await store.open()
    try:
        done = await rotate(store, sealer)
    finally:
        await store.close()
    return (
        f"All {done.total} secrets are sealed with the first key, {sealer.key_id}; {done.resealed} of them "
        "were sealed again. The other keys can go once every process has this key first."
    )


async def rotate(store: Store, sealer: Sealer) -> Rotated:
    """Seal every secret with the sealer's first key, and leave those alone that are.

    Each is replaced only as long as it is the one that was read. What was edited meanwhile is read again:
    rotations may run beside each other and beside edits, and one that was broken off is completed by the
    next. Raises `RunError` naming the secrets that no key opens, before anything is changed if there are any
    to begin with.
    """
    resealed = 0
    for _ in range(_ROUNDS):
        found = await _find(store)
        _check(found, sealer)
        old = [it for it in found if not sealer.is_first(it.sealed)]
        if not old:
            return Rotated(len(found), resealed)
        for secrets in _by_place(old):
            if await _reseal(store, sealer, secrets):
                resealed += len(secrets)
    raise RunError(
        f"{resealed} secrets were sealed again, but others go on being sealed with another key; give every "
        "process the same first key, and repeat this"
    )


async def _find(store: Store) -> list[_Found]:
    found = [
        _Found(sealed, context, name)
        for name, context in NAMED.items()
        if (sealed := await store.secrets.find(name)) is not None
    ]
    return [*found, *_configured(await store.configuration.read())]


def _configured(configuration: Configuration) -> Iterator[_Found]:
    entities: tuple[Entity, ...] = (
        *configuration.projects,
        *configuration.upstreams,
        *configuration.groups,
        *configuration.models,
        *configuration.listeners,
    )
    for entity in entities:
        for field, context in FIELDS.get(type(entity), {}).items():
            if (sealed := getattr(entity, field)) is not None:
                yield _Found(sealed, context(key_of(entity)), field, entity)


def _check(found: list[_Found], sealer: Sealer) -> None:
    """Raise `RunError` naming all that no key opens."""
    problems = []
    for secret in found:
        try:
            sealer.open(secret.sealed, secret.context)
        except UnsealError as error:
            problems.append(f"{secret.context.name}: {error}")
    if problems:
        raise RunError("; ".join(problems))


def _by_place(found: list[_Found]) -> list[list[_Found]]:
    """Return the secrets of each entity together, those of none each by itself."""
    places: dict[object, list[_Found]] = {}
    for secret in found:
        entity = secret.entity
        place = secret.name if entity is None else (type(entity), key_of(entity))
        places.setdefault(place, []).append(secret)
    return list(places.values())


async def _reseal(store: Store, sealer: Sealer, secrets: list[_Found]) -> bool:
    """Return whether the secrets of one place were replaced; not if that was edited since it was read."""
    resealed = {it.name: sealer.seal(sealer.open(it.sealed, it.context), it.context) for it in secrets}
    entity = secrets[0].entity
    if entity is None:
        (secret,) = secrets
        return await store.secrets.replace(secret.name, resealed[secret.name], expected=secret.sealed)
    # The revision moves, so that an edit which has read the old secrets can't bring them back.
    after = msgspec.structs.replace(entity, **resealed, revision=entity.revision + 1)
    with acting(Author(door=Door.ROTATION)):
        return await store.configuration.replace(after, expected=entity.revision)
