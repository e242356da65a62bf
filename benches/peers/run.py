#!/usr/bin/env python3
"""What a request costs with brink and beside it, with other caches, on this machine, in one run.

One server at a time works on core 0, the load generator and the origin on core 1. Rounds are
interleaved (A B C A B C ...), and the figure to compare is user and system time of all processes of
the server, divided by the requests it served: it does not depend on how fast the generator is. A
round in which other work took more than 6 % of core 0 is repeated once and marked if it is no
better. While hits are measured the origin's time is watched: hits that ask it are a failure.

    benches/peers/run.py                      everything, three rounds of two seconds
    benches/peers/run.py --rounds 1 --seconds 1 --only '10 KiB'
    benches/peers/run.py --servers floor,nginx --floor target/debug/examples/floor

Everything listens on loopback, and what is missing is installed from Debian. It takes 20 minutes or
so on a quiet machine, hardly more than --minutes on any, and up to 16 GiB of memory and tmpfs, most
of it for 1 M objects; storing stops before the machine has less than 3 GiB left. Prints the tables
for benches/README.md; progress goes to standard error.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

# Nothing is left beside the sources.
sys.dont_write_bytecode = True

import load
import servers
import table
from servers.base import PROXY
from workloads import BROWSER, COUNTED, DISK, MANY, RULED, WORKLOADS

ROOT = Path(__file__).resolve().parents[2]
MEMORY = "memory"
MILLION = "haproxy,nginx-nosf,brink"
# How often everything is asked for, at most, until it is stored.
FILLS = 10
# Who keeps what it stores in files.
WITH_FILES = ["nginx", "nginx-nosf", "brink"]
# Who knows the twenty rules, and what they add to an answer.
WITH_RULES = ["nginx", "nginx-nosf", "varnish", "brink"]
RULES_ADD = {
    "X-Device": "desktop",
    "Access-Control-Allow-Origin": "https://app.localhost",
    "Vary": "Origin",
    "X-Content-Type-Options": "nosniff",
    "X-Page": "localhost/1k",
    "Content-Language": "en",
}
TOOLS = {"wrk": "wrk", "h2load": "nghttp2-client", "openssl": "openssl"}


def main():
    options = arguments()
    if options.list:
        return listing()
    install(options)
    build(options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="peers-", dir=base) as folder:
        # nginx drops to another user, which must get in.
        os.chmod(folder, 0o755)
        os.chdir(folder)
        os.sched_setaffinity(0, {servers.CLIENT_CORE})
        found = Run(options, Path(folder)).all()
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1))
    print("\n" + table.render(found, options))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="length of one round")
    parser.add_argument("--minutes", type=int, default=40, help="no round begins later than that")
    parser.add_argument("--servers", default=",".join(servers.MODULES))
    parser.add_argument("--million", default=MILLION, help="servers that hold 1 M objects")
    parser.add_argument("--only", help="workloads whose name contains this")
    parser.add_argument("--list", action="store_true", help="name all servers and workloads")
    parser.add_argument("--json", help="write all rounds there")
    for name in ("brink", "floor", "client"):
        parser.add_argument(f"--{name}", help=f"a built {name} instead of building one")
    options = parser.parse_args()
    options.servers = options.servers.split(",")
    options.million = options.million.split(",")
    for name in options.servers:
        if name not in servers.MODULES:
            parser.error(f"no server is called {name}")
    for name in ("brink", "floor", "client", "json"):
        if getattr(options, name):
            setattr(options, name, str(Path(getattr(options, name)).resolve()))
    if not 1 <= options.rounds <= 20 or not 1 <= options.seconds <= 30:
        parser.error("at most 20 rounds of at most 30 seconds")
    return options


def listing():
    print("servers:", *servers.MODULES)
    print("workloads:", *[workload.name for workload in WORKLOADS] + [MEMORY], sep="\n  ")


def install(options):
    tools = dict(TOOLS)
    for name in options.servers:
        tools |= servers.MODULES[name].PACKAGES
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
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    wanted = []
    for name in ("floor", "client"):
        if not getattr(options, name):
            setattr(options, name, str(target / "examples" / name))
            wanted += ["--example", name]
    if not options.brink and "brink" in options.servers:
        options.brink = str(target / "brink")
        wanted += ["--bin", "brink"]
    if wanted:
        subprocess.run(["cargo", "build", "--release", "--locked", *wanted], check=True, cwd=ROOT)


class Run:
    """All workloads on all servers, within the time."""

    def __init__(self, options, folder):
        self.options = options
        self.deadline = time.monotonic() + options.minutes * 60
        # Workload to server to its rounds; server to its memory; what went wrong.
        self.rounds, self.memory, self.notes = {}, {}, []
        self.running = []
        servers.certificate(folder)
        self.setup = servers.Setup(folder, options.floor, options.brink)
        floor = servers.MODULES["floor"]
        self.origin = floor.start(self.setup, "origin", servers.CLIENT_CORE)
        self.setup.origin = self.origin

    def all(self):
        try:
            self.single_objects()
            self.many_objects()
            self.from_disk()
            self.through_rules()
            self.bytes_per_object()
        finally:
            for server in [*self.running, self.origin]:
                server.stop()
        return {"rounds": self.rounds, "memory": self.memory, "notes": self.notes}

    def wanted(self, name):
        return not self.options.only or self.options.only in name

    def start(self, name, **more):
        server = servers.MODULES[name].start(replace(self.setup, **more), name)
        self.running.append(server)
        return server

    def stop(self):
        while self.running:
            self.running.pop().stop()

    def single_objects(self):
        """The workloads that need nothing but a few objects: all servers run at once."""
        workloads = [it for it in WORKLOADS if it.group not in (MANY, DISK, RULED) and self.wanted(it.name)]
        needs = {it.needs for it in workloads}
        if not workloads:
            return
        for name in self.options.servers:
            if needs & servers.MODULES[name].OFFERS:
                self.start(name)
        for workload in workloads:
            peers = [server for server in self.running if workload.needs in server.offers]
            cases = [(workload, server) for server in peers if self.tried(warm, workload, server)]
            self.interleave(cases)
        self.stop()

    def many_objects(self):
        """Each number of objects has servers of its own; all numbers are interleaved."""
        cases = []
        for workload in WORKLOADS:
            if workload.group != MANY or not self.wanted(workload.name):
                continue
            chosen = self.options.million if workload.objects >= 1_000_000 else self.options.servers
            # brink first: if memory ends, it shall end for another.
            for name in reversed(self.options.servers):
                if name in chosen and workload.needs in servers.MODULES[name].OFFERS:
                    server = self.start(name, objects=workload.objects)
                    if self.tried(self.store, workload, server):
                        cases.append((workload, server))
        self.interleave(cases)
        self.stop()

    def store(self, workload, server):
        if time.monotonic() > self.deadline:
            raise load.Failed("the time is up")
        progress(f"storing {workload.objects:,} objects in {server.name}")
        # Twice at least: some caches take an object into memory when it is asked for again, and a
        # disk may be too slow for what comes at once.
        for turn in range(FILLS):
            before = self.origin.cpu_seconds()
            load.fill(server, self.options.client, workload.path, workload.objects)
            if turn > 0 and self.origin.cpu_seconds() - before < 0.02:
                break

    def from_disk(self):
        """All servers at once, on a file system with a disk below and room in the page cache."""
        workloads = [it for it in WORKLOADS if it.group == DISK and self.wanted(it.name)]
        if not workloads:
            return
        below = ROOT / "target"
        below.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="peers-", dir=below) as folder:
            os.chmod(folder, 0o755)
            servers.certificate(Path(folder))
            for name in self.options.servers:
                if name in WITH_FILES:
                    self.start(name, folder=Path(folder), on_disk=True)
            for workload in workloads:
                prepare = warm if workload.path == "/1g" else self.store
                cases = [(workload, it) for it in self.running if self.tried(prepare, workload, it)]
                self.interleave(cases)
            self.stop()

    def through_rules(self):
        """Each server twice, with and without its rules, and its rounds side by side."""
        workloads = [it for it in WORKLOADS if it.group == RULED and self.wanted(it.name)]
        cases = []
        for name in WITH_RULES if workloads else []:
            if name in self.options.servers:
                for workload in workloads:
                    server = self.start(name, ruled=workload.ruled)
                    if self.tried(warm_rules, workload, server):
                        cases.append((workload, server))
        self.interleave(cases)
        self.stop()

    def interleave(self, cases):
        for turn in range(self.options.rounds):
            for case in list(cases):
                if time.monotonic() > self.deadline:
                    return self.note("the time is up: some rounds are missing")
                if not self.tried(self.round, *case, turn):
                    cases.remove(case)

    def round(self, workload, server, turn):
        args = workload, server, self.origin, self.options.client, self.options.seconds
        result = load.one_round(*args)
        if result["foreign"] > load.FOREIGN_LIMIT:
            result = min(result, load.one_round(*args), key=lambda it: it["foreign"])
        if workload.hits and result["origin_seconds"] > 0.02:
            raise load.Failed("the origin worked: these are no hits")
        self.rounds.setdefault(workload.name, {}).setdefault(server.name, []).append(result)
        progress(
            f"{workload.name:22} {server.name:13} round {turn + 1}: {result['us']:9.2f} us/req "
            f"{result['rate']:8.0f} req/s  foreign {result['foreign']:.0%}"
        )

    def bytes_per_object(self):
        """What memory and files grow by, one fresh server after the other."""
        for name in self.options.servers if self.wanted(MEMORY) else []:
            if PROXY in servers.MODULES[name].OFFERS and time.monotonic() < self.deadline:
                self.tried(self.count_bytes, None, self.start(name))
                self.stop()

    def count_bytes(self, _, server):
        # Connections, buffers and first slabs are no object's.
        load.fill(server, self.options.client, "/miss/before/", 2000)
        time.sleep(1)
        before = server.memory(), server.files()
        load.fill(server, self.options.client, "/o/", COUNTED)
        time.sleep(2)
        after = server.memory(), server.files()
        _, head, body = self.origin.fetch(f"/o/{COUNTED // 2}")
        self.memory[server.name] = {
            "memory": (after[0] - before[0]) / COUNTED,
            "files": (after[1] - before[1]) / COUNTED,
            "head": head,
            "body": body,
        }
        progress(f"memory of {server.name}: {self.memory[server.name]}")

    def tried(self, work, workload, server, *more):
        """False and a note if it failed: one peer's trouble does not end the run."""
        try:
            work(workload, server, *more)
            return True
        except (load.Failed, OSError, subprocess.TimeoutExpired) as error:
            what = workload.name if workload else MEMORY
            self.note(f"{server.name}, {what}: {str(error).strip()[-300:]}")
            return False

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            progress(text)


def warm(workload, server):
    """Fills the cache and makes sure that the bytes come."""
    if workload.script and not workload.hits:
        return
    for _ in range(3):
        status, _, length = server.fetch(workload.path)
        if status != 200 or length < workload.size:
            raise load.Failed(f"answers {workload.path} with {status} and {length} bytes")


def warm_rules(workload, server):
    """As `warm`, and makes sure that rules do what they should, where there are any."""
    warm(workload, server)
    added = server.headers(workload.path, BROWSER)
    for name, value in RULES_ADD.items():
        if added.get(name) != (value if workload.ruled else None):
            raise load.Failed(f"{name} is {added.get(name)!r} in answers of {workload.name}")


def progress(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
