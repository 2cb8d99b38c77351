"""A typed answer that grows: show a form while the model fills it in."""

import asyncio

from pydantic import BaseModel

import gensdk


class Recipe(BaseModel):
    """What we want to know of a dish."""

    title: str
    minutes: int
    steps: list[str]


async def main() -> None:
    async with (
        gensdk.Client() as client,
        client.stream_text("How do I make pancakes?", output=Recipe) as stream,
    ):
        async for recipe in stream.partials:  # what has not come yet is None
            print(f"\r{recipe.title or ''}, {len(recipe.steps or ())} steps", end="")
        reply = await stream.result()
    assert reply.output is not None  # the last object, and all of it validated
    print(f"\r{reply.output.title}: {' '.join(reply.output.steps)}")


if __name__ == "__main__":
    asyncio.run(main())
