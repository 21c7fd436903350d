"""What the tests of hosting share: a copy of the project as a clone has it, and a wheel installed apart from it."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("owncast_py", "ingest", "transcoder", "web")
FILES = ("pyproject.toml", "README.md", "LICENSE", "requirements.lock")


def copy_of_the_project(to: Path) -> Path:
    """The sources and the built pages; nothing that was made on the way."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__", "built"))
    not_wanted = shutil.ignore_patterns("node_modules", "openapi.json", "schema.d.ts", "__pycache__")
    shutil.copytree(ROOT / "static", to / "static", ignore=not_wanted)
    for name in FILES:
        shutil.copy(ROOT / name, to)
    return to


def command(*words: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, where nothing of this checkout is found by accident."""
    inherited = {n: v for n, v in os.environ.items() if not n.startswith(("OWNCAST_", "PYTHON", "PIP_", "NOTIFY_"))}
    return subprocess.run(
        words,
        cwd=cwd,
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def build_wheel(project: Path, to: Path) -> Path:
    """As `python -m build` does it: the source distribution first, the wheel from that."""
    hatchling = (sys.executable, "-m", "hatchling", "build")
    done = command(*hatchling, "-t", "sdist", "-d", to, cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = to.glob("*.tar.gz")
    shutil.unpack_archive(archive, to / "sdist", filter="data")
    (unpacked,) = (to / "sdist").iterdir()
    done = command(*hatchling, "-t", "wheel", "-d", to, cwd=unpacked)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = to.glob("*.whl")
    return wheel


def lend_packages(environment: Path) -> None:
    """Lets a virtual environment see what is installed for the tests, apart from this project, to fetch nothing."""
    lent = environment / "lent"
    lent.mkdir()
    for place in site.getsitepackages():
        for entry in Path(place).iterdir():
            if not entry.name.lstrip("_").startswith("owncast_py"):
                (lent / entry.name).symlink_to(entry)
    (own,) = environment.glob("lib/python*/site-packages")
    (own / "lent.pth").write_text(str(lent))


def install(wheel: Path, environment: Path) -> Path:
    """Installs the wheel in a new virtual environment; the answer is its `owncast-py`."""
    done = command(sys.executable, "-m", "venv", "--without-pip", environment)
    assert done.returncode == 0, done.stderr
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "--disable-pip-version-check")
    done = command(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    lend_packages(environment)
    return environment / "bin" / "owncast-py"
