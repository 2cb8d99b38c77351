"""Text as it is made. Leaving the `async with` block closes the connection at once."""

import asyncio

import gensdk


async def main() -> None:
    prompt = "Tell me a story about a brave cat"
    async with gensdk.Client() as client, client.stream_text(prompt) as stream:
        async for piece in stream.text:
            print(piece, end="", flush=True)
        reply = await stream.result()  # the same response a plain call returns
    print(f"\n[{reply.model}, {reply.usage.output_tokens} tokens]")


if __name__ == "__main__":
    asyncio.run(main())
