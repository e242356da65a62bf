"""Apache Traffic Server without its manager, in a folder of its own, hits from its RAM cache.

It stays the user that starts it (`#-1`). The seen filter is off: with it, one reading
puts nothing into the RAM cache.
"""

from .base import CACHE, Server, free_port, program

PACKAGES = {"traffic_server": "trafficserver"}
VERSION = "traffic_server -V"
OFFERS = CACHE

LAYOUT = """
prefix: {home}
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/sbin
libdir: /usr/lib/trafficserver
libexecdir: /usr/lib/trafficserver/modules
sysconfdir: {home}
datadir: {home}
includedir: {home}
localstatedir: {home}
runtimedir: {home}
logdir: {home}
mandir: {home}
infodir: {home}
cachedir: {home}
"""

FILES = {
    "runroot.yaml": LAYOUT,
    "records.config": """
CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.exec_thread.affinity INT 0
CONFIG proxy.config.accept_threads INT 0
CONFIG proxy.config.task_threads INT 1
CONFIG proxy.config.cache.threads_per_disk INT 2
CONFIG proxy.config.http.server_ports STRING {http} {https}:ssl:proto=http2;http
CONFIG proxy.config.http.insert_request_via_str INT 0
CONFIG proxy.config.http.insert_response_via_str INT 0
CONFIG proxy.config.http.keep_alive_no_activity_timeout_in INT 600
CONFIG proxy.config.http2.max_concurrent_streams_in INT 256
CONFIG proxy.config.url_remap.pristine_host_hdr INT 1
CONFIG proxy.config.cache.ram_cache.size INT 3221225472
CONFIG proxy.config.cache.ram_cache_cutoff INT 209715200
CONFIG proxy.config.cache.ram_cache.use_seen_filter INT 0
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.ssl.server.cert.path STRING {folder}
CONFIG proxy.config.ssl.server.private_key.path STRING {folder}
CONFIG proxy.config.ssl.TLSv1_2 INT 0
""",
    "remap.config": "map / http://127.0.0.1:{origin}/\n",
    "storage.config": "{home} 6G\n",
    "ssl_multicert.config": "dest_ip=* ssl_cert_name=tls.pem ssl_key_name=tls.key\n",
    "cache.config": "url_regex=^[^?]*/pass action=never-cache\n",
    "ip_allow.yaml": "ip_allow: [{{ apply: in, ip_addrs: 127.0.0.0/8, action: allow, "
    "methods: ALL }}]\n",
}


def start(setup, name):
    home, http, https = setup.home(name), free_port(), free_port()
    for file, text in FILES.items():
        text = text.format(
            folder=setup.folder,
            home=home,
            origin=setup.origin.http,
            http=http,
            https=https,
        )
        (home / file).write_text(text)
    command = [program("traffic_server"), f"--run-root={home}/runroot.yaml"]
    return Server(name, home, [command], http, https, OFFERS)
