"""Projects: the owners of tokens."""

from datetime import datetime

from msgspec import Struct

from tollkeeper_server.domain.limit import Limit


class Project(Struct, frozen=True, kw_only=True):
    """A project. `api_key` is sealed (store/sealed.py); `api_key_hint` is the masked key that people see."""

    id: str
    name: str
    is_active: bool = True
    api_key: str | None = None
    api_key_hint: str = ""
    description: str = ""
    labels: dict[str, str] = {}
    created_at: datetime
    updated_at: datetime
    deactivated_at: datetime | None = None
    limits: tuple[Limit, ...] = ()
    revision: int = 1
