"""Hugging Face Inference Providers: which provider does which task, and the form of its request.

Text goes over one endpoint that speaks OpenAI's wire format (the row ``huggingface`` of
``compatible.py``). Everything else goes to the provider's own API, behind the router, so each
provider and task is a row here: path, where the prompt goes, what the fields are called, and how
the answer comes.

Source: ``huggingface_hub`` 2.4.0 ``inference/_providers`` (paths, bodies, answers) and
``inference/_generated/types`` (parameters of each task), read 2026-11-21; the states of fal's and
Replicate's queues also from docs.fal.ai (Queue) and replicate.com/docs (Prediction lifecycle). The
package's provider ``openai`` is not here: it is not reached with a Hugging Face token.

Rule of the room: dated, cited facts and pure look-ups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

__all__ = [
    "AS_OF",
    "POLICIES",
    "SERVICES",
    "AnswerKind",
    "QueueKind",
    "Service",
    "SizeForm",
    "Task",
    "picture_fields",
    "providers_of",
    "service_of",
]

AS_OF = date(2026, 11, 21)
"""Day on which the rows were last checked against their sources."""

POLICIES = frozenset({"fastest", "cheapest", "preferred"})
"""Words after a model's colon that let the router choose; of text alone."""

Task = Literal[
    "text-to-image",
    "image-to-image",
    "text-to-video",
    "image-to-video",
    "text-to-speech",
    "automatic-speech-recognition",
    "feature-extraction",
]

QueueKind = Literal["fal", "replicate", "together", "wavespeed", "zai"]
"""Whose manner of answering with a number to ask again with."""

AnswerKind = Literal["bytes", "base64", "images", "audio", "video", "text", "vectors", "openai"]
"""What an answer is, where it comes at once: the file itself; base64 in ``data``; an address in
``images``, ``audio`` or ``video``; words; rows of numbers; OpenAI's document."""

SizeForm = Literal["sides", "image_size", "target_size", "text"]
"""How a size is said: ``width`` and ``height``; both inside ``image_size`` or ``target_size``;
``size: "WIDTHxHEIGHT"``."""

_IMAGE = {
    "negative_prompt": "negative_prompt",
    "steps": "num_inference_steps",
    "guidance_scale": "guidance_scale",
    "seed": "seed",
    "scheduler": "scheduler",
}
_EDIT = {name: _IMAGE[name] for name in ("negative_prompt", "steps", "guidance_scale")}
_VIDEO = {name: _IMAGE[name] for name in ("negative_prompt", "steps", "guidance_scale", "seed")} | {
    "num_frames": "num_frames"
}
_SPOKEN = {"voice": "voice"}
_VECTOR = {"dimensions": "dimensions"}


@dataclass(frozen=True, slots=True)
class Service:
    """One provider at one task.

    Attributes:
        provider: Its name at the hub.
        task: What it does.
        path: Below the provider's own part of the router; ``{model}`` is its name of the model.
        subject: Field of what the request is about: prompt, text, sound or texts.
        envelope: Field that the parameters stand in; empty where they stand at the top.
        fields: Parameters it takes, by their gensdk names.
        constants: Fields that are always sent.
        names_model: Whether the body names the model.
        size: How it is told a size; None where it takes none.
        answer: What comes back, where it does so at once.
        queue: Whose queue it answers with; None where it answers at once.
        query: Query parameters.
        headers: Further headers.
        pictures: Fields of the first picture.
        picture_lists: Fields of all pictures.
        adapter: Field that names a LoRA of the hub.
    """

    provider: str
    task: Task
    path: str
    subject: str = "prompt"
    envelope: Literal["", "parameters", "input"] = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    names_model: bool = False
    size: SizeForm | None = None
    answer: AnswerKind = "bytes"
    queue: QueueKind | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[str, ...] = ()
    picture_lists: tuple[str, ...] = ()
    adapter: Literal["loras", "lora_weights"] | None = None


_MODELS = "/models/{model}"
_PREDICTIONS = "/v1/models/{model}/predictions"
_FAL_QUEUE = {"_subdomain": "queue"}
_WAIT = {"prefer": "wait"}
"""Replicate then answers when it is done, within a minute, and else as a queue."""
_STEPS = {"steps": "steps"}
_PICTURE = {"accept": "image/png"}
_ZAI = {"accept-language": "en-US,en", "x-source-channel": "hugging_face"}

