"""Ids of unusual kinds: with slashes, in Google's names, chosen by callers, of audio answers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from tollkeeper_server.dataplane.transport import Outgoing
from tollkeeper_server.snapshot.model import ListenerView
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.tenants import World, gateway
from tests.unit.dataplane.upstream import Answer


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """The URL of a store of its own."""
    return f"sqlite:///{tmp_path / 'store.db'}"


class Google:
    """Keeps resources by their names, and refuses parameters that it does not know, as Google does."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    async def open(self, request: Outgoing) -> Answer:
        """Answer."""
        split = urlsplit(request.url)
        path = unquote(split.path).partition("/v1beta/")[2]
        self.asked.append(f"{request.method} {path}")
        body = request.body if isinstance(request.body, bytes) else b""
        status, answer = self._answer(request.method, path, parse_qs(split.query), body.decode())
        return Answer((json.dumps(answer).encode(),), status, [(b"content-type", b"application/json")])

    async def close(self) -> None:
        """Nothing is open."""

    def _answer(self, method: str, path: str, query: dict[str, list[str]], says: str) -> tuple[int, Any]:
        if query.keys() - {"pageSize", "pageToken", "alt"}:
            return 400, {"error": {"message": f"Invalid JSON payload: {query}"}}
        one = path.partition(":")[0]
        if one in self.kept:
            return 200, self.kept.pop(one) if method == "DELETE" else self.kept[one]
        if method == "POST" and path.endswith(":batchGenerateContent"):
            return 200, self._make("batches", says)
        if method == "POST" and path in {"files", "fileSearchStores", "cachedContents"}:
            made = self._make(path, says)
            return 200, {"file": made} if path == "files" else made
        if method == "POST" and ":" in path:
            return 200, {"candidates": [], "usageMetadata": {}, "saw": [it for it in self.kept if it in says]}
        if path not in {"files", "batches", "fileSearchStores", "cachedContents"}:
            return 404, {"error": {"message": "not found"}}
        names = sorted(it for it in self.kept if it.startswith(f"{path}/"))
        start = int(query.get("pageToken", ["0"])[0])
        end = start + int(query.get("pageSize", ["2"])[0])
        answer: dict[str, Any] = {}
        if names[start:end]:
            answer["operations" if path == "batches" else path] = [self.kept[it] for it in names[start:end]]
        if end < len(names):
            answer["nextPageToken"] = str(end)
        return 200, answer

    def _make(self, collection: str, says: str) -> dict[str, Any]:
        name = f"{collection}/{'abcdefghijklmnopqrstuvwxyz'[len(self.kept)]}xyz"
        self.kept[name] = {"name": name, "displayName": "x/y", "metadata": {"says": says}}
        return self.kept[name]


@asynccontextmanager
async def _google(store_url: str) -> AsyncIterator[tuple[World, Google]]:
    google = Google()
    async with gateway(store_url, 1, transport=google) as world:
        view = ListenerView("console", "127.0.0.1:1", compile_rules([]), "all", None, 10)
        everything = world.bench.snapshot.default
        assert everything is not None
        world.bench.snapshot = replace(
            world.bench.snapshot, listeners={"console": view}, groups={"all": everything}
        )
        yield world, google


MAKING = {
    "batches": "/v1beta/models/gemini:batchGenerateContent",
    "files": "/upload/v1beta/files",
    "fileSearchStores": "/v1beta/fileSearchStores",
    "cachedContents": "/v1beta/cachedContents",
}


