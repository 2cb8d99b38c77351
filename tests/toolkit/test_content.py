"""Content codings: what is undone piece by piece, and what is refused."""

from __future__ import annotations

import gzip
import zlib

import pytest

from gensdk.errors import InvalidResponseError
from gensdk.toolkit.content import Decoder, decoder_for

KIB = 1024

DATA = bytes(range(256)) * 40
BARE = zlib.compress(DATA)[2:-4]


@pytest.mark.parametrize("encoded", [gzip.compress(DATA), zlib.compress(DATA), BARE])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_all_three_forms_in_pieces_of_any_size(encoded: bytes, size: int) -> None:
    decoder = Decoder()
    found = b""
    for at in range(0, len(encoded), size):
        found += b"".join(decoder.feed(encoded[at : at + size]))
    decoder.finish()
    assert (found, decoder.taken) == (DATA, len(encoded))


@pytest.mark.parametrize("at", [1, 30])
def test_what_is_cut_off_or_damaged_is_refused(at: int) -> None:
    encoded = gzip.compress(DATA)
    cut = Decoder()
    _ = list(cut.feed(encoded[:-at]))
    with pytest.raises(InvalidResponseError, match="cut off"):
        cut.finish()
    damaged = Decoder()
    _ = list(damaged.feed(encoded[:-8]))
    with pytest.raises(InvalidResponseError, match="cannot be decompressed"):
        _ = list(damaged.feed(bytes(byte ^ 0xFF for byte in encoded[-8:])))
    with pytest.raises(InvalidResponseError, match="cannot be decompressed"):
        _ = list(Decoder().feed(b"\xff" * 100))
    another = Decoder()
    _ = list(another.feed(encoded[:-8]))
    with pytest.raises(InvalidResponseError, match="cannot be decompressed"):
        _ = list(another.feed(BARE))  # all right by itself, and no end of the other


def test_nothing_at_all_is_complete() -> None:
    Decoder().finish()


def test_a_single_byte_is_not() -> None:
    decoder = Decoder()
    assert list(decoder.feed(BARE[:1])) == []
    with pytest.raises(InvalidResponseError, match="cut off"):
        decoder.finish()


def test_members_in_a_row_with_padding() -> None:
    decoder = Decoder()
    encoded = gzip.compress(b"one") + bytes(5) + gzip.compress(b"two") + bytes(3)
    assert b"".join(decoder.feed(encoded)) == b"onetwo"
    decoder.finish()


def test_what_follows_a_member_and_is_none_is_refused() -> None:
    for rest in (b"X", b"\0\0X", b"X\0"):
        with pytest.raises(InvalidResponseError, match="cannot be decompressed"):
            _ = list(Decoder().feed(gzip.compress(b"one") + rest + gzip.compress(b"two")))


def test_what_unfolds_comes_256_kib_at_a_time() -> None:
    decoder, encoded = Decoder(), gzip.compress(bytes(1000 * KIB))
    found = [(len(piece), decoder.taken) for piece in decoder.feed(encoded)]
    assert [size for size, _ in found] == [256 * KIB] * 3 + [232 * KIB]
    taken = [so_far for _, so_far in found]
    assert taken == sorted(set(taken))
    assert taken[0] < len(encoded) / 3
    assert taken[-1] == len(encoded)


@pytest.mark.parametrize("coding", [None, "", "identity", "identity, Identity"])
def test_nothing_to_undo(coding: str | None) -> None:
    assert decoder_for(coding) is None


@pytest.mark.parametrize("coding", ["gzip", " X-GZIP ", "deflate", "identity, gzip"])
def test_codings_that_are_undone(coding: str) -> None:
    assert isinstance(decoder_for(coding), Decoder)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip, br", "deflate, gzip"])
def test_codings_nobody_asked_for(coding: str) -> None:
    with pytest.raises(InvalidResponseError, match="not asked for"):
        decoder_for(coding)
