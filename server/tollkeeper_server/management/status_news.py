"""What was found of this process, in the order in which it changed, and what a watcher is told next of it.

Each thing is there once, at its latest change. So a watcher is no more than a place in that order: one who is
late is told the latest of everything, and nothing piles up for it.
"""

from collections.abc import Collection, Sequence
from enum import Enum

from msgspec import Struct, structs
from tollkeeper.messages import write
from tollkeeper.v1 import status_service_pb2 as pb

from tollkeeper_server.domain.status import Attention, ListenerStatus, ProcessStatus, UpstreamStatus

# A message of so many takes the event loop about a millisecond.
_IN_MESSAGE = 50


class Kind(Enum):
    """What there are several of, each with a name."""

    UPSTREAM = "upstream"
    LISTENER = "listener"


_Key = tuple[Kind, str]


class _Named(Struct, frozen=True):
    """An upstream or a listener, None if it was removed, and the number of its latest change."""

    number: int
    value: UpstreamStatus | ListenerStatus | None
    message: pb.UpstreamStatus | pb.ListenerStatus | None


class _Status(Struct, frozen=True):
    """How the process is, and the number of its latest change."""

    number: int
    value: ProcessStatus
    message: pb.ProcessStatus


class _Attention(Struct, frozen=True):
    """What needs attention, and the number of its latest change."""

    number: int
    value: Sequence[Attention]
    messages: Sequence[pb.Attention]


class Watcher:
    """Who watches: up to which change it was told."""

    def __init__(self) -> None:
        self.has_begun = False
        self.start = 0
        """The latest change when the whole began: what was removed before is not told."""
        self.told = 0
        self.told_status = 0
        self.told_attention = 0


class StatusNews:
    """What was found of a process. `number` is that of the latest change."""

    def __init__(self, *, removed: int) -> None:
        """Remember so many names of what was removed."""
        self.number = 0
        self._most_removed = removed
        self._named: dict[_Key, _Named] = {}
        self._removed: dict[_Key, None] = {}
        # Of what was removed up to this change, the names are not known.
        self._forgotten = 0
        self._status: _Status | None = None
        self._attention: _Attention | None = None

    def __len__(self) -> int:
        """How many named things are kept, the removed ones that are remembered among them."""
        return len(self._named)

    def put_status(self, value: ProcessStatus) -> None:
        """Note how the process is. That time goes by since the configuration was confirmed is no change."""
        known = self._status
        if known is None or _without_age(known.value) != _without_age(value):
            self.number += 1
            self._status = _Status(self.number, value, write(value, pb.ProcessStatus()))

    def put_attention(self, value: Sequence[Attention]) -> None:
        """Note all that needs attention."""
        if self._attention is None or value != self._attention.value:
            self.number += 1
            self._attention = _Attention(self.number, value, [write(it, pb.Attention()) for it in value])

    def put(self, kind: Kind, name: str, value: UpstreamStatus | ListenerStatus | None) -> None:
        """Note how something is, None if it is not there."""
        key = kind, name
        known = self._named.get(key)
        if (None if known is None else known.value) == value:
            return
        self._named.pop(key, None)
        self.number += 1
        message: pb.UpstreamStatus | pb.ListenerStatus | None = None
        if value is None:
            self._removed[key] = None
        else:
            self._removed.pop(key, None)
            message = write(value, pb.UpstreamStatus() if kind is Kind.UPSTREAM else pb.ListenerStatus())
        self._named[key] = _Named(self.number, value, message)
        if len(self._removed) > self._most_removed:
            earliest = next(iter(self._removed))
            del self._removed[earliest]
            self._forgotten = self._named.pop(earliest).number

    def keep_only(self, kind: Kind, names: Collection[str]) -> None:
        """Note that those of a kind with other names are not there."""
        gone = [
            name
            for (its_kind, name), found in self._named.items()
            if its_kind is kind and found.value is not None and name not in names
        ]
        for name in gone:
            self.put(kind, name, None)

    def next_for(self, watcher: Watcher) -> pb.WatchStatusResponse | None:
        """Return what a watcher is told next, None if it knows everything."""
        news = pb.WatchStatusResponse()
        if not watcher.has_begun or watcher.told < self._forgotten:
            news.is_start = watcher.has_begun = True
            watcher.start = self.number
            watcher.told = watcher.told_status = watcher.told_attention = 0
        status, attention = self._status, self._attention
        if status is not None and status.number > watcher.told_status:
            news.status.CopyFrom(status.message)
            watcher.told_status = status.number
        if attention is not None and attention.number > watcher.told_attention:
            news.attention_changed = True
            news.attention.extend(attention.messages)
            watcher.told_attention = attention.number
        behind = self._behind(watcher)
        for (kind, name), found in behind[:_IN_MESSAGE]:
            watcher.told = found.number
            if isinstance(found.message, pb.UpstreamStatus):
                news.upstreams.append(found.message)
            elif found.message is not None:
                news.listeners.append(found.message)
            elif kind is Kind.UPSTREAM:
                news.removed_upstreams.append(name)
            else:
                news.removed_listeners.append(name)
        if len(behind) > _IN_MESSAGE:
            news.has_more = True
        else:
            watcher.told = self.number
        return news if news.ListFields() else None

    def _behind(self, watcher: Watcher) -> list[tuple[_Key, _Named]]:
        """Return the named things that a watcher was not told of, the earliest change first."""
        behind: list[tuple[_Key, _Named]] = []
        for key, found in reversed(self._named.items()):
            if found.number <= watcher.told:
                break
            if found.value is not None or found.number > watcher.start:
                behind.append((key, found))
        behind.reverse()
        return behind


def _without_age(status: ProcessStatus) -> ProcessStatus:
    return structs.replace(status, snapshot_age_seconds=None)
