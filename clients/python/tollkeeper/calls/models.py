"""The calls of ModelService."""

from collections.abc import Sequence

from tollkeeper.calls.call import Call, Page, Pages, call, nothing
from tollkeeper.calls.wire import mask, moment, number, word
from tollkeeper.v1 import model_service_pb2 as pb
from tollkeeper.values import Capability, Deployment, Model

SERVICE = "ModelService"


def read_model(model: pb.Model) -> Model:
    """Reads a model."""
    return Model(
        name=model.name,
        aliases=tuple(model.aliases),
        capabilities=tuple(word(pb.Capability, Capability, it) for it in model.capabilities),
        deployments=tuple(Deployment(it.upstream, it.upstream_model) for it in model.deployments),
        is_active=model.is_active,
        created_at=moment(model.created_at) if model.HasField("created_at") else None,
        updated_at=moment(model.updated_at) if model.HasField("updated_at") else None,
        etag=model.etag,
    )


def _write_capabilities(capabilities: Sequence[Capability] | None) -> list[pb.Capability.ValueType] | None:
    return None if capabilities is None else [number(pb.Capability, it) for it in capabilities]


def _write_deployments(deployments: Sequence[Deployment] | None) -> list[pb.Deployment] | None:
    if deployments is None:
        return None
    return [pb.Deployment(upstream=it.upstream, upstream_model=it.upstream_model) for it in deployments]


def create_model(
    *,
    name: str,
    deployments: Sequence[Deployment],
    aliases: Sequence[str] = (),
    capabilities: Sequence[Capability] = (),
) -> Call[Model]:
    """Adds a model: a name that applications ask for, and the deployments that serve it, in turn.

    A trailing `*` in `name` stands for any rest, and names matched by no other model. `capabilities`
    limit the endpoints it serves; all if there are none.
    """
    request = pb.CreateModelRequest(
        name=name,
        aliases=aliases,
        capabilities=_write_capabilities(capabilities),
        deployments=_write_deployments(deployments),
    )
    return call(
        SERVICE, "CreateModel", request, pb.CreateModelResponse, lambda answer: read_model(answer.model)
    )


def get_model(name: str, /) -> Call[Model]:
    """Reads one model."""
    return call(
        SERVICE,
        "GetModel",
        pb.GetModelRequest(name=name),
        pb.GetModelResponse,
        lambda answer: read_model(answer.model),
    )


def list_models(*, page_size: int = 0) -> Pages[Model]:
    """Iterates over models by name, fetching pages of `page_size` (the gateway's choice if 0)."""

    def at(page_token: str) -> Call[Page[Model]]:
        return call(
            SERVICE,
            "ListModels",
            pb.ListModelsRequest(page_size=page_size, page_token=page_token),
            pb.ListModelsResponse,
            lambda answer: Page(tuple(map(read_model, answer.models)), answer.next_page_token),
        )

    return Pages(at)


def update_model(
    name: str,
    /,
    *,
    aliases: Sequence[str] | None = None,
    capabilities: Sequence[Capability] | None = None,
    deployments: Sequence[Deployment] | None = None,
    is_active: bool | None = None,
    etag: str = "",
) -> Call[Model]:
    """Changes what is given and leaves alone what is None; each list is replaced as a whole.

    With `etag`, raises `Aborted` if the model was changed since it was read.
    """
    request = pb.UpdateModelRequest(
        name=name,
        aliases=aliases,
        capabilities=_write_capabilities(capabilities),
        deployments=_write_deployments(deployments),
        is_active=is_active,
        update_mask=mask(
            aliases=aliases, capabilities=capabilities, deployments=deployments, is_active=is_active
        ),
        etag=etag,
    )
    return call(
        SERVICE, "UpdateModel", request, pb.UpdateModelResponse, lambda answer: read_model(answer.model)
    )


def delete_model(name: str, /, *, etag: str = "") -> Call[None]:
    """Removes a model. With `etag`, raises `Aborted` if it was changed since it was read."""
    return call(
        SERVICE,
        "DeleteModel",
        pb.DeleteModelRequest(name=name, etag=etag),
        pb.DeleteModelResponse,
        nothing,
    )
