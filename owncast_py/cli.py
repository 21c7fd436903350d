"""The command line: `owncast-py serve`, `check`, `health`, `chat`, `keys`, `backup`, `restore` and `import-owncast`.

Owns options, exit codes (0 well, 1 the machine has a problem, 2 settings or secrets cannot be used) and what is
printed to a person. The server itself is `owncast_py.app`, imported only once a command needs it, so that a wrong
option is answered at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import TypeVar

import click

from owncast_py import logs
from owncast_py.backup.commands import backup_command, restore_command
from owncast_py.backup.lock import hold
from owncast_py.check import check_machine
from owncast_py.config import Config
from owncast_py.config_sources import load
from owncast_py.credentials import load_credentials
from owncast_py.errors import OwncastError
from owncast_py.recent_logs import RecentLogs

EXIT_PROBLEM = 1
EXIT_UNUSABLE = 2

SHARED = (
    *("data_dir", "http_host", "http_port", "rtmp_host", "rtmp_port", "stream_key", "admin_password"),
    "log_format",
)
"""Options that are settings."""

T = TypeVar("T")


def _settings(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options that every one shares, and hands it the configuration they lead to, then its own."""

    @click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML file; else ./config.yaml.")
    @click.option("--data-dir", type=str, help="Where secrets and segments are kept.")
    @click.option("--http-host", type=str, help="Address that viewers' browsers reach.")
    @click.option("--http-port", type=str, help="Port for viewers.")
    @click.option("--rtmp-host", type=str, help="Address that encoders reach.")
    @click.option("--rtmp-port", type=str, help="Port for encoders.")
    @click.option("--stream-key", type=str, help="Better in the environment: other users can see options.")
    @click.option("--admin-password", type=str, help="Better in the environment: other users can see options.")
    @click.option("--log-format", type=str, help="text or json.")
    @wraps(command)
    def run(config_file: Path | None, **options: object) -> None:
        try:
            given = {name: options.pop(name) for name in SHARED}
            flags = {name: value for name, value in given.items() if value is not None}
            command(load(config_file, flags), **options)
        except OwncastError as error:
            for line in str(error).splitlines():
                click.echo(line, err=True)
            raise SystemExit(EXIT_UNUSABLE) from None

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="owncast-py", message="%(prog)s %(version)s")
def main() -> None:
    """Self-hosted live streaming. Every option is also a setting: see docs/configuration.md."""


@main.command()
@_settings
def serve(config: Config) -> None:
    """Start the server; Ctrl-C or SIGTERM ends it."""
    from owncast_py.app import run

    with hold(config.data_dir):
        credentials = load_credentials(config, click.echo)
        given = (config.stream_key, config.admin_password, config.notifications.smtp.password)
        secrets = credentials.secrets + [secret.get_secret_value() for secret in given if secret is not None]
        recent = RecentLogs()
        logs.configure(config.log_format, config.log_level, secrets, recent=recent)
        _run(run(config, credentials, recent))


@main.command()
@_settings
def check(config: Config) -> None:
    """Say in plain words whether this machine can stream."""
    from owncast_py.app import probe_machine

    logs.configure(config.log_format, "error")
    findings = _run(check_machine(config, probe_machine))
    for finding in findings:
        click.echo(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.text}")
    problems = sum(not finding.ok for finding in findings)
    if problems:
        click.echo(f"\nThis machine is not ready: {problems} problem{'s' if problems > 1 else ''} above.")
        raise SystemExit(EXIT_PROBLEM)
    click.echo("\nThis machine can stream.")


@main.command()
@_settings
def health(config: Config) -> None:
    """Ask the server that runs on this machine whether it lives: 0 when it does, 1 when not."""
    from owncast_py.health import ask

    try:
        click.echo(f"{ask(config)} answers.")
    except OwncastError as error:
        click.echo(str(error), err=True)
        raise SystemExit(EXIT_PROBLEM) from None


@main.command()
@click.option("--to", type=click.Path(path_type=Path), help="The file to write, or a directory for it.")
@_settings
def backup(config: Config, to: Path | None) -> None:
    """Copy the database, the secrets, the emoji and the logo into one file, also while the server runs."""
    backup_command(config, to, click.echo)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask whether that is wanted.")
@_settings
def restore(config: Config, file: Path, yes: bool) -> None:
    """Take a backup back. What was there before is kept beside it; the server must not run."""
    restore_command(config, file, click.echo, lambda question: yes or click.confirm(question))


@main.command("import-owncast")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would be taken, also while the server runs.")
@click.option("--replace", is_flag=True, help="Delete this server's users, chat and settings first, after a backup.")
@click.option("--keep-messages", is_flag=True, help="Keep messages of chat for ever, so that old ones stay.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@_settings
def import_owncast(
    config: Config, path: Path, dry_run: bool, replace: bool, keep_messages: bool, as_json: bool
) -> None:
    """Take over the Owncast whose owncast.db or data directory is PATH. It is only read.

    The server must not run. Begun again, an import goes on where it was broken off, and adds what is new.
    """
    from owncast_py.importing.commands import import_command
    from owncast_py.importing.takeover import Wishes

    logs.configure(config.log_format, "error")
    wishes = Wishes(replace=replace, keep_messages=keep_messages)
    import_command(config, path, wishes, dry_run=dry_run, as_json=as_json, echo=click.echo, progress=sys.stderr)


@main.group()
def keys() -> None:
    """Keys for programs that use channels: overlays, games, second screens."""


@keys.command("create")
@click.option("--name", default="", help="What you call it.")
@click.option("--capability", help="What it may do, as JSON; everything.")
@_settings
def create_key(config: Config, name: str, capability: str | None) -> None:
    """Make a key and print it, also while the server runs. It is not shown again."""
    from owncast_py.realtime.commands import create_command

    logs.configure(config.log_format, "error")
    _run(create_command(config, name, capability, click.echo))


@keys.command("list")
@_settings
def list_keys(config: Config) -> None:
    """Show every key and what it may do, without its secret."""
    from owncast_py.realtime.commands import list_command

    logs.configure(config.log_format, "error")
    _run(list_command(config, click.echo))


@keys.command("revoke")
@click.argument("key")
@_settings
def revoke_key(config: Config, key: str) -> None:
    """Revoke KEY, named as in the list. What uses it or its tokens is cut off."""
    from owncast_py.realtime.commands import revoke_command

    logs.configure(config.log_format, "error")
    _run(revoke_command(config, key, click.echo))


@main.command()
def openapi() -> None:
    """Print the OpenAPI document of the HTTP API, for programs that generate clients from it."""
    from owncast_py.app.describe import describe

    click.echo(describe())


@main.command()
@click.argument("url")
@click.option("--token", envvar="OWNCAST_CHAT_TOKEN", help="Whose access token; without one you are somebody new.")
def chat(url: str, token: str | None) -> None:
    """Read and write the chat of the server at URL, such as http://localhost:8080.

    Lines of standard input are sent. /name NEW takes another name, /quit ends.
    """
    from owncast_py import chat_client

    try:
        _run(
            chat_client.chat(
                url, token, chat_client.lines_of(sys.stdin), click.echo, lambda text: click.echo(text, err=True)
            )
        )
    except KeyboardInterrupt:
        pass
    except OwncastError as error:
        click.echo(str(error), err=True)
        raise SystemExit(EXIT_PROBLEM) from None


def _run(coroutine: Coroutine[object, object, T]) -> T:
    """Runs to the end on the fastest event loop that is installed."""
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop as loop_factory
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(coroutine)
