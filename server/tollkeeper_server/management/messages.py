"""Domain values as the messages of `tollkeeper.v1`, and the values of messages as the domain's."""

from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tollkeeper.v1 import project_service_pb2, token_service_pb2, usage_service_pb2

from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import UsageEvent, UsageRow
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.etags import etag_of


class Unit(Enum):
    """Units of time, in nanoseconds."""

    SECONDS = 1_000_000_000
    MILLISECONDS = 1_000_000


_Word = TypeVar("_Word", bound=StrEnum)

CONFIDENCE = usage_service_pb2.Confidence.DESCRIPTOR
USAGE_GROUP = usage_service_pb2.UsageGroup.DESCRIPTOR


def number(enum: EnumDescriptor, word: StrEnum) -> int:
    """Returns the number of the enum value that `word` is short for: `openai` of PROVIDER_OPENAI."""
    value: int = enum.values_by_name[_prefix(enum) + word.value.upper()].number
    return value


def word(enum: EnumDescriptor, words: type[_Word], value: int) -> _Word | None:
    """Returns the domain's word for an enum's number, or None for the unspecified one."""
    if value == 0:
        return None
    return words(enum.values_by_number[value].name.removeprefix(_prefix(enum)).lower())


def _prefix(enum: EnumDescriptor) -> str:
    unspecified: str = enum.values_by_number[0].name
    return unspecified.removesuffix("UNSPECIFIED")


def timestamp(moment: datetime | None) -> Timestamp | None:
    """Returns the timestamp of an aware datetime."""
    if moment is None:
        return None
    written = Timestamp()
    written.FromDatetime(moment)
    return written


def moment(field: str, written: Timestamp) -> datetime:
    """Returns the aware UTC datetime of a timestamp, to the microsecond.

    Raises INVALID_ARGUMENT naming `field` if it lies outside the years 1 to 9999.
    """
    try:
        return written.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, f"{field}: not a time between the years 1 and 9999", field=field
        ) from error


def duration(seconds: float) -> Duration:
    """Returns the duration of that many seconds, to the microsecond."""
    written = Duration()
    written.FromMicroseconds(round(seconds * 1_000_000))
    return written


def seconds(written: Duration) -> float:
    """Returns a duration in seconds, to the microsecond."""
    return written.ToMicroseconds() / 1_000_000


def seconds_by_name(written: Message) -> dict[str, float]:
    """Returns the durations that a message of durations sets, in seconds, by field name."""
    return {field.name: seconds(length) for field, length in written.ListFields()}


def whole(field: str, written: Duration, unit: Unit) -> int:
    """Returns how many units a duration is. Raises INVALID_ARGUMENT naming `field` if it is between two."""
    count, rest = divmod(written.ToNanoseconds(), unit.value)
    if rest:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, f"{field}: give whole {unit.name.lower()}", field=field
        )
    return count


def project_message(project: Project) -> project_service_pb2.Project:
    """Returns a project as callers see it, its key masked."""
    return project_service_pb2.Project(
        id=project.id,
        name=project.name,
        is_active=project.is_active,
        api_key=project.api_key_hint,
        created_at=timestamp(project.created_at),
        updated_at=timestamp(project.updated_at),
        deactivated_at=timestamp(project.deactivated_at),
        etag=etag_of(project),
    )


def token_message(token: Token) -> token_service_pb2.Token:
    """Returns a token as callers see it, its secret masked."""
    return token_service_pb2.Token(
        id=token.id,
        token=token.hint,
        project_id=token.project_id,
        name=token.name,
        is_active=token.is_active,
        expires_at=timestamp(token.expires_at),
        max_requests=token.max_requests,
        request_count=token.request_count,
        allowed_models=token.allowed_models,
        created_at=timestamp(token.created_at),
        updated_at=timestamp(token.updated_at),
        last_used_at=timestamp(token.last_used_at),
        deactivated_at=timestamp(token.deactivated_at),
        etag=etag_of(token),
    )


def event_message(event: UsageEvent) -> usage_service_pb2.UsageEvent:
    """Returns a usage event as callers see it."""
    return usage_service_pb2.UsageEvent(
        id=event.id,
        request_id=event.request_id,
        project_id=event.project_id,
        token_id=event.token_id,
        model_asked=event.model_asked,
        model_served=event.model_served,
        upstream=event.upstream,
        endpoint=event.endpoint,
        status=event.status,
        error_code=event.error_code,
        streamed=event.streamed,
        prompt_tokens=event.tokens.prompt,
        completion_tokens=event.tokens.completion,
        cached_tokens=event.tokens.cached,
        reasoning_tokens=event.tokens.reasoning,
        audio_milliseconds=event.tokens.audio_milliseconds,
        images=event.tokens.images,
        confidence=number(CONFIDENCE, event.tokens.confidence),  # type: ignore[arg-type]  # as above
        started_at=timestamp(event.started_at),
        first_byte_microseconds=event.first_byte_us,
        duration_microseconds=event.duration_us,
        request_bytes=event.request_bytes,
        response_bytes=event.response_bytes,
    )


def row_message(row: UsageRow) -> usage_service_pb2.UsageRow:
    """Returns the sum over a group as callers see it."""
    return usage_service_pb2.UsageRow(
        project_id=row.project_id,
        token_id=row.token_id,
        model=row.model_served,
        upstream=row.upstream,
        start_time=timestamp(row.start),
        requests=row.requests,
        failed_requests=row.failed_requests,
        estimated_requests=row.estimated_requests,
        prompt_tokens=row.prompt,
        completion_tokens=row.completion,
        cached_tokens=row.cached,
        reasoning_tokens=row.reasoning,
        audio_milliseconds=row.audio_milliseconds,
        images=row.images,
    )
