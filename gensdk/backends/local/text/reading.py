"""Reading prompts: several short ones in one pass, a long one in parts.

Short prompts are put behind each other into one sequence and masked from each other, so nothing is
padded; prompts with the same stored beginning share its keys and values. A long prompt is read in
parts of its own, so that those who already get their answers wait for one part and not for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .model import LoadedModel
from .prefix import Prefix
from .slots import KeysValues

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PassFacts", "Piece", "first_of", "joined", "pass_facts", "read"]


@dataclass(frozen=True, slots=True)
class PassFacts:
    """How a model's forward pass may be asked.

    Attributes:
        masks: Whether it takes a ready mask ``[rows, 1, queries, keys]``; else ``[rows, keys]``.
        positions: Whether it takes the positions of its tokens.
        chooses: Whether it can be told at which tokens scores are wanted.
        biased: Whether it gets positions from the plain mask (ALiBi).
    """

    masks: bool
    positions: bool
    chooses: bool
    biased: bool


def pass_facts(network: Any) -> PassFacts:
    """Look at a model's code: transformers has no question for this.

    Models that make their masks with transformers' own function take a ready one as it is; those
    with position biases (ALiBi) compute them from the plain mask.
    """
    import inspect
    import sys

    names = vars(sys.modules[type(network).__module__])
    takes = inspect.signature(network.forward).parameters
    biased = any("alibi" in name.lower() for name in names)
    attention = network.config._attn_implementation  # noqa: SLF001  # no public name for it
    return PassFacts(
        masks="create_causal_mask" in names and not biased and attention == "sdpa",
        positions="position_ids" in takes,
        chooses="logits_to_keep" in takes,
        biased=biased,
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of one prompt for one pass.

    Attributes:
        ids: Its tokens.
        done: Tokens of the prompt that were read before.
    """

    ids: Sequence[int]
    done: int = 0


def read(
    model: LoadedModel, facts: PassFacts, pieces: Sequence[Piece], before: KeysValues
) -> tuple[Tensor, list[KeysValues]]:
    """Read pieces that all come after the same keys and values ``before`` (possibly none).

    Returns:
        Scores after each piece, float32 ``[pieces, vocabulary]``, and of each piece the keys and
        values of its own tokens.
    """
    import torch
    from transformers import DynamicCache

    device = model.device
    cache = DynamicCache()
    for index, (keys, values) in enumerate(before):
        cache.update(keys, values, index)
    known = before[0][0].shape[-2] if before else 0
    counts = [len(piece.ids) for piece in pieces]
    ids = torch.tensor([[token for piece in pieces for token in piece.ids]], device=device)
    options: dict[str, Any] = {"past_key_values": cache}
    if facts.positions:
        positions = [piece.done + at for piece in pieces for at in range(len(piece.ids))]
        options["position_ids"] = torch.tensor([positions], device=device)
    if len(pieces) > 1:
        options["attention_mask"] = _mask(counts, known, device)
    ends = torch.tensor(counts, device=device).cumsum(0) - 1
    if facts.chooses:
        options["logits_to_keep"] = ends
    output = model.network(input_ids=ids, use_cache=True, return_dict=True, **options)
    scores: Tensor = output.logits[0].float()
    if not facts.chooses:
        scores = scores[ends]
    made = [(layer.keys, layer.values) for layer in cache.layers]
    found: list[KeysValues] = []
    at = known
    for count in counts:
        span = slice(at, at + count)
        found.append([(keys[:, :, span], values[:, :, span]) for keys, values in made])
        at += count
    return scores, found


def _mask(counts: Sequence[int], known: int, device: str) -> Tensor:
    """Bool ``[1, 1, tokens, known + tokens]``: each token sees ``known`` and its own prompt."""
    import torch

    owner = torch.repeat_interleave(torch.tensor(list(counts), device=device))
    own = (owner.unsqueeze(-1) == owner).tril()
    before = torch.ones((len(owner), known), dtype=torch.bool, device=device)
    return torch.cat([before, own], dim=-1)[None, None]


def joined(before: KeysValues, after: KeysValues) -> KeysValues:
    """Keys and values of one text behind those of another."""
    import torch

    if not before:
        return after
    return [
        (torch.cat([keys, more_keys], dim=-2), torch.cat([values, more_values], dim=-2))
        for (keys, values), (more_keys, more_values) in zip(before, after, strict=True)
    ]


def first_of(prefix: Prefix | None, tokens: int) -> KeysValues:
    """Keys and values of a stored beginning, none without one."""
    return prefix.first(tokens) if prefix is not None and tokens else []
