"""Token secrets: how they are made, kept and shown."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.token import MAX_SECRET_LENGTH, SECRET_PREFIX, digest_secret, mask, new_secret


def test_secrets_are_new_each_time_and_can_be_presented() -> None:
    made = {new_secret() for _ in range(100)}

    assert len(made) == 100
    for secret in made:
        assert secret.startswith(SECRET_PREFIX)
        assert len(secret) - len(SECRET_PREFIX) == 43  # 256 bits in base64url
        assert len(secret) <= MAX_SECRET_LENGTH
        assert secret.isascii()


@given(st.binary(), st.binary(min_size=1, max_size=130))
def test_a_digest_depends_on_secret_and_key(secret: bytes, key: bytes) -> None:
    digest = digest_secret(secret, key)

    assert digest == hmac.new(key, secret, hashlib.sha256).hexdigest()
    assert digest != digest_secret(secret + b"x", key)
    assert digest != digest_secret(secret, key[1:] + bytes([key[0] ^ 1]))


@given(st.text())
def test_a_mask_shows_twelve_characters_at_most_and_none_of_what_is_short(secret: str) -> None:
    shown = mask(secret)

    assert shown == ("****" if len(secret) < 24 else f"{secret[:8]}...{secret[-4:]}")
    assert len(shown) <= 15
