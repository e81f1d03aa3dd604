"""Models: as messages, and their parts out of them."""

from collections.abc import Iterable, Sequence

from tollkeeper.v1 import model_service_pb2

from tollkeeper_server.domain.model import Capability, Deployment, FallbackCause, Model, Price
from tollkeeper_server.management.etags import etag_of
from tollkeeper_server.management.messages import number, timestamp, word
from tollkeeper_server.management.traffic_messages import policy_message

_CAPABILITY = model_service_pb2.Capability.DESCRIPTOR
_CAUSE = model_service_pb2.FallbackCause.DESCRIPTOR


def capabilities_of(numbers: Sequence[int]) -> tuple[Capability, ...]:
    """Returns the capabilities that those numbers stand for."""
    return tuple(found for it in numbers if (found := word(_CAPABILITY, Capability, it)))


def causes_of(numbers: Sequence[int]) -> tuple[FallbackCause, ...]:
    """Returns the causes that those numbers stand for."""
    return tuple(found for it in numbers if (found := word(_CAUSE, FallbackCause, it)))


def deployments_of(written: Iterable[model_service_pb2.Deployment]) -> tuple[Deployment, ...]:
    """Returns the deployments that messages describe."""
    return tuple(
        Deployment(
            upstream=it.upstream,
            upstream_model=it.upstream_model,
            weight=it.weight if it.HasField("weight") else 1,
        )
        for it in written
    )


def price_of(written: model_service_pb2.Price) -> Price:
    """Returns the price that a message describes."""
    return Price(
        prompt=written.prompt,
        completion=written.completion,
        cached=written.cached if written.HasField("cached") else None,
    )


def price_message(price: Price) -> model_service_pb2.Price:
    """Returns a price as callers see it."""
    return model_service_pb2.Price(prompt=price.prompt, completion=price.completion, cached=price.cached)


def model_message(model: Model) -> model_service_pb2.Model:
    """Returns a model as callers see it. It has a policy unless a group, which has one, serves it."""
    return model_service_pb2.Model(
        name=model.name,
        aliases=model.aliases,
        capabilities=[number(_CAPABILITY, it) for it in model.capabilities],  # type: ignore[misc]  # enums are ints
        deployments=[
            model_service_pb2.Deployment(
                upstream=it.upstream, upstream_model=it.upstream_model, weight=it.weight
            )
            for it in model.deployments
        ],
        is_active=model.is_active,
        created_at=timestamp(model.created_at),
        updated_at=timestamp(model.updated_at),
        etag=etag_of(model),
        policy=None if model.group else policy_message(model.policy),
        group=model.group,
        fallbacks=model.fallbacks,
        fallback_on=[number(_CAUSE, it) for it in model.fallback_on],  # type: ignore[misc]  # as above
        price=price_message(model.price) if model.price else None,
    )
