"""What docs/deployment.md tells a reader to type is typed, with other paths and ports."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hosting import ROOT, command, copy_of_the_project, lend_packages
from rig import publishing, running, segments

pytestmark = pytest.mark.e2e

Samples = Callable[[str], Path]

DOCUMENT = (ROOT / "docs" / "deployment.md").read_text()


def typed(heading: str) -> list[str]:
    """The commands below a heading, each on one line, up to the next heading of any depth."""
    _, _, after = DOCUMENT.partition(f"# {heading}\n")
    section = re.split(r"^#+ ", after, maxsplit=1, flags=re.MULTILINE)[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line]


async def test_the_wheel_is_built_installed_and_started_as_it_is_told(samples: Samples, tmp_path: Path) -> None:
    project, installed = copy_of_the_project(tmp_path / "project"), tmp_path / "opt"
    first, *commands, check, serve = typed("A wheel")
    assert first == "make setup", "which is what these tests run after"
    own = Path(sys.executable).parent
    for line in commands:
        line = line.replace("/opt/owncast-py", str(installed)).replace(".venv/bin", str(own))
        done = command("sh", "-c", line, cwd=project, PATH=f"{own}:{os.environ['PATH']}", PIP_NO_INDEX="1")
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if " -m venv " in line:
            lend_packages(installed)
    place = tmp_path / "place"
    place.mkdir()
    ports = {"OWNCAST_HTTP_PORT": "0", "OWNCAST_RTMP_PORT": "0", "OWNCAST_LOG_FORMAT": "json"}
    ports |= {"OWNCAST_HTTP_HOST": "127.0.0.1", "OWNCAST_RTMP_HOST": "127.0.0.1"}
    done = command("sh", "-c", check.replace("/opt/owncast-py", str(installed)), cwd=place, **ports)
    assert done.stdout.endswith("This machine can stream.\n")
    words = serve.replace("/opt/owncast-py", str(installed)).split()
    async with running(words, place / "data", cwd=place, PYTHONPATH="", **ports) as server:
        assert "<script" in await server.text("/admin")
        async with publishing(server, samples("plain.flv"), key=server.made("Stream key")):
            await server.playlist(0, lambda text: bool(segments(text)))
    assert (place / "data" / "owncast.db").exists()


@pytest.mark.parametrize(("heading", "files"), [("A service of systemd", 2), ("Caddy", 1), ("nginx", 1)])
def test_files_are_put_where_they_are_told_to_lie(heading: str, files: int, tmp_path: Path) -> None:
    lines = [line for line in typed(heading) if line.startswith("install ")]
    assert len(lines) == files
    for line in lines:
        placed = re.sub(r"(\s)(/etc/)", rf"\1{tmp_path}\2", line)
        done = command("sh", "-c", placed, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        *_, source, target = line.split()
        there = Path(f"{tmp_path}{target}")
        assert there.read_bytes() == Path(ROOT / source).read_bytes()
        assert f"{there.stat().st_mode & 0o777:04o}" == line.split()[3]


def test_the_service_is_enabled_as_it_is_told(tmp_path: Path) -> None:
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        pytest.skip("There is no systemctl on this machine.")
    unit = tmp_path / "etc" / "systemd" / "system" / "owncast-py.service"
    unit.parent.mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "systemd" / "owncast-py.service", unit)
    (line,) = [line for line in typed("A service of systemd") if " enable " in line]
    words = line.replace(" --now", "").split()[1:]
    done = command(systemctl, f"--root={tmp_path}", *words)
    assert done.returncode == 0, done.stderr
    assert (unit.parent / "multi-user.target.wants" / unit.name).is_symlink()


def test_docker_understands_every_command(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("There is no docker on this machine.")
    # Where no engine is, the command line is understood first and the engine missed then.
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none", "DOCKER_CONFIG": str(tmp_path), "DOCKER_BUILDKIT": "0"}

    def said(line: str) -> str:
        return command(docker, *line.split()[1:], cwd=ROOT, **nowhere).stderr

    lines = typed("A container")
    assert len(lines) > 4
    for line in lines:
        assert f"{tmp_path}/none" in said(line), line
    assert f"{tmp_path}/none" not in said("docker run --publisch 8080:8080 owncast-py"), "a wrong option is seen"


def test_every_file_that_the_commands_name_is_there() -> None:
    lines = [line for heading in ("A service of systemd", "Caddy", "nginx") for line in typed(heading)]
    names = {word for line in lines for word in line.split() if word.startswith("deploy/")}
    assert len(names) == 3
    assert [name for name in names if not (ROOT / name).is_file()] == []
