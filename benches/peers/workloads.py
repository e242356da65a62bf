"""What the servers are asked for: each workload is one column of a table."""

from dataclasses import dataclass

from servers.base import HTTP2, PLAIN, PROXY, RANGE, TLS

KIB, MIB = 1 << 10, 1 << 20
# From this size on bytes are counted instead of answers.
LARGE = 100 * KIB

# Requests per second of the paced workload: about 30 % load on this kind of machine.
RATE = 10_000
# Objects of which the memory is counted.
COUNTED = 100_000

PLAIN_HITS = "Hits from memory, HTTP/1.1"
ENCRYPTED = "TLS 1.3"
THROUGH = "To the origin"
PACED = f"Latency at {RATE:,} requests a second"
MANY = "Many objects, uniformly at random"
DISK = "Hits from disk through the page cache; brink's memory is 16 MiB"
RULED = "Twenty rules for each hit"
GROUPS = [PLAIN_HITS, ENCRYPTED, THROUGH, PACED, MANY, DISK, RULED]


@dataclass(frozen=True)
class Workload:
    name: str
    group: str
    path: str
    size: int = KIB
    needs: str = PLAIN
    # What makes the load: wrk, h2load, or a form of client.rs.
    load: str = "wrk"
    connections: int = 64
    # wrk's script that makes the requests.
    script: str = ""
    # Whether the origin must rest meanwhile.
    hits: bool = True
    # How many distinct objects are stored first; of a range, how many there are.
    objects: int = 0
    # Whether requests go through the twenty rules.
    ruled: bool = False


# One object over and over: a random part of it, of 1 MiB.
RANGES = """
math.randomseed({seed})
request = function()
  local first = math.random(0, {objects} - 1) * 1048576
  return "GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\nRange: bytes=" .. first .. "-"
    .. (first + 1048575) .. "\\r\\n\\r\\n"
end
"""

# Any of so many objects.
RANDOM = """
math.randomseed({seed})
request = function()
  local number = math.random(0, {objects} - 1)
  return "GET {path}" .. number .. " HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"
end
"""

# Never the same object again, in no run.
FRESH = """
local number = 0
request = function()
  number = number + 1
  return "GET {path}{seed}/" .. number .. " HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"
end
"""

# What a browser sends, so that rules have something to look at.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
    "Referer": "https://localhost/start",
    "Origin": "https://app.localhost",
    "Cookie": "id=3f9c2a; group=a",
}
AS_BROWSER = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in BROWSER.items())

WITHOUT_RULES, WITH_RULES = "1 KiB without rules", "1 KiB with 20 rules"

WORKLOADS = [
    Workload("hit 1 KiB", PLAIN_HITS, "/1k"),
    Workload("hit 10 KiB", PLAIN_HITS, "/10k", 10 * KIB),
    Workload("hit 100 KiB", PLAIN_HITS, "/100k", 100 * KIB, connections=32),
    Workload("hit 1 MiB", PLAIN_HITS, "/1m", MIB, connections=16),
    Workload("hit 100 MiB", PLAIN_HITS, "/100m", 100 * MIB, connections=4),
    Workload("range 1 MiB of 100", PLAIN_HITS, "/100m", MIB, RANGE, connections=16, script=RANGES,
             objects=100),
    Workload("TLS 10 KiB", ENCRYPTED, "/10k", 10 * KIB, TLS),
    Workload("HTTP/2 10 KiB", ENCRYPTED, "/10k", 10 * KIB, HTTP2, "h2load", 16),
    Workload("full handshake", ENCRYPTED, "/1k", KIB, TLS, "full"),
    Workload("resumed handshake", ENCRYPTED, "/1k", KIB, TLS, "resumed"),
    Workload("pass 1 KiB", THROUGH, "/pass", KIB, PROXY, hits=False),
    Workload("miss with store 1 KiB", THROUGH, "/miss/", KIB, PROXY, script=FRESH, hits=False),
    Workload("paced 10 KiB", PACED, "/10k", 10 * KIB, load="paced"),
    Workload("of 10 k", MANY, "/o/", KIB, PROXY, script=RANDOM, objects=10_000),
    Workload("of 100 k", MANY, "/o/", KIB, PROXY, script=RANDOM, objects=100_000),
    Workload("of 1 M", MANY, "/o/", KIB, PROXY, script=RANDOM, objects=1_000_000),
    Workload("disk 10 KiB", DISK, "/o10k/", 10 * KIB, PROXY, script=RANDOM, objects=60_000),
    Workload("disk 1 MiB", DISK, "/o1m/", MIB, PROXY, connections=16, script=RANDOM, objects=1000),
    Workload("disk 1 MiB of 1 GiB", DISK, "/1g", MIB, PROXY, connections=16, script=RANGES,
             objects=1024),
    Workload(WITHOUT_RULES, RULED, "/1k", script=AS_BROWSER),
    Workload(WITH_RULES, RULED, "/1k", script=AS_BROWSER, ruled=True),
]
# h2load's streams on each connection.
STREAMS = 32
