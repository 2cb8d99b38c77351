"""Tiny models that listen, made from configurations, and sounds with known words: tones.

A word is a tone of a pitch of its own; between words there is a pause.
"""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

RATE = 16_000
NOTES = {"do": 300.0, "re": 500.0, "mi": 800.0, "fa": 1200.0, "sol": 1700.0}
TONE_S = 0.3
WINDOW_S = 3  # what the Whisper hears at once; a real one hears 30 seconds

Array = NDArray[numpy.float32]


def silence(seconds: float, level: float = 0.002, seed: int = 0) -> Array:
    """Faint noise, as a microphone gives it."""
    noise = numpy.random.default_rng(seed).standard_normal(int(seconds * RATE))
    return (noise * level).astype(numpy.float32)


def tone(word: str, language: str = "en") -> Array:
    """One word; in German it has an overtone."""
    time = numpy.arange(int(TONE_S * RATE)) / RATE
    edge = numpy.minimum(1, numpy.minimum(time, TONE_S - time) / 0.02)
    phase = 2 * numpy.pi * NOTES[word] * time
    sound = numpy.sin(phase) + (0.5 * numpy.sin(3 * phase) if language == "de" else 0)
    return (0.4 * edge * sound).astype(numpy.float32)


def tune(
    words: Sequence[str],
    gap_s: float = 0.2,
    lead_s: float = 0.2,
    seed: int = 0,
    language: str = "en",
) -> Array:
    """Words with pauses between them, before the first and after the last."""
    pieces = [silence(lead_s, seed=seed)]
    for n, word in enumerate(words):
        pieces += [tone(word, language), silence(gap_s, seed=seed + n + 1)]
    return numpy.concatenate(pieces)


def wav(samples: Array, rate: int = RATE) -> bytes:
    """A WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(rate)
        target.writeframes((samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
    return file.getvalue()


def heard_as(samples: Array) -> Array:
    """What a model gets of samples that went through a 16-bit file."""
    steps = (samples.clip(-1, 1) * 32767).round()
    return (steps / 32768).astype(numpy.float32)


def whisper_tokenizer(seconds: int, languages: Sequence[str]) -> Any:
    """A tokenizer as Whisper's: text, then special tokens, languages, tasks, marks of time."""
    from tokenizers import AddedToken, pre_tokenizers
    from transformers import WhisperTokenizer

    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges: list[tuple[str, str]] = []
    for word in NOTES:
        whole = f"Ġ{word}"
        for end in range(2, len(whole) + 1):
            pair = (whole[: end - 1], whole[end - 1])
            if pair not in merges:
                merges.append(pair)
                pieces.append(whole[:end])
    tokenizer = WhisperTokenizer(vocab={piece: n for n, piece in enumerate(pieces)}, merges=merges)
    names = ["startoftranscript", *languages, "translate", "transcribe", "startoflm"]
    names += ["startofprev", "nospeech", "notimestamps"]
    special = [AddedToken(f"<|{name}|>", special=True, normalized=False) for name in names]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    marks = [f"<|{n * 0.02:.2f}|>" for n in range(seconds * 50 + 1)]
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in marks])
    return tokenizer


def whisper(
    seconds: int = WINDOW_S,
    languages: Sequence[str] = ("en", "zh", "de"),
    seed: int = 0,
    **changes: Any,
) -> tuple[Any, Any, Any]:
    """A Whisper with windows of some seconds: model, feature extractor, tokenizer."""
    import torch
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    tokenizer = whisper_tokenizer(seconds, languages)
    extractor = WhisperFeatureExtractor(feature_size=16, chunk_length=seconds)
    of = tokenizer.convert_tokens_to_ids
    sizes = {"d_model": 48, "encoder_layers": 1, "decoder_layers": 2}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    sizes |= {"encoder_ffn_dim": 96, "decoder_ffn_dim": 96, "num_mel_bins": 16}
    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        max_source_positions=seconds * 50,
        max_target_positions=64,
        pad_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=of("<|startoftranscript|>"),
        suppress_tokens=None,
        begin_suppress_tokens=None,
        init_std=0.2,
        **(sizes | changes),
    )
    model = WhisperForConditionalGeneration(config)
    generation = model.generation_config
    generation._from_model_config = False  # else only the fields that all models have are kept
    generation.max_length = 64
    generation.no_timestamps_token_id = of("<|notimestamps|>")
    generation.prev_sot_token_id = of("<|startofprev|>")
    generation.is_multilingual = True
    generation.lang_to_id = {f"<|{name}|>": of(f"<|{name}|>") for name in languages}
    generation.task_to_id = {task: of(f"<|{task}|>") for task in ("transcribe", "translate")}
    generation.alignment_heads = [[1, 0], [1, 1]]
    generation.suppress_tokens = None
    generation.begin_suppress_tokens = [tokenizer.eos_token_id]
    return model.eval(), extractor, tokenizer


def steady_whisper(scores: dict[str, float]) -> tuple[Any, Any, Any]:
    """A Whisper that gives tokens the same scores at every step, whatever it hears."""
    import torch

    parts = model, _, tokenizer = whisper()
    decoder = model.model.decoder
    with torch.no_grad():
        for weight in (decoder.layer_norm.weight, decoder.layer_norm.bias):
            weight.zero_()
        decoder.layer_norm.bias[0] = 1.0
        decoder.embed_tokens.weight.zero_()
        decoder.embed_tokens.weight[:, 0] = -30.0
        for token, score in scores.items():
            decoder.embed_tokens.weight[tokenizer.convert_tokens_to_ids(token), 0] = score
    model.generation_config.suppress_tokens = [tokenizer.convert_tokens_to_ids("<|nospeech|>")]
    return parts


