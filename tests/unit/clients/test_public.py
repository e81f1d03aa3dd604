"""The client's public face is complete, and its two halves are one."""

import inspect
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import get_args, get_origin

import pytest
import tollkeeper
from tollkeeper import changes, client, errors
from tollkeeper.calls import (
    configuration,
    gateway,
    groups,
    listeners,
    models,
    prices,
    projects,
    sessions,
    status,
    tokens,
    upstreams,
    usage,
)
from tollkeeper.calls import limits as limit_calls
from tollkeeper.calls.rpc import Pages, Rpc, Stream
from tollkeeper.connection import NOT_REPEATABLE
from tollkeeper.methods import AsyncItems, Items
from tollkeeper.services import SERVICES
from tollkeeper.values import (
    configuration as configuration_values,
)
from tollkeeper.values import limits, model, price, project, session, token, traffic, upstream
from tollkeeper.values import usage as usage_values

PAIRS = [
    (client.PriceMethods, client.AsyncPriceMethods),
    (client.ProjectMethods, client.AsyncProjectMethods),
    (client.TokenMethods, client.AsyncTokenMethods),
    (client.UpstreamMethods, client.AsyncUpstreamMethods),
    (client.GroupMethods, client.AsyncGroupMethods),
    (client.ModelMethods, client.AsyncModelMethods),
    (client.ListenerMethods, client.AsyncListenerMethods),
    (client.GatewayMethods, client.AsyncGatewayMethods),
    (client.LimitMethods, client.AsyncLimitMethods),
    (client.UsageMethods, client.AsyncUsageMethods),
    (client.ConfigurationMethods, client.AsyncConfigurationMethods),
    (client.StatusMethods, client.AsyncStatusMethods),
    (client.SessionMethods, client.AsyncSessionMethods),
]
BUILDERS = {
    name: value
    for module in (
        projects,
        tokens,
        upstreams,
        groups,
        models,
        listeners,
        gateway,
        limit_calls,
        usage,
        prices,
        configuration,
        status,
        sessions,
    )
    for name, value in vars(module).items()
    if inspect.isfunction(value)
    and value.__module__ == module.__name__
    and get_origin(inspect.signature(value).return_annotation) in (Rpc, Pages, Stream)
}


def public(kind: type) -> dict[str, object]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


VALUES = (
    configuration_values,
    limits,
    model,
    price,
    project,
    session,
    token,
    traffic,
    upstream,
    usage_values,
)


def test_all_is_sorted_and_holds_every_value_and_every_error() -> None:
    defined = [
        name
        for module in (*VALUES, changes, errors)
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]

    assert tollkeeper.__all__ == sorted({"AsyncClient", "Client", "MessageError", *defined})


def test_all_holds_what_the_package_exposes() -> None:
    exposed = {
        name
        for name, value in vars(tollkeeper).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }

    assert set(tollkeeper.__all__) == exposed


def test_the_tree_in_the_errors_docstring_is_the_tree() -> None:
    document = errors.__doc__ or ""
    drawn = {line.split()[1] for line in document.splitlines() if "── " in line}

    assert drawn == {kind.__name__ for kind in tollkeeper.TollkeeperError.__subclasses__()}
    assert drawn == {kind.__name__ for kind in errors.BY_CODE.values()}


@pytest.mark.parametrize(("blocking", "awaiting"), PAIRS)
def test_both_clients_have_the_same_methods_with_the_same_parameters(blocking: type, awaiting: type) -> None:
    assert list(public(blocking)) == list(public(awaiting))
    for name in public(blocking):
        ours = inspect.signature(getattr(blocking, name))
        theirs = inspect.signature(getattr(awaiting, name))
        assert ours.parameters == theirs.parameters
        assert inspect.getdoc(getattr(blocking, name)) == inspect.getdoc(getattr(awaiting, name))
        if get_origin(ours.return_annotation) is Items:
            assert get_origin(theirs.return_annotation) is AsyncItems
            assert get_args(ours.return_annotation) == get_args(theirs.return_annotation)
        elif get_origin(ours.return_annotation) is Iterator:
            assert get_origin(theirs.return_annotation) is AsyncIterator
            assert get_args(ours.return_annotation) == get_args(theirs.return_annotation)
        else:
            assert ours.return_annotation == theirs.return_annotation
            assert inspect.iscoroutinefunction(getattr(awaiting, name))


