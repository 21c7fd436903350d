"""Dockerfile and compose.yaml, outside of a container: they are linted, and what they run is run, with other paths."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import boto3
import pytest
import yaml
from hosting import ROOT, command, copy_of_the_project
from moto_rig import s3_server
from rig import PASSTHROUGH, PASSWORD, ServerFactory, publishing, run, running, segments, settles

pytestmark = pytest.mark.e2e

Samples = Callable[[str], Path]

DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "compose.yaml"
PREPARE = ROOT / "deploy" / "store" / "prepare.py"
MAX_UNPACKED = 380 << 20
"""What our layers may hold, in octets on a disk; most of it is ffmpeg and what it decodes with."""


@dataclass(frozen=True)
class Instruction:
    """One instruction of the Dockerfile, its lines joined, with the name of its stage ("" for the last)."""

    stage: str
    word: str
    rest: str


def instructions() -> list[Instruction]:
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    found, stage = [], ""
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stage = rest.partition(" AS ")[2]
        if word:
            found.append(Instruction(stage, word, " ".join(rest.split())))
    return found


def the(word: str) -> str:
    """The last stage's only instruction of that name."""
    (found,) = (each.rest for each in instructions() if each.stage == "" and each.word == word)
    return found


def environment() -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in the("ENV").split())