SERVICES: tuple[Service, ...] = (
    Service("hf-inference", "text-to-image", _MODELS, "inputs", "parameters", _IMAGE,
            size="sides", headers=_PICTURE),
    Service("fal-ai", "text-to-image", "/{model}", fields=_IMAGE, size="image_size",
            answer="images", adapter="loras"),
    Service("nscale", "text-to-image", "/v1/images/generations",
            fields={name: word for name, word in _IMAGE.items() if name != "steps"},
            constants={"response_format": "b64_json"}, names_model=True, size="text",
            answer="base64"),
    Service("replicate", "text-to-image", _PREDICTIONS, "prompt", "input", _IMAGE,
            size="sides", queue="replicate", headers=_WAIT, adapter="lora_weights"),
    Service("together", "text-to-image", "/v1/images/generations", fields=_IMAGE | _STEPS,
            constants={"response_format": "base64"}, names_model=True, size="sides",
            answer="base64"),
    Service("wavespeed", "text-to-image", "/api/v3/{model}", fields=_IMAGE, size="sides",
            queue="wavespeed"),
    Service("zai-org", "text-to-image", "/api/paas/v4/async/images/generations", fields=_IMAGE,
            names_model=True, size="text", queue="zai", headers=_ZAI),
    Service("hf-inference", "image-to-image", _MODELS, "inputs", "parameters", _EDIT,
            size="target_size", headers=_PICTURE),
    Service("fal-ai", "image-to-image", "/{model}", fields=_EDIT, size="image_size",
            queue="fal", query=_FAL_QUEUE, pictures=("image_url",),
            picture_lists=("image_urls",), adapter="loras"),
    Service("replicate", "image-to-image", _PREDICTIONS, "prompt", "input", _EDIT,
            queue="replicate", headers=_WAIT,
            pictures=("image", "input_image"), picture_lists=("images", "input_images")),
    Service("together", "image-to-image", "/v1/images/generations", fields=_EDIT | _STEPS,
            constants={"response_format": "base64"}, names_model=True, size="sides",
            answer="base64", picture_lists=("reference_images",)),
    Service("wavespeed", "image-to-image", "/api/v3/{model}", fields=_EDIT,
            queue="wavespeed", pictures=("image",)),
    Service("fal-ai", "text-to-video", "/{model}", fields=_VIDEO, queue="fal",
            query=_FAL_QUEUE, adapter="loras"),
    Service("novita", "text-to-video", "/v3/hf/{model}", fields=_VIDEO, answer="video"),
    Service("replicate", "text-to-video", _PREDICTIONS, "prompt", "input", _VIDEO,
            queue="replicate"),
    Service("together", "text-to-video", "/v2/videos", fields=_VIDEO | _STEPS,
            names_model=True, size="sides", queue="together"),
    Service("wavespeed", "text-to-video", "/api/v3/{model}", fields=_VIDEO, queue="wavespeed"),
    Service("fal-ai", "image-to-video", "/{model}", fields=_VIDEO,
            queue="fal", query=_FAL_QUEUE, pictures=("image_url",), adapter="loras"),
    Service("together", "image-to-video", "/v2/videos", fields=_VIDEO | _STEPS,
            names_model=True, size="sides", queue="together"),
    Service("wavespeed", "image-to-video", "/api/v3/{model}", fields=_VIDEO,
            queue="wavespeed", pictures=("image",)),
    Service("hf-inference", "text-to-speech", _MODELS, "inputs", "parameters"),
    Service("fal-ai", "text-to-speech", "/{model}", "text", answer="audio"),
    Service("together", "text-to-speech", "/v1/audio/speech", "input", fields=_SPOKEN,
            names_model=True),
    Service("deepinfra", "text-to-speech", "/v1/openai/audio/speech", "input", fields=_SPOKEN,
            names_model=True),
    Service("replicate", "text-to-speech", _PREDICTIONS, "text", "input", queue="replicate",
            headers=_WAIT),
    Service("hf-inference", "automatic-speech-recognition", _MODELS, "inputs", "parameters",
            {"timestamps": "return_timestamps", "temperature": "temperature"}, answer="text"),
    Service("fal-ai", "automatic-speech-recognition", "/{model}", "audio_url", answer="text"),
    Service("deepinfra", "automatic-speech-recognition", "/v1/openai/audio/transcriptions",
            "file", names_model=True, answer="text"),
    Service("replicate", "automatic-speech-recognition", _PREDICTIONS, "audio", "input",
            queue="replicate", headers=_WAIT),
    Service("hf-inference", "feature-extraction", "/models/{model}/pipeline/feature-extraction",
            "inputs", fields=_VECTOR, answer="vectors"),
    Service("together", "feature-extraction", "/v1/embeddings", "input", fields=_VECTOR,
            names_model=True, answer="openai"),
    Service("deepinfra", "feature-extraction", "/v1/openai/embeddings", "input",
            fields=_VECTOR, names_model=True, answer="openai"),
    Service("scaleway", "feature-extraction", "/v1/embeddings", "input", fields=_VECTOR,
            names_model=True, answer="openai"),
)  # fmt: skip
"""One row for each provider and task whose wire the source states."""

_BY_NAME = {(row.provider, row.task): row for row in SERVICES}


def service_of(provider: str, task: Task) -> Service | None:
    """The row of a provider at a task; None where its wire is not known."""
    return _BY_NAME.get((provider, task))


def providers_of(task: Task) -> tuple[str, ...]:
    """Providers whose wire is known for a task."""
    return tuple(row.provider for row in SERVICES if row.task == task)


def picture_fields(service: Service, model: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fields of the first picture, and of all of them.

    Together's FLUX.1 Kontext takes one picture as ``image_url``, its other models a list.
    """
    name = model.lower()
    if service.provider == "together" and "kontext" in name and "flux.1" in name:
        return ("image_url",), ()
    return service.pictures, service.picture_lists
