"""Text: one question, one answer, and what came with it."""

import asyncio

import gensdk


async def main() -> None:
    async with gensdk.Client() as client:
        reply = await client.text(
            "Once upon a time, there was a friendly robot who", max_tokens=200, temperature=0.7
        )
    print(reply.text)
    print("by", reply.provider, reply.model, "|", reply.usage, "| cost", reply.cost)
    for warning in reply.warnings:
        print("note:", warning)


if __name__ == "__main__":
    asyncio.run(main())
