#!/usr/bin/env python3
"""CPU time per request of brink beside nginx and bare hyper, on this machine, in one run.

One server at a time works on core 0, the load generator and the origin on core 1. Rounds are
interleaved (A B C A B C ...), and the figure to compare is user and system time of all processes of
the server, divided by the requests it served: it does not depend on how fast the generator is. A
round in which other work took more than 6 % of core 0 is repeated once and marked if it is no better.

    benches/peers/run.py                      all workloads, three rounds of three seconds
    benches/peers/run.py --rounds 1 --seconds 1 --only '10 KiB'
    benches/peers/run.py --servers floor,nginx --floor target/debug/examples/floor

Everything listens on loopback. Installs nginx, wrk and nghttp2-client from Debian if missing.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import servers
from servers import CLIENT_CORE, SERVER_CORE

ROOT = Path(__file__).resolve().parents[2]
FOREIGN_LIMIT = 0.06

# name, protocol, path, connections, streams per connection
WORKLOADS = [
    ("hit 1 KiB, HTTP/1.1", "http", "/1k", 64, 1),
    ("hit 10 KiB, HTTP/1.1", "http", "/10k", 64, 1),
    ("hit 100 KiB, HTTP/1.1", "http", "/100k", 32, 1),
    ("hit 1 KiB, TLS", "https", "/1k", 64, 1),
    ("hit 10 KiB, TLS", "https", "/10k", 64, 1),
    ("hit 100 KiB, TLS", "https", "/100k", 32, 1),
    ("hit 1 KiB, HTTP/2", "h2", "/1k", 16, 32),
    ("hit 10 KiB, HTTP/2", "h2", "/10k", 16, 32),
    ("hit 100 KiB, HTTP/2", "h2", "/100k", 16, 8),
    ("pass 1 KiB, HTTP/1.1", "http", "/pass", 64, 1),
]
SIZES = {"/1k": 1 << 10, "/10k": 10 << 10, "/100k": 100 << 10, "/pass": 1 << 10}


def main():
    options = arguments()
    install(options)
    build(options)
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="peers-", dir=base) as folder:
        # nginx drops to another user, which must get in.
        os.chmod(folder, 0o755)
        os.chdir(folder)
        os.sched_setaffinity(0, {CLIENT_CORE})
        table = measure(options, Path(folder))
    text = render(table, options)
    print("\n" + text)
    if options.json:
        Path(options.json).write_text(json.dumps(table, indent=1))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="length of one round")
    parser.add_argument("--servers", default="floor,nginx,nginx-nosf,brink")
    parser.add_argument("--only", help="workloads whose name contains this")
    parser.add_argument("--brink", help="a built brink instead of building one")
    parser.add_argument("--floor", help="a built floor instead of building one")
    parser.add_argument("--json", help="write all rounds there")
    options = parser.parse_args()
    options.servers = options.servers.split(",")
    for name in ("brink", "floor", "json"):
        if getattr(options, name):
            setattr(options, name, str(Path(getattr(options, name)).resolve()))
    if not 1 <= options.rounds <= 20 or not 1 <= options.seconds <= 30:
        parser.error("at most 20 rounds of at most 30 seconds")
    return options


def install(options):
    tools = {"wrk": "wrk", "h2load": "nghttp2-client", "openssl": "openssl", "nginx": "nginx-light"}
    path = os.environ["PATH"] + ":/usr/sbin"
    missing = [package for tool, package in tools.items() if not shutil.which(tool, path=path)]
    if missing:
        print("installing", *missing, file=sys.stderr)
        # RUNLEVEL=1 keeps Debian from starting the services it installs.
        environment = {**os.environ, "RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
        subprocess.run([*command, "update"], check=True, env=environment)
        subprocess.run(
            [*command, "install", "-y", "--no-install-recommends", *missing],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )


def build(options):
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    wanted = []
    if not options.floor:
        options.floor = str(target / "release/examples/floor")
        wanted += ["--example", "floor"]
    if not options.brink and "brink" in options.servers:
        options.brink = str(target / "release/brink")
        wanted += ["--bin", "brink"]
    if wanted:
        subprocess.run(["cargo", "build", "--release", "--locked", *wanted], check=True, cwd=ROOT)


def measure(options, folder):
    """For each workload and server: the list of its rounds."""
    servers.certificate(folder)
    origin = servers.floor(options.floor, folder, "origin", CLIENT_CORE)
    running = [origin]
    table = {}
    try:
        peers = {}
        for name in options.servers:
            peers[name] = start(name, options, folder, origin)
            running.append(peers[name])
        for workload in WORKLOADS:
            if options.only and options.only not in workload[0]:
                continue
            table[workload[0]] = run_workload(workload, peers, origin, options)
    finally:
        for server in running:
            server.stop()
    return table


def start(name, options, folder, origin):
    if name == "floor":
        return servers.floor(options.floor, folder)
    if name in servers.NGINX_FORMS:
        return servers.nginx(name, folder, origin)
    if name == "brink":
        return servers.brink(options.brink, folder, origin)
    raise SystemExit(f"no server is called {name}")


def run_workload(workload, peers, origin, options):
    name, _, path, _, _ = workload
    passes = path == "/pass"
    # The floor answers by itself: it has no origin to pass on to.
    peers = {who: server for who, server in peers.items() if not (passes and who == "floor")}
    rounds = {who: [] for who in peers}
    for server in peers.values():
        warm(server, path)
    for turn in range(options.rounds):
        for who, server in peers.items():
            result = one_round(workload, server, origin, options.seconds)
            if result["foreign"] > FOREIGN_LIMIT:
                again = one_round(workload, server, origin, options.seconds)
                result = min(result, again, key=lambda it: it["foreign"])
            if not passes and result["origin_seconds"] > 0.02:
                raise SystemExit(f"{who}: the origin worked during {name}: these are no hits")
            rounds[who].append(result)
            print(
                f"{name:24} {who:11} round {turn + 1}: {result['us']:7.2f} us/req "
                f"{result['rate']:9.0f} req/s  foreign {result['foreign']:.0%}",
                file=sys.stderr,
            )
    return rounds


def warm(server, path):
    """Fills the cache and makes sure that the bytes come."""
    for _ in range(3):
        status, _, length = server.fetch(path)
        if status != 200 or length != SIZES[path]:
            raise SystemExit(f"{server.name} answers {path} with {status} and {length} bytes")


def one_round(workload, server, origin, seconds):
    _, protocol, path, connections, streams = workload
    command = generator(protocol, server, path, connections, streams, seconds)
    before = server.cpu_seconds(), origin.cpu_seconds(), busy(), time.monotonic()
    output = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    after = server.cpu_seconds(), origin.cpu_seconds(), busy(), time.monotonic()
    requests, p50, p99 = requests_of(protocol, output.stdout + output.stderr)
    used, elapsed = after[0] - before[0], after[3] - before[3]
    return {
        "us": used / requests * 1e6,
        "rate": requests / seconds,
        "p50": p50,
        "p99": p99,
        "share": used / elapsed,
        "foreign": max(0.0, (after[2] - before[2] - used) / elapsed),
        "origin_seconds": after[1] - before[1],
    }


def generator(protocol, server, path, connections, streams, seconds):
    if protocol == "h2":
        url = f"https://localhost:{server.https}{path}"
        return ["h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}", url]
    port = server.https if protocol == "https" else server.http
    url = f"{protocol}://localhost:{port}{path}"
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]


def requests_of(protocol, text):
    """Good answers, and latencies as the tool prints them; anything bad ends the run."""
    if protocol == "h2":
        done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
        codes = re.search(r"(\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
        if not done or any(map(int, done.groups()[1:])) or any(map(int, codes.groups()[1:])):
            raise SystemExit(f"h2load met failures:\n{text}")
        return int(done[1]), None, None
    done = re.search(r"(\d+) requests in", text)
    if not done or "Non-2xx" in text or "Socket errors" in text or not int(done[1]):
        raise SystemExit(f"wrk met failures:\n{text}")
    part = {number: re.search(rf"{number}%\s+(\S+)", text) for number in (50, 99)}
    return int(done[1]), *(found[1] if found else None for found in part.values())


def busy():
    """Seconds that the server's core has been busy with anything."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{SERVER_CORE} "):
            fields = list(map(int, line.split()[1:9]))
            idle = fields[3] + fields[4]
            return (sum(fields) - idle) / os.sysconf("SC_CLK_TCK")
    raise SystemExit("no such core")


