"""Domain values as the messages of `tollkeeper.v1`, secrets masked, and requests as the domain's values."""

from collections.abc import Collection
from typing import Any, TypeVar

from google.protobuf.message import Message
from tollkeeper.messages import MessageError, read_fields, write
from tollkeeper.messages.fields import descriptor_of
from tollkeeper.v1 import upstream_service_pb2, usage_service_pb2

from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.upstream import AuthScheme, Upstream
from tollkeeper_server.domain.usage import UsageEvent, UsageRow
from tollkeeper_server.management.etags import AnyEntity, etag_of
from tollkeeper_server.management.refusals import refusal_of
from tollkeeper_server.providers.registry import PROVIDERS

M = TypeVar("M", bound=Message)


def fields_of(kind: type, request: Message, *, only: Collection[str] | None = None) -> dict[str, Any]:
    """Return a request's fields, or `only` some of them, as the attributes of a domain class.

    An unset field is the attribute's default. Raises INVALID_ARGUMENT naming every field that no value
    can hold, such as a fraction of the least unit.
    """
    try:
        return read_fields(kind, request, only=only)
    except MessageError as error:
        raise refusal_of(error.problems) from error


def show(entity: AnyEntity, message: M) -> M:
    """Fill a message with what callers see of an entity, and return it.

    Hints stand in the place of secrets. A model has a policy unless a group, which has one, serves it. An
    upstream shows how its key is sent; its description, which is made into one again, only what is its own
    choice.
    """
    shown: dict[str, object] = {"etag": etag_of(entity)}
    match entity:
        case Project():
            shown |= {"api_key": entity.api_key_hint, "tokens": ()}
        case Token():
            shown |= {"token": entity.hint, "secret": entity.hint}
        case Upstream():
            shown |= {"api_key": entity.api_key_hint, "proxy_url": entity.proxy_hint}
            if (scheme := PROVIDERS[entity.provider].auth_scheme) is not None:
                is_whole = isinstance(message, upstream_service_pb2.Upstream)
                shown |= _as_sent(entity, scheme) if is_whole else {"auth_scheme": None}
        case Model() if entity.group:
            shown["policy"] = None
    fields = descriptor_of(message).fields_by_name
    return write(entity, message, **{name: value for name, value in shown.items() if name in fields})


def _as_sent(upstream: Upstream, scheme: AuthScheme) -> dict[str, object]:
    """Return how the key of an upstream is sent whose provider leaves no choice."""
    if upstream.api_key is None:
        return {"auth_scheme": AuthScheme.NONE}
    header = PROVIDERS[upstream.provider].key_header if scheme is AuthScheme.HEADER else ""
    return {"auth_scheme": scheme, "auth_header": header}


def event_message(event: UsageEvent) -> usage_service_pb2.UsageEvent:
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
        confidence=tokens.confidence,
        first_byte_microseconds=event.first_byte_us,
        duration_microseconds=event.duration_us,
    )


def row_message(row: UsageRow) -> usage_service_pb2.UsageRow:
    """Return the sum over a group as callers see it."""
    return write(
        row,
        usage_service_pb2.UsageRow(),
        model=row.model_served,
        start_time=row.start,
        prompt_tokens=row.prompt,
        completion_tokens=row.completion,
        cached_tokens=row.cached,
        reasoning_tokens=row.reasoning,
    )
