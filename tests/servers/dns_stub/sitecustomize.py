"""Has a Python process ask the DNS server that TOLLKEEPER_TEST_DNS names; Python imports this at its start.

Before the process has any thread, it gets a /etc/resolv.conf that only it and its children see. Where that is
not allowed, or the server has another port than DNS's, dnspython takes the place of the C library's look-up.
"""

import ctypes
import os

_CLONE_NEWNS = 0x00020000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000


def _mounts(resolv_conf: str) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare") or libc.unshare(_CLONE_NEWNS):
        return False
    if libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None):
        return False
    return not libc.mount(resolv_conf.encode(), b"/etc/resolv.conf", None, ctypes.c_ulong(_MS_BIND), None)


def _asks() -> None:
    host, port, resolv_conf = os.environ["TOLLKEEPER_TEST_DNS"].split(" ", 2)
    if port == "53" and _mounts(resolv_conf):
        return
    # Hundreds of modules, which other processes don't need.
    import dns.asyncresolver
    import dns.resolver

    asked = dns.resolver.Resolver(configure=False)
    asked_without_threads = dns.asyncresolver.Resolver(configure=False)
    for resolver in (asked, asked_without_threads):
        resolver.nameservers = [host]
        resolver.port = int(port)
        resolver.lifetime = 10.0
    dns.asyncresolver.default_resolver = asked_without_threads  # type: ignore[assignment]  # made when needed
    dns.resolver.override_system_resolver(asked)


if "TOLLKEEPER_TEST_DNS" in os.environ:
    _asks()
