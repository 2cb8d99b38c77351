"""A picture, saved as the provider sent it."""

import asyncio

import gensdk


async def main() -> None:
    async with gensdk.Client() as client:
        picture = await client.image("a white siamese cat", size="1024x1024")
    for number, image in enumerate(picture.images, start=1):
        print(image.save(f"cat-{number}.{image.extension}"), image)
    print(picture.model, picture.usage, picture.cost)


if __name__ == "__main__":
    asyncio.run(main())
