"""A page of a list of things that an upstream keeps: read as it came, and written with a project's own.

| | its things | whether it goes on |
|---|---|---|
| OpenAI | `data`, each with an `id` | `has_more`; next is what comes after the last one |
| Anthropic | the same | `has_more`, or `next_page`, which names the next page |
| Mistral, Together | the same, or an array of things | the next page by its number |
| Google, Cohere, xAI | the one member that is an array of things | one of `TOKENS` names the next page |

What names a thing is as `thing_ids.py` says. An answer of any other shape is no list: nothing of it is passed
on, since nobody can tell whose things it shows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Raw, Struct

from tollkeeper_server.dataplane.reply.thing_ids import id_of
from tollkeeper_server.dataplane.request.list_query import page_name

TOKENS = {
    "next_page": "page",
    "nextPageToken": "pageToken",
    "next_page_token": "page_token",
    "pagination_token": "pagination_token",
}
"""The members that name the next page, and the parameters by which it is asked for."""


class Thing(Struct, frozen=True, gc=False):
    """A thing of a list, as the upstream wrote it. `made_at` is in seconds, None if it is not said."""

    id: str
    made_at: float | None
    written: Raw


class Form(Struct, frozen=True, gc=False):
    """The form of a page: its members, and which of them has the things.

    `holder` is empty where a page is an array, and where it has not been told. `token` is the member that
    names the next page, empty if none does.
    """

    members: frozenset[str] = frozenset()
    holder: str = ""
    token: str = ""

    @property
    def tells_more(self) -> bool:
        """Whether its pages say if there are more."""
        return bool(self.token) or "has_more" in self.members

    def joined(self, other: "Form") -> "Form":
        """Return the form of pages that have the members of both."""
        holder, token = self.holder or other.holder, self.token or other.token
        return Form(self.members | other.members, holder, token)


class Page(Struct, frozen=True, gc=False):
    """A page as the upstream gave it.

    `goes_on` says that there is more; `next_page` names it, empty where the last thing's id does.
    """

    things: tuple[Thing, ...]
    goes_on: bool
    next_page: str
    form: Form


_WRITTEN = ("object", "has_more", "first_id", "last_id")
_COMMON = frozenset({"data", "has_more", "first_id", "last_id"})
OPENAI_FORM = Form(_COMMON | {"object"}, "data")
ANTHROPIC_FORM = Form(_COMMON | {"next_page"}, "data", "next_page")
GOOGLE_FORM = Form(frozenset({"nextPageToken"}), "", "nextPageToken")
"""The forms of a page that no upstream was asked for."""
_TIMES = ("created_at", "created", "createTime", "create_time")
_decode_array = msgspec.json.Decoder(list[Raw]).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_thing = msgspec.json.Decoder(dict[str, object]).decode
_decode = msgspec.json.Decoder().decode
_FAILURES = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_page(body: bytes) -> Page:
    """Return the page that an upstream answered with. Raises ValueError if it is none."""
    try:
        if body.lstrip()[:1] == b"[":
            return Page(_things(_decode_array(body)), False, "", Form(frozenset({""})))
        members = _decode_members(body)
        holder, things = _held(members)
        token = next((name for name in TOKENS if name in members), "")
        named = _decode(members[token]) if token else None
        has_more = _decode(members["has_more"]) if "has_more" in members else None
    except _FAILURES as error:
        raise ValueError("its answer is no list of things with ids") from error
    if isinstance(named, str | None) and isinstance(has_more, bool | None):
        goes_on = bool(named) if token else has_more is True
        return Page(things, goes_on, named or "", Form(frozenset(members), holder, token))
    raise ValueError("its answer does not say whether there are more")


def _held(members: dict[str, Raw]) -> tuple[str, tuple[Thing, ...]]:
    """Return the member that has the things, and these. Google leaves it out where there are none."""
    arrays = {name: _decode_array(written) for name, written in members.items() if bytes(written)[:1] == b"["}
    if "data" not in arrays:
        arrays = {name: written for name, written in arrays.items() if written} or arrays
    holder = "data" if "data" in arrays else next(iter(arrays), "")
    if not holder and not members.keys() - TOKENS.keys():
        return "", ()
    if not holder or (len(arrays) > 1 and holder != "data"):
        raise ValueError("its answer is no list of things with ids")
    return holder, _things(arrays[holder])


def write_page(things: Sequence[Thing], form: Form, *, goes_on: bool, total: int | None = None) -> bytes:
    """Return a page of these things, with the members that its form has, and how many there are in all."""
    written = [thing.written for thing in things]
    if "" in form.members and not form.holder:
        return msgspec.json.encode(written)
    first, last = (things[0].id, things[-1].id) if things else (None, None)
    values = {"object": "list", "has_more": goes_on, "first_id": first, "last_id": last}
    members: dict[str, object] = {}
    for name in ("object", form.holder, *_WRITTEN[1:]):
        if name and name == form.holder:
            members[name] = written
        elif name in form.members:
            members[name] = values[name]
    if form.token and last is not None and goes_on:
        members[form.token] = page_name(last)
    elif "next_page" in form.members:
        members["next_page"] = None
    if total is not None:
        members["total"] = total
    return msgspec.json.encode(members)


def read_thing(body: bytes) -> Thing:
    """Return the thing that an answer is. Raises ValueError if it is none."""
    try:
        return _thing(Raw(body))
    except _FAILURES as error:
        raise ValueError("its answer is no thing with an id") from error


def _things(written: list[Raw]) -> tuple[Thing, ...]:
    return tuple(map(_thing, written))


def _thing(written: Raw) -> Thing:
    members = _decode_thing(written)
    one = id_of(members)
    if not one:
        raise ValueError("its answer is no list of things with ids")
    made_at = next((members[name] for name in _TIMES if members.get(name) is not None), None)
    if isinstance(made_at, str):
        try:
            made = datetime.fromisoformat(made_at)
        except ValueError:
            made_at = None
        else:
            made_at = (made if made.tzinfo is not None else made.replace(tzinfo=UTC)).timestamp()
    return Thing(one, made_at if isinstance(made_at, int | float) else None, written)
