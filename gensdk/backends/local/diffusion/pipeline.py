"""A folder becomes a pipeline of diffusers on a device. Runs in a worker thread.

Each component is loaded by its own class, looked up by name in diffusers and transformers alone,
so that nothing in the folder decides what is imported, and each says which of its weights were
missing: diffusers itself would fill them with random numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from gensdk.errors import MissingDependencyError, ModelLoadError

from ..device import DeviceChoice
from ..extra import NO_DIFFUSERS
from ..loading import Check, loading, require_complete
from ..safety import ModelFolder
from ..safety_pipeline import Component, read_index, weights_of
from ..worker import WorkerFacts

__all__ = [
    "DEFAULTS_FILE",
    "Defaults",
    "LoadedPipeline",
    "call_parameters",
    "load_pipeline",
    "quiet",
]

DEFAULTS_FILE = "gensdk_defaults.json"
_LARGEST_DEFAULTS = 65536


class Defaults(BaseModel):
    """What a pipeline's makers recommend, from ``gensdk_defaults.json`` beside it.

    Attributes:
        num_inference_steps: Denoising steps.
        guidance_scale: How closely to follow the prompt.
        fps: Frames per second of a video.
        num_frames: Frames of a video.
        one_size: Whether only the size it was trained in is of any use.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    num_inference_steps: int | None = Field(default=None, ge=1, le=1000)
    guidance_scale: float | None = Field(default=None, ge=0, le=100, allow_inf_nan=False)
    fps: float | None = Field(default=None, gt=0, le=240)
    num_frames: int | None = Field(default=None, ge=1, le=100_000)
    one_size: bool = False


@dataclass(frozen=True, slots=True)
class LoadedPipeline:
    """A pipeline ready to run.

    Attributes:
        pipe: The diffusers pipeline.
        defaults: What its makers recommend.
        facts: What was loaded, and where.
    """

    pipe: Any
    defaults: Defaults
    facts: WorkerFacts


def load_pipeline(folder: ModelFolder, choice: DeviceChoice, check: Check) -> LoadedPipeline:
    """Load every component and put the pipeline together.

    Only safetensors, no code that came with the model, no network.

    Raises:
        MissingDependencyError: diffusers is not installed.
        ModelLoadError: It is no pipeline of diffusers, or weights are missing.
        Exception: Whatever the libraries raise; ``failures.load_failure`` types it.
    """
    defaults = _defaults(folder.path)
    with loading(check), quiet():
        class_name, components, settings = read_index(folder.path)
        pipeline = _pipeline_class(folder, class_name)
        parts: dict[str, Any] = {}
        for component in components:
            check()
            parts[component.name] = _load(folder, component, choice)
        pipe = _assembled(folder, pipeline, parts, settings)
        check()
        pipe.to(choice.device)
    networks = {id(part): part for part in pipe.components.values() if _is_network(part)}
    parameters = sum(
        weight.numel() for network in networks.values() for weight in network.parameters()
    )
    facts = WorkerFacts(choice.device, choice.dtype, parameters, folder.weight_bytes)
    return LoadedPipeline(pipe, defaults, facts)


