"""Tools are plain Python functions. They are run only because `max_steps` says so."""

import asyncio

import gensdk


def weather(city: str, days: int = 1) -> dict[str, object]:
    """Look up the weather of a city.

    Args:
        city: Name of the city, in English.
        days: Number of days, today included.
    """
    return {"city": city, "forecast": ["sunny"] * days}


async def main() -> None:
    async with gensdk.Client() as client:
        reply = await client.text("What will the weather be in Oslo?", tools=[weather], max_steps=4)
    print(reply.text)
    for message in reply.steps:
        print("   ", message.role, message.content)


if __name__ == "__main__":
    asyncio.run(main())
