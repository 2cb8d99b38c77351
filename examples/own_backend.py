"""A backend of your own: one class with the methods of the abilities it has."""

import asyncio

import gensdk
from gensdk.spec import Capabilities, Context
from gensdk.types import Candidate, TextPart, TextRequest, TextResponse, Usage


class Parrot:
    """Says everything twice."""

    name = "parrot"

    def capabilities(self, model: str) -> Capabilities:
        return Capabilities(abilities=frozenset({"text"}), local=True)

    async def text(self, request: TextRequest, context: Context) -> TextResponse[None]:
        words = request.messages[-1].text
        candidate = Candidate(parts=(TextPart(text=f"{words} {words}"),), finish_reason="stop")
        usage = Usage(input_tokens=len(words.split()), output_tokens=2 * len(words.split()))
        return TextResponse(candidates=(candidate,), finish_reason="stop", usage=usage)

    async def aclose(self) -> None:
        return None


async def main() -> None:
    async with gensdk.Client(backends={"parrot": Parrot()}) as client:
        print((await client.text("Polly wants a cracker.", model="parrot:green")).text)


if __name__ == "__main__":
    asyncio.run(main())
