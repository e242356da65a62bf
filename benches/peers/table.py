"""Turns the rounds of a run into the tables of benches/README.md."""

import os
import platform
import re
import statistics
import subprocess
import time
from pathlib import Path

from load import FOREIGN_LIMIT
from servers import CACHES, CLIENT_CORE, MODULES, SERVER_CORE
from servers.base import program
from workloads import (
    COUNTED, GROUPS, LARGE, PACED, RULED, WITH_RULES, WITHOUT_RULES, WORKLOADS,
)

# What must hold, and what is reached for: workload, figure, and the most that brink's may be of
# another server's. `nginx*` is the better of nginx's two forms, `peers` is each server but floor.
RATIOS = [
    ("hit 1 KiB", "us", [("haproxy", 1.0), ("nginx*", 0.85)], [("floor", 1.1)]),
    ("hit 10 KiB", "us", [("haproxy", 0.9), ("floor", 1.2)], [("h2o", 1.0)]),
    ("TLS 10 KiB", "us", [("haproxy", 0.8), ("nginx*", 0.7)], [("floor", 1.1)]),
    ("HTTP/2 10 KiB", "us", [("haproxy", 0.9), ("nginx*", 0.9)], [("nginx*", 0.6)]),
    ("hit 100 KiB", "us", [("trafficserver", 1.1)], [("nginx", 1.0)]),
    ("hit 1 MiB", "us", [("trafficserver", 1.0)], [("nginx", 1.0)]),
    ("hit 100 MiB", "us", [("trafficserver", 1.0)], [("nginx", 1.0)]),
    ("full handshake", "us", [("nginx*", 0.42)], []),
    ("resumed handshake", "us", [("nginx*", 0.55)], []),
    ("pass 1 KiB", "us", [("nginx*", 1.25)], [("nginx*", 1.05)]),
    ("disk 10 KiB", "us", [("nginx-nosf", 1.0)], [("nginx", 1.0)]),
    ("disk 1 MiB", "us", [("nginx-nosf", 1.0)], [("nginx", 1.0)]),
    ("disk 1 MiB of 1 GiB", "us", [("nginx-nosf", 1.0)], [("nginx", 1.0)]),
    ("paced 10 KiB", "p50", [("peers", 1.0)], []),
    ("paced 10 KiB", "p90", [("peers", 1.0)], []),
]
# Microseconds that a hit of 1 M may cost more than one of 10 k; bytes beyond body and head.
GROWTH = 4.0, 3.0
BEYOND = 400, 200


class Found:
    """Medians and spreads of all rounds."""

    def __init__(self, found):
        self.rounds, self.memory, self.notes = found["rounds"], found["memory"], found["notes"]

    def of(self, workload, server):
        return self.rounds.get(workload, {}).get(server, [])

    def median(self, workload, server, figure="us"):
        """Of one server, or of the best one that a word stands for."""
        if server in GROUPS_OF_SERVERS:
            medians = [self.median(workload, it, figure) for it in GROUPS_OF_SERVERS[server]]
            return min(filter(None, medians), default=None)
        values = [it[figure] for it in self.of(workload, server) if it[figure] is not None]
        return statistics.median(values) if values else None

    def ratio(self, workload, server, figure="us"):
        ours, theirs = self.median(workload, "brink", figure), self.median(workload, server, figure)
        return ours / theirs if ours and theirs else None

    def growth(self, server):
        """What a hit of the most objects costs more than one of the fewest."""
        least, most = self.median("of 10 k", server), self.median("of 1 M", server)
        return most - least if least and most else None


    def added(self, server):
        """What twenty rules add to a hit."""
        less, more = self.median(WITHOUT_RULES, server), self.median(WITH_RULES, server)
        return more - less if less and more else None


GROUPS_OF_SERVERS = {
    "nginx*": ["nginx", "nginx-nosf"],
    "peers": [*CACHES, "h2o"],
}


