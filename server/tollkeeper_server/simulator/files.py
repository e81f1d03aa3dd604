"""Files, kept in memory."""

from tollkeeper_server.simulator.call import ApiCall, not_found
from tollkeeper_server.simulator.reply import Answer, Json, RefusalError, Reply, as_json
from tollkeeper_server.simulator.state import State, StoredFile, now

PURPOSES = frozenset({"assistants", "batch", "fine-tune", "vision", "user_data", "evals"})


def create(call: ApiCall) -> Reply:
    """Answer POST /files."""
    form = call.form()
    uploads = form.uploads("file")
    if not uploads:
        raise RefusalError(400, "'file' is a required property")
    purpose = form.field("purpose")
    if purpose not in PURPOSES:
        raise RefusalError(400, f"'{purpose}' is not one of {sorted(PURPOSES)} - 'purpose'", param="purpose")
    return as_json(keep(call.state, uploads[0].name, purpose, uploads[0].content))


def list_all(call: ApiCall) -> Reply:
    """Answer GET /files, newest first."""
    purpose = call.request.query("purpose")
    data = [stored.about for _, stored in call.state.files.newest_first()]
    return as_json(page(call, [about for about in data if not purpose or about["purpose"] == purpose]))


def retrieve(call: ApiCall) -> Reply:
    """Answer GET /files/{id}."""
    return as_json(_stored(call).about)


def content(call: ApiCall) -> Reply:
    """Answer GET /files/{id}/content."""
    return Answer(_stored(call).content, content_type=b"application/octet-stream")


def delete(call: ApiCall) -> Reply:
    """Answer DELETE /files/{id}."""
    _stored(call)
    call.state.files.remove(call.params[0])
    return as_json({"id": call.params[0], "object": "file", "deleted": True})


def keep(state: State, name: str, purpose: str, data: bytes) -> Json:
    """Store a file, and return the object that describes it."""
    about: Json = {
        "id": state.new_id("file-", 22),
        "object": "file",
        "bytes": len(data),
        "created_at": now(),
        "expires_at": None,
        "filename": name,
        "purpose": purpose,
        "status": "processed",
        "status_details": None,
    }
    state.files.put(str(about["id"]), StoredFile(about, data))
    return about


def page(call: ApiCall, data: list[Json]) -> Json:
    """Return the page of `data` that the query selects by `after` and `limit`. Raises `RefusalError`."""
    limit = call.request.query("limit") or "100"
    if not limit.isdecimal() or not 1 <= int(limit) <= 10_000:
        raise RefusalError(400, f"Invalid 'limit': {limit}.", code="invalid_value", param="limit")
    after = call.request.query("after")
    ids = [item["id"] for item in data]
    if after and after not in ids:
        raise RefusalError(400, f"Invalid 'after': {after}.", code="invalid_value", param="after")
    start = ids.index(after) + 1 if after else 0
    shown = data[start : start + int(limit)]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": start + len(shown) < len(data),
    }


def _stored(call: ApiCall) -> StoredFile:
    stored = call.state.files.get(call.params[0])
    if stored is None:
        raise not_found("file", call.params[0])
    return stored
