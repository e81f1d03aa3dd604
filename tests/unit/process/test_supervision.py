"""A server process tells systemd, if there is one, that it is ready."""

import os
import socket
from pathlib import Path

import pytest
from tollkeeper_server.process.supervision import tell_ready


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_is_told_which_process_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = str(tmp_path / "notify") if kind == "path" else f"@tollkeeper-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path.replace("@", "\0"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        tell_ready()
        assert systemd.recv(1000).decode() == f"READY=1\nMAINPID={os.getpid()}"


def test_nobody_is_told_who_did_not_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell_ready()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    tell_ready()
