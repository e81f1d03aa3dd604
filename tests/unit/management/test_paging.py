"""Page tokens are opaque, lead through everything once, and are of one list only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper.v1 import model_service_pb2, project_service_pb2, token_service_pb2
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.paging import last_key, page_token

from tests.unit.management.plane import Plane


@given(st.text(min_size=1, max_size=256), st.integers(0, 1000))
def test_a_token_leads_back_to_its_key_whatever_the_page_size(key: str, size: int) -> None:
    token = page_token(model_service_pb2.ListModelsRequest(page_size=3), key)
    assert key == last_key(model_service_pb2.ListModelsRequest(page_size=size, page_token=token))


@given(st.text(min_size=1, max_size=300))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        last_key(model_service_pb2.ListModelsRequest(page_token=text))
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "page_token")


@given(st.data())
def test_a_damaged_token_is_refused(data: st.DataObject) -> None:
    token = page_token(project_service_pb2.ListProjectsRequest(), "prj_" + "0" * 26)
    # The key itself carries no check: a neighbour's key is as good a place to go on from.
    at = data.draw(st.integers(0, 11))
    letter = data.draw(st.sampled_from("ABCxyz019-_=+/ \n"))
    damaged = token[:at] + letter + token[at + 1 :]
    if damaged != token:
        with pytest.raises(TollkeeperError):
            last_key(project_service_pb2.ListProjectsRequest(page_token=damaged))


async def test_a_token_of_another_list_or_filter_is_refused(plane: Plane) -> None:
    token = page_token(project_service_pb2.ListProjectsRequest(), "prj_" + "0" * 26)
    for request in (
        project_service_pb2.ListProjectsRequest(page_token=token, active_only=True),
        token_service_pb2.ListTokensRequest(page_token=token),
    ):
        await plane.refuse(request, Reason.INVALID_ARGUMENT, field="page_token")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 1000])
async def test_pages_hold_everything_once_in_order(plane: Plane, size: int) -> None:
    made = [(await plane.project(name=f"p{number}")).id for number in range(4)]
    read: list[str] = []
    token = ""
    while True:
        page = await plane.call(
            project_service_pb2.ListProjectsRequest(page_size=size, page_token=token),
            project_service_pb2.ListProjectsResponse,
        )
        assert len(page.projects) <= size
        read += [project.id for project in page.projects]
        token = page.next_page_token
        if not token:
            break
    assert sorted(made) == read
    # The last page is known to be the last: nobody fetches an empty one.
    assert page.projects


@pytest.mark.parametrize("size", [-1, 1001])
async def test_an_impossible_page_size_is_refused(plane: Plane, size: int) -> None:
    request = project_service_pb2.ListProjectsRequest(page_size=size)
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field="page_size")
