"""Servers that speak OpenAI's wire format, and where each departs from it: one row per host.

A row is data about a *server*, never about a model. ``source`` says where a fact was read and
``as_of`` when; what was not checked against the host's own documentation is marked
``unverified`` there. An unknown server gets ``UNKNOWN``: Chat Completions, ``max_tokens``, role
``system``, float embeddings, and none of the fields that only OpenAI has.

Rule of the room: dated, cited facts; no I/O and no behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from gensdk.types import ABILITIES, Ability

__all__ = ["AZURE", "OPENAI", "PRESETS", "UNKNOWN", "Dialect", "SchemaMode", "TextProtocol"]

TextProtocol = Literal["responses", "chat", "completions"]

SchemaMode = Literal["strict", "plain", "object"]
"""How a schema for the answer is sent: ``strict`` in OpenAI's strict subset, ``plain`` as it is
without the word ``strict``, ``object`` as JSON mode with the schema in the instructions."""

READ = date(2026, 11, 20)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server departs from OpenAI's own API.

    Attributes:
        name: Provider name, as in ``"name:model"``.
        base_url: Origin and path prefix that the paths of the API are appended to.
        key_env: Environment variable that holds the key.
        key_required: Whether the server refuses to work without a key.
        text_protocol: Protocol text goes over unless the caller says otherwise.
        max_tokens_field: What Chat Completions calls the upper bound on new tokens.
        system_role: Role of instructions in Chat Completions.
        embedding_encoding: What to ask for as ``encoding_format``.
        body_fields: Body fields outside OpenAI's API that the server takes (``top_k``,
            ``min_p``; for pictures ``num_inference_steps`` and the like).
        refuses: Request fields that the server refuses or ignores, by their gensdk names;
            ``image_input``, ``audio_input`` and ``file_input`` stand for parts of messages,
            ``named_tool_choice`` for a tool's name as ``tool_choice``. Preferences are dropped
            with a note, everything else is refused before sending.
        renames: Body fields the server calls otherwise, as (ours, theirs).
        stream_usage: Whether ``stream_options.include_usage`` may be sent.
        strict_unknown_fields: Whether a field outside OpenAI's API fails the call (422), so
            that nothing of the kind may be sent.
        user_field: What the server calls the end user's id.
        reasoning_field: Key under which an assistant's reasoning goes back to the server; None
            where it must be left out.
        call_id_form: What the id of a tool call must match as a whole; calls of other providers
            get one that does.
        call_id_length: Characters of such an id.
        schema_mode: How a schema for the answer is sent.
        image_response_format: Whether pictures need ``response_format: b64_json`` to come as
            bytes.
        max_candidates: Largest ``n`` of one request, None where no limit is known.
        max_stop: Most stop strings of one request.
        max_inputs: Most embedding inputs of one request.
        abilities: What the server answers, as widest.
        details: Keys of the answer that are worth keeping in ``provider_details``.
        price_provider: Name of the provider in the price table; None where nothing is billed
            or no price is known.
        as_of: Day on which the facts were looked up.
        source: Where the facts were read.
    """

    name: str
    base_url: str = ""
    key_env: str | None = None
    key_required: bool = False
    text_protocol: TextProtocol = "chat"
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    system_role: Literal["developer", "system"] = "system"
    embedding_encoding: Literal["base64", "float"] = "float"
    body_fields: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    renames: tuple[tuple[str, str], ...] = ()
    stream_usage: bool = True
    strict_unknown_fields: bool = False
    user_field: Literal["safety_identifier", "user"] = "user"
    reasoning_field: Literal["reasoning", "reasoning_content"] | None = None
    call_id_form: str = ".{1,40}"
    call_id_length: int = 29
    schema_mode: SchemaMode = "plain"
    image_response_format: bool = True
    max_candidates: int | None = None
    max_stop: int | None = None
    max_inputs: int | None = None
    abilities: frozenset[Ability] = frozenset(ABILITIES) - {"music", "video"}
    details: tuple[str, ...] = ()
    price_provider: str | None = None
    as_of: date = READ
    source: str = ""


_OPENAI_ONLY = frozenset({"verbosity", "service_tier", "cache_key", "metadata"})
"""Fields that only OpenAI is known to take; a strict server would fail the call over them."""

