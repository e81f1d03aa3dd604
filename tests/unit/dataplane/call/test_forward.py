"""Which upstream a request goes to, and what it looks like there."""

import json
from typing import Any

import pytest
from tollkeeper_server.dataplane.call.forward import asks_usage, outgoing, outgoing_body, outgoing_url
from tollkeeper_server.dataplane.request.form import FormModel
from tollkeeper_server.dataplane.request.peek import Peek, peek_form, peek_json
from tollkeeper_server.dataplane.route import find_destination
from tollkeeper_server.dataplane.transport import Parts
from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.providers.dialect import Dialect
from tollkeeper_server.providers.dialects import anthropic, openai
from tollkeeper_server.snapshot.model import Dial, PoolMember, ProjectView, Snapshot, Target

from tests.unit.dataplane.configured import (
    ANTHROPIC,
    AZURE,
    PROJECT_KEY,
    PROVIDER_KEY,
    member_on,
    route,
    snapshot,
    target,
    token,
)
from tests.unit.dataplane.exchanges import planned

CHAT = "/v1/chat/completions"
KEEPING = target("keeping", Provider.GENERIC, base_url="http://kept.test/llm", keep_path=True)
FULL_URL = target("full", Provider.GENERIC, base_url="", full_url="http://full.test/run")


@pytest.mark.parametrize(
    ("caller", "member", "expected"),
    [
        (("/v1/files", b""), member_on(target(), ""), "http://upstream.test/v1/files"),
        (("/v1/files", b"limit=2"), member_on(target(), ""), "http://upstream.test/v1/files?limit=2"),
        (("/v1/files/a%2Fb", b"x=%20"), member_on(target(), ""), "http://upstream.test/v1/files/a%2Fb?x=%20"),
        (
            ("/v1/files", b"api-version=1"),
            member_on(target(), ""),
            "http://upstream.test/v1/files?api-version=1",
        ),
        (("/v1/messages", b""), member_on(ANTHROPIC, "claude"), "http://anthropic.test/v1/messages"),
        ((CHAT, b""), member_on(FULL_URL, "m"), "http://full.test/run"),
        ((CHAT, b"a=b"), member_on(FULL_URL, "m"), "http://full.test/run?a=b"),
        (
            (CHAT, b"a=b"),
            member_on(target(provider=Provider.GENERIC, full_url="http://full.test/run?api-version=1"), "m"),
            "http://full.test/run?api-version=1&a=b",
        ),
        (
            ("/openai/deployments/m/chat/completions", b"api-version=2&a=b"),
            member_on(target(provider=Provider.GENERIC, full_url="http://full.test/run?api-version=1"), "m"),
            "http://full.test/run?api-version=1&a=b",
        ),
        ((CHAT, b"a=b"), member_on(KEEPING), "http://kept.test/llm/v1/chat/completions?a=b"),
        (("/chat/completions", b""), member_on(KEEPING), "http://kept.test/llm/chat/completions"),
        (("/files/a%2Fb", b""), member_on(KEEPING), "http://kept.test/llm/files/a%2Fb"),
        (("/v1/files", b"x=%20"), member_on(KEEPING), "http://kept.test/llm/v1/files?x=%20"),
        (
            ("/openai/deployments/m%2D1/chat/completions", b"api-version=2"),
            member_on(KEEPING, "m-1"),
            "http://kept.test/llm/openai/deployments/m%2D1/chat/completions?api-version=2",
        ),
        (
            ("/openai/deployments/m/chat/completions", b"api-version=2"),
            member_on(KEEPING, "o ther"),
            "http://kept.test/llm/openai/deployments/o%20ther/chat/completions?api-version=2",
        ),
        (
            ("/openai/responses", b"api-version=2"),
            member_on(KEEPING),
            "http://kept.test/llm/openai/responses?api-version=2",
        ),
        (
            (CHAT, b""),
            member_on(AZURE, "my deploy/ment?"),
            (
                "http://azure.test/openai/deployments/my%20deploy%2Fment%3F/chat/completions"
                "?api-version=2024-10-21"
            ),
        ),
        (
            (CHAT, b"a=b&api-version=old&API%2DVersion=older&c"),
            member_on(AZURE, "d"),
            "http://azure.test/openai/deployments/d/chat/completions?a=b&c&api-version=2024-10-21",
        ),
        (
            ("/openai/deployments/m/chat/completions", b"api-version=2023-05-15"),
            member_on(AZURE, "d"),
            "http://azure.test/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        (
            ("/openai/deployments/m/chat/completions", b"api-version=2023-05-15"),
            member_on(target(), "m"),
            "http://upstream.test/v1/chat/completions",
        ),
        (
            ("/v1/responses", b""),
            member_on(AZURE, "d"),
            "http://azure.test/openai/responses?api-version=2024-10-21",
        ),
        (
            ("/v1/files", b"purpose=x"),
            member_on(AZURE, ""),
            "http://azure.test/openai/files?purpose=x&api-version=2024-10-21",
        ),
    ],
)
def test_the_url_is_as_the_upstream_wants_it(
    caller: tuple[str, bytes], member: PoolMember, expected: str
) -> None:
    path, query = caller

    assert expected == outgoing_url(*planned(path, query=query), member)


