"""Which member of a pool serves next."""

from collections import Counter
from collections.abc import Collection, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.call.balance import EXPLORED_SHARE, Balancer
from tollkeeper_server.dataplane.call.health import Health, UpstreamCall
from tollkeeper_server.domain.traffic import Strategy
from tollkeeper_server.domain.upstream import Breaker
from tollkeeper_server.snapshot.model import Pool

from tests.unit.clock import Clock
from tests.unit.dataplane.configured import member_on, pool, snapshot_of, target

PICKS = 10_000
BRITTLE = Breaker(threshold=1, min_calls=1, cooldown_seconds=30)


def group(strategy: Strategy, *weights: int, names: str = "abcdefgh", **policy: Any) -> Pool:
    """Return a pool of upstreams a, b, c and so on with these weights."""
    members = (
        member_on(target(name, breaker=BRITTLE), weight=weight)
        for name, weight in zip(names, weights, strict=False)
    )
    return pool(*members, strategy=strategy, **policy)


class Scene:
    """A balancer, and what is needed to make upstreams sick."""

    def __init__(self, seed: int = 1) -> None:
        self.clock = Clock()
        self.health = Health(self.clock)
        self.balancer = Balancer(self.health, Random(seed))

    def pick(self, pool: Pool, tried: Collection[int] = (), session: bytes = b"") -> str:
        """Return the name of the upstream that is chosen, empty if none is."""
        chosen = self.balancer.choose(pool, tried, session)
        if chosen is None:
            return ""
        index, member = chosen
        assert pool.members[index] is member
        assert index not in tried
        return member.target.name

    def picks(self, pool: Pool, count: int = PICKS) -> Counter[str]:
        """Count whom so many choices go to."""
        return Counter(self.pick(pool) for _ in range(count))

    def trip(self, pool: Pool, *indices: int) -> None:
        """Open the breakers of these members' upstreams."""
        for index in indices:
            self.health.begin(pool.members[index].target).failed(1.0)

    def rest(self, pool: Pool, index: int, seconds: float = 10.0) -> None:
        """Let a member's upstream rest."""
        self.health.of(pool.members[index].target).rest(seconds)


@pytest.fixture
def scene() -> Scene:
    """A balancer that has chosen nothing yet."""
    return Scene()


def nginx(weights: Sequence[int], count: int) -> list[int]:
    """Smooth weighted round robin as its authors describe it."""
    current = [0] * len(weights)
    chosen = []
    for _ in range(count):
        current = [owed + weight for owed, weight in zip(current, weights, strict=True)]
        best = current.index(max(current))
        current[best] -= sum(weights)
        chosen.append(best)
    return chosen


def test_round_robin_is_each_in_turn_whatever_the_weights(scene: Scene) -> None:
    trio = group(Strategy.ROUND_ROBIN, 1, 5, 9)

    assert [scene.pick(trio) for _ in range(7)] == ["a", "b", "c", "a", "b", "c", "a"]
    assert scene.picks(trio, 9_999) == {"a": 3_333, "b": 3_333, "c": 3_333}


@given(st.lists(st.integers(1, 65_535), min_size=2, max_size=6))
def test_weighted_round_robin_is_smooth(weights: list[int]) -> None:
    scene, members = Scene(), group(Strategy.WEIGHTED_ROUND_ROBIN, *weights)

    assert [scene.pick(members) for _ in range(100)] == ["abcdef"[index] for index in nginx(weights, 100)]


def test_weighted_round_robin_is_exact(scene: Scene) -> None:
    picks = scene.picks(group(Strategy.WEIGHTED_ROUND_ROBIN, 5, 3, 2))

    assert picks == {"a": 5_000, "b": 3_000, "c": 2_000}


def test_random_is_by_weight(scene: Scene) -> None:
    picks = scene.picks(group(Strategy.RANDOM, 5, 3, 2))

    for name, expected in (("a", 5_000), ("b", 3_000), ("c", 2_000)):
        assert abs(picks[name] - expected) < 250  # five standard deviations


