"""The calls of ModelService."""

from collections.abc import Sequence

from tollkeeper.calls.call import Call, Page, Pages, call, nothing
from tollkeeper.calls.policies import read_policy, write_policy
from tollkeeper.calls.wire import given, mask, moment, number, word
from tollkeeper.traffic import Deployment, FallbackCause, Price, Removal, TrafficPolicy
from tollkeeper.v1 import model_service_pb2 as pb
from tollkeeper.values import Capability, Model

SERVICE = "ModelService"


def read_model(model: pb.Model) -> Model:
    """Reads a model."""
    return Model(
        name=model.name,
        aliases=tuple(model.aliases),
        capabilities=tuple(word(pb.Capability, Capability, it) for it in model.capabilities),
        deployments=tuple(Deployment(it.upstream, it.upstream_model, it.weight) for it in model.deployments),
        is_active=model.is_active,
        created_at=moment(model.created_at) if model.HasField("created_at") else None,
        updated_at=moment(model.updated_at) if model.HasField("updated_at") else None,
        etag=model.etag,
        policy=read_policy(model.policy) if model.HasField("policy") else None,
        group=model.group,
        fallbacks=tuple(model.fallbacks),
        fallback_on=tuple(word(pb.FallbackCause, FallbackCause, it) for it in model.fallback_on),
        price=read_price(model.price) if model.HasField("price") else None,
    )


def read_price(price: pb.Price) -> Price:
    """Reads a price."""
    return Price(
        prompt=price.prompt,
        completion=price.completion,
        cached=price.cached if price.HasField("cached") else None,
    )


def _write_price(price: Price | None) -> pb.Price | None:
    if price is None:
        return None
    return pb.Price(prompt=price.prompt, completion=price.completion, cached=price.cached)


def _write_causes(causes: Sequence[FallbackCause] | None) -> list[pb.FallbackCause.ValueType] | None:
    return None if causes is None else [number(pb.FallbackCause, it) for it in causes]


def _write_capabilities(capabilities: Sequence[Capability] | None) -> list[pb.Capability.ValueType] | None:
    return None if capabilities is None else [number(pb.Capability, it) for it in capabilities]


def _write_deployments(deployments: Sequence[Deployment] | None) -> list[pb.Deployment] | None:
    if deployments is None:
        return None
    return [
        pb.Deployment(upstream=it.upstream, upstream_model=it.upstream_model, weight=it.weight)
        for it in deployments
    ]


def create_model(
    *,
    name: str,
    deployments: Sequence[Deployment] = (),
    aliases: Sequence[str] = (),
    capabilities: Sequence[Capability] = (),
    is_active: bool = True,
    policy: TrafficPolicy | None = None,
    group: str = "",
    fallbacks: Sequence[str] = (),
    fallback_on: Sequence[FallbackCause] = (),
    price: Price | None = None,
) -> Call[Model]:
    """Adds a model: a name that applications ask for, and the deployments, or the group, that serve it.

    A trailing `*` in `name` stands for any rest, and names matched by no other model. `capabilities`
    limit the endpoints it serves; all if there are none. `policy` says how deployments are called; a group
    has its own. `fallbacks` are models to try, in order, when all else is unavailable, and upon answers
    that `fallback_on` names.
    """
    request = pb.CreateModelRequest(
        name=name,
        aliases=aliases,
        capabilities=_write_capabilities(capabilities),
        deployments=_write_deployments(deployments),
        is_active=is_active,
        policy=write_policy(policy),
        group=group,
        fallbacks=fallbacks,
        fallback_on=_write_causes(fallback_on),
        price=_write_price(price),
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
    policy: TrafficPolicy | None = None,
    group: str | None = None,
    fallbacks: Sequence[str] | None = None,
    fallback_on: Sequence[FallbackCause] | None = None,
    price: Price | Removal | None = None,
    etag: str = "",
) -> Call[Model]:
    """Changes what is given and leaves alone what is None; each list, and the policy, as a whole.

    A group takes the place of deployments and their policy, deployments that of a group.
    `Removal.REMOVE` takes a price away. With `etag`, raises `Aborted` if the model was changed since it was
    read.
    """
    request = pb.UpdateModelRequest(
        name=name,
        aliases=aliases,
        capabilities=_write_capabilities(capabilities),
        deployments=_write_deployments(deployments),
        is_active=is_active,
        policy=write_policy(policy),
        group=group,
        fallbacks=fallbacks,
        fallback_on=_write_causes(fallback_on),
        price=_write_price(given(price)),
        update_mask=mask(
            aliases=aliases,
            capabilities=capabilities,
            deployments=deployments,
            is_active=is_active,
            policy=policy,
            group=group,
            fallbacks=fallbacks,
            fallback_on=fallback_on,
            price=price,
        ),
        etag=etag,
    )
    return call(
        SERVICE, "UpdateModel", request, pb.UpdateModelResponse, lambda answer: read_model(answer.model)
    )


def delete_model(name: str, /, *, etag: str = "") -> Call[None]:
    """Removes a model. Raises `FailedPrecondition`, naming them, while others fall back to it.

    With `etag`, raises `Aborted` if it was changed since it was read.
    """
    return call(
        SERVICE,
        "DeleteModel",
        pb.DeleteModelRequest(name=name, etag=etag),
        pb.DeleteModelResponse,
        nothing,
    )
