"""Groups of events that the server can't make, made of the documents here."""

from collections import Counter
from collections.abc import Sequence
from typing import cast

from tollkeeper_server.domain.histogram import bucket_of
from tollkeeper_server.domain.usage import UsageGroup
from tollkeeper_server.domain.usage_sums import Group, Latency
from tollkeeper_server.store.documents import Document
from tollkeeper_server.store.ports import TakeGroups
from tollkeeper_server.store.usage_fields import GROUPS, SUMMED

_OWN = SUMMED[1:]  # what is counted first, no document says


class _Groups:
    """Tells the groups of documents apart."""

    def __init__(self, group_by: Sequence[UsageGroup], time_length: int, *others: str) -> None:
        self._names = [GROUPS[by] for by in group_by]
        self._time_length = time_length
        self.fields = (*self._names, "started_at", *others)

    def _group(self, document: Document) -> Group:
        started_at = cast("str", document["started_at"])
        values = [cast("str | int", document[name]) for name in self._names]
        fields = (value // 100 if isinstance(value, int) else value for value in values)
        return (*fields, started_at[: self._time_length])


class GroupReader(_Groups):
    """Sums documents by group."""

    def __init__(self, group_by: Sequence[UsageGroup], time_length: int) -> None:
        super().__init__(group_by, time_length, *_OWN)
        self._sums: dict[Group, list[int]] = {}

    def add(self, documents: Sequence[Document]) -> None:
        """Add some documents."""
        for document in documents:
            sums = self._sums.setdefault(self._group(document), [0] * len(SUMMED))
            sums[0] += 1
            for place, name in enumerate(_OWN, start=1):
                # The release that wrote it may not have known the field, and no cost may be known.
                sums[place] += cast("int | None", document.get(name)) or 0

    def give(self, take: TakeGroups) -> None:
        """Give the groups in their order."""
        take([(*group, *self._sums[group]) for group in sorted(self._sums)])


class BucketReader(_Groups):
    """Counts the lengths of time in documents by group."""

    def __init__(self, of: Latency, group_by: Sequence[UsageGroup], time_length: int) -> None:
        super().__init__(group_by, time_length, of)
        self._of = of
        self._counts: Counter[Group] = Counter()

    def add(self, documents: Sequence[Document]) -> None:
        """Add some documents."""
        lengths = ((document, cast("int", document[self._of])) for document in documents)
        self._counts.update(
            (*self._group(document), bucket_of(length)) for document, length in lengths if length > 0
        )

    def give(self, take: TakeGroups) -> None:
        """Give the groups in their order."""
        take([(*group, self._counts[group]) for group in sorted(self._counts)])
