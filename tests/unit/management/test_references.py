"""What entities say of one another holds, or is told by entity and field."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.listener import Listener, Rule
from tollkeeper_server.domain.model import Deployment, Model
from tollkeeper_server.domain.reference import Reference
from tollkeeper_server.domain.traffic import Group, Member
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management import uses
from tollkeeper_server.management.references import (
    Entities,
    Names,
    circle_from,
    problems,
    refuse,
)
from tollkeeper_server.management.uses import of_group, of_model, of_upstream, refuse_users
from tollkeeper_server.snapshot.compile import compile_snapshot
from tollkeeper_server.store.sealed import Sealer, new_key

from tests.unit.management.plane import NOON

LETTERS = "abcdef"


def model(name: str, *fallbacks: str, aliases: tuple[str, ...] = (), group: str = "", age: int = 0) -> Model:
    """Return a model on the upstream `up`, or of a group."""
    return Model(
        name=name,
        aliases=aliases,
        deployments=() if group else (Deployment(upstream="up"),),
        group=group,
        fallbacks=fallbacks,
        created_at=NOON - timedelta(seconds=age),
        updated_at=NOON,
    )


def group(name: str, *members: str) -> Group:
    """Return a group."""
    return Group(
        name=name,
        members=tuple(Member(upstream=it) for it in members),
        created_at=NOON,
        updated_at=NOON,
    )


def listener(name: str, address: str, default_group: str = "", *rules: str) -> Listener:
    """Return a listener with a rule for each of the groups."""
    return Listener(
        name=name,
        address=address,
        default_group=default_group,
        rules=tuple(Rule(group=it, path="/x") for it in rules),
        created_at=NOON,
        updated_at=NOON,
    )


def found(
    *models: Model, groups: tuple[Group, ...] = (), listeners: tuple[Listener, ...] = ()
) -> list[tuple[str, str]]:
    """Return whose field is wrong in a configuration with the upstream `up`."""
    entities = Entities(
        upstreams={"up"},
        groups={it.name: it for it in groups},
        models={it.name: it for it in models},
        listeners={it.name: it for it in listeners},
    )
    return [(f"{it.kind} {it.name}", it.field) for it in problems(entities)]


def test_a_configuration_that_holds_has_no_problems() -> None:
    assert (
        found(
            model("a", "b", "c-alias", "open-anything"),
            model("b", group="g"),
            model("c", "b", aliases=("c-alias",)),
            model("open-*"),
            groups=(group("g", "up"),),
            listeners=(listener("l", "127.0.0.1:1", "g", "g"), listener("m", "127.0.0.1:2")),
        )
        == []
    )


def test_what_is_unknown_is_told_by_its_place() -> None:
    assert found(
        model("a", "b", "nope"),
        model("b", group="gone"),
        Model(
            name="c",
            deployments=(Deployment(upstream="up"), Deployment(upstream="down")),
            created_at=NOON,
            updated_at=NOON,
        ),
        groups=(group("g", "up", "down"),),
        listeners=(listener("l", "127.0.0.1:1", "gone", "g", "gone"),),
    ) == [
        ("group g", "members[1].upstream"),
        ("model a", "fallbacks[1]"),
        ("model b", "group"),
        ("model c", "deployments[1].upstream"),
        ("listener l", "default_group"),
        ("listener l", "rules[1].group"),
    ]


def test_a_name_that_two_have_is_told() -> None:
    assert found(model("a", aliases=("x",)), model("b", aliases=("y", "x")), model("y")) == [
        ("model a", "aliases"),
        ("model b", "aliases"),
        ("model b", "aliases"),
        ("model y", "name"),
    ]


def test_an_address_that_two_have_is_told() -> None:
    assert found(
        listeners=(listener("l", "127.0.0.1:1"), listener("m", "0.0.0.0:1"), listener("n", "127.0.0.1:2"))
    ) == [("listener l", "address"), ("listener m", "address")]


@pytest.mark.parametrize(
    ("models", "circle"),
    [
        ([model("a", "a")], "a -> a"),
        ([model("a", "x", aliases=("x",))], "a -> a"),
        ([model("*", "anything")], "* -> *"),
        ([model("a", "b"), model("b", "c"), model("c", "d", "a"), model("d")], "a -> b -> c -> a"),
    ],
)
def test_fallbacks_in_a_circle_are_told_with_the_circle(models: list[Model], circle: str) -> None:
    (problem,) = circle_from(models[0], Names(models))
    assert (problem.name, problem.field) == (models[0].name, "fallbacks")
    assert _rotations(circle) & set(problem.why.split("; ")[0].split(": ")[1:])


def _rotations(circle: str) -> set[str]:
    """Return the ways to write a circle, beginning with any of its models."""
    names = circle.split(" -> ")[1:]
    turned = [names[at:] + names[:at] for at in range(len(names))]
    return {" -> ".join([*it, it[0]]) for it in turned}


GRAPHS = st.dictionaries(
    st.sampled_from(LETTERS), st.lists(st.sampled_from(LETTERS), max_size=3, unique=True), min_size=1
)


def _reaches_itself(name: str, graph: dict[str, list[str]]) -> bool:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        following = {it for it in graph[waiting.pop()] if it in graph} - reached
        reached |= following
        waiting += following
    return name in reached


@given(GRAPHS)
def test_a_circle_is_found_if_and_only_if_there_is_one(graph: dict[str, list[str]]) -> None:
    models = [model(name, *fallbacks) for name, fallbacks in graph.items()]
    expected = any(_reaches_itself(name, graph) for name in graph)
    fields = [field for _, field in found(*models)]
    assert ("fallbacks" in fields) == expected
    names = Names(models)
    for it in models:
        told = list(circle_from(it, names))
        assert told or not _reaches_itself(it.name, graph)
        if told:
            shown = told[0].why.split(": ")[1].split(";")[0].split(" -> ")
            assert shown[0] == shown[-1]
            assert all(after in graph[before] for before, after in pairwise(shown))


NAMES = st.text("ab", max_size=3)
OWN_NAMES = NAMES.map(lambda it: it or "*") | NAMES.map(lambda it: f"{it}*")


@given(
    st.lists(
        st.tuples(OWN_NAMES, st.lists(NAMES, max_size=2)),
        max_size=5,
        unique_by=lambda it: it[0],
    ),
    NAMES.filter(bool),
)
def test_a_name_is_resolved_as_a_snapshot_resolves_it(named: list[tuple[str, list[str]]], asked: str) -> None:
    models = [
        model(name, aliases=tuple(filter(None, aliases)), age=age)
        for age, (name, aliases) in enumerate(named)
    ]
    snapshot = compile_snapshot(
        1,
        projects=(),
        upstreams=(),
        models=models,
        open_secret=Sealer(new_key()).open,
        default_timeouts=Timeouts(),
    )
    route, resolved = snapshot.resolve(asked), Names(models).resolve(asked)
    assert (route and route.name) == (resolved and resolved.name)


def told(users: Iterable[Reference]) -> str:
    """Return who prevents a deletion, in words."""
    return uses.told(uses.by_kind(users))


def test_users_are_found_by_every_way_of_use() -> None:
    models = [model("a", group="g"), model("b", "a"), model("c", "a-alias"), model("d", "p-1"), model("p-*")]
    groups = [group("g", "up"), group("h", "down")]
    listeners = [listener("l", "127.0.0.1:1", "g"), listener("m", "127.0.0.1:2", "", "h", "g")]
    assert told(of_upstream("up", models, groups)) == "the models b, c, d, p-* and the groups g"
    assert told(of_group("g", models, listeners)) == "the models a and the listeners l, m"
    aliased = [model("a", group="g", aliases=("a-alias",)), *models[1:]]
    assert told(of_model("a", aliased)) == "the models b, c"
    assert told(of_model("p-*", models)) == "the models d"


def test_users_are_named_but_not_all_of_them() -> None:
    refuse_users("upstream up", {"models": [], "groups": []})
    many = [f"m{number}" for number in range(12)]
    with pytest.raises(TollkeeperError) as caught:
        refuse_users("upstream up", {"models": many, "groups": ["g"]})
    assert caught.value.reason is Reason.IN_USE
    assert "models m0, m1," in caught.value.message
    assert "m9 and 2 more and the groups g; change" in caught.value.message


def test_the_first_problem_is_raised() -> None:
    refuse(())
    entities = Entities(upstreams=(), groups={"g": group("g", "up")}, models={}, listeners={})
    with pytest.raises(TollkeeperError, match=r"^members\[0\]\.upstream: there is no upstream 'up'"):
        refuse(problems(entities))


def test_ten_thousand_models_are_checked_without_comparing_each_with_each() -> None:
    models = [model(f"m{number}", f"m{number + 1}") for number in range(9_999)]
    assert found(*models, model("m9999")) == []
