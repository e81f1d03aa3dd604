"""llmproxy's config.yaml: forwards become listeners, upstream_groups groups, upstreams upstreams."""

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration

from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.configuration.tree import Node, read_tree
from tollkeeper.imports.imported import Imported, as_secret, left_out
from tollkeeper.imports.llmproxy_indentation import indent_strays
from tollkeeper.imports.llmproxy_overrides import override
from tollkeeper.imports.llmproxy_upstreams import read_upstream
from tollkeeper.imports.names import Names
from tollkeeper.imports.section import Section, wrong
from tollkeeper.v1 import group_service_pb2, listener_service_pb2, traffic_pb2
from tollkeeper.v1.configuration_service_pb2 import Configuration
from tollkeeper.v1.upstream_service_pb2 import CreateUpstreamRequest

_STRATEGIES = {
    "": traffic_pb2.STRATEGY_ROUND_ROBIN,
    "roundrobin": traffic_pb2.STRATEGY_ROUND_ROBIN,
    "weighted_roundrobin": traffic_pb2.STRATEGY_WEIGHTED_ROUND_ROBIN,
    "random": traffic_pb2.STRATEGY_RANDOM,
    "response_aware": traffic_pb2.STRATEGY_RESPONSE_AWARE,
    "failover": traffic_pb2.STRATEGY_FAILOVER,
}
_DEFAULT_PORT = 3000
_LONGEST_WAIT = 8  # seconds between attempts, unless a policy says otherwise


def import_llmproxy(text: str, environment: Mapping[str, str]) -> Imported:
    """Read a config.yaml, overridden by variables such as LLMPROXY_UPSTREAMS__0__AUTH__TOKEN.

    Raises `ConfigurationError` for a file that llmproxy could not have used.
    """
    return _Import().read(text, environment)


