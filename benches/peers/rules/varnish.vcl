# The twenty rules of brink.toml.
acl inside { "10.0.0.0"/8; }

sub vcl_recv {
  # 1
  if (req.http.host != "localhost") { return (synth(751, "https://localhost" + req.url)); }
  # 2
  if (req.http.X-Forwarded-Proto == "http") {
    return (synth(751, "https://" + req.http.host + req.url));
  }
  # 3
  if (req.method != "GET" && req.method != "HEAD" && req.method != "OPTIONS") {
    return (synth(405));
  }
  # 4
  if (req.url ~ "\.(jpg|png|gif|webp)(\?|$)" && req.http.Referer
      && req.http.Referer !~ "^https?://([^/]+\.)?localhost(:[0-9]+)?(/|$)") {
    return (synth(403));
  }
  # 5
  if (req.url ~ "^/admin/" && client.ip !~ inside) { return (synth(403)); }
  # 6
  if (req.http.User-Agent ~ "(?i)badbot|scrapy|python-requests") { return (synth(403)); }
  # 7
  if (req.http.User-Agent ~ "(?i)(bot|spider|crawler)\b" && req.url !~ "^[^?]*\.") {
    set req.url = "/rendered" + req.url;
  }
  # 8
  if (req.http.User-Agent ~ "(?i)iphone|android.*mobile"
      && req.http.Cookie !~ "(^|; *)site=full(;|$)") {
    return (synth(752, "https://m.localhost" + req.url));
  }
  # 9
  if (req.url ~ "^/article\.php\?(.*&)?id=[0-9]+(&|$)") {
    return (synth(751, regsub(req.url, "^[^?]*\?(?:.*&)?id=([0-9]+).*$", "/articles/\1")));
  }
  # 10
  if (req.url ~ "^/archive/[0-9]{4}/[0-9]{2}/") { return (synth(751, "/news" + req.url)); }
  # 11
  if (req.url ~ "^/forum/") { return (synth(410)); }
  # 12
  if (req.url ~ "^/[^/?][^?]*/(\?|$)") {
    return (synth(751, regsub(req.url, "^(/[^?]*?)/+(\?|$)", "\1\2")));
  }
  # 13
  if (req.url ~ "^/app/[^.?]*(\?|$)") { set req.url = "/index.html"; }
  # 14
  if (req.url ~ "\?.*utm_") { return (synth(751, regsub(req.url, "\?.*$", ""))); }
  # 15
  if (req.http.Cookie ~ "(^|; *)preview=1(;|$)") { return (pass); }
}

sub vcl_synth {
  if (resp.status == 751 || resp.status == 752) {
    set resp.http.Location = resp.reason;
    set resp.status = resp.status - 450;
    set resp.reason = "Moved";
    return (deliver);
  }
}

sub vcl_deliver {
  # 16
  if (req.http.User-Agent !~ "(?i)mobile|ipad|android") { set resp.http.X-Device = "desktop"; }
  # 17
  if (req.http.Origin ~ "^https://([a-z0-9-]+\.)?localhost$") {
    set resp.http.Access-Control-Allow-Origin = req.http.Origin;
    set resp.http.Vary = "Origin";
  }
  # 18
  set resp.http.Strict-Transport-Security = "max-age=31536000; includeSubDomains";
  set resp.http.X-Content-Type-Options = "nosniff";
  set resp.http.X-Frame-Options = "DENY";
  set resp.http.Referrer-Policy = "strict-origin-when-cross-origin";
  # 19
  set resp.http.X-Page = req.http.host + req.url;
  # 20
  if (req.http.Accept-Language ~ "^(en|de)") {
    set resp.http.Content-Language = regsub(req.http.Accept-Language, "^([a-z]{2}).*$", "\1");
  }
}
