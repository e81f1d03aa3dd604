"""Builds the console application into the wheel; all else about the package is in pyproject.toml."""

import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildPy(build_py):
    """Builds the package with `webui/dist` in it; from a checkout installed as it lies, that is served."""

    def run(self) -> None:
        """Build."""
        super().run()
        if self.editable_mode:
            return
        if subprocess.run([sys.executable, ROOT / "webui" / "build.py"], check=False).returncode:
            sys.exit("The wheel was not made, for it would lack the console; the reason stands above.")
        into = Path(self.build_lib) / "tollkeeper_server" / "webui"
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(ROOT / "webui" / "dist", into, ignore=shutil.ignore_patterns(".*"))


setup(cmdclass={"build_py": BuildPy})
