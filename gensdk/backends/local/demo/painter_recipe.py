"""Everything that decides the painter's weights, apart from the grammar and the machine."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """Sizes and lengths of the three trainings: words, pictures as latents, painting."""

    seed: int = 0
    threads: int = 2
    # the words: a CLIP text encoder that learns to tell the facts of a caption
    vocabulary: int = 1200
    tokenizer_captions: int = 20_000
    tokens: int = 40
    width: int = 128
    text_layers: int = 2
    text_steps: int = 700
    text_batch: int = 96
    # the pictures: an autoencoder, 64 x 64 x 3 to 16 x 16 x 4, taught mostly by cut-outs
    vae_widths: tuple[int, ...] = (16, 32, 48)
    latent_channels: int = 4
    cut_outs: int = 32
    vae_steps: int = 4500
    vae_batch: int = 24
    vae_rate: float = 2e-3
    divergence_weight: float = 1e-4
    # the painting: a U-Net that takes the noise out of latents, led by the words
    pictures: int = 24_576
    unet_widths: tuple[int, ...] = (32, 64, 112)
    unet_steps: int = 9000
    unet_batch: int = 48
    unet_rate: float = 1e-3
    wordless: float = 0.1
    average: float = 0.999
    checkpoint_every: int = 500
    # the painting, once learned
    inference_steps: int = 20
    guidance: float = 3.0


def learning_rate(highest: float, step: int, steps: int) -> float:
    """The rate of `step`: up over the first twentieth (at most 200 steps), down as a cosine."""
    warmup = max(1, min(200, steps // 20))
    if step < warmup:
        return highest * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def say(line: str) -> None:
    """Print a line at once, also into a file."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
