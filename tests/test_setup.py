"""What a newcomer meets first: the lock files, the commands, the documents' links, the import rules."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = [path for name in ("requirements.lock", "requirements-dev.lock", "static/package-lock.json",
                           "tests/e2e/ably_python/requirements.lock", "tests/e2e/ably_js/package-lock.json",
                           "tests/e2e/matrix_python/requirements.lock", "tests/e2e/matrix_js/package-lock.json",
                           "tests/e2e/swift_python/requirements.lock")
         if (path := ROOT / name).exists()]  # fmt: skip
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_lock_files_hold_no_addresses(lock: Path) -> None:
    assert [line for line in lock.read_text().splitlines() if "://" in line] == []


@pytest.mark.parametrize("lock", [path for path in LOCKS if path.suffix == ".lock"], ids=lambda path: path.name)
def test_every_locked_package_has_a_hash(lock: Path) -> None:
    entries = re.split(r"^(?=\S)", lock.read_text().replace("\\\n", " "), flags=re.MULTILINE)
    packages = [entry for entry in entries if "==" in entry]
    assert len(packages) > 10
    assert [entry for entry in packages if "--hash=sha256:" not in entry] == []


def headings(document: Path) -> set[str]:
    """The anchors of a document, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_between_documents_resolves(document: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        other = (document.parent / name).resolve() if name else document
        if not other.exists() or (anchor and anchor not in headings(other)):
            broken.append(target)
    assert broken == []


def test_every_page_of_the_documentation_is_reachable_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [path.name for path in (ROOT / "docs").glob("*.md") if f"(docs/{path.name})" not in readme] == []


def test_the_readme_names_the_two_commands_and_ci_runs_one_of_them() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "```\nmake run\n```" in readme
    assert "```\nmake test\n```" in readme
    assert "\nmake test\n" in (ROOT / ".ci/run").read_text()
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_import_rules_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_an_old_python_is_refused_with_a_sentence(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert f"owncast-py needs Python 3.11 or later, but '{old}' is Python 3.9.2." in done.stderr
    assert not (tmp_path / ".venv").exists()