@pytest.mark.parametrize("collection", sorted(MAKING))
async def test_a_resource_of_googles_is_its_projects_own(collection: str, store_url: str) -> None:
    async with _google(store_url) as (world, google):
        made: dict[str, list[str]] = {"a": [], "b": []}
        for tenant in "abababa":
            reply = await world.ask(tenant, "POST", MAKING[collection], {"x": f"mark-of-{tenant}"})
            told = json.loads(reply.body)
            made[tenant].append(told.get("file", told)["name"])
        one = made["a"][0]
        for method, path in (
            ("GET", f"/v1beta/{one}"),
            ("GET", f"/v1beta/{one.replace('/', '%2F')}"),
            ("GET", f"/v1beta/{one}:download?alt=media"),
            ("POST", f"/v1beta/{one}:cancel"),
            ("DELETE", f"/v1beta/{one}"),
        ):
            path, _, query = path.partition("?")
            google.asked.clear()
            reply = await world.ask("b", method, path, {}, query=query)
            assert reply.status == 404, path
            assert google.asked == []
            assert (await world.ask("a", method, path, {}, query=query)).status == 200, path
        made["a"].remove(one)
        for tenant in "ab":
            found: list[str] = []
            query = "pageSize=2"
            while query:
                page = json.loads((await world.ask(tenant, "GET", f"/v1beta/{collection}", query=query)).body)
                found += [it["name"] for it in page["operations" if collection == "batches" else collection]]
                query = f"pageSize=2&pageToken={page['nextPageToken']}" if "nextPageToken" in page else ""
            assert found == made[tenant]


async def test_a_list_of_googles_without_own_things_is_empty_as_google_writes_it(store_url: str) -> None:
    async with _google(store_url) as (world, _):
        await world.ask("b", "POST", MAKING["files"], {"x": 1})
        reply = await world.ask("a", "GET", "/v1beta/files")
        assert (reply.status, reply.body) == (200, b"{}")


@pytest.mark.parametrize(
    "body",
    [
        {"contents": [{"parts": [{"fileData": {"fileUri": "https://google.test/v1beta/ID"}}]}]},
        {"contents": [{"parts": [{"file_data": {"file_uri": "https://google.test/v1beta/ID?x=y"}}]}]},
        {"cachedContent": "ID"},
        {"batch": {"inputConfig": {"fileName": "ID"}}},
        {"tools": [{"fileSearch": {"fileSearchStoreNames": ["ID"]}}]},
    ],
)
async def test_nobody_refers_to_a_resource_of_anothers(body: object, store_url: str) -> None:
    async with _google(store_url) as (world, google):
        told = json.loads((await world.ask("a", "POST", MAKING["files"], {"x": 1})).body)
        sent = json.loads(json.dumps(body).replace("ID", told["file"]["name"]))
        google.asked.clear()
        path = "/v1beta/models/gemini:generateContent"
        refused = await world.ask("b", "POST", path, sent)
        error = json.loads(refused.body)["error"]
        assert refused.status == 404
        assert told["file"]["name"] in error["message"]
        assert error["param"] != "path"
        assert google.asked == []
        reply = await world.ask("a", "POST", path, sent)
        assert json.loads(reply.body)["saw"] == [told["file"]["name"]]


class Slashes:
    """Gives everything an id with a slash, and finds it by that however it is written."""

    def __init__(self, made: str) -> None:
        self.made = made
        self.asked: list[str] = []

    async def open(self, request: Outgoing) -> Answer:
        """Answer."""
        self.asked.append(request.url)
        return Answer(
            (json.dumps({"id": self.made}).encode(),), 200, [(b"content-type", b"application/json")]
        )

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("root", ["/v1/batches", "/v1/files", "/batches", "/v1beta/openai/batches"])
@pytest.mark.parametrize(
    "made", ["batches/abc", "files/xyz", "a/b/c", "https://google.test/v1beta/files/abc", "org/run/7"]
)
async def test_an_id_with_slashes_is_its_owners_however_its_path_is_written(
    made: str, root: str, store_url: str
) -> None:
    upstream = Slashes(made)
    async with gateway(store_url, 1, transport=upstream) as world:
        if root.startswith("/v1beta"):
            view = ListenerView("console", "127.0.0.1:1", compile_rules([]), "all", None, 10)
            everything = world.bench.snapshot.default
            assert everything is not None
            world.bench.snapshot = replace(
                world.bench.snapshot, listeners={"console": view}, groups={"all": everything}
            )
        form = b"x" if root.endswith("files") else {"endpoint": "/v1/responses"}
        assert (await world.ask("a", "POST", root, form)).status == 200
        written = [made.replace("/", "%2F").replace(":", "%3A"), made.replace("/", "%2f")]
        if "//" not in made:  # which servers take for one slash
            written.append(made)
        for one in written:
            for below in ("", "/content", "/cancel"):
                assert (await world.ask("a", "GET", f"{root}/{one}{below}")).status == 200, one
                upstream.asked.clear()
                assert (await world.ask("b", "GET", f"{root}/{one}{below}")).status == 404, one
                assert upstream.asked == []


