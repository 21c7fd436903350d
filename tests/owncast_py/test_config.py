"""The settings: defaults, sources and their order, and the sentences that refuse what is wrong."""

from __future__ import annotations

import contextlib
import re
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.config import Config, is_loopback
from owncast_py.config_sources import MAX_FILE_BYTES, environment_name, load, setting_paths
from owncast_py.errors import ConfigError
from owncast_py.setting_groups import Variant

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def empty_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in setting_paths():
        monkeypatch.delenv(environment_name(path), raising=False)


def write(text: str) -> Path:
    path = Path("config.yaml")
    path.write_text(text)
    return path


def faults_of(text: str, **flags: object) -> list[str]:
    write(text)
    with pytest.raises(ConfigError) as caught:
        load(None, flags)
    return list(caught.value.faults)


def test_nothing_given_means_the_defaults() -> None:
    config = load(None, {})
    assert config == Config()
    assert (config.http_port, config.rtmp_port, config.stream.reconnect_grace) == (8080, 1935, 60.0)
    assert config.stream_key is None
    assert config.admin_password is None
    assert not config.rtmps.enabled


def test_command_line_wins_over_environment_over_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write("http_port: 1001\nrtmp_port: 1002\nname: file\nstream:\n  latency_level: 1\n  reconnect_grace: 7\n")
    monkeypatch.setenv("OWNCAST_HTTP_PORT", "2001")
    monkeypatch.setenv("OWNCAST_RTMP_PORT", "2002")
    monkeypatch.setenv("OWNCAST_STREAM__LATENCY_LEVEL", "3")
    config = load(None, {"http_port": "3001"})
    assert (config.http_port, config.rtmp_port, config.name) == (3001, 2002, "file")
    assert (config.stream.latency_level, config.stream.reconnect_grace) == (3, 7.0)


def test_constructing_a_config_reads_nothing_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNCAST_HTTP_PORT", "2001")
    assert Config().http_port == 8080


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNCAST_STREAM_KEY", "")
    assert load(None, {}).stream_key is None


def test_lists_in_the_environment_are_words_or_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNCAST_TAGS", "music, games")
    monkeypatch.setenv("OWNCAST_TRUSTED_PROXIES", '["10.0.0.0/8"]')
    config = load(None, {})
    assert config.tags == ("music", "games")
    assert config.trusted_proxies == (IPv4Network("10.0.0.0/8"),)


def test_variants_take_both_spellings(monkeypatch: pytest.MonkeyPatch) -> None:
    write("stream:\n  variants:\n    - {name: a, video_bitrate: 900}\n    - {name: b, scaledHeight: 480}\n")
    assert load(None, {}).stream.variants == (
        Variant(name="a", video_bitrate=900),
        Variant(name="b", scaled_height=480),
    )
    monkeypatch.setenv("OWNCAST_STREAM__VARIANTS", '[{"videoPassthrough": true}]')
    assert load(None, {}).stream.variants == (Variant(video_passthrough=True),)


def test_a_key_of_digits_stays_as_it_is_written() -> None:
    write("stream_key: 00123\n")
    key = load(None, {}).stream_key
    assert key is not None
    assert key.get_secret_value() == "00123"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\nhttp_port: 80800", "config.yaml line 2: http_port is 80800, but must be between 0 and 65535."),
        ("htp_port: 1", "config.yaml line 1: htp_port is not a setting. Did you mean http_port?"),
        ("http_port: 1\nhttp_port: 1", "config.yaml line 2: http_port is already set above; keep one of the two."),
        ("http_port: no", "config.yaml line 1: http_port is False, but must be a whole number."),
        (
            "stream:\n\n  latency: 2",
            "config.yaml line 3: stream.latency is not a setting. Did you mean latency_level?",
        ),
        (
            "stream:\n  variants:\n    - name: x\n      scaledWidth: -4",
            "config.yaml line 4: stream.variants[0].scaledWidth is -4, but must be between 0 and 8192.",
        ),
        (
            "rtmps: {key: k.pem}",
            "config.yaml line 1: rtmps needs both certificate and key, but certificate is missing.",
        ),
        (
            "log_level: loud",
            "config.yaml line 1: log_level is 'loud', but must be 'debug', 'info', 'warning' or 'error'.",
        ),
        (
            "trusted_proxies: [here]",
            "config.yaml line 1: trusted_proxies[0] is 'here', but must be a network, such as 10.0.0.0/8.",
        ),
        ("a: &x 1\nb: *x", "config.yaml line 2 uses the alias *x; write the value out instead."),
        ("- 1", "config.yaml line 1 must be a setting, written 'name: value'."),
        ("? [a]\n: 1", "config.yaml line 1: a setting's name must be a plain word."),
    ],
)
def test_what_is_wrong_is_refused_with_place_value_and_fix(text: str, sentence: str) -> None:
    assert faults_of(text) == [sentence]


