"""What a store promises about pages of lists: their orders, filters and counts, while others write."""

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from itertools import product

import msgspec
import pytest
from tollkeeper_server.domain.configuration import Entity, key_of
from tollkeeper_server.domain.listing import EntityFilter, Order, Page, folded, place_of
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import EXPIRES_SOON, Token, TokenFilter, TokenState, state_of
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.store.ports import Store

from tests.contract.conftest import forget_lists, opened
from tests.contract.entities import LATER, MAKERS, NOON, a_project, a_token, an_entity, an_event

SECOND = timedelta(seconds=1)
TOKEN_ORDERS = [order for order in Order if order is not Order.CREATED]
ENTITY_ORDERS = [Order.KEY, Order.CREATED, Order.UPDATED, Order.NAME]


def some_tokens() -> list[Token]:
    """Return tokens in every state, many of them equal in what they are sorted by."""
    chance = random.Random(7)
    expiries = [None, NOON - SECOND, NOON, NOON + SECOND, NOON + EXPIRES_SOON, NOON + EXPIRES_SOON + SECOND]
    return [
        msgspec.structs.replace(
            a_token(
                project_id=chance.choice(["prj_1", "prj_2"]),
                is_active=chance.random() < 0.8,
                expires_at=chance.choice(expiries),
                max_requests=chance.choice([0, 3]),
                updated_at=NOON + chance.randrange(3) * SECOND,
            ),
            name=chance.choice(["alpha", "Beta", "größe", "GRÖSSE 2", "zeta"]),
            description=chance.choice(["", "of the night shift", "100% of_it"]),
            labels=chance.choice([{}, {"team": "Research"}, {"team": "research", "tier": "1"}]),
            allowed_models=chance.choice([(), ("gpt",), ("o3", "gpt-*"), ("claude", "o3")]),
            request_count=chance.choice([0, 3]),
            last_used_at=chance.choice([None, NOON, LATER]),
        )
        for _ in range(60)
    ]


async def walk(
    read: Callable[[Page], Awaitable[Sequence[Entity | Token]]],
    order: Order,
    descending: bool,
    limit: int = 7,
) -> list[Entity | Token]:
    """Return all pages of a list."""
    found: list[Entity | Token] = []
    while True:
        after = place_of(found[-1], order) if found else None
        page = await read(Page(order=order, descending=descending, after=after, limit=limit))
        found += page
        if len(page) < limit:
            return found


def in_order(entities: Sequence[Entity | Token], order: Order, descending: bool) -> list[Entity | Token]:
    def place(entity: Entity | Token) -> tuple[str, str]:
        it = place_of(entity, order)
        return it.value, it.key

    return sorted(entities, key=place, reverse=descending)


async def test_pages_of_tokens_are_in_order(store: Store) -> None:
    """Each order both ways, and every token once, though many are equal in what they are sorted by."""
    tokens = some_tokens()
    for token in tokens:
        await store.tokens.add(token)

    for order, descending in product(TOKEN_ORDERS, [False, True]):
        found = await walk(partial(store.tokens.page, TokenFilter()), order, descending)
        assert found == in_order(tokens, order, descending), order


async def test_what_tokens_allow_is_found_by_its_beginning(store: Store) -> None:
    """Each once, in order, as written now."""
    allowed = [("gpt-4", "o3", "gpt-*"), ("gpt-4", "gp", "GPT-4"), (), ("gpt.4",), ("gpt-5",)]
    tokens = [msgspec.structs.replace(a_token(), allowed_models=it) for it in allowed]
    for token in tokens:
        await store.tokens.add(token)
    changed = msgspec.structs.replace(tokens[-1], allowed_models=("gpt-6",), revision=tokens[-1].revision + 1)
    assert await store.tokens.replace(changed, expected=tokens[-1].revision)
    assert await store.tokens.allowed_models("gpt-", limit=9) == ["gpt-*", "gpt-4", "gpt-6"]
    assert await store.tokens.allowed_models("gpt-", limit=2) == ["gpt-*", "gpt-4"]
    everything = ["GPT-4", "gp", "gpt-*", "gpt-4", "gpt-6", "gpt.4", "o3"]
    assert await store.tokens.allowed_models("", limit=9) == everything
    assert await store.tokens.allowed_models("claude", limit=9) == []


