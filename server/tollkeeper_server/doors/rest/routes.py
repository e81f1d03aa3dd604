"""REST routes out of the `google.api.http` annotations (google/api/http.proto says how they read)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor

from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.management.chain.registry import methods

_VARIABLE = re.compile(r"\{([a-z_]+)(?:=(\*\*?))?\}")
_VERBS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, slots=True)
class HttpBinding:
    """One annotation. `body` is `*` for the whole request, or empty for none.

    `response_body` is the field that is answered, empty for the whole response. `variables` are the
    fields that the path holds. `operation` names it: the method, and for more than one the path's last word.
    """

    verb: str
    template: str
    pattern: re.Pattern[str]
    method: MethodDescriptor
    body: str
    response_body: str
    variables: tuple[str, ...]
    operation: str

    def match(self, path: str) -> Mapping[str, str] | None:
        """Return the variables' values, percent-decoded, or None if the path is another.

        Raises INVALID_ARGUMENT if one is not UTF-8.
        """
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        return {
            name: _decode(name, value) for name, value in zip(self.variables, found.groups(), strict=True)
        }


def _decode(name: str, value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise invalid_argument(name, "not UTF-8 in the path") from None


def compile_template(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Return the pattern that a path template stands for, and the variables its groups hold.

    A variable stands for one segment, `{name=**}` for one or more. Raises ValueError for a template of
    any other form.
    """
    pieces: list[str] = []
    variables: list[str] = []
    at = 0
    for variable in _VARIABLE.finditer(template):
        pieces.append(re.escape(template[at : variable.start()]))
        pieces.append("([^/]+(?:/+[^/]+)*)" if variable.group(2) == "**" else "([^/]+)")
        variables.append(variable.group(1))
        at = variable.end()
    pieces.append(re.escape(template[at:]))
    if set("{}*") & set(_VARIABLE.sub("", template)):
        raise ValueError(f"{template}: a path template of a form that is not served")
    return re.compile("".join(pieces)), tuple(variables)


def routes() -> tuple[HttpBinding, ...]:
    """Return every route of the management plane, those with more fixed segments first.

    Raises ValueError for an annotation that can't be served: such a server does not start.
    """
    found = [route for method in methods() for route in _routes_of(method)]
    return tuple(sorted(found, key=lambda route: -_fixed(route.template)))


def _fixed(template: str) -> int:
    return sum("{" not in segment for segment in template.split("/"))


def _routes_of(method: MethodDescriptor) -> Iterator[HttpBinding]:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    yield _route(method, rule, method.name)
    for binding in rule.additional_bindings:
        template: str = getattr(binding, binding.WhichOneof("pattern") or "get")
        yield _route(method, binding, f"{method.name}_{template.rpartition('/')[2]}")


def _route(method: MethodDescriptor, rule: http_pb2.HttpRule, operation: str) -> HttpBinding:
    verb = rule.WhichOneof("pattern")
    if verb not in _VERBS or rule.body not in {"", "*"}:
        raise ValueError(f"{method.full_name} has no google.api.http annotation that can be served")
    template: str = getattr(rule, verb)
    pattern, variables = compile_template(template)
    return HttpBinding(
        verb=verb.upper(),
        template=template,
        pattern=pattern,
        method=method,
        body=rule.body,
        response_body=rule.response_body,
        variables=variables,
        operation=operation,
    )
