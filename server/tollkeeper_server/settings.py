"""The settings of a server process: environment variables `TOLLKEEPER_…`, or a YAML file.

The command line's options take precedence over the environment, the environment over the file that
`--settings` or `TOLLKEEPER_SETTINGS` names. Unknown names are refused.
"""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

ENV_PREFIX = "TOLLKEEPER_"
SETTINGS_FILE = f"{ENV_PREFIX}SETTINGS"
MIN_MANAGEMENT_TOKEN = 16


# Not settings, though they look like it: the tests' own variables, and what Kubernetes tells every
# container of services named tollkeeper… (https://kubernetes.io/docs/concepts/services-networking/service/).
_NOT_OURS = re.compile(
    rf"{SETTINGS_FILE}|{ENV_PREFIX}TEST_\w+|{ENV_PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)"
)


class SettingsError(Exception):
    """The settings can't be used; the message names each field, the reason and the remedy."""


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


class Tls(StrEnum):
    """Where the console's certificate comes from, if not from `tls_cert` and `tls_key`."""

    OFF = "off"
    SELF_SIGNED = "self-signed"


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError("expected HOST:PORT, such as 127.0.0.1:3000")
    return f"{host or '0.0.0.0'}:{int(port)}"  # noqa: S104 - ":3000" asks for every interface


def _store_url(text: str) -> str:
    if text == "sqlite" or text.startswith(("sqlite:///", "mongodb://", "mongodb+srv://")):
        return text
    raise ValueError("expected sqlite, sqlite:///FILE or mongodb://HOST/DATABASE")


def _redis_url(text: str) -> str:
    if not text or text.startswith(("redis://", "rediss://", "unix://")):
        return text
    raise ValueError("expected redis://HOST:PORT/DB")


Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(BaseSettings):
    """What one server process needs to know before it can open its store."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, populate_by_name=True
    )

    data_dir: Path = Path("tollkeeper-data")
    store: Annotated[str, AfterValidator(_store_url)] = "sqlite"
    redis: Annotated[str, AfterValidator(_redis_url)] = ""
    config: Path | None = None
    management_token: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("TOLLKEEPER_MANAGEMENT_TOKEN", "MANAGEMENT_TOKEN"),
    )
    encryption_key: SecretStr | None = None

    data_address: Address = "127.0.0.1:3000"
    console_address: Address = "127.0.0.1:8080"
    grpc_address: Address = "127.0.0.1:50051"
    tls: Tls = Tls.OFF
    tls_cert: Path | None = None
    tls_key: Path | None = None
    grpc_tls: bool = False

    max_body_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, le=4 * 1024**3)
    max_upload_bytes: int = Field(default=1024**3, ge=1024, le=1024**4)
    auth_cache_seconds: Seconds = 300.0
    unknown_token_seconds: Seconds = 5.0
    poll_seconds: Seconds = 1.0
    connect_timeout_seconds: Seconds = 10.0
    first_byte_timeout_seconds: Seconds = 600.0
    idle_timeout_seconds: Seconds = 300.0
    total_timeout_seconds: Seconds = 3600.0
    drain_seconds: Seconds = 600.0
    takeover: bool = False
    log_level: str = "info"
    log_format: LogFormat = LogFormat.TEXT
    metrics_llmproxy_names: bool = False
    demo: bool = False

    @field_validator("management_token", "encryption_key", mode="after")
    @classmethod
    def _empty_is_unset(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value and value.get_secret_value() else None

    @field_validator("management_token", mode="after")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value and len(value.get_secret_value()) < MIN_MANAGEMENT_TOKEN:
            raise ValueError(
                f"must have {MIN_MANAGEMENT_TOKEN} characters or more; make one with: openssl rand -base64 32"
            )
        return value

    @field_validator("log_level", mode="after")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.lower() not in {"debug", "info", "warning", "error"}:
            raise ValueError("expected debug, info, warning or error")
        return value.lower()

    @model_validator(mode="after")
    def _whole_certificate(self) -> "Settings":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together; give both or neither")
        if self.tls_cert and self.tls is Tls.SELF_SIGNED:
            raise ValueError("tls_cert and tls self-signed exclude each other; give one of them")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the hook's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the hook's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Takes options first, then the environment, then the file."""
        return (init_settings, env_settings, _FileSource(settings_cls))

    @property
    def uses_tls(self) -> bool:
        """Whether the console speaks TLS."""
        return self.tls is Tls.SELF_SIGNED or self.tls_cert is not None


class _FileSource(PydanticBaseSettingsSource):
    """The YAML file that the environment names, if it names one."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        path = os.environ.get(SETTINGS_FILE)
        return read_settings_file(Path(path)) if path else {}


def read_settings_file(path: Path) -> dict[str, Any]:
    """Reads the settings in a YAML file. Raises `SettingsError` if it is not a mapping of names."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"settings file {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # Also dates and numbers that only look like such, and nesting without end. What YAML itself
        # says of it shows the lines around, and so perhaps a secret.
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise SettingsError(f"settings file {path}{line}: not valid YAML") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise SettingsError(f"settings file {path}: expected a mapping of settings to values")
    if "management_token" in content:
        content[f"{ENV_PREFIX}MANAGEMENT_TOKEN"] = content.pop("management_token")
    return content


def load_settings(options: Mapping[str, Any]) -> Settings:
    """Makes settings of the options given, the environment and the file.

    Raises `SettingsError`, which never shows a value: it might be a secret.
    """
    known = set(Settings.model_fields)
    for name in os.environ:
        field = name.removeprefix(ENV_PREFIX).lower()
        if name.startswith(ENV_PREFIX) and field not in known and not _NOT_OURS.fullmatch(name):
            raise SettingsError(f"{name}: no such setting; `tollkeeper check-config` lists those there are")
    try:
        return Settings(**options)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc'])) or 'settings'}: "
            + problem["msg"].removeprefix("Value error, ")
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("; ".join(problems)) from None
