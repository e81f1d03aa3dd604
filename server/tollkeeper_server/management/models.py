"""ModelService: the names applications ask for, and what serves them."""

from collections.abc import Callable
from datetime import datetime

import msgspec
from tollkeeper.v1 import model_service_pb2 as pb

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.model import Model, stands_in_path
from tollkeeper_server.domain.traffic import Group, TrafficPolicy
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management import named, uses
from tollkeeper_server.management.etags import check
from tollkeeper_server.management.masks import every_field, fields_to_change, require_values
from tollkeeper_server.management.messages import fields_of, show
from tollkeeper_server.management.price_rules import check_prices
from tollkeeper_server.management.references import (
    Names,
    circle_from,
    of_model,
    refuse,
)
from tollkeeper_server.management.refusals import Refusals
from tollkeeper_server.store.ports import ConfigurationStore

_REFERENCES = frozenset({"aliases", "deployments", "group", "fallbacks"})


def build_model(request: pb.CreateModelRequest, *, now: datetime, previous: Model | None = None) -> Model:
    """Return the model that a request describes, whole.

    With `previous` it takes the place of that one: it has its times and revision. Raises INVALID_ARGUMENT.
    """
    refusals = Refusals()
    if previous is None and not stands_in_path(request.name):
        refusals.add("name", _no_path(request.name))
    model = previous or Model(name=request.name, created_at=now, updated_at=now)
    with refusals.collect():
        model = change_model(model, request, every_field(request))
    refusals.raise_any()
    return model


def change_model(
    model: Model, request: pb.CreateModelRequest | pb.UpdateModelRequest, changing: frozenset[str]
) -> Model:
    """Return a model with the changing fields as a request gives them.

    A group takes the place of deployments and their policy, deployments that of a group. Raises
    INVALID_ARGUMENT.
    """
    fields, refusals = fields_of(Model, request, only=changing), Refusals()
    if request.group and request.deployments:
        refusals.add("group", "excludes deployments; give one and leave the other empty")
    if fields.get("deployments"):
        fields.setdefault("group", "")
    if fields.get("group"):
        fields = {"deployments": (), "policy": TrafficPolicy(), **fields}
    # Each takes the place of the other.
    if "prices" in fields:
        fields.setdefault("price", None)
    elif "price" in fields:
        fields.setdefault("prices", ())
    had = frozenset(model.aliases)
    model = msgspec.structs.replace(model, **fields)
    for position, alias in enumerate(model.aliases):
        if alias not in had and not stands_in_path(alias):
            refusals.add(f"aliases[{position}]", _no_path(alias))
    if not model.group and not model.deployments:
        refusals.add(
            "deployments", "a model needs one or more, or a group; is_active takes it out of traffic"
        )
    if model.group and model.policy != TrafficPolicy():
        refusals.add("policy", f"group {model.group} has its own; leave it out, or change the group's")
    if model.price is not None and model.prices:
        refusals.add("price", "excludes prices, which say more; leave it out")
    check_prices(model.prices, "prices", refusals)
    for position, deployment in enumerate(model.deployments):
        check_prices(deployment.prices, f"deployments[{position}].prices", refusals)
    if model.name in model.aliases:
        refusals.add("aliases", f"{model.name!r} is the model's own name; leave it out")
    refusals.raise_any()
    return model


def _no_path(name: str) -> str:
    return (
        f"{name!r} can't stand in a URL, as /v1/models/NAME has it: . and .. are no names there; use another"
    )


class ModelService:
    """Implements `tollkeeper.v1.ModelService`.

    That a name is free, that what serves a model exists, and that fallbacks end, is checked before it is
    written. Of two edits at the same time both may pass; the snapshot then decides which model has the
    name (`snapshot/compile.py`).
    """

    def __init__(self, store: ConfigurationStore, changes: Changes, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._changes = changes
        self._clock = clock

    async def create_model(self, request: pb.CreateModelRequest) -> pb.CreateModelResponse:
        """Add a model."""
        model = build_model(request, now=self._clock())
        models = await self._read_models()
        if model.name in models:
            raise TollkeeperError(
                Reason.ALREADY_EXISTS,
                f"name: {model.name!r} is taken: there is a model of that name; use another",
                field="name",
            )
        await self._check_references(model, models)
        await self._store.add(model)
        await self._changes.publish(Change())
        return pb.CreateModelResponse(model=show(model, pb.Model()))

    async def get_model(self, request: pb.GetModelRequest) -> pb.GetModelResponse:
        """Read a model."""
        return pb.GetModelResponse(model=show(await named.find(self._store, Model, request.name), pb.Model()))

    async def list_models(self, request: pb.ListModelsRequest) -> pb.ListModelsResponse:
        """Read a page of models."""
        listed = await named.page(self._store, Model, request)
        return pb.ListModelsResponse(
            models=[show(model, pb.Model()) for model in listed.entries],
            next_page_token=listed.next_page_token,
            total_size=listed.total_size,
        )

    async def update_model(self, request: pb.UpdateModelRequest) -> pb.UpdateModelResponse:
        """Change a model."""
        changing = fields_to_change(request)
        require_values(request, changing, "is_active")

        async def change(model: Model) -> Model:
            changed = change_model(model, request, changing)
            if changing & _REFERENCES and changed != model:
                models = await self._read_models()
                self._keep_fallbacks(model, changed, models)
                await self._check_references(changed, models)
            return changed

        before, model = await named.edit(
            self._store, Model, request.name, change, etag=request.etag, now=self._clock()
        )
        if model is not before:
            await self._changes.publish(Change())
        return pb.UpdateModelResponse(model=show(model, pb.Model()))

    async def delete_model(self, request: pb.DeleteModelRequest) -> pb.DeleteModelResponse:
        """Remove a model that no other falls back to."""
        check(await named.find(self._store, Model, request.name), request.etag)
        users = uses.of_model(request.name, (await self._read_models()).values())
        uses.refuse_users(f"model {request.name}", uses.by_kind(users))
        await named.remove(self._store, Model, request.name, etag=request.etag)
        await self._changes.publish(Change())
        return pb.DeleteModelResponse()

    async def _read_models(self) -> dict[str, Model]:
        return {model.name: model for model in await named.every(self._store, Model)}

    async def _check_references(self, model: Model, models: dict[str, Model]) -> None:
        """Refuse a model that does not fit among the others."""
        names = Names((models | {model.name: model}).values())
        upstreams = await named.present(self._store, Upstream, {it.upstream for it in model.deployments})
        groups = await named.present(self._store, Group, {model.group} - {""})
        refuse([*of_model(model, upstreams, groups, names), *circle_from(model, names)])

    def _keep_fallbacks(self, before: Model, after: Model, models: dict[str, Model]) -> None:
        """Refuse to take away aliases by which others fall back to a model."""
        gone = set(before.aliases) - set(after.aliases)
        names = Names((models | {after.name: after}).values())
        users = [
            other.name
            for other in models.values()
            if other.name != after.name
            and any(name in gone and names.resolve(name) is None for name in other.fallbacks)
        ]
        uses.refuse_users("an alias that would go", {"models": users}, field="aliases")