def test_a_leg_says_how_its_upstream_is_reached() -> None:
    upstream = target(dial=Dial(ca_certificates="pem", proxy="http://proxy.test:3128"))
    member = member_on(upstream, keep_alive_seconds=7)

    sent = outgoing(*planned(CHAT), member, b"{}", plain=True)

    assert sent.dial == Dial(ca_certificates="pem", proxy="http://proxy.test:3128", keep_alive=7)


def test_azure_serves_a_pattern_under_the_name_that_was_asked_for() -> None:
    configured = snapshot(route("gpt-*", member_on(AZURE, "")))
    peek = Peek("gpt-4o mini")
    caller, plan = planned(peek=peek, configuration=configured)

    [member] = find_destination(caller, plan.matched, plan.identity.token, peek, None, "").pool.members

    assert "/deployments/gpt-4o%20mini/" in outgoing_url(caller, plan, member)


def _with_project_key() -> Snapshot:
    return snapshot(project=ProjectView(id="prj_1", is_active=True, api_key=PROJECT_KEY))


@pytest.mark.parametrize(
    "upstream",
    [AZURE, ANTHROPIC, target("other", Provider.GENERIC), target("none", Provider.GENERIC, credential=())],
)
def test_a_projects_own_key_is_shown_to_no_other_provider(upstream: Target) -> None:
    sent = outgoing(*planned(configuration=_with_project_key()), member_on(upstream, ""), b"", plain=False)

    assert PROJECT_KEY.encode() not in b"".join(value for _, value in sent.headers)
    assert set(upstream.credential) <= set(sent.headers)


def test_a_projects_own_key_is_used_in_place_of_the_upstreams() -> None:
    sent = outgoing(*planned(configuration=_with_project_key()), member_on(target(), ""), b"", plain=False)

    keys = [value for name, value in sent.headers if name == b"authorization"]
    assert [b"Bearer " + PROJECT_KEY.encode()] == keys


def test_secrets_do_not_show_in_what_may_be_logged() -> None:
    sent = outgoing(*planned(configuration=_with_project_key()), member_on(target(), ""), b"", plain=False)

    assert PROJECT_KEY not in repr(sent)
    assert PROVIDER_KEY.decode() not in repr(target())


BODY = b'{ "model": "gpt-4o",  "messages": [] }'


def _body(
    member: PoolMember, body: bytes = BODY, *, ask_usage: bool = False, path: str = CHAT, **changes: Any
) -> bytes:
    _, plan = planned(path, peek_json(body), body, known=token(**changes))
    return whole(outgoing_body(plan, member, ask_usage=ask_usage))


def whole(body: bytes | Parts) -> bytes:
    """Return a body as the upstream gets it."""
    return b"".join(body.parts) if isinstance(body, Parts) else body


@pytest.mark.parametrize("upstream_model", ["", "gpt-4o"])
def test_a_body_is_forwarded_byte_for_byte(upstream_model: str) -> None:
    assert _body(member_on(target(), upstream_model)) is BODY


def test_the_upstreams_own_name_is_written_where_it_differs() -> None:
    assert _body(member_on(target(), "gpt-4o-2024")) == b'{"model":"gpt-4o-2024","messages":[]}'


def test_a_restricted_token_sends_the_one_model_that_was_permitted() -> None:
    smuggled = b'{"model":"forbidden","model":"gpt-4o"}'

    assert _body(member_on(target(), ""), smuggled, allowed_models=("gpt-4o",)) == b'{"model":"gpt-4o"}'


def test_a_model_named_in_the_path_is_written_into_the_body_for_those_who_look_there() -> None:
    path, body = "/openai/deployments/gpt-4o/chat/completions", b'{"messages":[]}'

    assert json.loads(_body(member_on(target(), "m"), body, path=path)) == {"messages": [], "model": "m"}
    assert json.loads(_body(member_on(target(), ""), body, path=path)) == {"messages": [], "model": "gpt-4o"}
    assert body == _body(member_on(AZURE, "m"), body, path=path)


