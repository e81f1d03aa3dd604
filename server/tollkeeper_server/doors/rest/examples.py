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
        "price": {"prompt": 2500, "completion": 10000, "cached": 1250},
    },
    "UpdateModel": {"aliases": ["gpt-4", "default"], "update_mask": "aliases"},
    "CreateListener": {
        "name": "tenant-a",
        "address": "127.0.0.1:3001",
        "default_group": "general",
        "rules": [{"path": "/v1/embeddings", "group": "general"}],
        "ip_limit": {"per_second": 50, "burst": 100},
    },
    "UpdateListener": {"is_active": False, "update_mask": "is_active"},
    "CreateProject": {"name": "Support bot"},
    "UpdateProject": {"name": "Support bots", "update_mask": "name"},
    "CreateToken": {
        "project_id": _PROJECT,
        "name": "production",
        "duration_minutes": 1440,
        "max_requests": 10000,
        "allowed_models": ["gpt-4o"],
    },
    "UpdateToken": {"is_active": False, "update_mask": "is_active"},
    "RotateToken": {},
    "RevokeProjectTokens": {},
}
"""The bodies, by method."""

_NAMES = {"Upstream": "openai", "Group": "general", "Model": "gpt-4o", "Listener": "tenant-a"}
_IDS = {"Project": _PROJECT, "ProjectTokens": _PROJECT, "Token": _TOKEN}
_FIELDS: dict[str, Json] = {
    "page_size": 50,
    "active_only": True,
    "project_id": _PROJECT,
    "token_id": _TOKEN,
    "model": "gpt-4o",
    "upstream": "openai",
    "request_id": "req_01kb3f9a1b2c3d4e5f6g7h8j9k",
    "start_time": "2026-01-01T00:00:00Z",
    "end_time": "2026-02-01T00:00:00Z",
    "group_by": ["model", "day"],
}
_VERBS = ("Get", "Update", "Delete", "Revoke", "Rotate")


def parameter(method: str, field: str) -> Json:
    """Return the example of a parameter in a method's path or query, None if there can be none."""
    if field in {"name", "id"}:
        kind = next((method.removeprefix(verb) for verb in _VERBS if method.startswith(verb)), method)
        return _NAMES[kind] if field == "name" else _IDS[kind]
    return _FIELDS.get(field)
