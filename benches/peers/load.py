"""One round of load on one server, and what it cost."""

import itertools
import json
import re
import subprocess
import time
from pathlib import Path

from servers import SERVER_CORE
from servers.base import HOST, TICKS
from workloads import LARGE, RATE, STREAMS

# Share of the core that other work may take in a round that counts.
FOREIGN_LIMIT = 0.06

# Objects asked for between two looks at the memory, and what is left to others.
FILLED_AT_ONCE = 50_000
SPARED = 3 << 30

# What wrk counted, after the run.
REPORT = """
done = function(summary, latency)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format("RESULT %d %d %d %d %d %d %d", summary.requests, summary.bytes,
    summary.duration, bad, latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
"""
# h2load's latencies, one a line; it prints none itself.
H2LOAD_LOG = Path("h2load.log")
# Each run's random numbers and fresh paths differ from those of all others.
seeds = itertools.count(1)


class Failed(Exception):
    """The load met something that is no good answer."""


def one_round(workload, server, origin, client, seconds):
    """Makes the load once; the cost is what the kernel accounts to all threads of the server."""
    command = generator(workload, server, client, seconds)
    before = server.cpu_seconds(), origin.cpu_seconds(), busy(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    after = server.cpu_seconds(), origin.cpu_seconds(), busy(), time.monotonic()
    server.tidy()
    if done.returncode:
        raise Failed(done.stderr.strip() or done.stdout)
    result = understood(workload, done.stdout)
    used, elapsed = after[0] - before[0], after[3] - before[3]
    return {
        "us": used / result["requests"] * 1e6,
        "requests": result["requests"],
        "rate": result["requests"] / result["seconds"],
        "share": used / elapsed,
        "foreign": max(0.0, (after[2] - before[2] - used) / elapsed),
        "origin_seconds": after[1] - before[1],
        **{name: result.get(name) for name in ("p50", "p90", "p99", "resumed")},
    }


def generator(workload, server, client, seconds):
    plain, secure = f"127.0.0.1:{server.http}", f"127.0.0.1:{server.https}"
    encrypted = workload.needs == "tls"
    if workload.load == "paced":
        return [client, "paced", plain, workload.path, str(RATE), str(seconds)]
    if workload.load in ("full", "resumed"):
        return [client, workload.load, secure, "tls.pem", workload.path, str(seconds)]
    connections = f"-c{workload.connections}"
    if workload.load == "h2load":
        url = f"https://localhost:{server.https}{workload.path}"
        H2LOAD_LOG.unlink(missing_ok=True)
        command = ["h2load", "-t1", connections, f"-m{STREAMS}", f"-D{seconds}"]
        return [*command, "--log-file", H2LOAD_LOG, "-H", f":authority: {HOST}", url]
    script = workload.script.format(
        path=workload.path, seed=next(seeds), objects=workload.objects
    )
    Path("wrk.lua").write_text(REPORT + script)
    port = server.https if encrypted else server.http
    url = f"http{'s' * encrypted}://localhost:{port}{workload.path}"
    command = ["wrk", "-t1", connections, f"-d{seconds}s", "--timeout", "10s", "-s", "wrk.lua"]
    return [*command, "-H", f"Host: {HOST}", url]


def understood(workload, text):
    """Requests, seconds, and latencies in microseconds; anything but good answers fails."""
    if workload.load == "h2load":
        return understood_h2load(text)
    if workload.load != "wrk":
        return json.loads(text)
    found = re.search(r"^RESULT (.*)$", text, re.M)
    if not found:
        raise Failed(text)
    requests, size, duration, bad, p50, p90, p99 = map(int, found[1].split())
    if bad or not requests:
        raise Failed(text)
    if workload.size >= LARGE:
        # Those under way at the end count too: by their bytes.
        counted, requests = requests, size / workload.size
        if not 0.95 * counted < requests < 1.05 * (counted + workload.connections):
            raise Failed(f"answers of another size: {text}")
    return {"requests": requests, "seconds": duration / 1e6, "p50": p50, "p90": p90, "p99": p99}


def understood_h2load(text):
    done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    codes = re.search(r"(\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    took = re.search(r"finished in ([\d.]+)(m?s)", text)
    if not (done and codes and took) or any(map(int, done.groups()[1:] + codes.groups()[1:])):
        raise Failed(text)
    seconds = float(took[1]) / (1000 if took[2] == "ms" else 1)
    latencies = sorted(int(line.split()[2]) for line in H2LOAD_LOG.read_text().splitlines())
    percents = {f"p{part}": latencies[len(latencies) * part // 100] for part in (50, 90, 99)}
    return {"requests": int(done[1]), "seconds": seconds, **percents}


def fill(server, client, prefix, count):
    """Asks for so many objects, once each, as long as the machine has memory for them."""
    for first in range(0, count, FILLED_AT_ONCE):
        if available() < SPARED:
            raise Failed(f"the machine's memory ends at {first:,} objects")
        end = min(first + FILLED_AT_ONCE, count)
        command = [client, "fill", f"127.0.0.1:{server.http}", prefix, str(first), str(end)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        server.tidy()
        if done.returncode:
            raise Failed(done.stderr)


def available():
    """Bytes of memory that the kernel could still give away."""
    return int(re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) << 10


def busy():
    """Seconds that the server's core has been busy with anything."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{SERVER_CORE} "):
            fields = list(map(int, line.split()[1:9]))
            idle = fields[3] + fields[4]
            return (sum(fields) - idle) / TICKS
    raise SystemExit("no such core")
