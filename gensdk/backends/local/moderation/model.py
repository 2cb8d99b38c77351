"""A folder becomes a worker that judges texts. Runs in a worker thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..device import DeviceChoice
from ..encoders import EncoderWorker, load_encoder
from ..loading import Check
from ..safety import ModelFolder
from ..worker import Worker, WorkerLimits
from .job import Judged, ModerationJob

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["load"]


def load(
    folder: ModelFolder, choice: DeviceChoice, check: Check, limits: WorkerLimits
) -> Worker[Any]:
    """Load a classifier and what serves it; errors as in ``load_encoder``.

    A model for several labels at once has a probability for each; others share one among them.
    """
    encoder = load_encoder(folder, choice, check, "AutoModelForSequenceClassification")
    config = encoder.network.config
    labels = [str(config.id2label[n]) for n in range(config.num_labels)]
    several = config.problem_type == "multi_label_classification" or len(labels) == 1

    def compute(features: dict[str, Tensor]) -> Tensor:
        scores: Tensor = encoder.network(**features, return_dict=True).logits.float()
        return scores.sigmoid() if several else scores.softmax(-1)

    def finish(job: ModerationJob, rows: Tensor, tokens: int, cut: tuple[int, ...]) -> Judged:
        scores = tuple(dict(zip(labels, row, strict=True)) for row in rows.tolist())
        return Judged(scores, tokens, cut, encoder.facts.device, encoder.facts.dtype)

    return EncoderWorker(
        encoder, limits, ModerationJob, texts=lambda job: job.texts, compute=compute, finish=finish
    )
