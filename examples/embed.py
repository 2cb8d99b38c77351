"""Vectors for any number of texts, in order, as one float32 block."""

import asyncio

import gensdk


async def main() -> None:
    async with gensdk.Client() as client:
        reply = await client.embed(["a cat", "a kitten", "a tax return"])
    cat, *others = reply.vectors
    for text, vector in zip(["a kitten", "a tax return"], others, strict=True):
        likeness = sum(a * b for a, b in zip(cat, vector, strict=True))
        print(f"a cat ~ {text}: {likeness:.3f}")
    print(reply.vectors, reply.usage, reply.cost)


if __name__ == "__main__":
    asyncio.run(main())
