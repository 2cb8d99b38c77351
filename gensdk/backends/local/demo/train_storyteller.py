"""Train the built-in storyteller: its tokenizer, its weights, its folder and its model card.

    python -m gensdk.backends.local.demo.train_storyteller --out FOLDER [--steps N] [--seed 0]
    python -m gensdk.backends.local.demo.train_storyteller --evaluate FOLDER

All data comes from `stories`, so nothing is downloaded. One seed and one thread count give the same
bits again on the same kind of machine with the same versions of torch and tokenizers; elsewhere the
figures agree but the last bits of the weights do not.
"""

from __future__ import annotations

import argparse
import math
import platform
import random
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import stories

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

Cases = tuple[tuple[str, tuple[str, ...]], ...]
"""Rendered prompts, each with the words that its answer must mention."""

_BOS, _END, _PAD = "<|begin|>", "<|end|>", "<|pad|>"
_ROLE_TOKENS = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}

CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- if add_generation_prompt and messages | length == 1 and messages[0].role == 'user'
    and messages[0].content is string and messages[0].content.startswith('Once upon a time')
    and not messages[0].content.endswith(('.', '!', '?')) -%}
{{- messages[0].content -}}
{%- else -%}
{%- for message in messages -%}
{%- if message.role in ['system', 'developer'] -%}<|system|>
{%- elif message.role == 'assistant' -%}<|assistant|>
{%- else -%}<|user|>
{%- endif -%}
{%- if message.content is string and message.content | upper == message.content -%}
{{- message.content | capitalize -}}
{%- elif message.content is string -%}{{- message.content -}}
{%- else -%}
{%- for part in message.content or [] if part.type == 'text' -%}{{- part.text -}}{%- endfor -%}
{%- endif -%}
{%- if not (loop.last and add_generation_prompt and message.role == 'assistant') -%}<|end|>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt and (not messages or messages[-1].role != 'assistant') -%}<|assistant|>
{%- endif -%}
{%- endif -%}
"""
"""If generation is asked for, a last message of the assistant stays open for its text to go on, and
a lone message that is the opening of a story is continued as plain text. The model learned almost
nothing written in capitals, so it is shown those in small letters."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, apart from the grammar and the machine."""

    steps: int = 10_000
    seed: int = 0
    threads: int = 2
    vocabulary: int = 1536
    tokenizer_documents: int = 20_000
    hidden: int = 160
    inner: int = 448
    layers: int = 4
    heads: int = 5
    positions: int = 1024
    batch_tokens: int = 2048
    learning_rate: float = 3e-3
    warmup_steps: int = 300
    weight_decay: float = 0.05


# --- the tokenizer --------------------------------------------------------------------------------


def _texts(rng: random.Random, documents: int) -> Iterator[str]:
    for _ in range(documents):
        for part in stories.write_document(rng).parts:
            yield part.text


def train_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on the grammar; any UTF-8 text survives a round trip."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[_PAD, _BOS, _END, *_ROLE_TOKENS.values()],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(
        _texts(random.Random(f"tokenizer {recipe.seed}"), recipe.tokenizer_documents), trainer
    )
    bos_id = bpe.token_to_id(_BOS)
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{_BOS} $A", pair=f"{_BOS} $A {_BOS} $B", special_tokens=[(_BOS, bos_id)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=_BOS,
        eos_token=_END,
        pad_token=_PAD,
        model_max_length=recipe.positions,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


# --- documents as tokens --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Encoded:
    """A document as token ids; `learn` marks those the model must learn to predict."""

    ids: list[int]
    learn: list[bool]


def encode_documents(
    tokenizer: PreTrainedTokenizerFast, documents: Sequence[stories.Document]
) -> list[Encoded]:
    """Token ids of each document, as the chat template would give them.

    Each part is encoded by itself, so a text cut in the middle of a word is seen as it will be seen
    when a broken stream is taken over.
    """
    pieces = [part.text for document in documents for part in document.parts]
    encodings = iter(tokenizer.backend_tokenizer.encode_batch(pieces, add_special_tokens=False))
    role_ids = {role: tokenizer.convert_tokens_to_ids(name) for role, name in _ROLE_TOKENS.items()}
    encoded = []
    for document in documents:
        ids, learn = [tokenizer.bos_token_id], [False]
        role = None
        for part in document.parts:
            if part.role != role:
                if role is not None:
                    ids.append(tokenizer.eos_token_id)
                    learn.append(learn[-1])
                if part.role != "text":
                    ids.append(role_ids[part.role])
                    learn.append(False)
                role = part.role
            new = next(encodings).ids
            ids += new
            learn += [part.learn] * len(new)
        ids.append(tokenizer.eos_token_id)
        learn.append(True)
        encoded.append(Encoded(ids, learn))
    return encoded