def render(table, options):
    names = [name for name in options.servers if name != "brink"]
    ours = "brink" in options.servers
    peers = [name for name in names if name in servers.NGINX_FORMS]
    heads = ["workload", *names]
    if ours:
        heads += ["brink", "brink req/s", "/ nginx", "/ floor"]
    lines = [machine(options), "", "CPU microseconds per request, median [least-most]; * disturbed.", ""]
    lines += ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for workload, rounds in table.items():
        median = {who: statistics.median(it["us"] for it in found) for who, found in rounds.items()}
        cells = [workload] + [cell(rounds.get(name)) for name in names]
        if ours:
            best = min((median[name] for name in peers if name in median), default=None)
            rate = statistics.median(it["rate"] for it in rounds["brink"])
            cells += [cell(rounds["brink"]), f"{rate:,.0f}".replace(",", " ")]
            cells += [ratio(median["brink"], best), ratio(median["brink"], median.get("floor"))]
        lines.append("| " + " | ".join(cells) + " |")
    if ours:
        lines += ["", "`/ nginx` is against its faster form. brink runs with access log and metrics on,"]
        lines += ["nginx with its log off."]
    return "\n".join(lines)


def cell(rounds):
    if not rounds:
        return "-"
    values = [it["us"] for it in rounds]
    mark = "*" if any(it["foreign"] > FOREIGN_LIMIT for it in rounds) else ""
    spread = f" [{min(values):.1f}-{max(values):.1f}]" if len(values) > 1 else ""
    return f"{statistics.median(values):.2f}{spread}{mark}"


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if theirs else "-"


def machine(options):
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    version = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True).stderr
    commit = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    return (
        f"{time.strftime('%Y-%m-%d')}, commit {commit}, {model[1] if model else platform.machine()}, "
        f"{os.cpu_count()} cores, Linux {platform.release()}, {version.strip().split(': ')[-1]}; "
        f"{options.rounds} rounds of {options.seconds} s, interleaved; one worker on core "
        f"{SERVER_CORE}, generator and origin on core {CLIENT_CORE}"
    )


if __name__ == "__main__":
    main()
