"""brink itself. Access log and metrics stay on, as in production; one thread, like one worker."""

from .base import CACHE, RULES, Server, free_port

PACKAGES = {}
VERSION = None
OFFERS = CACHE

NODE = """
threads = 1
state_dir = "{home}/state"
[sites]
folder = "{home}/sites.d"
[listen]
http = ["127.0.0.1:{http}"]
https = ["127.0.0.1:{https}"]
[store]
{store}
[admin]
address = "127.0.0.1:{admin}"
[upstream]
allow_private = ["127.0.0.0/8"]
[telemetry.access_log]
path = "{home}/access.log"
"""

IN_MEMORY = 'memory = "4GiB"'
ON_DISK = """
memory = "16MiB"
disks = [{{ path = "{home}/disk", size = "6GiB" }}]
disk_average_record = "16KiB"
"""

SITE = """
hosts = ["localhost"]
[origin]
servers = ["http://127.0.0.1:{origin}"]
[tls]
certificate = "{folder}/tls.pem"
key = "{folder}/tls.key"
"""


def start(setup, name):
    home, http, https, admin = setup.home(name), free_port(), free_port(), free_port()
    (home / "sites.d").mkdir()
    store = ON_DISK.format(home=home) if setup.on_disk else IN_MEMORY
    node = NODE.format(home=home, http=http, https=https, admin=admin, store=store)
    (home / "node.toml").write_text(node)
    site = SITE.format(origin=setup.origin.http, folder=setup.folder)
    if setup.ruled:
        site += (RULES / "brink.toml").read_text()
    (home / "sites.d" / "bench.toml").write_text(site)
    return Server(name, home, [[setup.brink, "run", "-c", home / "node.toml"]], http, https, OFFERS)
