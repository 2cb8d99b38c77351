"""From a model's scores to the next token, for many rows at once.

Order, the same as in transformers: logit bias, repetition, presence and frequency penalties, then
temperature, top-k, top-p (of what top-k left), min-p. Scores are float32. What survives is drawn
by inverting the cumulative distribution, in the order of token ids, at one uniform number per row
and step from the row's own generator on the processor. So a row's tokens depend on its scores and
its seed alone, not on its neighbours and not on the device's random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gensdk.errors import LocalError

if TYPE_CHECKING:
    from torch import Tensor

    from .grammar import Constraint

__all__ = [
    "RowSampler",
    "SamplingDefaults",
    "SamplingParameters",
    "SamplingWish",
    "logprobs_of",
    "sample",
]

_SHORTLIST = 1024
"""Tokens sorted before a whole vocabulary is; top-p rarely reaches further."""

_COLDEST, _HOTTEST = 1e-6, 1e6
"""Temperatures outside say the same as these: the likeliest token, or all alike."""

_SEED_STEP = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: neighbours' seeds lie far apart


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How one request wants its tokens drawn. ``temperature`` 0 takes the likeliest token."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] | None = None

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn at random."""
        return self.temperature < _COLDEST or self.top_k == 1


@dataclass(frozen=True, slots=True)
class SamplingDefaults:
    """What ``generation_config.json`` recommends; None where it says nothing."""

    sample: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None

    @classmethod
    def of(cls, generation: Any) -> SamplingDefaults:
        """Read transformers' ``GenerationConfig``; nonsense in it counts as nothing said."""

        def number(name: str, low: float, high: float) -> float | None:
            value = getattr(generation, name, None)
            fits = isinstance(value, int | float) and low < value <= high
            return float(value) if fits and value is not None else None

        top_k = number("top_k", 0, 2**31)
        return cls(
            sample=bool(getattr(generation, "do_sample", False)),
            temperature=number("temperature", 0, 2),
            top_k=int(top_k) if top_k else None,
            top_p=number("top_p", 0, 1),
            min_p=number("min_p", 0, 1),
            repetition_penalty=number("repetition_penalty", 0, 10),
        )

    def complete(self, wish: SamplingWish) -> SamplingParameters:
        """Fill what a request left open.

        Without a temperature the model's own habit counts: it samples where its makers say so, or
        where the request asks for something only sampling has; else it is greedy.
        """
        draws = self.sample or wish.implies_sampling
        temperature = wish.temperature
        if temperature is None:
            temperature = (self.temperature or 1.0) if draws else 0.0
        own = self if self.sample else SamplingDefaults()
        penalty = wish.repetition_penalty or self.repetition_penalty or 1.0
        return SamplingParameters(
            temperature=temperature,
            top_k=wish.top_k or own.top_k,
            top_p=wish.top_p or own.top_p,
            min_p=own.min_p if wish.min_p is None else wish.min_p,
            presence_penalty=wish.presence_penalty or 0.0,
            frequency_penalty=wish.frequency_penalty or 0.0,
            repetition_penalty=penalty,
            logit_bias=wish.logit_bias or None,
        )


@dataclass(frozen=True, slots=True)
class SamplingWish:
    """What a request says about sampling; None where it says nothing."""

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: Mapping[int, float] | None = None
    seed: int | None = None
    n: int = 1

    @property
    def implies_sampling(self) -> bool:
        """Whether a field was given that means nothing to a greedy choice."""
        given = (self.top_k, self.top_p, self.min_p, self.seed)
        return self.n > 1 or any(value is not None for value in given)


class RowSampler:
    """Parameters, random numbers and penalties of one row."""

    __slots__ = ("_bias", "_counts", "_seen", "constraint", "generator", "parameters")

    def __init__(
        self,
        parameters: SamplingParameters,
        *,
        seed: int,
        row: int,
        vocabulary: int,
        device: str,
        prompt: Sequence[int],
        constraint: Constraint | None = None,
    ) -> None:
        """Prepare a row. ``row`` tells the candidates of one request apart."""
        import torch

        self.parameters = parameters
        self.constraint = constraint
        self.generator = torch.Generator("cpu")
        self.generator.manual_seed((seed + row * _SEED_STEP) % 2**63)
        self._bias = self._counts = self._seen = None
        if parameters.logit_bias:
            self._bias = torch.zeros(vocabulary, device=device)
            self._bias[list(parameters.logit_bias)] = torch.tensor(
                list(parameters.logit_bias.values()), device=device
            )
        if parameters.presence_penalty or parameters.frequency_penalty:
            self._counts = torch.zeros(vocabulary, device=device)
        if parameters.repetition_penalty != 1:
            self._seen = torch.zeros(vocabulary, dtype=torch.bool, device=device)
            self._seen[torch.tensor(sorted(set(prompt)), dtype=torch.long)] = True

    @property
    def adjusts(self) -> bool:
        """Whether the row's scores are changed before anything is chosen."""
        changes = (self._bias, self._counts, self._seen, self.constraint)
        return any(change is not None for change in changes)

    def adjust(self, scores: Tensor) -> Tensor:
        """Apply bias and penalties to scores ``[vocabulary]``; returns a new tensor."""
        if self._bias is not None:
            scores = scores + self._bias
        if self._seen is not None:
            penalty = self.parameters.repetition_penalty
            lowered = scores.where(scores < 0, scores / penalty).where(
                scores >= 0, scores * penalty
            )
            scores = lowered.where(self._seen, scores)
        if self._counts is not None:
            scores = scores - self.parameters.frequency_penalty * self._counts
            scores = scores - self.parameters.presence_penalty * (self._counts > 0)
        return scores if self.constraint is None else self.constraint.allow(scores)

    def observe(self, token: int) -> None:
        """Note a chosen token for the penalties and the constraint."""
        if self.constraint is not None:
            self.constraint.take(token)
        if self._counts is not None:
            self._counts[token] += 1
        if self._seen is not None:
            self._seen[token] = True

    def uniform(self) -> Tensor:
        """The row's next random number in [0, 1)."""
        import torch

        return torch.rand((), generator=self.generator, dtype=torch.float64)


