"""The wheel: what a person has who installs it and has neither node nor the checkout."""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hosting import PACKAGES, ROOT, build_wheel, command, copy_of_the_project, install
from rig import publishing, running, segments

pytestmark = pytest.mark.e2e

PAGES = ROOT / "static" / "dist"
LOOPBACK = {"OWNCAST_HTTP_HOST": "127.0.0.1", "OWNCAST_RTMP_HOST": "127.0.0.1"}
FREE_PORTS = {"OWNCAST_HTTP_PORT": "0", "OWNCAST_RTMP_PORT": "0", "OWNCAST_LOG_FORMAT": "json"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return build_wheel(copy_of_the_project(folder / "project"), folder / "out")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `owncast-py` of the wheel."""
    return install(wheel, tmp_path_factory.mktemp("installed") / "venv")


def test_a_wheel_without_the_pages_is_refused_with_a_sentence(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    (project / "static" / "dist" / "admin.html").unlink()
    done = command(sys.executable, "-m", "hatchling", "build", "-t", "wheel", cwd=project)
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "static/dist/admin.html does not exist: run `make setup` (it needs node and npm)" in said
    assert "Traceback" not in said
    assert list(tmp_path.rglob("*.whl")) == []


def test_a_checkout_is_installed_as_editable_before_its_pages_are_built(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    shutil.rmtree(project / "static" / "dist")
    code = "from hatchling.build import build_editable; print(build_editable('.'))"
    done = command(sys.executable, "-c", code, cwd=project)
    assert done.returncode == 0, done.stderr
    names = zipfile.ZipFile(project / done.stdout.strip()).namelist()
    assert [name for name in names if name.endswith(".pth")] != []
    assert [name for name in names if "built" in name] == []


def test_the_wheel_holds_every_page_and_every_file_that_the_code_reads(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    pages = {f"web/built/{path.relative_to(PAGES).as_posix()}" for path in PAGES.rglob("*") if path.is_file()}
    sources = {path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*")
               if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    assert len(pages) > 50
    assert inside == pages | sources


def test_nothing_is_imported_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = f"import {', '.join(PACKAGES)}; print(*({', '.join(f'{name}.__file__' for name in PACKAGES)}))"
    done = command(installed.with_name("python"), "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    places = done.stdout.split()
    assert len(places) == len(PACKAGES)
    assert [place for place in places if not Path(place).is_relative_to(installed.parents[1])] == []


async def test_serve_in_an_empty_directory_shows_the_pages_and_a_broadcast(
    installed: Path, samples: Callable[[str], Path], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    surroundings = {**LOOPBACK, **FREE_PORTS, "PATH": str(installed.parent), "PYTHONPATH": "", "HOME": str(empty)}
    assert shutil.which("node", path=surroundings["PATH"]) is None
    async with running([str(installed), "serve"], empty / "data", cwd=empty, **surroundings) as server:
        for path, title in (("/", "owncast-py"), ("/admin", "owncast-py")):
            page = await server.text(path)
            assert title in page
            script, *_ = re.findall(r'<script [^>]*type="module"[^>]* src="(/assets/[^"]+\.js)"', page)
            status, body = await server.get(script)
            assert (status, body) == (200, (PAGES / script.removeprefix("/")).read_bytes())
        async with publishing(server, samples("plain.flv"), key=server.made("Stream key")):
            playlist = await server.playlist(0, lambda text: len(segments(text)) > 1)
            name = next(line for line in playlist.splitlines() if re.search(r"-\d+\.m4s$", line))
            status, media = await server.get(f"/hls/0/{name}" if "/" not in name else name)
            assert (status, b"moof" in media[:4096]) == (200, True)
    assert sorted(path.name for path in empty.iterdir()) == ["data"]
    assert server.process.returncode == 0
