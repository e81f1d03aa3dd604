"""Amounts of money, which are nano-dollars, as people write them."""

NANO_IN_DOLLAR = 1_000_000_000
CENT_DIGITS = 2


def dollars(nano_dollars: int, decimals: int = 0) -> str:
    """Return an amount in dollars, all of it, with at least so many decimals: `25.5`, with two `25.50`."""
    whole, rest = divmod(nano_dollars, NANO_IN_DOLLAR)
    part = f"{rest:09}".rstrip("0").ljust(decimals, "0")
    return f"{whole}.{part}" if part else str(whole)
