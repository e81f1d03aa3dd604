"""The outline of a long JSON answer: all of it but long texts and lists of numbers, made as it comes.

What an answer used stands in numbers and short strings, at its end or anywhere else. Images, sound, texts and
embeddings are what makes it long.
"""

import re

_QUOTE, _BACKSLASH = b'"\\'
# What stands between strings, and short strings. Possessive, so that nothing is looked at twice.
_SHORT = re.compile(rb'(?:[^"]++|"[^"\\]{0,256}+(?:\\.[^"\\]{0,64}+){0,16}+")*+', re.DOTALL)
# The inside of a string.
_INSIDE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_NUMBERS = re.compile(rb"(?:[-+.0-9eE]++[ \t\r\n]*+,[ \t\r\n]*+){16,}+")
_KEPT_BYTES = 1024  # of a long string
_MANY_BYTES = 256
# What names generated text, before the string that has it (`text_bytes` in providers/estimate.py).
_NAMES_TEXT = re.compile(
    rb'"(?:content|text|delta|arguments|partial_json|thinking|reasoning_content|transcript)"\s*+:\s*+"\Z'
)
_NAME_BYTES = 64


class Outline:
    """Takes a document in pieces, and keeps its outline.

    All brackets and names stay, and the beginnings of long strings. Lists of numbers lose some of these.
    """

    __slots__ = ("_begun", "_in_string", "_is_text", "_size", "kept", "text_bytes")

    def __init__(self) -> None:
        self.kept = bytearray()
        self.text_bytes = 0
        """How many bytes of generated text are left out."""
        self._in_string = False
        self._is_text = False
        self._size = 0  # of the string that it is in
        self._begun = b""  # an escape whose end has not come

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        if self._begun:
            piece, self._begun = self._begun + piece, b""
        at, size = 0, len(piece)
        while at < size:
            if not self._in_string:
                found = _SHORT.match(piece, at)
                end = found.end() if found is not None else at
                if end > at:
                    between = piece[at:end]
                    self.kept += _NUMBERS.sub(b"", between) if end - at > _MANY_BYTES else between
                if end == size:
                    return
                self.kept += b'"'
                self._in_string = True
                self._is_text = _NAMES_TEXT.search(self.kept[-_NAME_BYTES:]) is not None
                self._size = 0
                at = end + 1
                continue
            found = _INSIDE.match(piece, at)
            end = found.end() if found is not None else at
            self._take(piece, at, end)
            if end == size:
                return
            if piece[end] == _BACKSLASH:
                self._begun = piece[end:]
                return
            self.kept += b'"'
            self._in_string = False
            at = end + 1

    def _take(self, piece: bytes, start: int, end: int) -> None:
        """Keep a part of a string, as far as it is its beginning."""
        size = end - start
        kept = 0
        if self._size + size <= _KEPT_BYTES:
            kept = size
            self.kept += piece[start:end]
        self._size += size
        if self._is_text:
            self.text_bytes += size - kept
