"""The painter's model card."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from .painter_recipe import Recipe

_CARD = """\
---
language: en
library_name: diffusers
pipeline_tag: text-to-image
---

# The built-in painter of gensdk

**A demo.** A latent diffusion pipeline of {parameters:,} parameters that paints one of twelve
things in one of eleven colours, 64 x 64 pixels, so that examples, tests and `local:painter` work
without a key, a network or a GPU. It knows nothing else. Never use it for anything real.

* Things: {things}. A cat may be siamese.
* Colours, of the thing and of the background: {colours}.
* Places (left, right, top, bottom) and sizes (small, big) may be asked for as well.
* Sampling: {inference_steps} steps and guidance {guidance}, as `gensdk_defaults.json` says for
  programs; DDIM; 64 x 64 only. The size is fixed: other sizes were never learned.

## How it was made

* Data: only pictures drawn by `pictures.py` and captions written by `painter_captions.py` beside
  it; no other picture or text.
* A `StableDiffusionPipeline` without a safety checker: a CLIP text encoder ({text_encoder:,}
  parameters, {text_layers} layers, width {width}, {tokens} tokens) that first learned to tell the
  facts of a caption (all of them in {text_right:.0%} of captions) and then stayed as it was; an
  autoencoder ({vae:,}) to 16 x 16 x {latent_channels} latents; a U-Net ({unet:,}) that learned
  v-prediction on a cosine schedule, {wordless:.0%} of the time without words; averaged weights.
* Training, on {threads} CPU threads ({machine}), float32, AdamW, seed {seed}: words {text_steps}
  steps, {text_seconds} s; latents {vae_steps} steps, {vae_seconds} s, loss {vae_loss}; painting
  {unet_steps} steps of {unet_batch} pictures, {unet_seconds} s, loss {unet_loss}.
* Versions: Python {python}, torch {torch}, diffusers {diffusers}, transformers {transformers},
  tokenizers {tokenizers}, Pillow {pillow}.
* Weights are stored as float16; load them as float32 on a CPU.
* Made by `python -m gensdk.backends.local.demo.train_painter --out FOLDER --seed {seed}`.
  The same seed, thread count, versions and kind of machine give the same bits again.

## What it was seen to do

Picture i of a row painted with seed i. A row's name is an example: things and colours vary within
it (the prompts are in `painter_judge.py`). Colours, place and size are read from the pixels; the
object is named by a small network trained on drawn pictures. Measured again
by `python -m gensdk.backends.local.demo.train_painter --evaluate FOLDER`:

{scores}

## Limits

One thing per picture; it does not count, and things it does not know become one it does. Colours
are the eleven above: "light" and "dark" make no difference. Small things lose their details, and
the face of a siamese cat is smudged. English only.
"""


def write(
    folder: Path,
    recipe: Recipe,
    figures: Mapping[str, float],
    parameters: Mapping[str, int],
    scores: str,
) -> None:
    """Write the model card, README.md, into `folder`.

    Args:
        folder: The trained pipeline.
        recipe: What it was trained by.
        figures: Seconds and losses of the stages.
        parameters: Number of parameters of `text_encoder`, `vae` and `unet`.
        scores: A Markdown table.
    """
    import diffusers
    import PIL
    import tokenizers
    import torch
    import transformers

    from .pictures import COLOURS, OBJECTS

    card = _CARD.format(
        **asdict(recipe),
        **figures,
        **parameters,
        parameters=sum(parameters.values()),
        things=", ".join(OBJECTS),
        colours=", ".join(COLOURS),
        scores=scores,
        machine=platform.machine(),
        python=platform.python_version(),
        torch=torch.__version__,
        diffusers=diffusers.__version__,
        transformers=transformers.__version__,
        tokenizers=tokenizers.__version__,
        pillow=PIL.__version__,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
