"""How long requests work in a turn of the event loop, and who goes on first where many would."""

import asyncio
from collections import deque
from time import perf_counter, thread_time

SLICE_SECONDS = 0.0015
"""How long they work in a turn before the others wait. A step that has begun is not cut."""
MOST_AT_ONCE = 16
"""How many of those who wait go on in a turn, if their steps are short."""
_REMEMBERED_TURNS = 4
"""Of about how many turns the time of a step is the mean."""
SLICES_ALONE = 3
"""How many slices the requests of one token work in a turn while no other token has any.

A request of another token ends that at once, and waits for no longer than these slices.
"""


class _Line:
    """The requests of one token that wait: those that no upstream was asked for, and the others."""

    __slots__ = ("_went_on", "beginning", "going_on")

    def __init__(self) -> None:
        self.beginning: deque[asyncio.Future[None]] = deque()
        self.going_on: deque[asyncio.Future[None]] = deque()
        self._went_on = False

    def next(self) -> asyncio.Future[None]:
        """Return whose turn it is: one that has begun, and one that begins, by turns."""
        self._went_on = bool(self.going_on) and not (self._went_on and self.beginning)
        return (self.going_on if self._went_on else self.beginning).popleft()


class FairTurns:
    """Has requests wait where a turn has worked for long, and lets them go on by token, one after the other.

    So a token with a thousand requests keeps one with a single request waiting for no longer than one with
    two does. Those of a token whose answers have come don't wait behind all that begin: callers would get
    their first bytes late, and answers would gather. Nobody waits while little is to be done, and after that
    one request of each token goes on in a turn at once. A request asks where something has
    come for it that may have come for many at once:

        if perf_counter() >= turns.end and turns.is_over(token_id):
            await turns.wait(token_id, begun=False)

    To know whether a token is alone, each request is counted as soon as its token is known:

        turns.under_way += 1
        if token_id != turns.only:
            turns.join(token_id)
    """

    __slots__ = (
        "_began", "_end", "_gone_on", "_has_begun", "_passed", "_step", "_waiting", "end", "only",
        "under_way",
    )  # fmt: skip

    def __init__(self) -> None:
        self.end = 0.0
        """A time of the performance counter: before it, nobody has to wait."""
        self.under_way = 0
        """How many requests there are. Who ends takes one off."""
        self.only = ""
        """The token that all of them have. It is empty if there are others, or were beside some of them."""
        self._end = 0.0  # of the slice, also while requests wait
        # Whether the turn goes on in which the slice began. The loop's time says nothing of that: uvloop
        # moves it on with each timer.
        self._has_begun = False
        self._passed: set[str] = set()  # since the slice ended
        self._waiting: dict[str, _Line] = {}
        # How many went on the last time, since when, and how long each such step takes, as far as is known.
        self._gone_on = 0
        self._began = 0.0
        self._step = 0.0

    def join(self, token_id: str) -> None:
        """Take in a request that was counted, and whose token is not `only`."""
        if self.under_way == 1:
            self.only = token_id
            return
        self.only = ""
        if self.end > self._end:
            self.end = self._end

    def is_over(self, token_id: str) -> bool:
        """Return whether a request of a token should wait. Needs a running loop."""
        now = perf_counter()
        if now >= self._end:
            if self._has_begun:
                if token_id in self._passed or token_id in self._waiting:
                    return True
                self._passed.add(token_id)
                return False
            self._has_begun = True
            self._passed.clear()
            asyncio.get_running_loop().call_soon(self._end_turn)
            self._end = now + SLICE_SECONDS
            if not self._waiting:
                self.end = now + SLICES_ALONE * SLICE_SECONDS if token_id == self.only else self._end
        return token_id in self._waiting

    def _end_turn(self) -> None:
        self._has_begun = False

    def wait(self, token_id: str, *, begun: bool) -> asyncio.Future[None]:
        """Return what is done in a later turn, after those of the token that wait already and are as far.

        `begun` says whether an upstream has been asked.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self.end = 0.0
            self._gone_on = 0
            loop.call_soon(self._go_round, loop)
        turn = loop.create_future()
        line = self._waiting.get(token_id)
        if line is None:
            line = self._waiting[token_id] = _Line()
        (line.going_on if begun else line.beginning).append(turn)
        return turn

    def _begin(self) -> None:
        self._began = thread_time()

    def _go_round(self, loop: asyncio.AbstractEventLoop) -> None:
        # The loop makes calls in their order: those who went on the last time have done so just now.
        if self._gone_on:
            step = (thread_time() - self._began) / self._gone_on
            self._step += (step - self._step) / _REMEMBERED_TURNS if self._step else step
        most = int(SLICE_SECONDS / self._step) if self._step else 1
        left = most = max(min(most, MOST_AT_ONCE), 1)
        if self._waiting:
            loop.call_soon(self._begin)
        waiting = self._waiting
        while waiting and left:
            token_id, line = next(iter(waiting.items()))
            turn = line.next()
            if not (line.going_on or line.beginning):
                del waiting[token_id]
            elif len(waiting) > 1:
                del waiting[token_id]
                waiting[token_id] = line  # behind the others
            if not turn.done():  # it was cancelled otherwise
                turn.set_result(None)
                left -= 1
        self._gone_on = most - left
        if waiting:
            loop.call_soon(self._go_round, loop)
        else:
            self.end = self._end
