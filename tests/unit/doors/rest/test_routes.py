"""Paths find their methods as the annotations say."""

from urllib.parse import quote

import pytest
from google.protobuf.descriptor import MethodDescriptor
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.doors.rest.routes import HttpBinding, compile_template, routes
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain.registry import methods

ROUTES = routes()


def find(verb: str, path: str) -> tuple[str, dict[str, str]] | None:
    """Return the method that a request reaches, and what the path says."""
    for route in ROUTES:
        variables = route.match(path) if route.verb == verb else None
        if variables is not None:
            return route.method.name, dict(variables)
    return None


@pytest.mark.parametrize("method", list(methods()), ids=lambda it: it.full_name)
def test_every_method_has_a_route_whose_names_are_its_fields(method: MethodDescriptor) -> None:
    mine = [route for route in ROUTES if route.method is method]
    assert mine
    for route in mine:
        assert set(route.variables) <= set(method.input_type.fields_by_name)
        assert not route.response_body or route.response_body in method.output_type.fields_by_name
        assert route.template.startswith("/manage/")


def test_no_two_methods_share_a_route() -> None:
    assert len({(route.verb, route.template) for route in ROUTES}) == len(ROUTES)


def test_what_the_sofatutor_document_calls_is_there() -> None:
    assert find("GET", "/manage/projects") == ("ListProjects", {})
    assert find("POST", "/manage/projects") == ("CreateProject", {})
    assert find("GET", "/manage/projects/p") == ("GetProject", {"id": "p"})
    assert find("PATCH", "/manage/projects/p") == ("UpdateProject", {"id": "p"})
    assert find("DELETE", "/manage/projects/p") is None
    assert find("POST", "/manage/projects/p/tokens/revoke") == ("RevokeProjectTokens", {"id": "p"})
    assert find("GET", "/manage/tokens") == ("ListTokens", {})
    assert find("POST", "/manage/tokens") == ("CreateToken", {})
    assert find("GET", "/manage/tokens/t") == ("GetToken", {"id": "t"})
    assert find("PATCH", "/manage/tokens/t") == ("UpdateToken", {"id": "t"})
    assert find("DELETE", "/manage/tokens/t") == ("RevokeToken", {"id": "t"})


@given(st.text(min_size=1).filter(lambda it: "/" not in it))
def test_a_segment_holds_any_text_once_it_is_encoded(text: str) -> None:
    assert find("GET", f"/manage/upstreams/{quote(text, safe='')}") == ("GetUpstream", {"name": text})


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_a_model_name_may_hold_slashes_encoded_or_not(parts: list[str]) -> None:
    name = "/".join(quote(part, safe="") for part in parts)
    assert find("GET", f"/manage/models/{name}") == ("GetModel", {"name": "/".join(parts)})


@pytest.mark.parametrize(
    "path",
    [
        "/manage",
        "/manage/",
        "/manage/projects/",
        "/manage//projects",
        "/manage/projects/a/b",
        "/manage/projects/a/tokens",
        "/manage/projects/a/b/tokens/revoke",
        "/manage/models/",
        "/manage/models/a/",
        "/Manage/projects",
        "/manage/projects?x",
        "/manage/projects\n",
        "/v1/manage/projects",
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST", "PATCH", "DELETE"])
def test_no_other_path_reaches_anything(verb: str, path: str) -> None:
    assert find(verb, path) is None


def test_a_path_that_is_not_utf8_is_refused_by_field() -> None:
    with pytest.raises(TollkeeperError) as caught:
        find("GET", "/manage/upstreams/%ff")
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "name")


@pytest.mark.parametrize("template", ["/a/*", "/a/**", "/a/{b=c/*}", "/a/{b", "/a/{b.c}"])
def test_a_template_of_another_form_does_not_start(template: str) -> None:
    with pytest.raises(ValueError, match="is not served"):
        compile_template(template)


@given(
    st.lists(st.sampled_from(["a", "b.c", "{x}", "{y=*}", "d:verb"]), min_size=1, max_size=4, unique=True),
    st.data(),
)
def test_a_template_matches_what_it_was_filled_with(segments: list[str], data: st.DataObject) -> None:
    pattern, names = compile_template("/" + "/".join(segments))
    route = HttpBinding("GET", "", pattern, next(methods()), "", "", names, "x")
    wanted: dict[str, str] = {}
    path = ""
    for segment in segments:
        if segment.startswith("{"):
            name = segment.strip("{}").partition("=")[0]
            wanted[name] = data.draw(st.text(min_size=1).filter(lambda it: "/" not in it))
            path += "/" + quote(wanted[name], safe="")
        else:
            path += "/" + segment
    assert route.match(path) == wanted
    assert route.match(path + "/more") is None
