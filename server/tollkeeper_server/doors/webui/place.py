"""Where the built files of the console application are, and how their build goes in a checkout."""

import fcntl
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]
_CHECKOUT = _PACKAGE.parents[1]
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of the built files. `status` is what `webui/build.py` writes, None where nothing builds."""

    folder: Path
    status: Path | None


class Stage(Enum):
    """Why there are no built files."""

    NOT_PACKAGED = auto()
    NOT_BUILT = auto()
    BUILDING = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Absence:
    """Why there are no built files; `detail` is the build's step, or what went wrong."""

    stage: Stage
    detail: str = ""


def find_place() -> Place:
    """Return the place of this installation: a checkout's `webui/dist`, else a folder of the package."""
    if (_CHECKOUT / "webui" / "package.json").is_file():
        return Place(_CHECKOUT / "webui" / "dist", _CHECKOUT / ".cache" / "webui" / "status")
    return Place(_PACKAGE / "webui", None)


def absence(place: Place) -> Absence:
    """Return why there are no built files.

    A build keeps its status locked for as long as it runs: one that was killed leaves it unlocked.
    """
    if place.status is None:
        return Absence(Stage.NOT_PACKAGED)
    try:
        with place.status.open(encoding="utf-8", errors="replace") as status:
            word, _, detail = status.read(_LONGEST).strip().partition("\n")
            try:
                fcntl.flock(status, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Absence(Stage.BUILDING, detail)
    except OSError:
        return Absence(Stage.NOT_BUILT)
    return Absence(Stage.FAILED, detail) if word == "failed" else Absence(Stage.NOT_BUILT)
