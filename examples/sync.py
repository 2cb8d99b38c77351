"""The same verbs without `await`: in scripts, notebooks and inside a running loop."""

import gensdk


def main() -> None:
    with gensdk.SyncClient() as client:
        print(client.text("Tell me a story about a fox", max_tokens=120).text)
        with client.stream_text("Tell me a story about a whale", max_tokens=120) as stream:
            for piece in stream.text:
                print(piece, end="", flush=True)
    print()


if __name__ == "__main__":
    main()
