"""Counting the pages of documents that are read (OCR), as Mistral's API has them."""

import msgspec
from msgspec import Struct

from tollkeeper_server.domain.usage import TokenCounts, TokenDetails
from tollkeeper_server.providers.members import iterate_members, scan_members
from tollkeeper_server.providers.usage import MAX_COUNT

MOST_PAGES = 1000
"""The most pages of a document that Mistral reads."""
_SIGN = b'"usage_info"'
_ANNOTATING = (b'"document_annotation_format"', b'"bbox_annotation_format"')
_NOTHING = TokenCounts()


class _Info(Struct):
    pages_processed: object = None


class _Read(Struct):
    usage_info: _Info | None = None


_decode = msgspec.json.Decoder(_Read).decode
_decode_info = msgspec.json.Decoder(_Info).decode
_decode_pages = msgspec.json.Decoder(list[int] | int).decode
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_pages(answer: bytes, request: bytes) -> TokenCounts:
    """Return the pages that an answer says were read; nothing if it says none."""
    info: _Info | None = None
    if _SIGN in answer:
        try:
            info = _decode(answer).usage_info
        except _FAILURES:
            info = _scanned(answer)
    pages = info.pages_processed if info is not None else None
    if type(pages) is not int or not 0 < pages <= MAX_COUNT:
        return _NOTHING
    details = TokenDetails(annotated_pages=pages) if _annotates(request) else None
    return TokenCounts(pages=pages, details=details)


def _scanned(answer: bytes) -> _Info | None:
    try:
        return _decode_info(scan_members(answer, {"usage_info"}).get("usage_info", b""))
    except _FAILURES:
        return None


def asked_pages(request: bytes) -> int:
    """Return how many pages a request may have read, by its `pages`, `MOST_PAGES` if they don't say."""
    most = 0
    for name, _, start, end in iterate_members(request):
        if b"\\" in name:
            return MOST_PAGES
        if name == b'"pages"':
            most = max(most, _number_of(request[start:end]))
    return most or MOST_PAGES


def _number_of(written: bytes) -> int:
    try:
        pages = _decode_pages(written)
    except _FAILURES:
        return MOST_PAGES
    return 1 if isinstance(pages, int) else len(pages) or MOST_PAGES


def _annotates(request: bytes) -> bool:
    """Return whether a request asks for annotations."""
    return any(
        name in _ANNOTATING and request[start:end] != b"null"
        for name, _, start, end in iterate_members(request)
    )
