"""What OpenAI's image, speech, transcription, embedding and moderation models take.

A row is data about a model, or about every model of a server nothing is known about. Models are
found by the longest name that fits: ``gpt-image-2`` also answers for ``gpt-image-2-2026-04-21``,
never for ``gpt-image-2.5-flare``. A name that no row knows is passed through: at OpenAI and Azure
it gets the newest model's row, elsewhere the row of an unknown server.

Sources, all read 2026-11-20: the types of the ``openai`` package 3.52 (``types/image_*_params.py``,
``types/audio/*_params.py``, ``types/embedding_create_params.py``); the image, speech, speech to
text and embeddings guides of the API reference; for a limit that neither states, the issue named
beside it.

Rule of the room: dated, cited facts; no I/O and no behaviour beyond the look-up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol, TypeVar

__all__ = [
    "OPENAI_HOSTS",
    "EmbeddingModel",
    "ImageModel",
    "ImageShape",
    "ModerationModel",
    "SizeRule",
    "SpeechModel",
    "TranscriptionModel",
    "embedding_model",
    "image_model",
    "models_that",
    "moderation_model",
    "speech_model",
    "transcription_model",
]

AS_OF = date(2026, 11, 20)
"""Day on which the rows were last checked against their sources."""

OPENAI_HOSTS = frozenset({"openai", "azure"})
"""Dialects behind which OpenAI's own models answer, whatever a deployment is called."""

ImageShape = Literal["gpt-image", "dall-e", "server"]
"""The three request shapes of ``/images``: today's, the retired one, other people's servers."""


class _Row(Protocol):
    @property
    def name(self) -> str: ...


RowT = TypeVar("RowT", bound=_Row)


def _find(rows: Iterable[RowT], model: str) -> RowT | None:
    """The row with the longest name that the model's name is, or begins with before a dash."""
    bare = model.rpartition("/")[2].lower()
    fitting = [row for row in rows if bare == row.name or bare.startswith(f"{row.name}-")]
    return max(fitting, key=lambda row: len(row.name), default=None)


# ---------------------------------------------------------------------------------------- images
@dataclass(frozen=True, slots=True)
class SizeRule:
    """Which sizes a model draws.

    Attributes:
        fixed: The only sizes there are; empty where any size goes that keeps the rules below.
        auto: Whether ``"auto"`` may be sent.
        step: Width and height are multiples of this.
        max_ratio: Longer side over shorter side, at most.
        max_edge: Longest side in pixels.
        max_pixels: Width times height, at most.
    """

    fixed: tuple[tuple[int, int], ...] = ()
    auto: bool = True
    step: int = 16
    max_ratio: float = 3.0
    max_edge: int = 3840
    max_pixels: int = 3840 * 2160


@dataclass(frozen=True, slots=True)
class ImageModel:
    """What one image model takes.

    Attributes:
        name: Model name, also of its dated snapshots.
        shape: Which request shape it speaks.
        sizes: Which sizes it draws.
        qualities: Words of ``quality`` it knows, from cheap to dear; empty for none.
        formats: Words of ``output_format``; empty where the field does not exist.
        input_fidelity: Words of ``input_fidelity`` in edits; empty where it must be left out.
        max_n: Pictures in one request.
        max_images: Pictures to start from; 0 where it cannot edit.
        markup: Whether an edit may carry a ``markup`` overlay.
        styles: Words of ``style``; empty where the field does not exist.
        streams: Whether it sends previews. Only one picture at a time can be streamed
            (github.com/theopenco/llmgateway/issues/3963).
        max_prompt: Characters of the prompt, None where no limit is known.
    """

    name: str
    shape: ImageShape
    sizes: SizeRule
    qualities: tuple[str, ...] = ()
    formats: frozenset[str] = frozenset()
    input_fidelity: frozenset[str] = frozenset()
    max_n: int = 10
    max_images: int = 16
    markup: bool = False
    styles: frozenset[str] = frozenset()
    streams: bool = False
    max_prompt: int | None = None


_GPT_FIXED = SizeRule(fixed=((1024, 1024), (1536, 1024), (1024, 1536)))
_THREE_GRADES = ("low", "medium", "high")
_FIVE_GRADES = (*_THREE_GRADES, "xhigh", "max")
_FILE_FORMATS = frozenset({"png", "webp", "jpeg"})
_ALL_FORMATS = _FILE_FORMATS | {"gif", "svg"}


