"""The calls of TokenService."""

from collections.abc import Sequence
from datetime import datetime

from tollkeeper.calls.call import Call, Page, Pages, call, nothing
from tollkeeper.calls.wire import mask, moment, timestamp
from tollkeeper.v1 import token_service_pb2 as pb
from tollkeeper.values import Expiry, MintedToken, RotatedToken, Token

SERVICE = "TokenService"


def read_token(token: pb.Token) -> Token:
    """Reads a token."""
    return Token(
        id=token.id,
        token=token.token,
        project_id=token.project_id,
        name=token.name,
        is_active=token.is_active,
        expires_at=moment(token.expires_at) if token.HasField("expires_at") else None,
        max_requests=token.max_requests,
        request_count=token.request_count,
        allowed_models=tuple(token.allowed_models),
        created_at=moment(token.created_at) if token.HasField("created_at") else None,
        updated_at=moment(token.updated_at) if token.HasField("updated_at") else None,
        last_used_at=moment(token.last_used_at) if token.HasField("last_used_at") else None,
        deactivated_at=moment(token.deactivated_at) if token.HasField("deactivated_at") else None,
        etag=token.etag,
    )


def _read_minted(answer: pb.CreateTokenResponse) -> MintedToken:
    return MintedToken(
        id=answer.id,
        token=answer.token,
        expires_at=moment(answer.expires_at) if answer.HasField("expires_at") else None,
        max_requests=answer.max_requests,
        project_id=answer.project_id,
        name=answer.name,
        allowed_models=tuple(answer.allowed_models),
        etag=answer.etag,
    )


def _read_rotated(answer: pb.RotateTokenResponse) -> RotatedToken:
    return RotatedToken(
        id=answer.id,
        token=answer.token,
        expires_at=moment(answer.expires_at) if answer.HasField("expires_at") else None,
        max_requests=answer.max_requests,
        etag=answer.etag,
    )


def create_token(
    *,
    project_id: str,
    name: str = "",
    duration_minutes: int | None = None,
    expires_at: datetime | None = None,
    max_requests: int = 0,
    allowed_models: Sequence[str] = (),
    secret: str = "",
) -> Call[MintedToken]:
    """Mints a token for an active project. Its secret is in the answer, and never again.

    It expires after `duration_minutes` or at `expires_at`, an aware datetime; never if neither is
    given. `max_requests` 0 is unlimited. A trailing `*` in `allowed_models` stands for any rest;
    without any, all models are allowed. A random secret is made, unless `secret` is one that
    applications have already; raises `AlreadyExists` if another token has it.
    """
    request = pb.CreateTokenRequest(
        project_id=project_id,
        name=name,
        duration_minutes=duration_minutes,
        expires_at=timestamp("expires_at", expires_at),
        max_requests=max_requests,
        allowed_models=allowed_models,
        secret=secret,
    )
    return call(SERVICE, "CreateToken", request, pb.CreateTokenResponse, _read_minted)


def get_token(token_id: str, /) -> Call[Token]:
    """Reads one token, its secret masked."""
    return call(
        SERVICE,
        "GetToken",
        pb.GetTokenRequest(id=token_id),
        pb.GetTokenResponse,
        lambda answer: read_token(answer.token),
    )


def list_tokens(*, project_id: str = "", active_only: bool = False, page_size: int = 0) -> Pages[Token]:
    """Iterates over tokens, oldest first, fetching pages of `page_size` (the gateway's choice if 0).

    `active_only` leaves out tokens that were deactivated or have expired.
    """

    def at(page_token: str) -> Call[Page[Token]]:
        return call(
            SERVICE,
            "ListTokens",
            pb.ListTokensRequest(
                page_size=page_size, page_token=page_token, project_id=project_id, active_only=active_only
            ),
            pb.ListTokensResponse,
            lambda answer: Page(tuple(map(read_token, answer.tokens)), answer.next_page_token),
        )

    return Pages(at)


def update_token(
    token_id: str,
    /,
    *,
    name: str | None = None,
    is_active: bool | None = None,
    max_requests: int | None = None,
    duration_minutes: int | None = None,
    expires_at: datetime | Expiry | None = None,
    allowed_models: Sequence[str] | None = None,
    etag: str = "",
) -> Call[Token]:
    """Changes what is given and leaves alone what is None.

    `expires_at=Expiry.NEVER` takes the expiry away; `duration_minutes` counts from now; an empty
    `allowed_models` allows all. With `etag`, raises `Aborted` if the token was changed since it was read.
    """
    request = pb.UpdateTokenRequest(
        id=token_id,
        name=name,
        is_active=is_active,
        max_requests=max_requests,
        duration_minutes=duration_minutes,
        expires_at=None if expires_at is Expiry.NEVER else timestamp("expires_at", expires_at),
        allowed_models=allowed_models,
        update_mask=mask(
            name=name,
            is_active=is_active,
            max_requests=max_requests,
            duration_minutes=duration_minutes,
            expires_at=expires_at,
            allowed_models=allowed_models,
        ),
        etag=etag,
    )
    return call(
        SERVICE, "UpdateToken", request, pb.UpdateTokenResponse, lambda answer: read_token(answer.token)
    )


def revoke_token(token_id: str, /) -> Call[None]:
    """Deactivates a token; revoking it again changes nothing."""
    return call(SERVICE, "RevokeToken", pb.RevokeTokenRequest(id=token_id), pb.RevokeTokenResponse, nothing)


def rotate_token(token_id: str, /, *, etag: str = "") -> Call[RotatedToken]:
    """Replaces a token's secret; the old one stops working at once. The new one is in the answer.

    With `etag`, raises `Aborted` if the token was changed since it was read.
    """
    return call(
        SERVICE,
        "RotateToken",
        pb.RotateTokenRequest(id=token_id, etag=etag),
        pb.RotateTokenResponse,
        _read_rotated,
    )
