"""Llamaxing's models.json, identities.json and .env: models, their upstreams, projects and tokens."""

import re
from collections import ChainMap
from collections.abc import Mapping, MutableMapping, Sequence

from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.configuration.references import references_in
from tollkeeper.configuration.tree import Mapping as MappingNode
from tollkeeper.configuration.tree import Node
from tollkeeper.configuration.tree import Sequence as SequenceNode
from tollkeeper.imports.environment_file import read_environment
from tollkeeper.imports.imported import Imported, as_secret, left_out
from tollkeeper.imports.json_tree import read_json
from tollkeeper.imports.names import Names
from tollkeeper.imports.section import Section, sections, wrong
from tollkeeper.messages.fields import words_of
from tollkeeper.v1 import model_service_pb2, upstream_service_pb2
from tollkeeper.v1.configuration_service_pb2 import Configuration

_CAPABILITIES = words_of(model_service_pb2.Capability.DESCRIPTOR)
_OBJECT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TOKEN = "llamaxing"  # noqa: S105 - a token's name
_SETTINGS = frozenset(
    {"APP_MODE", "APP_REQUESTS_TIMEOUT", "AUTH_METHOD", "AUTH_METHOD_APIKEY_HEADER_NAME", "LOGGING_CLIENT"}
)
# What names and values of labels, and descriptions, may be.
_OTHER = re.compile(r"[^a-z0-9_-]+")
_LONGEST_NAME, _LONGEST_VALUE, _MOST_LABELS, _LONGEST_DESCRIPTION = 63, 128, 32, 512
_METHODS = frozenset({"apikey", "jwt", "none"})
_KEY_HEADERS = frozenset({"authorization", "api-key", "x-api-key"})


def import_llamaxing(texts: Sequence[str], environment: Mapping[str, str]) -> Imported:
    """Read files in any order: what is in them tells models, identities and settings apart.

    Raises `ConfigurationError` for files that Llamaxing could not have used, and for a variable that is not
    set where its value is needed.
    """
    settings: dict[str, str] = {}
    lists: list[SequenceNode] = []
    for text in texts:
        if text.lstrip()[:1] in {"[", "{"}:
            root = read_json(text)
            if not isinstance(root, SequenceNode):
                raise ConfigurationError("the file must be a list of models or of identities")
            lists.append(root)
        else:
            settings |= {_spelled(name): value for name, value in read_environment(text).items()}
    reader = _Import(ChainMap(dict(environment), settings))
    for found in lists:
        reader.read(found)
    reader.settings()
    reader.notes += left_out(sorted(settings.keys() - _SETTINGS - reader.referred))
    return Imported(reader.configuration, tuple(reader.notes), settings)