def batches(
    tokenizer: PreTrainedTokenizerFast, recipe: Recipe
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches `(ids, targets)`, int64 [rows, tokens]; targets not to be learned are -100.

    Documents of like length share a batch; each has a row of its own and starts at position 0.
    """
    rng = random.Random(f"documents {recipe.seed}")
    while True:
        documents = [stories.write_document(rng) for _ in range(4096)]
        encoded = sorted(encode_documents(tokenizer, documents), key=lambda one: len(one.ids))
        rows: list[list[Encoded]] = [[]]
        for one in encoded:
            if (len(rows[-1]) + 1) * len(one.ids) > recipe.batch_tokens:
                rows.append([])
            rows[-1].append(one)
        rng.shuffle(rows)
        yield from (_as_tensors(batch, tokenizer.pad_token_id) for batch in rows)


def _as_tensors(batch: Sequence[Encoded], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    width = max(len(one.ids) for one in batch)
    ids = torch.full((len(batch), width), pad_id)
    targets = torch.full((len(batch), width), -100)
    for row, one in enumerate(batch):
        ids[row, : len(one.ids)] = torch.tensor(one.ids)
        wanted = [token if learn else -100 for token, learn in zip(one.ids, one.learn, strict=True)]
        targets[row, : len(one.ids)] = torch.tensor(wanted)
    return ids, targets


# --- training -------------------------------------------------------------------------------------


def build_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained model; its initial weights depend on torch's global seed."""
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = LlamaConfig(
        vocab_size=recipe.vocabulary,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=recipe.positions,
        initializer_range=0.04,
        tie_word_embeddings=True,
        use_cache=True,
        **special,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(**special, do_sample=True, temperature=0.7)
    return model


def _learning_rate(recipe: Recipe, step: int) -> float:
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    progress = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return recipe.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def loss_of(model: LlamaForCausalLM, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy (nats per token) over the targets that are to be learned."""
    from torch.nn.functional import cross_entropy

    states = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    wanted = targets[:, 1:]
    learned = wanted != -100
    return cross_entropy(model.lm_head(states[learned]), wanted[learned])


def train(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast
) -> tuple[LlamaForCausalLM, dict[str, float]]:
    """Train from nothing. Returns the model (float32) and the figures of the run."""
    import torch

    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    model = build_model(recipe, tokenizer)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    source = batches(tokenizer, recipe)
    started, tokens, recent = time.perf_counter(), 0, 0.0
    for step in range(recipe.steps):
        ids, targets = next(source)
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(recipe, step)
        loss = loss_of(model, ids, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        tokens += ids.numel()
        recent = loss.item() if step == 0 else 0.98 * recent + 0.02 * loss.item()
        if step % 100 == 99 or step + 1 == recipe.steps:
            _say(f"step {step + 1} loss {recent:.3f} {time.perf_counter() - started:.0f} s")
    seconds = time.perf_counter() - started
    return model.eval(), {"tokens": tokens, "seconds": round(seconds), "loss": round(recent, 3)}


# --- evaluation -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """What the model wrote: the text, and whether it ended by itself."""

    text: str
    ended: bool


def generate(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    *,
    seeds: Sequence[int],
    temperature: float = 0.7,
    max_new_tokens: int = 220,
) -> list[Told]:
    """Continue each rendered prompt with its own seed; `temperature=0` is greedy.

    A row's noise comes from its own generator, so its text does not depend on its neighbours.
    """
    import torch
    from transformers import LogitsProcessorList

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def add_noise(_: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        draws = torch.stack([torch.rand(scores.shape[1], generator=one) for one in generators])
        return scores / temperature - torch.log(-torch.log(draws.clamp(1e-20, 1 - 1e-7)))

    inputs = tokenizer(list(prompts), return_tensors="pt", padding=True, add_special_tokens=False)
    with torch.inference_mode():
        output = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=max_new_tokens,
            do_sample=False,
            logits_processor=LogitsProcessorList([add_noise] if temperature > 0 else []),
        )
    new = output[:, inputs["input_ids"].shape[1] :].tolist()
    texts = tokenizer.batch_decode(new, skip_special_tokens=True)
    return [Told(text, tokenizer.eos_token_id in ids) for text, ids in zip(texts, new, strict=True)]


def chat(tokenizer: PreTrainedTokenizerFast, *turns: str, system: str = "") -> str:
    """Render turns of user, assistant, user, ...; a last assistant turn stays open to go on."""
    messages = [{"role": "system", "content": system}] if system else []
    for number, turn in enumerate(turns):
        messages.append({"role": ("user", "assistant")[number % 2], "content": turn})
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return str(rendered)


def load(folder: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Load a trained folder the way any other model is loaded, in float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def mentions(text: str, words: Sequence[str]) -> bool:
    """Whether each of `words` begins some word of `text`, in whatever case."""
    return all(re.search(rf"\b{re.escape(word)}", text, re.IGNORECASE) for word in words)


def repeats_itself(text: str) -> bool:
    """Whether a whole sentence comes twice: the mark of a loop."""
    sentences = [sentence for sentence in re.split(r"(?<=[.!?])\s+", text) if len(sentence) > 20]
    return len(set(sentences)) < len(sentences)


@dataclass(frozen=True, slots=True)
class Check:
    """Prompts of one sort, and how to sample the answers."""

    name: str
    cases: Cases
    temperature: float = 0.7


@dataclass(frozen=True, slots=True)
class Score:
    """How many answers to a check mention their words, end by themselves, and repeat a sentence."""

    name: str
    total: int
    mentioned: int
    ended: int
    repeating: int


def score(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, check: Check) -> Score:
    """Let the model answer every case of `check`, case i with seed i."""
    told = generate(
        model,
        tokenizer,
        [prompt for prompt, _ in check.cases],
        seeds=range(len(check.cases)),
        temperature=check.temperature,
    )
    kept = [mentions(one.text, words) for one, (_, words) in zip(told, check.cases, strict=True)]
    return Score(
        name=check.name,
        total=len(told),
        mentioned=sum(kept),
        ended=sum(one.ended for one in told),
        repeating=sum(repeats_itself(one.text) for one in told),
    )


_FAMILIAR = (
    "robot", "dragon", "fox", "owl", "king", "princess", "dog", "astronaut", "pirate", "turtle",
    "boy", "girl", "knight", "penguin", "unicorn", "train", "farmer", "whale", "monster", "snail",
)  # fmt: skip
_PHRASES = (
    "Tell me a story about a brave {x}",
    "Write a short story about a {x}.",
    "i want a story about a little {x} please",
    "Can you tell me a tale about a {x} named Bob?",
    "{x} story",
)
_NO_STORIES = (
    "What is the capital of France?", "Hello", "hi there", "Who are you?", "What is 2 + 2?",
    "Write a Python function that sorts a list.", "How do I bake bread?", "Explain physics.",
    "Translate 'good morning' into German.", "Who won the world cup in 2018?",
)  # fmt: skip


def _cut_stories(tokenizer: PreTrainedTokenizerFast, *, in_chat: bool) -> Cases:
    """Prompts that end in a story broken off at any character; the hero is in its first words."""
    rng = random.Random("cut stories")
    cases = []
    for number in range(60):
        hero = _FAMILIAR[number % len(_FAMILIAR)]
        story = stories.write_story(rng, hero=hero)
        begun = story.text[: int(len(story.text) * rng.uniform(0.2, 0.6))]
        request = stories.write_request(rng, story)
        prompt = chat(tokenizer, request, begun) if in_chat else tokenizer.bos_token + begun
        cases.append((prompt, (hero,)))
    return tuple(cases)


def checks(tokenizer: PreTrainedTokenizerFast) -> list[Check]:
    """What the storyteller is asked to prove: see the model card for the results."""

    def asked(heroes: Sequence[str], phrases: Sequence[str] = _PHRASES, system: str = "") -> Cases:
        return tuple(
            (chat(tokenizer, phrase.replace("{x}", hero), system=system), (hero,))
            for hero in heroes
            for phrase in phrases
        )

    def same(times: int, prompt: str, *words: str) -> Cases:
        return ((prompt, words),) * times

    brave_cat = chat(tokenizer, "Tell me a story about a brave cat")
    opening = "Once upon a time, there was a friendly robot who"
    pair = chat(tokenizer, "Write a short story about a dragon and a princess")
    friends = chat(tokenizer, "tell a tale of two friends")
    lighthouse = chat(tokenizer, "a story about a lonely lighthouse")
    again = chat(tokenizer, _PHRASES[0], "Once there was a fox. The end.", "Now one about a bear.")
    no_stories = tuple((chat(tokenizer, said), ("stor",)) for said in _NO_STORIES)
    shouted = [hero.upper() for hero in _FAMILIAR]
    return [
        Check("Tell me a story about a brave cat", same(100, brave_cat, "cat")),
        Check("familiar heroes, five phrasings", asked(_FAMILIAR)),
        Check("heroes never seen in training", asked(stories.HELD_OUT_HEROES * 2)),
        Check("in capitals", asked(shouted, ("TELL ME A STORY ABOUT A BRAVE {x}", "{x} STORY"))),
        Check(
            "with a system prompt", asked(_FAMILIAR, _PHRASES[:2], "You are a helpful assistant.")
        ),
        Check("a dragon and a princess", same(50, pair, "dragon", "princess")),
        Check("two friends", same(50, friends, "friends")),
        Check("a lonely lighthouse", same(50, lighthouse, "lighthouse")),
        Check("another one, about a bear", same(50, again, "bear")),
        Check(
            "plain text: a friendly robot who", same(100, tokenizer.bos_token + opening, "robot")
        ),
        Check("the same words as a chat message", same(50, chat(tokenizer, opening), "robot")),
        Check("cut plain stories", _cut_stories(tokenizer, in_chat=False)),
        Check("cut chat answers", _cut_stories(tokenizer, in_chat=True)),
        Check("no request for a story", no_stories * 3),
        Check("greedy", asked(_FAMILIAR, _PHRASES[:2]), temperature=0.0),
    ]


def _as_table(scores: Sequence[Score]) -> str:
    rows = ["| " + " | ".join(map(str, astuple(one))) + " |" for one in scores]
    head = "| prompt | answers | keep the hero | end within 220 tokens | repeat a sentence |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def evaluate(folder: Path) -> str:
    """Run every check on a trained folder. Returns a Markdown table."""
    model, tokenizer = load(folder)
    return _as_table([score(model, tokenizer, check) for check in checks(tokenizer)])


# --- the folder -----------------------------------------------------------------------------------

_CARD = """\
---
language: en
library_name: transformers
pipeline_tag: text-generation
---

# The built-in storyteller of gensdk

**A demo.** A Llama-type model of {parameters:,} parameters that writes little English children's
stories, so that examples, tests and `local:storyteller` work without a key, a network or a GPU.
It knows nothing else: it cannot answer questions, and it says so. Never use it for anything real.

* Data: only stories and requests made by the grammar in `stories.py` beside it; no other text.
* Training: {steps} steps, {tokens:,} tokens, {seconds} s on {threads} CPU threads
  ({machine}), float32, AdamW; final loss {loss} nats per token; seed {seed}.
* Versions: Python {python}, torch {torch}, transformers {transformers}, tokenizers {tokenizers}.
* Weights are stored as float16. Vocabulary {vocabulary} (byte-level BPE), {layers} layers,
  width {hidden}, {heads} heads, {positions} positions. Stories end within about 200 tokens.
* Chat template: when generation is asked for, a last message of the assistant is continued, and
  a lone message that opens a story ("Once upon a time …") is continued as plain text; a message in
  capitals is shown to the model in small letters.
* Made by `python -m gensdk.backends.local.demo.train_storyteller --out FOLDER --seed {seed}`.
  The same seed, thread count, versions and kind of machine give the same bits again.

## What it was seen to do

At temperature 0.7 (the last row: greedy), answer i with seed i, at most 220 new tokens:

{scores}

## Limits

Plots, names and places come from one small grammar. A word it never met is copied piece by piece
and may come out wrong. It loses track beyond a few hundred tokens. English only.
"""


def write_card(folder: Path, recipe: Recipe, figures: Mapping[str, float], scores: str) -> None:
    """Write the model card, README.md, into `folder`."""
    import tokenizers
    import torch
    import transformers

    card = _CARD.format(
        **asdict(recipe),
        **figures,
        scores=scores,
        machine=platform.machine(),
        python=platform.python_version(),
        torch=torch.__version__,
        transformers=transformers.__version__,
        tokenizers=tokenizers.__version__,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def make(folder: Path, recipe: Recipe) -> None:
    """Train a storyteller into `folder`, then evaluate what was written there."""
    import torch

    tokenizer = train_tokenizer(recipe)
    model, figures = train(recipe, tokenizer)
    figures["parameters"] = sum(weight.numel() for weight in model.parameters())
    model.to(torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    scores = evaluate(folder)
    write_card(folder, recipe, figures, scores)
    _say(scores)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train or evaluate the built-in storyteller.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="train into this folder, then evaluate it")
    what.add_argument("--evaluate", type=Path, help="only evaluate this folder")
    for name in ("steps", "seed", "threads"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Recipe(), name))
    arguments = parser.parse_args()
    if arguments.evaluate:
        _say(evaluate(arguments.evaluate))
        return
    recipe = Recipe(steps=arguments.steps, seed=arguments.seed, threads=arguments.threads)
    make(arguments.out, recipe)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
