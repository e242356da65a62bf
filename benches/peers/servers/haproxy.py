"""HAProxy with its cache: an arena of at most 2 GiB that it takes at once, in blocks of 1 KiB.

It never answers a range from its cache.
"""

from .base import CACHE, RANGE, Server, free_port, program

PACKAGES = {"haproxy": "haproxy"}
VERSION = "haproxy -v"
OFFERS = CACHE - {RANGE}

CONFIG = """
global
  nbthread 1
  maxconn 8000
  tune.bufsize 32768
  tune.ssl.cachesize 100000
  tune.h2.max-concurrent-streams 256
  ssl-default-bind-options ssl-min-ver TLSv1.3
cache c
  total-max-size {arena}
  max-object-size 125829120
  max-age 86400
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  http-reuse always
frontend all
  bind 127.0.0.1:{http}
  bind 127.0.0.1:{https} ssl crt {folder}/both.pem alpn h2,http/1.1
  http-request cache-use c if !{{ path_beg /pass }}
  http-response cache-store c
  default_backend origin
backend origin
  server origin 127.0.0.1:{origin}
"""


def start(setup, name):
    home, http, https = setup.home(name), free_port(), free_port()
    text = CONFIG.format(
        folder=setup.folder,
        arena=min(2047, 256 + setup.objects // 400),
        origin=setup.origin.http,
        http=http,
        https=https,
    )
    (home / "haproxy.cfg").write_text(text)
    command = [program("haproxy"), "-f", home / "haproxy.cfg"]
    return Server(name, home, [command], http, https, OFFERS)
