"""Hooks are plain functions that are told what happens; content is never part of it."""

import asyncio

import gensdk
from gensdk import CallFinished


def account(fact: object) -> None:
    if isinstance(fact, CallFinished):
        print(fact.tag, fact.provider, fact.model, fact.usage, fact.cost, fact.error)


async def main() -> None:
    async with gensdk.Client(hooks=[account]) as client:
        await client.text("Tell me a story about an owl", max_tokens=60, tag="bedtime")


if __name__ == "__main__":
    asyncio.run(main())