def test_every_fault_is_told_at_once() -> None:
    faults = faults_of("http_port: x\nnope: 1\nhls: {disk: 4}", rtmp_port="-1")
    assert faults == [
        "config.yaml line 1: http_port is 'x', but must be a whole number.",
        "--rtmp-port: rtmp_port is '-1', but must be between 0 and 65535.",
        "config.yaml line 3: hls.disk is 4, but must be true or false.",
        "config.yaml line 2: nope is not a setting. docs/configuration.md lists them all.",
    ]


def test_unknown_variables_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNCAST_STREAM__VARIENTS", "auto")
    assert faults_of("") == [
        "OWNCAST_STREAM__VARIENTS in the environment is not a setting. Did you mean OWNCAST_STREAM__VARIANTS?"
    ]


def test_variables_of_the_chat_command_and_of_tests_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNCAST_CHAT_TOKEN", "x")
    monkeypatch.setenv("OWNCAST_TEST_POSTGRES_URL", "x")
    assert load(None, {}) == Config()


def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNCAST_STREAM__VARIANTS", "[{")
    (fault,) = faults_of("stream: {variants: auto}")
    assert fault.startswith(
        "OWNCAST_STREAM__VARIANTS in the environment: stream.variants is '[{', but must be auto or a JSON list of"
    )


def test_no_fault_repeats_a_secret() -> None:
    for text in ("stream_key: top/secret", "stream_key: [topsecret]", "admin_password: {topsecret: 1}"):
        assert "secret" not in " ".join(faults_of(text)).replace("admin_password.topsecret", "")
    assert "topsecret" not in " ".join(faults_of("", stream_key="topsecret topsecret"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml does not exist; create it or leave out --config"):
        load(Path("absent.yaml"), {})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {})
    big = write("#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match=f"over {MAX_FILE_BYTES} bytes"):
        load(big, {})


def test_endless_nesting_is_refused() -> None:
    faults = faults_of("tags: " + "[" * 40 + "]" * 40)
    assert faults == ["config.yaml line 1 is nested deeper than 16 levels."]


def test_a_store_is_whole_or_refused_and_its_secret_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    store = "storage: {s3: {enabled: true, endpoint: 'https://s3.example', region: 1, bucket: 0077, access_key: 12}}"
    assert faults_of(store) == ["config.yaml line 1: storage.s3 needs secret when it is enabled."]
    monkeypatch.setenv("OWNCAST_STORAGE__S3__SECRET", "quite-secret")
    config = load(None, {})
    found = config.storage.s3
    assert (found.region, found.bucket, found.access_key) == ("1", "0077", "12"), "what looks like a number is text"
    assert found.secret is not None
    assert found.secret.get_secret_value() == "quite-secret"
    assert "quite-secret" not in repr(config)
    insisted = [name for name in type(found).model_fields if config.insists_on("storage.s3", name)]
    assert insisted == ["secret"], "the file does not insist"
    monkeypatch.setenv("OWNCAST_STORAGE__S3__SECRET", "quite-secret" * 20)
    [fault] = faults_of(store)
    assert fault.endswith("storage.s3.secret must have 1 to 200 characters.")


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_no_file_raises_anything_but_our_own_error(content: bytes) -> None:
    path = Path("config.yaml")
    path.write_bytes(content)
    with contextlib.suppress(ConfigError):
        assert isinstance(load(path, {}), Config)


def shipped() -> dict[str, object]:
    document = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert isinstance(document, dict)
    return document


def flattened(document: dict[str, object], prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name, value in document.items():
        found |= flattened(value, (*prefix, name)) if isinstance(value, dict) else {(*prefix, name)}
    return found


def test_the_shipped_file_names_every_setting_with_its_default() -> None:
    assert flattened(shipped()) == set(setting_paths())
    assert load(ROOT / "config.yaml", {}) == Config()


def test_every_setting_is_documented_with_variable_and_default() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|", (ROOT / "docs/configuration.md").read_text(), re.M)
    documented = {name: (variable, yaml.safe_load(default)) for name, variable, default in rows}
    expected: dict[str, tuple[str, object]] = {}
    for path in setting_paths():
        value: object = shipped()
        for name in path:
            assert isinstance(value, dict)
            value = value[name]
        expected[".".join(path)] = (environment_name(path), value)
    assert documented == expected


def test_every_field_of_a_variant_is_documented() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    assert [name for name in Variant.model_fields if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_who_listens_for_this_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


def test_messages_are_kept_for_as_long_as_clients_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNCAST_CHANNELS__KEPT_HOURS", "1")
    assert load(None, {}).channels.kept_hours == 1
    monkeypatch.delenv("OWNCAST_CHANNELS__KEPT_HOURS")
    [fault] = faults_of("channels: {kept_hours: 0.5}")
    assert fault.startswith("config.yaml line 1: channels.kept_hours is 0.5, but must be")
