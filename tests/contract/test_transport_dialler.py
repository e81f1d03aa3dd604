"""What the dialler tells of the stages of connecting: over TLS, and on ways through a proxy."""

from pathlib import Path

import pytest
from tollkeeper_server.dataplane.transport import Dialled
from tollkeeper_server.domain.connect_failure import ConnectReason, ConnectStage
from tollkeeper_server.http1.client.dialler import Dialler
from tollkeeper_server.snapshot.model import Dial

from tests.contract.certificates import Authority
from tests.contract.peers import hangs, listening
from tests.contract.test_transport_proxy import _proxies
from tests.servers.ports import free_port

_STEPS = [ConnectStage.NAME, ConnectStage.ADDRESS, ConnectStage.HANDSHAKE]


def _stages(dialled: Dialled) -> list[tuple[ConnectStage, bool]]:
    assert all(it.seconds >= 0 for it in dialled.stages)
    return [(it.stage, it.at_proxy) for it in dialled.stages]


async def test_a_handshake_that_is_trusted_is_the_last_stage(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with listening(hangs, tls=authority.server("127.0.0.1")) as peer:
        dialled = await Dialler().dial(f"{peer.base}/v1", Dial(ca_certificates=authority.pem), 10)

    assert dialled.error is None
    assert _stages(dialled) == [(it, False) for it in _STEPS]


async def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    async with listening(hangs, tls=Authority(tmp_path).server("127.0.0.1")) as peer:
        dialled = await Dialler().dial(peer.base, Dial(), 10)

    assert dialled.error is not None
    assert dialled.error.problem is not None
    assert dialled.error.problem.reason is ConnectReason.CERTIFICATE_MISSING_INTERMEDIATE
    assert _stages(dialled)[-1] == (ConnectStage.HANDSHAKE, False)


@pytest.mark.parametrize("proxy_secured", [False, True])
async def test_the_stages_through_a_proxy(tmp_path: Path, proxy_secured: bool) -> None:
    authority = Authority(tmp_path)
    context = authority.server("127.0.0.1")
    async with (
        listening(hangs, tls=context) as peer,
        listening(_proxies, tls=context if proxy_secured else None) as proxy,
    ):
        dial = Dial(ca_certificates=authority.pem, proxy=proxy.base)
        dialled = await Dialler().dial(peer.base, dial, 10)

    assert dialled.error is None
    through = [(it, True) for it in (*_STEPS, ConnectStage.TUNNEL)]
    assert _stages(dialled) == [*through, (ConnectStage.HANDSHAKE, False)]


async def test_a_peer_that_says_nothing_is_given_up_in_time() -> None:
    async with listening(hangs) as peer:
        url = peer.base.replace("http:", "https:")
        dialled = await Dialler().dial(url, Dial(), 1.0)

    assert dialled.error is not None
    assert dialled.error.problem is not None
    assert dialled.error.problem.reason is ConnectReason.TIMED_OUT
    assert _stages(dialled)[-1] == (ConnectStage.HANDSHAKE, False)


async def test_a_port_at_which_nothing_listens() -> None:
    dialled = await Dialler().dial(f"http://127.0.0.1:{free_port()}", Dial(), 10)

    assert dialled.error is not None
    assert _stages(dialled) == [(ConnectStage.NAME, False), (ConnectStage.ADDRESS, False)]
