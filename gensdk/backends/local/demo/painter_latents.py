"""The painter's eye and brush: an autoencoder between pictures and small latents."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .painter_recipe import Recipe, learning_rate, say
from .pictures import SIZE, Picture, draw, invent

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL
    from PIL.Image import Image


def as_tensor(images: Sequence[Image]) -> torch.Tensor:
    """Pictures as float32 [pictures, 3, height, width], from -1 to 1."""
    import torch

    sizes = {image.size for image in images}
    (width, height) = sizes.pop()
    joined = b"".join(image.convert("RGB").tobytes() for image in images)
    pixels = torch.frombuffer(bytearray(joined), dtype=torch.uint8)
    pixels = pixels.reshape(len(images), height, width, 3).permute(0, 3, 1, 2)
    return (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def build_autoencoder(recipe: Recipe) -> AutoencoderKL:
    """An untrained autoencoder; its initial weights depend on torch's global seed."""
    import torch
    from diffusers import AutoencoderKL

    levels = len(recipe.vae_widths)
    model = AutoencoderKL(
        block_out_channels=recipe.vae_widths,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        latent_channels=recipe.latent_channels,
        norm_num_groups=8,
        sample_size=SIZE,
        scaling_factor=1.0,
        mid_block_add_attention=False,
        force_upcast=False,
    )
    return model.to(memory_format=torch.channels_last)


def _lesson(
    recipe: Recipe, rng: random.Random, *, whole: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fresh pictures, and where their objects are, float32 [pictures, 1, height, width].

    All but the last lessons show only a square around some point of the object: most of a whole
    picture is background, which is dear to compute and soon learned.
    """
    import torch

    size = SIZE if whole else recipe.cut_outs
    count = max(1, recipe.vae_batch * recipe.cut_outs**2 // size**2)
    pixels = as_tensor([draw(invent(rng), rng) for _ in range(count)])
    objects = (pixels - pixels[:, :, :1, :1]).abs().amax(1, keepdim=True) > 0.02
    squares, places = [], []
    for row in range(count):
        points = objects[row, 0].nonzero()
        centre = points[rng.randrange(len(points))].tolist()
        top, left = (min(max(one - size // 2, 0), SIZE - size) for one in centre)
        cut = (slice(row, row + 1), slice(None), slice(top, top + size), slice(left, left + size))
        squares.append(pixels[cut])
        places.append(objects[cut].float())
    return torch.cat(squares).contiguous(memory_format=torch.channels_last), torch.cat(places)


def _loss(
    model: AutoencoderKL,
    pixels: torch.Tensor,
    objects: torch.Tensor,
    noise: torch.Generator,
    divergence_weight: float,
) -> torch.Tensor:
    """Difference of the pictures, four times as dear on the object, and the latents' divergence."""
    posterior = model.encode(pixels).latent_dist
    away = model.decode(posterior.sample(generator=noise)).sample - pixels
    weights = 1 + 3 * objects
    weights = weights / weights.mean()
    divergence = posterior.kl().mean() / posterior.mean[0].numel()
    return (weights * (away.abs() + away.square())).mean() + divergence_weight * divergence


def train_autoencoder(recipe: Recipe) -> tuple[AutoencoderKL, dict[str, float]]:
    """Train from nothing on fresh pictures. Returns the model and the figures of the run."""
    import torch

    torch.manual_seed(recipe.seed)
    model = build_autoencoder(recipe)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.vae_rate, betas=(0.9, 0.99), weight_decay=1e-4, fused=True
    )
    rng = random.Random(f"autoencoder {recipe.seed}")
    noise = torch.Generator().manual_seed(recipe.seed)
    started, recent = time.perf_counter(), 0.0
    for step in range(recipe.vae_steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe.vae_rate, step, recipe.vae_steps)
        pixels, objects = _lesson(recipe, rng, whole=step >= 0.8 * recipe.vae_steps)
        loss = _loss(model, pixels, objects, noise, recipe.divergence_weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        recent = loss.item() if step == 0 else 0.98 * recent + 0.02 * loss.item()
        if step % 100 == 99 or step + 1 == recipe.vae_steps:
            say(f"latents {step + 1} loss {recent:.4f} {time.perf_counter() - started:.0f} s")
    seconds = round(time.perf_counter() - started)
    return model.eval(), {"vae_seconds": seconds, "vae_loss": round(recent, 4)}


def draw_latents(recipe: Recipe, model: AutoencoderKL) -> tuple[list[Picture], torch.Tensor]:
    """The pictures to learn painting from, and their latents, float32 [pictures, c, h, w]."""
    import torch

    rng = random.Random(f"pictures {recipe.seed}")
    facts: list[Picture] = []
    latents = []
    with torch.inference_mode():
        while len(facts) < recipe.pictures:
            some = [invent(rng) for _ in range(min(64, recipe.pictures - len(facts)))]
            pixels = as_tensor([draw(picture, rng) for picture in some])
            latents.append(model.encode(pixels).latent_dist.mean)
            facts += some
    return facts, torch.cat(latents).clone(memory_format=torch.contiguous_format)


def level_latents(model: AutoencoderKL, latents: torch.Tensor) -> torch.Tensor:
    """Give every latent channel mean 0 and variance 1, inside the model; returns the new latents.

    The shift and scale go into the 1 x 1 convolutions on both sides of the latents, because
    pipelines know of one scale for all channels only.
    """
    import torch

    mean, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    with torch.no_grad():
        outward, inward = model.quant_conv, model.post_quant_conv
        inward.bias += inward.weight[:, :, 0, 0] @ mean
        inward.weight *= spread[None, :, None, None]
        both = torch.cat([spread, torch.ones_like(spread)])  # means, then log variances
        outward.bias -= torch.cat([mean, 2 * spread.log()])
        outward.bias /= both
        outward.weight /= both[:, None, None, None]
    return (latents - mean[:, None, None]) / spread[:, None, None]
