"""The connection to MongoDB: short time limits, calls that complete, and errors in our own words.

The methods of the store's parts are coroutines that `completes` has this connection run.
"""

import asyncio
import logging
import time
import warnings
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
)

from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.documents import Document
from tollkeeper_server.store.mongo.schema import Database, prepare
from tollkeeper_server.store.ports import StoreCorruptError
from tollkeeper_server.telemetry.outcomes import note_outcome

_log = logging.getLogger("tollkeeper.store")
_T = TypeVar("_T")
_P = ParamSpec("_P")
_Part = TypeVar("_Part", bound="MongoPart")
_DEFAULT_DATABASE = "tollkeeper"
_SILENT_SECONDS = 60.0
_MOST_SAID = 500
_DUPLICATE_KEY = 11000
_REFUSED = {13, 18}  # Unauthorized, AuthenticationFailed

LONGEST_READ_MS = 30_000
"""How long the server may read and sum events, in milliseconds."""
# Milliseconds, where the URL does not say otherwise. A caller waits no longer than this for a server that
# is away; the socket's limit leaves time to sum many events.
_LIMITS = {
    "serverSelectionTimeoutMS": 2_000,
    "connectTimeoutMS": 2_000,
    "socketTimeoutMS": LONGEST_READ_MS,
}


class MongoConnection:
    """Runs coroutines against one database."""

    def __init__(self, url: str) -> None:
        """Take the URL, which may hold a password and is never shown."""
        self._url = url
        self._client: AsyncMongoClient[Document] | None = None
        self._database: Database | None = None
        self._running: set[asyncio.Future[Any]] = set()
        self._reads: set[asyncio.Future[Any]] = set()
        # Who is asked, without user and password.
        self._complaints = _Complaints(url.partition("://")[2].partition("/")[0].rpartition("@")[2])

    @property
    def database(self) -> Database:
        """The database. Raises `StoreUnavailableError` unless the connection is open."""
        if self._database is None:
            raise StoreUnavailableError("the store")
        return self._database

    async def open(self) -> None:
        """Connect and bring the schema up to date.

        Raises `StoreCorruptError` if the URL, the credentials or the database can't be used.
        """
        given = {name.lower() for name, _ in parse_qsl(urlsplit(self._url).query)}
        limits: dict[str, Any] = {name: value for name, value in _LIMITS.items() if name.lower() not in given}
        client: AsyncMongoClient[Document] | None = None
        try:
            with warnings.catch_warnings():
                # PyMongo only warns of an option it does not know, or of a value it does not understand.
                warnings.simplefilter("error", UserWarning)
                client = AsyncMongoClient(self._url, **limits)
            database = client.get_default_database(_DEFAULT_DATABASE)
            await prepare(database)
        except BaseException as error:
            if client:
                await client.close()
            if isinstance(error, ConfigurationError) and error.__cause__ is not None:
                _check_srv(error.__cause__)
            if isinstance(error, ConfigurationError | ValueError | UserWarning):
                raise StoreCorruptError(
                    "store: the MongoDB URL in TOLLKEEPER_STORE is malformed, or an option in it is "
                    "not known; expected mongodb://HOST/DATABASE"
                ) from None
            if isinstance(error, OperationFailure) and error.code in _REFUSED:
                raise StoreCorruptError(
                    "store: MongoDB refuses the credentials in TOLLKEEPER_STORE; check the user, the "
                    "password, authSource, and that the user may write to the database"
                ) from None
            if isinstance(error, PyMongoError):
                self._complaints.log(error)
                raise StoreUnavailableError("the store") from error
            raise
        self._client, self._database = client, database

    async def close(self) -> None:
        """Wait for the calls under way, but stop long reads, then disconnect. A second call does nothing."""
        client, self._client = self._client, None
        if client:
            for read in self._reads:
                read.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            self._database = None
            await client.close()

    async def run(self, work: Coroutine[Any, Any, _T], *, completes: bool = True) -> _T:
        """Return the result of `work`, which `completes` even if the caller is cancelled, or ends then.

        PyMongo drops the connection of a call that is cancelled: a caller who leaves costs the others a new
        one. That is what stops a long read in the server, which looks whether its client is still there.
        Raises `StoreUnavailableError` if the server does not answer, or not as it should.
        """
        if self._client is None:
            work.close()
            raise StoreUnavailableError("the store")
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(note_outcome)
        if not completes:
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)
        try:
            return await (asyncio.shield(task) if completes else task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling():
                raise
            raise StoreUnavailableError("the store") from None  # `close` has stopped the read
        except PyMongoError as error:
            self._complaints.log(error)
            raise StoreUnavailableError("the store") from error


class MongoPart:
    """A part of the store, on the connection that all parts share."""

    def __init__(self, connection: MongoConnection) -> None:
        self._connection = connection

    def _collection(self, name: str) -> AsyncCollection[Document]:
        return self._connection.database[name]


def _check_srv(cause: BaseException) -> None:
    """Raise the error that says so if the servers of a `mongodb+srv` URL could not be looked up."""
    import dns.resolver  # a large package, which PyMongo loads for such URLs alone

    if isinstance(cause, dns.resolver.NXDOMAIN | dns.resolver.NoAnswer):
        raise StoreCorruptError(
            "store: the host in TOLLKEEPER_STORE has no SRV records; give mongodb+srv:// a host that has, or "
            "name the servers with mongodb://"
        ) from None
    if isinstance(cause, dns.exception.DNSException):
        _log.error("the SRV records of MongoDB can't be looked up: %s", type(cause).__name__)
        raise StoreUnavailableError("the store") from cause


def completes(
    method: Callable[Concatenate[_Part, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[_Part, _P], Coroutine[Any, Any, _T]]:
    """Return the method as a coroutine that the connection runs, to its end if the caller leaves."""

    @wraps(method)
    async def run(self: _Part, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._connection.run(method(self, *args, **kwargs))

    return run


def ends(
    method: Callable[Concatenate[_Part, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[_Part, _P], Coroutine[Any, Any, _T]]:
    """Return the method as a coroutine that the connection runs until the caller leaves, for long reads."""

    @wraps(method)
    async def run(self: _Part, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await self._connection.run(method(self, *args, **kwargs), completes=False)

    return run


def duplicates_in(error: BulkWriteError) -> list[int]:
    """Return the positions of the writes whose key was there already.

    Raises `error` if a write failed for another reason.
    """
    failures = cast("list[dict[str, int]]", (error.details or {}).get("writeErrors", []))
    if not failures or any(failure["code"] != _DUPLICATE_KEY for failure in failures):
        raise error
    return [failure["index"] for failure in failures]


class _Complaints:
    """Logs failures; that the server does not answer, once a minute only."""

    def __init__(self, hosts: str) -> None:
        self._hosts = hosts
        self._said_at = -_SILENT_SECONDS

    def log(self, error: PyMongoError) -> None:
        """Log a failure by its kind: the text of a server's error may quote the documents it is about."""
        if not isinstance(error, ConnectionFailure):
            _log.error("MongoDB failed: %s, code %s", type(error).__name__, getattr(error, "code", None))
        elif time.monotonic() - self._said_at >= _SILENT_SECONDS:
            self._said_at = time.monotonic()
            name = type(error).__name__
            _log.error("MongoDB does not answer: %s: %s: %s", self._hosts, name, _why(error))


def _why(error: ConnectionFailure) -> str:
    """Return which servers failed, and why, as the driver says before it describes all of them."""
    return str(error).partition(", Timeout: ")[0][:_MOST_SAID]
