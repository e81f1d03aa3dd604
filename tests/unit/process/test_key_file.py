"""A key is made once, for its owner alone, however many processes start."""

from pathlib import Path

import pytest
from tollkeeper_server.process.key_file import KeyFileError, read_or_make


def test_a_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert read_or_make(path, lambda: "first") == "first"
    assert read_or_make(path, lambda: "second") == "first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_those_who_start_at_once_have_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "key"

    def make_slowly() -> str:
        read_or_make(path, lambda: "fast")
        return "slow"

    assert read_or_make(path, make_slowly) == "fast"


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_can_not_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(KeyFileError, match=f"the key file {path} can't be used"):
        read_or_make(path, lambda: "never")
