"""Systems people know by name, what became of them, and how to reach them from here.

Sources: the vendors' pages, deprecation lists and packages as gathered for this project up to
2026-11-20; open weights as transformers 5.23 and diffusers 0.42 load them. Dates of the ends of
models are in ``lifecycle.py``; a test holds the two together.

Rule of the room: dated, cited facts and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from gensdk.types import Ability

__all__ = ["SYSTEMS", "SystemRow"]


@dataclass(frozen=True, slots=True)
class SystemRow:
    """One system.

    Attributes:
        name: What people call it.
        ability: What it does; the name of the client's verb, too.
        today: What became of it.
        models: How to reach it, or what does the same, as ``"provider:model"``; the first is the
            nearest. An ``org/name`` stands for weights that have to be on this machine already.
    """

    name: str
    ability: Ability
    today: str
    models: tuple[str, ...]


SYSTEMS: tuple[SystemRow, ...] = (
    SystemRow("GPT-3 (text-davinci-003)", "text", "ended 2024-01-04", ("openai:gpt-6-luna",)),
    SystemRow(
        "GPT-3.5 Turbo", "text", "ended 2026-10-23", ("openai:gpt-5.6-terra", "openai:gpt-6-luna")
    ),
    SystemRow(
        "ChatGPT",
        "text",
        "the product has no API; its models have",
        ("openai:gpt-6-luna", "openai:gpt-5.6-luna"),
    ),
    SystemRow("GPT-4, GPT-4 Turbo", "text", "ended, the last 2026-10-23", ("openai:gpt-5.6-sol",)),
    SystemRow(
        "GPT-4o, GPT-4.1", "text", "served until 2027-01-14", ("openai:gpt-4o", "openai:gpt-6-luna")
    ),
    SystemRow("Claude", "text", "served", ("anthropic:claude-sonnet-5-5",)),
    SystemRow("Gemini", "text", "served", ("google:gemini-3.8-flash",)),
    SystemRow("Perplexity", "text", "served, with search", ("perplexity:sonar-pro",)),
    SystemRow(
        "Llama, Qwen, Mistral, DeepSeek, …",
        "text",
        "open weights; many hosts",
        (
            "local:Qwen/Qwen3-4B-Instruct-2507",
            "groq:llama-3.3-70b-versatile",
            "huggingface:openai/gpt-oss-120b",
            "mistral:mistral-large-latest",
        ),
    ),
    SystemRow("GPT-2", "text", "open weights", ("local:openai-community/gpt2",)),
    SystemRow(
        "BERT", "text", "open weights; fills masks", ("local:google-bert/bert-base-uncased",)
    ),
    SystemRow("T5", "text", "open weights", ("local:google-t5/t5-small",)),
    SystemRow("DALL-E 2, DALL-E 3", "image", "ended 2026-05-12", ("openai:gpt-image-2.5-flare",)),
    SystemRow(
        "Midjourney",
        "image",
        "no public API",
        (
            "openai:gpt-image-2.5-flare",
            "stability:ultra",
            "local:stabilityai/sdxl-turbo",
        ),
    ),
    SystemRow(
        "Stable Diffusion",
        "image",
        "open weights; several hosts",
        (
            "local:stabilityai/sdxl-turbo",
            "webui:sd_xl_base_1.0",
            "comfyui:workflow.json",
            "stability:sd3.5-large",
            "huggingface:stabilityai/stable-diffusion-3.5-large",
        ),
    ),
    SystemRow(
        "FLUX",
        "image",
        "open weights; several hosts",
        (
            "huggingface:black-forest-labs/FLUX.1-schnell",
            "local:black-forest-labs/FLUX.1-schnell",
        ),
    ),
    SystemRow("Imagen", "image", "ended 2026-08-17", ("google:gemini-3.1-flash-image",)),
    SystemRow("StyleGAN, BigGAN and other GANs", "image", "research weights", ("callable",)),
    SystemRow("VAE", "image", "a part of diffusion pipelines", ("callable",)),
    SystemRow(
        "Sora",
        "video",
        "ended 2026-09-24; servers speak its protocol",
        (
            "vllm-omni:any",
            "sglang:any",
            "google:veo-3.1-generate-preview",
        ),
    ),
    SystemRow("Veo", "video", "served", ("google:veo-3.1-generate-preview",)),
    SystemRow("Runway Gen-3", "video", "replaced by Gen-4.5", ("runway:gen4.5",)),
    SystemRow("PixVerse", "video", "served", ("pixverse:v6",)),
    SystemRow("OpenAI TTS", "speech", "served until 2027-01-06", ("openai:gpt-4o-mini-tts",)),
    SystemRow("ElevenLabs", "speech", "served", ("elevenlabs:eleven_v3",)),
    SystemRow("Bark, VITS, SpeechT5", "speech", "open weights", ("local:suno/bark-small",)),
    SystemRow(
        "Tacotron 2, WaveNet",
        "speech",
        "research weights",
        (
            "callable",
            "local:microsoft/speecht5_tts",
        ),
    ),
    SystemRow(
        "Whisper",
        "transcribe",
        "open weights; served until 2027-02-26",
        (
            "openai:whisper-1",
            "local:openai/whisper-small",
        ),
    ),
    SystemRow(
        "Suno, Udio",
        "music",
        "no public API",
        (
            "elevenlabs:music_v2_5",
            "google:lyria-3.5",
            "local:facebook/musicgen-small",
        ),
    ),
    SystemRow(
        "Jukedeck, OpenAI Jukebox",
        "music",
        "not served any more",
        (
            "stability:stable-audio-2.5",
            "local:facebook/musicgen-small",
        ),
    ),
    SystemRow("MusicGen", "music", "open weights", ("local:facebook/musicgen-small",)),
    SystemRow("char-RNN", "text", "no common format", ("callable",)),
)
"""By what people ask for. ``callable`` is a function or torch module of the user's own."""
