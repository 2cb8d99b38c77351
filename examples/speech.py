"""Speech, whole and streamed. Text over the provider's limit is split and joined again."""

import asyncio

import gensdk


async def main() -> None:
    async with gensdk.Client() as client:
        voice = await client.speech("Hello! This is a test.", voice="coral")
        print(voice.audio.save(f"hello.{voice.audio.extension}"))

        received = 0
        async with client.stream_speech("Hello again!", voice="coral", format="mp3") as stream:
            async for chunk in stream.chunks:
                received += len(chunk)  # play it, send it on, …
            whole = await stream.result()
        print(received, whole.audio.save("streamed.mp3"))


if __name__ == "__main__":
    asyncio.run(main())