class _Import:
    def __init__(self) -> None:
        self._configuration = Configuration()
        self._notes: list[str] = []
        self._upstream_names, self._group_names, self._listener_names = Names(), Names(), Names()
        self._upstreams: dict[str, CreateUpstreamRequest] = {}  # by the name in the file
        self._groups: dict[str, str] = {}  # our names by those in the file
        self._proxies: dict[str, dict[str, str]] = {}  # upstream names by proxy, by the name in the file

    def read(self, text: str, environment: Mapping[str, str]) -> Imported:
        root = self._tree(text)
        self._notes += override(root, environment)
        top = Section(root)
        for section in top.sections("upstreams"):
            self._upstream(section)
        groups = top.sections("upstream_groups")
        for section in groups:
            self._group(section)
        server = top.section("http_server")
        for section in (*server.sections("forwards"), *top.sections("forwards")):
            self._listener(section)
        self._admin(server)
        self._notes += left_out(top.left())
        if self._configuration.listeners:
            self._notes.append(
                "llmproxy let everybody in: callers now need a token in the place of their API key; "
                "`tollkeeper project create` and `tollkeeper token create` make one"
            )
        return Imported(self._configuration, tuple(self._notes))

    def _tree(self, text: str) -> Node | None:
        try:
            return read_tree(text)
        except ConfigurationError:
            mended, lines = indent_strays(text)
            if not lines:
                raise
        for line in lines:
            self._notes.append(
                f"line {line}: stood beside the entry that it belongs to; it was read as part of it"
            )
        return read_tree(mended)

    def _upstream(self, section: Section) -> None:
        name = section.required("name")
        if name in self._upstreams:
            raise wrong(section.where("name"), "is the name of another upstream, too")
        ours = self._renamed(section, name, self._upstream_names)
        upstream, notes = read_upstream(section, ours)
        self._notes += notes
        self._configuration.upstreams.append(upstream)
        self._upstreams[name] = self._configuration.upstreams[-1]  # a copy: what its groups say is set there

    def _group(self, section: Section) -> None:
        name = section.required("name")
        if name in self._groups:
            raise wrong(section.where("name"), "is the name of another group, too")
        group = self._configuration.groups.add(name=self._renamed(section, name, self._group_names))
        self._groups[name] = group.name
        strategy = section.section("balance").text("strategy")
        if strategy not in _STRATEGIES:
            known = ", ".join(filter(None, _STRATEGIES))
            raise wrong(f"{section.path}.balance.strategy", f"must be one of {known}")
        group.policy.strategy = _STRATEGIES[strategy]
        client = section.section("http_client")
        self._client(client, group.policy)
        proxy = client.section("proxy")
        url = as_secret(proxy.text("url"))
        if proxy.flag("enabled") is False:
            url = ""
        self._members(section, group, url)

    def _members(self, section: Section, group: group_service_pb2.CreateGroupRequest, proxy: str) -> None:
        members = section.sections("upstreams")
        if not members:
            raise wrong(section.where("upstreams"), "a group needs at least one")
        is_weighted = group.policy.strategy == traffic_pb2.STRATEGY_WEIGHTED_ROUND_ROBIN
        found: dict[str, group_service_pb2.Member] = {}
        for member in members:
            upstream = self._behind(member.required("name"), proxy, group.name)
            weight = member.integer("weight")
            if upstream in found:
                self._notes.append(
                    f"{member.path}: is a member twice; once is all there is, with both weights"
                )
                if is_weighted:
                    found[upstream].weight += weight or 1
                continue
            found[upstream] = group_service_pb2.Member(upstream=upstream)
            if is_weighted:
                found[upstream].weight = weight or 1
            elif weight is not None:
                self._notes.append(f"{member.where('weight')}: means nothing to this strategy; left out")
        group.members.extend(found.values())

    def _behind(self, name: str, proxy: str, group: str) -> str:
        """Return the upstream reached through that proxy: itself, or a copy if it has another proxy."""
        upstream = self._upstreams.get(name)
        if upstream is None:  # one that is not in this file may be configured already
            if proxy:
                self._notes.append(
                    f"upstream {name} is not in the file: give it the proxy of group {group} yourself"
                )
            return name
        names = self._proxies.setdefault(name, {})
        if not names:
            names[proxy] = upstream.name
            upstream.proxy_url = proxy
        if proxy not in names:
            copy = self._configuration.upstreams.add()
            copy.CopyFrom(upstream)
            copy.name = names[proxy] = self._upstream_names.new(f"{upstream.name}-{group}")
            copy.proxy_url = proxy
            self._notes.append(
                f"upstream {copy.name} is a copy of {upstream.name}: here, proxies belong to upstreams, "
                f"and group {group} has another one"
            )
        return names[proxy]

    def _client(self, client: Section, policy: traffic_pb2.TrafficPolicy) -> None:
        policy.user_agent = client.text("agent")
        keepalive = client.integer("keepalive")
        if keepalive == 0:
            self._notes.append(f"{client.where('keepalive')}: TCP's keep-alive can't be turned off; left out")
        elif keepalive is not None:
            policy.keep_alive.FromSeconds(keepalive)
        stream = client.flag("stream")
        if stream is None:
            stream = client.flag("stream_mode")
        if stream is False:
            self._notes.append(
                f"{client.where('stream')}: the request time-out holds for answers that are not streamed; "
                "streams are always relayed as they come, and end by the idle time-out"
            )
        timeout = client.section("timeout")
        for name in ("connect", "request", "idle"):
            seconds = timeout.integer(name)
            if seconds is not None:
                getattr(policy.timeouts, name).FromSeconds(seconds)
        self._retry(client.section("retry"), policy)

    def _retry(self, retry: Section, policy: traffic_pb2.TrafficPolicy) -> None:
        attempts, initial = retry.integer("attempts"), retry.integer("initial")
        if not retry.is_there or retry.flag("enabled") is False:
            return
        policy.retry.attempts = 3 if attempts is None else attempts
        policy.retry.initial.FromMilliseconds(500 if initial is None else initial)
        if policy.retry.initial.seconds >= _LONGEST_WAIT:
            policy.retry.max.CopyFrom(Duration(seconds=120))  # llmproxy's

    def _listener(self, section: Section) -> None:
        name = section.required("name")
        host = section.text("address", "0.0.0.0")  # noqa: S104 - llmproxy's default
        port = section.integer("port")
        listener = self._configuration.listeners.add(
            name=self._renamed(section, name, self._listener_names),
            address=f"{f'[{host}]' if ':' in host else host}:{_DEFAULT_PORT if port is None else port}",
        )
        group = section.text("default_group") or section.text("upstream_group")
        listener.default_group = self._groups.get(group, group)
        for rule in section.sections("routing"):
            group = rule.required("target_group")
            listener.rules.append(
                listener_service_pb2.Rule(path=rule.required("path"), group=self._groups.get(group, group))
            )
        limit = section.section("ratelimit")
        enabled, per_second, burst = (
            limit.flag("enabled"),
            limit.integer("per_second"),
            limit.integer("burst"),
        )
        if limit.is_there and enabled is not False:
            listener.ip_limit.per_second = 100 if per_second is None else per_second
            listener.ip_limit.burst = 200 if burst is None else burst
            if enabled is None:
                self._notes.append(
                    f"{limit.path}: does not say whether it is enabled; it was imported as a limit"
                )
        seconds = section.section("timeout").integer("connect")
        if seconds is not None:
            listener.head_timeout.FromSeconds(seconds)

    def _admin(self, server: Section) -> None:
        admin = server.section("admin")
        if not admin.is_there:
            return
        host, port = admin.text("address"), admin.integer("port")
        where = f"{host or '0.0.0.0'}:{port or 9000}"  # noqa: S104 - llmproxy's default
        self._notes.append(
            f"{admin.path}: /health, /metrics and the management API are on the console's port; "
            f"start the server with TOLLKEEPER_CONSOLE_ADDRESS={where} to have them where they were"
        )

    def _renamed(self, section: Section, name: str, names: Names) -> str:
        ours = names.new(name)
        if ours != name:
            self._notes.append(
                f"{section.where('name')}: has characters that names can't have; it is {ours} now"
            )
        return ours
