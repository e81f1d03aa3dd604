"""Vector stores: create, list, change, delete, and attach files. There is no search."""

import msgspec
from msgspec import Struct

from tollkeeper_server.simulator.call import ApiCall, not_found
from tollkeeper_server.simulator.files import page
from tollkeeper_server.simulator.reply import Json, Reply, as_json
from tollkeeper_server.simulator.state import now


class VectorStoreRequest(Struct, frozen=True):
    """The body of a request."""

    name: str | None = None
    metadata: dict[str, str] | None = None
    file_ids: list[str] | None = None


class FileRequest(Struct, frozen=True):
    """The body of a request that attaches a file."""

    file_id: str


_decoder = msgspec.json.Decoder(VectorStoreRequest)
_file_decoder = msgspec.json.Decoder(FileRequest)


def create(call: ApiCall) -> Reply:
    """Answer POST /vector_stores."""
    body = call.decode(_decoder)
    files = len(body.file_ids or ())
    store: Json = {
        "id": call.state.new_id("vs_", 24),
        "object": "vector_store",
        "created_at": now(),
        "name": body.name or "",
        "usage_bytes": 0,
        "file_counts": {"in_progress": 0, "completed": files, "failed": 0, "cancelled": 0, "total": files},
        "status": "completed",
        "expires_after": None,
        "expires_at": None,
        "last_active_at": now(),
        "metadata": body.metadata or {},
    }
    call.state.vector_stores.put(str(store["id"]), store)
    return as_json(store)


def list_all(call: ApiCall) -> Reply:
    """Answer GET /vector_stores, newest first."""
    return as_json(page(call, [store for _, store in call.state.vector_stores.newest_first()]))


def retrieve(call: ApiCall) -> Reply:
    """Answer GET /vector_stores/{id}."""
    return as_json(_stored(call))


def update(call: ApiCall) -> Reply:
    """Answer POST /vector_stores/{id}."""
    body = call.decode(_decoder)
    changes: Json = {"name": body.name, "metadata": body.metadata}
    store = _stored(call) | {name: value for name, value in changes.items() if value is not None}
    call.state.vector_stores.put(call.params[0], store)
    return as_json(store)


def delete(call: ApiCall) -> Reply:
    """Answer DELETE /vector_stores/{id}."""
    _stored(call)
    call.state.vector_stores.remove(call.params[0])
    return as_json({"id": call.params[0], "object": "vector_store.deleted", "deleted": True})


def attach(call: ApiCall) -> Reply:
    """Answer POST /vector_stores/{id}/files."""
    body = call.decode(_file_decoder)
    stored = call.state.files.get(body.file_id)
    if stored is None:
        raise not_found("file", body.file_id)
    return as_json(
        {
            "id": body.file_id,
            "object": "vector_store.file",
            "usage_bytes": stored.about["bytes"],
            "created_at": now(),
            "vector_store_id": _stored(call)["id"],
            "status": "completed",
            "last_error": None,
        }
    )


def _stored(call: ApiCall) -> Json:
    store = call.state.vector_stores.get(call.params[0])
    if store is None:
        raise not_found("vector store", call.params[0])
    return store
