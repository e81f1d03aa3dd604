"""The simulator as an ASGI application: it takes a request from its head to the end of its answer."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from tollkeeper_server.simulator import control, delivery, routes
from tollkeeper_server.simulator.admission import check_key, check_rate
from tollkeeper_server.simulator.call import ApiCall
from tollkeeper_server.simulator.config import SimulatorConfig
from tollkeeper_server.simulator.exchange import ClientLeftError, Exchange, Message, Receive, Send
from tollkeeper_server.simulator.faults import NONE, FaultError, Faults, Garbage
from tollkeeper_server.simulator.faults import parse as parse_faults
from tollkeeper_server.simulator.headers import answer_headers
from tollkeeper_server.simulator.recorder import Record
from tollkeeper_server.simulator.reply import Answer, RefusalError, Reply, as_json, error_body, error_event
from tollkeeper_server.simulator.request import Request
from tollkeeper_server.simulator.state import State


def make_app(config: SimulatorConfig, clock: Callable[[], float] = time.monotonic) -> "Simulator":
    """Return an ASGI application that answers as OpenAI, Azure OpenAI and Anthropic do.

    `clock` returns seconds; the rate limit is measured by it.
    """
    return Simulator(State(config, clock))


class Simulator:
    """The ASGI application."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request; close a WebSocket with code 1008."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await _serve_lifespan(receive, send)
            case _:
                await receive()
                await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        request = _request(scope)
        recorder = self._state.recorder
        controlled = request.path.startswith(control.PREFIX)
        if controlled:
            record = Record(0, request.method, request.target, [])
        else:
            record = recorder.begin(request.method, request.target, request.headers)
        exchange = Exchange(scope, receive, send, record)
        left = False
        try:
            if controlled:
                await self._control(exchange, request)
            else:
                await self._exchange(exchange, request)
        except ClientLeftError:
            left = True
        except asyncio.CancelledError:
            if not exchange.left:
                raise
            left = True
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        finally:
            exchange.close()
            if not controlled:
                (recorder.cancel if left else recorder.finish)(record)

    async def _control(self, exchange: Exchange, request: Request) -> None:
        exchange.watch()
        try:
            answer = await control.answer(request, self._state)
        except RefusalError as refusal:
            answer = as_json({"error": {"message": refusal.message, "param": refusal.param}}, refusal.status)
        await delivery.send_answer(exchange, answer, NONE, ())

    async def _exchange(self, exchange: Exchange, request: Request) -> None:
        started = self._state.clock()
        faults, refusal = _parse_faults(request)
        if not faults.early:
            body = await exchange.read_body()
            self._state.recorder.receive(exchange.record, body)
            request = replace(request, body=body)
        if faults.early_hints:
            exchange.early_hints()
        latency = self._state.config.latency_ms if faults.latency is None else faults.latency
        if latency:
            await exchange.pause(latency)
        if await _misbehave(exchange, faults):
            return
        path = routes.parse_path(request)
        call = ApiCall(request, faults, self._state, path.dialect, path.deployment)
        request_id = self._state.new_id("req_")
        try:
            if refusal is not None:
                raise refusal
            reply = self._reply(call, path)
        except RefusalError as refused:
            answer = as_json(error_body(path.dialect, refused, request_id), refused.status)
            reply = replace(answer, headers=refused.headers)
        elapsed = self._state.clock() - started
        headers = (*answer_headers(call, request_id, elapsed), *reply.headers, *faults.headers)
        if faults.retry_after:
            headers = (*headers, (b"retry-after", faults.retry_after.encode("latin-1")))
        if faults.gzip:
            headers = (*headers, (b"content-encoding", b"gzip"))
        if isinstance(reply, Answer):
            await delivery.send_answer(exchange, reply, faults, headers)
        else:
            event = error_event(path.dialect, _failure(500, faults.code), request_id)
            await delivery.send_stream(exchange, reply, faults, self._state, headers, event)

    def _reply(self, call: ApiCall, path: routes.EndpointPath) -> Reply:
        state, faults = self._state, call.faults
        if faults.uuid_ids and not _is_uuid(call.request.header(b"x-request-id")):
            return Answer(b"", 400, content_type=b"")
        check_key(call)
        check_rate(state.allowance)
        if faults.echo_headers:
            return _echo(call.request)
        if faults.echo_body:
            kind = call.request.header(b"content-type") or "application/octet-stream"
            return Answer(call.request.body, content_type=kind.encode("latin-1"))
        if faults.status is not None and faults.status >= 400:
            raise _failure(faults.status, faults.code)
        if faults.status is not None and (faults.status >= 300 or faults.status == 204):
            return Answer(b"", faults.status)
        if state.random.random() < state.config.error_rate:
            raise _failure(state.config.error_status, "")
        handler, params = routes.find(call.request, path)
        reply = handler(replace(call, params=params))
        if faults.status is not None and isinstance(reply, Answer):
            return replace(reply, status=faults.status)
        return reply


async def _serve_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _request(scope: Message) -> Request:
    raw = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string", b"")
    target = (raw + b"?" + query if query else raw).decode("latin-1")
    return Request(scope["method"], scope["path"], target, query, list(scope["headers"]))


def _parse_faults(request: Request) -> tuple[Faults, RefusalError | None]:
    try:
        return parse_faults(request.headers), None
    except FaultError as error:
        return NONE, RefusalError(400, str(error), code="invalid_directive", param="x-simulate")


async def _misbehave(exchange: Exchange, faults: Faults) -> bool:
    if faults.reset or faults.drop:
        await exchange.drop(reset=faults.reset)
    elif faults.garbage is Garbage.WIRE:
        await exchange.write_garbage()
    elif faults.hang == -1:
        await exchange.fall_silent()
    else:
        return False
    return True


def _is_uuid(given: str) -> bool:
    try:
        return not given or bool(UUID(given))
    except ValueError:
        return False


def _failure(status: int, code: str) -> RefusalError:
    kind = code if code == "insufficient_quota" else ""
    return RefusalError(
        status, f"The simulator was asked to answer with status {status}.", kind=kind, code=code or None
    )


def _echo(request: Request) -> Answer:
    return as_json(
        {
            "method": request.method,
            "path": request.target,
            "headers": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers],
            "body_bytes": len(request.body),
            "body_sha256": hashlib.sha256(request.body).hexdigest(),
        }
    )
