"""The secrets: made once, kept safely, compared rightly."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from owncast_py.config import Config
from owncast_py.credentials import load_credentials
from owncast_py.errors import CredentialsError


def first_start(config: Config) -> tuple[str, str]:
    """The stream key and the password that a person read in the box."""
    shown: list[str] = []
    load_credentials(config, shown.append)
    (box,) = shown
    words = box.split()
    return words[words.index("key:") + 1], words[words.index("password:") + 1]


def test_first_start_makes_shows_and_keeps_both(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path / "data")
    key, password = first_start(config)
    file = tmp_path / "data/credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert password.encode() not in file.read_bytes()
    kept = orjson.loads(file.read_bytes())
    assert kept["stream_keys"] == [[key, "made at the first start"]]
    assert kept["admin_password_hash"].startswith("$argon2id$")
    assert [path.name for path in file.parent.iterdir()] == ["credentials.json"]

    shown: list[str] = []
    again = load_credentials(config, shown.append)
    assert shown == []
    assert again.verify_stream_key(key)
    assert again.verify_admin_password(password)
    assert not again.verify_stream_key(password)
    assert not again.verify_admin_password(key)
    assert key not in repr(again)


def test_two_servers_make_different_secrets(tmp_path: Path) -> None:
    one = first_start(Config(data_dir=tmp_path / "one"))
    two = first_start(Config(data_dir=tmp_path / "two"))
    assert len({*one, *two}) == 4
    assert min(map(len, (*one, *two))) >= 20


def test_configured_secrets_win_and_are_not_stored(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path, stream_key=SecretStr("my-key"), admin_password=SecretStr("my-password"))
    shown: list[str] = []
    credentials = load_credentials(config, shown.append)
    assert shown == []
    assert list(tmp_path.iterdir()) == []
    assert credentials.verify_stream_key("my-key")
    assert credentials.verify_admin_password("my-password")


def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    shown: list[str] = []
    load_credentials(Config(data_dir=tmp_path, stream_key=SecretStr("my-key")), shown.append)
    assert "Admin password:" in shown[0]
    assert "Stream key" not in shown[0]
    assert set(orjson.loads((tmp_path / "credentials.json").read_bytes())) == {"admin_password_hash"}


@pytest.mark.parametrize("candidate", ["", "admin", "abc123", "\ud800", "\x00", "ключ", "k" * 100_000])
def test_no_other_secret_works(tmp_path: Path, candidate: str) -> None:
    credentials = load_credentials(Config(data_dir=tmp_path), lambda _: None)
    assert not credentials.verify_stream_key(candidate)
    assert not credentials.verify_admin_password(candidate)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"stream_key": 5}', b'{"stream_key": ""}', b'{"other": "x"}'])
def test_a_damaged_file_is_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "credentials.json").write_bytes(content)
    with pytest.raises(CredentialsError, match=r"credentials\.json are damaged; delete that file"):
        load_credentials(Config(data_dir=tmp_path), lambda _: None)
    assert (tmp_path / "credentials.json").read_bytes() == content


def test_a_file_that_others_could_read_is_closed(tmp_path: Path) -> None:
    load_credentials(Config(data_dir=tmp_path), lambda _: None)
    file = tmp_path / "credentials.json"
    file.chmod(0o644)
    load_credentials(Config(data_dir=tmp_path), lambda _: None)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_leftovers_of_a_crash_do_not_matter(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    os.symlink(target, tmp_path / "credentials.tmp")
    load_credentials(Config(data_dir=tmp_path), lambda _: None)
    assert not target.exists()


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    shown: list[str] = []
    with pytest.raises(CredentialsError, match="file"):
        load_credentials(Config(data_dir=blocker / "data"), shown.append)
    assert shown == []
