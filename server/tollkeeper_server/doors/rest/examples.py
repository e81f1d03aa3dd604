"""The examples of `/openapi.json`. Together they are one configuration; the API accepts each of them."""

from tollkeeper_server.doors.rest.json import Json

_PROJECT = "prj_01kb3f7m2q9v5x8z4n6t0r1w3y"
_TOKEN = "tok_01kb3f8c7d2e4g6h8j0k1m3n5p"  # noqa: S105 - how ids look, not a secret

BODIES: dict[str, dict[str, Json]] = {
    "ApplyConfiguration": {
        "configuration": {
            "upstreams": [{"name": "openai", "provider": "openai", "api_key": "sk-proj-0123456789"}],
            "models": [{"name": "gpt-4o", "deployments": [{"upstream": "openai"}]}],
        },
        "dry_run": True,
    },
    "ExplainRequest": {
        "model": "gpt-4o",
        "path": "/v1/chat/completions",
        "token": _TOKEN,
        "headers": [{"name": "X-Team", "value": "research"}],
    },
    "CreateUpstream": {
        "name": "openai",
        "provider": "openai",
        "api_key": "sk-proj-0123456789",
        "timeouts": {"connect": "5s", "first_byte": "120s"},
    },
    "UpdateUpstream": {"timeouts": {"connect": "2s"}, "update_mask": "timeouts"},
    "TestUpstream": {"name": "openai"},
    "ResetBreaker": {},
    "CreateGroup": {
        "name": "general",
        "members": [{"upstream": "openai", "weight": 3}],
        "policy": {"strategy": "weighted_round_robin", "retry": {"attempts": 2}},
    },
    "UpdateGroup": {"policy": {"strategy": "failover"}, "update_mask": "policy"},
    "CreateModel": {
        "name": "gpt-4o",
        "aliases": ["gpt-4"],
        "deployments": [{"upstream": "openai", "upstream_model": "gpt-4o-2024-08-06"}],
        "prices": [{"rates": {"input": 2.5, "cached": 1.25, "output": 10}}],
    },
    "UpdateModel": {"aliases": ["gpt-4", "default"], "update_mask": "aliases"},
    "RepriceUsage": {
        "start_time": "2026-11-01T00:00:00Z",
        "end_time": "2026-12-01T00:00:00Z",
        "model": "gpt-4o",
        "dry_run": True,
    },
    "CreateListener": {
        "name": "tenant-a",
        "address": "127.0.0.1:3001",
        "default_group": "general",
        "rules": [{"path": "/v1/embeddings", "group": "general"}],
        "ip_limit": {"per_second": 50, "burst": 100},
    },
    "UpdateListener": {"is_active": False, "update_mask": "is_active"},
    "UpdateGateway": {
        "limits": [
            {"measure": "concurrent_requests", "amount": 200},
            {"measure": "money", "dollars": "500", "period": "month", "zone": "Europe/Berlin"},
        ],
        "update_mask": "limits",
    },
    "CreateProject": {"name": "Support bot"},
    "UpdateProject": {"name": "Support bots", "update_mask": "name"},
    "CreateToken": {
        "project_id": _PROJECT,
        "name": "production",
        "duration_minutes": 1440,
        "max_requests": 10000,
        "allowed_models": ["gpt-4o"],
        "limits": [{"measure": "requests_per_minute", "amount": 60, "burst": 20}],
        "description": "The bot that answers customers",
        "labels": {"team": "support"},
    },
    "UpdateToken": {"is_active": False, "update_mask": "is_active"},
    "BatchRevokeTokens": {"ids": [_TOKEN]},
    "RotateToken": {},
    "RevokeProjectTokens": {},
    "RevokeAllSessions": {"keep_current": True},
}
"""The bodies, by method."""

_NAMES = {"Upstream": "openai", "Group": "general", "Model": "gpt-4o", "Listener": "tenant-a"}
_OF_UPSTREAMS = {"ResetBreaker", "ListUpstreamModels", "ListReferences"}
_IDS = {
    "Project": _PROJECT,
    "ProjectTokens": _PROJECT,
    "Token": _TOKEN,
    "Session": "ses_01kb3f9x4y5z6a7b8c9d0e1f2g",
    "UsageEvent": "req_01kb3f9a1b2c3d4e5f6g7h8j9k",
}
_FIELDS: dict[str, Json] = {
    "page_size": 50,
    "active_only": True,
    "is_active": True,
    "search": "support",
    "order_by": "created_at desc",
    "with_total": True,
    "states": ["active", "expiring"],
    "labels": {"team": "support"},
    "ids": [_PROJECT],
    "project_id": _PROJECT,
    "token_id": _TOKEN,
    "model": "gpt-4o",
    "upstream": "openai",
    "request_id": "req_01kb3f9a1b2c3d4e5f6g7h8j9k",
    "after_id": "req_01kb3f9a1b2c3d4e5f6g7h8j9k",
    "start_time": "2026-01-01T00:00:00Z",
    "end_time": "2026-02-01T00:00:00Z",
    "group_by": ["model", "day"],
    "project_ids": [_PROJECT],
    "token_ids": [_TOKEN],
    "models": ["gpt-4o"],
    "upstreams": ["openai"],
    "endpoints": ["chat_completions"],
    "error_codes": ["upstream_timeout"],
    "statuses": ["429", "5xx"],
    "streamed": True,
    "time_zone": "Europe/Berlin",
    "top": 5,
    "compare_previous": True,
    "percentiles": True,
    "validate_only": False,
    "kind": "upstream",
    "entity_id": "openai",
    "from_revision": "41",
    "to_revision": "42",
    "scope": "model",
    "scope_id": "gpt-4o",
    "budgets_only": True,
    "max_results": 20,
}
_VERBS = ("Get", "Update", "Delete", "Revoke", "Rotate")


def parameter(method: str, field: str) -> Json:
    """Return the example of a parameter in a method's path or query, None if there can be none."""
    if field == "name" and method in _OF_UPSTREAMS:
        return _NAMES["Upstream"]
    if field == "order_by" and method == "SummarizeUsage":
        return "requests"
    if field in {"name", "id"}:
        kind = next((method.removeprefix(verb) for verb in _VERBS if method.startswith(verb)), method)
        return _NAMES[kind] if field == "name" else _IDS[kind]
    return _FIELDS.get(field)
