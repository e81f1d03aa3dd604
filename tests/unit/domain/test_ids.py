"""Identifiers sort by time, and nothing else passes for one."""

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.ids import Prefix, is_id, new_id


@pytest.mark.parametrize("prefix", list(Prefix))
def test_a_new_id_is_one_of_its_kind_alone(prefix: Prefix) -> None:
    made = new_id(prefix)

    assert [kind for kind in Prefix if is_id(kind, made)] == [prefix]


def test_ids_are_unique_and_sort_by_the_time_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in range(1_700_000_000_000, 1_700_000_001_000):
        monkeypatch.setattr(time, "time_ns", lambda now=milliseconds: now * 1_000_000)
        made.append(new_id(Prefix.REQUEST))

    assert made == sorted(set(made))


_FORK = """
import os
from tollkeeper_server.domain.ids import Prefix, new_id
new_id(Prefix.REQUEST)
child = os.fork()
if child:
    os.waitpid(child, 0)
print(*(new_id(Prefix.REQUEST)[14:] for _ in range(20)), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not forked there")
def test_a_forked_process_makes_ids_of_its_own() -> None:
    run = subprocess.run([sys.executable, "-c", _FORK], check=True, capture_output=True, text=True)

    assert len(set(run.stdout.split())) == 40


@pytest.mark.parametrize(
    "text",
    [
        "",
        "prj_",
        "prj_" + "0" * 25,
        "prj_" + "0" * 27,
        "prj_" + "i" * 26,
        "prj_" + "A" * 26,
        "tok_" + "0" * 26,
        "prj_" + "0" * 26 + "\n",
        " prj_" + "0" * 26,
        "prj_" + "\u0660" * 26,
    ],
)
def test_what_is_malformed_is_none(text: str) -> None:
    assert not is_id(Prefix.PROJECT, text)


@given(st.text(max_size=40))
def test_any_text_can_be_asked_about(text: str) -> None:
    assert is_id(Prefix.TOKEN, text) is (
        len(text) == 30 and text[:4] == "tok_" and set(text[4:]) <= set("0123456789abcdefghjkmnpqrstvwxyz")
    )
