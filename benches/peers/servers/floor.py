"""Bare hyper with prebuilt responses (../floor.rs): what cannot be undercut; also the origin."""

from .base import HTTP2, PLAIN, RANGE, SERVER_CORE, TLS, Server, free_port

PACKAGES = {}
VERSION = None
OFFERS = {PLAIN, TLS, HTTP2, RANGE}


def start(setup, name, core=SERVER_CORE):
    http, https = free_port(), free_port()
    command = [setup.floor, "--http", f"127.0.0.1:{http}", "--https", f"127.0.0.1:{https}"]
    command += ["--certificate", setup.folder / "tls.pem", "--key", setup.folder / "tls.key"]
    return Server(name, setup.home(name), [command], http, https, OFFERS, core)
