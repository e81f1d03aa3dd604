"""The command line's options for the settings that have one, derived from the fields of `Settings`."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args

import click
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from tollkeeper_server.domain.status import Setting
from tollkeeper_server.settings import Settings, variable_of
from tollkeeper_server.telemetry.logs import redact

_Command = TypeVar("_Command", bound=Callable[..., object])


def with_settings(command: _Command) -> _Command:
    """Give a command the option `--settings`, and one for each setting that is an option."""
    return _with(command, Settings.model_fields)


def with_store(command: _Command) -> _Command:
    """Give a command the option `--settings`, and those for the settings that name the store."""
    return _with(command, {name: Settings.model_fields[name] for name in ("data_dir", "store")})


def _with(command: _Command, fields: Mapping[str, FieldInfo]) -> _Command:
    for name, field in reversed(list(fields.items())):
        extra = field.json_schema_extra
        if isinstance(extra, dict) and (option := extra["option"]):
            command = _option(name, field, None if option is True else str(option))(command)
    path = click.Path(path_type=Path)
    return click.option("--settings", "settings_file", type=path, help="YAML file of settings.")(command)


def _option(name: str, field: FieldInfo, metavar: str | None) -> Callable[[_Command], _Command]:
    flag = name.replace("_", "-")
    (kind,) = {*(get_args(field.annotation) or (field.annotation,))} - {NoneType}
    return click.option(
        f"--{flag}/--no-{flag}" if kind is bool else f"--{flag}",
        type=_type_of(kind),
        default=None,  # else an option that is not given would go before the environment
        metavar=metavar,
        help=f"{field.description} [{default_text(field) or 'none'}]".replace("`", ""),
    )


def _type_of(kind: type[object]) -> click.ParamType[Any] | type[Any]:
    if issubclass(kind, Path):
        return click.Path(path_type=kind)
    return click.Choice([it.value for it in kind]) if issubclass(kind, StrEnum) else kind


def default_text(field: FieldInfo) -> str:
    """Return a setting's default as it is written, empty if there is none."""
    match field.default:
        case None:
            return ""
        case bool():
            return str(field.default).lower()
        case float():
            return f"{field.default:g}"
        case _:
            return str(field.default)


def described_settings(settings: Settings) -> list[Setting]:
    """Return the settings by name, secrets masked, with where their values come from."""
    return [
        Setting(
            name=name,
            value=_text(name, getattr(settings, name)),
            source=settings.source_of(name),
            default_value=default_text(field),
            description=field.description or "",
            is_secret=_is_secret(field),
            variable=variable_of(name),
        )
        for name, field in sorted(Settings.model_fields.items())
    ]


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _text(name: str, value: object) -> str:
    """Return a value as it is written, what is secret of it masked."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            # With its name before it, which tells what may be a secret.
            return redact(f"{name}: {value}").removeprefix(f"{name}: ")