async def test_pages_of_tokens_hold_what_the_filter_says(store: Store) -> None:
    """States, project, search and labels, alone and together; the count agrees with the pages."""
    tokens = some_tokens()
    for token in tokens:
        await store.tokens.add(token)
    filters: list[tuple[TokenFilter, Callable[[Token], bool]]] = [
        *(
            (TokenFilter(states=frozenset({state}), at=NOON), lambda it, s=state: state_of(it, NOON) is s)
            for state in TokenState
        ),
        (
            TokenFilter(
                states=frozenset({TokenState.ACTIVE, TokenState.EXPIRING}), at=NOON, project_id="prj_1"
            ),
            lambda it: state_of(it, NOON).name in {"ACTIVE", "EXPIRING"} and it.project_id == "prj_1",
        ),
        (TokenFilter(search=folded("GRösSE")), lambda it: it.name in {"größe", "GRÖSSE 2"}),
        (TokenFilter(search="night"), lambda it: "night" in it.description),
        (TokenFilter(search="0% of_"), lambda it: "100%" in it.description),
        (TokenFilter(search="team=re"), lambda it: bool(it.labels)),
        (TokenFilter(search=tokens[3].id[5:]), lambda it: it is tokens[3]),
        (TokenFilter(search="a.*"), lambda _: False),
        (TokenFilter(labels={"team": "research"}), lambda it: it.labels.get("team") == "research"),
        (TokenFilter(labels={"team": "research", "tier": "2"}), lambda _: False),
        (
            TokenFilter(allowing=frozenset({"gpt-*", "gpt", "*"})),
            lambda it: bool({"gpt", "gpt-*"} & {*it.allowed_models}),
        ),
        (
            TokenFilter(allowing=frozenset({"o3"}), project_id="prj_2"),
            lambda it: "o3" in it.allowed_models and it.project_id == "prj_2",
        ),
        (TokenFilter(allowing=frozenset({"gp"})), lambda _: False),
    ]

    for (where, meets), order in product(filters, TOKEN_ORDERS):
        expected = in_order([token for token in tokens if meets(token)], order, descending=True)
        found = await walk(partial(store.tokens.page, where), order, descending=True)
        assert found == expected, (where, order)
        assert await store.tokens.count(where, most=1000) == len(expected)
    assert await store.tokens.count(TokenFilter(), most=12) == 12


async def test_a_few_among_many_are_found(store: Store) -> None:
    """A filter that a few tokens meet finds them, wherever they stand in the order."""
    tokens = [a_token() for _ in range(1200)]
    wanted = [
        msgspec.structs.replace(tokens[at], name=f"wanted {at}", last_used_at=NOON) for at in (3, 600, 1150)
    ]
    for token in tokens:
        await store.tokens.add(next((it for it in wanted if it.id == token.id), token))

    for order, descending in product(TOKEN_ORDERS, [False, True]):
        where = TokenFilter(search="wanted")
        found = await walk(partial(store.tokens.page, where), order, descending, limit=2)
        assert found == in_order(wanted, order, descending)


@pytest.mark.parametrize("order", TOKEN_ORDERS, ids=lambda it: it.value)
async def test_a_page_goes_on_where_the_last_one_ended(store: Store, order: Order) -> None:
    """What is added before that place, or edited away from it, moves nothing that is still to come."""
    tokens = some_tokens()
    for token in tokens:
        await store.tokens.add(token)
    sorted_tokens = in_order(tokens, order, descending=False)
    first = await store.tokens.page(TokenFilter(), Page(order=order, limit=20))
    place = place_of(first[-1], order)
    assert await store.tokens.replace(
        msgspec.structs.replace(first[-1], name="~~~", is_active=False, expires_at=None, revision=2),
        expected=1,
    )
    early = msgspec.structs.replace(
        a_token(updated_at=NOON - SECOND), id="tok_0", name="", expires_at=NOON - 9 * SECOND
    )
    await store.tokens.add(early)

    rest = await store.tokens.page(TokenFilter(), Page(order=order, after=place, limit=100))

    assert [it for it in rest if it.id != first[-1].id] == sorted_tokens[20:]