def taught_whisper(steps: int = 300) -> tuple[Any, Any, Any]:
    """A Whisper that understands tones: their words, their times and their language."""
    import torch

    parts = model, extractor, tokenizer = whisper()
    chance = numpy.random.default_rng(0)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "embed_positions" not in name:
                torch.nn.init.normal_(weight, std=0.06)
    lessons = [_lesson(extractor, tokenizer, chance) for _ in range(48)]
    teacher = torch.optim.AdamW(model.parameters(), lr=3e-3)
    course = torch.optim.lr_scheduler.LinearLR(teacher, 1.0, 0.1, steps)
    model.train()
    for step in range(steps):
        features, said, wanted = lessons[step % len(lessons)]
        scores = model(input_features=features, decoder_input_ids=said).logits
        loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), wanted.flatten())
        teacher.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        teacher.step()
        course.step()
    model.eval()
    return parts


def _lesson(extractor: Any, tokenizer: Any, chance: Any, size: int = 16) -> tuple[Any, Any, Any]:
    """Features, the tokens the decoder is given, and those it is to give."""
    import torch

    of, end = tokenizer.convert_tokens_to_ids, tokenizer.eos_token_id
    features, rows = [], []
    for _ in range(size):
        gap, lead = chance.uniform(0.15, 0.35), chance.uniform(0.0, 0.6)
        most = int((WINDOW_S - lead) / (TONE_S + gap))
        words = chance.choice(list(NOTES), chance.integers(1, most + 1)).tolist()
        language = str(chance.choice(["en", "de"]))
        sound = tune(words, gap, lead, int(chance.integers(10**6)), language)[: WINDOW_S * RATE]
        features.append(extractor(sound, sampling_rate=RATE, return_tensors="pt").input_features)
        last = lead + len(words) * (TONE_S + gap) - gap
        text = [of(f"Ġ{word}") for word in words]
        marks = [of("<|0.00|>") + round(time / 0.02) for time in (lead, last)]
        text = (
            [marks[0], *text, marks[1]]
            if chance.random() < 0.5
            else [of("<|notimestamps|>"), *text]
        )
        start = [of("<|startoftranscript|>"), of(f"<|{language}|>"), of("<|transcribe|>")]
        rows.append([*start, *text, end])
    width = max(len(row) for row in rows)
    said = torch.full((size, width), end)
    wanted = torch.full((size, width), -100)
    for n, row in enumerate(rows):
        said[n, : len(row)] = torch.tensor(row)
        wanted[n, : len(row) - 1] = torch.tensor(row[1:])
        wanted[n, 1] = -100  # which task it is, nobody has to guess
    return torch.cat(features), said, wanted


def ctc_tokenizer(folder: Path) -> Any:
    """Letters of the notes; ``|`` between words."""
    from transformers import Wav2Vec2CTCTokenizer

    letters = sorted({letter for word in NOTES for letter in word})
    names = ["<pad>", "<s>", "</s>", "<unk>", "|", *letters]
    file = folder / "vocab.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({name: n for n, name in enumerate(names)}), "utf-8")
    return Wav2Vec2CTCTokenizer(str(file))


def wav2vec2(
    folder: Path, masked: bool = True, make: str = "Wav2Vec2", seed: int = 0
) -> tuple[Any, Any, Any]:
    """A CTC model with a frame each 20 ms: model, feature extractor, tokenizer."""
    import torch
    import transformers

    tokenizer = ctc_tokenizer(folder)
    torch.manual_seed(seed)
    config = getattr(transformers, f"{make}Config")(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(32, 32, 32),
        conv_kernel=(80, 8, 4),
        conv_stride=(40, 4, 2),
        conv_bias=True,
        num_feat_extract_layers=3,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer" if masked else "group",
        do_stable_layer_norm=masked,
        pad_token_id=tokenizer.pad_token_id,
        ctc_loss_reduction="mean",
        **dict.fromkeys(
            ("hidden_dropout", "attention_dropout", "activation_dropout", "layerdrop"), 0.0
        ),
        feat_proj_dropout=0.0,
        final_dropout=0.0,
        mask_time_prob=0.0,
    )
    extractor = transformers.Wav2Vec2FeatureExtractor(
        return_attention_mask=masked, do_normalize=False
    )
    model = getattr(transformers, f"{make}ForCTC")(config)
    return model.eval(), extractor, tokenizer


def taught_wav2vec2(folder: Path, steps: int = 220) -> tuple[Any, Any, Any]:
    """A CTC model that understands tones."""
    import torch

    parts = model, _, tokenizer = wav2vec2(folder)
    chance = numpy.random.default_rng(0)
    teacher = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(steps):
        sounds, texts = [], []
        for _ in range(3):
            words = chance.choice(list(NOTES), 4).tolist()
            gap = chance.uniform(0.15, 0.35)
            sounds.append(torch.from_numpy(tune(words, gap, 0.1, int(chance.integers(10**6)))))
            texts.append(torch.tensor(tokenizer("|".join(words)).input_ids))
        pad = torch.nn.utils.rnn.pad_sequence
        labels = pad(texts, batch_first=True, padding_value=-100)
        mask = pad([torch.ones(len(sound)) for sound in sounds], batch_first=True).long()
        loss = model(pad(sounds, batch_first=True), attention_mask=mask, labels=labels).loss
        teacher.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        teacher.step()
    model.eval()
    return parts


def save(folder: Path, parts: Sequence[Any]) -> Path:
    """A folder as any other model has."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    for part in parts:
        part.save_pretrained(folder)
    logging.enable_progress_bar()
    return folder
