"""The calls of TokenService."""

from collections.abc import Mapping, Sequence
from typing import Unpack

from tollkeeper.calls.rpc import Pages, Rpc, change, pages, rpc, rpc_without_answer, settle
from tollkeeper.changes import TokenChanges, TokenSettings
from tollkeeper.messages import fill
from tollkeeper.v1 import token_service_pb2 as pb
from tollkeeper.values.token import MintedToken, RevokedBatch, RotatedToken, Token, TokenState


def create_token(
    *, project_id: str, secret: str = "", validate_only: bool = False, **settings: Unpack[TokenSettings]
) -> Rpc[MintedToken]:
    """Mint a token for an active project. Its secret is in the answer, and never again.

    It expires after `duration_minutes` or at `expires_at`, an aware datetime; never if neither is
    given. `max_requests` 0 is unlimited. A trailing `*` in `allowed_models` stands for any rest;
    without any, all models are allowed. A random secret is made, unless `secret` is one that
    applications have already; raises `AlreadyExists` if another token has it. With `validate_only` none is
    made, and the answer has neither an id nor a random secret.
    """
    request = fill(pb.CreateTokenRequest(), project_id=project_id, secret=secret, validate_only=validate_only)
    return rpc(settle(request, settings), MintedToken)


def get_token(token_id: str, /) -> Rpc[Token]:
    """Read one token, its secret masked."""
    return rpc(fill(pb.GetTokenRequest(), id=token_id), Token)


def list_tokens(
    *,
    project_id: str = "",
    search: str = "",
    states: Sequence[TokenState] = (),
    labels: Mapping[str, str] | None = None,
    active_only: bool = False,
    order_by: str = "",
    with_total: bool = False,
    page_size: int = 0,
) -> Pages[Token]:
    """Iterate over tokens, oldest first, fetching pages of `page_size` (the gateway's choice if 0).

    `search` leaves out those that have it in none of: id, name, description, labels as name=value. `labels`
    are those that each must have. `active_only` leaves out tokens that were deactivated or have expired.
    `order_by` is created_at, updated_at, name, expires_at or last_used_at, with " desc" behind it for the
    reverse. `with_total` makes the iterator know the length of the list.
    """
    request = fill(
        pb.ListTokensRequest(),
        project_id=project_id,
        search=search,
        states=states,
        labels=labels,
        active_only=active_only,
        order_by=order_by,
        with_total=with_total,
        page_size=page_size,
    )
    return pages(request, Token)


def update_token(
    token_id: str, /, *, etag: str = "", validate_only: bool = False, **changes: Unpack[TokenChanges]
) -> Rpc[Token]:
    """Change the fields that are given; None leaves a field alone.

    `expires_at=Expiry.NEVER` takes the expiry away; `duration_minutes` counts from now; an empty
    `allowed_models` allows all. With `etag`, raises `Aborted` if the token was changed since it was read.
    """
    return rpc(
        change(fill(pb.UpdateTokenRequest(), id=token_id, etag=etag, validate_only=validate_only), changes),
        Token,
    )


def revoke_token(token_id: str, /, *, validate_only: bool = False) -> Rpc[None]:
    """Deactivate a token; revoking it again changes nothing."""
    return rpc_without_answer(fill(pb.RevokeTokenRequest(), id=token_id, validate_only=validate_only))


def batch_revoke_tokens(ids: Sequence[str], /, *, validate_only: bool = False) -> Rpc[RevokedBatch]:
    """Deactivate up to 1,000 tokens. One that can't be deactivated is in `failed` and keeps no others."""
    return rpc(fill(pb.BatchRevokeTokensRequest(), ids=ids, validate_only=validate_only), RevokedBatch)


def rotate_token(token_id: str, /, *, etag: str = "", validate_only: bool = False) -> Rpc[RotatedToken]:
    """Replace a token's secret; the old one stops working at once. The new one is in the answer.

    With `etag`, raises `Aborted` if the token was changed since it was read. With `validate_only` the secret
    stays, and the answer has none.
    """
    return rpc(
        fill(pb.RotateTokenRequest(), id=token_id, etag=etag, validate_only=validate_only), RotatedToken
    )
