"""LlamaKey's environment: a listener with one path prefix a provider whose key is set."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from tollkeeper.imports.environment_file import read_environment
from tollkeeper.imports.imported import Imported, left_out
from tollkeeper.v1 import upstream_service_pb2
from tollkeeper.v1.configuration_service_pb2 import Configuration
from tollkeeper.v1.upstream_service_pb2 import PROVIDER_GENERIC, PROVIDER_OPENAI

_LISTENER = "llamakey"
_ADDRESS = "127.0.0.1:8000"
_DEFAULT = "openai"


@dataclass(frozen=True, slots=True)
class _Served:
    """A provider: the variable with its key, its prefix at the listener, its URL, what clients set."""

    name: str
    variable: str
    prefix: str
    base_url: str
    client: str
    provider: upstream_service_pb2.Provider.ValueType = PROVIDER_GENERIC


# The path of a request loses its prefix and /v1, and goes below the base URL.
_PROVIDERS = (
    _Served(
        "openai", "OPENAI_API_KEY", "/openai", "https://api.openai.com/v1", "OPENAI_BASE_URL", PROVIDER_OPENAI
    ),
    _Served("cohere", "CO_API_KEY", "/cohere", "https://api.cohere.com/v1", "CO_API_URL"),
    _Served("cohere-v2", "CO_API_KEY", "/cohere/v2", "https://api.cohere.com/v2", ""),
    _Served(
        "anyscale",
        "ANYSCALE_API_KEY",
        "/anyscale",
        "https://api.endpoints.anyscale.com/v1",
        "ANYSCALE_BASE_URL",
    ),
    _Served(
        "huggingface",
        "HF_TOKEN",
        "/huggingface",
        "https://api-inference.huggingface.co",
        "HF_INFERENCE_ENDPOINT",
    ),
    _Served(
        "perplexity", "PERPLEXITY_API_KEY", "/perplexity", "https://api.perplexity.ai", "PERPLEXITY_BASE_URL"
    ),
)
_ALIASES = {"COHERE_API_KEY": "CO_API_KEY"}
_VECTARA = "VECTARA_"


def import_llamakey(text: str) -> Imported:
    """Read an environment file, of lines such as `export OPENAI_API_KEY=…`. Raises `ConfigurationError`."""
    variables = read_environment(text)
    names = {_ALIASES.get(name, name): name for name in variables}
    configuration, notes = Configuration(), []
    address = _address(variables.get("BASE_URL", ""))
    listener = configuration.listeners.add(name=_LISTENER, address=address)
    for served in _PROVIDERS:
        if served.variable not in names:
            continue
        configuration.upstreams.add(
            name=served.name,
            provider=served.provider,
            base_url=served.base_url,
            api_key=f"${{{names[served.variable]}}}",
        )
        configuration.groups.add(name=served.name).members.add(upstream=served.name)
        listener.rules.add(path=f"{served.prefix}/*", group=served.name, strip_prefix=served.prefix)
        if served.name == _DEFAULT:
            listener.default_group = _DEFAULT
        if served.client:
            notes.append(f"clients: export {served.client}=http://{address}{served.prefix}")
    if any(name.startswith(_VECTARA) for name in variables):
        notes.append("VECTARA_…: Vectara wants OAuth, which is not served yet; left out")
    if not configuration.upstreams:
        del configuration.listeners[:]
        notes.append("the file sets none of the keys that LlamaKey knows; there is nothing to import")
    else:
        notes.append(
            "LlamaKey let everybody in: clients now need a token in place of the key that it made up; "
            "`tollkeeper project create` and `tollkeeper token create` make one"
        )
    written = sorted(it.client for it in _PROVIDERS if it.client and it.client in variables)
    if written:
        notes.append(
            f"{', '.join(written)}: this looks like what LlamaKey writes for clients, with made up keys"
        )
    known = {it for served in _PROVIDERS for it in (served.variable, served.client)} | {"BASE_URL", *_ALIASES}
    notes += left_out(sorted(it for it in variables.keys() - known if not it.startswith(_VECTARA)))
    return Imported(configuration, tuple(notes), variables)


def _address(base_url: str) -> str:
    """Return where LlamaKey listened: where its BASE_URL says."""
    try:
        parts = urlsplit(base_url)
        return f"{parts.hostname}:{parts.port}" if parts.hostname and parts.port else _ADDRESS
    except ValueError:
        return _ADDRESS
