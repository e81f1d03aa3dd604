"""What a round has come to: the provider's own ledger, the callers, the store and the ledger are compared."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tollkeeper import MintedToken
from tollkeeper_server.domain.usage import Confidence, UsageEvent
from tollkeeper_server.ledger.orphan import INTERRUPTED

from tests.chaos.crowd import CALLERS, Crowd
from tests.chaos.mishaps import LEAVE_ALONE, Mishap
from tests.chaos.town import Town
from tests.faults.traffic import Answer
from tests.integration.process import until

_PATIENCE = 60.0
COLUMNS = ("round", "asked", "whole", "gone", "sent", "lost", "double", "estimated", "over", "bound")


class BrokenError(AssertionError):
    """A promise was broken."""


@dataclass(frozen=True)
class Books:
    """A round's numbers: requests that were asked, answered whole, left by their callers, and sent on.

    Of those sent, how many are `lost` to the store, there `double`, and `estimated`; by how many requests the
    budget is `over`, and how many it may be.
    """

    asked: int
    whole: int
    gone: int
    sent: int
    lost: int
    double: int
    estimated: int
    over: int
    bound: int

    def row(self, number: int) -> str:
        """Return a line of the table whose columns are `COLUMNS`."""
        numbers = (number, *vars(self).values())
        return "  ".join(f"{it:>{len(name)}}" for name, it in zip(COLUMNS, numbers, strict=True))


def balanced(town: Town, crowd: Crowd, minted: MintedToken, amount: int, mishaps: Sequence[Mishap]) -> Books:
    """Return the numbers of a round that is over. Raises `BrokenError` if something does not add up."""
    sent = {name for it in town.simulator.requests() if (name := it.header("x-request-id"))}
    sent = {name for name in sent if name.startswith(f"{crowd.name}-")}
    wanted = sent | {name for name, answer in crowd.answers.items() if answer.whole and answer.status == 200}

    def are_stored() -> list[UsageEvent]:
        events, _ = asyncio.run(town.stored())
        return events if wanted <= {event.request_id for event in events} else []

    with contextlib.suppress(AssertionError):  # what is not there then is lost
        until(are_stored, _PATIENCE)
    with town.client() as client:
        client.flushall()  # what a dead gateway was granted and had not heard of counts until the next epoch

    def are_equal() -> bool:
        events, spent = asyncio.run(town.stored())
        own = (event for event in events if event.token_id == minted.id)
        return town.used(minted) == {sum(map(_requests, own))} and _charged(events) == Counter(spent)

    # MongoDB has the events before their sums, and those of a dead gateway may come after it has started.
    with contextlib.suppress(AssertionError):
        until(are_equal, _PATIENCE)
    used = town.used(minted)
    events, spent = asyncio.run(town.stored())
    own = [event for event in events if event.token_id == minted.id]
    times = Counter(event.request_id for event in own)
    charged = sum(_requests(event) for event in own)
    alone = sum(mishap in LEAVE_ALONE for mishap in mishaps)
    books = Books(
        asked=len(crowd.answers) + len(crowd.gone),
        whole=sum(answer.whole and answer.status == 200 for answer in crowd.answers.values()),
        gone=len(crowd.gone),
        sent=len(sent),
        lost=len(wanted - times.keys()),
        double=sum(count - 1 for count in times.values()),
        estimated=sum(event.tokens.confidence is Confidence.ESTIMATED for event in own),
        over=max(charged - amount, 0),
        # What others had under way when a gateway heard of the budget last, each time that it went on alone.
        bound=alone * CALLERS,
    )
    if books.lost or books.double or books.over > books.bound:
        raise BrokenError(f"{books}; missing {sorted(wanted - times.keys())[:5]}")
    if used != {charged}:
        raise BrokenError(f"the gateways say that {used} requests are used, the events {charged}")
    _compare_sums(events, spent)
    for event in own:
        _compare_tokens(event, crowd.answers.get(event.request_id))
    return books


def _requests(event: UsageEvent) -> int:
    return sum(charge.amount for charge in event.charges if charge.key.startswith("requests:"))


def _charged(events: Sequence[UsageEvent]) -> Counter[str]:
    charged = Counter[str]()
    for event in events:
        for charge in event.charges:
            charged[charge.key] += charge.amount
    return charged


def _compare_sums(events: Sequence[UsageEvent], spent: dict[str, int]) -> None:
    charged = _charged(events)
    if charged != Counter(spent):
        raise BrokenError(f"the store has {spent} spent, its events {charged}")


def _compare_tokens(event: UsageEvent, answer: Answer | None) -> None:
    """Hold what is stored to what the caller was told by the provider.

    What had only its intent on file when its gateway died is charged as it was held, and says so.
    """
    if event.error_code == INTERRUPTED and event.tokens.confidence is Confidence.ESTIMATED:
        return
    if answer is None or not answer.whole or answer.status != 200 or not answer.body.startswith(b"{"):
        return
    usage = json.loads(answer.body)["usage"]
    counted = event.tokens.prompt, event.tokens.completion
    if counted != (usage["prompt_tokens"], usage["completion_tokens"]):
        raise BrokenError(f"{event.request_id}: {counted} stored, the provider said {usage}")
