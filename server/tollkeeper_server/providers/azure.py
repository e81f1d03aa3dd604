"""Azure OpenAI."""

import re
from urllib.parse import quote, unquote, unquote_to_bytes

import msgspec

from tollkeeper_server.domain.upstream import AuthScheme, Provider
from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.providers.provider import Address, Draft, ProviderRecord, with_header

_KEY_HEADER = "api-key"
_PREFIX = "/openai"
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)(/.+)")
# Where Azure has the deployment in the path; elsewhere it stands in the body, as with OpenAI.
_BY_DEPLOYMENT = frozenset(
    {
        "audio_speech", "audio_transcriptions", "audio_translations", "chat_completions", "completions",
        "embeddings", "images_edits", "images_generations",
    }
)  # fmt: skip


def _complete(draft: Draft) -> Draft:
    if not draft.base_url:
        raise invalid_argument("base_url", "required for azure, such as https://NAME.openai.azure.com")
    if not draft.api_version:
        raise invalid_argument("api_version", "required for azure, such as 2024-10-21")
    # The portal shows the endpoint with /openai; `_url` adds it to every path.
    return msgspec.structs.replace(draft, base_url=draft.base_url.removesuffix("/openai").rstrip("/"))


def _url(address: Address, path: str, query: str, model: str, endpoint: str) -> str:
    version = f"api-version={quote(address.api_version, safe='')}"
    query = without_api_version(query)
    query = f"{query}&{version}" if query else version
    by_deployment = model and endpoint in _BY_DEPLOYMENT
    place = f"/openai/deployments/{quote(model, safe='')}" if by_deployment else "/openai"
    return f"{address.base_url}{place}{path}?{query}"


def as_openai(path: str) -> tuple[str, str] | None:
    """Return a path of Azure's API as OpenAI has it, and the model that it names, if any.

    None if it is not Azure's.
    """
    if match := _DEPLOYMENT.fullmatch(path):
        return match.group(2), unquote_to_bytes(match.group(1)).decode("utf-8", "replace")
    return (path[len(_PREFIX) :], "") if path.startswith(f"{_PREFIX}/") else None


def with_deployment(path: str, model: str) -> str:
    """Return a path of Azure's API that names a deployment, naming this one."""
    match = _DEPLOYMENT.fullmatch(path)
    if match is None or unquote(match.group(1)) == model:
        return path
    return f"{_PREFIX}/deployments/{quote(model, safe='')}{match.group(2)}"


def without_api_version(query: str) -> str:
    """Return a query without the version that Azure's clients put there."""
    pairs = (pair for pair in query.split("&") if pair)
    return "&".join(pair for pair in pairs if unquote(pair.partition("=")[0]).lower() != "api-version")


AZURE = ProviderRecord(
    provider=Provider.AZURE,
    knows_completion_maximum=True,
    settings=frozenset({"api_version"}),
    complete=_complete,
    credential=with_header(_KEY_HEADER),
    key_header=_KEY_HEADER,
    auth_scheme=AuthScheme.HEADER,
    url=_url,
    models_path="",  # models are called by deployments, which its API for callers does not list
    model_in_path=_BY_DEPLOYMENT,
)
