"""Fan-out of chat: one message to 2,000 sockets, deliveries per CPU-second and latency, beside nchan.

The real server, with everything that a message goes through: the bot's socket, the rules, the database, the frame. At
10 messages a second each goes out by itself; at 100 a second the server joins what is due. nchan is nginx's module for
the same; it keeps messages in memory only and renders nothing.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import NamedTuple, Self

import crowd
from harness import BenchError, Server, cpu_seconds, end, free_ports, until
from report import Verdict, show, spread

SOCKETS = 2_000
RATES = ((10, 130_000.0), (100, 1_000_000.0))
"""Messages a second, and the deliveries per CPU-second to reach."""
P99_MS = 40.0
SECONDS = 8
MESSAGE_BYTES = 300
"""Of nchan's messages. Ours are as long as Owncast's JSON makes them: about 430 octets for a short line."""
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


class FanOut(NamedTuple):
    """Deliveries per CPU-second, and the latency in milliseconds."""

    per_cpu_second: float
    p50: float
    p99: float


def measure(*, runs: int = 5, seconds: int = SECONDS, sockets: int = SOCKETS) -> list[Verdict]:
    """Alternates with nchan, `runs` times."""
    found: dict[tuple[str, int], list[FanOut]] = {}
    missing = "" if NCHAN.exists() else "nchan is not installed (Debian: apt-get install libnginx-mod-nchan)."
    for _ in range(runs):
        with Server() as server:
            api = crowd.Api(server.http)
            paths = [f"/ws?accessToken={api.register()}" for _ in range(sockets)]
            sender = crowd.open_socket(server.http, f"/ws?accessToken={api.bot()}")
            _run(found, "owncast-py", server.pid, server.http, paths, seconds, partial(crowd.say, sender))
            sender.close()
        if not missing:
            with Nchan() as nchan:
                _run(found, "nchan", nchan.pid, nchan.http, ["/sub"] * sockets, seconds, nchan.publish, b"~")
    rows = [
        (
            name,
            f"{rate}/s",
            *(spread([run[column] for run in values], digits) for column, digits in ((0, 0), (1, 1), (2, 1))),
        )
        for (name, rate), values in found.items()
    ]
    columns = ("server", "messages", "deliveries per CPU-second", "p50 ms", "p99 ms")
    show(f"Fan-out to {sockets} sockets", columns, rows, *filter(None, [missing]))
    verdicts = []
    for rate, target in RATES:
        values = [run.per_cpu_second for run in found["owncast-py", rate]]
        what = f"chat fan-out, {sockets} sockets, {rate}/s"
        verdicts.append(Verdict(what, f"≥ {target:,.0f} per CPU-s", spread(values, 0), median(values) >= target))
    worst = [run.p99 for run in found["owncast-py", 10]]
    verdicts.append(
        Verdict("the same at 10/s", f"p99 ≤ {P99_MS:.0f} ms", spread(worst, 1, "ms"), median(worst) <= P99_MS)
    )
    return verdicts


def _run(
    found: dict[tuple[str, int], list[FanOut]],
    name: str,
    pid: int,
    base: str,
    paths: list[str],
    seconds: int,
    send: Callable[[bytes], None],
    ending: bytes = b'"visible":true}',
) -> None:
    listeners = crowd.Crowd(base, paths, ending)
    try:
        for rate, _ in RATES:
            found.setdefault((name, rate), []).append(fan_out(listeners, pid, rate, seconds, send))
    finally:
        listeners.close()


def fan_out(listeners: crowd.Crowd, pid: int, rate: float, seconds: float, send: Callable[[bytes], None]) -> FanOut:
    """Has `send` called `rate` times a second; what that cost the process `pid`. Raises BenchError for disorder."""
    listeners.quiet()
    listeners.reset()
    before = cpu_seconds(pid)
    listeners.listen(rate, seconds, send)
    spent = cpu_seconds(pid) - before
    if listeners.disorder:
        raise BenchError(f"{listeners.disorder} deliveries came out of order.")
    ordered = sorted(listeners.latencies) or [0.0]
    p50, p99 = (ordered[int(len(ordered) * share)] * 1e3 for share in (0.5, 0.99))
    return FanOut(listeners.deliveries / spent, p50, p99)


class Nchan:
    """nginx with nchan, one worker."""

    def __enter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="owncast-py-bench-nchan-")
        home = Path(self._directory.name)
        (port,) = free_ports(1)
        self.http = f"http://127.0.0.1:{port}"
        (home / "nginx.conf").write_text(f"""load_module {NCHAN};
worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log error;
events {{ worker_connections 16384; }}
http {{
  access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi; keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /sub {{ nchan_subscriber websocket; nchan_channel_id chat; nchan_subscriber_first_message newest; }}
    location /pub {{ nchan_publisher http; nchan_channel_id chat; nchan_message_buffer_length 50; }}
  }}
}}""")
        program = ["/usr/sbin/nginx", "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")]
        self._process = subprocess.Popen(program, stdin=subprocess.DEVNULL)
        self.pid = self._process.pid
        try:
            self._publisher = until(self._connect, "nginx with nchan to listen")
        except BenchError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        end(self._process)
        self._directory.cleanup()

    def _connect(self) -> crowd.http.client.HTTPConnection | None:
        connection = crowd.http.client.HTTPConnection(self.http.removeprefix("http://"), timeout=10)
        try:
            connection.connect()
        except OSError:
            return None
        return connection

    def publish(self, stamp: bytes) -> None:
        """One message, as long as a chat message."""
        self._publisher.request("POST", "/pub", stamp.ljust(MESSAGE_BYTES - 1, b".") + b"~")
        self._publisher.getresponse().read()