RESPONSES = "/openai/deployments/gpt-4o/responses"
TRANSCRIPTIONS = "/openai/deployments/gpt-4o/audio/transcriptions"
AZURES_OTHER = target("other", Provider.AZURE, full_url="http://azure.test/run", api_version="1")


@pytest.mark.parametrize(
    ("member", "sent"),
    [
        (member_on(target()), "gpt-4o"),
        (member_on(target(), "mine"), "mine"),
        (member_on(AZURE, "mine"), "mine"),
        (member_on(FULL_URL), "gpt-4o"),
    ],
)
def test_where_path_and_body_disagree_the_path_is_written_into_the_body(
    member: PoolMember, sent: str
) -> None:
    path, body = "/openai/deployments/gpt-4o/chat/completions", b'{"model":"evil","n":1}'

    assert json.loads(_body(member, body, path=path)) == {"model": sent, "n": 1}
    agreeing = b'{"model": "gpt-4o" }'
    if sent == "gpt-4o":
        assert agreeing == _body(member, agreeing, path=path)


@pytest.mark.parametrize("member", [member_on(AZURE), member_on(AZURES_OTHER)])
def test_azure_gets_the_model_in_the_body_where_its_path_has_none(member: PoolMember) -> None:
    assert json.loads(_body(member, b"{}", path=RESPONSES)) == {"model": "gpt-4o"}


@pytest.mark.parametrize(
    ("member", "named", "sent"),
    [
        (member_on(target()), None, "gpt-4o"),
        (member_on(target(), "mine"), None, "mine"),
        (member_on(target()), "evil", "gpt-4o"),
        (member_on(AZURE, "mine"), "evil", "mine"),
        (member_on(AZURE), None, None),
        (member_on(AZURES_OTHER), None, "gpt-4o"),
    ],
)
def test_the_paths_model_is_written_into_a_form(
    member: PoolMember, named: str | None, sent: str | None
) -> None:
    content_type = b"multipart/form-data; boundary=x"

    def form(model: str | None) -> bytes:
        field = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        return (field.format("model", model) if model else "").encode() + (
            field.format("a", "b") + "--x--"
        ).encode()

    body = form(named)
    _, plan = planned(TRANSCRIPTIONS, peek_form(body, content_type), body)

    assert outgoing_body(plan, member, ask_usage=False) == form(sent)


def test_nothing_is_written_into_a_body_that_names_no_model() -> None:
    body = b'{"input_file_id":"f"}'

    assert body == _body(member_on(target(), ""), body, path="/v1/batches", allowed_models=("gpt-4o",))


def test_a_form_is_renamed_in_place() -> None:
    form = FormModel("m", ((2, 3),), streamed=False, boundary=b"x", begin=0)
    _, plan = planned("/v1/audio/transcriptions", Peek("m", form=form), b"a-m-b")

    def sent(upstream_model: str) -> bytes:
        return whole(outgoing_body(plan, member_on(target(), upstream_model), ask_usage=False))

    assert [sent("whisper"), sent("m"), sent("")] == [b"a-whisper-b", b"a-m-b", b"a-m-b"]


def test_what_is_neither_json_nor_form_is_left_alone() -> None:
    body = b"\x00\x01"

    _, plan = planned("/v1/other", body=body)
    assert body is outgoing_body(plan, member_on(target(), "x"), ask_usage=False)


@pytest.mark.parametrize(
    ("peek", "member", "dialect", "expected"),
    [
        (Peek("m", streamed=True, is_json=True), member_on(target(), ""), openai.CHAT, True),
        (Peek("m", streamed=True, is_json=True), member_on(AZURE, ""), openai.COMPLETIONS, True),
        (Peek("m", streamed=False, is_json=True), member_on(target(), ""), openai.CHAT, False),
        (
            Peek("m", streamed=True, is_json=True, wants_usage=True),
            member_on(target(), ""),
            openai.CHAT,
            False,
        ),
        (
            Peek("m", streamed=True, is_json=True),
            member_on(target(omit_stream_options=True)),
            openai.CHAT,
            False,
        ),
        (Peek("m", streamed=True, is_json=True), member_on(target(), ""), openai.RESPONSES, False),
        (Peek("m", streamed=True, is_json=True), member_on(ANTHROPIC, ""), openai.CHAT, False),
        (Peek("m", streamed=True, is_json=True), member_on(target(), ""), anthropic.MESSAGES, False),
    ],
)
def test_usage_is_asked_for_where_a_stream_would_carry_none(
    peek: Peek, member: PoolMember, dialect: Dialect, expected: bool
) -> None:
    assert expected is asks_usage(peek, member, dialect)