async def test_an_item_whose_id_the_caller_chose_is_its_projects_own(store_url: str) -> None:
    async with gateway(store_url, 1) as world:
        conversations = {}
        for tenant in "ab":
            reply = await world.ask(tenant, "POST", "/v1/conversations", {"metadata": {}})
            conversations[tenant] = json.loads(reply.body)["id"]
        keeper = world.keepers["one"]
        keeper.handle = lambda *_: (  # type: ignore[method-assign]
            200,
            json.dumps({"object": "list", "data": [{"id": "msg_mine", "type": "message"}]}).encode(),
        )
        made = {"items": [{"type": "message", "id": "msg_mine", "role": "user", "content": "x"}]}
        refers = {"model": "gpt-4o", "input": [{"type": "item_reference", "id": "msg_mine"}]}
        own, others = (f"/v1/conversations/{conversations[it]}/items" for it in "ab")
        assert (await world.ask("b", "POST", "/v1/responses", refers)).status == 404
        assert (await world.ask("a", "POST", own, made)).status == 200
        assert (await world.ask("a", "GET", f"{own}/msg_mine")).status == 200
        assert (await world.ask("a", "POST", "/v1/responses", refers)).status == 200
        assert (
            await world.ask("a", "POST", own, made)
        ).status == 200  # the upstream says what it makes of it
        for method, path, body in (
            ("POST", others, made),
            ("GET", f"{others}/msg_mine", {}),
            ("DELETE", f"{others}/msg_mine", {}),
            ("POST", "/v1/responses", refers),
        ):
            assert (await world.ask("b", method, path, body)).status == 404, (method, path)


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_audio_answer_is_continued_by_its_project_alone(streamed: bool, store_url: str) -> None:
    async with gateway(store_url, 1) as world:
        keeper = world.keepers["one"]
        choice = {"delta" if streamed else "message": {"audio": {"id": "audio_1", "data": "AA=="}}}
        document = json.dumps({"id": "chatcmpl-1", "choices": [{"index": 0, **choice}]}).encode()
        answer = b"data: " + document + b"\n\ndata: [DONE]\n\n" if streamed else document
        keeper.handle = lambda *_: (200, answer)  # type: ignore[method-assign]
        asked = {"model": "gpt-4o", "modalities": ["text", "audio"], "audio": {"voice": "x", "format": "wav"}}
        message = {"role": "assistant", "audio": {"id": "audio_1"}}
        continued = {**asked, "messages": [{"role": "user", "content": "x"}, message]}
        assert (await world.ask("b", "POST", "/v1/chat/completions", continued)).status == 404
        made = {**asked, "messages": [{"role": "user", "content": "x"}], "stream": streamed}
        assert (await world.ask("a", "POST", "/v1/chat/completions", made)).status == 200
        assert set(await world.placements.find_many(["audio_1", "chatcmpl-1"])) == {"audio_1"}
        assert (await world.ask("a", "POST", "/v1/chat/completions", continued)).status == 200
        spelt = json.dumps(continued).replace('"audio": {"id"', '"\\u0061udio": {"id"').encode()
        for body in (continued, spelt):
            assert (await world.ask("b", "POST", "/v1/chat/completions", body)).status == 404


SPEECH = {"model": "gpt-4o", "input": "x"}
SPEAKING: list[tuple[str, dict[str, Any]]] = [
    ("/v1/audio/speech", {**SPEECH, "voice": {"id": "ID"}}),
    ("/v1/audio/speech", {**SPEECH, "voice": "ID"}),
    ("/v1/audio/speech", {**SPEECH, "voice_id": "ID"}),
    ("/v1/audio/speech", {**SPEECH, "Voice": {"Id": "ID"}}),
    ("/v1/chat/completions", {"model": "gpt-4o", "messages": [], "audio": {"voice": {"id": "ID"}}}),
    ("/v1/chat/completions", {"model": "gpt-4o", "messages": [], "audio": {"voice": "ID"}}),
    ("/v1/realtime/client_secrets", {"session": {"audio": {"output": {"voice": {"id": "ID"}}}}}),
    ("/v1/realtime/client_secrets", {"session": {"model": "gpt-4o", "voice": "ID"}}),
]