@pytest.mark.parametrize("strategy", Strategy)
def test_who_was_tried_or_is_open_is_never_chosen(scene: Scene, strategy: Strategy) -> None:
    four = group(strategy, 1, 2, 3, 4)
    scene.trip(four, 1)

    for session in (b"", b"s"):
        assert {scene.pick(four, {0, 2}, session) for _ in range(20)} == {"d"}
        assert scene.pick(four, {0, 2, 3}, session) == ""
    assert "b" not in scene.picks(four, 100)


@pytest.mark.parametrize("strategy", Strategy)
def test_who_rests_is_chosen_only_if_there_is_nobody_else(scene: Scene, strategy: Strategy) -> None:
    three = group(strategy, 1, 1, 1)
    scene.rest(three, 0)
    scene.trip(three, 2)

    for session in (b"", b"s"):
        assert {scene.pick(three, (), session) for _ in range(20)} == {"b"}
        assert scene.pick(three, {1}, session) == "a"
    scene.clock.now += 10
    assert scene.pick(three, {1, 2}) == "a"


@pytest.mark.parametrize("strategy", Strategy)
def test_who_may_be_tried_again_gets_a_call_within_a_few(scene: Scene, strategy: Strategy) -> None:
    trio = group(strategy, 1, 1, 1)
    scene.health.begin(trio.members[0].target).failed(600.0)
    assert "a" not in scene.picks(trio, 50)
    scene.clock.now += 30

    for _ in range(50):
        name = scene.pick(trio)
        if name == "a":
            break
        scene.health.begin(target(name)).succeeded(0.01)
    else:
        pytest.fail("it was never tried")
    scene.health.begin(trio.members[0].target)
    assert "a" not in scene.picks(trio, 50)


@pytest.mark.parametrize("strategy", [Strategy.ROUND_ROBIN, Strategy.WEIGHTED_ROUND_ROBIN])
@given(data=st.data(), weights=st.lists(st.integers(1, 20), min_size=2, max_size=5))
def test_who_comes_and_goes_does_not_distort_the_turns_of_others(
    strategy: Strategy, data: st.DataObject, weights: list[int]
) -> None:
    scene, members = Scene(), group(strategy, *weights)
    everyone = range(len(weights))
    fair = [1] * len(weights) if strategy is Strategy.ROUND_ROBIN else weights
    owed = [0.0] * len(weights)
    for _ in range(data.draw(st.integers(1, 60))):
        away = data.draw(st.sets(st.sampled_from(everyone), max_size=len(weights) - 1))
        there = [index for index in everyone if index not in away]
        name = scene.pick(members, away)
        for index in there:
            owed[index] += fair[index] / sum(fair[other] for other in there)
        owed["abcde".index(name)] -= 1
        assert all(abs(debt) < len(weights) for debt in owed)


@pytest.mark.parametrize("strategy", [Strategy.ROUND_ROBIN, Strategy.WEIGHTED_ROUND_ROBIN])
def test_an_adversary_who_makes_one_flap_can_not_favour_another(scene: Scene, strategy: Strategy) -> None:
    trio = group(strategy, 1, 1, 1)
    picks: Counter[str] = Counter()
    # c is there just when it would be the turn of a, who would then pay a whole turn for less of a share.
    for _ in range(PICKS):
        coming = scene.balancer.peek(trio, b"", {2})
        assert coming is not None
        away = {2} if coming[0] == 1 else ()
        picks[scene.pick(trio, away)] += 1

    assert abs(picks["a"] - picks["b"]) <= 2


@pytest.mark.parametrize("strategy", [Strategy.ROUND_ROBIN, Strategy.WEIGHTED_ROUND_ROBIN])
def test_second_attempts_do_not_distort_turns(scene: Scene, strategy: Strategy) -> None:
    trio = group(strategy, 1, 1, 1)
    picks: Counter[str] = Counter()
    for _ in range(3_000):  # a fails always: each request it gets goes on to another
        first = scene.balancer.choose(trio)
        assert first is not None
        picks[first[1].target.name] += 1
        if first[0] == 0:
            picks[scene.pick(trio, {0})] += 1

    assert abs(picks["b"] - picks["c"]) <= 1


def test_one_that_was_away_does_not_get_all_it_missed(scene: Scene) -> None:
    trio = group(Strategy.ROUND_ROBIN, 1, 1, 1)
    scene.picks(trio, 3)
    assert Counter(scene.pick(trio, {0}) for _ in range(1_000)) == {"b": 500, "c": 500}

    assert scene.picks(trio, 30) == {"a": 10, "b": 10, "c": 10}


