"""What every benchmark needs: the server under test, its peer nginx, a publisher, sample media, wrk, CPU time.

Owns the processes that it starts and ends them by their ids; whatever is written lies below the system's temporary
directory. Only loopback is used. It measures nothing itself and knows no target.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")

CACHE = Path(tempfile.gettempdir()) / "owncast-py-bench"
"""Sample media and what the server learned of this machine's encoders; safe to delete."""

STREAM_KEY = "a-key-for-benchmarks-only"
ADMIN_PASSWORD = "a-password-for-benchmarks-only"
PASSTHROUGH = [{"name": "source", "video_passthrough": True, "audio_passthrough": True}]
START_SECONDS = 30.0
STOP_SECONDS = 10.0
REQUEST_SECONDS = 30.0
RTMP_MODULES = (
    Path("/usr/lib/nginx/modules/ngx_rtmp_module.so"),
    Path("/usr/lib64/nginx/modules/ngx_rtmp_module.so"),
    Path("/usr/local/lib/nginx/modules/ngx_rtmp_module.so"),
)


class BenchError(Exception):
    """A benchmark cannot be run; the sentence says why and what to do."""


def ffmpeg() -> str:
    """The ffmpeg that publishes: the system's, else the bundled one. The same for the server and its peer."""
    found = shutil.which("ffmpeg")
    if found is None:
        import imageio_ffmpeg

        found = imageio_ffmpeg.get_ffmpeg_exe()
    return found


