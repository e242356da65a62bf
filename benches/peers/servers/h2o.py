"""h2o with static files on tmpfs: it has no response cache, and shows what the formats cost."""

import os

from .base import HTTP2, PLAIN, RANGE, TLS, Server, free_port, program

PACKAGES = {"h2o": "h2o"}
VERSION = "h2o --version"
OFFERS = {PLAIN, TLS, HTTP2, RANGE}

SIZES = {"1k": 1 << 10, "10k": 10 << 10, "100k": 100 << 10, "1m": 1 << 20, "100m": 100 << 20}

CONFIG = """
num-threads: 1
max-connections: 8000
http1-request-timeout: 600
http2-max-concurrent-requests-per-connection: 256
hosts:
  "localhost":
    listen: {{ host: 127.0.0.1, port: {http} }}
    listen:
      host: 127.0.0.1
      port: {https}
      ssl:
        certificate-file: {folder}/tls.pem
        key-file: {folder}/tls.key
        minimum-version: TLSv1.3
        ocsp-update-interval: 0
    paths: {{ "/": {{ file.dir: {home}/files }} }}
"""
# Otherwise it becomes another user, and does not end with its parent.
ROOT = "user: root\n"


def start(setup, name):
    home, http, https = setup.home(name), free_port(), free_port()
    (home / "files").mkdir()
    for path, size in SIZES.items():
        (home / "files" / path).write_bytes(bytes(range(256)) * (size // 256))
    text = CONFIG.format(folder=setup.folder, home=home, http=http, https=https)
    (home / "h2o.conf").write_text(text + ROOT * (os.geteuid() == 0))
    command = [program("h2o"), "-m", "worker", "-c", home / "h2o.conf"]
    return Server(name, home, [command], http, https, OFFERS)
