"""The journal keeps what it is told, whatever happens to the process."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.usage import Confidence, TokenCounts
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.ledger.segments import intent_line, settled_line

from tests.unit.ledger.parts import (
    FaultyStore,
    crash,
    directories,
    drain_all,
    draining,
    intent,
    segments,
    settled,
)

SMALL = 1000


async def test_a_settled_event_reaches_the_store_as_it_was_settled(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path)
    journal.begin(intent("a"))
    journal.settle(settled("a"))
    journal.settle(settled("never-dispatched"))
    await drain_all(journal, store)
    journal.close()
    assert store.events == {"a": settled("a"), "never-dispatched": settled("never-dispatched")}


async def test_an_open_intent_is_nobodys_event_while_its_process_lives(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path)
    journal.begin(intent("a"))
    other = Journal(tmp_path)
    await drain_all(journal, store)
    await drain_all(other, store)
    assert store.events == {}
    other.close()
    journal.close()


def test_who_adopts_a_journal_knows_whether_the_shared_ledger_lacks_anything(tmp_path: Path) -> None:
    """A process that was killed may have left it so, and one that has ended while the ledger was away."""
    for end in (crash, Journal.close):
        lacking = Journal(tmp_path)
        lacking.mark_untold(True)
        end(lacking)
        adopting = Journal(tmp_path)
        (orphan,) = adopting.orphans
        assert orphan.has_untold
        assert orphan.read(1) == []
        orphan.commit()
        adopting.close()
    told = Journal(tmp_path)
    told.mark_untold(True)
    told.mark_untold(False)
    told.close()
    assert directories(tmp_path) == []


async def test_an_interrupted_upload_or_batch_costs_no_tokens(tmp_path: Path) -> None:
    dead = Journal(tmp_path)
    dead.begin(intent("upload", has_prompt=False))
    crash(dead)

    store, journal = FaultyStore(), Journal(tmp_path)
    await drain_all(journal, store)
    journal.close()
    assert store.events["upload"].error_code == "gateway_interrupted"
    assert store.events["upload"].tokens == TokenCounts()


async def test_what_was_interrupted_costs_what_its_estimate_does(tmp_path: Path) -> None:
    dead = Journal(tmp_path)
    dead.begin(intent("dispatched", request_bytes=403))
    dead.begin(intent("not-dispatched", upstream=""))
    crash(dead)

    store, journal = FaultyStore(), Journal(tmp_path, cost_of=lambda event: event.tokens.prompt * 3)
    await drain_all(journal, store)
    journal.close()
    assert {name: it.cost_nano_dollars for name, it in store.events.items()} == {
        "dispatched": 303,
        "not-dispatched": 0,
    }


async def test_an_intent_whose_process_died_becomes_an_estimated_failure(tmp_path: Path) -> None:
    dead = Journal(tmp_path)
    dead.begin(intent("dispatched", request_bytes=403))
    dead.begin(intent("not-dispatched", upstream=""))
    dead.begin(intent("done"))
    dead.settle(settled("done"))
    crash(dead)

    store, journal = FaultyStore(), Journal(tmp_path)
    await drain_all(journal, store)
    journal.close()
    assert store.statuses() == {"dispatched": 500, "done": 200, "not-dispatched": 500}
    dispatched = store.events["dispatched"]
    assert dispatched.error_code == "gateway_interrupted"
    assert dispatched.tokens == TokenCounts(prompt=101, confidence=Confidence.ESTIMATED)
    assert dispatched.request_id == "caller-dispatched"
    assert dispatched.cost_nano_dollars is None
    assert store.events["not-dispatched"].tokens == TokenCounts(confidence=Confidence.NONE)
    assert store.events["not-dispatched"].cost_nano_dollars == 0
    assert store.events["done"] == settled("done")
    assert sum(store.writes) == 3
    assert directories(tmp_path) == []


async def test_a_whole_end_leaves_no_directory_and_an_early_one_leaves_its_events(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path)
    journal.settle(settled("a"))
    journal.close()
    assert len(directories(tmp_path)) == 1

    heir = Journal(tmp_path)
    heir.begin(intent("b"))
    await drain_all(heir, store)
    heir.close()
    assert store.statuses() == {"a": 200}
    assert len(directories(tmp_path)) == 1, "the open intent has to survive"

    last = Journal(tmp_path)
    await drain_all(last, store)
    last.close()
    assert store.statuses() == {"a": 200, "b": 500}
    assert directories(tmp_path) == []


async def test_segments_rotate_and_stored_ones_are_deleted(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path, segment_bytes=SMALL)
    for number in range(50):
        journal.begin(intent(f"{number:02}"))
        journal.settle(settled(f"{number:02}"))
    assert len(segments(journal)) > 10
    await drain_all(journal, store)
    assert len(segments(journal)) == 1
    assert len(store.events) == 50
    journal.close()
    assert directories(tmp_path) == []


async def test_a_long_request_survives_the_deletion_of_its_segment(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path, segment_bytes=10 * SMALL)
    journal.begin(intent("long"))
    journal.begin(intent("longer"))
    for number in range(100):
        journal.settle(settled(f"{number:03}"))
    await drain_all(journal, store)
    assert "0000000001.jsonl" not in segments(journal)
    journal.settle(settled("long"))
    crash(journal)

    heir = Journal(tmp_path)
    await drain_all(heir, store)
    heir.close()
    assert store.events["long"] == settled("long")
    assert store.events["longer"].status == 500
    assert len(store.events) == 102


async def test_many_open_requests_keep_their_segment_until_they_end(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path, segment_bytes=SMALL)
    names = [f"{number:02}" for number in range(40)]
    for name in names:
        journal.begin(intent(name))
    await drain_all(journal, store)
    assert len(segments(journal)) > 5
    end = journal.end
    await drain_all(journal, store)
    assert journal.end == end, "intents must not be written over and over"
    for name in names:
        journal.settle(settled(name))
    await drain_all(journal, store)
    assert len(segments(journal)) == 1
    assert list(store.statuses()) == names
    journal.close()


@pytest.mark.parametrize("cut", [1, 10, 200])
async def test_a_torn_last_line_costs_only_itself(
    tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    dead = Journal(tmp_path)
    dead.begin(intent("a"))
    dead.settle(settled("a"))
    dead.begin(intent("b"))
    dead.settle(settled("b"))
    crash(dead)
    segment = next(directories(tmp_path)[0].glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes()[:-cut])

    store, journal = FaultyStore(), Journal(tmp_path)
    await drain_all(journal, store)
    journal.close()
    assert store.statuses() == {"a": 200, "b": 500}
    assert "skipped 1 unreadable lines" in caplog.text


@pytest.mark.parametrize("size", [20, 150, -2])
@pytest.mark.parametrize("ending", [b"", b"\n"], ids=["at the end", "before others"])
@pytest.mark.parametrize(
    ("cut", "lost"),
    [
        (settled_line(settled("ended")), False),
        (intent_line(intent("ended")), False),
        (intent_line(intent("begun")), False),
        (settled_line(settled("begun")), True),
        (settled_line(settled("nowhere")), True),
        (intent_line(intent("nowhere")), True),
    ],
)
async def test_a_cut_line_is_an_error_only_if_no_other_says_the_same(
    tmp_path: Path, cut: bytes, lost: bool, ending: bytes, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What a full disk refused is written again, if the process lived to do it."""
    dead = Journal(tmp_path)
    dead.begin(intent("begun"))
    dead.begin(intent("ended"))
    dead.settle(settled("ended"))
    crash(dead)
    segment = next(directories(tmp_path)[0].glob("*.jsonl"))
    whole = settled_line(settled("last")) if ending else b""
    segment.write_bytes(segment.read_bytes() + cut[:size] + ending + whole)

    store, journal = FaultyStore(), Journal(tmp_path)
    await drain_all(journal, store)
    journal.close()
    assert store.statuses() == {"begun": 500, "ended": 200} | ({"last": 200} if ending else {})
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == (
        ["ERROR"] if lost else []
    )
    assert ("skipped 1 unreadable lines" in caplog.text) is lost


