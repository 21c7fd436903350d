"""Low-latency viewers through nginx with its cache (`deploy/nginx/owncast-py-cache.conf`), against the server directly.

nginx has one worker, kept on one processor. What it spends per viewer and second of a 6 Mb/s stream says how many
viewers one core carries: that is arithmetic from fewer viewers, who would otherwise compete with it for this machine.
The delay is between two arrivals in one process: the playlist with a new part at a viewer, and at one viewer more who
asks the server itself. Without TLS, and over loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from harness import BenchError, Server, cpu_seconds, end, fetch, free_ports, publishing, until
from report import Verdict, ratios, show, spread
from viewers import Audience

RECIPE = Path(__file__).parents[1] / "deploy" / "nginx" / "owncast-py-cache.conf"
MODULES = [Path("/usr/lib/nginx/modules") / name for name in ("ndk_http_module.so", "ngx_http_lua_module.so")]
TARGET_VIEWERS = 3_000
TARGET_MS = 200.0
FEW = 5
WARM_UP = 3.0


def measure(*, runs: int = 5, seconds: float = 20.0, viewers: int = 200) -> list[Verdict]:
    """In turns: `viewers` through nginx, as many at the server itself, and FEW through nginx."""
    targets = [f"≥ {TARGET_VIEWERS:,} per core", f"≤ {TARGET_MS:.0f} ms more"]
    if missing := _missing():
        show("Viewers through nginx", ("viewers",), [], missing)
        return [Verdict("viewers through nginx with cache", targets[0], "not measured", None)]
    carried: list[float] = []
    few: list[float] = []
    spent: dict[str, list[float]] = {name: [] for name in ("through", "direct", "few")}
    late: dict[str, list[tuple[float, float]]] = {name: [] for name in ("through", "direct")}
    with Server() as server, publishing(server.rtmp, paced=True, loops=120), _nginx(server.http) as (proxy, worker):
        until(lambda: b"PRELOAD-HINT" in (fetch(f"{server.http}/hls/0/stream.m3u8") or b"") or None, "a first part")
        for _ in range(runs):
            for name, address, count in (
                ("through", proxy, viewers),
                ("direct", server.http, viewers),
                ("few", proxy, FEW),
            ):
                with Audience(address, count, server.http) as audience:
                    audience.watch(WARM_UP)
                    audience.forget()
                    ours, its, began = cpu_seconds(server.pid), cpu_seconds(worker), time.monotonic()
                    audience.watch(seconds)
                    lasted = time.monotonic() - began
                    spent[name].append((cpu_seconds(server.pid) - ours) / lasted)
                    nginx = (cpu_seconds(worker) - its) / lasted
                    delays = audience.delays()
                if not delays:
                    raise BenchError("The viewers got no part that the one at the server got.")
                if name == "through":
                    carried.append(count / nginx)
                elif name == "few":
                    few.append(nginx)
                if name in late:
                    late[name].append((median(delays), delays[min(int(len(delays) * 0.99), len(delays) - 1)]))
    rows = [
        (
            label,
            spread([100 * each for each in spent[name]], 1),
            *([spread([pair[which] for pair in late[name]], 1) for which in (0, 1)] if name in late else ("-", "-")),
        )
        for name, label in (
            ("through", f"{viewers} through nginx"),
            ("direct", f"{viewers} at the server"),
            ("few", f"{FEW} through nginx"),
        )
    ]
    columns = ("viewers of 6 Mb/s", "the server's CPU, % of a core", "playlist later by, ms, p50", "p99")
    show("Low-latency viewers, with and without a cache", columns, rows)
    pairs = list(zip(late["through"], late["direct"], strict=True))
    more, tail = ([through[which] - direct[which] for through, direct in pairs] for which in (0, 1))
    like = ratios(spent["through"], spent["few"])
    return [
        Verdict("viewers per core of nginx", targets[0], spread(carried, 0), median(carried) >= TARGET_VIEWERS),
        Verdict("delay through nginx, p50", targets[1], spread(more, 1, "ms"), median(more) <= TARGET_MS),
        Verdict("the same, p99", targets[1], spread(tail, 1, "ms"), median(tail) <= TARGET_MS),
        Verdict(f"the server's CPU, {viewers} viewers against {FEW}", "≤ 1.3 ×", spread(like), median(like) <= 1.3),
    ]


def _missing() -> str:
    if not Path(_program()).exists() or not MODULES[-1].exists():
        return "nginx or its Lua module is not installed (Debian: apt-get install nginx-light libnginx-mod-http-lua)."
    return ""


def _program() -> str:
    return shutil.which("nginx") or "/usr/sbin/nginx"


@contextmanager
def _nginx(origin: str) -> Iterator[tuple[str, int]]:
    """The recipe before that server, without TLS: its address, and the worker's process id."""
    with tempfile.TemporaryDirectory(prefix="owncast-py-bench-cache-", dir=_memory()) as name:
        home = Path(name)
        home.chmod(0o755)
        port, inner = free_ports(2)
        text = RECIPE.read_text().replace("8079", str(inner)).replace("127.0.0.1:8080", origin.removeprefix("http://"))
        text = text.replace("/dev/shm/owncast-py", f"{home}/cache").replace("443 ssl http2", f"127.0.0.1:{port}")
        text = "\n".join(line for line in text.splitlines() if "ssl_certificate" not in line)
        (home / "cache.conf").write_text(text)
        modules = "".join(f"load_module {each};\n" for each in MODULES if each.exists())
        temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{each}_temp_path {home}/{each}; " for each in temporary)
        (home / "nginx.conf").write_text(
            f"""{"user root;" if os.geteuid() == 0 else ""}
{modules}worker_processes 1; worker_cpu_affinity 1; worker_rlimit_nofile 65536;
daemon off; pid {home}/pid; error_log {home}/error.log error;
events {{ worker_connections 16384; }}
http {{ access_log off; {paths} include {home}/cache.conf; }}
"""
        )
        command = [_program(), "-p", name, "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            address = f"http://127.0.0.1:{port}"
            until(lambda: fetch(f"{address}/healthz"), "nginx to answer")
            yield address, _worker(process.pid)
        finally:
            end(process)


def _worker(master: int) -> int:
    """nginx's worker: the child that is neither the cache's manager nor its loader."""
    for child in Path(f"/proc/{master}/task/{master}/children").read_text().split():
        if "worker process" in Path(f"/proc/{child}/cmdline").read_text():
            return int(child)
    raise BenchError("nginx has no worker.")


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