def call_parameters(pipe: Any) -> Mapping[str, inspect.Parameter]:
    """What a call of a pipeline takes."""
    return inspect.signature(type(pipe).__call__).parameters


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and advice off the terminal."""
    try:
        from diffusers.utils import logging
    except ImportError as error:
        raise MissingDependencyError(NO_DIFFUSERS) from error
    from transformers.utils import logging as transformers_logging

    voices = [(log, log.get_verbosity()) for log in (logging, transformers_logging)]
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    for log, _ in voices:
        log.set_verbosity_error()
    try:
        yield
    finally:
        for log, level in voices:
            log.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _pipeline_class(folder: ModelFolder, name: str) -> Any:
    import diffusers

    pipeline = getattr(diffusers, name, None)
    if not isinstance(pipeline, type):
        raise ModelLoadError(f"{folder.path}: this version of diffusers has no pipeline {name}")
    if "dummy" in pipeline.__module__:
        _say_what_is_missing(pipeline)
    if not issubclass(pipeline, diffusers.DiffusionPipeline) or not _is_public(pipeline):
        raise ModelLoadError(f"{folder.path}: {name} is no pipeline of diffusers")
    if getattr(pipeline, "_load_connected_pipes", False):
        raise ModelLoadError(
            f"{folder.path}: {name} fetches further models by itself, which gensdk does not do"
        )
    return pipeline


def _say_what_is_missing(dummy: type) -> None:
    try:
        dummy()
    except ImportError as error:
        raise MissingDependencyError(f"this pipeline needs another package: {error}") from error


def _component_class(folder: ModelFolder, component: Component) -> Any:
    """The class of a component, where it is one that only holds data."""
    import diffusers
    import transformers
    from diffusers.pipelines.pipeline_loading_utils import simple_get_class_obj

    try:
        found = simple_get_class_obj(component.library, component.class_name)
    except (AttributeError, ImportError, ValueError) as error:
        raise ModelLoadError(
            f"{folder.path}: the component {component.name!r} is a {component.class_name} of "
            f"{component.library}, which is not installed or not known: {error}"
        ) from error
    if isinstance(found, type) and ".dummy_" in found.__module__:
        _say_what_is_missing(found)
    allowed = (
        diffusers.ModelMixin,
        diffusers.SchedulerMixin,
        transformers.PreTrainedModel,
        transformers.PreTrainedTokenizerBase,
        transformers.FeatureExtractionMixin,
        transformers.ImageProcessingMixin,
        transformers.ProcessorMixin,
    )
    if not isinstance(found, type) or not issubclass(found, allowed) or not _is_public(found):
        raise ModelLoadError(
            f"{folder.path}: the component {component.name!r} is a {component.class_name}, which "
            "is no model, scheduler, tokenizer or processor"
        )
    return found


def _is_public(found: type) -> bool:
    return found.__module__.partition(".")[0] in {"diffusers", "transformers"}


def _is_network(part: object) -> bool:
    import torch

    return isinstance(part, torch.nn.Module)


def _load(folder: ModelFolder, component: Component, choice: DeviceChoice) -> Any:
    import torch

    found = _component_class(folder, component)
    place = str(folder.path / component.name)
    if not issubclass(found, torch.nn.Module):
        return found.from_pretrained(place, local_files_only=True)
    weights = weights_of(folder.path, component)
    if not weights.files:
        raise ModelLoadError(f"{place} has no config.json; download or save the pipeline again")
    options: dict[str, Any] = {"variant": weights.variant} if weights.variant else {}
    network, report = found.from_pretrained(
        place,
        dtype=getattr(torch, choice.dtype),
        use_safetensors=True,
        local_files_only=True,
        low_cpu_mem_usage=True,
        output_loading_info=True,
        **options,
    )
    require_complete(_part(folder, component), report)
    return network.eval()


def _part(folder: ModelFolder, component: Component) -> ModelFolder:
    """The folder of one component, for messages."""
    return ModelFolder(folder.path / component.name, component.class_name, (), 0)


def _assembled(
    folder: ModelFolder, pipeline: Any, parts: dict[str, Any], settings: dict[str, JsonValue]
) -> Any:
    takes = inspect.signature(pipeline.__init__).parameters
    given = {name: value for name, value in settings.items() if name in takes}
    for name, part in parts.items():
        if name not in takes:
            raise ModelLoadError(
                f"{folder.path}: {pipeline.__name__} has no component {name!r}; model_index.json "
                "belongs to another pipeline"
            )
        given[name] = part
    for name, parameter in takes.items():
        if name == "self" or name in given or parameter.default is not inspect.Parameter.empty:
            continue
        if name not in pipeline._optional_components and name not in {  # noqa: SLF001  # a list
            "safety_checker",
            "feature_extractor",
        }:
            raise ModelLoadError(f"{folder.path} lacks the component {name!r}")
        given[name] = None
    return pipeline(**given)


def _defaults(folder: Path) -> Defaults:
    file = folder / DEFAULTS_FILE
    if not file.is_file():
        return Defaults()
    try:
        if file.stat().st_size > _LARGEST_DEFAULTS:
            raise ModelLoadError(f"{file} is over {_LARGEST_DEFAULTS} bytes")
        return Defaults.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelLoadError(f"{file} cannot be read: {error}") from error