@pytest.mark.parametrize(
    "garbage", [b"\0" * 4096, b"X{}\n", b"S{}\n", b"S\n", b"\xff\xfe\n\n\n", b"I[]", b"S" + b"x" * 700_000]
)
async def test_garbage_between_segments_costs_only_itself(tmp_path: Path, garbage: bytes) -> None:
    dead = Journal(tmp_path, segment_bytes=1)
    dead.settle(settled("a"))
    dead.settle(settled("b"))
    crash(dead)
    first = min(directories(tmp_path)[0].glob("*.jsonl"))
    first.write_bytes(first.read_bytes() + garbage)

    store, journal = FaultyStore(), Journal(tmp_path)
    await drain_all(journal, store)
    journal.close()
    assert store.statuses() == {"a": 200, "b": 200}


async def test_processes_share_a_root_without_touching_each_other(tmp_path: Path) -> None:
    store, one, two = FaultyStore(), Journal(tmp_path), Journal(tmp_path)
    assert one.orphans == []
    assert two.orphans == []
    one.settle(settled("one"))
    two.settle(settled("two"))
    await drain_all(one, store)
    one.close()
    assert store.statuses() == {"one": 200}
    await drain_all(two, store)
    two.close()
    assert store.statuses() == {"one": 200, "two": 200}


