"""From the vectors of tokens to the vector of a text, as the model's folder says.

sentence-transformers writes the steps into ``modules.json``: the network, pooling, sometimes a
linear layer, normalisation. Other encoders get the mean over their tokens, and decoders their last
token, both normalised.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from gensdk.errors import ModelLoadError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Step", "read_json", "steps_of"]

Step = Callable[["Tensor", "Tensor"], "Tensor"]
"""``[texts, tokens, width]`` or ``[texts, width]`` and mask ``[texts, tokens]`` to the next."""

_MAX_JSON = 2**20


def read_json(file: Path) -> dict[str, Any]:
    """A small JSON object; empty where there is no such file."""
    if not file.is_file():
        return {}
    try:
        if file.stat().st_size > _MAX_JSON:
            raise ModelLoadError(f"{file} is over {_MAX_JSON} bytes, which no configuration is")
        value = from_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{file} cannot be read as JSON: {error}") from error
    return value if isinstance(value, dict) else {}


def steps_of(folder: Path, *, decoder: bool) -> list[Step]:
    """What is done with the vectors of the tokens.

    Raises:
        ModelLoadError: The folder asks for a step that is not known here.
    """
    modules = folder / "modules.json"
    if not modules.is_file():
        return [_last if decoder else _mean, _normalised]
    listed = from_json(modules.read_bytes())
    if not isinstance(listed, list):
        raise ModelLoadError(f"{modules} holds no list of modules")
    return [step for module in listed if (step := _step(folder, module)) is not None]


def _step(folder: Path, module: Any) -> Step | None:
    kind = str(module.get("type", "")).rpartition(".")[2]
    place = (folder / str(module.get("path", ""))).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise ModelLoadError(f"{folder}: modules.json leads out of the folder")
    if kind == "Transformer":
        return None
    if kind == "Pooling":
        return _pooling(place)
    if kind == "Normalize":
        return _normalised
    if kind == "Dense":
        return _dense(place)
    raise ModelLoadError(f"{folder} asks for the step {kind!r}, which gensdk does not have")


def _pooling(place: Path) -> Step:
    import torch

    config = read_json(place / "config.json")
    named = config.get("pooling_mode")
    wanted = [
        pool
        for name, pool in _POOLS.items()
        if config.get(f"pooling_mode_{name}") is True or named == _SHORT.get(name, name)
    ]
    if not wanted:
        raise ModelLoadError(f"{place} names no pooling that gensdk has")
    if len(wanted) == 1:
        return wanted[0]
    return lambda tokens, mask: torch.cat([pool(tokens, mask) for pool in wanted], dim=-1)


def _dense(place: Path) -> Step:
    import torch
    from safetensors.torch import load_file

    config = read_json(place / "config.json")
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    if activation not in {"Tanh", "Identity"}:
        raise ModelLoadError(f"{place} asks for the activation {activation!r}")
    file = place / "model.safetensors"
    if not file.is_file():
        raise ModelLoadError(f"{place} has no model.safetensors")
    weights = load_file(file)
    matrix, bias = weights["linear.weight"], weights.get("linear.bias")

    def apply(rows: Tensor, mask: Tensor) -> Tensor:
        end = torch.nn.functional.linear(
            rows, matrix.to(rows), None if bias is None else bias.to(rows)
        )
        return end.tanh() if activation == "Tanh" else end

    return apply


def _mean(tokens: Tensor, mask: Tensor) -> Tensor:
    weight = mask.unsqueeze(-1).to(tokens.dtype)
    return (tokens * weight).sum(1) / weight.sum(1).clamp(min=1e-9)


def _mean_sqrt(tokens: Tensor, mask: Tensor) -> Tensor:
    weight = mask.unsqueeze(-1).to(tokens.dtype)
    return (tokens * weight).sum(1) / weight.sum(1).clamp(min=1e-9).sqrt()


def _weighted_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    weight = (mask * mask.cumsum(-1)).unsqueeze(-1).to(tokens.dtype)
    return (tokens * weight).sum(1) / weight.sum(1).clamp(min=1e-9)


def _max(tokens: Tensor, mask: Tensor) -> Tensor:
    return tokens.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(1)


def _first(tokens: Tensor, mask: Tensor) -> Tensor:
    begins = mask.argmax(-1)  # padding may stand on the left
    return tokens[_rows(tokens), begins]


def _last(tokens: Tensor, mask: Tensor) -> Tensor:
    ends = mask.shape[-1] - 1 - mask.flip(-1).argmax(-1)
    return tokens[_rows(tokens), ends]


def _rows(tokens: Tensor) -> Tensor:
    import torch

    return torch.arange(tokens.shape[0], device=tokens.device)


def _normalised(rows: Tensor, mask: Tensor) -> Tensor:
    import torch

    return torch.nn.functional.normalize(rows, p=2, dim=-1)


_POOLS: dict[str, Step] = {
    "cls_token": _first,
    "max_tokens": _max,
    "mean_tokens": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt,
    "weightedmean_tokens": _weighted_mean,
    "lasttoken": _last,
}
"""Poolings by the names of ``1_Pooling/config.json`` (sentence-transformers 5), in its order."""

_SHORT = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean_tokens": "weightedmean",
}
