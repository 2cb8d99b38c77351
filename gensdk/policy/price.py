"""What a call costs at list price, from the ``genai-prices`` table that ships with it.

The table is read when the first priced answer arrives, never refreshed by itself, and looked up
once for each model. Where the price or the usage is not known, the cost is None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from gensdk.types import Cost, Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

__all__ = ["price"]

_MILLION = Decimal(1_000_000)


def price(provider: str | None, model: str, usage: Usage) -> Cost | None:
    """List price of a usage, or None where it is not known."""
    if provider is None or not model:
        return None
    if usage.total_tokens is None and usage.audio_s is None:
        return None
    rates = _rates(provider, model)
    if rates is None:
        return None
    if rates.flat is not None and _plain(usage, rates.flat):
        return Cost(amount=rates.flat.amount(usage), source=rates.source)
    return rates.exact(usage)


@dataclass(frozen=True, slots=True)
class _Flat:
    """Prices per million tokens that hold up to a number of input tokens."""

    fresh: Decimal
    cached: Decimal
    output: Decimal
    up_to: float

    def amount(self, usage: Usage) -> Decimal:
        cached = usage.cached_tokens or 0
        fresh = (usage.input_tokens or 0) - cached
        output = usage.output_tokens or 0
        return (self.fresh * fresh + self.cached * cached + self.output * output) / _MILLION


@dataclass(frozen=True, slots=True)
class _Rates:
    """What the table says of one model."""

    table: ModelPrice
    flat: _Flat | None
    source: str

    def exact(self, usage: Usage) -> Cost | None:
        """Let the table's own package count."""
        from genai_prices import Usage as Counted

        counted = {theirs: getattr(usage, ours) for theirs, ours in _COUNTS.items()}
        known = {name: value for name, value in counted.items() if value is not None}
        try:
            total = self.table.calc_price(Counted(**known))["total_price"]
        except (LookupError, ValueError):
            return None
        return Cost(amount=total, source=self.source) if total else None


_COUNTS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cached_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "output_audio_tokens": "output_audio_tokens",
    "input_image_tokens": "input_image_tokens",
    "output_image_tokens": "output_image_tokens",
    "input_audio_seconds": "audio_s",
}
"""Names of the price table and ours."""


def _plain(usage: Usage, flat: _Flat) -> bool:
    """Whether only text tokens were counted, and few enough for the flat price."""
    special = (
        usage.cache_write_tokens,
        usage.input_audio_tokens,
        usage.output_audio_tokens,
        usage.input_image_tokens,
        usage.output_image_tokens,
        usage.audio_s,
    )
    total = usage.input_tokens or 0
    return not any(special) and total < flat.up_to and (usage.cached_tokens or 0) <= total


@lru_cache(maxsize=1024)
def _rates(provider: str, model: str) -> _Rates | None:
    from importlib.metadata import version

    from genai_prices import Usage as Counted
    from genai_prices import calc_price

    try:
        found = calc_price(Counted(input_tokens=1), model_ref=model, provider_id=provider)
    except LookupError:
        return None
    table = found.model_price
    return _Rates(table, _flat(table), f"genai-prices {version('genai-prices')}")


def _flat(table: ModelPrice) -> _Flat | None:
    """The table's prices for plain text, where it has them."""
    names = ("input_mtok", "cache_read_mtok", "output_mtok")
    prices = [getattr(table, name, None) for name in names]
    if prices[0] is None:
        return None
    up_to = math.inf
    plain: list[Decimal] = []
    for item in (prices[0], prices[1] or prices[0], prices[2] or Decimal(0)):
        if isinstance(item, Decimal):
            plain.append(item)
            continue
        plain.append(item.base)
        up_to = min([up_to, *(tier.start for tier in item.tiers)])
    return _Flat(fresh=plain[0], cached=plain[1], output=plain[2], up_to=up_to)