async def test_an_adopter_that_dies_leaves_everything_to_the_next(tmp_path: Path) -> None:
    dead = Journal(tmp_path)
    dead.begin(intent("a"))
    dead.settle(settled("b"))
    crash(dead)
    heir = Journal(tmp_path)
    heir.begin(intent("c"))
    assert len(heir.orphans) == 1
    crash(heir)

    store, journal = FaultyStore(), Journal(tmp_path)
    assert len(journal.orphans) == 2
    await drain_all(journal, store)
    journal.close()
    assert store.statuses() == {"a": 500, "b": 200, "c": 500}
    assert directories(tmp_path) == []


async def test_of_several_starters_one_adopts(tmp_path: Path) -> None:
    store = FaultyStore()
    for attempt in range(20):
        for number in range(3):
            dead = Journal(tmp_path)
            dead.settle(settled(f"{attempt}-{number}"))
            crash(dead)
        starters = await asyncio.gather(*(asyncio.to_thread(Journal, tmp_path) for _ in range(6)))
        assert sum(len(journal.orphans) for journal in starters) == 3
        for journal in starters:
            await drain_all(journal, store)
            journal.close()
        assert directories(tmp_path) == []
    assert len(store.events) == 60
    assert sum(store.writes) == 60


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "begin", "settle", "settle", "drain", "crash"]), st.integers(0, 200)),
    max_size=60,
)


