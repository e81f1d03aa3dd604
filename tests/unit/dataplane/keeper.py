"""An upstream that keeps whatever it is given, for everybody: it knows nothing of projects.

Ids can be guessed. Each thing holds the mark of the one who made it (`MARK` anywhere in what was sent), and
each answer shows the things that a request refers to, so that whatever one project learns or changes of
another's shows.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tollkeeper_server.dataplane.transport import Outgoing, Parts

from tests.unit.dataplane.upstream import Answer

MARK = re.compile(r"mark-of-[a-z]+")
COLLECTIONS = {
    "/files": "file-",
    "/batches": "batch_",
    "/messages/batches": "msgbatch_",
    "/fine_tuning/jobs": "ftjob-",
    "/fine-tunes": "ft-",
    "/responses": "resp_",
    "/conversations": "conv_",
    "/conversations/{}/items": "msg_",
    "/chat/completions": "chatcmpl-",
    "/vector_stores": "vs_",
    "/vector_stores/{}/files": "file-",
    "/vector_stores/{}/file_batches": "vsfb_",
    "/containers": "cntr_",
    "/containers/{}/files": "cfile_",
    "/assistants": "asst_",
    "/threads": "thread_",
    "/threads/{}/messages": "msg_",
    "/threads/{}/runs": "run_",
    "/uploads": "upload_",
    "/uploads/{}/parts": "part_",
    "/videos": "video_",
    "/evals": "eval_",
    "/evals/{}/runs": "evalrun_",
    "/skills": "skill_",
    "/skills/{}/versions": "skillver_",
    "/agents": "agent_",
    "/sessions": "session_",
    "/sessions/{}/events": "event_",
    "/environments": "env_",
    "/vaults": "vault_",
    "/memory_stores": "memstore_",
    "/models": "model-",
}
"""Where things are made and listed, and how the ids begin of what is made there."""
ELSEWHERE = {
    "/agents/completions": "",
    "/threads/runs": "/threads",
    "/messages": "",
    "/videos/edits": "/videos",
}
"""Where else something is done by a POST, and where what it makes is kept, empty for nowhere."""
MAX_PAGE = 100
_WORDS = {word for path in COLLECTIONS for word in path.split("/")}


class Keeper:
    """Keeps things by their paths. `asked` are the requests, as method and path with query."""

    def __init__(self, name: str = "one", start: int = 0) -> None:
        self.name = name
        self.kept: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.number = start
        self.time = 1_700_000_000 + start

    def handle(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Answer as providers do."""
        method = headers.get("x-http-method-override", method)
        self.asked.append(f"{method} {target}")
        split = urlsplit(target)
        path = _plain(split.path)
        sent = body.decode("utf-8", "replace")
        document = _json(sent)
        if path in self.kept:
            return self._about(method, path, document, sent)
        if method == "POST" and path in ELSEWHERE:
            into = ELSEWHERE[path]
            return self._make(into, COLLECTIONS.get(into, "msg_"), document, sent)
        parent = path.rpartition("/")[0]
        prefix = COLLECTIONS.get(path) or (COLLECTIONS.get(_below(path)) if parent in self.kept else None)
        if prefix is not None:
            if method == "POST":
                return self._make(path, prefix, document, sent)
            if method == "GET":
                return self._list(path, split.query, headers)
        if method == "GET" and path.endswith("/content") and "content" in self.kept.get(parent, {}):
            return 200, self.kept[parent]["content"].encode()
        if parent in self.kept:  # what is done with a thing, or what it holds
            return self._about("GET" if method == "GET" else "POST", parent, document, sent)
        return _error(404, f"there is no {method} {path}")

    def of(self, mark: str) -> dict[str, str]:
        """Return the things that were made by one, as they are."""
        return {path: json.dumps(thing) for path, thing in self.kept.items() if mark in thing["made_by"]}

    def _about(self, method: str, path: str, document: object, sent: str) -> tuple[int, bytes]:
        thing = self.kept[path]
        if method == "DELETE":
            for below in [one for one in self.kept if one == path or one.startswith(f"{path}/")]:
                del self.kept[below]
            return _good({"id": thing["id"], "deleted": True, "was": thing})
        if method != "GET":
            thing["changes"] += 1
            thing["changed_by"] = _marks(sent)
            return _good({**thing, "refers": [*self._referred(document)]})
        return _good(thing)

    def _make(self, path: str, prefix: str, document: object, sent: str) -> tuple[int, bytes]:
        self.number += 1
        self.time += self.number % 2  # two things have the same time
        referred = [*self._referred(document)]
        thing: dict[str, Any] = {
            "id": f"{prefix}{self.number:06}",
            "object": path.rpartition("/")[2],
            "created_at": self.time,
            "made_by": _marks(sent),
            "changes": 0,
            "refers": referred,
            "status": "completed",
        }
        if isinstance(document, dict) and isinstance(document.get("model"), str):
            thing["model"] = document["model"]
        if path == "/files":
            head, _, rest = sent.partition('name="file"')
            thing["content"] = rest.partition("\r\n\r\n")[2].partition("\r\n--x")[0] if head else ""
        if path:
            self.kept[f"{path}/{thing['id']}"] = thing
        return _good(thing)

    def _list(self, path: str, query: str, headers: dict[str, str]) -> tuple[int, bytes]:
        asked = dict(parse_qsl(query))
        things = [one for at, one in self.kept.items() if at.rpartition("/")[0] == path]
        if asked.get("order") != "asc":
            things.reverse()
        ids = [one["id"] for one in things]
        limit = min(int(asked.get("limit", 20)), MAX_PAGE)
        after = asked.get("after") or asked.get("after_id")
        before = asked.get("before") or asked.get("before_id")
        if (after and after not in ids) or (before and before not in ids):
            return _error(404, f"no such cursor: {after or before}")
        if before:
            end = ids.index(before)
            start = max(0, end - limit)
            has_more = start > 0
        else:
            start = ids.index(after) + 1 if after else 0
            end = start + limit
            has_more = end < len(ids)
        page = things[start:end]
        first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
        answer = {"data": page, "first_id": first, "last_id": last, "has_more": has_more}
        if "anthropic-version" not in headers:
            answer = {"object": "list", **answer, "total": len(things)}
        return _good(answer)

    def _referred(self, document: object) -> Iterator[dict[str, Any]]:
        by_id = {thing["id"]: thing for thing in self.kept.values()}
        for text in _strings(document):
            if text in by_id:
                yield {"id": text, "made_by": by_id[text]["made_by"]}


