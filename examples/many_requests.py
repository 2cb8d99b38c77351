"""Many requests, a bounded number at a time, answers in order."""

import asyncio

import gensdk
from gensdk.types import TextRequest


async def main() -> None:
    animals = ["cat", "dog", "owl", "fox"]
    requests = (
        TextRequest(prompt=f"Tell me a story about a {name}", max_tokens=60) for name in animals
    )
    async with gensdk.Client() as client:
        async for reply in client.map(requests, concurrency=2):
            print("-", reply.text)


if __name__ == "__main__":
    asyncio.run(main())
