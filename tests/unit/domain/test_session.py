"""The secrets of sessions."""

import re

import pytest
from tollkeeper_server.domain.session import LONGEST_USER_AGENT, SessionSecrets, shortened

SECRETS, OTHERS = SessionSecrets(bytes(range(32))), SessionSecrets(bytes(32))


def test_a_secret_is_new_each_time_and_fits_into_a_cookie() -> None:
    made = {SECRETS.new() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{64}", secret) for secret in made)
    assert all(SECRETS.is_genuine(secret) for secret in made)


def changed(secret: str, at: int) -> str:
    """Return a secret with another character at a place."""
    return f"{secret[:at]}{'A' if secret[at] != 'A' else 'B'}{secret[at + 1 :]}"


@pytest.mark.parametrize(
    "text", ["", "A" * 64, "=" * 64, "ä" * 64, "\udcff" * 64, "A" * 63, "A" * 65, "A" * 100_000, "\0" * 64]
)
def test_a_text_that_was_made_up_is_not_genuine(text: str) -> None:
    assert not SECRETS.is_genuine(text)


def test_a_secret_is_not_genuine_with_any_other_character_or_under_another_key() -> None:
    secret = SECRETS.new()
    assert not any(SECRETS.is_genuine(changed(secret, at)) for at in range(64))
    assert not OTHERS.is_genuine(secret)


def test_the_following_secret_is_the_same_in_every_process() -> None:
    """It is genuine, another one, and follows from key and secret alone."""
    secret = SECRETS.new()
    following = SECRETS.following(secret)
    assert following == SessionSecrets(bytes(range(32))).following(secret) != secret
    assert SECRETS.is_genuine(following)
    assert SECRETS.following(following) not in {secret, following}


def test_digests_and_marks_say_nothing_without_the_key() -> None:
    secret = SECRETS.new()
    assert re.fullmatch(r"[0-9a-f]{64}", SECRETS.digest_of(secret))
    assert SECRETS.digest_of(secret) != OTHERS.digest_of(secret)
    assert SECRETS.mark_of("a token") == SECRETS.mark_of("a token") != OTHERS.mark_of("a token")
    assert SECRETS.mark_of(secret) != SECRETS.digest_of(secret)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Mozilla/5.0 (X11)", "Mozilla/5.0 (X11)"),
        ("  a\r\n\x1b[31mb\u202e ", "a[31mb"),
        ("x" * 5000, "x" * LONGEST_USER_AGENT),
        ("", ""),
    ],
)
def test_of_a_browsers_name_the_beginning_is_kept(said: str, kept: str) -> None:
    assert shortened(said) == kept
