"""The simulator as an ASGI application: from the head of a request to the end of its answer."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace

from tollkeeper_server.simulator import control, delivery, faults, routes
from tollkeeper_server.simulator.call import Call
from tollkeeper_server.simulator.config import SimulatorConfig
from tollkeeper_server.simulator.exchange import ClientLeftError, Exchange, Message, Receive, Send
from tollkeeper_server.simulator.faults import FaultError, Faults, Garbage
from tollkeeper_server.simulator.manners import greeting, refuse_key, refuse_rate
from tollkeeper_server.simulator.recorder import Record
from tollkeeper_server.simulator.reply import (
    Answer,
    RefusalError,
    Reply,
    as_json,
    error_body,
    error_event,
)
from tollkeeper_server.simulator.request import Request
from tollkeeper_server.simulator.state import State


def make_app(config: SimulatorConfig, clock: Callable[[], float] = time.monotonic) -> "Simulator":
    """Returns an ASGI application that answers as OpenAI, Azure OpenAI and Anthropic do.

    `clock` gives the seconds by which the rate limit goes.
    """
    return Simulator(State(config, clock))


class Simulator:
    """The ASGI application."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serves one request; WebSockets are turned away."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await _live(receive, send)
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
        await delivery.send_answer(exchange, answer, faults.NONE, ())

    async def _exchange(self, exchange: Exchange, request: Request) -> None:
        started = self._state.clock()
        asked, refusal = _parse_faults(request)
        if not asked.early:
            body = await exchange.read_body()
            self._state.recorder.receive(exchange.record, body)
            request = replace(request, body=body)
        if asked.early_hints:
            exchange.early_hints()
        latency = self._state.config.latency_ms if asked.latency is None else asked.latency
        if latency:
            await exchange.pause(latency)
        if await _misbehave(exchange, asked):
            return
        place = routes.locate(request)
        call = Call(request, asked, self._state, place.dialect, place.deployment)
        request_id = self._state.new_id("req_")
        try:
            if refusal is not None:
                raise refusal
            reply = self._reply(call, place)
        except RefusalError as refused:
            answer = as_json(error_body(place.dialect, refused, request_id), refused.status)
            reply = replace(answer, headers=refused.headers)
        elapsed = self._state.clock() - started
        headers = (*greeting(call, request_id, elapsed), *reply.headers, *asked.headers)
        if asked.retry_after:
            headers = (*headers, (b"retry-after", asked.retry_after.encode("latin-1")))
        if asked.gzip:
            headers = (*headers, (b"content-encoding", b"gzip"))
        if isinstance(reply, Answer):
            await delivery.send_answer(exchange, reply, asked, headers)
        else:
            event = error_event(place.dialect, _failure(500, asked.code), request_id)
            await delivery.send_stream(exchange, reply, asked, self._state, headers, event)

    def _reply(self, call: Call, place: routes.Place) -> Reply:
        state, asked = self._state, call.faults
        refuse_key(call)
        refuse_rate(state.allowance)
        if asked.echo_headers:
            return _echo(call.request)
        if asked.echo_body:
            kind = call.request.header(b"content-type") or "application/octet-stream"
            return Answer(call.request.body, content_type=kind.encode("latin-1"))
        if asked.status is not None and asked.status >= 400:
            raise _failure(asked.status, asked.code)
        if asked.status is not None and (asked.status >= 300 or asked.status == 204):
            return Answer(b"", asked.status)
        if state.dice.random() < state.config.error_rate:
            raise _failure(state.config.error_status, "")
        handler, params = routes.find(call.request, place)
        reply = handler(replace(call, params=params))
        if asked.status is not None and isinstance(reply, Answer):
            return replace(reply, status=asked.status)
        return reply


async def _live(receive: Receive, send: Send) -> None:
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
        return faults.parse(request.headers), None
    except FaultError as error:
        return faults.NONE, RefusalError(400, str(error), code="invalid_directive", param="x-simulate")


async def _misbehave(exchange: Exchange, asked: Faults) -> bool:
    if asked.reset or asked.drop:
        await exchange.drop(reset=asked.reset)
    elif asked.garbage is Garbage.WIRE:
        await exchange.write_garbage()
    elif asked.hang == -1:
        await exchange.fall_silent()
    else:
        return False
    return True


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