def sample(seconds: int = 60) -> Path:
    """1080p30, 6 Mb/s H.264 at a constant rate with a keyframe every 2 s, 128 kb/s AAC, as FLV; made once."""
    path = CACHE / f"1080p30-6000k-{seconds}s.flv"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        print(f"making {path.name} …", file=sys.stderr, flush=True)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        picture = "testsrc2=size=1920x1080:rate=30,noise=alls=20:allf=t,format=yuv420p"
        rate = ["-b:v", "6000k", "-minrate", "6000k", "-maxrate", "6000k", "-bufsize", "6000k"]
        command = [ffmpeg(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
        command += ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
        command += ["-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast", *rate, "-x264-params", "nal-hrd=cbr"]
        command += ["-g", "60", "-sc_threshold", "0", "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-f", "flv"]
        subprocess.run([*command, str(unfinished)], check=True)
        unfinished.rename(path)
    return path


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, all its threads (ended ones too) and its children, in seconds.

    The process's own is the scheduler's run time, to the nanosecond; that of children which have ended is counted in
    clock ticks by the kernel.
    """
    # clock_getcpuclockid(3): the CPU clock of another process has the identifier ~pid << 3 | CPUCLOCK_SCHED.
    total = time.clock_gettime((~pid << 3) | 2)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total += (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    for child in _children(pid):
        try:
            total += cpu_seconds(child)
        except OSError:
            continue  # it ended just now; its parent has its time
    return total


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            yield from map(int, (task / "children").read_text().split())
        except OSError:
            continue


def main_thread_seconds(pid: int) -> float:
    """CPU time of a process's first thread alone, in seconds."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def rss_megabytes(pid: int) -> float:
    """Resident memory of a process alone, in units of 10⁶ bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def until(check: Callable[[], T | None], what: str, *, seconds: float = START_SECONDS, pause: float = 0.01) -> T:
    """Polls `check` until it gives something. Raises BenchError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := check()) is not None:
            return found
        time.sleep(pause)
    raise BenchError(f"Waited {seconds:.0f} s in vain for {what}.")


def fetch(url: str) -> bytes | None:
    """The body of a successful answer; None for any other."""
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_SECONDS) as answer:
            body: bytes = answer.read()
            return body
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def end(process: subprocess.Popen[bytes], with_signal: signal.Signals = signal.SIGTERM) -> None:
    """Ends a process that we started, by its id."""
    if process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Server:
    """The server under test, as a user starts it: `owncast-py serve` in its own process, on ports of its choice."""

    def __init__(
        self,
        *,
        variants: list[dict[str, object]] | None = None,
        disk: bool = False,
        latency_level: int = 2,
        chat: dict[str, object] | None = None,
        private_targets: bool = False,
        s3: dict[str, object] | None = None,
    ) -> None:
        """`private_targets` lets webhooks go to addresses such as loopback's. `s3` are the settings of a store."""
        stream = {"variants": variants or PASSTHROUGH, "latency_level": latency_level}
        notifications = {"allow_private_targets": private_targets}
        self._config = {"stream": stream, "hls": {"disk": disk}, "chat": chat or {}, "notifications": notifications}
        if s3 is not None:
            self._config["storage"] = {"s3": s3}
        self.http = self.rtmp = ""

    def __enter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="owncast-py-bench-")
        home = Path(self._directory.name)
        (home / "config.yaml").write_text(json.dumps(self._config))  # JSON is YAML
        known = CACHE / "encoders.json"
        (home / "data").mkdir()
        if known.exists():
            shutil.copy(known, home / "data")
        self.start()
        made = home / "data" / "encoders.json"
        if made.exists() and not known.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, known)
        return self

    def start(self) -> None:
        """Starts the process on what is in its directory, and waits until it is ready. Raises BenchError."""
        command = [sys.executable, "-m", "owncast_py", "serve", "--config", "config.yaml", "--data-dir", "data"]
        command += ["--http-host", "127.0.0.1", "--http-port", "0", "--rtmp-host", "127.0.0.1", "--rtmp-port", "0"]
        command += ["--stream-key", STREAM_KEY, "--admin-password", ADMIN_PASSWORD, "--log-format", "json"]
        home = Path(self._directory.name)
        self.process = subprocess.Popen(command, cwd=home, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        self._events: list[dict[str, object]] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        try:
            ready = self.event("ready")
        except BenchError as error:
            self.__exit__()
            raise BenchError(f"The server did not start: {self._events[-3:]}") from error
        self.http, self.rtmp = f"http://{ready['http']}", f"rtmp://{ready['rtmp']}/live/{STREAM_KEY}"

    @property
    def home(self) -> Path:
        """Its directory; the data is in `data`."""
        return Path(self._directory.name)

    def stop(self) -> None:
        """Ends the process as a user would; `start` goes on with its data."""
        end(self.process)
        self._reader.join(STOP_SECONDS)

    def crash(self) -> None:
        """Ends the process as a power cut would."""
        self.process.kill()
        self.process.wait()
        self._reader.join(STOP_SECONDS)

    def __exit__(self, *_: object) -> None:
        end(self.process)
        self._reader.join(STOP_SECONDS)
        self._directory.cleanup()

    def _read_log(self) -> None:
        for line in self.process.stderr or ():
            try:
                self._events.append(json.loads(line))
            except ValueError:
                self._events.append({"event": line.decode(errors="replace").rstrip()})

    def event(self, name: str, *, seconds: float = START_SECONDS) -> dict[str, object]:
        """The first line of the log with this event."""

        def find() -> dict[str, object] | None:
            if self.process.poll() is not None:
                raise BenchError(f"The server ended with code {self.process.returncode}.")
            return next((event for event in self._events if event.get("event") == name), None)

        return until(find, f"the server to log '{name}'", seconds=seconds, pause=0.002)

    def playlist(self, rendition: int = 0) -> str:
        """A media playlist as of now; empty before there is one."""
        return (fetch(f"{self.http}/hls/{rendition}/stream.m3u8") or b"").decode()

    def segments(self, rendition: int = 0) -> list[str]:
        """The names of the complete segments that the playlist lists."""
        return [line for line in self.playlist(rendition).splitlines() if re.fullmatch(r"\w+-\d+\.m4s", line)]

    def wait_segments(self, count: int, *, seconds: float = 90.0) -> list[str]:
        """Waits until so many segments are listed."""

        def enough() -> list[str] | None:
            names = self.segments()
            return names if len(names) >= count else None

        return until(enough, f"{count} segments", seconds=seconds, pause=0.2)


class Nginx:
    """The peer: nginx with its RTMP module, one worker, plain HLS in 2 s segments written to a temporary directory."""

    def __init__(self, *, rtmp: bool = True, sendfile: bool = True) -> None:
        self._rtmp = rtmp
        self._sendfile = sendfile
        self.http = self.rtmp = ""

    @staticmethod
    def missing(*, rtmp: bool = True) -> str:
        """What is not installed, as a sentence; empty when all is there."""
        if shutil.which("nginx") is None and not Path("/usr/sbin/nginx").exists():
            return "nginx is not installed (Debian: apt-get install nginx-light libnginx-mod-rtmp)."
        if rtmp and _rtmp_module() is None:
            return "nginx's RTMP module is not installed (Debian: apt-get install libnginx-mod-rtmp)."
        return ""

    def __enter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="owncast-py-bench-nginx-")
        self.home = Path(self._directory.name)
        self.home.chmod(0o755)
        http, rtmp = free_ports(2)
        self.http, self.rtmp = f"http://127.0.0.1:{http}", f"rtmp://127.0.0.1:{rtmp}/live/stream"
        (self.home / "files").mkdir()
        configuration = self.home / "nginx.conf"
        configuration.write_text(self._configuration(http, rtmp))
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen(
            [program, "-p", str(self.home), "-c", str(configuration), "-e", str(self.home / "error.log")],
            stdin=subprocess.DEVNULL,
        )
        self.pid = self.process.pid
        try:
            until(lambda: _accepts(http) or None, "nginx to listen")
        except BenchError as error:
            self.__exit__()
            raise BenchError(f"nginx did not start: {error}") from error
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process, signal.SIGQUIT if self.process.poll() is None and not self._rtmp else signal.SIGTERM)
        self._directory.cleanup()

    def _configuration(self, http: int, rtmp: int) -> str:
        module = _rtmp_module() if self._rtmp else None
        ingest = f"""
rtmp {{
  server {{
    listen 127.0.0.1:{rtmp};
    chunk_size 4096;
    access_log off;
    application live {{
      live on; hls on; hls_path {self.home}/files; hls_fragment 2s; hls_playlist_length 30s;
    }}
  }}
}}"""
        sending = "sendfile on; tcp_nopush on;" if self._sendfile else "sendfile off; output_buffers 2 512k;"
        return f"""{f"load_module {module};" if module else ""}
user {"root" if os.geteuid() == 0 else ""};
worker_processes 1; daemon off; pid {self.home}/pid; error_log {self.home}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; {sending} keepalive_requests 1000000000; etag on;
  client_body_temp_path {self.home}/body; proxy_temp_path {self.home}/proxy; fastcgi_temp_path {self.home}/fastcgi;
  uwsgi_temp_path {self.home}/uwsgi; scgi_temp_path {self.home}/scgi;
  types {{ application/vnd.apple.mpegurl m3u8; video/mp4 m4s; video/mp2t ts; }}
  server {{ listen 127.0.0.1:{http}; root {self.home}/files; }}
}}
{ingest if module else ""}
""".replace("user ;\n", "")

    def put(self, name: str, data: bytes) -> str:
        """Makes a static file; returns its address."""
        (self.home / "files" / name).write_bytes(data)
        return f"{self.http}/{name}"


