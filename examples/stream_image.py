"""Unfinished pictures on the way to the finished one."""

import asyncio

import gensdk
from gensdk.types import ImagePreview


async def main() -> None:
    async with gensdk.Client() as client, client.stream_image("a paper boat in the rain") as stream:
        async for event in stream:
            if isinstance(event, ImagePreview):
                print("preview", event.step, event.image)
        result = await stream.result()
    print(result.images[0].save("boat.png"))


if __name__ == "__main__":
    asyncio.run(main())
