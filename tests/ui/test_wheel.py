"""The wheel contains the console's application as it is built."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "webui" / "dist"
INSIDE = "tollkeeper_server/webui/"


def test_the_wheel_has_the_built_files(tmp_path: Path) -> None:
    # A copy, since what an earlier build left in `build/` would get into the wheel.
    source = tmp_path / "source"
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source)
    for name in ("server", "clients", "webui"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("node_modules", "*.egg-info")
        )
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*command, tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        found = {
            name.removeprefix(INSIDE): packed.read(name)
            for name in packed.namelist()
            if name.startswith(INSIDE)
        }
    built = [path.relative_to(DIST) for path in DIST.rglob("*") if path.is_file()]
    assert found == {
        path.as_posix(): (DIST / path).read_bytes() for path in built if not path.parts[0].startswith(".")
    }
    assert "index.html" in found
