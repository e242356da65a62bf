"""Varnish with malloc storage, behind hitch for TLS; both are counted."""

import os

from .base import CACHE, RULES, Server, free_port, program

PACKAGES = {"varnishd": "varnish", "hitch": "hitch"}
VERSION = "varnishd -V"
OFFERS = CACHE

VCL = """
vcl 4.1;
backend origin {{ .host = "127.0.0.1"; .port = "{origin}"; }}
{rules}
sub vcl_recv {{
  if (req.url ~ "^/pass") {{ return (pass); }}
  # Before the builtin lets all requests with cookies pass.
  if (req.method == "GET" || req.method == "HEAD") {{ return (hash); }}
}}
"""

HITCH = """
frontend = "[127.0.0.1]:{https}"
backend = "{home}/socket"
write-proxy-v2 = on
workers = 1
backlog = 4096
pem-file = "{folder}/both.pem"
alpn-protos = "h2, http/1.1"
tls-protos = TLSv1.3
daemon = off
"""
# It refuses to work as root.
NOBODY = 'user = "nobody"\ngroup = "nogroup"\n'

# The shared memory log stays on, as everywhere.
SETTINGS = ["thread_pools=1", "thread_pool_min=200", "thread_pool_max=1000", "feature=+http2"]


def start(setup, name):
    home, http, https = setup.home(name), free_port(), free_port()
    rules = f'include "{RULES}/varnish.vcl";' if setup.ruled else ""
    (home / "cache.vcl").write_text(VCL.format(origin=setup.origin.http, rules=rules))
    text = HITCH.format(home=home, folder=setup.folder, https=https)
    (home / "hitch.conf").write_text(text + NOBODY * (os.geteuid() == 0))
    varnish = [program("varnishd"), "-F", "-j", "none", "-T", "none", "-n", home / "work"]
    varnish += ["-a", f"127.0.0.1:{http}", "-a", f"{home}/socket,PROXY,mode=666"]
    varnish += ["-f", home / "cache.vcl", "-s", "malloc,3G"]
    for setting in SETTINGS:
        varnish += ["-p", setting]
    hitch = [program("hitch"), f"--config={home}/hitch.conf"]
    return Server(name, home, [varnish, hitch], http, https, OFFERS)
