"""The operations of OpenAI's API, read from the source of the OpenAI SDK.

Every method of a resource ends in a call such as `self._post("/embeddings", …, cast_to=EmbeddingResponse)`.
Its arguments are the operation: the method, the template of the path, and the type of the answer.
"""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import cast

import openai.resources
from openai.types.audio import Transcription, Translation

_CALLS = {
    "_get": "GET",
    "_get_api_list": "GET",
    "_post": "POST",
    "_put": "PUT",
    "_patch": "PATCH",
    "_delete": "DELETE",
}
_PARAMETER = re.compile(r"\{\w+\}")
# The SDK chooses these types by the format that the caller asks for; the format is JSON unless it is said.
_CHOSEN_BY_FORMAT = {"/audio/transcriptions": Transcription, "/audio/translations": Translation}


@dataclass(frozen=True)
class Operation:
    """One operation, with the types of its answer; more than one where several methods of the SDK share it.

    `event` is the type of a streamed answer's events, None where no answer is streamed.
    """

    method: str
    path: str
    query: str
    answers: tuple[object, ...]
    event: object = None
    always_streams: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        """What matches a path below `/v1`."""
        return re.compile("[^/]+".join(map(re.escape, _PARAMETER.split(self.path))))

    @property
    def parameters(self) -> int:
        """How many parameters the path has; of two operations that match, the one with fewer is meant."""
        return len(_PARAMETER.findall(self.path))


def read_operations() -> list[Operation]:
    """Return the operations of the SDK that is installed, those with the fewest parameters first."""
    package = openai.resources
    found: dict[tuple[str, str, str], Operation] = {}
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for operation in _operations_of(importlib.import_module(module.name)):
            key = operation.method, operation.path, operation.query
            known = found.get(key)
            found[key] = operation if known is None else _both(known, operation)
    return sorted(found.values(), key=lambda operation: (operation.parameters, not operation.query))


def _both(one: Operation, other: Operation) -> Operation:
    answers = tuple(dict.fromkeys(one.answers + other.answers))
    return replace(one, answers=answers, event=one.event or other.event)


def _operations_of(module: ModuleType) -> Iterator[Operation]:
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for resource in tree.body:
        if not isinstance(resource, ast.ClassDef) or resource.name.startswith("Async"):
            continue
        for node in ast.walk(resource):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in _CALLS
            ):
                operation = _operation(module, node.func.attr, node)
                if operation is not None:
                    yield operation


def _operation(module: ModuleType, name: str, call: ast.Call) -> Operation | None:
    written = _path(call.args[0])
    if written is None:
        return None
    path, _, query = written.partition("?")
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    method = ast.literal_eval(given["method"]).upper() if "method" in given else _CALLS[name]
    if path in _CHOSEN_BY_FORMAT:
        answer: object = _CHOSEN_BY_FORMAT[path]
    else:
        answer = _evaluate(module, given["page"] if name == "_get_api_list" else given["cast_to"])
    stream = given.get("stream_cls")
    event = _evaluate(module, stream.slice) if isinstance(stream, ast.Subscript) else None
    always = "stream" in given and isinstance(given["stream"], ast.Constant) and given["stream"].value is True
    return Operation(method, path, query, (answer,), event, always)


def _path(node: ast.expr) -> str | None:
    if isinstance(node, ast.Call) and node.args:  # path_template("/files/{file_id}", file_id=file_id)
        node = node.args[0]
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return None
    return node.value


def _evaluate(module: ModuleType, node: ast.expr) -> object:
    return cast("object", eval(compile(ast.Expression(node), "<the SDK>", "eval"), vars(module)))  # noqa: S307