class _Import:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self.configuration = Configuration()
        self.notes: list[str] = []
        self.referred: set[str] = set()
        self._variables = variables
        self._names = Names()
        self._upstreams: dict[bytes, str] = {}  # names by what else there is to them
        self._instances: set[str] = set()

    def read(self, found: SequenceNode) -> None:
        if any(_has(item, "auth_key") for item in found.items):
            self._identities(sections(found, "identities"))
        else:
            for section in sections(found, "models"):
                self._model(section)

    def settings(self) -> None:
        """Say what Llamaxing's settings ask for that the configuration can't."""
        variables = self._variables
        header = variables.get("AUTH_METHOD_APIKEY_HEADER_NAME", "")
        if header and header.lower() not in _KEY_HEADERS:
            self.notes.append(
                f"AUTH_METHOD_APIKEY_HEADER_NAME: tokens are read from {', '.join(sorted(_KEY_HEADERS))} only"
            )
        if (mode := variables.get("APP_MODE", "").lower()) == "sidecar":
            self.notes.append("APP_MODE=sidecar: there is no such mode; left out")
        elif mode not in {"", "gateway"}:
            self.notes += left_out(["APP_MODE"])
        if (client := variables.get("LOGGING_CLIENT", "").lower()) == "mongodb":
            self.notes.append("LOGGING_CLIENT=mongodb: requests and answers are not kept; usage events are")
        elif client not in {"", "none"}:
            self.notes += left_out(["LOGGING_CLIENT"])
        seconds = variables.get("APP_REQUESTS_TIMEOUT", "")
        if seconds and not seconds.isdecimal():
            self.notes.append("APP_REQUESTS_TIMEOUT: is no whole number of seconds; left out")
        elif seconds:
            for upstream in self.configuration.upstreams:
                upstream.timeouts.first_byte.FromSeconds(int(seconds))
                upstream.timeouts.idle.FromSeconds(int(seconds))
        if self.configuration.models and not self.configuration.projects:
            self.notes.append(
                "callers need a token: import identities.json as well, or use "
                "`tollkeeper project create` and `tollkeeper token create`"
            )

    def _model(self, section: Section) -> None:
        name = section.required("id")
        model = self.configuration.models.add(name=name)
        model.aliases.extend(dict.fromkeys(it for it in section.texts("aliases") if it != name))
        for capability in section.texts("capabilities"):
            if capability not in _CAPABILITIES:
                raise wrong(section.where("capabilities"), f"must be some of {', '.join(_CAPABILITIES)}")
            if _CAPABILITIES[capability] not in model.capabilities:
                model.capabilities.append(_CAPABILITIES[capability])  # type: ignore[arg-type]  # enums are ints here
        instances = section.sections("instances")
        if not instances:
            raise wrong(section.where("instances"), "a model needs at least one")
        for instance in instances:
            deployment = self._instance(instance)
            if deployment in model.deployments:
                self.notes.append(f"{instance.path}: is the same deployment as one before it; left out")
            else:
                model.deployments.append(deployment)
        self._leave(section)

    def _instance(self, section: Section) -> model_service_pb2.Deployment:
        identity = section.required("id")
        if identity in self._instances:
            raise wrong(section.where("id"), "is the id of another instance, too")
        self._instances.add(identity)
        provider = section.required("provider")
        upstream = upstream_service_pb2.CreateUpstreamRequest()
        upstream_model = ""
        if provider == "openai":
            upstream.provider = upstream_service_pb2.PROVIDER_OPENAI
            upstream.api_key = self._secret(section.required("openai_api_key"))
            upstream.organization = self._value(section, "openai_organization")
        elif provider == "azure":
            upstream.provider = upstream_service_pb2.PROVIDER_AZURE
            upstream.api_key = self._secret(section.required("azure_api_key"))
            upstream.base_url = self._value(section, "azure_endpoint", required=True).rstrip("/")
            upstream.api_version = self._value(section, "azure_api_version", required=True)
            upstream_model = self._value(section, "azure_deployment", required=True)
        else:
            raise wrong(section.where("provider"), "must be azure or openai")
        key = upstream.SerializeToString(deterministic=True)
        if key not in self._upstreams:
            self._upstreams[key] = upstream.name = self._names.new(identity)
            self.configuration.upstreams.append(upstream)
        return model_service_pb2.Deployment(upstream=self._upstreams[key], upstream_model=upstream_model)

    def _secret(self, text: str) -> str:
        """Take a secret; what it refers to stays a reference."""
        secret = as_secret(text)
        self.referred.update(references_in(secret))
        return secret

    def _value(self, section: Section, name: str, *, required: bool = False) -> str:
        """Take a text, with what its references mean: only secrets may have any in our files."""
        text = section.required(name) if required else section.text(name)
        try:
            variables = references_in(text)
        except ValueError:
            raise wrong(section.where(name), "has a ${ that is no reference such as ${NAME}") from None
        self.referred.update(variables)
        for variable in variables:
            value = self._variables.get(variable)
            if not value:
                raise wrong(
                    section.where(name),
                    f"neither the environment nor a .env file among the files has {variable}",
                )
            text = text.replace(f"${{{variable}}}", value)
        return text

    def _identities(self, found: list[Section]) -> None:
        identities = [(it, it.required("id"), it.required("auth_key")) for it in found]
        method = self._variables.get("AUTH_METHOD", "").lower()
        if not method:
            method = "jwt" if all(_OBJECT_ID.fullmatch(key) for _, _, key in identities) else "apikey"
            self.notes.append(
                f"AUTH_METHOD is not among the files: taken to be {method}, by what the auth_keys look like"
            )
        if method not in _METHODS:
            raise ConfigurationError(f"AUTH_METHOD: must be one of {', '.join(sorted(_METHODS))}")
        for section, identity, key in identities:
            project = self.configuration.projects.add(name=identity)
            name = section.text("name")
            if name != identity:
                project.description = self._text(section.where("name"), name, _LONGEST_DESCRIPTION)
            if section.has_section("info"):
                self._labels(section.section("info"), project.labels)
            if method == "apikey":
                project.tokens.add(name=_TOKEN, secret=self._secret(key))
            self._leave(section)
        if method == "jwt":
            self.notes.append(
                "AUTH_METHOD=jwt: identities became projects without tokens, as JSON Web Tokens are not "
                "taken yet; `tollkeeper token create` makes tokens"
            )
        elif method == "none":
            self.notes.append(
                "AUTH_METHOD=none: Llamaxing let everybody in, so identities became projects without tokens; "
                "`tollkeeper token create` makes tokens"
            )

    def _labels(self, info: Section, labels: MutableMapping[str, str]) -> None:
        """Take what an identity's `info` says as labels, under names that labels can have."""
        for name, value in info.values().items():
            ours = _OTHER.sub("_", name.lower()).strip("_-")[:_LONGEST_NAME]
            if not ours or ours in labels or len(labels) == _MOST_LABELS:
                self.notes.append(f"{info.where(name)}: can't be a label; left out")
                continue
            if ours != name:
                self.notes.append(
                    f"{info.where(name)}: has characters that names of labels can't have; it is {ours} now"
                )
            labels[ours] = self._text(info.where(name), value, _LONGEST_VALUE)

    def _text(self, where: str, text: str, longest: int) -> str:
        """Return a text as ours may be: of so many characters, in one line."""
        ours = " ".join("".join(it if it.isprintable() else " " for it in text).split())[:longest]
        if ours != text:
            self.notes.append(f"{where}: was too long, or had line breaks; it is shortened")
        return ours

    def _leave(self, section: Section) -> None:
        self.notes += left_out(section.left())


def _spelled(name: str) -> str:
    """Return a variable's name as `_SETTINGS` has it: Llamaxing reads its settings whatever their case."""
    return name.upper() if name.upper() in _SETTINGS else name


def _has(node: Node, name: str) -> bool:
    return isinstance(node, MappingNode) and name in node.entries
