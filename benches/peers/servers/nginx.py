"""nginx with proxy_cache on tmpfs, in two forms.

It is fastest in one form for small objects and in another for large ones. Without tcp_nopush in
either: on loopback, with segments of 64 KiB, that waits for delayed acknowledgements at 100 KiB.
"""

from .base import CACHE, RULES, Server, free_port, program

PACKAGES = {"nginx": "nginx-light"}
VERSION = "nginx -v"
OFFERS = CACHE

FORMS = {
    "nginx": "sendfile on; tcp_nopush off;",
    "nginx-nosf": "sendfile off; tcp_nopush off; output_buffers 1 512k;",
}

CONFIG = """
worker_processes 1; daemon off; pid {home}/nginx.pid; error_log {home}/error.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off; server_tokens off; default_type application/octet-stream;
  {sending}
  {maps}
  tcp_nodelay on; keepalive_timeout 600; keepalive_requests 1000000000;
  open_file_cache max=15000 inactive=600s; open_file_cache_valid 600s;
  client_body_temp_path {home}/body; proxy_temp_path {home}/temp;
  fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  proxy_cache_path {home}/cache levels=1:2 keys_zone=c:800m inactive=1d max_size=8g
    use_temp_path=off;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; keepalive_requests 1000000000; }}
  ssl_certificate {folder}/tls.pem; ssl_certificate_key {folder}/tls.key;
  ssl_protocols TLSv1.3; ssl_buffer_size 16k; ssl_session_cache shared:s:16m;
  server {{
    listen 127.0.0.1:{http} backlog=4096; listen 127.0.0.1:{https} ssl http2 backlog=4096;
    server_name localhost; http2_max_requests 1000000000; http2_max_concurrent_streams 256;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
    {rules}
    location / {{ proxy_pass http://origin; proxy_cache c; proxy_cache_lock on; }}
    location /pass {{ proxy_pass http://origin; }}  # told that nothing here is cacheable
  }}
}}
"""


def start(setup, name):
    home, http, https = setup.home(name), free_port(), free_port()
    text = CONFIG.format(
        folder=setup.folder,
        home=home,
        sending=FORMS[name],
        origin=setup.origin.http,
        http=http,
        https=https,
        maps=f"include {RULES}/nginx-http.conf;" if setup.ruled else "",
        rules=f"include {RULES}/nginx-server.conf;" if setup.ruled else "",
    )
    (home / "nginx.conf").write_text(text)
    command = [program("nginx"), "-e", home / "error.log", "-c", home / "nginx.conf"]
    return Server(name, home, [command], http, https, OFFERS)
