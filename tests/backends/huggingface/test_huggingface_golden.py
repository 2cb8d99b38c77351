"""What is sent, against what Hugging Face's own package makes of the same call.

``prepare_request`` of ``huggingface_hub.inference._providers`` gives address and body without
sending anything. Everything is compared: path, query, JSON, and the headers a row adds.
"""

from __future__ import annotations

import base64
import json
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import pytest

from gensdk.catalog.huggingface import SERVICES, Service
from gensdk.errors import GenSDKError
from tests.support.huggingface import CANARY, MODEL, PICTURE, SOUND, entry, loopback, posted
from tests.support.server import answer_error

pytest.importorskip("huggingface_hub.inference._providers")

_ROUTER = "https://router.huggingface.co"
_DIFFUSION = {
    "negative_prompt": "dogs", "num_inference_steps": 4, "guidance_scale": 2.5, "seed": 7,
}  # fmt: skip
_OURS = {"negative_prompt": "dogs", "steps": 4, "guidance_scale": 2.5, "seed": 7}
_SUBJECTS = ("prompt", "text", "audio", "inputs")
_EDIT = {name: value for name, value in _DIFFUSION.items() if name != "seed"}
_DATA = f"data:image/png;base64,{base64.b64encode(PICTURE.data).decode()}"
_EMBED = {
    "normalize": None, "prompt_name": None, "truncate": None, "truncation_direction": None,
    "dimensions": 8, "encoding_format": None,
}  # fmt: skip


def call_of(row: Service) -> tuple[str, dict[str, Any], object, dict[str, Any]]:
    """Our verb with its arguments, and the vendor's inputs with its parameters."""
    own = row.provider == "hf-inference"
    picture: object = PICTURE.data if own or row.provider == "wavespeed" else _DATA
    if row.task == "text-to-image":
        size = {"width": 512, "height": 256}
        given = {**_OURS, "prompt": "a cat", "size": "512x256"}
        return "image", given, "a cat", {**_DIFFUSION, **size, "scheduler": None}
    if row.task == "image-to-image":
        given = {**_OURS, "prompt": "a hat", "images": [PICTURE]}
        del given["seed"]
        return "image", given, picture, {**_EDIT, "prompt": "a hat", "target_size": None}
    if row.task == "text-to-video":
        given = {**_OURS, "prompt": "a boat", "options": {"huggingface": {"num_frames": 9}}}
        return "start_video", given, "a boat", {**_DIFFUSION, "num_frames": 9}
    if row.task == "image-to-video":
        given = {**_OURS, "prompt": "a boat", "first_frame": PICTURE}
        asked = {**_DIFFUSION, "prompt": "a boat", "num_frames": None, "target_size": None}
        return "start_video", given, picture, asked
    if row.task == "text-to-speech":
        spoken = {"voice": "tara"} if "voice" in row.fields else {}
        return "speech", {"text": "Hello", **spoken}, "Hello", spoken
    if row.task == "automatic-speech-recognition":
        if own:
            asked = {"return_timestamps": True}
            return "transcribe", {"audio": SOUND, "timestamps": "segment"}, SOUND.data, asked
        sound = f"data:audio/wav;base64,{base64.b64encode(SOUND.data).decode()}"
        plain = sound if row.provider == "replicate" else SOUND.data
        return "transcribe", {"audio": SOUND}, plain, {}
    return "embed", {"inputs": ["a", "b"], "dimensions": 8}, ["a", "b"], _EMBED