@given(st.lists(st.sets(st.sampled_from("abcd"), min_size=2), min_size=1, max_size=30))
def test_members_may_join_and_leave(memberships: list[set[str]]) -> None:
    scene = Scene()
    for names in memberships:
        now = group(Strategy.ROUND_ROBIN, *[1] * len(names), names="".join(sorted(names)))
        scene.balancer.follow(snapshot_of(groups=[now]))
        picks = scene.picks(now, 4 * len(names) + 1)
        assert all(abs(picks[name] - 4) <= 2 for name in names)


def test_members_that_join_get_no_more_than_their_share(scene: Scene) -> None:
    for _ in range(200):
        for names in ("abc", "ab"):
            members = group(Strategy.ROUND_ROBIN, *[1] * len(names), names=names)
            scene.balancer.follow(snapshot_of(groups=[members]))
            scene.pick(members)

    joined = group(Strategy.ROUND_ROBIN, 1, 1, 1, names="abd")
    assert scene.picks(joined, 12)["d"] <= 5


@given(st.lists(st.lists(st.integers(1, 9), min_size=3, max_size=3), min_size=1, max_size=10))
def test_weights_may_change(changes: list[list[int]]) -> None:
    scene = Scene()
    for weights in changes:
        members = group(Strategy.WEIGHTED_ROUND_ROBIN, *weights)
        scene.balancer.follow(snapshot_of(groups=[members]))
        picks = scene.picks(members, 10 * sum(weights))
        assert all(abs(picks[name] - 10 * weight) <= 2 for name, weight in zip("abc", weights, strict=True))


def test_a_new_snapshot_goes_on_with_the_turn(scene: Scene) -> None:
    assert scene.pick(group(Strategy.ROUND_ROBIN, 1, 1, 1)) == "a"
    same = group(Strategy.ROUND_ROBIN, 1, 1, 1)
    scene.balancer.follow(snapshot_of(groups=[same]))

    assert [scene.pick(same) for _ in range(3)] == ["b", "c", "a"]


def test_turns_are_kept_pool_by_pool_and_forgotten_with_them(scene: Scene) -> None:
    one, other = group(Strategy.ROUND_ROBIN, 1, 1), group(Strategy.ROUND_ROBIN, 1, 1, name="other")
    assert [scene.pick(which) for which in (one, other, one, other)] == ["a", "a", "b", "b"]
    scene.pick(one)

    scene.balancer.follow(snapshot_of(groups=[other]))

    assert scene.balancer._turns.keys() == {other.key}
    assert scene.pick(one) == "a"


def test_an_upstream_may_be_there_more_than_once(scene: Scene) -> None:
    twice = pool(member_on(target("a"), "small"), member_on(target("a"), "large"), member_on(target("b")))
    assert twice.places == ("a", "a#2", "b")

    chosen = [scene.balancer.choose(twice) for _ in range(6)]
    assert [each[0] for each in chosen if each] == [0, 1, 2, 0, 1, 2]
    retried = scene.balancer.choose(twice, {0, 2})
    assert retried is not None
    assert (retried[0], retried[1].upstream_model) == (1, "large")
    pinned = {scene.balancer.choose(twice, (), b"%d" % number)[0] for number in range(50)}  # type: ignore[index]
    assert pinned == {0, 1, 2}


class Homebody(Random):
    """Never goes to see how others do."""

    def random(self) -> float:
        """Return what is no reason to explore."""
        return EXPLORED_SHARE


@pytest.fixture
def settled(scene: Scene) -> Scene:
    """A scene whose balancer explores nothing."""
    scene.balancer = Balancer(scene.health, Homebody(1))
    return scene


def test_the_least_score_wins(settled: Scene) -> None:
    trio = group(Strategy.RESPONSE_AWARE, 9, 1, 1)
    for seconds, member in zip((3.0, 1.0, 2.0), trio.members, strict=True):
        for _ in range(40):
            settled.health.begin(member.target).succeeded(seconds)

    assert settled.picks(trio, 30) == {"b": 30}


