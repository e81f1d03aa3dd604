"""Renewing the certificate that a process serves, and warnings before it expires."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tollkeeper_server.doors.tls import ServedCertificate
from tollkeeper_server.process.certificate import CertificateError, CertificateFiles
from tollkeeper_server.process.self_signed import RENEWED_BEFORE

_log = logging.getLogger("tollkeeper.certificate")
WARNED_BEFORE = timedelta(days=14)
"""How long before a certificate expires the log begins to warn."""
_BETWEEN_WARNINGS = timedelta(days=1)
# One that can't be made is tried again after this time.
_BETWEEN_ATTEMPTS = timedelta(minutes=1)
_LOOK_SECONDS = 2.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class CertificateWatch:
    """Looks at the certificate's files at intervals, and replaces it when they have changed.

    Files that do not belong together, such as those that are being written, change nothing. The self-signed
    certificate is renewed before it expires.
    """

    def __init__(
        self,
        files: CertificateFiles,
        served: ServedCertificate,
        *,
        clock: Callable[[], datetime] = _utc_now,
        interval: float = _LOOK_SECONDS,
    ) -> None:
        """`interval` is the seconds between two looks."""
        self.served = served
        self._files = files
        self._clock = clock
        self._interval = interval
        self._failure: str | None = None
        self._warned_at: datetime | None = None
        self._attempted_at: datetime | None = None
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def self_signed(self) -> Path | None:
        """The file of the certificate if it is the self-signed one."""
        return self._files.certificate if self._files.is_own else None

    @property
    def problem(self) -> str | None:
        """Why the certificate is not good, or can't be replaced; None if all is well."""
        return self._invalidity() or self._failure

    def _invalidity(self) -> str | None:
        current, now = self.served.current, self._clock()
        if now >= current.not_after:
            return f"the certificate has expired, on {_date(current.not_after)}; {self._remedy}"
        if now < current.not_before:
            return f"the certificate is not valid before {current.not_before:%Y-%m-%d %H:%M} UTC"
        return None

    def start(self) -> None:
        """Start."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def look(self, *, asked: bool = False) -> None:
        """Replace the certificate if its files have changed; with `asked`, read them in any case."""
        async with self._looking:
            if self._files.is_own and self._is_due():
                await self._make()
            if asked or await asyncio.to_thread(self._files.stamp) != self._files.seen:
                await self._read(asked=asked)
            self._warn()

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - nobody waits for this task; the next look may be better
                _log.exception("the certificate's files could not be looked at")
            await asyncio.sleep(self._interval)

    def _is_due(self) -> bool:
        now = self._clock()
        if self._attempted_at is not None and now - self._attempted_at < _BETWEEN_ATTEMPTS:
            return False
        return self.served.current.not_after - RENEWED_BEFORE <= now

    async def _make(self) -> None:
        self._attempted_at = self._clock()
        try:
            await asyncio.to_thread(self._files.make)
        except CertificateError as error:
            self._fail(str(error))

    async def _read(self, *, asked: bool) -> None:
        try:
            found = await asyncio.to_thread(self._files.read)
        except CertificateError as error:
            self._fail(str(error), again=asked)
            return
        self._failure = self._attempted_at = None
        if found != self.served.current:
            self.served.replace(found)
            self._warned_at = None
            _log.info("the certificate was replaced; the new one ends on %s", _date(found.not_after))

    def _fail(self, problem: str, *, again: bool = False) -> None:
        if again or problem != self._failure:
            _log.warning("the certificate stays as it was: %s", problem)
        self._failure = problem

    def _warn(self) -> None:
        """Warn once a day that the certificate expires soon, or is not valid; at once when it has expired."""
        now, end, invalidity = self._clock(), self.served.current.not_after, self._invalidity()
        warned = self._warned_at
        if warned is not None and now - warned < _BETWEEN_WARNINGS and (warned < end) == (now < end):
            return
        if invalidity is not None:
            _log.error("%s", invalidity)
        elif end - now <= WARNED_BEFORE:
            _log.warning("the certificate expires on %s; %s", _date(end), self._remedy)
        else:
            return
        self._warned_at = now

    @property
    def _remedy(self) -> str:
        if self._files.is_own:
            return "see that the data directory can be written to"
        return "renew it; this process reads tls_cert and tls_key again when they change"


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
