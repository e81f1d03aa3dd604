"""Sessions of the console: their secrets where they belong, and in every place where they don't."""

import json

import httpx2

from tests.faults.canaries import Watched
from tests.faults.traffic import PATIENCE
from tests.integration.process import MANAGEMENT_TOKEN

SESSION = "/admin/session"
LIST = "/tollkeeper.v1.SessionService/ListSessions"


def use_sessions(watched: Watched) -> None:
    """Sign in and out, rightly and wrongly, and keep every answer but the header that sets the cookie."""
    console = watched.gateway.console
    page = {"origin": console, "sec-fetch-site": "same-origin", "content-type": "application/json"}
    sign_in = json.dumps({"token": MANAGEMENT_TOKEN})
    with httpx2.Client(base_url=console, timeout=PATIENCE, trust_env=False) as client:
        for name in ("the first session", "the session"):
            answer = client.post(SESSION, headers=page, content=sign_in)
            assert answer.status_code == 200, answer.text
            cookie = answer.headers.pop("set-cookie").partition(";")[0]
            watched.canaries[name] = cookie.partition("=")[2]
            watched.replies.append(f"{answer.headers.multi_items()!r} {answer.text}")
            client.cookies.clear()
        secret, held = watched.canaries["the session"], page | {"cookie": cookie}
        called = held | {"connect-protocol-version": "1"}
        watched.note(client.get(SESSION, headers=held))
        told = watched.note(client.post(LIST, headers=called, content=b"{}"))
        assert told.status_code == 200, told.text
        for elsewhere in (
            "/manage/sessions",
            "/v1/models",
            f"/manage/sessions/{secret}",
            f"/{secret}",
            "/metrics",
        ):
            watched.note(client.get(elsewhere, headers=held))
            watched.note(client.get(elsewhere, headers={"authorization": f"Bearer {secret}"}))
        for body in (sign_in[:-1], f"[{sign_in}]", f'{{"id": "{secret}"}}'):
            watched.note(client.post(SESSION, headers=page, content=body))
            watched.note(client.post(LIST, headers=called, content=body))
        watched.note(client.post(SESSION, headers=page, content=sign_in.replace("token", secret)))
        watched.note(client.post(SESSION, headers=page, content=json.dumps({"token": secret})))
        watched.note(client.post(SESSION, headers=page | {"sec-fetch-site": "cross-site"}, content=sign_in))
        watched.note(client.post(SESSION, headers=page | {"content-type": "text/plain"}, content=sign_in))
        watched.note(client.delete(SESSION, headers=held))
        watched.note(client.get(SESSION, headers=held))
        watched.note(client.post(LIST, headers=called, content=b"{}"))


def fail_sessions(watched: Watched) -> None:
    """Sign in, call and sign out while the store is away."""
    console = watched.gateway.console
    page = {"origin": console, "sec-fetch-site": "same-origin", "content-type": "application/json"}
    port = console.rpartition(":")[2]
    held = page | {"cookie": f"tollkeeper_session_{port}={watched.canaries['the first session']}"}
    with httpx2.Client(base_url=console, timeout=PATIENCE, trust_env=False) as client:
        answers = [
            client.post(SESSION, headers=page, content=json.dumps({"token": MANAGEMENT_TOKEN})),
            client.get(SESSION, headers=held),
            client.post(LIST, headers=held | {"connect-protocol-version": "1"}, content=b"{}"),
            client.delete(SESSION, headers=held),
        ]
    assert [it.status_code for it in answers] == [503] * len(answers)
    for answer in answers:
        watched.note(answer)
