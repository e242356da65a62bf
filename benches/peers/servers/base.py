"""What all servers have in common: being started on a core, asked, counted and stopped."""

import ctypes
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE = 0
CLIENT_CORE = 1
# The same in all requests, without a port: it is part of a cache's key.
HOST = "localhost"
TICKS = os.sysconf("SC_CLK_TCK")
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1

# What a workload may need of a server.
PLAIN, TLS, HTTP2, RANGE, PROXY = "plain", "tls", "http2", "range", "proxy"
CACHE = {PLAIN, TLS, HTTP2, RANGE, PROXY}

# The same twenty rules in the words of each server that has some.
RULES = Path(__file__).resolve().parents[1] / "rules"


@dataclass
class Setup:
    """Where servers live, and what lies behind them."""

    folder: Path
    floor: str
    brink: str | None = None
    origin: "Server | None" = None
    # How many objects of 1 KiB there must be room for.
    objects: int = 1_000_000
    # Whether what is stored shall be on disk rather than in memory.
    on_disk: bool = False
    # Whether each request goes through the twenty rules.
    ruled: bool = False

    def home(self, name, numbers=itertools.count()):
        """A folder of its own for each start."""
        home = self.folder / f"{name}-{next(numbers)}"
        home.mkdir()
        return home


class Server:
    """Some process trees with a plain port, which the first answers, and a TLS port."""

    def __init__(self, name, home, commands, http, https, offers, core=SERVER_CORE):
        self.name, self.home, self.http, self.https = name, home, http, https
        self.offers, self.started = offers, []
        self.output = open(home / "output", "w")
        for command in commands:
            self.started.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=self.output,
                    stderr=self.output,
                    preexec_fn=lambda: bind(core),
                )
            )
            self.wait_for(http)
        self.wait_for(https)

    def wait_for(self, port):
        deadline = time.monotonic() + 60
        while not answers(port):
            gone = any(process.poll() is not None for process in self.started)
            if gone or time.monotonic() > deadline:
                told = Path(self.output.name).read_text()[-2000:]
                self.stop()
                raise SystemExit(f"{self.name} did not start (--servers can leave it out): {told}")
            time.sleep(0.05)

    def fetch(self, path):
        """Status, length of the head and of the body of one answer."""
        url, fields = f"http://127.0.0.1:{self.http}{path}", {"Host": HOST}
        request = urllib.request.Request(url, headers=fields)
        with urllib.request.urlopen(request, timeout=30) as answer:
            fields = sum(len(name) + len(value) + 4 for name, value in answer.headers.items())
            return answer.status, fields + len("HTTP/1.1 200 OK\r\n\r\n"), len(answer.read())

    def headers(self, path, fields):
        """The head of the answer to a request with these fields."""
        url = f"http://127.0.0.1:{self.http}{path}"
        request = urllib.request.Request(url, headers={"Host": HOST, **fields})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers

    def processes(self):
        """What was started, and all descendants."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (fields := stat(entry)):
                parents[int(entry)] = int(fields[1])
        found = {process.pid for process in self.started}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def cpu_seconds(self):
        """User and system time of all threads of all its processes so far."""
        known = filter(None, map(stat, self.processes()))
        return sum(int(fields[11]) + int(fields[12]) for fields in known) / TICKS

    def memory(self):
        """Bytes in memory, pages shared with others counted in part."""
        total = 0
        for pid in self.processes():
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(it.split()[1]) for it in text.splitlines() if it.startswith("Pss:"))
        return total << 10

    def files(self):
        """Bytes that its files take on the file system."""
        self.tidy()
        paths = (Path(top, name) for top, _, names in os.walk(self.home) for name in names)
        return sum(path.lstat().st_blocks for path in paths) * 512

    def tidy(self):
        """Empties the access log, so that it stays bounded."""
        log = self.home / "access.log"
        if log.exists():
            os.truncate(log, 0)

    def stop(self):
        """Ends it and all its children, and removes its files."""
        processes = self.processes()
        for process in self.started:
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in processes - {process.pid for process in self.started}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.output.close()
        shutil.rmtree(self.home, ignore_errors=True)


def bind(core):
    """In a child before it becomes a server: to one core, and to the life of its parent."""
    os.sched_setaffinity(0, {core})
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def stat(pid):
    """The fields of /proc/PID/stat behind the name; None once it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(name):
    """Debian keeps servers where a user's PATH does not look."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin") or name


REQUEST = """
[req]
prompt = no
distinguished_name = name
x509_extensions = leaf
[name]
CN = localhost
[leaf]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost
"""


def certificate(folder):
    """A self-signed P-256 certificate for localhost: tls.pem, tls.key, and both in both.pem."""
    (folder / "request").write_text(REQUEST)
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    command += " -config request -out tls.pem -keyout tls.key"
    subprocess.run(command.split(), check=True, capture_output=True, cwd=folder)
    both = (folder / "tls.pem").read_text() + (folder / "tls.key").read_text()
    (folder / "both.pem").write_text(both)