_SAMPLING = frozenset({"top_k", "min_p"})
_DIFFUSION = frozenset({"seed", "num_inference_steps", "guidance_scale", "negative_prompt"})
_TEXT = frozenset[Ability]({"text"})
_TEXT_EMBED = frozenset[Ability]({"text", "embed"})

OPENAI = Dialect(
    name="openai",
    base_url="https://api.openai.com/v1",
    key_env="OPENAI_API_KEY",
    key_required=True,
    text_protocol="responses",
    max_tokens_field="max_completion_tokens",
    system_role="developer",
    embedding_encoding="base64",
    user_field="safety_identifier",
    schema_mode="strict",
    image_response_format=False,
    max_candidates=128,
    max_stop=4,
    max_inputs=2048,
    abilities=frozenset(ABILITIES) - {"music"},
    details=("moderation",),
    price_provider="openai",
    source="types of the openai package 3.52; OpenAI's API specification of 2026-08-21",
)
"""OpenAI itself, at ``api.openai.com``."""

AZURE = replace(
    OPENAI,
    name="azure",
    base_url="",
    key_env="AZURE_OPENAI_API_KEY",
    abilities=frozenset(ABILITIES) - {"music", "video"},
    price_provider="azure",
    source="openai 3.52 lib/azure.py",
)
"""OpenAI's dialect as Azure speaks it. Models are the names of the customer's deployments."""

UNKNOWN = Dialect(
    name="compatible",
    refuses=_OPENAI_ONLY,
    abilities=frozenset(ABILITIES) - {"music"},
    source="the common ground of the servers below",
)
"""A server nothing is known about."""

# ------------------------------------------------------------------- servers on one's own machine
_VLLM = Dialect(
    name="vllm",
    base_url="http://localhost:8000/v1",
    key_env="VLLM_API_KEY",
    body_fields=_SAMPLING,
    refuses=_OPENAI_ONLY | {"user_id"},
    abilities=frozenset({"text", "embed", "transcribe"}),
    source="docs.vllm.ai, OpenAI-compatible server (vLLM 0.33): extra sampling fields; `user` "
    "is ignored",
)
_VLLM_OMNI = Dialect(
    name="vllm-omni",
    base_url="http://localhost:8091/v1",
    key_env="VLLM_API_KEY",
    body_fields=_SAMPLING | _DIFFUSION | {"fps"},
    refuses=_OPENAI_ONLY | {"user_id"},
    abilities=frozenset({"text", "image", "speech", "video"}),
    source="vLLM-Omni 0.30 documentation: port, image, speech and video routes, image fields; "
    "video fields unverified",
)
_SGLANG = Dialect(
    name="sglang",
    base_url="http://localhost:30000/v1",
    key_env="SGLANG_API_KEY",
    body_fields=_SAMPLING | _DIFFUSION | {"fps"},
    refuses=_OPENAI_ONLY | {"user_id"},
    abilities=frozenset({"text", "embed", "image", "transcribe", "video"}),
    source="SGLang 0.5.23 documentation; key variable, image and video fields unverified",
)
_OLLAMA = Dialect(
    name="ollama",
    base_url="http://localhost:11434/v1",
    key_env="OLLAMA_API_KEY",
    refuses=_OPENAI_ONLY | {"logit_bias", "user_id", "tool_choice", "parallel_tool_calls"},
    max_candidates=1,
    abilities=frozenset({"text", "embed", "image", "speech", "transcribe"}),
    source="docs.ollama.com/api/openai-compatibility (0.40): list of request fields, where "
    "top_k and min_p do not stand; parallel_tool_calls unverified",
)
_LLAMACPP = Dialect(
    name="llamacpp",
    base_url="http://localhost:8080/v1",
    key_env="LLAMA_API_KEY",
    body_fields=_SAMPLING,
    refuses=_OPENAI_ONLY | {"user_id", "named_tool_choice"},
    abilities=frozenset({"text", "embed", "transcribe"}),
    details=("timings",),
    source="llama-server as bundled with llama-cpp-python 0.3.36, run on loopback; an object as "
    "tool_choice becomes `auto` (langchain-llama-cpp documentation)",
)
_LMSTUDIO = Dialect(
    name="lmstudio",
    base_url="http://localhost:1234/v1",
    key_env="LM_API_TOKEN",
    body_fields=frozenset({"top_k"}),
    refuses=_OPENAI_ONLY | {"user_id", "named_tool_choice"},
    max_candidates=1,
    abilities=_TEXT_EMBED,
    details=("stats",),
    source="lmstudio.ai/docs/developer/openai-compat; n and named tool_choice unverified",
)
_TGI = Dialect(
    name="tgi",
    base_url="http://localhost:8080/v1",
    refuses=_OPENAI_ONLY | {"user_id", "logit_bias", "parallel_tool_calls", "reasoning_effort"},
    max_candidates=1,
    max_stop=4,
    abilities=_TEXT,
    source="huggingface.co/docs/text-generation-inference, Messages API; n unverified",
)
_TRANSFORMERS_SERVE = Dialect(
    name="transformers-serve",
    base_url="http://localhost:8000/v1",
    refuses=_OPENAI_ONLY
    | {"output", "tool_choice", "parallel_tool_calls", "presence_penalty", "logprobs"}
    | {"reasoning_effort", "user_id"},
    stream_usage=False,
    strict_unknown_fields=True,
    max_candidates=1,
    abilities=frozenset({"text", "transcribe"}),
    source="transformers 5.23, cli/serving: accepted and unused fields; run on loopback",
)