def _rtmp_module() -> Path | None:
    return next((path for path in RTMP_MODULES if path.exists()), None)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def publishing(url: str, *, paced: bool, loops: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """ffmpeg sends the sample to `url`, `loops` times over, at its own pace or as fast as it is taken."""
    command = [ffmpeg(), "-hide_banner", "-loglevel", "error", "-nostdin"]
    command += (["-re"] if paced else []) + ["-stream_loop", str(loops - 1), "-i", str(sample()), "-c", "copy"]
    process = subprocess.Popen([*command, "-f", "flv", url], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        end(process, signal.SIGKILL)


def wrk_missing() -> str:
    """That wrk is not installed, as a sentence; empty when it is."""
    return "" if shutil.which("wrk") else "wrk is not installed (Debian: apt-get install wrk)."


def wrk(url: str, pid: int, *, seconds: int, connections: int = 64, header: str = "") -> tuple[int, float]:
    """Loads `url` with one thread of wrk; returns the requests answered and the CPU seconds that `pid` spent.

    `header` is one that each request has, as `Name: value`.
    """
    before = cpu_seconds(pid)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *(["-H", header] if header else []), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    spent = cpu_seconds(pid) - before
    found = re.search(r"(\d+) requests in", output)
    if found is None or "Non-2xx" in output:
        raise BenchError(f"wrk had no success with {url}: {output}")
    return int(found[1]), spent
