"""A small DNS server, and processes that ask it instead of the machine's.

A process asks it by the C library if it may mount a /etc/resolv.conf of its own, else by dnspython in the C
library's place (dns_stub/sitecustomize.py). Either way real questions and answers go over UDP.
"""

import contextlib
import os
import socket
import threading
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

_STUB = Path(__file__).parent / "dns_stub"
_DNS_PORT = 53


class Says(Enum):
    """What the server does about a name that it does not answer with addresses."""

    NOTHING = "nothing"
    """Leave the question without an answer."""
    FAILURE = "failure"
    """SERVFAIL."""
    ABSENT = "absent"
    """NXDOMAIN."""


class DnsServer:
    """Answers for the names that it is given; `mood` is for all names, if there is one."""

    def __init__(self, directory: Path) -> None:
        """Listen. `directory` is for the files of those who ask."""
        self._directory = directory
        self.names: dict[str, list[str] | Says] = {}
        self.services: dict[str, tuple[str, int]] = {}
        """SRV records: the name of a host and its port, by the full name of the service."""
        self.mood: Says | None = None
        self.asked: Counter[str] = Counter()
        """Questions for addresses of either family, by name."""
        self._socket, self.address = _listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def environment(self) -> dict[str, str]:
        """Return what a Python process has in its environment to ask this server."""
        host, port = self.address
        resolv_conf = self._directory / "resolv.conf"
        resolv_conf.write_text(f"nameserver {host}\n", encoding="ascii")
        paths = [str(_STUB), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths)),
            "TOLLKEEPER_TEST_DNS": f"{host} {port} {resolv_conf}",
        }

    def _serve(self) -> None:
        while True:
            try:
                data, peer = self._socket.recvfrom(4096)
            except OSError:
                return
            if not data:  # it was shut down
                return
            answer = self._answer(dns.message.from_wire(data))
            if answer is not None:
                with contextlib.suppress(OSError):
                    self._socket.sendto(answer.to_wire(), peer)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        if question.rdtype in {dns.rdatatype.A, dns.rdatatype.AAAA}:
            self.asked[name] += 1
        known = self.mood or self.names.get(name, Says.ABSENT)
        answer = dns.message.make_response(query, recursion_available=True)
        if question.rdtype == dns.rdatatype.SRV and name in self.services and self.mood is None:
            host, port = self.services[name]
            answer.answer.append(
                dns.rrset.from_text(
                    question.name, 0, dns.rdataclass.IN, dns.rdatatype.SRV, f"0 0 {port} {host}."
                )
            )
        elif known is Says.NOTHING:
            return None
        elif isinstance(known, Says):
            answer.set_rcode(dns.rcode.SERVFAIL if known is Says.FAILURE else dns.rcode.NXDOMAIN)
        else:
            kinds = {dns.rdatatype.A: ".", dns.rdatatype.AAAA: ":"}
            mark = kinds.get(question.rdtype)
            found = [address for address in known if mark is not None and mark in address]
            if found:
                answer.answer.append(
                    dns.rrset.from_text(question.name, 0, dns.rdataclass.IN, question.rdtype, *found)
                )
        return answer


def _listen() -> tuple[socket.socket, tuple[str, int]]:
    """Return a socket at an address for a resolv.conf, which can't tell ports; else at any port."""
    for number in range(2, 250):
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            bound.bind((f"127.53.0.{number}", _DNS_PORT))
        except PermissionError:
            bound.close()
            break
        except OSError:
            bound.close()
        else:
            return bound, bound.getsockname()
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind(("127.0.0.1", 0))
    return bound, bound.getsockname()
