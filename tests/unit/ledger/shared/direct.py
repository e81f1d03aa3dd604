"""A member and its table without a way between them, as the model of the ledger calls it."""

from collections.abc import Callable, Sequence

from tollkeeper_server.ledger.meter import Meter
from tollkeeper_server.ledger.reservation import Outcome, Standing
from tollkeeper_server.ledger.shared.member import Member
from tollkeeper_server.ledger.shared.messages import Message, decode, encode
from tollkeeper_server.ledger.shared.table import Table

_STEP = 20_000_000
"""A living process renews what it holds; this is how often it is told the time, in microseconds."""
Answer = Callable[[Message, int], Message]
Asked = tuple[Sequence[str], Callable[[int], None]]
"""Members, and what takes what others than these have spent."""


class DirectLine:
    """Answers as soon as it is asked to `carry`; the store with 0, or as the test does."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[Message] = []
        self.asked: list[Asked] | None = None
        self.member: Member
        self.now = 0

    def send(self, request: Message) -> None:
        self.requests.append(decode(encode(request)))

    def drop(self) -> None:
        self.member.disconnected(self.now)

    def wake(self) -> None:
        """The test flushes."""

    def ask(self, key: str, period: int, members: Sequence[str]) -> None:
        if self.asked is None:
            self.member.seed(key, period, members, 0, self.now)
        else:
            seed = self.member.seed
            self.asked.append((members, lambda spent: seed(key, period, members, spent, self.now)))

    def step(self, now: int) -> None:
        """Have what is asked answered, and what is asked after that."""
        self.now = now
        self.member.tick(now)
        while self.requests:
            self.member.received(decode(encode(self.answer(self.requests.pop(0), now))), now)

    def carry(self, now: int) -> None:
        """Have everything answered that is asked."""
        for _ in range(20):
            self.step(now)
            if self.member.idle:
                return
        raise AssertionError("there is always more to ask")


class Direct:
    """`accounts.Subject` of one member."""

    def __init__(self, answer: Answer | None = None, name: str = "p1") -> None:
        self.line = DirectLine(answer or Table(run="run").answer)
        self.member = self.line.member = Member(name, self.line, expected=1)
        self.began = False

    def _begin(self, now: int) -> None:
        if not self.began:
            self.began = True
            self.line.now = now
            self.member.connected(now)
        while self.line.now + _STEP < now:
            self.line.carry(self.line.now + _STEP)
        self.line.carry(now)

    def reserve(self, id_: str, meters: Sequence[Meter], needs: Sequence[int], now: int) -> Outcome:
        self._begin(now)
        told: list[Outcome | None] = []
        self.member.reserve(id_, meters, needs, now, told.append)
        self.line.carry(now)
        (answer,) = told
        assert answer is not None
        return answer

    def top_up(self, id_: str, needs: Sequence[int], now: int) -> Outcome | None:
        self._begin(now)
        told: list[Outcome | None] = []
        self.member.top_up(id_, needs, now, told.append)
        self.line.carry(now)
        (answer,) = told
        return answer

    def settle(self, id_: str, actual: Sequence[int], now: int) -> bool:
        self._begin(now)
        settled = self.member.settle(id_, actual)
        self.line.carry(now)
        return settled

    def give_back(self, id_: str, now: int) -> bool:
        self._begin(now)
        settled = self.member.give_back(id_)
        self.line.carry(now)
        return settled

    def standing(self, meter: Meter, now: int) -> Standing | None:
        self._begin(now)
        told: list[list[Standing | None]] = []
        self.member.look((meter,), told.append)
        self.line.carry(now)
        ((standing,),) = told
        return standing