class Image:
    """The stages, each built in a folder that stands for its root; packages are lent instead of fetched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.context = copy_of_the_project(folder / "context")
        self.stage = ""
        self.ran: list[str] = []

    @property
    def root(self) -> Path:
        """What is `/` to the stage that is built, at the end to the last."""
        return self.folder / (self.stage or "last")

    def place(self, text: str) -> str:
        """A command or a path with the image's places exchanged for those of the stage."""
        for path in ("/opt/owncast-py", "/src", "/tmp/wheel", "/data"):
            text = re.sub(rf"(?<![\w/.-]){path}(?![\w-])", f"{self.root}{path}", text)
        return text.replace("10001", str(os.getuid())).replace("python3.11", f"python3.{sys.version_info.minor}")

    def build(self) -> None:
        directories: dict[str, Path] = {}
        for each in instructions():
            self.stage = each.stage
            directory = directories.get(each.stage, self.root)
            if each.word == "FROM":
                base = each.rest.partition(" AS ")[0]
                if base in directories:
                    self.root.symlink_to(self.folder / base)  # Nobody needs the base any more as it was.
                    directories[each.stage] = directories[base]
                else:
                    (self.root / "opt").mkdir(parents=True)
            elif each.word == "WORKDIR":
                directories[each.stage] = Path(self.place(each.rest))
                directories[each.stage].mkdir(parents=True, exist_ok=True)
            elif each.word == "COPY":
                self.copy(each.rest.split(), directory)
            elif each.word == "RUN" and not each.rest.startswith("apt-get "):  # Debian's are here already.
                for step in each.rest.split(" && "):
                    self.step(step, directory)

    def copy(self, words: list[str], directory: Path) -> None:
        *sources, target = words
        to = Path(self.place(target)) if target.startswith("/") else directory / target
        if sources[0].startswith("--from="):
            (origin,) = sources[1:]
            there = self.folder / sources[0].partition("=")[2] / origin.lstrip("/")
            assert there.exists(), origin
            to = to / there.name if target.endswith("/") else to
            to.parent.mkdir(parents=True, exist_ok=True)
            to.symlink_to(there)
            return
        for source in sources:
            if (self.context / source).is_dir():
                shutil.copytree(self.context / source, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("dist"))
            else:
                assert target.endswith("/"), "a folder is named as one"
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.context / source, to)

    def step(self, step: str, directory: Path) -> None:
        placed = self.place(step)
        if step.startswith("npm ci"):
            done = command("sh", "-c", f"{placed} --dry-run --offline", cwd=directory)
            (directory / "node_modules").symlink_to(ROOT / "static" / "node_modules")
        else:
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            done = command("sh", "-c", placed, cwd=directory, PATH=path, PIP_NO_INDEX="1")
        assert done.returncode == 0, f"{placed}\n{done.stdout}{done.stderr}"
        self.ran.append(step)
        if " -m venv " in step:
            self.lend()

    def lend(self) -> None:
        """Copies the locked packages into the new environment, where pip then finds them."""
        (site,) = self.root.glob("opt/owncast-py/lib/python*/site-packages")
        for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE):
            try:
                files = distribution(name).files or []
            except ModuleNotFoundError:
                continue  # For another system.
            for file in files:
                origin = Path(str(file.locate()))
                if ".." not in file.parts and origin.is_file():
                    (site / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(origin, site / file)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if not (ROOT / "static" / "node_modules").is_dir():
        pytest.skip("The pages' packages are not installed: `make setup` does that.")
    made = Image(tmp_path_factory.mktemp("image"))
    try:
        made.build()
        yield made
    finally:
        shutil.rmtree(made.folder)


async def test_what_the_image_holds_serves_a_broadcast_and_its_health_check_says_so(
    image: Image, samples: Samples
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    own = {name: image.place(value) for name, value in environment().items()}
    own["PATH"] = own["PATH"].partition(":")[0]
    own |= {"OWNCAST_HTTP_HOST": "127.0.0.1", "OWNCAST_RTMP_HOST": "127.0.0.1", "PYTHONPATH": ""}
    own |= {"OWNCAST_HTTP_PORT": port, "OWNCAST_RTMP_PORT": "0"}
    start = [*json.loads(the("ENTRYPOINT")), *json.loads(the("CMD"))]
    start[0] = str(image.root / "opt/owncast-py/bin" / start[0])
    data = Path(image.place(the("VOLUME")))
    assert data.stat().st_mode & 0o777 == 0o700
    health = [word.strip('", ') for word in re.findall(r'"[^"]+"', the("HEALTHCHECK").partition("CMD ")[2])]
    health[0] = str(image.root / "opt/owncast-py/bin" / health[0])
    assert command(*health, **own).returncode == 1, "before the start it is not healthy"
    async with running(start, data, cwd=data, **own) as server:
        done = command(*health, **own)
        assert (done.returncode, done.stdout) == (0, f"http://127.0.0.1:{port}/healthz answers.\n")
        assert "<script" in await server.text("/")
        async with publishing(server, samples("plain.flv"), key=server.made("Stream key")):
            await server.playlist(0, lambda text: bool(segments(text)))
    assert (data / "owncast.db").exists()
    assert server.process.returncode == 0


def test_what_the_image_holds_is_small(image: Image) -> None:
    inside = [
        path
        for path in (image.root / "opt/owncast-py").resolve().rglob("*")
        if path.is_file() and not path.is_symlink()
    ]
    assert sum(path.stat().st_size for path in inside) < MAX_UNPACKED
    names = {path.name for path in (image.root / "opt/owncast-py").glob("lib/*/site-packages/*")}
    assert not names & {"pip", "setuptools", "hatchling", "pytest"}
    assert {"web", "owncast_py", "av", "aiohttp"} <= names


def test_every_command_of_the_dockerfile_was_run(image: Image) -> None:
    wanted = [step for each in instructions() if each.word == "RUN" and not each.rest.startswith("apt-get ")
              for step in each.rest.split(" && ")]  # fmt: skip
    assert image.ran == wanted
    assert len(wanted) > 8


def test_the_dockerfile_is_clean() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("There is no hadolint for this machine.")
    done = subprocess.run([linter, "--no-color", DOCKERFILE], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    bad = subprocess.run([linter, "-"], input="FROM x\nRUN cd /\n", capture_output=True, text=True, check=False)
    assert bad.returncode != 0, "it finds faults"


def test_the_image_is_nobody_s_and_tells_what_it_needs() -> None:
    user, _, group = the("USER").partition(":")
    assert (int(user) >= 10_000, int(group) >= 10_000) == (True, True)
    settings = environment()
    assert the("EXPOSE").split() == [settings["OWNCAST_HTTP_PORT"], settings["OWNCAST_RTMP_PORT"]]
    assert the("VOLUME") == settings["OWNCAST_DATA_DIR"] == the("WORKDIR")
    assert the("STOPSIGNAL") == "SIGTERM"


def test_only_what_the_image_is_built_of_is_sent_to_the_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {source.partition("/")[0] for each in instructions() if each.word == "COPY" and "--from" not in each.rest
              for source in each.rest.split()[:-1]}  # fmt: skip
    assert allowed == copied


def test_the_compose_file_is_one_and_every_variable_has_a_default_and_is_documented(tmp_path: Path) -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = command(checker, "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert done.returncode == 0, done.stdout
    (tmp_path / "bad.yaml").write_text(COMPOSE.read_text().replace("restart: unless", "restrat: unless"))
    assert command(checker, "--builtin-schema", "vendor.compose-spec", tmp_path / "bad.yaml").returncode == 1
    text = re.sub(r"^\s*#.*$", "", COMPOSE.read_text(), flags=re.MULTILINE).replace("$$", "")
    variables = set(re.findall(r"\$\{?(\w+)", text))
    assert len(variables) > 6
    assert variables == set(re.findall(r"\$\{(\w+):-[^}]*\}", text)), "each has a default"
    documented = (ROOT / "docs" / "deployment.md").read_text()
    assert {name for name in variables if f"`{name}`" not in documented} == set()


def test_compose_mounts_what_is_there_and_trusts_caddy_alone() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    mounts = [mount for each in services.values() for mount in each["volumes"] if mount.startswith("./")]
    assert len(mounts) == 3
    assert [mount for mount in mounts if not (ROOT / mount.partition(":")[0]).is_file()] == []
    trusted = services["owncast"]["environment"]["OWNCAST_TRUSTED_PROXIES"].split(",")
    assert trusted == ["127.0.0.0/8", services["caddy"]["networks"]["inside"]["ipv4_address"] + "/32"]
    assert [name for name, each in services.items() if not each.get("profiles")] == ["owncast"]
    pinned = {each["image"] for each in services.values()} - {"owncast-py"}
    assert [name for name in pinned if ":" not in name or name.endswith(":latest")] == []


def test_the_store_of_compose_does_not_start_without_a_secret(tmp_path: Path) -> None:
    store = yaml.safe_load(COMPOSE.read_text())["services"]["store"]
    script = store["command"][0].replace("$$", "$")
    (tmp_path / "minio").write_text('#!/bin/sh\necho "started with $MINIO_ROOT_PASSWORD: $*"\n')
    (tmp_path / "minio").chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    refused = command(*store["entrypoint"], script, PATH=path, MINIO_ROOT_PASSWORD="")
    assert refused.returncode != 0
    assert "Set STORE_SECRET_KEY" in refused.stderr
    taken = command(*store["entrypoint"], script, PATH=path, MINIO_ROOT_PASSWORD="s3cret-s3cret")
    assert taken.stdout == "started with s3cret-s3cret: server /data\n"


async def test_the_store_is_prepared_and_players_are_sent_there(start: ServerFactory, samples: Samples) -> None:
    store, endpoint = s3_server()
    access = {"STORE_ENDPOINT": endpoint, "STORE_ACCESS_KEY": "owncast", "STORE_SECRET_KEY": "s3cret-s3cret"}
    wanted = {**access, "STORE_BUCKET": "tea", "STORE_ADDRESS": f"{endpoint}/tea"}
    try:
        async with start(config=PASSTHROUGH + "notifications: {allow_private_targets: true}\n") as server:
            words = {**wanted, "OWNCAST_URL": server.http, "OWNCAST_ADMIN_PASSWORD": PASSWORD}
            prepare = ["env", *(f"{name}={value}" for name, value in words.items()), sys.executable, str(PREPARE)]
            for _ in range(2):
                code, said = await run(*prepare)
                assert (code, said) == (0, f"Players find the bucket at {endpoint}/tea; the next broadcast uses it.\n")
            async with publishing(server, samples("plain.flv")):
                sent = await settles(lambda: server.sent(0), bool, "players are sent to the store")
            (address, *_) = sent.values()
            assert address.startswith(f"{endpoint}/tea/hls/")
            async with server.session.get(address, headers={"Origin": "https://elsewhere.example"}) as answer:
                assert (answer.status, len(await answer.read()) > 1000) == (200, True)
            wrong = [word.replace(PASSWORD, "wrong") for word in prepare]
            code, said = await run(*wrong)
            assert code == 1
            assert said.startswith(f"The server at {server.http} answers 401, ")
        client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        (rule,) = client.get_bucket_cors(Bucket="tea")["CORSRules"]
        assert (rule["AllowedOrigins"], rule["AllowedMethods"]) == (["*"], ["GET", "HEAD"])
        (reading,) = json.loads(client.get_bucket_policy(Bucket="tea")["Policy"])["Statement"]
        assert (reading["Action"], reading["Resource"]) == (["s3:GetObject"], ["arn:aws:s3:::tea/hls/*"])
    finally:
        store.stop()


def test_a_store_that_cannot_be_prepared_is_told_in_a_sentence() -> None:
    done = command(sys.executable, PREPARE, STORE_ENDPOINT="http://127.0.0.1:9", STORE_SECRET_KEY="")
    assert done.returncode == 1
    assert done.stderr.startswith("The store is not prepared: set STORE_ACCESS_KEY and STORE_SECRET_KEY and ")
    assert "Traceback" not in done.stderr
