"""Following a vendor from a model it has shut down to the one it names instead."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast, get_args

from gensdk.errors import ConfigurationError, ModelRetiredError
from gensdk.types import OnRetired, ResponseWarning

from .call import Call, Hop, Outcome, Step

__all__ = ["Successors", "on_retired_of"]


class Successors:
    """The layer inside the route: a hop whose model is gone is asked for its successor."""

    def wrap(self, step: Step) -> Step:
        """Put the layer around a step."""

        async def followed(call: Call) -> Outcome:
            seen = {call.here.model}
            while True:
                try:
                    return await step(call)
                except ModelRetiredError as error:
                    hop = _successor(call, error)
                    if hop is None or hop.model in seen:
                        raise
                    call.warnings.append(_warning(call.here, hop, error))
                seen.add(hop.model)
                call.hop = hop
                call.delay_s = 0.0
                call.idempotency_key += "-next"  # to the provider it is another request

        def asked(call: Call) -> Awaitable[Outcome]:
            return followed(call) if call.on_retired == "successor" else step(call)

        return asked


def _successor(call: Call, error: ModelRetiredError) -> Hop | None:
    """The hop with the model that follows; None where none is named, or it cannot do the same."""
    model = (error.successor or "").partition(":")[2]
    if not model:
        return None
    here = call.here
    facts = here.backend.capabilities(model)
    able = facts.streams if call.streaming else facts.abilities
    same_way = (call.ability in facts.jobs) == (call.ability in here.facts.jobs)
    if call.ability not in able or not same_way:
        return None
    return Hop(here.backend, here.provider, model, facts)


def _warning(gone: Hop, following: Hop, error: ModelRetiredError) -> ResponseWarning:
    day = f" on {error.retired_on.isoformat()}" if error.retired_on else ""
    return ResponseWarning(
        kind="retiring",
        parameter="model",
        message=f"{gone} was shut down{day}; its successor {following} was asked instead",
        sent=following.model,
    )


def on_retired_of(value: object) -> OnRetired:
    """One of the two words.

    Raises:
        ConfigurationError: It is another.
    """
    if value in get_args(OnRetired):
        return cast("OnRetired", value)
    raise ConfigurationError(f"on_retired={value!r:.80}: 'raise' or 'successor'")