def sample(scores: Tensor, rows: Sequence[RowSampler]) -> list[int]:
    """Choose the next token of each row from scores float32 ``[rows, vocabulary]``.

    Raises:
        LocalError: The scores are not numbers; weights or number format are unfit.
    """
    import torch

    if any(row.adjusts for row in rows):
        scores = torch.stack([row.adjust(scores[n]) for n, row in enumerate(rows)])
    best, chosen = scores.max(dim=-1)
    if not bool(torch.isfinite(best).all()):
        raise LocalError(
            "the model gives scores that are no numbers; try LocalBackend(dtype='float32'), else "
            "its weights are damaged"
        )
    tokens: list[int] = chosen.tolist()
    random = [n for n, row in enumerate(rows) if not row.parameters.greedy]
    if random:
        drawn = _draw(scores[random], best[random], [rows[n] for n in random])
        for n, token in zip(random, drawn, strict=True):
            tokens[n] = token
    for row, token in zip(rows, tokens, strict=True):
        row.observe(token)
    return tokens


def logprobs_of(
    scores: Tensor, token: int, alternatives: int
) -> tuple[float, list[tuple[int, float]]]:
    """Log-probability of a token and of the likeliest ones, from raw scores ``[vocabulary]``."""
    logs = scores.log_softmax(dim=-1)
    if not alternatives:
        return float(logs[token]), []
    top = logs.topk(min(alternatives, logs.shape[-1]))
    return float(logs[token]), list(zip(top.indices.tolist(), top.values.tolist(), strict=True))


def _draw(scores: Tensor, best: Tensor, rows: Sequence[RowSampler]) -> list[int]:
    import torch

    if scores.device.type == "mps":  # needs an accelerator
        scores, best = scores.cpu(), best.cpu()  # MPS has no float64  # needs an accelerator
    heat = _column([min(row.parameters.temperature, _HOTTEST) for row in rows], scores)
    scaled = (scores - best.unsqueeze(-1)) / heat  # the likeliest token stands at 0
    floor = _floors(scaled, [row.parameters for row in rows])
    weights = scaled.exp()
    if bool(torch.isfinite(floor).any()):
        weights = weights.masked_fill(scaled < floor, 0.0)
    cumulative = weights.cumsum(dim=-1, dtype=torch.float64)
    uniform = torch.stack([row.uniform() for row in rows]).to(scores.device).unsqueeze(-1)
    drawn = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    tokens: list[int] = drawn.squeeze(-1).clamp(max=scores.shape[-1] - 1).tolist()
    return tokens


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    import torch

    return torch.tensor(values, device=like.device, dtype=like.dtype).unsqueeze(-1)


def _floors(scaled: Tensor, wishes: Sequence[SamplingParameters]) -> Tensor:
    """The lowest score each row keeps, ``[rows, 1]``."""
    import math

    floor = _column([math.log(wish.min_p) if wish.min_p else -math.inf for wish in wishes], scaled)
    sorting = [n for n, wish in enumerate(wishes) if wish.top_k or (wish.top_p or 1) < 1]
    if sorting:
        found = _sorted_floors(scaled[sorting], [wishes[n] for n in sorting], _SHORTLIST)
        floor[sorting] = floor[sorting].maximum(found)
    return floor


def _sorted_floors(scaled: Tensor, wishes: Sequence[SamplingParameters], width: int) -> Tensor:
    """Floors of top-k and top-p, from the ``width`` best scores; wider where that is too few."""
    import torch

    size = scaled.shape[-1]
    limits = [min(wish.top_k or size, size) for wish in wishes]
    width = min(size, max(width, *(limit for limit in limits if limit < size), 1))
    top = scaled.topk(width, dim=-1).values
    limit = torch.tensor(limits, device=scaled.device).unsqueeze(-1)
    inside = torch.arange(width, device=scaled.device) < limit
    masses = [wish.top_p or 1.0 for wish in wishes]
    mass = torch.tensor(masses, device=scaled.device, dtype=torch.float64).unsqueeze(-1)
    weights = top.exp().double() * inside
    whole = torch.where(
        limit < size,
        weights.sum(-1, keepdim=True),
        scaled.exp().sum(-1, keepdim=True, dtype=torch.float64),
    )
    share = weights.cumsum(-1) / whole
    before = share - weights / whole
    kept = ((before < mass) | (mass >= 1)) & inside
    kept[:, 0] = True  # however small top_p is, the likeliest token stays
    floor = top.gather(-1, kept.sum(-1, keepdim=True) - 1)
    short = (kept.all(-1) & (limit.squeeze(-1) > width)).nonzero().squeeze(-1).tolist()
    if short:
        floor[short] = _sorted_floors(scaled[short], [wishes[n] for n in short], size)
    return floor