def _gpt(
    name: str,
    *,
    sizes: SizeRule = _GPT_FIXED,
    qualities: tuple[str, ...] = _THREE_GRADES,
    formats: frozenset[str] = _FILE_FORMATS,
    input_fidelity: frozenset[str] = frozenset(),
    markup: bool = False,
) -> ImageModel:
    return ImageModel(
        name=name,
        shape="gpt-image",
        sizes=sizes,
        qualities=qualities,
        formats=formats,
        input_fidelity=input_fidelity,
        markup=markup,
        streams=True,
        max_prompt=32_000,
    )


_BOTH_FIDELITIES = frozenset({"high", "low"})
_NEWEST_IMAGE = _gpt(
    "gpt-image-2.6", sizes=SizeRule(), qualities=_FIVE_GRADES, formats=_ALL_FORMATS, markup=True
)

IMAGE_MODELS: tuple[ImageModel, ...] = (
    _NEWEST_IMAGE,
    _gpt(
        "gpt-image-2.5",
        sizes=SizeRule(),
        qualities=_FIVE_GRADES,
        formats=_ALL_FORMATS,
        markup=True,
    ),
    _gpt("gpt-image-2", sizes=SizeRule(), formats=_ALL_FORMATS),
    _gpt("gpt-image-1.5", input_fidelity=_BOTH_FIDELITIES),
    _gpt("gpt-image-1", input_fidelity=_BOTH_FIDELITIES),
    _gpt("gpt-image-1-mini", input_fidelity=frozenset({"low"})),
    _gpt("chatgpt-image", input_fidelity=_BOTH_FIDELITIES),
    ImageModel(
        name="dall-e-3",
        shape="dall-e",
        sizes=SizeRule(fixed=((1024, 1024), (1792, 1024), (1024, 1792)), auto=False),
        qualities=("standard", "hd"),
        max_n=1,
        max_images=0,
        styles=frozenset({"vivid", "natural"}),
        max_prompt=4000,
    ),
    ImageModel(
        name="dall-e-2",
        shape="dall-e",
        sizes=SizeRule(fixed=((256, 256), (512, 512), (1024, 1024)), auto=False),
        max_images=1,
        max_prompt=1000,
    ),
)
"""OpenAI's image models; the two DALL-E rows live on at Azure and on compatible servers."""

_SERVER_IMAGE = ImageModel(
    name="",
    shape="server",
    sizes=SizeRule(auto=False, step=1, max_ratio=1e9, max_edge=16384, max_pixels=16384**2),
    formats=_FILE_FORMATS,
)


def image_model(model: str, dialect: str) -> ImageModel:
    """What an image model takes."""
    newest = _NEWEST_IMAGE if dialect in OPENAI_HOSTS else _SERVER_IMAGE
    return _find(IMAGE_MODELS, model) or newest


# ---------------------------------------------------------------------------------------- speech
@dataclass(frozen=True, slots=True)
class SpeechModel:
    """What one speech model takes.

    Attributes:
        name: Model name, also of its dated snapshots.
        instructions: Whether it can be told how to speak.
        default_voice: Voice that is sent where the caller names none, because the API has no
            default of its own; None where the server has one.
        custom_voice_prefix: How the ids of custom voices begin; they travel as ``{"id": …}``.
        sse: Whether it streams as server-sent events, with usage at the end.
        sample_rate: Samples per second of all its sound.
        max_characters: Characters of text in one request.
        billed_by: Unit of its price.
    """

    name: str
    instructions: bool = True
    default_voice: str | None = "alloy"
    custom_voice_prefix: str | None = "voice_"
    sse: bool = True
    sample_rate: int | None = 24_000
    max_characters: int | None = 4096
    billed_by: Literal["characters", "tokens"] | None = "tokens"


_NEWEST_SPEECH = SpeechModel("gpt-4o-mini-tts")

SPEECH_MODELS: tuple[SpeechModel, ...] = (
    _NEWEST_SPEECH,
    SpeechModel("tts-1", instructions=False, sse=False, billed_by="characters"),
    SpeechModel("tts-1-hd", instructions=False, sse=False, billed_by="characters"),
)
"""Voices of all of them: alloy ash ballad coral echo fable onyx nova sage shimmer verse marin
cedar, or a custom one. The list is not enforced: it grows, and the API names the voices itself."""

