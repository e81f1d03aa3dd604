"""The settings as they are documented, and the command line's options for them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args

import click
from pydantic.fields import FieldInfo

from tollkeeper_server.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, described. `default` is its text, empty if there is none."""

    name: str
    kind: type[object]
    default: str
    explanation: str
    is_option: bool
    metavar: str | None

    @property
    def flags(self) -> str:
        """The option's names, such as `--data-dir` or `--demo/--no-demo`."""
        name = self.name.replace("_", "-")
        return f"--{name}/--no-{name}" if self.kind is bool else f"--{name}"


def described() -> list[Setting]:
    """Return every setting, in the order of the fields of `Settings`."""
    return [_describe(name, field) for name, field in Settings.model_fields.items()]


def with_settings(command: _Command) -> _Command:
    """Give a command the option `--settings`, and one for each setting that is an option."""
    for setting in reversed(described()):
        if not setting.is_option:
            continue
        command = click.option(
            setting.flags,
            type=_type_of(setting.kind),
            default=None,
            metavar=setting.metavar,
            help=f"{setting.explanation.replace('`', '')} [{setting.default or 'none'}]",
        )(command)
    return click.option(
        "--settings", "settings_file", type=click.Path(path_type=Path), help="YAML file of settings."
    )(command)


def _describe(name: str, field: FieldInfo) -> Setting:
    extra = field.json_schema_extra
    assert isinstance(extra, dict), f"{name} is not declared by `setting`"
    kind, *_ = (it for it in get_args(field.annotation) or (field.annotation,) if it is not NoneType)
    metavar = extra["metavar"]
    return Setting(
        name=name,
        kind=kind,
        default=_text_of(field.default),
        explanation=field.description or "",
        is_option=bool(extra["option"]),
        metavar=str(metavar) if metavar else None,
    )


def _type_of(kind: type[object]) -> click.ParamType[Any] | type[Any]:
    if issubclass(kind, Path):
        return click.Path(path_type=kind)
    if issubclass(kind, StrEnum):
        return click.Choice([it.value for it in kind])
    return kind


def _text_of(default: object) -> str:
    match default:
        case None:
            return ""
        case bool():
            return str(default).lower()
        case float():
            return f"{default:g}"
        case _:
            return str(default)
