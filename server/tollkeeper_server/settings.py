"""The settings of a server process, each described in one place.

A setting is a field of `Settings`: its name, type, default and explanation, and whether the command line has
it as an option. `process/options.py` derives the options from the fields, and the README's table is theirs.

A value comes from the command line, else from the environment variable `TOLLKEEPER_…`, else from the YAML
file that `--settings` or `TOLLKEEPER_SETTINGS` names. Unknown names are refused.
"""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tollkeeper_server.domain.address import EVERY_INTERFACE, split_address
from tollkeeper_server.domain.status import SettingSource

ENV_PREFIX = "TOLLKEEPER_"
SETTINGS_FILE = f"{ENV_PREFIX}SETTINGS"
MIN_MANAGEMENT_TOKEN = 16
_OPENSSL = "make one with: openssl rand -base64 32"


# These look like settings and are none: the tests' own variables, and those that Kubernetes sets in every
# container for a service named tollkeeper… (https://kubernetes.io/docs/concepts/services-networking/service/).
_NOT_OURS = re.compile(
    rf"{SETTINGS_FILE}|{ENV_PREFIX}TEST_\w+|{ENV_PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?)"
)


class SettingsError(Exception):
    """The settings can't be used; the message names each field, the reason and the remedy."""


class LogLevel(StrEnum):
    """The severity of a log message."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class DiskFull(StrEnum):
    """What becomes of requests with limits that the usage journal has no room for."""

    COUNT = "count"
    REFUSE = "refuse"


class LogFormat(StrEnum):
    """The form of log lines."""

    TEXT = "text"
    JSON = "json"


class Tls(StrEnum):
    """The source of the console's certificate, if it is not `tls_cert` and `tls_key`."""

    OFF = "off"
    SELF_SIGNED = "self-signed"


def _address(text: str) -> str:
    host, port = split_address(text)
    return f"{host or EVERY_INTERFACE}:{port}"


def _store_url(text: str) -> str:
    if text == "sqlite" or text.startswith(("sqlite:///", "mongodb://", "mongodb+srv://")):
        return text
    raise ValueError("expected sqlite, sqlite:///FILE or mongodb://HOST/DATABASE")


def _redis_url(text: str) -> str:
    scheme = text.partition("://")[0].replace("rediss", "redis", 1)
    if not text or scheme in ("redis", "redis+sentinel", "redis+cluster", "unix"):
        return text
    raise ValueError(
        "expected redis://HOST:PORT/DB, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB or "
        "redis+cluster://HOST:PORT,HOST:PORT"
    )


def _log_level(text: object) -> object:
    level = text.lower() if isinstance(text, str) else text
    if level not in set(LogLevel):
        raise ValueError("expected debug, info, warning or error")
    return level


