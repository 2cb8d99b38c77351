"""The words in a sound."""

import asyncio
import sys
from pathlib import Path

import gensdk


async def main(sound: Path) -> None:
    async with gensdk.Client() as client:
        words = await client.transcribe(sound)
    print(words.text)
    for segment in words.segments:
        print(f"{segment.start_s:6.2f} {segment.end_s:6.2f}  {segment.text}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python transcribe.py SOUND")
    asyncio.run(main(Path(sys.argv[1])))
