"""An edit is the same verb with `images=[…]`; a mask says where."""

import asyncio
import sys
from pathlib import Path

import gensdk


async def main(picture: Path) -> None:
    async with gensdk.Client() as client:
        edited = await client.image("put a red hat on the cat", images=[picture])
    print(edited.images[0].save("cat-with-hat.png"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python edit_image.py PICTURE")
    asyncio.run(main(Path(sys.argv[1])))