Address = Annotated[str, AfterValidator(_address)]
StoreUrl = Annotated[str, AfterValidator(_store_url)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
Level = Annotated[LogLevel, BeforeValidator(_log_level)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
OutputTokens = Annotated[int, Field(ge=0, le=10_000_000)]


def setting(default: object, explanation: str, *, option: bool | str = False, **rules: Any) -> Any:
    """Return a field of `Settings`; `rules` are those of `pydantic.Field`.

    With `option` the command line has it, too: as `--name`, a truth value as `--name/--no-name`. If `option`
    is a text, that stands for the value in `--help`.
    """
    return Field(default, description=explanation, json_schema_extra={"option": option}, **rules)


class Settings(BaseSettings):
    """The settings of one server process, which it needs before it can open its store.

    No secret is an option: other users of the machine can see a command line.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, populate_by_name=True
    )

    management_token: SecretStr | None = setting(
        None,
        "Guards the management plane. Required, but for a demo. Also read without the prefix.",
        validation_alias=AliasChoices(f"{ENV_PREFIX}MANAGEMENT_TOKEN", "MANAGEMENT_TOKEN"),
    )
    encryption_key: SecretStr | None = setting(
        None,
        "Base64 of 32 bytes, which seal secrets in the store. Without it one is made and kept in the data "
        "directory. Of several, separated by commas, the first one seals, and all open.",
    )
    data_dir: Path = setting(
        Path("tollkeeper-data"), "Directory of SQLite file, journal and keys.", option=True
    )
    config: Path | None = setting(None, "Configuration file, applied at start and at SIGHUP.", option=True)
    prune: bool = setting(
        False, "Removes what `CONFIG` does not name, as `tollkeeper apply --prune` does.", option=True
    )
    store: StoreUrl = setting(
        "sqlite", "`sqlite`, `sqlite:///FILE` or `mongodb://HOST/DATABASE`.", option="URL"
    )
    redis: RedisUrl = setting(
        "",
        "`redis://HOST:PORT/DB` (`rediss://…` over TLS), which several processes share; or "
        "`redis+sentinel://…` or `redis+cluster://…`.",
        option="URL",
    )

    workers: int = setting(
        0,
        "Processes that serve callers; with 0 or 1 a single process does everything.",
        option=True,
        ge=0,
        le=256,
    )

    data_address: Address = setting("127.0.0.1:3000", "Data plane, HTTP/1.1.", option="HOST:PORT")
    console_address: Address = setting(
        "127.0.0.1:8080",
        "REST, Connect, docs, health, and the data plane under `/v1`; HTTP/2 and HTTP/1.1.",
        option="HOST:PORT",
    )
    grpc_address: Address = setting("127.0.0.1:50051", "Management plane, gRPC.", option="HOST:PORT")
    tls: Tls = setting(Tls.OFF, "`self-signed` makes a certificate for local use.", option=True)
    tls_cert: Path | None = setting(None, "PEM file of the console's certificate.", option=True)
    tls_key: Path | None = setting(None, "PEM file of the certificate's private key.", option=True)
    grpc_tls: bool = setting(False, "gRPC uses the console's certificate, too.", option=True)
    data_tls: bool = setting(False, "The data plane's own port uses that certificate, too.", option=True)

    max_connections: int = setting(
        10_000,
        "Most open connections to the data plane, as many to the console, and over gRPC at most 500.",
        ge=1,
        le=1_000_000,
    )
    max_connections_per_address: int = setting(
        2_000, "Of these, most from one address (of IPv6, from one /64).", ge=1, le=1_000_000
    )
    proxy_from_environment: bool = setting(
        False,
        "Upstreams without a `proxy_url` are called through `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY`, but "
        "for those that `NO_PROXY` names.",
        option=True,
    )
    max_body_bytes: int = setting(
        64 * 1024**2,
        "Largest body that is read to find its model, as it comes and decoded.",
        option=True,
        ge=1024,
        le=4 * 1024**3,
    )
    max_bodies_bytes: int = setting(
        512 * 1024**2,
        "Bodies in memory at once, in all; those of one token come to half of it.",
        ge=1024,
        le=1024**4,
    )
    max_upload_bytes: int = setting(
        1024**3, "Largest upload (`/v1/files`, `/v1/uploads`), which streams through.", ge=1024, le=1024**4
    )
    share_kept: bool = setting(
        False,
        "Projects share the files, responses and other things that upstreams keep, and reach those made "
        "past the gateway.",
    )
    auth_cache_seconds: Seconds = setting(300.0, "Time for which a token that was looked up is good.")
    unknown_token_seconds: Seconds = setting(5.0, "Time for which an unknown token is remembered.")
    poll_seconds: Seconds = setting(1.0, "Interval at which the store is asked for changes.")
    connect_timeout_seconds: Seconds = setting(10.0, "To connect; upstreams may have limits of their own.")
    first_byte_timeout_seconds: Seconds = setting(600.0, "Longest wait until an answer begins.")
    idle_timeout_seconds: Seconds = setting(300.0, "Longest silence within an answer.")
    total_timeout_seconds: Seconds = setting(3600.0, "Longest answer.")
    default_max_output: OutputTokens = setting(
        16_384,
        "The most tokens of an answer that are written into a request under a budget of tokens or money "
        "which names no maximum, where that of the model is not known either; 0 writes nothing.",
    )
    drain_seconds: Seconds = setting(600.0, "Time for requests under way when the process ends.", option=True)
    disk_full: DiskFull = setting(
        DiskFull.COUNT,
        "Requests with limits while the disk is full: `count` serves them, `refuse` does not (503).",
    )
    log_level: Level = setting(LogLevel.INFO, "Least severe messages that are logged.", option=True)
    log_format: LogFormat = setting(LogFormat.TEXT, "`json` logs one object a line.", option=True)
    cost_header: bool = setting(
        True, "Answers whose cost is known before they are sent say it in `x-tollkeeper-cost`, in dollars."
    )
    metrics_llmproxy_names: bool = setting(False, "`/metrics` has llmproxy's families, too.")
    demo: bool = setting(False, "Set up a simulated provider, a project and a token.", option=True)
    takeover: bool = setting(False, "Take the ports over from the process that has them.", option=True)

    _sources: Mapping[str, SettingSource] = PrivateAttr(default_factory=dict)

    @field_validator("management_token", "encryption_key", mode="after")
    @classmethod
    def _empty_is_unset(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value and value.get_secret_value() else None

    @field_validator("management_token", mode="after")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value and len(value.get_secret_value()) < MIN_MANAGEMENT_TOKEN:
            raise ValueError(f"must have {MIN_MANAGEMENT_TOKEN} characters or more; {_OPENSSL}")
        return value

    @model_validator(mode="after")
    def _whole_certificate(self) -> "Settings":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together; give both or neither")
        if self.tls_cert and self.tls is Tls.SELF_SIGNED:
            raise ValueError("tls_cert and tls self-signed exclude each other; give one of them")
        for name in ("grpc_tls", "data_tls"):
            if getattr(self, name) and not self.uses_tls:
                raise ValueError(f"{name} needs a certificate; give tls_cert and tls_key, or tls self-signed")
        return self

    @model_validator(mode="after")
    def _prunes_by_a_file(self) -> "Settings":
        if self.prune and self.config is None:
            raise ValueError("prune needs config, the file that names what stays; give both")
        if self.prune and self.demo:
            raise ValueError("prune would remove what demo sets up; give one of them")
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
        """Return the sources of values, the one that counts most first."""
        return (init_settings, env_settings, _FileSource(settings_cls))

    def come_from(self, sources: Mapping[str, SettingSource]) -> Self:
        """Take where values come from, and return these settings."""
        self._sources = sources
        return self

    def source_of(self, name: str) -> SettingSource:
        """Return where the value of a setting comes from."""
        return self._sources.get(name, SettingSource.DEFAULT)

    @property
    def uses_tls(self) -> bool:
        """Whether the console speaks TLS."""
        return self.tls is Tls.SELF_SIGNED or self.tls_cert is not None


class _FileSource(PydanticBaseSettingsSource):
    """The YAML file that the environment names, if it names one."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - pydantic's signature
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        path = os.environ.get(SETTINGS_FILE)
        return read_settings_file(Path(path)) if path else {}


def read_settings_file(path: Path) -> dict[str, Any]:
    """Return the settings in a YAML file. Raises `SettingsError` if it is not a mapping of names."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"settings file {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # Also for a date or number that is none, and for nesting without end. YAML's own message shows
        # the lines around, which may hold a secret.
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
    """Return the settings that the options, the environment and the file make.

    Raises `SettingsError`, which never shows a value: it might be a secret.
    """
    known = set(Settings.model_fields)
    for name in os.environ:
        field = name.removeprefix(ENV_PREFIX).lower()
        if name.startswith(ENV_PREFIX) and field not in known and not _NOT_OURS.fullmatch(name):
            raise SettingsError(f"{name}: no such setting; `tollkeeper check-config` lists those there are")
    try:
        return Settings(**options).come_from(_sources(options))
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc'])) or 'settings'}: "
            + problem["msg"].removeprefix("Value error, ")
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("; ".join(problems)) from None


def variable_of(name: str) -> str:
    """Return the environment variable that sets a setting."""
    return f"{ENV_PREFIX}{name.upper()}"


def _sources(options: Mapping[str, Any]) -> dict[str, SettingSource]:
    """Return where the values come from that options, the environment or the file have."""
    path = os.environ.get(SETTINGS_FILE)
    written = read_settings_file(Path(path)) if path else {}
    in_file = {name.removeprefix(ENV_PREFIX).lower() for name in written}
    variables = {name.upper() for name in os.environ}
    sources = dict.fromkeys(in_file, SettingSource.FILE)
    for name in Settings.model_fields:
        if variable_of(name) in variables or (name == "management_token" and name.upper() in variables):
            sources[name] = SettingSource.ENVIRONMENT
    return sources | dict.fromkeys(options, SettingSource.OPTION)
