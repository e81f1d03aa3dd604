"""Domain values as the messages of `tollkeeper.v1`, secrets masked, and requests as the domain's values."""

from collections.abc import Collection
from typing import Any, TypeVar

from google.protobuf.message import Message
from tollkeeper.messages import MessageError, Problem, read_fields, write
from tollkeeper.messages.fields import VALIDATE_ONLY, descriptor_of
from tollkeeper.v1 import (
    gateway_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    project_service_pb2,
    token_service_pb2,
    upstream_service_pb2,
    usage_service_pb2,
)

from tollkeeper_server.domain.gateway import Gateway
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.upstream import AuthScheme, Upstream
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.domain.usage_sums import UsageRow
from tollkeeper_server.management.client_certificates import KEY_HINT
from tollkeeper_server.management.etags import AnyEntity, etag_of
from tollkeeper_server.management.limits import problems_of, read_dollars, show_usual
from tollkeeper_server.management.refusals import refusal_of
from tollkeeper_server.management.usage_names import Names
from tollkeeper_server.providers.registry import PROVIDERS

M = TypeVar("M", bound=Message)
_WHOLE = {
    gateway_service_pb2.Gateway,
    listener_service_pb2.Listener,
    model_service_pb2.Model,
    project_service_pb2.Project,
    token_service_pb2.Token,
}
"""Messages that show what has limits; others describe it."""


def fields_of(kind: type, request: Message, *, only: Collection[str] | None = None) -> dict[str, Any]:
    """Return a request's fields, or `only` some of them, as the attributes of a domain class.

    An unset field is the attribute's default. Raises INVALID_ARGUMENT naming every field that no value
    can hold, such as a fraction of the least unit, and limits that do not go together.
    """
    problems: list[Problem] = []
    if "limits" in descriptor_of(request).fields_by_name:
        copy = type(request)()
        copy.CopyFrom(request)
        problems += read_dollars(copy.limits)  # type: ignore[attr-defined]  # as its descriptor says
        request = copy
    try:
        fields = read_fields(kind, request, only=only)
    except MessageError as error:
        raise refusal_of([*problems, *error.problems]) from error
    if problems:
        raise refusal_of(problems)
    if problems := list(problems_of(fields.get("limits", ()))):
        raise refusal_of(problems)
    return fields


def show(entity: AnyEntity, message: M, **more: object) -> M:
    """Fill a message with what callers see of an entity, and return it. `more` are fields that it lacks.

    Hints stand in the place of secrets. A model has a policy unless a group, which has one, serves it. An
    upstream shows how its key is sent; its description, which is made into one again, only what is its own
    choice.
    """
    # A description is a request, which also says what is to be done with it.
    shown: dict[str, object] = {"etag": etag_of(entity), VALIDATE_ONLY: None, **more}
    match entity:
        case Project():
            shown |= {"api_key": entity.api_key_hint, "tokens": ()}
        case Token():
            shown |= {"token": entity.hint, "secret": entity.hint}
        case Upstream():
            shown |= {"api_key": entity.api_key_hint, "proxy_url": entity.proxy_hint}
            shown["client_key"] = KEY_HINT if entity.client_key else ""
            shown["connect_failure"] = None  # which the processes know, and no store
            if (scheme := PROVIDERS[entity.provider].auth_scheme) is not None:
                is_whole = isinstance(message, upstream_service_pb2.Upstream)
                shown |= _as_sent(entity, scheme) if is_whole else {"auth_scheme": None}
        case Model() if entity.group:
            shown["policy"] = None
        case Gateway() if not entity.is_stored:
            shown["updated_at"] = None
    fields = descriptor_of(message).fields_by_name
    write(entity, message, **{name: value for name, value in shown.items() if name in fields})
    if "limits" in fields:
        is_description = type(message) not in _WHOLE
        show_usual(message.limits, is_description=is_description)  # type: ignore[attr-defined]  # as it says
    return message


def _as_sent(upstream: Upstream, scheme: AuthScheme) -> dict[str, object]:
    """Return how the key of an upstream is sent whose provider leaves no choice."""
    if upstream.api_key is None:
        return {"auth_scheme": AuthScheme.NONE}
    header = PROVIDERS[upstream.provider].key_header if scheme is AuthScheme.HEADER else ""
    return {"auth_scheme": scheme, "auth_header": header}


def event_message(event: UsageEvent, names: Names) -> usage_service_pb2.UsageEvent:
    """Return a usage event as callers see it."""
    tokens = event.tokens
    return write(
        event,
        usage_service_pb2.UsageEvent(),
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cached_tokens=tokens.cached,
        reasoning_tokens=tokens.reasoning,
        audio_milliseconds=tokens.audio_milliseconds,
        images=tokens.images,
        characters=tokens.characters,
        pages=tokens.pages,
        confidence=tokens.confidence,
        details=tokens.details,
        first_byte_microseconds=event.first_byte_us,
        duration_microseconds=event.duration_us,
        project_name=names.projects.get(event.project_id, ""),
        token_name=names.tokens.get(event.token_id, ""),
    )


def row_message(row: UsageRow, names: Names) -> usage_service_pb2.UsageRow:
    """Return the sum over a group as callers see it."""
    return write(
        row,
        usage_service_pb2.UsageRow(),
        model=row.model_served,
        start_time=row.start,
        project_name=names.projects.get(row.project_id, ""),
        token_name=names.tokens.get(row.token_id, ""),
    )
