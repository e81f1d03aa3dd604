"""Applying a configuration in this process, such as the file of `serve --config` at start and at SIGHUP."""

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tollkeeper.configuration import ConfigurationError, emptied_kinds, in_file, read_document
from tollkeeper.v1 import configuration_service_pb2 as pb

from tollkeeper_server.domain.author import Door
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.chain.chain import Call, Chain, in_hand, request_id
from tollkeeper_server.management.chain.registry import methods
from tollkeeper_server.process.errors import RunError

_log = logging.getLogger("tollkeeper.configure")
_MAX_BYTES = 10_000_000
_SIGNS = {pb.CHANGE_ACTION_CREATE: "+", pb.CHANGE_ACTION_UPDATE: "~", pb.CHANGE_ACTION_DELETE: "-"}


@dataclass(frozen=True, slots=True)
class Described:
    """What a file describes, and to prune, the kinds of which it has an empty list."""

    configuration: pb.Configuration
    emptied: Sequence[str]


_Stamp = tuple[int, int]


def _stamp(path: Path) -> _Stamp | None:
    """Return what differs when a file was written to; None if it can't be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def read_file(path: Path, *, prune: bool = False) -> Described:
    """Return what a file describes. Raises `RunError` naming the mistakes."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1).decode("utf-8-sig")
        return Described(read_document(text, os.environ), emptied_kinds(text) if prune else ())
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
        self,
        configuration: pb.Configuration,
        *,
        door: Door,
        source: str = "",
        dry_run: bool = False,
        prune: bool = False,
        prune_kinds: Sequence[str] = (),
    ) -> pb.ApplyConfigurationResponse:
        """Make the configuration as it is described; `source` is the file, if it is one's.

        Raises `TollkeeperError` naming all that is wrong; then nothing has changed.
        """
        request = pb.ApplyConfigurationRequest(
            configuration=configuration, dry_run=dry_run, prune=prune, prune_kinds=prune_kinds
        )
        call = Call(self._method, request_id(None), self._metadata, peer=source, door=door)
        answer = await self._chain.invoke(call, in_hand(request))
        assert isinstance(answer, pb.ApplyConfigurationResponse)
        return answer


class ConfigurationFile:
    """A configuration file and the configurator that applies it.

    With `prune` what the file does not name goes, as with `tollkeeper apply --prune`.
    """

    def __init__(self, path: Path, configurator: Configurator, *, prune: bool = False) -> None:
        self._path = path
        self._configurator = configurator
        self._prune = prune
        self._kept = ""
        self._applied: _Stamp | None = None
        self._failure: str | None = None

    async def apply(self) -> None:
        """Make the configuration as the file describes it, and log the difference.

        Raises `RunError` naming the mistakes; then nothing has changed.
        """
        stamp = await asyncio.to_thread(_stamp, self._path)
        try:
            await self._apply()
        except RunError as error:
            self._failure = str(error)
            raise
        self._applied, self._failure = stamp, None

    async def problem(self) -> str | None:
        """Return why the configuration may not be as the file describes it; None if nothing says so.

        What was changed since by other ways is no problem of the file's.
        """
        if self._failure is None and await asyncio.to_thread(_stamp, self._path) != self._applied:
            return f"configuration file {self._path}: it has changed since it was applied"
        return self._failure

    async def _apply(self) -> None:
        described = await asyncio.to_thread(read_file, self._path, prune=self._prune)
        configuration = described.configuration
        apply = partial(
            self._configurator.apply,
            configuration,
            door=Door.FILE,
            source=str(self._path),
            prune=self._prune,
            prune_kinds=described.emptied,
        )
        try:
            if any(not token.secret for project in configuration.projects for token in project.tokens):
                self._require_secrets(configuration, await apply(dry_run=True))
            answer = await apply()
        except TollkeeperError as error:
            raise _wrong(self._path, in_file(error.message)) from error
        for change in answer.changes:
            _log.info("%s", _line(change))
        self._tell_kept(answer)
        _log.info("the configuration is as %s describes it: %d changes", self._path, len(answer.changes))

    def _tell_kept(self, answer: pb.ApplyConfigurationResponse) -> None:
        """Log what was not pruned, unless it is what the last application has left."""
        kept = "; ".join(f"{it.kind} {it.name}, by {it.used_by}" for it in answer.kept)
        if kept and kept != self._kept:
            _log.warning("%s does not name what is kept, because it is used: %s", self._path, kept)
        self._kept = kept

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
