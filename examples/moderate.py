"""Is this text harmful?"""

import asyncio

import gensdk


async def main() -> None:
    async with gensdk.Client() as client:
        reply = await client.moderate(["I love my cat", "I hate everyone"])
    for verdict in reply.verdicts:
        print("flagged" if verdict.flagged else "fine", verdict.categories)


if __name__ == "__main__":
    asyncio.run(main())
