"""The calls of TokenService."""

from typing import Unpack

from tollkeeper.calls.rpc import Pages, Rpc, change, pages, rpc, rpc_without_answer, settle
from tollkeeper.changes import TokenChanges, TokenSettings
from tollkeeper.messages import fill
from tollkeeper.v1 import token_service_pb2 as pb
from tollkeeper.values import MintedToken, RotatedToken, Token


def create_token(*, project_id: str, secret: str = "", **settings: Unpack[TokenSettings]) -> Rpc[MintedToken]:
    """Mint a token for an active project. Its secret is in the answer, and never again.

    It expires after `duration_minutes` or at `expires_at`, an aware datetime; never if neither is
    given. `max_requests` 0 is unlimited. A trailing `*` in `allowed_models` stands for any rest;
    without any, all models are allowed. A random secret is made, unless `secret` is one that
    applications have already; raises `AlreadyExists` if another token has it.
    """
    request = fill(pb.CreateTokenRequest(), project_id=project_id, secret=secret)
    return rpc(settle(request, settings), MintedToken)


def get_token(token_id: str, /) -> Rpc[Token]:
    """Read one token, its secret masked."""
    return rpc(fill(pb.GetTokenRequest(), id=token_id), Token)


def list_tokens(*, project_id: str = "", active_only: bool = False, page_size: int = 0) -> Pages[Token]:
    """Iterate over tokens, oldest first, fetching pages of `page_size` (the gateway's choice if 0).

    `active_only` leaves out tokens that were deactivated or have expired.
    """
    request = fill(
        pb.ListTokensRequest(), project_id=project_id, active_only=active_only, page_size=page_size
    )
    return pages(request, Token)


def update_token(token_id: str, /, *, etag: str = "", **changes: Unpack[TokenChanges]) -> Rpc[Token]:
    """Change the fields that are given; None leaves a field alone.

    `expires_at=Expiry.NEVER` takes the expiry away; `duration_minutes` counts from now; an empty
    `allowed_models` allows all. With `etag`, raises `Aborted` if the token was changed since it was read.
    """
    return rpc(change(fill(pb.UpdateTokenRequest(), id=token_id, etag=etag), changes), Token)


def revoke_token(token_id: str, /) -> Rpc[None]:
    """Deactivate a token; revoking it again changes nothing."""
    return rpc_without_answer(fill(pb.RevokeTokenRequest(), id=token_id))


def rotate_token(token_id: str, /, *, etag: str = "") -> Rpc[RotatedToken]:
    """Replace a token's secret; the old one stops working at once. The new one is in the answer.

    With `etag`, raises `Aborted` if the token was changed since it was read.
    """
    return rpc(fill(pb.RotateTokenRequest(), id=token_id, etag=etag), RotatedToken)
