"""Updates change what their mask names, or what is set, and nothing else."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tollkeeper.v1 import token_service_pb2 as pb
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.masks import fields_to_change

ID = "tok_" + "0" * 26


def changing(**fields: object) -> set[str]:
    """Return what an update of a token would change."""
    return set(fields_to_change(pb.UpdateTokenRequest(id=ID, **fields)))  # type: ignore[arg-type]  # fields of the message


def test_without_a_mask_what_is_set_is_changed() -> None:
    assert changing(name="", is_active=False, etag="x") == {"name", "is_active"}
    assert changing() == set()


def test_with_a_mask_exactly_what_it_names_is_changed() -> None:
    mask = FieldMask(paths=["expires_at", "allowed_models"])
    assert changing(name="ignored", update_mask=mask) == {"expires_at", "allowed_models"}


@pytest.mark.parametrize("path", ["id", "etag", "update_mask", "nope", "expires_at.seconds", "*", "", "Name"])
def test_a_path_that_cannot_be_changed_is_refused_with_those_that_can(path: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        changing(update_mask=FieldMask(paths=["name", path]))
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "update_mask")
    assert "name, is_active, max_requests" in caught.value.message
