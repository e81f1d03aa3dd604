"""The outbound proxies that the environment names, and the hosts that are reached without one.

HTTPS_PROXY is for `https:` upstreams, HTTP_PROXY for `http:` ones, ALL_PROXY for both where those are not
set. In lower case they count first. NO_PROXY has the exceptions, as curl, Go and requests read them; where
they differ, as most do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

_VARIABLES = {"http": ("HTTP_PROXY", "ALL_PROXY"), "https": ("HTTPS_PROXY", "ALL_PROXY")}
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_PORTS = {"http": 80, "https": 443}
_WITH_PORT = re.compile(r"(\[[^\]]*\]|[^:]*):([0-9]+)")
# NO_PROXY is a list of names. Some write it as URLs, or in quotes that an environment file keeps.
_AROUND = re.compile(r"(?:https?://)?(.*?)(?:/(?![0-9]+(?::[0-9]+)?$).*)?", re.DOTALL)
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_MAPPED = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class EnvironmentProxy:
    """A proxy, and the variable that names it. `url` may hold a password, `shown` does not."""

    variable: str
    url: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The proxy as people may see it: without credentials."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@dataclass(frozen=True, slots=True)
class _Exception:
    """Hosts that are reached directly: a network, or a name with all below it; `port` 0 is any.

    No name is every host.
    """

    network: IPv4Network | IPv6Network | None
    name: str
    port: int

    def covers(self, host: str, address: IPv4Address | IPv6Address | None, port: int) -> bool:
        if self.port and self.port != port:
            return False
        if self.network is not None:
            return address is not None and address in self.network
        if not self.name:
            return True
        return address is None and (host == self.name or host.endswith(f".{self.name}"))


@dataclass(frozen=True, slots=True)
class EnvironmentProxies:
    """The proxies by the scheme of what is called. Loopback has one, too, unless `exceptions` cover it.

    `unread` are the items of NO_PROXY that no host can match.
    """

    proxies: Mapping[str, EnvironmentProxy] = field(default_factory=dict)
    exceptions: tuple[_Exception, ...] = ()
    unread: tuple[str, ...] = ()

    def proxy_for(self, url: str) -> EnvironmentProxy | None:
        """Return the proxy for what is at a URL; None if it is called directly."""
        parts = urlsplit(url)
        found = self.proxies.get(parts.scheme)
        if found is None or not parts.hostname:
            return None
        host = _ascii(parts.hostname.rstrip("."))
        address, port = _address(host), parts.port or _PORTS[parts.scheme]
        return None if any(it.covers(host, address, port) for it in self.exceptions) else found


NO_PROXIES = EnvironmentProxies()


def read_proxies(environment: Mapping[str, str]) -> EnvironmentProxies:
    """Return what an environment says.

    Raises ValueError, whose message names the variable and not its value, for a URL that can't be used.
    """
    proxies = {}
    for scheme, names in _VARIABLES.items():
        for name in names:
            if url := _value(environment, name):
                proxies[scheme] = EnvironmentProxy(name, _checked(name, url))
                break
    items = [item for item in re.split(r"[,;|\s]+", _value(environment, "NO_PROXY")) if item]
    read = {item: _exception(item) for item in items}
    exceptions = tuple(it for it in read.values() if it is not None)
    return EnvironmentProxies(proxies, exceptions, tuple(item for item, it in read.items() if it is None))


def _value(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name.lower()) or environment.get(name) or "").strip()


def _checked(name: str, url: str) -> str:
    if "://" not in url:
        url = f"http://{url}"
    problem = f"{name}: the proxy's URL can't be used; expected http://HOST:PORT, or https://"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ValueError(problem) from None
    if parts.scheme not in _PORTS or not usable or parts.path not in {"", "/"} or parts.query:
        raise ValueError(problem)
    return f"{parts.scheme}://{parts.netloc}"


def _exception(item: str) -> _Exception | None:
    """Return what an item of NO_PROXY covers; None if it can be no host."""
    around = _AROUND.fullmatch(item.strip("\"'").lower())
    item, port = around[1] if around else item, 0
    if (network := _network(item)) is None:
        if with_port := _WITH_PORT.fullmatch(item):
            item, port = with_port[1], int(with_port[2])
        network = _network(item)
    if network is not None or item == "*":
        return _Exception(network, "", port)
    name = _ascii(item.removeprefix("*").strip("."))
    # A last part of digits alone is an address, and no name (RFC 1123, 2.1).
    if not _NAME.fullmatch(name) or name.rpartition(".")[2].isdigit():
        return None
    return _Exception(None, name, port)


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        found = ip_network(re.sub(r"^\[([^\]]*)\](?=/|$)", r"\1", text), strict=False)
    except ValueError:
        return None
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        return IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
    return found


def _ascii(name: str) -> str:
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
