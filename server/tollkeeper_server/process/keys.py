"""The data directory, and the keys that a process needs before it can serve."""

import base64
import logging
from pathlib import Path
from secrets import token_bytes, token_urlsafe

from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.key_file import read_or_make
from tollkeeper_server.settings import ENV_PREFIX, Settings, SettingsError
from tollkeeper_server.store.ports import SecretStore
from tollkeeper_server.store.sealed import DIGEST_KEY, Sealer, new_key

_log = logging.getLogger("tollkeeper.app")
ENCRYPTION_KEY_FILE = "encryption-key"
_MANAGEMENT_TOKEN_FILE = "management-token"  # noqa: S105 - a file's name
_NO_MANAGEMENT_TOKEN = (
    f"{ENV_PREFIX}MANAGEMENT_TOKEN is not set; the gateway checks management calls against it. "
    f'Make one and keep it: export {ENV_PREFIX}MANAGEMENT_TOKEN="$(openssl rand -base64 32)"'
)


def make_data_dir(path: Path) -> None:
    """Make the data directory unless it is there. Raises `SettingsError`."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise data_dir_error(path, error) from error


def data_dir_error(path: Path, error: OSError) -> SettingsError:
    """Return the error for a file or folder of the data directory that can't be used."""
    return SettingsError(f"data_dir: {path}: {error.strerror}; name a directory that Tollkeeper may write to")


def load_management_token(settings: Settings) -> str:
    """Return the management token of the settings, for a demo without one the token in the data directory.

    Raises `RunError` if there is none, `SettingsError` or `KeyFileError` if the demo's can't be kept.
    """
    if settings.management_token is not None:
        return settings.management_token.get_secret_value()
    if not settings.demo:
        raise RunError(_NO_MANAGEMENT_TOKEN)
    make_data_dir(settings.data_dir)
    return read_or_make(settings.data_dir / _MANAGEMENT_TOKEN_FILE, lambda: token_urlsafe(32))


def make_sealer(settings: Settings) -> Sealer:
    """Return the sealer with the settings' keys, or with one kept in the data directory.

    Raises `SettingsError` for a malformed key, `KeyFileError` if it can't be kept.
    """
    if settings.encryption_key is not None:
        try:
            return Sealer(settings.encryption_key.get_secret_value())
        except ValueError as error:
            raise SettingsError(f"encryption_key: {error}") from None
    path = settings.data_dir / ENCRYPTION_KEY_FILE
    key = read_or_make(path, new_key)
    _log.warning(
        "TOLLKEEPER_ENCRYPTION_KEY is not set; using the key in %s. With that file and the store "
        "anyone can read the provider keys: keep them apart in production",
        path,
    )
    return Sealer(key)


async def load_digest_key(secrets: SecretStore, sealer: Sealer) -> bytes:
    """Return the key under which token digests are made: random, sealed, the same for all processes.

    Raises `UnsealError` if the encryption key is not the one it was sealed with.
    """
    fresh = base64.b64encode(token_bytes(32)).decode()
    kept = await secrets.keep("digest_key", sealer.seal(fresh, DIGEST_KEY))
    return base64.b64decode(sealer.open(kept, DIGEST_KEY))
