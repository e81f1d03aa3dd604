"""A gateway behind nginx as it comes: it buffers answers, unless they say that it should not."""

from pathlib import Path

import httpx2
import pytest
from tollkeeper import Deployment, Provider

from tests.contract.peers import STREAM_HEAD, Peer, Reader, Writer, listening
from tests.integration.process import Gateway
from tests.servers.nginx import running_nginx
from tests.servers.ports import free_port

pytestmark = pytest.mark.bench

EVENT = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'
SOUND_HEAD = STREAM_HEAD.replace(b"text/event-stream", b"audio/mpeg")
END = b"data: [DONE]\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize(
    ("path", "head"), [("/v1/chat/completions", STREAM_HEAD), ("/v1/audio/speech", SOUND_HEAD)]
)
async def test_what_streams_arrives_while_it_goes_on(
    gateway: Gateway, tmp_path: Path, path: str, head: bytes
) -> None:
    async def goes_on(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(head + _chunk(EVENT))
        await peer.go.wait()
        writer.write(_chunk(END) + b"0\r\n\r\n")
        await peer.wait_for_eof(reader)

    port, name = free_port(), path.rpartition("/")[2]
    behind = gateway.base_url.removesuffix("/v1")
    server = f"listen 127.0.0.1:{port}; location / {{ proxy_pass {behind}; }}"
    async with listening(goes_on) as peer, running_nginx(tmp_path, port, server):
        with gateway.management() as client:
            client.upstreams.create(name=name, provider=Provider.GENERIC, base_url=f"{peer.base}/v1")
            client.models.create(name=name, deployments=[Deployment(name)])
        token = gateway.new_token()
        body = {"model": name, "messages": [{"role": "user", "content": "x"}], "input": "x", "stream": True}
        headers = {"authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=20) as caller,
            caller.stream("POST", f"http://127.0.0.1:{port}{path}", json=body, headers=headers) as answer,
        ):
            assert answer.status_code == 200
            parts = answer.aiter_raw()
            first = await anext(parts)  # the rest is not there before it
            peer.go.set()
            assert first + b"".join([part async for part in parts]) == EVENT + END
