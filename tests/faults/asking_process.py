"""A caller with a token who asks for one chat after the other, from an address of its own.

python asking_process.py TOKEN URL…

It asks at each URL in turn, and now and then on a new connection. It says `calm` once it has asked as often
as tells what is usual, and goes on until its standard input ends. Then it says how long each call took
(`waits`) at each URL, in seconds, the calm ones first (`calm` of them), and what was answered (`statuses`).
"""

import http.client
import json
import ssl
import sys
import threading
import time
from urllib.parse import urlsplit

OURS = "127.0.0.2", 0
"""Not that of floods: both are this machine."""
WARMING, CALM, AFTER = 10, 40, 10
PAUSE = 0.005
RENEWED = 10
BODY = b'{"model":"gpt-4o","messages":[{"role":"user","content":"one two three"}]}'


class Caller:
    """Asks at one URL."""

    def __init__(self, url: str, token: str) -> None:
        address = urlsplit(url)
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self._connection = (
            http.client.HTTPSConnection(address.netloc, timeout=60, source_address=OURS, context=trusting)
            if address.scheme == "https"
            else http.client.HTTPConnection(address.netloc, timeout=60, source_address=OURS)
        )
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self.waits: list[float] = []
        self.statuses: set[int] = set()

    def ask(self) -> None:
        """Ask once. Every tenth call is on a new connection."""
        if len(self.waits) % RENEWED == 0:
            self._connection.close()
        began = time.perf_counter()
        self._connection.request("POST", "/v1/chat/completions", BODY, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        self.waits.append(time.perf_counter() - began)
        self.statuses.add(answer.status)


def say(text: str) -> None:
    """Say a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(token: str, *urls: str) -> None:
    """Ask until it is enough."""
    enough = threading.Event()
    callers = [Caller(url, token) for url in urls]

    def listen() -> None:
        sys.stdin.read()
        enough.set()

    def ask() -> None:
        for caller in callers:
            caller.ask()
            enough.wait(PAUSE)

    for _ in range(WARMING + CALM):
        ask()
    say("calm")
    threading.Thread(target=listen, daemon=True).start()
    while not enough.is_set():
        ask()
    for _ in range(AFTER):  # what the end of a flood makes others wait is its, too
        ask()
    said = [{"waits": caller.waits[WARMING:], "statuses": sorted(caller.statuses)} for caller in callers]
    say(json.dumps({"calm": CALM, "callers": said}))


if __name__ == "__main__":
    main(*sys.argv[1:])
