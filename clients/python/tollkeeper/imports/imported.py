"""The result of an import, and its secrets, which are kept out of the file or put into it."""

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tollkeeper.configuration.references import escape, references_in, resolve, settle
from tollkeeper.imports.names import variable
from tollkeeper.messages.fields import secrets_of
from tollkeeper.v1.configuration_service_pb2 import Configuration


@dataclass(frozen=True, slots=True)
class Imported:
    """A configuration whose secrets are as a file has them: references, or themselves.

    `notes` say what was left out, was decided, or is still to do. `environment` holds the variables that the
    imported files set.
    """

    configuration: Configuration = field(repr=False)
    notes: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def resolved(self, environment: Mapping[str, str]) -> Configuration:
        """Return what to apply: references mean `environment`, then the imported files' variables.

        Raises `ConfigurationError` naming the variables that are not set.
        """
        return resolve(self.configuration, ChainMap(dict(environment), dict(self.environment)))


def settled(imported: Imported) -> Imported:
    """Return the import with the values of the imported files' variables in the place of references."""
    configuration = Configuration()
    configuration.CopyFrom(imported.configuration)
    for message, descriptor, _ in secrets_of(configuration):
        secret = settle(getattr(message, descriptor.name), imported.environment)
        setattr(message, descriptor.name, secret)
    return replace(imported, configuration=configuration)


def without_secrets(imported: Imported) -> Imported:
    """Return the import with a reference in the place of every secret, and a note on each to set."""
    configuration = Configuration()
    configuration.CopyFrom(imported.configuration)
    chosen: dict[str, str] = {}
    for message, descriptor, path in secrets_of(configuration):
        secret: str = getattr(message, descriptor.name)
        if references_in(secret) or (descriptor.name == "proxy_url" and "@" not in secret):
            continue
        if secret not in chosen:
            chosen[secret] = _unique(_variable(imported.configuration, path), chosen)
        setattr(message, descriptor.name, f"${{{chosen[secret]}}}")
    notes = [
        f"set {name} to the secret that stands in the file; it is not written here"
        for name in chosen.values()
    ]
    return replace(imported, configuration=configuration, notes=(*imported.notes, *notes))


def left_out(names: Iterable[str]) -> list[str]:
    """Return the notes on the places or variables of a file that have no counterpart."""
    return [f"{it}: has no counterpart and was left out" for it in names]


def as_secret(text: str) -> str:
    """Return a secret of another system's file as ours has it: references stay, other `${` are escaped."""
    try:
        references_in(text)
    except ValueError:
        return escape(text)
    return text


def _variable(configuration: Configuration, path: str) -> str:
    """Name a variable after the owner of the secret: OPENAI_API_KEY for the api_key of upstream openai."""
    words: list[str] = []
    here: object = configuration
    for part in path.split("."):
        name, _, index = part.removesuffix("]").partition("[")
        here = getattr(here, name)
        if index:
            here = here[int(index)]  # type: ignore[index]  # a repeated field
            words.append(str(getattr(here, "name", "")))
        else:
            words.append(name)
    return variable(*words)


def _unique(wanted: str, taken: Mapping[str, str]) -> str:
    names = set(taken.values())
    count, name = 1, wanted
    while name in names:
        count += 1
        name = f"{wanted}_{count}"
    return name