def test_calls_begun_at_once_spread_by_load(settled: Scene) -> None:
    trio = group(Strategy.RESPONSE_AWARE, 1, 1, 1)
    for seconds, member in zip((1.0, 1.0, 2.0), trio.members, strict=True):
        settled.health.begin(member.target).succeeded(seconds)
    picks: Counter[str] = Counter()
    for _ in range(100):
        name = settled.pick(trio)
        picks[name] += 1
        settled.health.begin(target(name))

    assert all(abs(picks[name] - share) <= 1 for name, share in (("a", 40), ("b", 40), ("c", 20)))


def test_equal_scores_spread(settled: Scene) -> None:
    picks = settled.picks(group(Strategy.RESPONSE_AWARE, 1, 1, 1), 9_999)

    assert picks == {"a": 3_333, "b": 3_333, "c": 3_333}


def test_who_is_not_known_is_called_once_however_well_others_do(settled: Scene) -> None:
    trio = group(Strategy.RESPONSE_AWARE, 1, 1, 1)
    for member in trio.members[:2]:
        for _ in range(40):
            settled.health.begin(member.target).succeeded(0.001)

    assert settled.pick(trio) == "c"
    trial = settled.health.begin(trio.members[2].target)
    assert settled.pick(trio) != "c"
    trial.succeeded(5.0)
    assert settled.pick(trio) != "c"


def test_a_few_percent_of_calls_see_how_the_others_do(scene: Scene) -> None:
    trio = group(Strategy.RESPONSE_AWARE, 1, 1, 1)
    for seconds, member in zip((3.0, 1.0, 2.0), trio.members, strict=True):
        scene.health.begin(member.target).succeeded(seconds)

    picks = scene.picks(trio)
    for explored in "ac":
        assert picks[explored] == pytest.approx(PICKS * EXPLORED_SHARE / 2, rel=0.25)
    retried = Counter(scene.pick(trio, {1}) for _ in range(1_000))
    assert retried == {"c": 1_000}  # a call that has failed once is no time for it


class Traffic:
    """Calls at a steady rate, which take as long as their member takes at that time."""

    def __init__(self, scene: Scene, members: Pool, a_second: int) -> None:
        self._scene = scene
        self._members = members
        self._interval = 1 / a_second
        self._under_way: list[tuple[float, float, UpstreamCall]] = []
        self.seconds = dict.fromkeys("ab", 0.05)

    def go_on(self, seconds: float) -> float:
        """Call for so long; return the share of calls that `a` got."""
        count = round(seconds / self._interval)
        picks = Counter(self._call() for _ in range(count))
        return picks["a"] / count

    def _call(self) -> str:
        clock = self._scene.clock
        begun, clock.now = clock.now + self._interval, clock.now
        for ended in sorted((it for it in self._under_way if it[0] <= begun), key=lambda it: it[0]):
            self._under_way.remove(ended)
            clock.now = ended[0]
            ended[2].succeeded(ended[1])
        clock.now = begun
        name = self._scene.pick(self._members)
        taken = self.seconds[name]
        self._under_way.append(
            (begun + taken, taken, self._scene.health.begin(target(name, breaker=BRITTLE)))
        )
        return name


@pytest.mark.parametrize("a_second", [1, 5, 20, 100])
@pytest.mark.parametrize("seed", range(3))
def test_a_member_that_is_fast_again_is_found_out_within_seconds(a_second: int, seed: int) -> None:
    """Though few calls go to it while it is slow."""
    traffic = Traffic(Scene(seed), group(Strategy.RESPONSE_AWARE, 1, 1), a_second)
    assert traffic.go_on(60) == pytest.approx(0.5, abs=0.1)
    traffic.seconds["a"] = 2.0
    traffic.go_on(10)
    assert traffic.go_on(60) <= 0.12
    traffic.seconds["a"] = 0.05
    traffic.go_on(20)
    assert traffic.go_on(20) == pytest.approx(0.5, abs=0.1)


def test_failover_is_the_first_that_may_be_called(scene: Scene) -> None:
    trio = group(Strategy.FAILOVER, 1, 9, 9)
    assert scene.picks(trio, 10) == {"a": 10}

    scene.trip(trio, 0)
    assert scene.picks(trio, 10) == {"b": 10}
    scene.clock.now += 30
    assert scene.pick(trio) == "a"


