"""What `tollkeeper serve` has done by the time the server runs."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tollkeeper_server.process import run as running
from tollkeeper_server.process.commands import main


def test_garbage_is_looked_for_once_everything_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program begins without: see `__main__.py`."""
    seen: list[bool] = []
    monkeypatch.setattr(running, "run", lambda *_: seen.append(gc.isenabled()))
    gc.disable()
    try:
        result = CliRunner().invoke(main, ["serve", "--data-dir", str(tmp_path)])
    finally:
        gc.enable()
        gc.unfreeze()
    assert (result.exit_code, seen) == (0, [True])


def test_a_server_has_no_memory_for_the_clients_commands() -> None:
    """They are imported once one of them, or the list of all, is asked for."""
    script = (
        "import sys, click; from tollkeeper_server.process.commands import main as it\n"
        "context = click.Context(it)\n"
        "assert it.get_command(context, 'serve') and 'tollkeeper.cli' not in sys.modules\n"
        "assert it.get_command(context, 'token') and 'usage' in it.list_commands(context)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
