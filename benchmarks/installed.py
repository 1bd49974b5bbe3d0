"""Install phospho with its server into a new environment, and weigh that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# What every environment has, and what nobody needs to run phospho.
_TOOLS = {"pip", "setuptools", "wheel"}


def install(environment: Path) -> tuple[Path, int, float]:
    """Return the interpreter, how many packages are there, and how many megabytes they take.

    phospho itself is one of the packages; tools that install packages are none.
    """
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    before = _bytes_of(environment)
    # Compiled already, as pip does it: those files are part of what an installation takes.
    subprocess.run([*pip, "install", f"{ROOT}[server]"], check=True, capture_output=True)
    listed = subprocess.run(
        [*pip, "list", "--format", "json"], check=True, capture_output=True, text=True
    )
    names = {package["name"] for package in json.loads(listed.stdout)} - _TOOLS
    return python, len(names), (_bytes_of(environment) - before) / 1e6


def _bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
