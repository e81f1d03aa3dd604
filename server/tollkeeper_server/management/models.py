"""ModelService: the names applications ask for, and what serves them."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import msgspec
from tollkeeper.v1 import model_service_pb2 as pb

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.model import Capability, Deployment, Model
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.etags import edit, remove
from tollkeeper_server.management.masks import fields_to_change, require_values
from tollkeeper_server.management.messages import CAPABILITY, model_message, word
from tollkeeper_server.management.paging import every, last_key, next_page, page_size
from tollkeeper_server.store.ports import Store


class Models:
    """Implements `tollkeeper.v1.ModelService`.

    That a name is free is checked before it is written. Of two edits at the same time both may pass;
    the snapshot then decides which model has the name (`snapshot/compile.py`).
    """

    def __init__(self, store: Store, changes: Changes, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._changes = changes
        self._clock = clock

    async def create_model(self, request: pb.CreateModelRequest) -> pb.CreateModelResponse:
        """Adds a model."""
        now = self._clock()
        aliases = tuple(request.aliases)
        deployments = await self._deployments(request.deployments)
        await self._require_free(request.name, aliases)
        model = Model(
            name=request.name,
            aliases=aliases,
            capabilities=_capabilities(request.capabilities),
            deployments=deployments,
            created_at=now,
            updated_at=now,
        )
        await self._store.add_model(model)
        await self._changes.publish(Change())
        return pb.CreateModelResponse(model=model_message(model))

    async def get_model(self, request: pb.GetModelRequest) -> pb.GetModelResponse:
        """Reads a model."""
        return pb.GetModelResponse(model=model_message(await self._find(request.name)))

    async def list_models(self, request: pb.ListModelsRequest) -> pb.ListModelsResponse:
        """Reads a page of models."""
        size = page_size(request)
        found = await self._store.list_models(after=last_key(request), limit=size + 1)
        page, following = next_page(request, found, size, lambda model: model.name)
        return pb.ListModelsResponse(
            models=[model_message(model) for model in page], next_page_token=following
        )

    async def update_model(self, request: pb.UpdateModelRequest) -> pb.UpdateModelResponse:
        """Changes a model."""
        changing = fields_to_change(request, identity="name")
        require_values(request, changing, "is_active")
        fields: dict[str, object] = {}
        if "is_active" in changing:
            fields["is_active"] = request.is_active
        if "capabilities" in changing:
            fields["capabilities"] = _capabilities(request.capabilities)
        if "deployments" in changing:
            if not request.deployments:
                raise TollkeeperError(
                    Reason.INVALID_ARGUMENT,
                    "deployments: a model needs one or more; is_active takes it out of traffic",
                    field="deployments",
                )
            fields["deployments"] = await self._deployments(request.deployments)
        if "aliases" in changing:
            await self._find(request.name)
            await self._require_free(request.name, tuple(request.aliases), is_new=False)
            fields["aliases"] = tuple(request.aliases)

        async def change(model: Model) -> Model:
            return msgspec.structs.replace(model, **fields)

        before, model = await edit(
            lambda: self._find(request.name),
            change,
            self._store.replace_model,
            etag=request.etag,
            now=self._clock(),
        )
        if model is not before:
            await self._changes.publish(Change())
        return pb.UpdateModelResponse(model=model_message(model))

    async def delete_model(self, request: pb.DeleteModelRequest) -> pb.DeleteModelResponse:
        """Removes a model."""
        await remove(lambda: self._find(request.name), self._store.delete_model, etag=request.etag)
        await self._changes.publish(Change())
        return pb.DeleteModelResponse()

    async def _find(self, name: str) -> Model:
        model = await self._store.get_model(name)
        if model is None:
            shown = name.encode("ascii", "backslashreplace").decode()
            raise TollkeeperError(Reason.NOT_FOUND, f"name: there is no model {shown!r}", field="name")
        return model

    async def _deployments(self, wanted: Sequence[pb.Deployment]) -> tuple[Deployment, ...]:
        for position, deployment in enumerate(wanted):
            if await self._store.get_upstream(deployment.upstream) is None:
                field = f"deployments[{position}].upstream"
                raise TollkeeperError(
                    Reason.INVALID_ARGUMENT,
                    f"{field}: there is no upstream {deployment.upstream!r}; create it first",
                    field=field,
                )
        return tuple(Deployment(upstream=it.upstream, upstream_model=it.upstream_model) for it in wanted)

    async def _require_free(self, name: str, aliases: Collection[str], *, is_new: bool = True) -> None:
        """Raises ALREADY_EXISTS if another model has the name or one of the aliases."""
        if name in aliases:
            raise TollkeeperError(
                Reason.INVALID_ARGUMENT, f"aliases: {name!r} is the model's own name", field="aliases"
            )
        async for model in every(self._store.list_models, lambda it: it.name):
            if model.name == name and not is_new:
                continue
            taken = {model.name, *model.aliases}
            if is_new and name in taken:
                raise _taken("name", name, model)
            for alias in aliases:
                if alias in taken:
                    raise _taken("aliases", alias, model)


def _taken(field: str, name: str, model: Model) -> TollkeeperError:
    whose = "there is a model of that name" if model.name == name else f"it is an alias of {model.name!r}"
    return TollkeeperError(Reason.ALREADY_EXISTS, f"{field}: {name!r} is taken: {whose}", field=field)


def _capabilities(numbers: Sequence[int]) -> tuple[Capability, ...]:
    return tuple(found for it in numbers if (found := word(CAPABILITY, Capability, it)))
