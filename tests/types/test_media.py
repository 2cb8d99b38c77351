"""Media: the bytes are trusted, files appear whole, and nothing in it can drive a notebook."""

from __future__ import annotations

import hashlib
import mimetypes
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gensdk.types import URL, Media, sniff
from gensdk.types.media import EXTENSIONS, is_empty, no_address, no_media
from tests.support.values import PICTURE

TABLE: list[tuple[bytes, str | None]] = [
    (b"\x89PNG\r\n\x1a\n\0", "image/png"),
    (b"\xff\xd8\xff\xe0JFIF", "image/jpeg"),
    (b"GIF87a...", "image/gif"),
    (b"GIF89a...", "image/gif"),
    (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "image/bmp"),
    (b"BMW is a make of car", None),
    (b"II*\0....", "image/tiff"),
    (b"MM\0*....", "image/tiff"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
    (b"RIFF\x24\0\0\0AVI LIST", None),
    (b"fLaC\0\0\0\x22", "audio/flac"),
    (b"ID3\x04\0\0", "audio/mpeg"),
    (b"ID3 is a tag", None),
    (b"ID3\x20\0\0", None),  # no version of it
    (b"\xff\xfb\x90\x64", "audio/mpeg"),  # MPEG 1 layer III, 128 kbit/s
    (b"\xff\xf3\x40\xc0", "audio/mpeg"),  # MPEG 2 layer III
    (b"\xff\xfd\x90\x04", "audio/mpeg"),  # layer II
    (b"\xff\xf1\x50\x80", "audio/aac"),
    (b"\xff\xf9\x50\x80", "audio/aac"),
    (b"\xff\xfeh\0e\0l\0", None),  # UTF-16
    (b"\xff\xff\xff\xff\0\0", None),  # quiet PCM
    (b"\xff\xfb", None),
    (b"\xff\xeb\x90\x64", None),  # a version there is not
    (b"\xff\xe1\x90\x64", None),  # a layer there is not
    (b"\xff\xfb\xf0\x64", None),  # a bit rate there is not
    (b"\xff\xfb\x00\x64", None),  # a free bit rate
    (b"\xff\xfb\x9c\x64", None),  # a sample rate there is not
    (b"OggS\0\x02" + bytes(22) + b"OpusHead", "audio/opus"),
    (b"OggS\0\x02" + bytes(22) + b"\x01vorbis", "audio/ogg"),
    (b"\0\0\0\x20ftypisom", "video/mp4"),
    (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
    (b"\0\0\0\x20ftypM4B ", "audio/mp4"),
    (b"\0\0\0\x20ftypavif", "image/avif"),
    (b"\0\0\0\x20ftypavis", "image/avif"),
    (b"\0\0\0\x20ftypheic", "image/heic"),
    (b"\x1aE\xdf\xa3....", "video/webm"),
    (b"%PDF-1.7", "application/pdf"),
    (b"  <!DOCTYPE html><p>", "text/html"),
    (b"<html><body>", "text/html"),
    (b"<svg xmlns=''>", "image/svg+xml"),
    (b"<?xml version='1.0'?><svg>", "image/svg+xml"),
    (b"<?xml version='1.0'?><rss>", None),
    (b'{"error": "no"}', None),
    (b"plain text", None),
    (b"", None),
]


@pytest.mark.parametrize(("data", "expected"), TABLE)
def test_the_bytes_tell_the_type(data: bytes, expected: str | None) -> None:
    assert sniff(data) == expected


@given(st.binary(max_size=80), st.text(max_size=30))
def test_any_bytes_of_any_declared_type(data: bytes, declared: str) -> None:
    media = Media(data=data, media_type=declared)
    assert media.data == data
    assert sniff(data) in {None, media.media_type}
    assert media.kind in {"image", "audio", "video", "document", "other"}


@pytest.mark.parametrize(("data", "_"), [row for row in TABLE if row[1]])
def test_a_type_cut_short_never_raises(data: bytes, _: str) -> None:
    for length in range(len(data)):
        sniff(data[:length])


@pytest.mark.parametrize(
    ("data", "declared", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/jpeg", "image/png"),
        (b"<html>error</html>", "image/png", "text/html"),
        (b"\xff\xfb\x90\x64" * 4, "audio/pcm", "audio/pcm"),
        (b"\xff\xf1\x50\x80" * 4, "audio/pcm;rate=24000", "audio/pcm;rate=24000"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/pcm", "audio/wav"),
        (b"\x1aE\xdf\xa3", "audio/webm", "audio/webm"),
        (b"\0\0\0\x20ftypisom", "audio/mp4", "audio/mp4"),
        (b"OggS" + bytes(24) + b"OpusHead", "audio/ogg", "audio/ogg"),
        (b"words", "text/plain", "text/plain"),
        (b"words", 'image/"><script>alert(1)</script>', "application/octet-stream"),
        (b"words", "image", "application/octet-stream"),
        (b"words", "", "application/octet-stream"),
        (b"words", "text/plain\n", "application/octet-stream"),
    ],
)
def test_the_declared_type_counts_where_the_bytes_are_silent(
    data: bytes, declared: str, expected: str
) -> None:
    assert Media(data=data, media_type=declared).media_type == expected


def test_a_name_whose_bytes_are_no_utf_8_can_be_sent() -> None:
    media = Media(data=b"GIF89a", name=os.fsdecode(b"caf\xe9.gif"))
    assert (media.name, media.filename) == ("caf?.gif", "caf?.gif")
    assert Media.model_validate_json(media.model_dump_json()) == media
    with pytest.raises(ValueError, match="name"):
        Media(data=b"GIF89a", name=5)


def test_facts() -> None:
    media = Media(data=b"GIF89a", name="../../x/cat.gif")
    assert (media.kind, media.extension, len(media)) == ("image", "gif", 6)
    assert media.filename == "cat.gif"
    assert media.sha256 == hashlib.sha256(b"GIF89a").hexdigest()
    assert media.base64() == "R0lGODlh"
    assert media.data_uri() == "data:image/gif;base64,R0lGODlh"
    assert repr(media) == str(media) == "Media(image/gif, 6 bytes)"
    assert Media(data=b"x").kind == "document"
    assert Media(data=b"x", media_type="font/woff").kind == "other"
    assert Media(data=b"x", media_type="font/woff").extension == "bin"


def test_a_copy_with_other_bytes_has_its_own_hash() -> None:
    media = Media(data=b"one")
    assert media.sha256 != media.model_copy(update={"data": b"two"}).sha256
    assert media == Media(data=b"one"), "looking at the hash changes nothing"


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/evil.png", "C:\\x\\evil.png", "a\0/evil.png", "x/../evil.png"]
)
def test_a_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    assert PICTURE.model_copy(update={"name": name}).save(tmp_path) == tmp_path / "evil.png"


@pytest.mark.parametrize("name", [None, "", "..", ".", "a/..", "  ", "x/"])
def test_without_a_usable_name_the_hash_gives_one(tmp_path: Path, name: str | None) -> None:
    saved = PICTURE.model_copy(update={"name": name}).save(tmp_path)
    assert saved == tmp_path / f"image-{PICTURE.sha256[:12]}.png"
    assert saved.read_bytes() == PICTURE.data


def test_saving_replaces_a_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 240 + ".png")
    target.write_bytes(b"old")
    assert PICTURE.save(str(target)) == target
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_bytes() == PICTURE.data


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "cat.png"
    target.write_bytes(b"old")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        PICTURE.save(target)
    assert [path.name for path in tmp_path.iterdir()] == ["cat.png"]
    assert target.read_bytes() == b"old"


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "precious.txt"
    elsewhere.write_text("keep me")
    link = tmp_path / "cat.png"
    link.symlink_to(elsewhere)
    PICTURE.save(link)
    assert elsewhere.read_text() == "keep me"
    assert not link.is_symlink()


def test_saving_where_no_folder_is_fails_as_open_does(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        PICTURE.save(tmp_path / "nowhere" / "cat.png")


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.png", PICTURE.data, "image/png"),
        ("a.png", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.pcm", b"\xff\xff\0\0", "audio/pcm"),
        ("A.MP3", b"unclear", "audio/mpeg"),
        ("a.txt", b"words", "text/plain"),
        ("a", b"words", "application/octet-stream"),
    ],
)
def test_reading_a_file(tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(data)
    media = Media.read(tmp_path / name)
    assert (media.media_type, media.data, media.name) == (expected, data, name)


@pytest.mark.parametrize(
    ("media", "start"),
    [
        (PICTURE, '<img src="data:image/png;base64,'),
        (Media(data=b"ID3\x04\0"), '<audio controls src="data:audio/mpeg;'),
        (Media(data=b"\x1aE\xdf\xa3"), '<video controls src="data:video/webm;'),
        (Media(data=b"<html><script>"), "Media(text/html, 14 bytes)"),
    ],
)
def test_it_shows_itself_in_a_notebook(media: Media, start: str) -> None:
    shown = media._repr_mimebundle_(include=None)
    assert shown["text/html"].startswith(start)
    assert shown["text/plain"] == repr(media)
    assert "script" not in shown["text/html"]


@pytest.mark.parametrize("bad", [5, None, "no base64!", Path("x"), ["a"]])
def test_data_is_bytes(bad: Any) -> None:
    with pytest.raises(ValidationError):
        Media(data=bad)


def test_a_url_is_its_text() -> None:
    assert str(URL("https://x.example")) == "https://x.example"
    with pytest.raises(ValidationError):
        URL(5)  # type: ignore[arg-type]


def test_save_names_the_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder") as caught:
        PICTURE.save(tmp_path / "none" / "cat.png")
    assert caught.value.filename == str(tmp_path / "none")


@pytest.mark.parametrize("link", [False, True])
def test_save_replaces_files_only(tmp_path: Path, link: bool) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    target = tmp_path / "link.png" if link else pipe
    if link:
        target.symlink_to(pipe)
    with pytest.raises(FileExistsError, match="not a regular file"):
        PICTURE.save(target)
    assert pipe.is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({"pipe.png", target.name})


NEWER = {"audio/wav": "wav", "audio/opus": "opus", "audio/webm": "webm", "audio/pcm": "pcm"}
"""Extensions for which the standard library has another type, or none."""


@pytest.mark.parametrize(("media_type", "extension"), EXTENSIONS.items())
def test_extensions_are_those_everybody_uses(media_type: str, extension: str) -> None:
    usual, _ = mimetypes.guess_type(f"x.{extension}", strict=False)
    assert usual == media_type or NEWER.get(media_type) == extension


@pytest.mark.parametrize(
    ("third", "is_frame"),
    [(0x00, False), (0x10, True), (0xE0, True), (0xF0, False), (0x1C, False), (0x18, True)],
)
def test_a_frame_has_a_bitrate_and_a_sampling_rate(third: int, is_frame: bool) -> None:
    assert (sniff(bytes((0xFF, 0xFB, third, 0))) == "audio/mpeg") is is_frame


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("text/plain", "document"), ("application/pdf", "document"), ("font/woff", "other"),
        ("model/gltf", "other"), ("video/mp4", "video"),
    ],
)  # fmt: skip
def test_broad_classes(media_type: str, kind: str) -> None:
    assert Media(data=b"??", media_type=media_type).kind == kind


def test_bytes_are_not_shown() -> None:
    assert "confidential" not in repr(Media(data=b"confidential"))


@pytest.mark.parametrize(
    ("value", "empty"),
    [
        (Media(data=b""), True), (Media(data=b"x"), False), (URL("https://a"), False), ("", False),
        (URL(" "), True),
    ],
)  # fmt: skip
def test_what_is_empty(value: object, empty: bool) -> None:
    assert is_empty(value) is empty


@pytest.mark.parametrize("scheme", ["https://", "http://", "data:"])
def test_a_text_that_looks_like_an_address_is_answered_with_what_to_write(scheme: str) -> None:
    assert "write URL(" in str(no_media(f"{scheme}host/a.png"))
    assert "write Path(" in str(no_media("a.png"))
    assert no_address(URL(f"{scheme.upper()}host/a.png")) is None


@pytest.mark.parametrize("address", ["gs://bucket/a", "runway://upload-1", " https://x.example"])
def test_addresses_of_any_scheme(address: str) -> None:
    assert no_address(URL(address)) is None