_SERVER_SPEECH = SpeechModel(
    name="",
    default_voice=None,
    custom_voice_prefix=None,
    sample_rate=None,
    max_characters=None,
    billed_by=None,
)


def speech_model(model: str, dialect: str) -> SpeechModel:
    """What a speech model takes."""
    newest = _NEWEST_SPEECH if dialect in OPENAI_HOSTS else _SERVER_SPEECH
    return _find(SPEECH_MODELS, model) or newest


# --------------------------------------------------------------------------------- transcription
@dataclass(frozen=True, slots=True)
class TranscriptionModel:
    """What one transcription model takes.

    Attributes:
        name: Model name, also of its dated snapshots.
        timestamps: Whether it times words and segments (``verbose_json``).
        diarize: Whether it tells speakers apart (``diarized_json``).
        translate: Whether ``/audio/translations`` takes it.
        prompt: Whether it takes a prompt.
        keywords: Whether it takes ``keywords[]``.
        languages: Whether it takes several possible languages.
        logprobs: Whether it tells how sure it is.
        chunking: ``chunking_strategy`` to send where the caller gives none: the diarizing model
            refuses more than 30 seconds without one.
        formats: Extensions it takes; empty where that is not known.
    """

    name: str
    timestamps: bool = False
    diarize: bool = False
    translate: bool = False
    prompt: bool = True
    keywords: bool = False
    languages: bool = False
    logprobs: bool = False
    chunking: str | None = None
    formats: frozenset[str] = frozenset(
        {"flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm"}
    )


_NEWEST_TRANSCRIPTION = TranscriptionModel("gpt-transcribe", keywords=True, languages=True)

TRANSCRIPTION_MODELS: tuple[TranscriptionModel, ...] = (
    _NEWEST_TRANSCRIPTION,
    TranscriptionModel("gpt-4o-transcribe", logprobs=True),
    TranscriptionModel("gpt-4o-mini-transcribe", logprobs=True),
    TranscriptionModel("gpt-4o-transcribe-diarize", diarize=True, prompt=False, chunking="auto"),
    TranscriptionModel("whisper-1", timestamps=True, translate=True),
)
"""OpenAI's transcription models."""

_SERVER_TRANSCRIPTION = TranscriptionModel(
    name="", timestamps=True, translate=True, formats=frozenset()
)


def transcription_model(model: str, dialect: str) -> TranscriptionModel:
    """What a transcription model takes."""
    newest = _NEWEST_TRANSCRIPTION if dialect in OPENAI_HOSTS else _SERVER_TRANSCRIPTION
    return _find(TRANSCRIPTION_MODELS, model) or newest


def models_that(ability: Literal["timestamps", "diarize", "translate", "languages"]) -> str:
    """Names of the transcription models that can, for the advice in an error."""
    return ", ".join(row.name for row in TRANSCRIPTION_MODELS if getattr(row, ability))


# ------------------------------------------------------------------------ embeddings, moderation
@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What one embedding model takes.

    Attributes:
        name: Model name.
        max_dimensions: Length of its vectors, and the largest that may be asked for; None where
            that is not known.
        dimensions: Whether a shorter length may be asked for.
    """

    name: str
    max_dimensions: int | None = None
    dimensions: bool = True


EMBEDDING_MODELS: tuple[EmbeddingModel, ...] = (
    EmbeddingModel("text-embedding-3-small", max_dimensions=1536),
    EmbeddingModel("text-embedding-3-large", max_dimensions=3072),
    EmbeddingModel("text-embedding-ada-002", max_dimensions=1536, dimensions=False),
)
"""OpenAI's embedding models."""


def embedding_model(model: str) -> EmbeddingModel:
    """What an embedding model takes."""
    return _find(EMBEDDING_MODELS, model) or EmbeddingModel("")


@dataclass(frozen=True, slots=True)
class ModerationModel:
    """What one moderation model takes."""

    name: str
    images: bool = True


MODERATION_MODELS: tuple[ModerationModel, ...] = (
    ModerationModel("omni-moderation"),
    ModerationModel("text-moderation", images=False),
)
"""OpenAI's moderation models."""


def moderation_model(model: str) -> ModerationModel:
    """What a moderation model takes."""
    return _find(MODERATION_MODELS, model) or ModerationModel("")
