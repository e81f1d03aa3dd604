"""Pages are counted as answers say them, and at most as requests ask for them."""

import json

import pytest
from tollkeeper_server.domain.usage import TokenCounts, TokenDetails
from tollkeeper_server.providers.pages import MOST_PAGES, asked_pages, read_pages


def test_a_number_that_is_none_hides_no_pages() -> None:
    answer = b'{"pages":[{"index":0,"score":NaN}],"usage_info":{"pages_processed":3}}'
    assert read_pages(answer, b"{}") == TokenCounts(pages=3)
    annotated = read_pages(answer, b'{"bbox_annotation_format":{"type":"json_schema"}}')
    assert annotated == TokenCounts(pages=3, details=TokenDetails(annotated_pages=3))


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"usage_info":', b'{"usage_info":{"pages_processed":NaN}}'])
def test_what_says_no_pages_has_none(answer: bytes) -> None:
    assert read_pages(answer, b"{}") == TokenCounts()


@pytest.mark.parametrize(
    ("request_body", "pages"),
    [
        ('{"pages":[1,2]}', 2),
        ('{"pages":[1],"pages":[1,2,3]}', 3),
        ('{"pages":[1],"pages":null}', MOST_PAGES),
        ('{"pages":[1],"\\u0070ages":[1,2]}', MOST_PAGES),
        ('{"pages":["1-9"]}', MOST_PAGES),
        ('{"document":{"pages":[1]}}', MOST_PAGES),
        ("", MOST_PAGES),
    ],
)
def test_a_request_has_no_more_pages_read_than_it_names(request_body: str, pages: int) -> None:
    assert asked_pages(request_body.encode()) == pages


def test_many_pages_are_those() -> None:
    assert asked_pages(json.dumps({"pages": list(range(5000))}).encode()) == 5000
