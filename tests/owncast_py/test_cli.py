"""The command line, run as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

COMMAND = Path(sys.executable).with_name("owncast-py")


def run(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("OWNCAST_")}
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=directory,
        env={**surroundings, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_bad_settings_end_with_2_and_a_sentence_for_each(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("# mine\nhttp_port: 80800\nhtp_host: x\n")
    done = run(tmp_path, "serve", "--rtmp-port", "many", OWNCAST_LOG_FORMAT="xml", OWNCAST_STREAM_KEY="a secret")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "config.yaml line 2: http_port is 80800, but must be between 0 and 65535.",
        "--rtmp-port: rtmp_port is 'many', but must be a whole number.",
        "OWNCAST_STREAM_KEY in the environment: stream_key must not contain spaces or any of / ? & #, "
        "because encoders put it into an address.",
        "OWNCAST_LOG_FORMAT in the environment: log_format is 'xml', but must be 'text' or 'json'.",
        "config.yaml line 3: htp_host is not a setting. Did you mean http_host?",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_a_file_that_is_not_there_is_an_error_when_it_was_asked_for(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--config", "mine.yaml")
    assert done.returncode == 2
    assert done.stderr == "The configuration file mine.yaml does not exist; create it or leave out --config.\n"


def test_help_names_every_option(tmp_path: Path) -> None:
    text = run(tmp_path, "serve", "--help").stdout
    options = "config data-dir http-host http-port rtmp-host rtmp-port stream-key admin-password log-format"
    assert [option for option in options.split() if f"--{option}" not in text] == []
    assert run(tmp_path, "--version").stdout.startswith("owncast-py 0.")


def test_check_reports_and_ends_with_0_or_1(tmp_path: Path) -> None:
    (tmp_path / "not-a-directory").write_text("")
    good = run(tmp_path, "check", "--http-port", "0", "--rtmp-port", "0", "--data-dir", "data")
    assert good.returncode == 0, good.stdout + good.stderr
    assert good.stdout.splitlines()[-1] == "This machine can stream."
    assert "transcoded variants will use " in good.stdout
    bad = run(tmp_path, "check", "--http-port", "0", "--rtmp-port", "0", "--data-dir", "not-a-directory/x")
    assert bad.returncode == 1
    assert bad.stdout.splitlines()[-1] == "This machine is not ready: 1 problem above."
    assert "PROBLEM  data directory" in bad.stdout


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    wanted = '{"chat":["subscribe"]}'
    made = run(tmp_path, "keys", "create", "--data-dir", "data", "--name", "Overlay", "--capability", wanted)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.count("\n") == 1
    name, _, secret = made.stdout.strip().partition(":")
    assert name.startswith("owncast.")
    assert len(secret) == 43
    listed = run(tmp_path, "keys", "list", "--data-dir", "data").stdout
    assert all(each in listed for each in (name, "Overlay", wanted, "in use"))
    assert secret not in listed
    revoked = run(tmp_path, "keys", "revoke", "--data-dir", "data", made.stdout.strip())
    assert revoked.stdout == f"The key {name} is revoked, with all its tokens.\n"
    listed = run(tmp_path, "keys", "list", "--data-dir", "data").stdout
    assert ("revoked 2" in listed, "in use" in listed) == (True, False)


def test_keys_that_cannot_be_are_told_in_a_sentence(tmp_path: Path) -> None:
    for arguments, sentence in (
        (("create", "--capability", "x"), "The capability 'x' is not JSON; write it like"),
        (("revoke", "owncast.x:secret"), "There is no key 'owncast.x'."),
    ):
        done = run(tmp_path, "keys", *arguments, "--data-dir", "data")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(sentence)
        assert "secret" not in done.stderr
    assert run(tmp_path, "keys", "list", "--data-dir", "data").stdout.startswith("There is no key yet")


class Answering(BaseHTTPRequestHandler):
    """Another program on the port."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def test_health_tells_a_server_that_is_gone_and_another_program_apart(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Answering) as other:
        port = other.server_port
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        done = run(tmp_path, "health", OWNCAST_HTTP_PORT=str(port))
        other.shutdown()
        thread.join()
    assert (done.returncode, done.stdout) == (1, "")
    url = f"http://127.0.0.1:{port}/healthz"
    assert done.stderr == f"{url} answers with 404, not 200: is that another program? See who uses port {port}.\n"
    done = run(tmp_path, "health", "--http-host", "::", OWNCAST_HTTP_PORT=str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Nobody answers at http://[::1]:{port}/healthz: ")
    assert done.stderr.endswith("Start the server, or name its address with --http-host and --http-port.\n")
    assert list(tmp_path.iterdir()) == [], "a check leaves nothing behind"