@given(
    steps=STEPS,
    segment_bytes=st.sampled_from([1, 900, 5000, 100_000]),
    recent_events=st.sampled_from([0, 1, 3, 1000]),
)
def test_each_request_leaves_one_event_however_steps_interleave(
    steps: list[Step], segment_bytes: int, recent_events: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asyncio.run(_interleave(tmp_path_factory.mktemp("journal"), steps, segment_bytes, recent_events))


async def _interleave(root: Path, steps: list[Step], segment_bytes: int, recent_events: int) -> None:
    store = FaultyStore()
    journal = Journal(root, segment_bytes=segment_bytes, recent_events=recent_events)
    expected: dict[str, int] = {}
    running: list[str] = []
    for number, (what, choice) in enumerate(steps):
        match what:
            case "begin":
                name = f"{number:03}"
                running.append(name)
                journal.begin(intent(name))
            case "settle" if running:
                name = running.pop(choice % len(running))
                expected[name] = 200
                journal.settle(settled(name))
            case "drain":
                async with draining(journal, store, batch=1 + choice % 5) as drain:
                    assert await drain.flush(30)
            case "crash":
                expected |= dict.fromkeys(running, 500)
                running.clear()
                crash(journal)
                journal = Journal(root, segment_bytes=segment_bytes, recent_events=recent_events)
    expected |= dict.fromkeys(running, 500)
    crash(journal)
    last = Journal(root)
    await drain_all(last, store)
    last.close()
    assert store.statuses() == dict(sorted(expected.items()))
    assert directories(root) == []


@given(
    steps=st.lists(st.sampled_from(["begin", "settle", "settle", "drain"]), max_size=60),
    recent_events=st.integers(0, 8),
    limit=st.integers(1, 6),
)
def test_what_is_recalled_is_what_would_be_read(
    steps: list[str], recent_events: int, limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("journal")
    journal = Journal(root, segment_bytes=SMALL, recent_events=recent_events)
    expected: list[str] = []
    drained: list[str] = []
    for number, what in enumerate([*steps, *["drain"] * 60]):
        match what:
            case "begin":
                journal.begin(intent(f"{number}"))
            case "settle":
                expected.append(f"{number}")
                journal.settle(settled(f"{number}"))
            case _:
                read = journal.read(limit)
                recalled = journal.recall(limit)
                if recalled is None:
                    assert len(expected) - len(drained) > recent_events
                    journal.read(limit)
                else:
                    assert recalled == read
                drained += [event.id for event in read]
                journal.commit()
    assert drained == expected
    assert journal.stored == journal.end
    crash(journal)


def deferring(root: Path) -> tuple[Journal, list[Callable[[], None]]]:
    """Return a journal, and what it wants to be called at the end of the event loop's turn."""
    calls: list[Callable[[], None]] = []
    return Journal(root, soon=calls.append), calls


def lines(root: Path) -> list[bytes]:
    """Return the first byte and the event's id of each line that is on file."""
    written = b"".join(path.read_bytes() for path in sorted(root.rglob("*.jsonl"))).splitlines()
    return [line[:1] + json.loads(line[1:])["id"].encode() for line in written]


async def test_a_turns_final_events_are_on_file_at_its_end(tmp_path: Path) -> None:
    journal, calls = deferring(tmp_path)
    journal.settle(settled("a"))
    journal.settle(settled("b"))
    assert lines(tmp_path) == []

    for call in calls:
        call()
    assert lines(tmp_path) == [b"Sa", b"Sb"]
    assert len(calls) == 1
    journal.close()


async def test_final_events_are_on_file_before_the_next_intent(tmp_path: Path) -> None:
    journal, calls = deferring(tmp_path)
    journal.settle(settled("a"))
    journal.begin(intent("b"))
    assert lines(tmp_path) == [b"Sa", b"Ib"]

    for call in calls:
        call()
    assert lines(tmp_path) == [b"Sa", b"Ib"]
    journal.close()


async def test_what_a_turn_has_settled_is_stored_once_and_as_it_was(tmp_path: Path) -> None:
    store, (journal, _) = FaultyStore(), deferring(tmp_path)
    for name in "abc":
        journal.begin(intent(name))
    for name in "abc":
        journal.settle(settled(name))
    await drain_all(journal, store)
    journal.close()
    assert store.events == {name: settled(name) for name in "abc"}
    assert directories(tmp_path) == []


async def test_closing_loses_nothing_that_was_settled(tmp_path: Path) -> None:
    journal, _ = deferring(tmp_path)
    journal.begin(intent("a"))
    journal.settle(settled("a"))
    journal.close()

    store, heir = FaultyStore(), Journal(tmp_path)
    await drain_all(heir, store)
    heir.close()
    assert store.events == {"a": settled("a")}


async def test_what_is_not_stored_is_known(tmp_path: Path) -> None:
    store, journal = FaultyStore(), Journal(tmp_path, segment_bytes=SMALL, recent_events=3)
    assert (journal.unstored, journal.unstored_bytes()) == (0, 0)
    written = [f"event-{number}" for number in range(20)]
    for event_id in written:
        journal.settle(settled(event_id))

    assert journal.unstored == 20
    assert journal.unstored_bytes() == sum(len(settled_line(settled(it))) for it in written)

    journal.read(5)
    journal.commit()
    assert journal.unstored == 15
    await drain_all(journal, store)
    assert (journal.unstored, journal.unstored_bytes()) == (0, 0)
    journal.close()