def render(found, options):
    figures = Found(found)
    parts = [machine(options), verdicts(figures)]
    for group in GROUPS:
        workloads = [it for it in WORKLOADS if it.group == group and it.name in figures.rounds]
        if workloads:
            parts += [f"#### {group}", *group_tables(group, workloads, figures)]
    if figures.memory:
        parts += [f"#### Memory of {COUNTED:,} objects of 1 KiB", memory(figures.memory)]
    if figures.notes:
        parts += ["Notes:\n" + "\n".join(f"- {note}" for note in figures.notes)]
    return "\n\n".join(parts)


def verdicts(figures):
    rows = []
    for workload, figure, commit, reach in RATIOS:
        if not figures.of(workload, "brink"):
            continue
        measured = [
            f"{ratio:.2f} × {server}"
            for server in dict.fromkeys(server for server, _ in commit + reach)
            if (ratio := figures.ratio(workload, server, figure))
        ]
        name = workload if figure == "us" else f"{workload}, {figure}"
        judged = [judge(workload, figure, bounds, figures) for bounds in (commit, reach)]
        rows.append([name, ", ".join(measured) or "-", *judged])
    growth = {who: more for who in MODULES if (more := figures.growth(who)) is not None}
    if "brink" in growth:
        judged = [f"≤ +{limit:g} µs: {holds(growth['brink'] <= limit)}" for limit in GROWTH]
        others = [f"{who} {more:+.1f}" for who, more in growth.items() if who != "brink"]
        told = f"{growth['brink']:+.1f} µs" + (f" ({', '.join(others)})" if others else "")
        rows.append(["hit of 1 M objects against 10 k", told, *judged])
    if (added := figures.added("brink")) is not None:
        others = {who: it for who in MODULES if (it := figures.added(who)) is not None}
        least = min((it for who, it in others.items() if who != "brink"), default=None)
        told = ", ".join(f"{who} {it:+.2f}" for who, it in others.items() if who != "brink")
        judged = f"≤ nginx and varnish: {holds(added <= least)}" if least else "not measured"
        rows.append(["20 rules for a hit", f"{added:+.2f} µs ({told})", judged, "-"])
    if "brink" in figures.memory:
        more = beyond(figures.memory["brink"])
        judged = [f"≤ {limit} B: {holds(more <= limit)}" for limit in BEYOND]
        rows.append(["memory per object beyond body and head", f"{more:.0f} B", *judged])
    if not rows:
        return "No figure of brink's."
    return lines(["brink", "measured", "commit", "reach"], rows)


def judge(workload, figure, bounds, figures):
    told = []
    for server, limit in bounds:
        ratio = figures.ratio(workload, server, figure)
        verdict = holds(ratio <= limit) if ratio else "not measured"
        told.append(f"≤ {limit:g} × {server}: {verdict}")
    return ", ".join(told) or "-"


def holds(it):
    return "holds" if it else "**misses**"


def group_tables(group, workloads, figures):
    """One line for each server, one column for each workload."""
    names = [it.name for it in workloads]
    present = [who for who in MODULES if any(figures.of(name, who) for name in names)]

    def of_all(cell):
        rows = [[who, *[cell(it, who) or "-" for it in workloads]] for who in present]
        return lines(["server", *names], rows)

    if group == PACED:
        figure = workloads[0].name
        heads = ["server", "p50 µs", "p90 µs", "p99 µs", "CPU µs per request", "of the core"]
        return [lines(heads, [[who, *paced_cells(figure, who, figures)] for who in present])]
    if group == RULED:
        return [ruled(present, figures)]
    tables = [
        "CPU µs per request, median [least-most], and what brink's is of it; * disturbed.",
        of_all(lambda workload, who: cost(workload.name, who, figures)),
    ]
    if any(it.size >= LARGE for it in workloads):
        tables += [
            "CPU seconds per GB.",
            of_all(lambda workload, who: per_gigabyte(workload, who, figures)),
        ]
    tables += [
        "Requests a second; p50 and p99 in ms, with all connections busy.",
        of_all(lambda workload, who: speed(workload.name, who, figures)),
    ]
    return tables


