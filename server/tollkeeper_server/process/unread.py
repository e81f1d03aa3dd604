"""Variables of other gateways, or of proxies, that this server does not read; they are told at start."""

import logging
from collections.abc import Mapping

from tollkeeper_server.domain.environment_proxies import PROXY_VARIABLES, EnvironmentProxies
from tollkeeper_server.settings import ENV_PREFIX

_log = logging.getLogger("tollkeeper.process")

_UPSTREAM = "`tollkeeper upstream create`"
# What to use instead; nothing if there is no counterpart.
_INSTEAD = {
    "LISTEN_ADDR": f"{ENV_PREFIX}DATA_ADDRESS",
    "DB_DRIVER": f"{ENV_PREFIX}STORE",
    "DATABASE_URL": f"{ENV_PREFIX}STORE",
    "DATABASE_PATH": f"{ENV_PREFIX}STORE",
    "REDIS_ADDR": f"{ENV_PREFIX}REDIS",
    "REDIS_DB": f"{ENV_PREFIX}REDIS",
    "REDIS_CACHE_URL": f"{ENV_PREFIX}REDIS",
    "ENCRYPTION_KEY": f"{ENV_PREFIX}ENCRYPTION_KEY",
    "LOG_LEVEL": f"{ENV_PREFIX}LOG_LEVEL",
    "ADMIN_KEY": f"{ENV_PREFIX}MANAGEMENT_TOKEN",
    "LLMPROXY_ADMIN_AUTH_TOKEN": f"{ENV_PREFIX}MANAGEMENT_TOKEN",
    "APP_REQUESTS_TIMEOUT": "`tollkeeper import llamaxing`",
    "AUTH_METHOD": "`tollkeeper import llamaxing`",
    "LLM_DEFAULT_URL": _UPSTREAM,
    "LLM_BASE_URL": _UPSTREAM,
    "INFERENCE_KEY": _UPSTREAM,
    "SIDECAR_UPSTREAM_URL": _UPSTREAM,
}
_WITHOUT_COUNTERPART = frozenset(
    {
        "ADMIN_PASSWORD", "ADMIN_USER", "APP_MODE", "AUDIT_CREATE_DIR", "AUDIT_ENABLED", "AUDIT_LOG_FILE",
        "AUDIT_STORE_IN_DB", "DATABASE_CONN_MAX_LIFETIME", "DATABASE_MAX_IDLE_CONNS", "DATABASE_POOL_SIZE",
        "FILE_EVENT_LOG", "IDENTITY_STORE", "LLM_PROXY_API_KEY", "LLM_PROXY_EVENT_BUS", "LOGGING_CLIENT",
        "LOG_FILE", "LOG_MAX_BACKUPS", "LOG_MAX_SIZE_MB", "OBSERVABILITY_BUFFER_SIZE",
        "OBSERVABILITY_ENABLED", "REDIS_CACHE_KEY_PREFIX", "REDIS_CONSUMER_GROUP",
    }
)  # fmt: skip
_PREFIXES = ("AUTH_METHOD_", "HTTP_CACHE_", "SIDECAR_AUTH_METHOD")


def unread(environment: Mapping[str, str], *, reads_proxies: bool = False) -> list[str]:
    """Return the variables of other gateways that are set to something, each with what to use instead.

    One is left out if the setting that takes its place is set, too; unless `reads_proxies`, those that name
    outbound proxies are among them. No value is told: it may be a secret.
    """
    told = []
    if not reads_proxies:
        told = [
            f"{name} (set {ENV_PREFIX}PROXY_FROM_ENVIRONMENT to use it)"
            for name in sorted(environment)
            if environment[name] and name.upper() in PROXY_VARIABLES
        ]
    for name in sorted(environment):
        if not environment[name]:
            continue
        instead = _INSTEAD.get(name)
        if instead and not environment.get(instead):
            told.append(f"{name} (use {instead})")
        elif not instead and (name in _WITHOUT_COUNTERPART or name.startswith(_PREFIXES)):
            told.append(name)
    return told


def tell_unread(environment: Mapping[str, str], *, reads_proxies: bool) -> None:
    """Log the variables that are set and have no effect, if there are any."""
    if told := unread(environment, reads_proxies=reads_proxies):
        _log.warning("set in the environment, but not read: %s", ", ".join(told))


def tell_unmatched(proxies: EnvironmentProxies) -> None:
    """Log the items of NO_PROXY that have no effect, if there are any."""
    if proxies.unread:
        told = ", ".join(proxies.unread)
        _log.warning("NO_PROXY: no host can match %s; give names, addresses and networks", told)
