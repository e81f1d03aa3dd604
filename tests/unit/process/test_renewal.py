"""A certificate whose files change is replaced, once they belong together, and its end is told in time."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tollkeeper_server.doors.tls import ServedCertificate
from tollkeeper_server.process import self_signed
from tollkeeper_server.process.certificate import CertificateFiles
from tollkeeper_server.process.renewal import CertificateWatch
from tollkeeper_server.settings import Settings, Tls

DAY = timedelta(days=1)
NAMES = ("tls.crt", "tls.key")


class Clock:
    """The present, moved on by the test."""

    def __init__(self) -> None:
        self.passed = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.passed


def pair(folder: Path, lifetime: timedelta = self_signed.LIFETIME) -> tuple[Path, Path]:
    """Make a certificate and its key in a folder."""
    folder.mkdir(exist_ok=True)
    made = folder / NAMES[0], folder / NAMES[1]
    self_signed.make(*made, lifetime)
    return made


def watch_of(certificate: Path, key: Path, clock: Callable[[], datetime] | None = None) -> CertificateWatch:
    files = CertificateFiles(Settings(tls_cert=certificate, tls_key=key))
    return CertificateWatch(files, ServedCertificate(files.read()), clock=clock or Clock())


def own_watch(folder: Path, lifetime: timedelta) -> CertificateWatch:
    files = CertificateFiles(Settings(data_dir=folder, tls=Tls.SELF_SIGNED))
    files.make(lifetime)
    return CertificateWatch(files, ServedCertificate(files.read()))


def by_rename(there: Path, new: Path) -> None:
    for name in NAMES:
        (new / name).rename(there / name)


def by_writing_in_place(there: Path, new: Path) -> None:
    for name in NAMES:
        (there / name).write_bytes((new / name).read_bytes())


def by_copying_with_the_old_times(there: Path, new: Path) -> None:
    for name in NAMES:
        times = (there / name).stat()
        (there / name).write_bytes((new / name).read_bytes())
        os.utime(there / name, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("change", [by_rename, by_writing_in_place, by_copying_with_the_old_times])
async def test_files_that_change_are_served(tmp_path: Path, change: Callable[[Path, Path], None]) -> None:
    watch = watch_of(*pair(tmp_path / "served"))
    new = pair(tmp_path / "new")[0].read_bytes()
    change(tmp_path / "served", tmp_path / "new")
    await watch.look()
    assert watch.served.current.chain == new
    assert watch.problem is None


async def test_links_that_lead_elsewhere_are_served(tmp_path: Path) -> None:
    """As Kubernetes changes a secret: the files are links through `..data`, which is exchanged."""
    first, second = pair(tmp_path / "..1")[0], pair(tmp_path / "..2")[0]
    (tmp_path / "..data").symlink_to("..1")
    for name in NAMES:
        (tmp_path / name).symlink_to(Path("..data", name))
    watch = watch_of(tmp_path / NAMES[0], tmp_path / NAMES[1])
    assert watch.served.current.chain == first.read_bytes()
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    await watch.look()
    assert watch.served.current.chain == second.read_bytes()
    shutil.rmtree(tmp_path / "..1")
    await watch.look()
    assert watch.problem is None


@pytest.mark.parametrize(
    "half", ["certificate", "key", "cut certificate", "cut key", "no certificate", "no key", "empty"]
)
async def test_half_a_pair_is_kept_away_until_it_is_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, half: str
) -> None:
    certificate, key = pair(tmp_path)
    watch = watch_of(certificate, key)
    before = watch.served.current
    new_certificate, new_key = pair(tmp_path / "new")
    match half:
        case "certificate":
            certificate.write_bytes(new_certificate.read_bytes())
        case "key":
            key.write_bytes(new_key.read_bytes())
        case "cut certificate":
            certificate.write_bytes(new_certificate.read_bytes()[:-40])
        case "cut key":
            key.write_bytes(new_key.read_bytes()[:-40])
        case "no certificate":
            certificate.unlink()
        case "no key":
            key.unlink()
        case _:
            certificate.write_bytes(b"")
    for _ in range(3):
        await watch.look()
    assert watch.served.current is before
    assert watch.problem is not None
    assert caplog.text.count("the certificate stays as it was") == 1
    new_certificate.rename(certificate)
    new_key.rename(key)
    await watch.look()
    assert watch.served.current.chain == certificate.read_bytes()
    assert watch.problem is None


async def test_who_asks_is_told_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificate, key = pair(tmp_path)
    watch = watch_of(certificate, key)
    key.unlink()
    for _ in range(2):
        await watch.look(asked=True)
    assert caplog.text.count("tls_key: ") == 2


async def test_our_own_certificate_is_made_anew_before_it_ends(tmp_path: Path) -> None:
    watch = own_watch(tmp_path, self_signed.RENEWED_BEFORE - DAY)
    before = watch.served.current
    await watch.look()
    assert watch.served.current.not_after > before.not_after + 300 * DAY
    renewed = watch.served.current
    await watch.look()
    assert watch.served.current is renewed


async def test_our_own_certificate_that_can_not_be_kept_goes_on_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "data"
    watch = own_watch(folder, self_signed.RENEWED_BEFORE - DAY)
    before = watch.served.current
    folder.rename(tmp_path / "away")
    folder.write_text("")
    for _ in range(3):
        await watch.look()
    assert watch.served.current is before
    assert watch.problem is not None
    assert "can't be kept" in caplog.text
    assert len(caplog.records) == 2  # it can't be made, and can't be read


@pytest.mark.parametrize(("days", "told"), [(13, True), (1, True), (15, False), (60, False)])
async def test_the_end_is_told_once_a_day_from_two_weeks_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, told: bool
) -> None:
    clock = Clock()
    watch = watch_of(*pair(tmp_path, days * DAY), clock)
    for _ in range(3):
        await watch.look()
    assert caplog.text.count("the certificate expires on 20") == told
    clock.passed += DAY
    await watch.look()
    assert len(caplog.records) == 2 * told + (days == 15)
    assert watch.problem is None or days == 1


async def test_a_certificate_that_has_expired_is_told_and_one_that_takes_its_place_is_good(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = pair(tmp_path, -DAY / 1440)
    watch = watch_of(certificate, key)
    await watch.look()
    assert "the certificate has expired, on 20" in caplog.text
    assert "the certificate has expired" in (watch.problem or "")
    pair(tmp_path)
    await watch.look()
    assert watch.problem is None


async def test_the_end_itself_is_told_when_it_comes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    watch = watch_of(*pair(tmp_path, DAY / 24), clock)
    for hours in (0, 2, 3):
        clock.passed = timedelta(hours=hours)
        await watch.look()
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


async def test_a_pipe_that_nobody_writes_to_holds_nothing_up(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path)
    watch = watch_of(certificate, key)
    key.unlink()
    os.mkfifo(key)
    await watch.look(asked=True)
    assert "tls.key is not a PEM file" in (watch.problem or "")
    key.unlink()
    pair(tmp_path)
    await watch.look()
    assert watch.problem is None


async def test_a_certificate_that_is_not_valid_yet_is_told(tmp_path: Path) -> None:
    clock = Clock()
    watch = watch_of(*pair(tmp_path), clock)
    clock.passed -= DAY
    assert "not valid before" in (watch.problem or "")
