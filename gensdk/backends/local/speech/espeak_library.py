"""The C library of espeak-ng 1.52 (its ``speak_lib.h``), through ctypes.

It has one state for the process: one lock, one thread in it at a time, and nothing of it is kept
between two calls. It is licensed under the GPL 3, comes from the extra ``espeak`` or from the
system, and is no part of gensdk.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache
from typing import Any

from gensdk.errors import LocalError, MissingDependencyError
from gensdk.toolkit.forking import LockAnew

from ..extra import has_espeak

__all__ = ["EspeakLibrary", "EspeakVoice", "espeak_library"]

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: samples go to the callback, in the calling thread
_DO_NOT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT
_UTF_8 = 1  # espeakCHARS_UTF8
_BY_CHARACTER = 1  # POS_CHARACTER
_RATE = 1  # espeakRATE, words per minute
_OK = 0
_LOCK = LockAnew(threading.Lock)
_HINT = "pip install 'gensdk[espeak]', or install espeak-ng in the system"


class _Voice(ctypes.Structure):
    """``espeak_VOICE``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.POINTER(ctypes.c_char)),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("_unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("_spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@dataclass(frozen=True, slots=True)
class EspeakVoice:
    """A voice, or a variant of voices.

    Attributes:
        name: For readers: ``German``, ``female2``.
        identifier: For the library: ``gmw/de``, ``!v/f2``.
        languages: Codes with their priority, low comes first.
    """

    name: str
    identifier: str
    languages: tuple[tuple[int, str], ...]


class EspeakLibrary:
    """The library, loaded and begun. Any thread may call it."""

    def __init__(self, library: Any, data: str | None) -> None:
        """Begin; ``data`` is the folder of its dictionaries, None for where it was installed."""
        self._library = library
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        library.espeak_Synth.argtypes = (
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
            ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        )  # fmt: skip
        place = None if data is None else data.encode()
        self.rate = int(library.espeak_Initialize(_SYNCHRONOUS, 0, place, _DO_NOT_EXIT))
        if self.rate <= 0:
            raise LocalError(f"espeak-ng cannot read its data in {data or 'the system'}: {_HINT}")

    def voices(self) -> tuple[EspeakVoice, ...]:
        """A voice for each language, without those that need MBROLA."""
        with _LOCK.lock:
            return tuple(
                voice
                for voice in _listed(self._library.espeak_ListVoices(None))
                if not voice.identifier.startswith("mb/")
            )

    def variants(self) -> tuple[EspeakVoice, ...]:
        """What changes the sound of any voice."""
        wanted = _Voice()
        text = ctypes.create_string_buffer(b"variant")
        wanted.languages = ctypes.cast(text, ctypes.POINTER(ctypes.c_char))
        with _LOCK.lock:
            return tuple(_listed(self._library.espeak_ListVoices(ctypes.byref(wanted))))

    def speak(self, text: str, voice: str, rate: int, tick: Callable[[], None]) -> bytes:
        """Speak: int16 samples, mono.

        Args:
            text: What to say.
            voice: Identifier of a voice, with ``+`` and a variant if wanted.
            rate: Words per minute, 80 to 450.
            tick: Asked about every 60 ms of sound; what it raises ends the work.
        """
        pieces: list[bytes] = []
        raised: list[BaseException] = []

        def take(samples: Any, count: int, _: Any) -> int:
            try:
                tick()
            except BaseException as error:  # noqa: BLE001  # nothing may be raised through C
                raised.append(error)
                return 1
            if samples and count > 0:
                pieces.append(ctypes.string_at(samples, count * 2))
            return 0

        data, callback = text.replace("\0", " ").encode(), _Callback(take)
        with _LOCK.lock:
            self._require(self._library.espeak_SetVoiceByName(voice.encode()), f"voice {voice}")
            self._require(self._library.espeak_SetParameter(_RATE, rate, 0), f"rate {rate}")
            self._library.espeak_SetSynthCallback(callback)
            code = self._library.espeak_Synth(
                data, len(data) + 1, 0, _BY_CHARACTER, 0, _UTF_8, None, None
            )
        if raised:
            raise raised[0]
        self._require(code, "speaking")
        return b"".join(pieces)

    def _require(self, code: int, what: str) -> None:
        if code != _OK:
            raise LocalError(f"espeak-ng failed ({what}: code {code})")


def espeak_library() -> EspeakLibrary:
    """The library of this process.

    Raises:
        MissingDependencyError: It is not installed.
    """
    with _LOCK.lock:
        return _begun()


@cache
def _begun() -> EspeakLibrary:
    data: str | None = None
    try:
        if has_espeak():
            import espeakng_loader

            data = str(espeakng_loader.get_data_path())
            library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        else:
            library = ctypes.CDLL(find_library("espeak-ng") or "libespeak-ng.so.1")
    except (OSError, RuntimeError) as error:
        raise MissingDependencyError(f"espeak-ng cannot be loaded ({error}): {_HINT}") from error
    return EspeakLibrary(library, data)


def _listed(voices: Any) -> Iterator[EspeakVoice]:
    at = 0
    while voices[at]:
        voice = voices[at].contents
        yield EspeakVoice(
            voice.name.decode(errors="replace"),
            voice.identifier.decode(errors="replace"),
            tuple(_languages(voice.languages)),
        )
        at += 1


def _languages(raw: Any) -> Iterator[tuple[int, str]]:
    """A list of a priority byte and a name that ends with zero; it ends with priority zero."""
    at = 0
    while priority := raw[at][0]:
        name = bytearray()
        while (byte := raw[at + 1 + len(name)]) != b"\0":
            name += byte
        yield priority, name.decode(errors="replace")
        at += len(name) + 2