class KeepersTransport:
    """Leads to keepers, by the hosts of their URLs."""

    def __init__(self, **keepers: Keeper) -> None:
        self.keepers = {f"{name}.test": keeper for name, keeper in keepers.items()}

    async def open(self, request: Outgoing) -> Answer:
        """Ask the keeper."""
        body = request.body
        if isinstance(body, Parts):
            body = b"".join(body.parts)
        elif not isinstance(body, bytes):
            body = b"".join([piece async for piece in body])
        split = urlsplit(request.url)
        keeper = self.keepers[split.hostname or ""]
        headers = {name.decode(): value.decode() for name, value in request.headers}
        target = f"{split.path}?{split.query}" if split.query else split.path
        status, answer = keeper.handle(request.method, target, headers, body)
        return Answer((answer,), status)

    async def close(self) -> None:
        """Nothing is open."""


def _plain(path: str) -> str:
    """Return a path in the form that lenient servers take it for."""
    segments = [segment for segment in unquote(path).split("/") if segment]
    segments = [one.partition(";")[0] for one in segments]
    segments = [one.lower() if one.lower() in _WORDS else one for one in segments]
    while segments[:1] in (["v1"], ["openai"]):
        segments = segments[1:]
    return "/" + "/".join(segments)


def _below(path: str) -> str:
    """Return the pattern of what is below one thing: /threads/x/runs is that of /threads/{}/runs."""
    first, _, last = path[1:].split("/", 2) if path.count("/") == 3 else ("", "", "")
    return f"/{first}/{{}}/{last}"


def _marks(sent: str) -> str:
    return ",".join(sorted(set(MARK.findall(sent)))) or "nobody"


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)


def _json(sent: str) -> object:
    try:
        return json.loads(sent)
    except ValueError:
        return re.findall(r"[A-Za-z]+[-_]\d{6}", sent)


def _good(answer: object) -> tuple[int, bytes]:
    return 200, json.dumps(answer).encode()


def _error(status: int, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()
