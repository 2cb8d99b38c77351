"""How many pictures one run may make, by the memory there is.

Decoding the latents takes the most: the last blocks of the decoder hold a handful of tensors with
all pixels. It is an estimate; where it was too high, ``shrink`` lowers what the worker tries.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .geometry import Size

__all__ = ["TILED", "free_bytes", "picture_bytes", "save_memory"]

TILED = 8
"""How much less a picture takes about when it is decoded in tiles, and never more than that."""

_TENSORS = 6  # as large as a picture with all channels, alive at once in the decoder's last block
_USUAL_CHANNELS = 128


def picture_bytes(pipe: Any, size: Size | None) -> int:
    """Rough number of bytes that one more picture takes while it is decoded."""
    width, height = size or (1024, 1024)
    vae = getattr(pipe, "vae", None) or getattr(pipe, "unet", None)
    config = getattr(vae, "config", None)
    blocks = getattr(config, "block_out_channels", None)
    channels = int(blocks[0]) if blocks else int(getattr(config, "base_dim", _USUAL_CHANNELS))
    itemsize = getattr(getattr(vae, "dtype", None), "itemsize", 4)
    return width * height * channels * itemsize * _TENSORS


def free_bytes(device: str, limit: int | None) -> int | None:
    """Memory for intermediate results: what was granted, else half of what is free."""
    if limit is not None:
        return limit
    if device.startswith("cuda"):  # needs an accelerator
        import torch  # needs an accelerator

        return int(torch.cuda.mem_get_info(device)[0]) // 2  # needs an accelerator
    available = _available_bytes()
    return None if available is None else available // 2


def _available_bytes() -> int | None:
    """Memory of this machine that can be had without swapping; None where nobody tells."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # other systems have neither
        return None


def save_memory(pipe: Any) -> bool:
    """Decode one picture after the other, and large ones in tiles; whether that was new."""
    vae = getattr(pipe, "vae", None)
    changed = False
    for name in ("slicing", "tiling"):
        enable = getattr(vae, f"enable_{name}", None)
        if enable is None or getattr(vae, f"use_{name}", False):
            continue
        try:
            enable()
        except NotImplementedError:  # some have the method and no way to do it
            continue
        changed = True
    return changed