def test_both_clients_take_the_same_options() -> None:
    assert inspect.signature(tollkeeper.Client) == inspect.signature(tollkeeper.AsyncClient)


def test_every_rpc_is_a_method() -> None:
    rpcs = {method.name for service in SERVICES for method in service.methods}
    built = {"".join(word.title() for word in name.split("_")) for name in BUILDERS}
    used = {
        value.__name__ for kind, _ in PAIRS for value in public(kind).values() if inspect.isfunction(value)
    }

    assert built == rpcs
    assert used == set(BUILDERS)


METHODS = {method.name: method for service in SERVICES for method in service.methods}
# `api_key` is another name for `openai_api_key`; masks and tokens of pages are the client's own to make.
NO_PARAMETERS = {"update_mask", "page_token"}
OTHER_NAMES = {"CreateProject": {"api_key"}, "UpdateProject": {"api_key"}}


@pytest.mark.parametrize("name", METHODS)
def test_every_field_of_every_request_can_be_given(name: str) -> None:
    fields = {it.name for it in METHODS[name].input_type.fields}
    built = {"".join(word.title() for word in it.split("_")): it for it in BUILDERS}
    (shown,) = [
        inspect.signature(value).parameters
        for kind, _ in PAIRS
        for value in public(kind).values()
        if inspect.isfunction(value) and value.__name__ == built[name]
    ]
    given = {it for it in shown if it != "self"}
    if "id" in fields:
        words = built[name].split("_")
        given = {"id" if it in {f"{words[1]}_id", f"{words[-1]}_id"} else it for it in given}

    assert given == fields - NO_PARAMETERS - OTHER_NAMES.get(name, set())


def test_signatures_and_docstrings_are_shown() -> None:
    shown = inspect.signature(tollkeeper.Client(management_token="").tokens.rotate)

    assert str(shown) == (
        "(token_id: str, /, *, etag: str = '', validate_only: bool = False) "
        "-> tollkeeper.values.token.RotatedToken"
    )
    assert (inspect.getdoc(client.TokenMethods.rotate) or "").startswith("Replace a token's secret")
    assert all(value.__doc__ for value in BUILDERS.values())


def test_keywords_are_shown_one_by_one() -> None:
    shown = inspect.signature(client.GroupMethods.update).parameters

    assert list(shown) == ["self", "name", "etag", "validate_only", "members", "policy"]
    assert all(shown[it].kind is inspect.Parameter.KEYWORD_ONLY for it in ("etag", "members", "policy"))


def test_the_methods_that_are_not_repeated_are_those_that_would_do_it_twice() -> None:
    names = [method.name for service in SERVICES for method in service.methods]

    assert [name for name in names if name.startswith(NOT_REPEATABLE)] == [
        "CreateProject",
        "CreateToken",
        "RotateToken",
        "CreateUpstream",
        "DeleteUpstream",
        "CreateGroup",
        "DeleteGroup",
        "CreateModel",
        "DeleteModel",
        "CreateListener",
        "DeleteListener",
        "RepriceUsage",
        "ApplyConfiguration",
    ]


def test_secrets_stay_out_of_the_repr() -> None:
    change = tollkeeper.ConfigurationChange(
        kind="token", name="p/t", action=tollkeeper.ChangeAction.CREATE, fields=(), secret="sk-tk-canary"
    )
    assert "canary" not in repr(tollkeeper.AppliedConfiguration((change,), 1))
    rotated = tollkeeper.RotatedToken(
        id="tok_1", token="sk-tk-canary", expires_at=None, max_requests=0, etag="1"
    )

    assert "canary" not in repr(rotated)
