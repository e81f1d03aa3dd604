"""The calls of ModelService."""

from typing import Unpack

from tollkeeper.calls.rpc import Pages, Rpc, change, pages, rpc, rpc_without_answer, settle
from tollkeeper.changes import ModelChanges
from tollkeeper.messages import fill
from tollkeeper.v1 import model_service_pb2 as pb
from tollkeeper.values.model import Model


def create_model(*, name: str, validate_only: bool = False, **settings: Unpack[ModelChanges]) -> Rpc[Model]:
    """Add a model: a name that applications ask for, and the deployments, or the group, that serve it.

    It is active unless `is_active` is false. A trailing `*` in `name` stands for any rest, and names
    matched by no other model. `capabilities` limit the endpoints it serves; all if there are none. `policy`
    says how deployments are called; a group has its own. `fallbacks` are models to try, in order, when all
    else is unavailable, and upon answers that `fallback_on` names.
    """
    return rpc(
        settle(
            fill(pb.CreateModelRequest(), name=name, is_active=True, validate_only=validate_only), settings
        ),
        Model,
    )


def get_model(name: str, /) -> Rpc[Model]:
    """Read one model."""
    return rpc(fill(pb.GetModelRequest(), name=name), Model)


def list_models(
    *,
    search: str = "",
    order_by: str = "",
    is_active: bool | None = None,
    with_total: bool = False,
    page_size: int = 0,
) -> Pages[Model]:
    """Iterate over models by name, fetching pages of `page_size` (the gateway's choice if 0).

    `search` leaves out those that have it in none of: name, aliases, group. `order_by` is name,
    created_at or updated_at, with " desc" behind it for the reverse.
    `is_active` leaves out the others.
    `with_total` makes the iterator know the length of the list.
    """
    request = fill(
        pb.ListModelsRequest(),
        search=search,
        order_by=order_by,
        is_active=is_active,
        with_total=with_total,
        page_size=page_size,
    )
    return pages(request, Model)


def update_model(
    name: str, /, *, etag: str = "", validate_only: bool = False, **changes: Unpack[ModelChanges]
) -> Rpc[Model]:
    """Change the fields that are given; None leaves a field alone.

    Each list, and the policy, is replaced as a whole. A group takes the place of deployments
    and their policy, deployments that of a group. `Removal.REMOVE` takes a price away. With `etag`, raises
    `Aborted` if the model was changed since it was read.
    """
    return rpc(
        change(fill(pb.UpdateModelRequest(), name=name, etag=etag, validate_only=validate_only), changes),
        Model,
    )


def delete_model(name: str, /, *, etag: str = "", validate_only: bool = False) -> Rpc[None]:
    """Remove a model. Raises `FailedPrecondition`, naming them, while others fall back to it.

    With `etag`, raises `Aborted` if it was changed since it was read.
    """
    return rpc_without_answer(
        fill(pb.DeleteModelRequest(), name=name, etag=etag, validate_only=validate_only)
    )
