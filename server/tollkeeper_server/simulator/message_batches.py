"""Anthropic's batches of messages. A new batch is `in_progress`; the first GET ends it.

Its requests have succeeded or failed then, or were canceled if that was asked for before.
"""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from tollkeeper_server.simulator import anthropic
from tollkeeper_server.simulator.call import ApiCall, not_found
from tollkeeper_server.simulator.faults import NONE
from tollkeeper_server.simulator.reply import Answer, Json, RefusalError, Reply, as_json, error_body
from tollkeeper_server.simulator.request import Request
from tollkeeper_server.simulator.state import StoredMessageBatch

_JSON_LINES = b"application/x-jsonl"
_STATES = ("succeeded", "errored", "canceled", "expired")


class BatchRequest(Struct, frozen=True):
    """A request of a batch."""

    custom_id: str
    params: msgspec.Raw


class MessageBatch(Struct, frozen=True):
    """The body of a request."""

    requests: list[BatchRequest]


_decoder = msgspec.json.Decoder(MessageBatch)


def create(call: ApiCall) -> Reply:
    """Answer POST /messages/batches."""
    body = call.decode(_decoder)
    if not body.requests:
        raise RefusalError(400, "requests: at least one request is required")
    about: Json = {
        "id": call.state.new_id("msgbatch_", 24),
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {"processing": len(body.requests), **dict.fromkeys(_STATES, 0)},
        "created_at": datetime.now(UTC).isoformat(),
        "ended_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }
    requests = [(it.custom_id, bytes(it.params)) for it in body.requests]
    call.state.message_batches.put(str(about["id"]), StoredMessageBatch(about, requests, b""))
    return as_json(about)


def list_all(call: ApiCall) -> Reply:
    """Answer GET /messages/batches, newest first."""
    data = [stored.about for _, stored in call.state.message_batches.newest_first()]
    ids = [about["id"] for about in data]
    return as_json(
        {
            "data": data,
            "has_more": False,
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
        }
    )


def retrieve(call: ApiCall) -> Reply:
    """Answer GET /messages/batches/{id}; the first call ends the batch."""
    stored = _stored(call)
    if stored.about["processing_status"] != "ended":
        stored = _ended(call, stored)
        call.state.message_batches.put(call.params[0], stored)
    return as_json(stored.about)


def cancel(call: ApiCall) -> Reply:
    """Answer POST /messages/batches/{id}/cancel."""
    stored = _stored(call)
    if stored.about["processing_status"] == "in_progress":
        now = datetime.now(UTC).isoformat()
        about = stored.about | {"processing_status": "canceling", "cancel_initiated_at": now}
        stored = replace(stored, about=about)
        call.state.message_batches.put(call.params[0], stored)
    return as_json(stored.about)


def results(call: ApiCall) -> Reply:
    """Answer GET /messages/batches/{id}/results."""
    stored = _stored(call)
    if stored.about["processing_status"] != "ended":
        raise RefusalError(404, "The batch has no results yet.")
    return Answer(stored.results, content_type=_JSON_LINES)


def delete(call: ApiCall) -> Reply:
    """Answer DELETE /messages/batches/{id}."""
    if _stored(call).about["processing_status"] != "ended":
        raise RefusalError(400, "A batch can be deleted once it has ended.")
    call.state.message_batches.remove(call.params[0])
    return as_json({"id": call.params[0], "type": "message_batch_deleted"})


def _stored(call: ApiCall) -> StoredMessageBatch:
    stored = call.state.message_batches.get(call.params[0])
    if stored is None:
        raise not_found("message batch", call.params[0])
    return stored


def _ended(call: ApiCall, stored: StoredMessageBatch) -> StoredMessageBatch:
    counts = dict.fromkeys(("processing", *_STATES), 0)
    lines: list[bytes] = []
    for custom_id, params in stored.requests:
        result = _result(call, stored, params)
        counts[str(result["type"])] += 1
        lines.append(msgspec.json.encode({"custom_id": custom_id, "result": result}) + b"\n")
    host = call.request.header(b"host")
    about = stored.about | {
        "processing_status": "ended",
        "request_counts": counts,
        "ended_at": datetime.now(UTC).isoformat(),
        "results_url": f"http://{host}/v1/messages/batches/{stored.about['id']}/results",
    }
    return replace(stored, about=about, results=b"".join(lines))


def _result(call: ApiCall, stored: StoredMessageBatch, params: bytes) -> Json:
    if stored.about["processing_status"] == "canceling":
        return {"type": "canceled"}
    headers = [(b"content-type", b"application/json"), (b"anthropic-version", b"2023-06-01")]
    request = Request("POST", call.request.path, call.request.target, b"", headers, params)
    try:
        reply = anthropic.create(replace(call, request=request, faults=NONE, params=()))
    except RefusalError as refusal:
        return {"type": "errored", "error": error_body(call.dialect, refusal, "")}
    if not isinstance(reply, Answer):
        refused = RefusalError(400, "Streaming is not supported in a batch.")
        return {"type": "errored", "error": error_body(call.dialect, refused, "")}
    message: Json = msgspec.json.decode(reply.body, type=dict[str, object])
    usage = message.get("usage")
    if isinstance(usage, dict):
        message["usage"] = usage | {"service_tier": "batch"}
    return {"type": "succeeded", "message": message}
