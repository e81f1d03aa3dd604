"""Files of prices: those of this gateway, and LiteLLM's."""

from tollkeeper.pricing.comparing import Finding, compare
from tollkeeper.pricing.files import PricesFile, read_prices_file

__all__ = ["Finding", "PricesFile", "compare", "read_prices_file"]
