"""The least value of a type that the OpenAI SDK accepts, as JSON has it."""

import types
from datetime import date, datetime
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import pydantic
from typing_extensions import TypeAliasType

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

_SCALARS: dict[object, Json] = {
    str: "string",
    int: 1,
    float: 1.5,
    bool: False,
    object: "anything",
    Any: "anything",
    datetime: "2026-01-02T03:04:05Z",
    date: "2026-01-02",
    type(None): None,
    None: None,
    pydantic.StrictStr: "string",
    pydantic.StrictInt: 1,
    pydantic.StrictBool: False,
}


def example(wanted: Any) -> Json:
    """Return a value of the type `wanted`: members without a plain default, and `usage`.

    Raises TypeError for a type that this function does not know.
    """
    if isinstance(wanted, TypeAliasType):
        return example(wanted.__value__)
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return _SCALARS[wanted] if wanted in _SCALARS else example(arguments[0])
    if wanted in _SCALARS:
        return _SCALARS[wanted]
    if origin is Literal:
        return cast("Json", arguments[0])
    if origin in (Union, types.UnionType):
        return example(next(kind for kind in arguments if kind is not type(None)))
    if origin in (list, tuple) or getattr(origin, "__name__", "") in ("Sequence", "Iterable"):
        return [example(arguments[0])]
    if wanted is dict or origin is dict or getattr(origin, "__name__", "") == "Mapping":
        return {}
    if wanted is list:
        return []
    if isinstance(wanted, type) and issubclass(wanted, pydantic.BaseModel):
        return {
            field.alias or name: example(field.annotation)
            for name, field in wanted.model_fields.items()
            if field.is_required() or field.default_factory or name == "usage"
        }
    raise TypeError(f"no example of {wanted!r}")
