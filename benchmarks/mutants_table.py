"""Which tests speak for which module, and which changes nobody could notice."""

from __future__ import annotations

__all__ = ["EQUIVALENT", "HEAVY", "MODULES"]

HEAVY = (
    "numpy", "torch", "torchao", "transformers", "transformers.modeling_utils",
    "transformers.generation.utils",
    "transformers.models.llama.modeling_llama", "transformers.processing_utils", "safetensors",
    "diffusers",
)  # fmt: skip
"""Loaded once where a model is."""


MODULES: dict[str, tuple[str, ...]] = {
    "policy.retry": (
        "policy/test_retry.py", "policy/test_paid.py", "hostile/test_hostile_retries.py",
        "client/test_job_wire.py",
    ),
    "policy.attempt": (
        "policy/test_hooks.py", "policy/test_timeouts.py", "policy/test_breaker.py",
        "policy/test_paid.py", "policy/test_stream_close.py", "client/test_job_wire.py",
        "policy/test_lifecycle.py",
    ),
    "policy.paid": ("policy/test_paid.py", "policy/test_hedge.py", "client/test_job_wire.py"),
    "policy.timeouts": ("policy/test_timeouts.py",),
    "policy.stream": (
        "policy/test_stream_close.py", "policy/test_stream_faults.py", "client/test_streams.py",
        "policy/test_interrupted.py", "policy/test_timeouts.py", "policy/test_hooks.py",
    ),
    "policy.deadline": (
        "policy/test_timeouts.py", "policy/test_paid.py", "policy/test_stream_close.py",
        "hostile/test_hostile_clocks.py",
    ),
    "_alarms": ("test_alarms.py", "policy/test_timeouts.py"),
    "toolkit.sse": ("toolkit/test_sse.py",),
    "toolkit.answer": (
        "toolkit/test_answer.py", "toolkit/test_http.py", "toolkit/test_content.py",
        "toolkit/test_transport.py",
    ),
    "errors": ("types/test_errors.py",),
    "toolkit.failures": ("toolkit/test_failures.py",),
    "toolkit.wire_errors": ("toolkit/test_wire_errors.py", "toolkit/test_connecting.py",
                            "toolkit/test_transport.py"),
    "types.media": ("types/test_media.py", "types/test_values.py", "toolkit/test_encoding.py"),
    "toolkit.content": ("toolkit/test_content.py", "toolkit/test_http.py"),
    "toolkit.picture": ("hostile/test_hostile_media.py",
                        "backends/openai/test_images_generate.py"),
    "toolkit.address": ("toolkit/test_address.py", "toolkit/test_http.py"),
    "toolkit.public_address": ("toolkit/test_download.py",),
    "toolkit.download": ("toolkit/test_download.py",),
    "_downloads": ("client/test_downloads.py", "client/test_requests.py",
                   "hostile/test_hostile_media.py", "policy/test_retry.py"),
    "backends.local.networks": ("backends/local/test_local_networks.py",),
    "backends.local.loading": ("backends/local/test_local_loading.py",),
    "backends.local.safety": ("backends/local/test_local_safety.py",),
    "backends.local.safety_pipeline": ("backends/local/test_local_safety.py",),
}  # fmt: skip

EQUIVALENT: dict[str, dict[tuple[str, str], str]] = {
    "policy.retry": {
        ("self._wait_s = 0.0", "Assign removed"): "set anew before it is read",
        ("self._wait_s = 0.0", "0.0 -> 1.0"): "set anew before it is read",
        ("return self._taken > 0", "0 -> 1"): "no price is as small as that",
    },
    "toolkit.failures": {
        ("ErrorRow(InvalidRequestError, 422),", "422 -> 423"):
            "a status from 400 to 499 without a row means the same",
        ("return InvalidRequestError if failure.status // 100 == 4 else ServerError",
         "100 -> 101"): "the statuses between have rows",
        ("if not text or len(text) > MAX_FACT:", "Gt -> GtE"): "no date is as long as that",
    },
    "policy.attempt": {
        ("return _AttemptClock(call, when, seconds, phase) if when < call.deadline else _READY",
         "Lt -> LtE"):
            "two clocks that strike in one turn: the outer one tells, as before",
    },
    "policy.stream": {
        ("raise StopAsyncIteration from None", "Raise removed"):
            "the stream is over then, and the last lines of the function say the same",
    },
    "_alarms": {
        ("if alarm.call is not None and (when > due or number > later):", "Gt -> GtE"):
            "no two numbers are equal; an alarm at the very last moment waits for the next turn",
        ("_latest = found", "Assign removed"): "a short cut to what the table gives as well",
    },
    "toolkit.content": {
        ("_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32", "32 -> 33"): "the lowest bit is set anyway",
    },
    "toolkit.picture": {
        ("bits = _little(data, 21, 4)", "4 -> 5"): "what the fifth byte adds is masked out",
        ("return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF", "2 -> 3"):
            "what the third byte adds is masked out",
    },
    "toolkit.answer": {
        ("taken = self._decoder.taken if self._decoder is not None else 0", "0 -> 1"):
            "without a decoder nothing unfolds, so this is not asked",
    },
    "toolkit.sse": {
        ("if end >= 0:", "GtE -> Gt"): "an empty block is found again with the next one",
        ('if block.startswith(b"data: ") and b"\\n" not in block:', "b'data: ' changed"):
            "a short cut for what the general case reads the same",
    },
}  # fmt: skip
"""By module: the line and the change, and why no test can tell the difference."""