async def test_edits_are_sorted_and_searched(store: Store) -> None:
    """By their new names and texts; uses by their new time."""
    one, two = a_token(), a_token()
    await store.tokens.add(one)
    await store.tokens.add(two)
    edit = msgspec.structs.replace(one, name="Zoë", description="nightly", labels={"a": "b"}, revision=2)
    assert await store.tokens.replace(edit, expected=1)
    await store.usage.add([an_event(two, started_at=LATER)])

    by_name = await store.tokens.page(TokenFilter(), Page(order=Order.NAME, limit=9))
    by_use = await store.tokens.page(TokenFilter(), Page(order=Order.USE, descending=True, limit=9))

    assert [it.id for it in by_name] == [two.id, one.id]
    assert [it.id for it in by_use] == [two.id, one.id]
    assert await store.tokens.page(TokenFilter(search="zoë"), Page(limit=9)) == [edit]
    assert await store.tokens.page(TokenFilter(labels={"a": "b"}), Page(limit=9)) == [edit]
    assert await store.tokens.count(TokenFilter(search="ci"), most=9) == 1


async def test_the_last_use_of_a_project_is_that_of_its_tokens(store: Store) -> None:
    """The latest of them; a project without a use has none."""
    for project_id, last in (("prj_1", NOON), ("prj_1", LATER), ("prj_1", None), ("prj_2", None)):
        token = a_token(project_id=project_id)
        await store.tokens.add(msgspec.structs.replace(token, last_used_at=last))

    assert await store.tokens.last_used(["prj_1", "prj_2", "prj_3"]) == {"prj_1": LATER}
    assert await store.tokens.last_used([]) == {}


@pytest.mark.parametrize("kind", MAKERS, ids=lambda it: it.__name__)
async def test_pages_of_entities_are_in_order(store: Store, kind: type[Entity]) -> None:
    """Each order both ways, of entities that were added, edited and written as a batch; none of others."""
    entities = [
        msgspec.structs.replace(
            an_entity(kind, f"{letter}{number}"),
            created_at=NOON + (number % 3) * SECOND,
            updated_at=NOON - (number % 2) * SECOND,
        )
        for number, letter in enumerate("bAcDeFgHiJ")
    ]
    for entity in entities:
        await store.configuration.add(entity)
    await store.configuration.add(a_project() if kind is not Project else an_entity(Upstream, "other"))
    gone = an_entity(kind, "gone")
    await store.configuration.add(gone)
    assert await store.configuration.delete(kind, "gone", expected=gone.revision)

    for order, descending in product(ENTITY_ORDERS, [False, True]):
        found = await walk(
            lambda page: store.configuration.page(kind, EntityFilter(), page), order, descending, limit=3
        )
        assert found == in_order(entities, order, descending), order
    assert await store.configuration.count(kind, EntityFilter(), most=100) == 10
    assert await store.configuration.count(kind, EntityFilter(), most=4) == 4
    keys = [key_of(it) for it in entities]
    assert await store.configuration.find_many(kind, [keys[2], "none", keys[0]]) == {
        keys[2]: entities[2],
        keys[0]: entities[0],
    }


async def test_pages_of_entities_hold_what_the_filter_says(store: Store) -> None:
    """Search, activity, keys and labels."""
    one = msgspec.structs.replace(a_project("Größe"), labels={"team": "a"}, description="nightly")
    two = msgspec.structs.replace(a_project("other", is_active=False), description="", labels={})
    for project in (one, two):
        await store.configuration.add(project)
    page = Page(limit=9)

    async def found(where: EntityFilter) -> list[Project]:
        projects = await store.configuration.page(Project, where, page)
        assert len(projects) == await store.configuration.count(Project, where, most=9)
        return projects

    assert await found(EntityFilter(search=folded("GRÖSSE"))) == [one]
    assert await found(EntityFilter(search="night")) == [one]
    assert await found(EntityFilter(is_active=False)) == [two]
    assert await found(EntityFilter(is_active=True)) == [one]
    assert await found(EntityFilter(labels={"team": "a"})) == [one]
    assert await found(EntityFilter(labels={"team": "b"})) == []
    assert await found(EntityFilter(keys=(two.id, "prj_none"))) == [two]
    assert await found(EntityFilter(keys=(one.id, two.id), is_active=True, search="gr")) == [one]


async def test_lists_hold_what_was_there_before_they_could_be_sorted(store_url: str) -> None:
    """What a process of an older version wrote is sorted and searched after the next start."""
    token, project = a_token(), a_project("Größe")
    async with opened(store_url) as store:
        await store.tokens.add(token)
        await store.configuration.add(project)
    forget_lists(store_url)

    async with opened(store_url) as store:
        assert await store.tokens.page(TokenFilter(search="ci"), Page(order=Order.NAME, limit=9)) == [token]
        where = EntityFilter(search=folded("GRÖSSE"))
        assert await store.configuration.page(Project, where, Page(order=Order.NAME, limit=9)) == [project]
