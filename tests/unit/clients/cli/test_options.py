"""Options become the fields they are named after, in whole values."""

from datetime import timedelta
from typing import Any

import click
import pytest
from click.testing import CliRunner
from tollkeeper import Breaker, Probe, Removal, Retry, Strategy, TrafficPolicy, TrafficTimeouts
from tollkeeper.cli.options import Words, settings_of, to_update, whole
from tollkeeper.values.traffic import Group, Member

SECOND = timedelta(seconds=1)
GROUP = Group(
    name="g",
    members=(Member("a"),),
    policy=TrafficPolicy(user_agent="u", retry=Retry(attempts=3)),
    created_at=None,
    updated_at=None,
    etag="7",
)


def test_what_is_not_given_is_left_out() -> None:
    given = {"a": None, "b": (), "c": False, "d": "", "e": 0, "f__x": 1, "f__y__z": 2, "f__y__w": None}

    assert settings_of(given) == {"c": False, "d": "", "e": 0, "f": {"x": 1, "y": {"z": 2}}}


def test_a_flag_takes_a_field_away() -> None:
    removals: dict[str, tuple[str, object]] = {"no_probe": ("probe", Removal.REMOVE), "no_x": ("x__y", None)}

    assert settings_of({"no_probe": True, "no_x": None}, **removals) == {"probe": Removal.REMOVE}
    assert settings_of({"no_probe": None, "no_x": True}, **removals) == {"x": {"y": None}}


@pytest.mark.parametrize("arguments", [["--no-probe", "--probe", "/x"], ["--no-probe", "--every", "5"]])
def test_a_field_is_not_given_and_taken_away(arguments: list[str]) -> None:
    @click.command()
    @click.option("--probe", "probe__path")
    @click.option("--every", "probe__interval")
    @click.option("--no-probe", is_flag=True, default=None)
    def command(**given: Any) -> None:
        settings_of(given, no_probe=("probe", Removal.REMOVE))

    ran = CliRunner().invoke(command, arguments)

    assert (ran.exit_code, f"give {arguments[1]} or --no-probe, not both" in ran.output) == (2, True)


def test_parts_are_of_defaults_to_create_and_of_the_present_to_change() -> None:
    settings = settings_of({"policy__timeouts__idle": SECOND, "policy__retry__only_safe": True, "group": "x"})

    assert whole(settings) == {
        "group": "x",
        "policy": TrafficPolicy(timeouts=TrafficTimeouts(idle=SECOND), retry=Retry(only_safe=True)),
    }
    assert to_update(settings, "", lambda: GROUP) == {
        "group": "x",
        "policy": TrafficPolicy(
            user_agent="u",
            timeouts=TrafficTimeouts(idle=SECOND),
            retry=Retry(attempts=3, only_safe=True),
        ),
        "etag": "7",
    }
    assert to_update(settings, "5", lambda: GROUP)["etag"] == "5"
    assert whole({"policy": {"retry": None}}, GROUP) == {"policy": TrafficPolicy(user_agent="u")}


def test_what_is_given_whole_needs_nothing_of_the_present() -> None:
    def never() -> Group:
        raise AssertionError

    assert to_update({"members": ()}, "", never) == {"members": (), "etag": ""}
    with pytest.raises(click.UsageError, match="nothing to change"):
        to_update({}, "", never)


def test_a_probe_needs_a_path() -> None:
    assert whole({"probe": {"path": "/x"}, "breaker": {"min_calls": 2}}) == {
        "probe": Probe(path="/x"),
        "breaker": Breaker(min_calls=2),
    }
    with pytest.raises(click.UsageError, match="give --probe, too"):
        whole({"probe": {"interval": SECOND}})


def test_words_are_those_that_can_be_sent() -> None:
    words = Words(Strategy)

    assert words.convert("failover", None, None) is Strategy.FAILOVER
    with pytest.raises(click.BadParameter, match="'unknown' is not one of 'round_robin', "):
        words.convert("unknown", None, None)
