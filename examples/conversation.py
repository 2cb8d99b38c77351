"""A conversation is a list of messages; the answer's `message` is appended to go on."""

import asyncio

import gensdk
from gensdk import Message


async def main() -> None:
    async with gensdk.Client() as client:
        history = [Message.user("Tell me a story about a dragon")]
        for question in ("And what did the dragon do then?", None):
            reply = await client.text(history, system="You tell short stories.", max_tokens=120)
            print(reply.text, end="\n\n")
            if question:
                history += [reply.message, Message.user(question)]


if __name__ == "__main__":
    asyncio.run(main())
