"""Models that read texts and give numbers: loading them, and serving many texts in full batches.

The texts of all calls in flight are read together, similar lengths side by side, so that little is
padded; every call gets its rows in the order of its texts. What the numbers mean (vectors, scores)
is the business of the room that uses this one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gensdk.errors import InvalidRequestError, UnsupportedFeatureError

from .calls import CallsWorker
from .device import DeviceChoice
from .failures import is_device_failure, is_out_of_memory
from .job import Event, Final, Job
from .loading import Check, loading
from .networks import CLOSED, load_network, read_config
from .safety import ModelFolder
from .worker import Desk, WorkerFacts, WorkerLimits

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Encoder", "EncoderWorker", "TextsJob", "load_encoder"]

CallT = TypeVar("CallT", bound=Hashable)

_STEP_TOKENS = 16_384
"""Tokens read in one step, padding included."""

_SENSIBLE_LENGTH = 10**8  # tokenizers without a limit say 1e30


@dataclass(frozen=True, slots=True)
class TextsJob(Job):
    """A call for numbers about texts.

    Attributes:
        texts: What to read.
    """

    texts: tuple[str, ...]


@dataclass(slots=True)
class Encoder:
    """A network that reads texts, ready to run.

    Attributes:
        network: The transformers model, in evaluation mode.
        tokenizer: Its tokenizer.
        facts: Where it is, and how large.
        max_tokens: Longest text it reads; longer ones are cut.
    """

    network: Any
    tokenizer: Any
    facts: WorkerFacts
    max_tokens: int


def load_encoder(
    folder: ModelFolder, choice: DeviceChoice, check: Check, auto: str, unused: Sequence[str] = ()
) -> Encoder:
    """Load a network and its tokenizer: safetensors only, no code of the model's own.

    Args:
        folder: Where it is; inspected.
        choice: Where it goes.
        check: Asked whether to go on.
        auto: Name of the transformers class that builds it.
        unused: Patterns of names of weights that are not used and may be missing.

    Raises:
        ModelLoadError: Its weights do not fit its configuration.
    """
    import transformers

    with loading(check):
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder.path), **CLOSED)
        check()
        network = load_network(
            folder, choice, getattr(transformers, auto), read_config(folder), unused=unused
        )
    facts = WorkerFacts(
        choice.device, choice.dtype, int(network.num_parameters()), folder.weight_bytes
    )
    return Encoder(network, tokenizer, facts, _longest(tokenizer, network))


def _longest(tokenizer: Any, network: Any) -> int:
    places = getattr(network.config, "max_position_embeddings", None)
    for name, table in network.named_modules():
        begins = getattr(table, "padding_idx", None)
        if name.endswith("position_embeddings") and begins is not None and places is not None:
            places = table.num_embeddings - begins - 1  # RoBERTa counts from behind its padding
    lengths = [tokenizer.model_max_length, places]
    found = [n for n in lengths if isinstance(n, int) and 0 < n < _SENSIBLE_LENGTH]
    return min(found, default=8192)


@dataclass(slots=True, eq=False)
class _Text(Generic[CallT]):
    """A text that waits to be read: its call, its place there, its tokens."""

    call: CallT
    place: int
    features: dict[str, list[int]]

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.features["input_ids"])


@dataclass(slots=True)
class _Call:
    """A call in progress.

    Attributes:
        job: What was asked.
        rows: Rows that are there, by their place.
        tokens: Tokens read.
        cut: Texts that were cut.
        alone: Whether its texts are read without those of others.
    """

    job: TextsJob
    rows: dict[int, Tensor] = field(default_factory=dict)
    tokens: int = 0
    cut: tuple[int, ...] = ()
    alone: bool = False


class EncoderWorker(CallsWorker[CallT, _Call]):
    """Serves an encoder: reads the texts of all calls in full batches."""

    def __init__(
        self,
        encoder: Encoder,
        limits: WorkerLimits,
        kind: type[TextsJob],
        *,
        texts: Callable[[Any], Sequence[str]],
        compute: Callable[[dict[str, Tensor]], Tensor],
        finish: Callable[[Any, Tensor, int, tuple[int, ...]], Final],
    ) -> None:
        """Serve one model.

        Args:
            encoder: The model.
            limits: What the backend's settings grant.
            kind: The jobs this model takes.
            texts: The texts of a job as they are read; may refuse the job.
            compute: Features ``[texts, tokens]`` to float32 rows ``[texts, width]``.
            finish: Job, rows in order, tokens and the numbers of texts that were cut, to the
                call's last event.
        """
        super().__init__(encoder.facts, limits)
        self._encoder = encoder
        self._kind = kind
        self._texts = texts
        self._compute = compute
        self._finish = finish
        self._waiting: list[_Text[CallT]] = []
        self._step_tokens = _STEP_TOKENS
        self._read = (0, 0)
        self._relieved = False

    def admit(self, call: CallT, job: Job) -> None:
        """Tokenize the texts of a call.

        Raises:
            UnsupportedFeatureError: The job is for a model of another kind.
            InvalidRequestError: The model's tokenizer leaves nothing of a text.
        """
        if not isinstance(job, self._kind):
            raise UnsupportedFeatureError(
                f"this model answers {self._kind.__name__.removesuffix('Job').lower()} requests, "
                f"not {type(job).__name__.removesuffix('Job').lower()} requests"
            )
        if not self._calls:
            self._step_tokens = _STEP_TOKENS  # what was short of memory before is over
        encoded, cut = self._tokenized(list(self._texts(job)))
        for place, one in enumerate(encoded):
            if not one["input_ids"]:
                raise InvalidRequestError(
                    f"input {place} holds nothing that this model can read", param="inputs"
                )
        self._calls[call] = _Call(
            job, tokens=sum(len(one["input_ids"]) for one in encoded), cut=cut
        )
        self._waiting += [_Text(call, place, one) for place, one in enumerate(encoded)]

    def drop(self, call: CallT) -> None:
        """Forget a call and the texts of it that were not read."""
        super().drop(call)
        self._waiting = [text for text in self._waiting if text.call != call]

    def step(self, desk: Desk[CallT]) -> None:
        """Read one batch."""
        batch = self._batch()
        self._read = len(batch), len(batch) * batch[0].length
        try:
            rows = self._compute(self._features(batch))
        except Exception as error:  # what it means depends on whose fault it is
            least = self._relieved and len(batch) == 1
            if is_device_failure(error) or (is_out_of_memory(error) and not least):
                raise
            self._failed(desk, batch, error)
            return
        self._relieved = False
        read = {id(text) for text in batch}
        self._waiting = [text for text in self._waiting if id(text) not in read]
        for text, row in zip(batch, rows, strict=True):
            self._calls[text.call].rows[text.place] = row
        for call in dict.fromkeys(text.call for text in batch):
            self._end_if_complete(desk, call)

    def shrink(self) -> bool:
        """Read half as many tokens in one step; a single text is tried once more."""
        texts, tokens = self._read
        self._step_tokens = max(1, min(self._step_tokens, tokens) // 2)
        self._relieved = texts <= 1
        return True

    def _failed(self, desk: Desk[CallT], batch: Sequence[_Text[CallT]], error: Exception) -> None:
        """End the call whose texts failed; of several, each is tried alone first."""
        calls = dict.fromkeys(text.call for text in batch)
        if len(calls) > 1:
            for call in calls:
                self._calls[call].alone = True
            return
        for call in calls:
            self.drop(call)
            desk.fail(call, error)

    def _end_if_complete(self, desk: Desk[CallT], call: CallT) -> None:
        import torch

        state = self._calls[call]
        if len(state.rows) < len(state.job.texts):
            return
        del self._calls[call]
        rows = torch.stack([state.rows[place] for place in range(len(state.rows))])
        try:
            event: Event = self._finish(state.job, rows, state.tokens, state.cut)
        except Exception as error:  # noqa: BLE001  # the desk decides what it means
            desk.fail(call, error)
        else:
            desk.post(call, [event])

    def _batch(self) -> list[_Text[CallT]]:
        """Texts of the oldest call, longest first, then others that are no longer."""
        oldest = self._waiting[0].call
        own = sorted((t for t in self._waiting if t.call == oldest), key=lambda t: -t.length)
        longest = own[0].length
        if self._calls[oldest].alone:
            return own[: max(1, self._step_tokens // longest)]
        others = sorted(
            (
                t
                for t in self._waiting
                if t.call != oldest and t.length <= longest and not self._calls[t.call].alone
            ),
            key=lambda t: -t.length,
        )
        return [*own, *others][: max(1, self._step_tokens // longest)]

    def _features(self, batch: Sequence[_Text[CallT]]) -> dict[str, Tensor]:
        padded = self._encoder.tokenizer.pad(
            [text.features for text in batch], padding=True, return_tensors="pt"
        )
        device = self._encoder.facts.device
        return {name: tensor.to(device) for name, tensor in padded.items()}

    def _tokenized(self, texts: list[str]) -> tuple[list[dict[str, list[int]]], tuple[int, ...]]:
        limit = self._encoder.max_tokens
        whole = self._encoder.tokenizer(texts, truncation=False, verbose=False)
        cut = tuple(n for n, ids in enumerate(whole["input_ids"]) if len(ids) > limit)
        if cut:
            whole = self._encoder.tokenizer(texts, truncation=True, max_length=limit)
        names = list(whole.keys())
        return [{name: whole[name][n] for name in names} for n in range(len(texts))], cut
