"""Programs of the tests that use other projects' libraries, each set of libraries in a place of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rig import PATIENCE

HERE = Path(__file__).parent


def need(libraries: str, package: str) -> None:
    """Skips the test unless those libraries are there, for Python and (that package) for JavaScript."""
    if shutil.which("node") is None or not (HERE / f"{libraries}_js" / "node_modules" / package).is_dir():
        pytest.skip(f"The libraries {libraries} for JavaScript are not installed: `make test` does that.")
    if not _python(libraries).exists():
        pytest.skip(f"The libraries {libraries} for Python are not installed: `make test` does that.")


def script(libraries: str, name: str) -> list[str]:
    """How a program is started: its ending says in which language it is."""
    if name.endswith(".mjs"):
        return ["node", str(HERE / f"{libraries}_js" / name)]
    return [str(_python(libraries)), str(HERE / f"{libraries}_python" / name)]


def _python(libraries: str) -> Path:
    return Path(sys.prefix) / ".stamps" / f"{libraries}-python" / "bin" / "python"


@asynccontextmanager
async def program(command: list[str], **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running program; killed at the end, if it has not ended by then."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
        limit=1 << 22,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def says(process: asyncio.subprocess.Process) -> Any:
    """The next value that a program tells."""
    assert process.stdout is not None
    async with asyncio.timeout(2 * PATIENCE):
        line = await process.stdout.readline()
    assert line, "the program ended without a word"
    return json.loads(line)


async def tell(process: asyncio.subprocess.Process, line: str) -> None:
    """Writes a line for a program to read."""
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    await process.stdin.drain()
