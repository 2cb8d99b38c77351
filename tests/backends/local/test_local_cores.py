"""A small model computes on one core, and nobody else is changed by that."""

from __future__ import annotations

import threading

import torch

from gensdk.backends.local.cores import keep_to_one_core


def numbers_seen(*steps: object) -> list[int]:
    seen: list[int] = []

    def work() -> None:
        for step in steps:
            step()  # type: ignore[operator]
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return seen


def test_only_the_calling_thread_is_changed() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert numbers_seen(keep_to_one_core) == [1]
        assert torch.get_num_threads() == 2
        assert numbers_seen() == [2]
    finally:
        torch.set_num_threads(before)
