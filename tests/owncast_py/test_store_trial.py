"""A trial of the store: what it says of what a viewer would meet, and that it never takes long."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from owncast_py.errors import SettingError
from owncast_py.setting_groups import StorageSettings
from owncast_py.store_trial import VIEWER, Step, StoreTrial

ORIGIN = "https://tea.example"
OPEN = {"Access-Control-Allow-Origin": "*"}
STORAGE = StorageSettings(endpoint="https://s3.example", bucket="tea", secret="quite-secret")


@dataclass
class Bucket:
    """A store in memory, whose objects are found below `address`."""

    address: str
    found: dict[str, bytes] = field(default_factory=dict)
    refuses: dict[str, str] = field(default_factory=dict)
    hangs: threading.Event | None = None
    written: list[str] = field(default_factory=list)

    def put(self, name: str, body: bytes) -> str:
        if self.hangs is not None:
            self.hangs.wait(60)
        if "put" in self.refuses:
            raise OSError(self.refuses["put"])
        self.found[name] = body
        self.written.append(name)
        return f"{self.address}/{name}"

    def delete(self, name: str) -> None:
        if "delete" in self.refuses:
            raise OSError(self.refuses["delete"])
        del self.found[name]


@contextmanager
def trial_of(bucket: Bucket, **options: float) -> Iterator[StoreTrial]:
    trial = StoreTrial(lambda _storage: bucket, **options)
    try:
        yield trial
    finally:
        trial.aclose()


async def tried(bucket: Bucket, origin: str = ORIGIN, **options: float) -> list[Step]:
    with trial_of(bucket, **options) as trial:
        return await trial.run(STORAGE, origin)


@asynccontextmanager
async def viewed(handler: object, **options: object) -> AsyncIterator[str]:
    """The address of a server of viewers that answers so."""
    application = web.Application()
    application.router.add_get("/{path:.*}", handler)  # type: ignore[arg-type]
    server = TestServer(application)
    await server.start_server(**options)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


def went(steps: list[Step]) -> list[tuple[str, bool]]:
    return [(step.name, step.ok) for step in steps]


async def test_what_is_written_is_read_as_a_page_would_and_deleted() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers["Origin"])
        return web.Response(body=bucket.found[request.path.removeprefix("/")], headers=OPEN)

    bucket = Bucket("")
    async with viewed(answer) as bucket.address:
        steps = await tried(bucket)
        assert went(steps) == [("write", True), ("read", True), ("cors", True), ("delete", True)]
        assert bucket.address in steps[1].message
        await tried(bucket, "")
    assert asked == [ORIGIN, VIEWER]
    assert bucket.found == {}
    assert len(set(bucket.written)) == 2, "no two trials meet"


@pytest.mark.parametrize(
    ("status", "body", "headers", "sentence"),
    [
        (
            403,
            b"",
            OPEN,
            "it answers 403, so objects are not public. Set the ACL to public-read, or let everybody read",
        ),
        (404, b"", OPEN, "it answers 404, so what is written does not appear there. Check that the serving endpoint"),
        (200, b"a page", OPEN, "answers with something else than was written: it serves another bucket, or a page."),
        (502, b"", OPEN, "it answers 502, so what stands there is out of order or cannot reach the store."),
        (400, b"", OPEN, "it answers 400. Check the serving endpoint, and whether the bucket belongs into the path."),
        (302, b"", {"Location": "/again"}, "it redirects more than 3 times."),
    ],
)
async def test_what_viewers_cannot_read_is_said_in_a_sentence(
    status: int, body: bytes, headers: dict[str, str], sentence: str
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    bucket = Bucket("")
    async with viewed(answer) as bucket.address:
        steps = await tried(bucket)
    assert went(steps) == [("write", True), ("read", False), ("delete", True)]
    assert sentence in steps[1].message
    assert bucket.found == {}, "it is deleted whatever viewers met"


@pytest.mark.parametrize("allowed", ["", "https://other.example"])
async def test_missing_cors_is_said_in_a_sentence(allowed: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        headers = {"Access-Control-Allow-Origin": allowed} if allowed else {}
        return web.Response(body=bucket.found[request.path.removeprefix("/")], headers=headers)

    bucket = Bucket("")
    async with viewed(answer) as bucket.address:
        steps = await tried(bucket)
    assert went(steps) == [("write", True), ("read", True), ("cors", False), ("delete", True)]
    assert f"do not let pages of {ORIGIN} read" in steps[2].message
    assert (repr(allowed) if allowed else "is missing") in steps[2].message


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=OPEN)
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    bucket = Bucket("")
    async with viewed(answer) as bucket.address:
        steps = await tried(bucket)
    assert "something else than was written" in steps[1].message


async def test_an_address_that_hangs_costs_one_step_and_no_more() -> None:
    waiting = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        await waiting.wait()
        return web.Response()

    bucket = Bucket("")
    async with viewed(answer) as bucket.address:
        steps = await tried(bucket, step_seconds=0.2)
        waiting.set()
    assert went(steps) == [("write", True), ("read", False), ("delete", True)]
    assert "there was no answer within 0.2 s." in steps[1].message


async def test_a_store_that_hangs_costs_one_step_and_a_second_trial_is_refused_meanwhile() -> None:
    bucket = Bucket("", hangs=threading.Event())
    with trial_of(bucket, step_seconds=0.5) as trial:
        first = asyncio.create_task(trial.run(STORAGE))
        await asyncio.sleep(0)
        with pytest.raises(SettingError, match="A trial of the store is running already"):
            await trial.run(STORAGE)
        [step] = await first
        assert (step.name, step.ok) == ("write", False)
        assert "there was no answer within 0.5 s." in step.message
        assert bucket.hangs is not None
        bucket.hangs.set()
        assert (await trial.run(STORAGE))[0].ok, "afterwards there may be another"


async def test_what_the_store_refuses_is_told_without_the_secret() -> None:
    refusal = "it answers 403 SignatureDoesNotMatch: the secret is not the access key's."
    [step] = await tried(Bucket("", refuses={"put": refusal}))
    assert step.message == f"Nothing can be written to the store at https://s3.example: {refusal}"
    assert "quite-secret" not in step.message


async def test_what_cannot_be_deleted_is_said() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=bucket.found[request.path.removeprefix("/")], headers=OPEN)

    bucket = Bucket("", refuses={"delete": "it answers 403 AccessDenied: the access key may not do this."})
    async with viewed(answer) as bucket.address:
        steps = await tried(bucket)
    assert went(steps)[-1] == ("delete", False)
    assert steps[-1].message.startswith("What was written cannot be deleted: it answers 403 AccessDenied")


async def test_an_address_that_is_not_there_is_said_to_be() -> None:
    steps = await tried(Bucket(f"http://127.0.0.1:{unused_port()}"))
    assert "no connection could be made" in steps[1].message
    steps = await tried(Bucket("http://cdn.invalid"))
    assert "the name cdn.invalid is not found; check the serving endpoint." in steps[1].message


async def test_a_certificate_that_is_not_valid_is_said_to_be(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    files = ["-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(
        subprocess.run,
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", *files],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(headers=OPEN)

    async with viewed(answer, ssl=context) as address:
        secure = address.replace("http:", "https:")
        assert "its certificate is not valid for that name: " in (await tried(Bucket(secure)))[1].message
    async with viewed(answer) as address:
        plain = address.replace("http:", "https:")
        assert "it does not speak TLS on that port" in (await tried(Bucket(plain)))[1].message