# ---------------------------------------------------------------------------------- hosted servers
_PERPLEXITY = Dialect(
    name="perplexity",
    base_url="https://api.perplexity.ai",
    key_env="PERPLEXITY_API_KEY",
    key_required=True,
    refuses=_OPENAI_ONLY
    | {"seed", "stop", "logit_bias", "user_id", "audio_input", "named_tool_choice"},
    stream_usage=False,
    max_candidates=1,
    abilities=_TEXT,
    details=("citations", "search_results", "images", "related_questions"),
    price_provider="perplexity",
    source="perplexityai 0.46.1 types/chat/completion_create_params.py; vercel/ai 2026-08-22 for "
    "stop, which the types have and the server ignores",
)
_GROQ = Dialect(
    name="groq",
    base_url="https://api.groq.com/openai/v1",
    key_env="GROQ_API_KEY",
    key_required=True,
    max_tokens_field="max_completion_tokens",
    refuses=frozenset({"logprobs", "logit_bias", "verbosity", "cache_key", "metadata"}),
    max_candidates=1,
    max_stop=4,
    abilities=frozenset({"text", "transcribe", "speech"}),
    details=("x_groq",),
    price_provider="groq",
    source="console.groq.com/docs/openai: logprobs, logit_bias and n > 1 answer 400",
)
_MISTRAL = Dialect(
    name="mistral",
    base_url="https://api.mistral.ai/v1",
    key_env="MISTRAL_API_KEY",
    key_required=True,
    refuses=_OPENAI_ONLY | {"logprobs", "logit_bias", "user_id"},
    renames=(("seed", "random_seed"),),
    stream_usage=False,
    call_id_form="[A-Za-z0-9]{9}",
    call_id_length=9,
    schema_mode="strict",
    abilities=frozenset({"text", "embed", "moderate", "transcribe"}),
    price_provider="mistral",
    source="docs.mistral.ai/api, ChatCompletionRequest: random_seed, no logprobs, logit_bias, "
    "user or stream_options; usage comes with the last chunk (unverified); ids of tool calls: "
    "mistral-common, validator of requests",
)
_DEEPSEEK = Dialect(
    name="deepseek",
    base_url="https://api.deepseek.com",
    key_env="DEEPSEEK_API_KEY",
    key_required=True,
    refuses=_OPENAI_ONLY
    | {"seed", "logit_bias", "user_id", "parallel_tool_calls"}
    | {"image_input", "audio_input", "file_input"},
    reasoning_field="reasoning_content",
    schema_mode="object",
    max_candidates=1,
    max_stop=16,
    abilities=_TEXT,
    price_provider="deepseek",
    source="api-docs.deepseek.com, guides/thinking_mode: reasoning_content must come back with "
    "tool calls and is ignored otherwise; JSON mode without a schema; seed and images unverified",
)
_TOGETHER = Dialect(
    name="together",
    base_url="https://api.together.xyz/v1",
    key_env="TOGETHER_API_KEY",
    key_required=True,
    body_fields=_SAMPLING | {"steps", "negative_prompt", "seed", "guidance_scale"},
    refuses=_OPENAI_ONLY | {"user_id"},
    abilities=frozenset({"text", "embed", "image", "speech", "transcribe"}),
    price_provider="together",
    source="docs.together.ai, chat completions: top_k, min_p; user unverified",
)
_FIREWORKS = Dialect(
    name="fireworks",
    base_url="https://api.fireworks.ai/inference/v1",
    key_env="FIREWORKS_API_KEY",
    key_required=True,
    body_fields=_SAMPLING,
    refuses=frozenset({"verbosity", "service_tier", "metadata"}),
    max_stop=4,
    abilities=_TEXT_EMBED,
    price_provider="fireworks",
    source="docs.fireworks.ai/guides/querying-text-models; refused fields unverified",
)
_OPENROUTER = Dialect(
    name="openrouter",
    base_url="https://openrouter.ai/api/v1",
    key_env="OPENROUTER_API_KEY",
    key_required=True,
    body_fields=_SAMPLING,
    refuses=frozenset({"service_tier", "cache_key", "metadata"}),
    reasoning_field="reasoning",
    schema_mode="strict",
    max_candidates=1,
    max_stop=4,
    abilities=_TEXT_EMBED,
    details=("provider",),
    price_provider="openrouter",
    source="openrouter.ai/docs/api-reference/parameters; n unverified",
)
_XAI = Dialect(
    name="xai",
    base_url="https://api.x.ai/v1",
    key_env="XAI_API_KEY",
    key_required=True,
    max_tokens_field="max_completion_tokens",
    refuses=_OPENAI_ONLY | {"logit_bias", "audio_input", "file_input"},
    schema_mode="strict",
    max_stop=4,
    abilities=frozenset({"text", "image"}),
    details=("citations",),
    price_provider="x-ai",
    source="docs.x.ai, chat completions (legacy); logit_bias unverified",
)
_HUGGINGFACE = Dialect(
    name="huggingface",
    base_url="https://router.huggingface.co/v1",
    key_env="HF_TOKEN",
    key_required=True,
    refuses=_OPENAI_ONLY | {"user_id"},
    abilities=_TEXT,
    source="huggingface_hub 2.4.0, chat_completion; `model:provider` picks the provider, so the "
    "price is not known beforehand",
)
_CEREBRAS = Dialect(
    name="cerebras",
    base_url="https://api.cerebras.ai/v1",
    key_env="CEREBRAS_API_KEY",
    key_required=True,
    max_tokens_field="max_completion_tokens",
    refuses=_OPENAI_ONLY
    | {"frequency_penalty", "presence_penalty", "logit_bias"}
    | {"image_input", "audio_input", "file_input"},
    schema_mode="strict",
    max_candidates=1,
    max_stop=4,
    abilities=_TEXT,
    details=("time_info",),
    price_provider="cerebras",
    source="inference-docs.cerebras.ai/resources/openai: penalties, logit_bias and service_tier "
    "answer 400; n and input parts unverified",
)
_NVIDIA = Dialect(
    name="nvidia",
    base_url="https://integrate.api.nvidia.com/v1",
    key_env="NVIDIA_API_KEY",
    key_required=True,
    refuses=_OPENAI_ONLY | {"user_id", "logit_bias"},
    max_candidates=1,
    abilities=_TEXT_EMBED,
    source="build.nvidia.com, API catalogue: address and key; refused fields and n unverified",
)

PRESETS: dict[str, Dialect] = {
    row.name: row
    for row in (
        *(_VLLM, _VLLM_OMNI, _SGLANG, _OLLAMA, _LLAMACPP, _LMSTUDIO, _TGI, _TRANSFORMERS_SERVE),
        *(_PERPLEXITY, _GROQ, _MISTRAL, _DEEPSEEK, _TOGETHER, _FIREWORKS, _OPENROUTER, _XAI),
        *(_HUGGINGFACE, _CEREBRAS, _NVIDIA),
    )
}
"""The hosts above by provider name. OpenAI itself is not one of them."""
