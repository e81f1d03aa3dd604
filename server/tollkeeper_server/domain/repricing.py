"""Changes of the costs of past requests."""

from datetime import datetime

from msgspec import Struct, structs


class NewCost(Struct, frozen=True, gc=False):
    """Another cost of a stored event, in nano-dollars. It holds if the event still has the one `before`."""

    id: str
    before: int | None
    after: int


class Repricing(Struct, frozen=True, kw_only=True):
    """A change of the costs of past requests: what was asked for, and what it has changed, in all its slices.

    `start_time` is inclusive, `end_time` exclusive; an empty `model` is any. `requests` were looked at, and
    have cost the nano-dollars `before`, as far as that was known; `after` it they cost the others. `unpriced`
    ones have no known cost after it.
    """

    id: str
    repriced_at: datetime
    caller: str = ""
    start_time: datetime
    end_time: datetime
    model: str = ""
    requests: int = 0
    changed_requests: int = 0
    before_nano_dollars: int = 0
    after_nano_dollars: int = 0
    unpriced_requests: int = 0


COUNTED = (
    "requests",
    "changed_requests",
    "before_nano_dollars",
    "after_nano_dollars",
    "unpriced_requests",
)
"""The fields of a repricing that its slices add up to."""


def added(one: Repricing, other: Repricing) -> Repricing:
    """Return what two slices of a repricing have done together, at the time of the second."""
    return structs.replace(other, **{name: getattr(one, name) + getattr(other, name) for name in COUNTED})
