"""Who holds which slots of a table, so that those of a member that has died are free at once.

The table itself counts them together, and frees them after one to two minutes.
"""

from collections import Counter

from tollkeeper_server.ledger.meter import MeterKind
from tollkeeper_server.ledger.shared.counts import posted, reserved
from tollkeeper_server.ledger.shared.messages import Code, Message, Op, Verb
from tollkeeper_server.ledger.shared.table import Table

_SLOTS = MeterKind.SLOTS


class SlotsHeld:
    """Follows what members are answered, by their names."""

    def __init__(self) -> None:
        self._held: dict[str, Counter[str]] = {}
        self._numbers: dict[str, tuple[int, int]] = {}

    def follow(self, request: Message, reply: Message) -> None:
        """Take a request that the table has just answered so."""
        if reply[0] != Code.OK:
            return
        if request[0] == Verb.JOIN:
            _, name, epoch, holdings = request
            brought = {key: held for key, kind, _, _, held, *_ in holdings if kind == _SLOTS}
            self._held[name] = Counter(brought)
            self._numbers[name] = (epoch, 0)
        elif request[0] == Verb.BATCH:
            _, name, epoch, number, keys, operations = request
            if self._numbers.get(name) != (epoch, number):  # else it was answered before
                self._numbers[name] = (epoch, number)
                self._count(self._held.setdefault(name, Counter()), keys, operations, reply[4:])
                if any(op == Op.LEAVE for op, _ in operations):
                    del self._held[name]

    def give_back(self, name: str, table: Table) -> None:
        """Free the slots that a member holds, which was the last that is heard of it."""
        epoch, _ = self._numbers.pop(name, (0, 0))
        held_by_key = self._held.pop(name, None)
        if held_by_key is None or epoch != table.epoch:
            return
        table.bury(name)
        for key, held in held_by_key.items():
            count = table.counts.counts.get(key)
            if held > 0 and count is not None and count.epoch == table.epoch:
                latest = min(held, count.held)
                count.held -= latest
                count.before = max(count.before - (held - latest), 0)

    def _count(
        self, held: Counter[str], keys: list[str], operations: list[Message], results: list[Message]
    ) -> None:
        for (op, numbers), result in zip(operations, results, strict=True):
            if op == Op.RESERVE and result[0]:
                for at, kind, need, _, _ in reserved(numbers):
                    if kind == _SLOTS:
                        held[keys[at]] += need
            elif op == Op.POST:
                for at, kind, need, _, _, _, _ in posted(numbers):
                    if kind == _SLOTS:
                        held[keys[at]] -= need
