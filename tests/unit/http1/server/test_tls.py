"""Callers over TLS are served as others are; those that can't or won't speak it are let go."""

import asyncio
import json
import logging
import socket
import ssl

import pytest
from tollkeeper_server.dataplane.caller import Message, Receive, Send
from tollkeeper_server.doors.tls import HTTP1, make_contexts
from tollkeeper_server.http1 import descriptors
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.process import self_signed

from tests.unit.http1.server.served import (
    GET,
    Secured,
    caller_of,
    echo,
    part,
    post,
    read_body,
    served,
    start,
    whole,
)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Secured:
    """Both sides of a certificate for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    pair = folder / "certificate", folder / "key"
    self_signed.make(*pair)
    trusting = ssl.create_default_context(cafile=str(pair[0]))
    trusting.set_alpn_protocols(["h2", "http/1.1"])
    return Secured(make_contexts(*pair)[HTTP1], trusting)


async def tell(scope: Message, receive: Receive, send: Send) -> None:
    """Answer with what the scope says of the connection."""
    await whole(send, f"{scope['scheme']} {scope['client'][0]} {len(await read_body(receive))}".encode())


async def test_requests_are_answered_and_know_that_they_came_over_tls(tls: Secured) -> None:
    async with served(tell, tls=tls) as door:
        line = await door.connect()
        secured: ssl.SSLObject = line.writer.get_extra_info("ssl_object")
        assert secured.selected_alpn_protocol() == "http/1.1"
        line.send(GET + post(b"a" * 3_000_000) + GET)
        for size in (0, 3_000_000, 0):
            assert await line.answer() == f"https 127.0.0.1 {size}".encode()
        assert door.listener.connections == 1
    async with served(tell) as door:
        line = await door.connect()
        line.send(GET)
        assert await line.answer() == b"http 127.0.0.1 0"


async def test_a_stream_is_pushed_and_waits_for_its_caller(tls: Secured) -> None:
    piece, waited = b"x" * 65_536, False

    async def push(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal waited
        caller = caller_of(scope)
        await start(send)
        for _ in range(200):
            if not caller.write_part(piece):
                waited = True
                await caller.ready()
        await part(send, b"", more=False)

    async with served(push, tls=tls) as door:
        line = await door.connect(buffer=4096)
        line.send(GET)
        await line.head()
        read = 0
        while size := int(await line.reader.readline(), 16):
            read += len(await line.reader.readexactly(size + 2)) - 2
        assert (read, waited) == (200 * len(piece), True)


async def test_a_caller_that_still_sends_reads_the_refusal(tls: Secured) -> None:
    async with served(echo, tls=tls) as door:
        line = await door.connect()
        line.send(b"nonsense\r\n\r\n" + b"a" * 100_000)
        assert (await line.head()).startswith(b"HTTP/1.1 400 ")
        await line.rest()


async def test_plain_http_is_told_to_use_tls(tls: Secured) -> None:
    async with served(echo, tls=tls) as door:
        line = await door.connect(plain=True)
        line.send(post(b"a" * 100_000) + GET)
        head = await line.head()
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"\r\nconnection: close\r\n" in head
        assert "use https://" in json.loads(await line.rest())["error"]["message"]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x16",
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x01\xff\xff" + b"\x00" * 1000,
        b"\x80\x2e\x01\x03\x01\x00\x15",
        b"\x00" * 100,
        b"SSH-2.0-x\r\n",
    ],
    ids=repr,
)
@pytest.mark.parametrize("leaves", [True, False])
async def test_a_handshake_that_comes_to_nothing_leaves_nothing(
    tls: Secured, sent: bytes, leaves: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with served(echo, tls=tls, head_timeout=0.1, linger=0.1) as door:
        line = await door.connect(plain=True)
        line.send(sent)
        if leaves:
            line.leave()
        else:
            await line.rest()  # it is closed after its time
        door.listener.limits = TimeLimits()
        line = await door.connect()
        line.send(GET)
        assert await line.answer() == b"/:"
    assert door.listener.connections == 0
    assert caplog.text == ""


@pytest.mark.parametrize("fault", ["an old version", "no trust", "no cipher in common"])
async def test_callers_that_do_not_agree_are_let_go(
    tls: Secured, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    match fault:
        case "an old version":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with pytest.warns(DeprecationWarning, match="TLSv1_1"):
                context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
        case "no cipher in common":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers("AES128-SHA")
        case _:
            assert context.verify_mode is ssl.CERT_REQUIRED
    async with served(echo, tls=tls) as door:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(*door.where, ssl=context, server_hostname="localhost")
        line = await door.connect()
        line.send(GET)
        assert await line.answer() == b"/:"
    assert caplog.text == ""


async def test_who_has_connected_when_the_listener_stops_is_answered(tls: Secured) -> None:
    def ask(connected: socket.socket) -> bytes:
        with connected, tls.trusting.wrap_socket(connected, server_hostname="localhost") as secured:
            secured.sendall(GET)
            with secured.makefile("rb") as answer:
                return answer.read()

    async with served(echo, tls=tls, quiet=10) as door:
        callers = [socket.create_connection(door.where, timeout=20) for _ in range(5)]
        asked = [asyncio.create_task(asyncio.to_thread(ask, caller)) for caller in callers]
        door.listener.stop()
        for answer in asked:
            assert (await answer).endswith(b"\r\nconnection: close\r\n\r\n/:")


async def test_callers_that_begin_and_do_not_go_on_are_in_nobodys_way(
    tls: Secured, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(descriptors, "most_handshakes", lambda: 3)
    async with served(echo, tls=tls, quiet=0.05) as door:
        stalled = [await door.connect(plain=True) for _ in range(20)]
        for line in stalled[::2]:
            line.send(b"\x16")
        good = await door.connect()
        good.send(GET)
        assert await good.answer() == b"/:"
        for line in stalled[:10]:
            assert await line.rest() == b""
    assert caplog.text.count("handshakes are under way") == 1


async def test_a_handshake_that_takes_long_does_not_hold_up_the_end(tls: Secured) -> None:
    async with served(echo, tls=tls, quiet=0.05) as door:
        line = await door.connect(plain=True)
        line.send(b"\x16")
        line.send(b"\x03")
        await asyncio.sleep(0.01)
        door.listener.stop()
        await door.serving