def vendors_request(
    row: Service, facts: dict[str, Any], inputs: object, parameters: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:  # fmt: skip
    """The vendor's own request, with what the hub would say put in place of the look-up."""
    common = import_module("huggingface_hub.inference._providers._common")
    own = import_module("huggingface_hub.inference._providers.hf_inference")
    providers = import_module("huggingface_hub.inference._providers")
    kind = import_module("huggingface_hub.hf_api").InferenceProviderMapping
    told = kind(**facts, hf_model_id=MODEL)
    monkeypatch.setattr(own, "_check_supported_task", lambda *_: None)
    monkeypatch.setitem(common.HARDCODED_MODEL_INFERENCE_MAPPING, row.provider, {MODEL: told})
    helper = providers.get_provider_helper(row.provider, row.task, MODEL)
    return helper.prepare_request(
        inputs=inputs, parameters=dict(parameters), headers={}, model=MODEL, api_key=CANARY
    )


_LORA = "lora.safetensors"
CASES: list[tuple[Service, str, str | None]] = [(row, "vendor/name", None) for row in SERVICES]
CASES += [(row, "vendor/name:v1", None) for row in SERVICES if row.provider == "replicate"]
CASES += [(row, "vendor/name", _LORA) for row in SERVICES if row.adapter]
CASES += [(row, "fal-ai/lora", _LORA) for row in SERVICES if row.adapter == "loras"]


@pytest.mark.parametrize(
    ("row", "vendor_model", "adapter"),
    CASES,
    ids=[f"{row.provider}-{row.task}-{name}-{file}" for row, name, file in CASES],
)
async def test_the_request_is_the_vendors(
    row: Service, vendor_model: str, adapter: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb, given, inputs, parameters = call_of(row)
    facts = entry(row.provider, row.task, vendor_model, adapterWeightsPath=adapter)
    expected = vendors_request(row, facts, inputs, parameters, monkeypatch)
    async with loopback(facts) as (server, client):
        server.on("POST", "*", answer_error(400, "enough"))
        call = "video" if row.provider == "novita" else verb
        model = f"huggingface:{MODEL}:{row.provider}"
        rest = dict(given)
        subject = rest.pop(next(name for name in _SUBJECTS if name in rest))
        with pytest.raises(GenSDKError, match="enough"):
            await getattr(client, call)(subject, model=model, **rest)
    (sent,) = posted(server)
    address = urlsplit(expected.url)
    assert expected.url.startswith(f"{_ROUTER}/{row.provider}/")
    assert sent.target == f"{address.path}{'?' if address.query else ''}{address.query}"
    if row.subject == "file":
        theirs = expected.headers["content-type"].partition("boundary=")[2].encode()
        ours = sent.headers["content-type"].partition("boundary=")[2].encode()
        theirs_fields = _form(expected.data, theirs)
        assert _form(sent.body, ours) == theirs_fields
        assert theirs_fields[b"model"] == vendor_model.encode()
    else:
        document = expected.json if expected.json is not None else json.loads(expected.data)
        assert sent.json() == _with_true_types(document)
    for name in ("prefer", "x-source-channel", "accept-language"):
        if (row.provider, row.task) != ("replicate", "text-to-video"):  # which is a job here
            assert sent.headers.get(name) == expected.headers.get(name)
    assert sent.headers["authorization"] == expected.headers["authorization"]


def _with_true_types(document: Any) -> Any:
    """Two of the vendor's helpers call every sound MP3 and every picture JPEG."""
    text = json.dumps(document)
    text = text.replace("data:audio/mpeg;", "data:audio/wav;")
    return json.loads(text.replace("data:image/jpeg;", "data:image/png;"))


def _form(body: bytes, boundary: bytes) -> dict[bytes, bytes]:
    """Fields of a multipart body by name."""
    found = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
        found[head.partition(b'name="')[2].partition(b'"')[0]] = content
    return found


def test_every_media_task_of_the_package_that_we_have_a_verb_for_has_its_row() -> None:
    providers = import_module("huggingface_hub.inference._providers")
    verbs = {row.task for row in SERVICES}
    theirs = {
        (provider, task)
        for provider, tasks in providers.PROVIDERS.items()
        for task in tasks
        if task in verbs
    }
    assert theirs == {(row.provider, row.task) for row in SERVICES}
