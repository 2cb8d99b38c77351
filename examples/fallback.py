"""A hosted model first, a model on this machine when that fails.

The route moves on when the provider cannot be reached, is overloaded, out of quota, too slow, or
has retired the model. It does not when the request is wrong, the content is blocked or the key is
missing or refused: another model must not hide those.
So OPENAI_API_KEY has to be set. To see it fall back: OPENAI_BASE_URL=http://127.0.0.1:9/v1
"""

import asyncio

import gensdk

MODELS = {"text": gensdk.Route("openai:gpt-6-luna", "local:storyteller")}


async def main() -> None:
    async with gensdk.Client(models=MODELS) as client:
        reply = await client.text("Tell me a story about a lighthouse", max_tokens=200)
    print(reply.text)
    print("answered by", reply.provider, reply.model)
    for attempt in reply.attempts:
        print("  ", attempt.provider, attempt.model, attempt.error or attempt.outcome)


if __name__ == "__main__":
    asyncio.run(main())
