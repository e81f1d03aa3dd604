"""A test that leaves a thread behind fails; what fixtures keep is theirs."""

import pytest

pytest_plugins = ["pytester"]
TESTS = """
import threading, time
import pytest

END = threading.Event()

class Watch(threading.Thread):
    def run(self):
        END.wait(60)

def begun(daemon):
    thread = threading.Thread(target=END.wait, args=(60,), daemon=daemon)
    thread.start()
    return thread

@pytest.fixture
def server():
    begun(daemon=False)

def test_of_a_server(server): ...

def test_that_waits():
    thread = begun(daemon=False)
    threading.Timer(0.05, END.set).start()

def test_of_a_library():
    END.clear()
    begun(daemon=True)

def test_that_leaves_one():
    begun(daemon=False)

def test_that_leaves_a_daemon_of_ours():
    Watch.__module__ = "tests.faults.test_watching"
    Watch(daemon=True).start()

def test_the_end():
    END.set()
"""


def test_the_test_that_began_it_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.threads.SECONDS", 0.5)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess("-p", "tests.servers.threads", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=6, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_that_leaves_one *",
            "*ERROR at teardown of test_that_leaves_a_daemon_of_ours *",
        ]
    )
