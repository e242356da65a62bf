"""The servers that run.py compares: how each is configured, started and stopped.

All listen on 127.0.0.1, run one worker, and lie before the same origin. The configurations are what
an expert would write for hits from memory; every server keeps its cache on tmpfs or in memory.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

SERVER_CORE = 0
CLIENT_CORE = 1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(core):
    """For subprocess: binds the child to one core."""
    return lambda: os.sched_setaffinity(0, {core})


class Server:
    """One process tree with a plain port and, mostly, a TLS port."""

    def __init__(self, name, command, http, https=None, core=SERVER_CORE):
        self.name, self.http, self.https = name, http, https
        self.log = open(f"{name}.log", "w")
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, preexec_fn=pinned(core)
        )
        deadline = time.monotonic() + 20
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SystemExit(f"{name} did not start: {Path(self.log.name).read_text()[-2000:]}")
            time.sleep(0.05)

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.http), 1):
                return True
        except OSError:
            return False

    def fetch(self, path):
        """Status, fields and length of one answer."""
        request = urllib.request.Request(f"http://localhost:{self.http}{path}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), len(answer.read())

    def processes(self):
        """The process and all its descendants."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    stat = Path(f"/proc/{entry}/stat").read_text()
                except OSError:
                    continue
                parents[int(entry)] = int(stat.rpartition(")")[2].split()[1])
        found = {self.process.pid}
        while True:
            more = {pid for pid, parent in parents.items() if parent in found} - found
            if not more:
                return found
            found |= more

    def cpu_seconds(self):
        """User and system time of all threads of all its processes so far."""
        ticks = 0
        for pid in self.processes():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def certificate(folder):
    """A self-signed P-256 certificate for localhost: paths of certificate and key."""
    paths = folder / "tls.pem", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        + ["-out", paths[0], "-keyout", paths[1]],
        check=True,
        capture_output=True,
    )
    return paths


def floor(binary, folder, name="floor", core=SERVER_CORE):
    http, https = free_port(), free_port()
    pem, key = folder / "tls.pem", folder / "tls.key"
    command = [binary, "--http", f"127.0.0.1:{http}", "--https", f"127.0.0.1:{https}"]
    command += ["--certificate", pem, "--key", key]
    return Server(name, command, http, https, core)


NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off; server_tokens off; default_type application/octet-stream;
  {sending}
  tcp_nodelay on; keepalive_timeout 600; keepalive_requests 1000000000;
  open_file_cache max=15000 inactive=600s; open_file_cache_valid 600s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_cache_path {folder}/cache levels=1:2 keys_zone=c:64m inactive=1d max_size=1g use_temp_path=off;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; keepalive_requests 1000000000; }}
  ssl_certificate {folder}/../tls.pem; ssl_certificate_key {folder}/../tls.key;
  ssl_protocols TLSv1.3; ssl_buffer_size 16k; ssl_session_cache shared:s:16m;
  server {{
    listen 127.0.0.1:{http} backlog=4096; listen 127.0.0.1:{https} ssl http2 backlog=4096;
    server_name localhost; http2_max_requests 1000000000; http2_max_concurrent_streams 256;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
    location / {{ proxy_pass http://origin; proxy_cache c; proxy_cache_lock on; }}
    location /pass {{ proxy_pass http://origin; }}  # told that nothing here is cacheable
  }}
}}
"""

# nginx is fastest in one form for small objects and in another for large ones.
NGINX_FORMS = {
    "nginx": "sendfile on; tcp_nopush off;",
    "nginx-nosf": "sendfile off; tcp_nopush off; output_buffers 1 512k;",
}


def nginx(name, folder, origin):
    home = folder / name
    home.mkdir()
    http, https = free_port(), free_port()
    text = NGINX.format(
        folder=home, sending=NGINX_FORMS[name], origin=origin.http, http=http, https=https
    )
    (home / "nginx.conf").write_text(text)
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    return Server(name, [binary, "-c", home / "nginx.conf"], http, https)


# Access log and metrics stay on, as in production. One serving thread, like one worker.
BRINK_NODE = """
threads = 1
state_dir = "{home}/state"
[sites]
folder = "{home}/sites.d"
[listen]
http = ["127.0.0.1:{http}"]
https = ["127.0.0.1:{https}"]
[admin]
address = "127.0.0.1:{admin}"
[upstream]
allow_private = ["127.0.0.0/8"]
"""

BRINK_SITE = """
hosts = ["localhost"]
[origin]
servers = ["http://127.0.0.1:{origin}"]
[tls]
certificate = "{folder}/tls.pem"
key = "{folder}/tls.key"
"""


def brink(binary, folder, origin):
    home = folder / "brink"
    (home / "sites.d").mkdir(parents=True)
    http, https, admin = free_port(), free_port(), free_port()
    node = BRINK_NODE.format(home=home, http=http, https=https, admin=admin)
    (home / "node.toml").write_text(node)
    site = BRINK_SITE.format(origin=origin.http, folder=folder)
    (home / "sites.d" / "bench.toml").write_text(site)
    return Server("brink", [binary, "run", "-c", home / "node.toml"], http, https)
