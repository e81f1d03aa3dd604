"""What can be wrong before a MongoDB answers."""

import logging

import pytest
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.mongo.store import MongoStore
from tollkeeper_server.store.ports import StoreCorruptError

from tests.servers.ports import free_port


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://user:canary@host:port/db",
        "mongodb://user:canary@/db",
        "mongodb://user:can@ry@host/db",
        "mongodb://user:canary@host/db?serverSelectionTimeoutMS=canary",
        "mongodb://user:canary@host/db?no_such_option=canary",
    ],
)
async def test_a_malformed_url_is_refused(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The message says what is expected, and neither it nor the log shows the password."""
    caplog.set_level(logging.DEBUG, "tollkeeper")
    store = MongoStore(url)
    with pytest.raises(StoreCorruptError, match="mongodb://HOST/DATABASE") as refusal:
        await store.open()
    assert "can" not in str(refusal.value).replace("can't", "")
    assert "canary" not in caplog.text


@pytest.mark.usefixtures("pymongo_leftovers")
async def test_a_server_that_is_not_there_is_unavailable() -> None:
    """Opening gives up soon, and what was not opened answers nothing."""
    store = MongoStore(f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=50")
    with pytest.raises(StoreUnavailableError):
        await store.open()
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    await store.close()
