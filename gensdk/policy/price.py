"""What a call costs at list price, from the ``genai-prices`` table that ships with it.

The table is read when the first priced answer arrives, never refreshed by itself, and looked up
once for each model. Where the price or the usage is not known, the cost is None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gensdk.types import Cost, Response, Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

__all__ = ["context_window", "cost_of", "dearest", "is_free", "price"]

_MILLION = Decimal(1_000_000)


def price(provider: str | None, model: str, usage: Usage) -> Cost | None:
    """List price of a usage, or None where it is not known."""
    if provider is None or not model:
        return None
    if usage.total_tokens is None and usage.audio_s is None and usage.characters is None:
        return None
    rates = _rates(provider, model)
    if rates is None:
        return None
    if rates.flat is not None and _plain(usage, rates.flat):
        return Cost(amount=rates.flat.amount(usage), source=rates.source)
    return rates.exact(usage)


def dearest(provider: str, model: str, usage: Usage) -> Decimal | None:
    """The highest price of a usage, should all of its input be written to the prompt cache."""
    rates = _rates(provider, model)
    if rates is not None and rates.flat is not None and _plain(usage, rates.flat):
        flat = rates.flat
        return flat.amount(usage) + flat.more_written * (usage.input_tokens or 0) / _MILLION
    written = usage.model_copy(update={"cache_write_tokens": usage.input_tokens})
    costs = [price(provider, model, one) for one in (usage, written)]
    return max((cost.amount for cost in costs if cost is not None), default=None)


def cost_of(provider: str | None, asked: str, response: Response) -> Cost | None:
    """What an answer cost: the provider's word, else by the name it answered with, or was asked.

    Counts and prices below zero are not believed.
    """
    stated = response.cost
    if stated is not None and stated.amount >= 0:
        return stated
    found = price(provider, response.model, response.usage)
    if found is None and asked != response.model:
        return price(provider, asked, response.usage)
    return found


def context_window(provider: str, model: str) -> int | None:
    """Tokens of prompt and answer together, as the price table knows them."""
    rates = _rates(provider, model)
    return rates.window if rates else None


def is_free(provider: str, model: str) -> bool:
    """Whether the table knows the model and has nothing to charge for it."""
    rates = _rates(provider, model)
    return rates is not None and not any(vars(rates.table).values())


@dataclass(frozen=True, slots=True)
class _Flat:
    """Prices per million tokens that hold up to a number of input tokens."""

    fresh: Decimal
    cached: Decimal
    output: Decimal
    more_written: Decimal
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
    window: int | None

    def exact(self, usage: Usage) -> Cost | None:
        """Let the table's own package count."""
        from genai_prices import Usage as Counted

        counted = {theirs: getattr(usage, ours) for theirs, ours in _COUNTS.items()}
        known = {name: value for name, value in counted.items() if value is not None}
        if any(value < 0 for value in known.values()):
            return None  # no server counts like that, and a price below zero would be a credit
        if usage.audio_s is not None:
            known["audio_seconds"] = usage.audio_s  # what came in is all there was
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
    "input_characters": "characters",
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
        usage.characters,
    )
    total = usage.input_tokens or 0
    likely = 0 <= (usage.cached_tokens or 0) <= total and (usage.output_tokens or 0) >= 0
    return likely and total < flat.up_to and not any(special)


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
    source = f"genai-prices {version('genai-prices')}"
    return _Rates(table, _flat(table), source, found.model.context_window)


def _flat(table: ModelPrice) -> _Flat | None:
    """The table's prices for plain text, where it has them."""
    names = ("input_mtok", "cache_read_mtok", "output_mtok", "cache_write_mtok")
    prices = [getattr(table, name, None) for name in names]
    if prices[0] is None:
        return None
    up_to = math.inf
    plain: list[Decimal] = []
    fresh, cached, output, written = prices
    items: tuple[Any, ...] = (fresh, cached or fresh, output or Decimal(0), written or fresh)
    for item in items:
        if isinstance(item, Decimal):
            plain.append(item)
            continue
        plain.append(item.base)
        up_to = min([up_to, *(tier.start for tier in item.tiers)])
    more = max(plain[3] - plain[0], Decimal(0))
    return _Flat(fresh=plain[0], cached=plain[1], output=plain[2], more_written=more, up_to=up_to)
