"""The data directory, and the keys that a process needs before it can serve."""

import base64
import logging
from pathlib import Path
from secrets import token_bytes

from tollkeeper_server.settings import Settings, SettingsError
from tollkeeper_server.store.key_file import keep
from tollkeeper_server.store.ports import SecretStore
from tollkeeper_server.store.sealed import DIGEST_KEY, Sealer, new_key

_log = logging.getLogger("tollkeeper.app")
_ENCRYPTION_KEY_FILE = "encryption-key"


def make_data_dir(path: Path) -> None:
    """Makes the data directory unless it is there. Raises `SettingsError`."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise unusable(path, error) from error


def unusable(path: Path, error: OSError) -> SettingsError:
    """Returns the error for a place in the data directory that can't be used."""
    return SettingsError(f"data_dir: {path}: {error.strerror}; name a directory that Tollkeeper may write to")


def make_sealer(settings: Settings) -> Sealer:
    """Returns the sealer with the settings' keys, or with one kept in the data directory.

    Raises `SettingsError` for a malformed key, `KeyFileError` if it can't be kept.
    """
    if settings.encryption_key is not None:
        try:
            return Sealer(settings.encryption_key.get_secret_value())
        except ValueError as error:
            raise SettingsError(f"encryption_key: {error}") from None
    path = settings.data_dir / _ENCRYPTION_KEY_FILE
    key, _ = keep(path, new_key)
    _log.warning(
        "TOLLKEEPER_ENCRYPTION_KEY is not set; using the key in %s. Whoever has that file and the "
        "store has the provider keys: keep them apart in production",
        path,
    )
    return Sealer(key)


async def load_digest_key(secrets: SecretStore, sealer: Sealer) -> bytes:
    """Returns the key under which token digests are made: random, sealed, the same for all processes.

    Raises `UnsealError` if the encryption key is not the one it was sealed with.
    """
    fresh = base64.b64encode(token_bytes(32)).decode()
    kept = await secrets.keep("digest_key", sealer.seal(fresh, DIGEST_KEY))
    return base64.b64decode(sealer.open(kept, DIGEST_KEY))
