"""Pictures and sounds that are none, that unfold to gigapixels, and addresses that lead inside."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest

import gensdk
from gensdk.errors import GenSDKError, InvalidResponseError, UnsafeURLError
from gensdk.toolkit import picture_problem
from gensdk.toolkit.picture import picture_size
from gensdk.types import URL, Media, sniff
from tests.support.hostile import PLAIN, PROMPT, STREAMS, asking, failing
from tests.support.openai_media import PNG, b64
from tests.support.server import LoopbackServer, RecordedRequest, Reply, answer_bytes, answer_json
from tests.toolkit.test_download import REFUSED

GIGA = 40_000
REST = b"\xee"
"""Of what follows a size nothing is read."""
BMP = b"BM" + REST * 4 + bytes(4) + REST * 4


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"\0") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG[:8] + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + REST * 10


def bmp(width: int, height: int) -> bytes:
    return BMP + struct.pack("<Iii", 40, width, height) + REST * 20


def old_bmp(width: int, height: int) -> bytes:
    return BMP + struct.pack("<IHH", 12, width, height) + REST * 20


def jpeg(width: int, height: int) -> bytes:
    app = b"\xff\xe0" + struct.pack(">H", 16) + REST * 14
    table = b"\xff\xc4" + struct.pack(">H", 4) + bytes(2)  # a table, whose marker looks like one
    frame = b"\xff\xff\xc0" + struct.pack(">HBHH", 11, 8, height, width) + REST * 6
    return b"\xff\xd8" + app + b"\xff\x01" + table + frame + b"\xff\xd9"


def webp(kind: bytes, body: bytes) -> bytes:
    inner = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def webp_x(width: int, height: int) -> bytes:
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return webp(b"VP8X", REST * 4 + sides + REST * 8)


def webp_l(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + REST * 9)


def webp_y(width: int, height: int) -> bytes:
    return webp(b"VP8 ", REST * 3 + b"\x9d\x01\x2a" + struct.pack("<HH", width, height) + REST * 8)


def ispe(width: int, height: int) -> bytes:
    return struct.pack(">I", 20) + b"ispe" + struct.pack(">III", 0, width, height)


def avif(width: int, height: int) -> bytes:
    head = struct.pack(">I", 16) + b"ftypavif" + bytes(4)
    return head + ispe(width, height) + ispe(64, 48) + REST * 8


def heic(width: int, height: int) -> bytes:
    return avif(width, height).replace(b"avif", b"heic")


MAKERS: dict[str, tuple[Any, str, int]] = {
    # how it is made, its type, and the longest side its header can state
    "png": (png, "image/png", GIGA),
    "gif": (gif, "image/gif", GIGA),
    "bmp": (bmp, "image/bmp", GIGA),
    "old bmp": (old_bmp, "image/bmp", GIGA),
    "jpeg": (jpeg, "image/jpeg", GIGA),
    "webp, extended": (webp_x, "image/webp", GIGA),
    "webp, lossless": (webp_l, "image/webp", 16384),
    "webp": (webp_y, "image/webp", 16383),
    "avif": (avif, "image/avif", GIGA),
    "heic": (heic, "image/heic", GIGA),
}


@pytest.mark.parametrize("name", MAKERS)
def test_sizes_are_read_from_the_header(name: str) -> None:
    make, media_type, side = MAKERS[name]
    made = make(640, 480)
    assert Media(data=made).media_type == media_type
    assert picture_size(made, media_type) == (640, 480)
    assert picture_problem(made, media_type) is None
    assert picture_problem(make(10_000, 10_000), media_type) is None
    problem = picture_problem(make(side, side), media_type)
    assert problem is not None
    assert f"{side} x {side}" in problem


@pytest.mark.parametrize("name", MAKERS)
def test_no_header_breaks_the_reading(name: str) -> None:
    make, media_type, _ = MAKERS[name]
    made = make(640, 480)
    for end in range(len(made)):
        picture_problem(made[:end], media_type)
        picture_size(made[:end] + b"\xff" * 40, media_type)


STATED_WITHIN = {
    # bytes from the start up to the end of the size; those of BMP and WebP are headers
    "png": 24, "gif": 10, "bmp": 26, "old bmp": 26, "jpeg": 38,
    "webp, extended": 30, "webp, lossless": 30, "webp": 30, "avif": 36, "heic": 36,
}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_half_a_size_is_none(name: str) -> None:
    make, media_type, _ = MAKERS[name]
    made = make(640, 480)
    found = [picture_size(made[:end], media_type) for end in range(len(made) + 1)]
    first = STATED_WITHIN[name]
    assert found == [None] * first + [(640, 480)] * (len(made) + 1 - first)


FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
WITHOUT_LENGTH = {0x01, 0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9}


@pytest.mark.parametrize("marker", range(0x01, 0xFF))
def test_every_marker_of_a_jpeg(marker: int) -> None:
    """A frame, a marker alone, or a segment that is passed over: ITU T.81, table B.1."""
    start, begun = b"\xff\xd8", bytes([0xFF, marker])
    sides = struct.pack(">HBHH", 11, 8, 600, 800) + REST * 4
    end = b"\xff\xc0" + struct.pack(">HBHH", 11, 8, 480, 640)
    if marker in FRAMES:
        assert picture_size(start + begun + sides + end, "image/jpeg") == (800, 600)
    elif marker in WITHOUT_LENGTH:
        assert picture_size(start + begun + end, "image/jpeg") == (640, 480)
    else:
        assert picture_size(start + begun + sides + end, "image/jpeg") == (640, 480)


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_segment_of_a_jpeg_is_as_long_as_its_length_at_least(length: int) -> None:
    segment = b"\xff\xe5" + struct.pack(">H", length) + REST * max(0, length - 2)
    end = b"\xff\xc0" + struct.pack(">HBHH", 11, 8, 480, 640)
    assert picture_size(b"\xff\xd8" + segment + end, "image/jpeg") == (640, 480)


def test_a_bitmap_drawn_from_the_top() -> None:
    assert picture_size(bmp(640, -480), "image/bmp") == (640, 480)
    problem = picture_problem(bmp(GIGA, -GIGA), "image/bmp")
    assert problem is not None
    assert "40000 x 40000" in problem


def test_the_largest_of_several_sizes_counts_wherever_it_is_stated() -> None:
    sizes = (ispe(64, 48), ispe(GIGA, GIGA), ispe(100, 40_000), ispe(40_000, 100))
    for at in range(len(sizes)):
        data = avif(640, 480) + b"".join(sizes[at:] + sizes[:at])
        assert picture_size(data, "image/avif") == (GIGA, GIGA)
    hidden = struct.pack(">I", 20) + b"ispe" + ispe(GIGA, GIGA)  # as if it were another's sides
    assert picture_size(avif(640, 480) + hidden, "image/avif") == (GIGA, GIGA)


def test_letters_within_a_drawing_are_no_size() -> None:
    drawing = bytes(2**16) + ispe(GIGA, GIGA)
    assert picture_problem(avif(640, 480) + drawing, "image/avif") is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (png(0, 5), "has no pixels."),
        (png(5, 0), "has no pixels."),
        (png(64, 64)[:-13], "is cut off or damaged."),
        (png(64, 64)[:-1], "is cut off or damaged."),
        (png(64, 64, bytes(5000))[:3000], "is cut off or damaged."),
        (PNG[:8] + bytes(100), "is cut off or damaged."),
        (webp_x(64, 64)[:-1], "is cut off or damaged."),
        (png(100_000_001, 1), "claims to be 100000001 x 1 pixels, more than 100000000."),
    ],
)
async def test_a_damaged_picture_is_no_answer(data: bytes, says: str) -> None:
    """It was paid for, and is not made again."""
    handler = answer_json({"created": 1, "data": [{"b64_json": b64(data)}]})
    for ask in (PLAIN["image"], PLAIN["edit"], STREAMS["stream_image"]):
        error, asked = await failing(ask, handler)
        assert isinstance(error, InvalidResponseError)
        assert says in error.message
        assert (asked, error.billed) == (1, "maybe")


async def test_gigapixels_are_never_unfolded() -> None:
    """1.6 gigapixels would be 4.8 GB; the refusal takes nothing of that."""
    rows = zlib.compress(bytes(GIGA * 3 + 1) * 200, 9)
    data = png(GIGA, GIGA, rows)
    tracemalloc.start()
    try:
        handler = answer_json({"created": 1, "data": [{"b64_json": b64(data)}]})
        error, _ = await failing(PLAIN["image"], handler)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "40000 x 40000" in error.message
    assert peak < 8 * 2**20


NO_PICTURES: dict[str, bytes] = {
    "a web page": b"<!doctype html><html></html>",
    "JSON": b'{"sorry": "no"}',
    "a sound": b"ID3\x04\0\0\0\0\0\0",
    "a document": b"%PDF-1.7",
    "a program": b"\x7fELF\x02\x01\x01",
    "nothing in particular": bytes(64),
}


@pytest.mark.parametrize("name", NO_PICTURES)
async def test_what_is_no_picture_is_no_answer(name: str) -> None:
    handler = answer_json({"created": 1, "data": [{"b64_json": b64(NO_PICTURES[name])}]})
    error, asked = await failing(PLAIN["image"], handler)
    assert (type(error), asked, error.billed) == (InvalidResponseError, 1, "maybe")


@pytest.mark.parametrize("name", [name for name in NO_PICTURES if name != "a sound"])
async def test_what_is_no_sound_is_no_answer(name: str) -> None:
    for verb, declared in (("speech", "audio/mpeg"), ("stream_speech", "application/octet-stream")):
        ask = (PLAIN | STREAMS)[verb]
        if sniff(NO_PICTURES[name]) is None and name != "JSON" and declared == "audio/mpeg":
            continue  # bytes that say nothing are taken at the server's word
        error, asked = await failing(ask, answer_bytes(NO_PICTURES[name], declared))
        assert (type(error), asked, error.billed) == (InvalidResponseError, 1, "maybe")


# ---------------------------------------------------------------------------- addresses in answers
INSIDE = [url for url in REFUSED if not url.startswith(("data:", "/", "//"))]


async def test_a_picture_behind_an_address_inside_is_not_fetched() -> None:
    """Sixty spellings and more, as the answer to a picture that was paid for."""
    assert len(INSIDE) >= 60
    address = ""

    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.json({"created": 1, "data": [{"url": address}]})

    async with asking(handler) as (server, client):
        for number, address in enumerate(INSIDE, 1):  # the handler sends it
            with pytest.raises(GenSDKError) as caught:
                await PLAIN["image"](client)
            assert isinstance(caught.value, UnsafeURLError), address
            assert caught.value.billed == "yes"
            assert len(server.requests) == number


async def test_a_redirect_inside_is_not_followed_and_no_key_goes_along() -> None:
    asked: list[RecordedRequest] = []
    async with LoopbackServer() as inner, LoopbackServer() as outer:

        async def secret(request: RecordedRequest, reply: Reply) -> None:
            asked.append(request)
            await reply.bytes(PNG, "image/png")

        async def elsewhere(request: RecordedRequest, reply: Reply) -> None:
            asked.append(request)
            await reply.error(302, "", {"location": f"http://localhost:{inner.port}/secret"})

        inner.on("*", "*", secret)
        outer.on("*", "*", elsewhere)
        handler = answer_json({"created": 1, "data": [{"url": f"{outer.url}/a.png"}]})
        policy = gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"}))
        error, times = await failing(PLAIN["image"], handler, media=policy)
    assert isinstance(error, UnsafeURLError)
    assert (times, error.billed) == (1, "yes")
    assert [request.path for request in asked] == ["/a.png"]
    sent = asked[0].headers
    assert not {"authorization", "api-key", "cookie", "openai-organization"} & sent.keys()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_call_is_never_taken_to_another_host(status: int) -> None:
    async with LoopbackServer() as thief:
        thief.on("*", "*", answer_bytes(b"{}", "application/json"))

        async def elsewhere(_: RecordedRequest, reply: Reply) -> None:
            await reply.error(status, "", {"location": f"{thief.url}/v1/responses"})

        for account in ("openai", "compatible", "azure", "lent"):
            error, asked = await failing(PLAIN["text"], elsewhere, account)
            assert (type(error), asked, error.billed) == (InvalidResponseError, 1, "no")
        assert thief.requests == []


PATHS = ("../../etc/passwd", "/etc/passwd", "..\\..\\boot.ini", "C:\\x.png", "a\0b", "...", "", " ")


@pytest.mark.parametrize("name", PATHS)
def test_a_name_is_never_a_path(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    media = Media(data=PNG, name=name)
    saved = media.save(folder)
    assert saved.parent == folder
    assert [found.name for found in tmp_path.iterdir()] == ["pictures"]
    assert not {"/", "\\", "\0"} & set(media.filename)


async def test_names_in_answers_are_not_taken() -> None:
    """Neither of the address nor of Content-Disposition."""
    async with LoopbackServer() as files:
        disposition = {"content-disposition": 'attachment; filename="../../etc/cron.d/x"'}
        files.on("*", "*", answer_bytes(PNG, "image/png", headers=disposition))
        url = f"{files.url}/..%2f..%2fetc%2fpasswd"
        handler = answer_json({"created": 1, "data": [{"url": url}]})
        policy = gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"}))
        async with asking(handler, media=policy) as (_, client):
            reply = await client.image(PROMPT, model="a:gpt-image-2.5-flare")
    assert reply.images[0].name is None
    assert reply.images[0].filename.startswith("image-")


async def test_inputs_behind_an_address_inside_are_not_fetched_either() -> None:
    async with asking(None) as (server, client):
        for url in ("https://169.254.169.254/", "file:///etc/passwd", "https://[::1]/a.png"):
            with pytest.raises(UnsafeURLError) as caught:
                await client.image(PROMPT, images=[URL(url)], model="a:gpt-image-2.5-flare")
            assert caught.value.billed == "no"
        assert server.requests == []
