"""Applying a configuration in this process, such as the file of `serve --config` at start and at SIGHUP."""

import asyncio
import logging
import os
from pathlib import Path

from tollkeeper.configuration import ConfigurationError, in_file, read_document
from tollkeeper.v1 import configuration_service_pb2 as pb

from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.chain.chain import Call, Chain, request_id
from tollkeeper_server.management.chain.registry import methods
from tollkeeper_server.process.errors import RunError

_log = logging.getLogger("tollkeeper.configure")
_MAX_BYTES = 10_000_000
_SIGNS = {pb.CHANGE_ACTION_CREATE: "+", pb.CHANGE_ACTION_UPDATE: "~", pb.CHANGE_ACTION_DELETE: "-"}


def read_file(path: Path) -> pb.Configuration:
    """Return the configuration that a file describes. Raises `RunError` naming the mistakes."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        return read_document(content.decode("utf-8-sig"), os.environ)
    except OSError as error:
        raise _wrong(path, error.strerror or "can't be read") from error
    except UnicodeDecodeError as error:
        raise _wrong(path, f"not UTF-8 at byte {error.start}") from None
    except ConfigurationError as error:
        raise _wrong(path, "; ".join(error.problems)) from error


def _wrong(path: Path, problem: str) -> RunError:
    return RunError(f"configuration file {path}: {problem}")


class Configurator:
    """Applies configurations through the management chain, as `tollkeeper apply` does from outside."""

    def __init__(self, chain: Chain, management_token: str) -> None:
        self._chain = chain
        self._metadata = {"authorization": f"Bearer {management_token}"}
        self._method = next(it for it in methods() if it.name == "ApplyConfiguration")

    async def apply(
        self, configuration: pb.Configuration, *, source: str, dry_run: bool = False
    ) -> pb.ApplyConfigurationResponse:
        """Make the configuration as it is described; `source` is the caller's name.

        Raises `TollkeeperError` naming all that is wrong; then nothing has changed.
        """
        request = pb.ApplyConfigurationRequest(configuration=configuration, dry_run=dry_run)
        call = Call(self._method, request_id(None), self._metadata, peer=source)
        answer = await self._chain.invoke(call, lambda: request)
        assert isinstance(answer, pb.ApplyConfigurationResponse)
        return answer


class ConfigurationFile:
    """A configuration file and the configurator that applies it."""

    def __init__(self, path: Path, configurator: Configurator) -> None:
        self._path = path
        self._configurator = configurator

    async def apply(self) -> None:
        """Make the configuration as the file describes it, and log the difference.

        Raises `RunError` naming the mistakes; then nothing has changed.
        """
        configuration = await asyncio.to_thread(read_file, self._path)
        source = str(self._path)
        try:
            if any(not token.secret for project in configuration.projects for token in project.tokens):
                planned = await self._configurator.apply(configuration, source=source, dry_run=True)
                self._require_secrets(configuration, planned)
            answer = await self._configurator.apply(configuration, source=source)
        except TollkeeperError as error:
            raise _wrong(self._path, in_file(error.message)) from error
        for change in answer.changes:
            _log.info("%s", _line(change))
        _log.info("the configuration is as %s describes it: %d changes", self._path, len(answer.changes))

    def _require_secrets(self, wanted: pb.Configuration, answer: pb.ApplyConfigurationResponse) -> None:
        """Refuse new tokens without a secret: this process could not show the secrets made for them."""
        new = {
            it.name for it in answer.changes if it.kind == "token" and it.action == pb.CHANGE_ACTION_CREATE
        }
        problems = [
            f"projects[{index}].tokens[{position}].secret: required of a new token in this file, such as "
            f"${{NAME}}; only `tollkeeper apply` shows one that is made"
            for index, project in enumerate(wanted.projects)
            for position, token in enumerate(project.tokens)
            if not token.secret and f"{project.name}/{token.name}" in new
        ]
        if problems:
            raise _wrong(self._path, "; ".join(problems))


def _line(change: pb.ConfigurationChange) -> str:
    fields = ", ".join(it.field for it in change.fields) if change.action == pb.CHANGE_ACTION_UPDATE else ""
    return f"{_SIGNS[change.action]} {change.kind} {change.name}" + (f": {fields}" if fields else "")
