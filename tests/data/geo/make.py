#!/usr/bin/env python3
"""Makes the databases beside it, in MaxMind's format: `pip install mmdb-writer`, then run this.

| network         | country | autonomous system |
|-----------------|---------|-------------------|
| 192.0.2.0/24    | CN      | 4134              |
| 198.51.100.0/24 | HK      | 9304              |
| 203.0.113.0/24  | DE      | 3320              |
| 2001:db8::/32   | US      | 15169             |

`both.mmdb` holds both fields, `ipv4.mmdb` both and no IPv6; 127.0.0.0/8 is in none. All say that they
were made at the beginning of 2026. `moved.mmdb` is `both.mmdb` a day later, when 192.0.2.0/24 has gone
to FR and 5410.
"""

import time
from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

HERE = Path(__file__).parent
NETWORKS = [
    ("192.0.2.0/24", "CN", 4134),
    ("198.51.100.0/24", "HK", 9304),
    ("203.0.113.0/24", "DE", 3320),
    ("2001:db8::/32", "US", 15169),
]
MOVED = [("192.0.2.0/24", "FR", 5410)] + NETWORKS[1:]


def country(code, _):
    return {"country": {"iso_code": code, "names": {"en": f"country {code}"}}}


def asn(_, number):
    return {
        "autonomous_system_number": number,
        "autonomous_system_organization": f"network {number}",
    }


def both(code, number):
    return country(code, number) | asn(code, number)


def make(name, kind, record, networks, version=6, made=1_767_225_600):
    # The same bytes each time.
    time.time = lambda: made
    database = MMDBWriter(
        ip_version=version,
        ipv4_compatible=version == 6,
        database_type=kind,
        languages=["en"],
        description=f"Test networks of {Path(__file__).name}",
        int_type="u32",
    )
    for network, code, number in networks:
        if version == 6 or ":" not in network:
            database.insert_network(IPSet([network]), record(code, number))
    database.to_db_file(str(HERE / name))


make("country.mmdb", "Test-Country", country, NETWORKS)
make("asn.mmdb", "Test-ASN", asn, NETWORKS)
make("both.mmdb", "Test-Both", both, NETWORKS)
make("ipv4.mmdb", "Test-Both-IPv4", both, NETWORKS, version=4)
make("moved.mmdb", "Test-Both", both, MOVED, made=1_767_312_000)
