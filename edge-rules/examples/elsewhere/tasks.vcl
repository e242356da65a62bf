# Ten tasks of the cook book in VCL 4.1 (Varnish 7), one section for each, as parts of one file.
# The scheme comes from the TLS terminator in X-Forwarded-Proto, the country from a module.

## force-https
sub vcl_recv {
    if (req.http.X-Forwarded-Proto != "https") {
        return (synth(750, "https://" + req.http.Host + req.url));
    }
}
sub vcl_synth {
    if (resp.status == 750) {
        set resp.http.Location = resp.reason;
        set resp.status = 301;
        set resp.reason = "Moved";
        return (deliver);
    }
}

## canonical-host
import std;
sub vcl_recv {
    if (std.tolower(req.http.Host) != "www.a.example") {
        return (synth(750, "https://www.a.example" + req.url));
    }
}
# and the vcl_synth of force-https

## hotlink-guard
sub vcl_recv {
    if (req.url ~ "(?i)^[^?]*\.(jpg|png|gif|webp)(\?|$)" && req.http.Referer
        && req.http.Referer !~ "^https?://([^/]+\.)?a\.example(:[0-9]+)?(/|$)") {
        return (synth(403));
    }
}

## token-check
import std;
import digest;
sub vcl_recv {
    if (req.url ~ "^/v/") {
        set req.http.X-Token = regsub(req.url, "^[^?]*\?(?:.*&)?_upt=([^&]*).*$", "\1");
        set req.http.X-Path = regsub(req.url, "\?.*$", "");
        set req.http.X-Until = regsub(req.http.X-Token, "^.{8}", "");
        set req.http.X-Sum = digest.hash_md5("TOKEN&" + req.http.X-Until + "&" + req.http.X-Path);
        if (req.http.X-Token !~ "^[0-9a-f]{8}[0-9]{10}$"
            || std.integer(req.http.X-Until, 0) < std.time2integer(now, 0)
            || regsub(req.http.X-Sum, "^.{12}(.{8}).*$", "\1") != regsub(req.http.X-Token, "^(.{8}).*$", "\1")) {
            return (synth(403));
        }
        unset req.http.X-Token;
        unset req.http.X-Path;
        unset req.http.X-Until;
        unset req.http.X-Sum;
    }
}

## ab-test
import std;
import cookie;
import header;
sub vcl_recv {
    unset req.http.X-Group;
    if (req.url ~ "^/(\?|$)") {
        cookie.parse(req.http.Cookie);
        set req.http.X-Group = cookie.get("group");
        if (req.http.X-Group !~ "^[ab]$") {
            set req.http.X-Group = "a";
            if (std.random(0, 10) < 1) {
                set req.http.X-Group = "b";
            }
            set req.http.X-New = "1";
        }
        if (req.http.X-Group == "b") {
            set req.url = regsub(req.url, "^/", "/new.html");
        }
    }
}
sub vcl_deliver {
    if (req.http.X-New) {
        header.append(resp.http.Set-Cookie, "group=" + req.http.X-Group + "; Path=/; Max-Age=2592000");
    }
}

## geo-block
import geoip2;
sub vcl_init {
    new country = geoip2.geoip2("/var/lib/GeoLite2-Country.mmdb");
}
sub vcl_recv {
    if (req.url ~ "^/live/" && country.lookup("country/iso_code", client.ip) !~ "^(DE|AT|CH)$") {
        return (synth(451, "Not available in your country."));
    }
}

## cors
import header;
sub vcl_recv {
    if (req.method == "OPTIONS" && req.http.Access-Control-Request-Method
        && req.http.Origin ~ "^https://([a-z0-9-]+\.)?a\.example$") {
        return (synth(204));
    }
}
sub own_sites {
    if (req.http.Origin ~ "^https://([a-z0-9-]+\.)?a\.example$") {
        set resp.http.Access-Control-Allow-Origin = req.http.Origin;
        set resp.http.Access-Control-Allow-Credentials = "true";
        header.append(resp.http.Vary, "Origin");
    }
}
sub vcl_deliver {
    call own_sites;
}
sub vcl_synth {
    call own_sites;
    if (resp.status == 204) {
        set resp.http.Access-Control-Allow-Methods = "GET, PUT, POST";
        set resp.http.Access-Control-Allow-Headers = "Content-Type";
        set resp.http.Access-Control-Max-Age = "600";
        return (deliver);
    }
}

## security-headers
sub own_headers {
    set resp.http.Strict-Transport-Security = "max-age=31536000; includeSubDomains";
    set resp.http.X-Content-Type-Options = "nosniff";
    set resp.http.X-Frame-Options = "DENY";
    set resp.http.Referrer-Policy = "strict-origin-when-cross-origin";
    unset resp.http.X-Powered-By;
    unset resp.http.X-AspNet-Version;
}
sub vcl_deliver {
    call own_headers;
}
sub vcl_synth {
    call own_headers;
}

## slow-download
# only with the tcp module, from the first byte, and on kernels that pace
import tcp;
sub vcl_recv {
    if (req.url ~ "(?i)^/download/[^?]*\.zip(\?|$)") {
        tcp.set_socket_pace(800);
    }
}

## bypass-logged-in
import cookie;
sub vcl_recv {
    cookie.parse(req.http.Cookie);
    if (cookie.isset("session") || req.http.Authorization) {
        set req.http.X-Own = "1";
        return (pass);
    }
    unset req.http.Cookie;
}
sub vcl_deliver {
    if (req.http.X-Own) {
        set resp.http.Cache-Control = "private, no-store";
    }
}
