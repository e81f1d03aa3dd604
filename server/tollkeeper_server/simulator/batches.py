"""Batches. A new batch is `validating`; the first GET completes it, unless it was cancelled before."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
from msgspec import Struct

from tollkeeper_server.simulator import chat, completions, embeddings, files, responses
from tollkeeper_server.simulator.call import ApiCall, Handler, not_found
from tollkeeper_server.simulator.faults import NONE
from tollkeeper_server.simulator.reply import Answer, Json, RefusalError, Reply, as_json, error_body
from tollkeeper_server.simulator.request import Request
from tollkeeper_server.simulator.state import now

ENDPOINTS: Mapping[str, Handler] = {
    "/v1/chat/completions": chat.complete,
    "/v1/completions": completions.complete,
    "/v1/embeddings": embeddings.embed,
    "/v1/responses": responses.create,
}
_LIFETIME_SECONDS = 86_400


class BatchRequest(Struct, frozen=True):
    """The body of a request."""

    input_file_id: str
    endpoint: str
    completion_window: str = "24h"
    metadata: dict[str, str] | None = None


class Line(Struct, frozen=True):
    """A line of the input file."""

    custom_id: str
    body: msgspec.Raw
    method: str = "POST"


class LineUsage(Struct, frozen=True):
    """The usage of one line, under the field names of either API."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class LineAnswer(Struct, frozen=True):
    """The part of a line's answer that the batch's usage is summed from."""

    usage: LineUsage | None = None


_decoder = msgspec.json.Decoder(BatchRequest)
_line_decoder = msgspec.json.Decoder(Line)
_answer_decoder = msgspec.json.Decoder(LineAnswer)


def create(call: ApiCall) -> Reply:
    """Answer POST /batches."""
    body = call.decode(_decoder)
    stored = call.state.files.get(body.input_file_id)
    if stored is None:
        raise RefusalError(400, f"No such File object: {body.input_file_id}", param="input_file_id")
    if body.endpoint not in ENDPOINTS:
        raise RefusalError(400, f"Invalid value: '{body.endpoint}'.", code="invalid_value", param="endpoint")
    created = now()
    batch: Json = {
        "id": call.state.new_id("batch_", 32),
        "object": "batch",
        "endpoint": body.endpoint,
        "errors": None,
        "input_file_id": body.input_file_id,
        "completion_window": body.completion_window,
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": created,
        "in_progress_at": None,
        "expires_at": created + _LIFETIME_SECONDS,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": None,
        "metadata": body.metadata,
    }
    call.state.batches.put(str(batch["id"]), batch)
    return as_json(batch)


def list_all(call: ApiCall) -> Reply:
    """Answer GET /batches, newest first."""
    return as_json(files.page(call, [batch for _, batch in call.state.batches.newest_first()]))


def retrieve(call: ApiCall) -> Reply:
    """Answer GET /batches/{id}; the first call runs the batch."""
    batch = _stored(call)
    match batch["status"]:
        case "validating":
            batch = _completed(call, batch)
        case "cancelling":
            batch = batch | {"status": "cancelled", "cancelled_at": now()}
    call.state.batches.put(call.params[0], batch)
    return as_json(batch)


def cancel(call: ApiCall) -> Reply:
    """Answer POST /batches/{id}/cancel."""
    batch = _stored(call)
    if batch["status"] != "validating":
        raise RefusalError(409, f"Cannot cancel a batch with status '{batch['status']}'.")
    batch = batch | {"status": "cancelling", "cancelling_at": now()}
    call.state.batches.put(call.params[0], batch)
    return as_json(batch)


def _stored(call: ApiCall) -> Json:
    batch = call.state.batches.get(call.params[0])
    if batch is None:
        raise not_found("batch", call.params[0])
    return batch


def _completed(call: ApiCall, batch: Json) -> Json:
    at = now()
    stored = call.state.files.get(str(batch["input_file_id"]))
    try:
        content = b"null" if stored is None else stored.content
        lines = [_line_decoder.decode(line) for line in content.splitlines() if line.strip()]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = {"code": "invalid_json_line", "message": str(error), "line": None, "param": None}
        return batch | {"status": "failed", "failed_at": at, "errors": {"object": "list", "data": [problem]}}
    handler = ENDPOINTS[str(batch["endpoint"])]
    prompt = completion = 0
    done: list[bytes] = []
    failed: list[bytes] = []
    for line in lines:
        status, body = _answer(call, handler, line)
        usage = _answer_decoder.decode(body).usage or LineUsage()
        prompt += usage.prompt_tokens + usage.input_tokens
        completion += usage.completion_tokens + usage.output_tokens
        (done if status == 200 else failed).append(_output_line(call, line, status, body))
    return batch | {
        "status": "completed",
        "in_progress_at": at,
        "finalizing_at": at,
        "completed_at": at,
        "output_file_id": _output_file(call, batch, done, "output"),
        "error_file_id": _output_file(call, batch, failed, "error"),
        "request_counts": {"total": len(lines), "completed": len(done), "failed": len(failed)},
        "usage": None
        if call.faults.no_usage
        else {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": completion,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + completion,
        },
    }


def _answer(call: ApiCall, handler: Handler, line: Line) -> tuple[int, bytes]:
    headers = [(b"content-type", b"application/json")]
    request = Request("POST", call.request.path, call.request.target, b"", headers, bytes(line.body))
    try:
        reply = handler(replace(call, request=request, faults=NONE, params=()))
    except RefusalError as refusal:
        return refusal.status, msgspec.json.encode(error_body(call.dialect, refusal, ""))
    if isinstance(reply, Answer):
        return reply.status, reply.body
    streamed = RefusalError(400, "Streaming is not supported in a batch.", param="stream")
    return streamed.status, msgspec.json.encode(error_body(call.dialect, streamed, ""))


def _output_line(call: ApiCall, line: Line, status: int, body: bytes) -> bytes:
    request_id = call.state.new_id("req_")
    return msgspec.json.encode(
        {
            "id": call.state.new_id("batch_req_"),
            "custom_id": line.custom_id,
            "response": {"status_code": status, "request_id": request_id, "body": msgspec.Raw(body)},
            "error": None,
        }
    )


def _output_file(call: ApiCall, batch: Json, lines: list[bytes], kind: str) -> object:
    if not lines:
        return None
    content = b"".join(line + b"\n" for line in lines)
    return files.keep(call.state, f"{batch['id']}_{kind}.jsonl", "batch_output", content)["id"]
