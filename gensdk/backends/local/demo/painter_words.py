"""The painter's ear: a tokenizer and a small CLIP text encoder, taught to tell what is asked for.

The encoder learns before the painter does: from the end of a caption on, every token must tell all
facts of the caption (object, colours, place, size). So the words are loud and clear to the U-Net,
which learns to paint with the encoder as it is.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from .painter_captions import FACTS, Caption, describe
from .painter_recipe import Recipe, learning_rate, say
from .pictures import invent

if TYPE_CHECKING:
    import torch
    from transformers import CLIPTextModel, CLIPTokenizer

_BOS, _END, _WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"


def _captions(rng: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        yield describe(invent(rng), rng).text


def train_tokenizer(recipe: Recipe) -> CLIPTokenizer:
    """A CLIP tokenizer: small letters, byte-level BPE, nearly every word of the grammar a token.

    Any text can be encoded: words that the grammar does not have fall into pieces.
    """
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    cutter = CLIPTokenizer().backend_tokenizer  # knows CLIP's letters and words, and no token yet
    rng = random.Random(f"tokenizer {recipe.seed}")
    words = Counter(
        piece
        for text in _captions(rng, recipe.tokenizer_captions)
        for piece, _ in cutter.pre_tokenizer.pre_tokenize_str(cutter.normalizer.normalize_str(text))
    )
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [_BOS, _END, *letters, *(letter + _WORD_END for letter in letters)]
    merges = _merges(words, recipe.vocabulary - len(tokens))
    tokens += [left + right for left, right in merges]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=recipe.tokens)


def _merges(words: Mapping[str, int], most: int) -> list[tuple[str, str]]:
    """The pairs to join, most frequent first, by byte pair encoding.

    The trainer of `tokenizers` settles ties by the order of a hash map where words have an end
    mark, so no two of its runs agree; here the alphabet settles them.
    """
    pieces = {word: (*word[:-1], word[-1] + _WORD_END) for word in words}
    merges: list[tuple[str, str]] = []
    while len(merges) < most:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in pieces.items():
            for pair in pairwise(parts):
                pairs[pair] += words[word]
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for word, parts in pieces.items():
            if best[0] in parts:
                pieces[word] = _joined(parts, best)
    return merges


def _joined(parts: Sequence[str], pair: tuple[str, str]) -> tuple[str, ...]:
    done: list[str] = []
    for part in parts:
        if done and (done[-1], part) == pair:
            done[-1] += part
        else:
            done.append(part)
    return tuple(done)


def tokenize(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Token ids, int64 [captions, tokens], filled up and cut as the pipeline does it."""
    encoded = tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt")
    ids: torch.Tensor = encoded.input_ids
    return ids


def build_text_encoder(recipe: Recipe, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained encoder; its initial weights depend on torch's global seed."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=3 * recipe.width,
        projection_dim=recipe.width,
        num_hidden_layers=recipe.text_layers,
        num_attention_heads=4,
        max_position_embeddings=recipe.tokens,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def _answers(captions: Sequence[Caption]) -> torch.Tensor:
    """The value of each fact, int64 [captions, facts]; one past the last value is "not said"."""
    import torch

    return torch.tensor(
        [
            [
                values.index(caption.told[name]) if name in caption.told else len(values)
                for name, values in FACTS.items()
            ]
            for caption in captions
        ]
    )


def teach_words(recipe: Recipe, tokenizer: CLIPTokenizer) -> tuple[CLIPTextModel, dict[str, float]]:
    """Train a text encoder to tell captions' facts. Returns it, and the figures of the run."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.manual_seed(recipe.seed)
    encoder = build_text_encoder(recipe, tokenizer)
    sizes = [len(values) + 1 for values in FACTS.values()]
    teller = torch.nn.Linear(recipe.width, sum(sizes))
    weights = [*encoder.parameters(), *teller.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.01, fused=True)
    rng = random.Random(f"words {recipe.seed}")
    started, right, loss_now = time.perf_counter(), 0.0, 0.0
    for step in range(recipe.text_steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(2e-3, step, recipe.text_steps)
        captions = [describe(invent(rng), rng) for _ in range(recipe.text_batch)]
        ids, answers = tokenize(tokenizer, [one.text for one in captions]), _answers(captions)
        ended = ids == tokenizer.eos_token_id
        states = encoder(ids).last_hidden_state[ended]
        wanted = answers[:, None].expand(-1, recipe.tokens, -1)[ended]
        told = teller(states).split(sizes, dim=-1)
        loss = torch.stack([cross_entropy(one, wanted[:, n]) for n, one in enumerate(told)]).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        guessed = torch.stack([one.argmax(-1) for one in told], dim=-1)
        now, loss_now = (guessed == wanted).all(-1).float().mean().item(), loss.item()
        right = now if step == 0 else 0.95 * right + 0.05 * now
        if step % 100 == 99 or step + 1 == recipe.text_steps:
            seconds = time.perf_counter() - started
            say(f"words {step + 1} loss {loss_now:.3f} all right {right:.3f} {seconds:.0f} s")
    seconds = round(time.perf_counter() - started)
    figures = {
        "text_seconds": seconds,
        "text_loss": round(loss_now, 3),
        "text_right": round(right, 3),
    }
    return encoder.eval(), figures
