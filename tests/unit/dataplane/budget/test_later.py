"""What a response that is made in the background is charged once its end is read."""

import pytest
from tollkeeper_server.dataplane.budget.later import charged_later
from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.domain.usage import TokenCounts

TOKENS = TokenCounts(prompt=3, completion=4)


@pytest.mark.parametrize(
    ("held", "cost", "charged"),
    [
        ([("tokens:day:token:a", 0, 90)], None, [("tokens:day:token:a", 0, 7)]),
        ([("tokens:day:token:a", 0, 5)], None, [("tokens:day:token:a", 0, 7)]),
        ([("requests:total:gateway:", 0, 1)], 5, [("requests:total:gateway:", 0, 1)]),
        ([("money:day@Europe/Berlin:model:a", 9, 90)], 5, [("money:day@Europe/Berlin:model:a", 9, 5)]),
        ([("money:day:token:a", 0, 90)], None, [("money:day:token:a", 0, 90)]),
        ([("money:day:token:a", 0, 90)], 0, [("money:day:token:a", 0, 0)]),
        (
            [("tokens:day:token:a", 0, 5), ("money:day:token:a", 0, 1), ("tokens:day:token:a", 9, 50)],
            2,
            [("tokens:day:token:a", 0, 5), ("money:day:token:a", 0, 2), ("tokens:day:token:a", 9, 2)],
        ),
        ([], 5, []),
    ],
)
def test_each_budget_is_charged_what_was_used(
    held: list[tuple[str, int, int]], cost: int | None, charged: list[tuple[str, int, int]]
) -> None:
    """Part by part in their periods; what is not known stays as it was held."""
    assert charged_later([Charge(*it) for it in held], TOKENS, cost) == tuple(Charge(*it) for it in charged)
