"""The servers that run.py compares: one module each, with how it is configured and started.

All listen on 127.0.0.1, run one worker on one core, and lie before the same origin. The
configurations are what an expert would write for hits from memory; every server keeps its cache on
tmpfs or in memory, and its logs off where brink's stay on.

A module has `PACKAGES` (command to Debian package), `VERSION` (the command that tells it), `OFFERS`
(what workloads may need of it) and `start(setup, name)`, which returns a running `Server`.
"""

from . import brink, floor, h2o, haproxy, nginx, trafficserver, varnish
from .base import CLIENT_CORE, SERVER_CORE, Server, Setup, certificate

MODULES = {
    "floor": floor,
    "h2o": h2o,
    "haproxy": haproxy,
    "nginx": nginx,
    "nginx-nosf": nginx,
    "trafficserver": trafficserver,
    "varnish": varnish,
    "brink": brink,
}

# Whose response cache brink is to beat; the others show what the work costs without one.
CACHES = ["haproxy", "nginx", "nginx-nosf", "trafficserver", "varnish"]
