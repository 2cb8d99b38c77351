"""A typed answer: the model is held to the schema, and the text is validated here in any case."""

import asyncio

from pydantic import BaseModel

import gensdk


class Recipe(BaseModel):
    """What we want to know of a dish."""

    title: str
    minutes: int
    steps: list[str]


async def main() -> None:
    async with gensdk.Client() as client:
        reply = await client.text("How do I make pancakes?", output=Recipe)
    recipe = reply.output  # a Recipe, also for the type checker
    assert recipe is not None
    print(recipe.title, f"({recipe.minutes} min)")
    for number, step in enumerate(recipe.steps, start=1):
        print(f"{number}. {step}")


if __name__ == "__main__":
    asyncio.run(main())