def cost(workload, who, figures):
    rounds = figures.of(workload, who)
    if not rounds:
        return None
    ratio = figures.ratio(workload, who) if who != "brink" else None
    return spread(workload, who, figures) + (f", {ratio:.2f}" if ratio else "")


def spread(workload, who, figures):
    rounds = figures.of(workload, who)
    if not rounds:
        return None
    values = [it["us"] for it in rounds]
    mark = "*" if any(it["foreign"] > FOREIGN_LIMIT for it in rounds) else ""
    ends = f" [{number(min(values))}-{number(max(values))}]" if len(values) > 1 else ""
    return f"{number(statistics.median(values))}{ends}{mark}"


def per_gigabyte(workload, who, figures):
    median = figures.median(workload.name, who)
    return f"{median / workload.size * 1e3:.3f}" if median and workload.size >= LARGE else None


def speed(workload, who, figures):
    rate, p50, p99 = (figures.median(workload, who, it) for it in ("rate", "p50", "p99"))
    if not rate:
        return None
    rounds = figures.of(workload, who)
    resumed = sum(it["resumed"] or 0 for it in rounds) / sum(it["requests"] for it in rounds)
    told = f"{rate:,.0f}".replace(",", " ") + f"; {p50 / 1e3:.2f}, {p99 / 1e3:.2f}"
    return told + (f"; {resumed:.0%} resumed" if resumed else "")


def ruled(present, figures):
    heads = ["server", WITHOUT_RULES, WITH_RULES, "added by the rules"]
    rows = []
    for who in present:
        costs = [spread(it, who, figures) or "-" for it in (WITHOUT_RULES, WITH_RULES)]
        added = figures.added(who)
        rows.append([who, *costs, "-" if added is None else f"{added:+.2f}"])
    return "CPU µs per request, median [least-most]; * disturbed.\n\n" + lines(heads, rows)


def paced_cells(workload, who, figures):
    cells = [f"{figures.median(workload, who, it):.0f}" for it in ("p50", "p90", "p99")]
    return [*cells, cost(workload, who, figures), f"{figures.median(workload, who, 'share'):.0%}"]


def memory(table):
    heads = ["server", "memory B", "files B", "beyond body and head B"]
    rows = []
    for who, it in table.items():
        more = f"{beyond(it):.0f}" if it["memory"] + it["files"] > it["body"] else "-"
        rows.append([who, f"{it['memory']:.0f}", f"{it['files']:.0f}", more])
    told = "HAProxy takes its arena at once: two blocks of 1 KiB for each such object."
    return lines(heads, rows) + f"\n\n{told}"


def beyond(it):
    return it["memory"] + it["files"] - it["body"] - it["head"]


def number(value):
    return f"{value:.2f}" if value < 20 else f"{value:.1f}" if value < 200 else f"{value:.0f}"


def lines(heads, rows):
    shown = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in shown)


def machine(options):
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    root = Path(__file__).parent
    command = ["git", "-C", root, "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return (
        f"{time.strftime('%Y-%m-%d')}, commit {commit}, "
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, "
        f"Linux {platform.release()}; {', '.join(versions(options))}; "
        f"{options.rounds} rounds of {options.seconds} s, interleaved; one worker on core "
        f"{SERVER_CORE}, generator and origin on core {CLIENT_CORE}."
    )


def versions(options):
    """What the servers and the load generators call themselves."""
    commands = [MODULES[name].VERSION for name in options.servers] + ["wrk -v", "h2load --version"]
    if "varnish" in options.servers:
        commands.append("hitch --version")
    for command in dict.fromkeys(filter(None, commands)):
        name, *rest = command.split()
        done = subprocess.run([program(name), *rest], capture_output=True, text=True)
        found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
        yield f"{name} {found[0] if found else '?'}"