@pytest.mark.parametrize("strategy", Strategy)
def test_a_session_stays_with_its_leg_while_that_is_well(scene: Scene, strategy: Strategy) -> None:
    four = group(strategy, 1, 1, 1, 1)
    home = scene.pick(four, (), b"caller")
    index = "abcd".index(home)
    assert {scene.pick(four, (), b"caller") for _ in range(20)} == {home}

    scene.trip(four, index)
    refuge = {scene.pick(four, (), b"caller") for _ in range(20)}
    assert len(refuge) == 1
    assert home not in refuge
    scene.clock.now += 30
    assert scene.pick(four, (), b"caller") == home


def test_sessions_spread_by_weight(scene: Scene) -> None:
    members = group(Strategy.ROUND_ROBIN, 5, 3, 2)
    picks = Counter(scene.pick(members, (), b"session-%d" % number) for number in range(PICKS))

    for name, expected in (("a", 5_000), ("b", 3_000), ("c", 2_000)):
        assert abs(picks[name] - expected) < 250


@given(st.lists(st.binary(min_size=1), min_size=1, unique=True), st.integers(0, 3))
def test_only_the_sessions_of_one_that_leaves_move(sessions: list[bytes], leaver: int) -> None:
    scene = Scene()
    before, names = group(Strategy.ROUND_ROBIN, 3, 1, 2, 1), "abcd".replace("abcd"[leaver], "")
    weights = [weight for index, weight in enumerate((3, 1, 2, 1)) if index != leaver]
    after = group(Strategy.ROUND_ROBIN, *weights, names=names)
    for session in sessions:
        home = scene.pick(before, (), session)
        if home != "abcd"[leaver]:
            assert scene.pick(after, (), session) == home


def test_sessions_are_the_same_in_every_process() -> None:
    four = group(Strategy.RANDOM, 1, 1, 1, 1)
    sessions = [b"session-%d" % number for number in range(100)]
    one, other = Scene(1), Scene(2)

    assert [one.pick(four, (), s) for s in sessions] == [other.pick(four, (), s) for s in sessions]


@pytest.mark.parametrize("strategy", Strategy)
@given(data=st.data())
def test_peeking_tells_what_is_chosen_and_changes_nothing(strategy: Strategy, data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    looking, blind, members = Scene(), Scene(), group(strategy, *weights)
    for _ in range(data.draw(st.integers(1, 20))):
        tried = data.draw(st.sets(st.sampled_from(range(len(weights)))))
        session = data.draw(st.sampled_from([b"", b"s"]))
        expected = looking.balancer.peek(members, session, tried)
        assert looking.balancer.peek(members, session, tried) == expected
        chosen = looking.balancer.choose(members, tried, session)
        assert chosen == expected == blind.balancer.choose(members, tried, session)


def test_a_pool_of_one_is_that_one_unless_it_was_tried_or_is_open(scene: Scene) -> None:
    alone = group(Strategy.ROUND_ROBIN, 1)
    scene.rest(alone, 0)
    assert scene.pick(alone) == "a"
    assert scene.pick(alone, [0]) == ""

    scene.trip(alone, 0)
    assert scene.pick(alone) == ""


def test_of_an_empty_pool_there_is_none(scene: Scene) -> None:
    assert scene.pick(pool()) == ""
    assert "has no active deployment" in scene.balancer.refusal(pool(), has_model=True).message


@given(st.lists(st.integers(0, 29 * 8), min_size=1, max_size=4), st.integers(0, 40 * 8))
def test_when_all_are_open_the_caller_is_told_when_to_come_again(tripped: list[int], later: int) -> None:
    scene, members = Scene(), group(Strategy.ROUND_ROBIN, *[1] * len(tripped))
    for index, eighths in sorted(enumerate(tripped), key=lambda each: each[1]):
        scene.clock.now = eighths / 8
        scene.trip(members, index)
    scene.clock.now = (max(tripped) + later) / 8
    assume(scene.pick(members) == "")

    seconds = scene.balancer.refusal(members, has_model=True).retry_after

    assert seconds is not None
    assert 1 <= seconds <= 30
    scene.clock.now += seconds - 1
    assert seconds == 1 or scene.pick(members) == ""
    scene.clock.now += 1
    assert scene.pick(members) != ""