@pytest.mark.parametrize(("path", "body"), SPEAKING)
async def test_nobody_speaks_in_anothers_voice(path: str, body: object, store_url: str) -> None:
    upstream = Slashes("voice_1234")
    async with gateway(store_url, 1, transport=upstream) as world:
        assert (await world.ask("a", "POST", "/v1/audio/voices", {"name": "x"})).status == 200
        written = json.dumps(body)
        for sent in (written, written.replace("voice", "\\u0076oice")):
            upstream.asked.clear()
            reply = await world.ask("b", "POST", path, sent.replace("ID", "voice_1234").encode())
            assert reply.status == 404
            assert upstream.asked == []
            for tenant, voice in (("a", "voice_1234"), ("b", "voice_1235"), ("b", "alloy")):
                reply = await world.ask(tenant, "POST", path, sent.replace("ID", voice).encode())
                assert reply.status == 200, reply.body


async def test_nobody_names_anothers_thing_in_a_header(store_url: str) -> None:
    async with gateway(store_url, 1) as world:
        made = json.loads((await world.ask("a", "POST", "/v1/containers", {"name": "x"})).body)["id"]
        sent = {"model": "gpt-4o", "input": "x"}
        for name in (b"x-container-id", b"container_id", b"x-vector-store-id"):
            headers = ((name, made.encode()),)
            world.keepers["one"].asked.clear()
            assert (await world.ask("b", "POST", "/v1/responses", sent, headers)).status == 404
            assert (
                await world.ask("b", "POST", "/v1/responses", sent, ((name, b"x"), *headers))
            ).status == 404
            assert world.keepers["one"].asked == []
            assert (await world.ask("a", "POST", "/v1/responses", sent, headers)).status == 200


@pytest.mark.parametrize(
    ("root", "body", "below", "part"),
    [
        ("/v1/vector_stores", {}, "/files", {}),
        ("/v1/conversations", {}, "/items", {"items": [{"type": "message", "role": "user", "content": "x"}]}),
        ("/v1/threads", {}, "/messages", {"role": "user", "content": "x"}),
        ("/v1/containers", {}, "/files", {}),
        ("/v1/evals", {"model": "gpt-4o"}, "/runs", {"model": "gpt-4o"}),
    ],
)
async def test_below_an_own_thing_what_is_anothers_is_answered_as_what_does_not_exist(
    root: str, body: object, below: str, part: object, store_url: str
) -> None:
    """Body and headers are the same, and only for what nobody has the upstream is asked."""
    async with gateway(store_url, 1) as world:
        made = {}
        for tenant in "ab":
            one = json.loads((await world.ask(tenant, "POST", root, body)).body)["id"]
            part_id = json.loads((await world.ask(tenant, "POST", f"{root}/{one}{below}", part)).body)["id"]
            made[tenant] = one, part_id
        own, (_, others) = made["a"][0], made["b"]
        nothing = others[:-3] + "999"
        for method in ("GET", "HEAD", "DELETE", "POST"):
            answers = []
            for thing in (others, nothing):
                world.keepers["one"].asked.clear()
                reply = await world.ask("a", method, f"{root}/{own}{below}/{thing}", {"model": "gpt-4o"})
                assert reply.status == 404
                assert len(world.keepers["one"].asked) == (thing == nothing)
                of_each = (b"date", b"x-request-id")  # the two may be answered in different seconds
                said = [(name, value) for name, value in reply.headers.items() if name not in of_each]
                answers.append((said, reply.body.replace(thing.encode(), b"ID")))
            assert answers[0] == answers[1]
        assert (await world.ask("a", "GET", f"{root}/{own}{below}/{made['a'][1]}")).status == 200
