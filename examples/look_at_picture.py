"""Pictures, sound and documents go into a prompt as `Media`, `Path`, `bytes` or `URL`."""

import asyncio
import sys
from pathlib import Path

import gensdk


async def main(picture: Path) -> None:
    async with gensdk.Client() as client:
        reply = await client.text(["What is in this picture?", picture])
    print(reply.text)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python look_at_picture.py PICTURE")
    asyncio.run(main(Path(sys.argv[1])))
