"""Query parameters become the fields they name, and nothing else."""

from typing import Any
from urllib.parse import urlencode

import pytest
from tollkeeper.v1 import token_service_pb2, upstream_service_pb2, usage_service_pb2
from tollkeeper_server.doors.rest.json import Json
from tollkeeper_server.doors.rest.query import read_query
from tollkeeper_server.errors import Reason, TollkeeperError

LIST = token_service_pb2.ListTokensRequest.DESCRIPTOR
SUMS = usage_service_pb2.SummarizeUsageRequest.DESCRIPTOR
UPSTREAM = upstream_service_pb2.CreateUpstreamRequest.DESCRIPTOR
UPDATE = token_service_pb2.UpdateTokenRequest.DESCRIPTOR


def read(query: str, descriptor: Any, *, has_body: bool = False) -> dict[str, Json]:
    """Return what a query says."""
    content: dict[str, Json] = {}
    read_query(query, content, descriptor, {"id"}, has_body=has_body)
    return content


@pytest.mark.parametrize(
    ("query", "content"),
    [
        ("", {}),
        ("project_id=prj_1&active_only=true", {"project_id": "prj_1", "active_only": True}),
        ("active_only=False", {"active_only": False}),
        ("active_only=1", {"active_only": True}),
        ("page_size=5&page_token=", {"page_size": "5", "page_token": ""}),
        ("project_id=a%20b%2Fc+d", {"project_id": "a b/c d"}),
    ],
)
def test_parameters_are_fields(query: str, content: dict[str, Json]) -> None:
    assert read(query, LIST) == content


def test_a_repeated_field_is_given_repeatedly_or_with_commas() -> None:
    expected = {"group_by": ["project", "model", "day"]}
    assert read("group_by=project&group_by=model&group_by=day", SUMS) == expected
    assert read("group_by=project,model&group_by=day", SUMS) == expected
    # Texts may hold commas.
    assert read("allowed_models=a,b", UPDATE) == {"allowed_models": ["a,b"]}


def test_brackets_name_what_is_in_a_map() -> None:
    query = urlencode({"labels[team]": "a,b", "labels[tier]": "", "labels[a.b[c]]": "x"})
    assert read(query, LIST) == {"labels": {"team": "a,b", "tier": "", "a.b[c]": "x"}}
    for name in ("labels", "labels.team", "labels[team", "name[x]", "labels[a]&labels[a]"):
        with pytest.raises(TollkeeperError) as caught:
            read("&".join(f"{it}=x" for it in name.split("&")), LIST)
        assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_a_dot_leads_into_a_field() -> None:
    query = urlencode({"timeouts.idle": "30s", "timeouts.total": "60s", "name": "x"})
    assert read(query, UPSTREAM) == {"timeouts": {"idle": "30s", "total": "60s"}, "name": "x"}


@pytest.mark.parametrize(
    ("query", "descriptor", "field"),
    [
        ("activ_only=true", LIST, "activ_only"),
        ("active_only=maybe", LIST, "active_only"),
        ("active_only", LIST, None),
        ("page_size=1&page_size=2", LIST, "page_size"),
        ("project_id.x=1", LIST, "project_id.x"),
        ("start_time.seconds=1", SUMS, "start_time.seconds"),
        ("timeouts=1", UPSTREAM, "timeouts"),
        ("timeouts.idel=1", UPSTREAM, "timeouts.idel"),
        ("id=tok_1", UPDATE, "id"),
        ("project_id=%ff", LIST, None),
        ("&".join(f"a{number}=1" for number in range(200)), LIST, None),
    ],
    ids=lambda it: str(it)[:30],
)
def test_what_means_nothing_is_refused_by_name(query: str, descriptor: Any, field: str | None) -> None:
    with pytest.raises(TollkeeperError) as caught:
        read(query, descriptor)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, field)


def test_everything_that_means_nothing_is_told_at_once() -> None:
    with pytest.raises(TollkeeperError) as caught:
        read("activ_only=true&active_only=maybe&id=1", LIST)
    assert [it.field for it in caught.value.violations] == ["activ_only", "active_only", "id"]


def test_a_call_with_a_body_has_no_query() -> None:
    with pytest.raises(TollkeeperError, match=r"name: .* in the body"):
        read("name=x", UPDATE, has_body=True)


def test_a_name_with_control_characters_is_told_in_printable_form() -> None:
    with pytest.raises(TollkeeperError, match=r"a\\r\\nb: is not known"):
        read("a%0d%0ab=1", LIST)
