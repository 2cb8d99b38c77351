"""Tiny real diffusers pipelines made from configurations; nothing is downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WORDS = ("a", "the", "red", "green", "blue", "cat", "dog", "boat", "paper", "sea", "ugly")


def clip_tokenizer() -> Any:
    """A CLIP tokenizer that knows a few words and every letter; 77 tokens at most."""
    from transformers import CLIPTokenizer

    letters = [chr(n) for n in range(33, 127)]
    pieces = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def t5_tokenizer() -> Any:
    """A unigram tokenizer as T5 has."""
    from transformers import T5Tokenizer

    letters = [chr(n) for n in range(33, 127)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -1.0) for word in _WORDS]
    pieces += [(letter, -3.0) for letter in letters if f"▁{letter}" not in dict(pieces)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=64)


def clip_text(vocabulary: int, width: int = 16) -> Any:
    """A CLIP text encoder of one layer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=width * 2,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=77,
            projection_dim=width,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    )


def t5_text(vocabulary: int, width: int = 16) -> Any:
    """A T5 encoder of one layer."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=vocabulary,
            d_model=width,
            d_kv=8,
            d_ff=32,
            num_layers=1,
            num_heads=2,
            decoder_start_token_id=0,
        )
    )


def image_vae(latent_channels: int = 4) -> Any:
    """An autoencoder that halves each side twice: one latent for 4 x 4 pixels."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=latent_channels,
        norm_num_groups=4,
        sample_size=64,
        layers_per_block=1,
        shift_factor=0.0,
    )


def stable_diffusion(*, channels: int = 4, **parts: Any) -> Any:
    """A Stable Diffusion pipeline, 64 x 64 pixels."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    tokenizer = clip_tokenizer()
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip
    made: dict[str, Any] = {
        "vae": image_vae(),
        "text_encoder": clip_text(len(tokenizer)),
        "tokenizer": tokenizer,
        "unet": unet,
        "scheduler": scheduler,
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    return StableDiffusionPipeline(**(made | parts))


def safety_checker() -> tuple[Any, Any]:
    """Stable Diffusion's filter, with its pictures' preparation."""
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    vision = size | {"num_attention_heads": 2, "image_size": 32, "patch_size": 16}
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=16))
    pictures = CLIPImageProcessor(crop_size={"height": 32, "width": 32}, size={"shortest_edge": 32})
    return checker, pictures


def flux() -> Any:
    """A Flux pipeline: flow matching, two text encoders, packed latents."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    clip, t5 = clip_tokenizer(), t5_tokenizer()
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=16, pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8), guidance_embeds=True,
    )  # fmt: skip
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=image_vae(),
        text_encoder=clip_text(len(clip)),
        tokenizer=clip,
        text_encoder_2=t5_text(len(t5)),
        tokenizer_2=t5,
        transformer=transformer,
    )


def ddpm() -> Any:
    """An unconditional pipeline in pixel space, 16 x 16."""
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    unet = UNet2DModel(
        sample_size=16, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    return DDPMPipeline(unet=unet, scheduler=DDPMScheduler(num_train_timesteps=100))


def dit() -> Any:
    """A class-conditional pipeline with three classes."""
    from diffusers import DDIMScheduler, DiTPipeline, DiTTransformer2DModel

    transformer = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=1,
        sample_size=8, patch_size=2, num_embeds_ada_norm=1000,
    )  # fmt: skip
    pipe = DiTPipeline(transformer=transformer, vae=image_vae(), scheduler=DDIMScheduler())
    # As in the published folders, which diffusers reads but does not write.
    pipe.register_to_config(id2label={"0": "tench, Tinca tinca", "1": "goldfish", "2": "shark"})
    return pipe


def wan(*, from_picture: bool = False) -> Any:
    """A Wan video pipeline: four frames of one latent frame after the first."""
    from diffusers import (
        AutoencoderKLWan,
        UniPCMultistepScheduler,
        WanImageToVideoPipeline,
        WanPipeline,
        WanTransformer3DModel,
    )

    tokenizer = t5_tokenizer()
    vae = AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )  # fmt: skip
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12,
        in_channels=36 if from_picture else 16, out_channels=16, text_dim=16, freq_dim=32,
        ffn_dim=32, num_layers=1, cross_attn_norm=True, qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )  # fmt: skip
    transformer.proj_out.weight.data.mul_(20)  # untrained, it would hardly paint anything
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    parts = {
        "tokenizer": tokenizer,
        "text_encoder": t5_text(len(tokenizer)),
        "vae": vae,
        "transformer": transformer,
        "scheduler": scheduler,
    }
    return WanImageToVideoPipeline(**parts) if from_picture else WanPipeline(**parts)


def ltx() -> Any:
    """An LTX video pipeline, whose weights run in a second pipeline that takes a picture."""
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXPipeline,
        LTXVideoTransformer3DModel,
    )

    tokenizer = t5_tokenizer()
    transformer = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=4,
        attention_head_dim=8, cross_attention_dim=32, num_layers=1, caption_channels=16,
    )  # fmt: skip
    narrow, scaled = (8,) * 4, (True, True, False, False)
    vae = AutoencoderKLLTXVideo(
        in_channels=3, out_channels=3, latent_channels=8, patch_size=1, patch_size_t=1,
        block_out_channels=narrow, decoder_block_out_channels=narrow,
        layers_per_block=(1,) * 5, decoder_layers_per_block=(1,) * 5,
        spatio_temporal_scaling=scaled, decoder_spatio_temporal_scaling=scaled,
        decoder_inject_noise=(False,) * 5, upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4, timestep_conditioning=False,
        encoder_causal=True, decoder_causal=False,
    )  # fmt: skip
    return LTXPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=t5_text(len(tokenizer)),
        tokenizer=tokenizer,
        transformer=transformer,
    )


def save_pipeline(folder: Path, make: Callable[[], Any], *, seed: int = 0, **defaults: Any) -> Path:
    """Make a pipeline of random weights and save it as any other is."""
    import torch
    from diffusers.utils import logging

    torch.manual_seed(seed)
    logging.disable_progress_bar()
    make().save_pretrained(folder)
    logging.enable_progress_bar()
    if defaults:
        (folder / "gensdk_defaults.json").write_text(json.dumps(defaults), encoding="utf-8")
    return folder
