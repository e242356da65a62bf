//! `brink demo`: an origin inside the process, a site for it, and what to try.
//!
//! The verb starts the origin ([`origin::start`]) and an ordinary node with [`site_document`], so
//! that everything that a visitor sees went through the real product.

mod body;
pub mod certificate;
mod content;
pub mod origin;
pub mod proof;
pub(crate) mod verb;

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What runs where, for [`intro`].
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Where the node takes HTTP.
    pub http: SocketAddr,
    /// Where the node takes HTTPS.
    pub https: SocketAddr,
    /// Where the node's administration listens.
    pub admin: SocketAddr,
    /// Where the demo's origin listens.
    pub origin: SocketAddr,
    /// The certificate that the node shows, as PEM.
    pub certificate: PathBuf,
    /// How this program is called.
    pub program: String,
    /// The node's admin socket, by which the commands find it.
    pub socket: PathBuf,
}

/// The site document of the demo: its hosts, its origin and the certificate made on the spot.
pub fn site_document(origin: SocketAddr, certificate: &certificate::Files) -> String {
    let hosts = certificate::NAMES.map(|name| match name {
        "::1" => "\"[::1]\"".to_owned(),
        name => format!("\"{name}\""),
    });
    let path = |path: &PathBuf| toml::Value::String(path.display().to_string()).to_string();
    format!(
        "# The site of `brink demo`.\n\
         hosts = [{hosts}]\n\
         \n\
         [origin]\n\
         servers = [\"http://{origin}\"]\n\
         \n\
         [tls]\n\
         certificate = {certificate}\n\
         key = {key}\n\
         \n\
         [respond]\n\
         errors = \"page\"\n\
         server_timing = true\n\
         \n\
         [images]\n\
         enabled = true\n\
         presets.thumbnail = \"/fw/160/format/webp\"\n",
        hosts = hosts.join(", "),
        certificate = path(&certificate.certificate),
        key = path(&certificate.key),
    )
}

/// What to print when everything runs: where it is, and nine commands that each show one thing.
pub fn intro(addresses: &Addresses) -> String {
    let Addresses { http, https, admin, origin, .. } = addresses;
    let tls_port = https.port();
    let mut text = format!(
        "\nbrink demo is running. Open http://{http}/ in a browser, or try the commands below.\n\n  \
         HTTP     http://{http}/\n  \
         HTTPS    https://localhost:{tls_port}/\n  \
         admin    http://{admin}/metrics\n  \
         origin   http://{origin}/  (inside this process)\n"
    );
    for (number, (what, command)) in commands(addresses).iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{}. {what}\n   {command}\n", number + 1);
    }
    text.push_str("\nCtrl-C ends it.\n");
    text
}

/// What each shows, and how it is written.
fn commands(addresses: &Addresses) -> [(&'static str, String); 9] {
    let Addresses { http, https, certificate, program, socket, .. } = addresses;
    let (certificate, tls_port) = (certificate.display(), https.port());
    let socket = socket.display();
    [
        (
            "A hit: the second answer comes from memory, and says so.",
            format!(
                "for i in 1 2; do curl -so /dev/null -D - http://{http}/photos/parrots.jpg \
                 | grep -i cache-status; done"
            ),
        ),
        (
            "Fifty clients, one slow file, one request to the origin (all show its number).",
            format!(
                "seq 50 | xargs -P 50 -I_ curl -so /dev/null -D - http://{http}/slow/2000/500000 \
                 | grep -i x-origin-request | sort | uniq -c"
            ),
        ),
        (
            "A range: two lines out of a million bytes that say where they belong.",
            format!("curl -s -r 1280-1535 http://{http}/bytes/1000000"),
        ),
        (
            "A picture made of another on the way: its size, beside the original's.",
            format!(
                "for form in '' '!/fw/400/format/webp' '!thumbnail'; do curl -so /dev/null -w '%{{size_download}} \
                 %{{content_type}}\\n' \"http://{http}/photos/parrots.jpg$form\"; done"
            ),
        ),
        (
            "What the node would do, and why, without doing it.",
            format!("{program} explain --socket {socket} http://{http}/photos/parrots.jpg"),
        ),
        (
            "All photographs are purged by their tag: the origin is asked whether the old one still holds.",
            format!(
                "{program} purge --socket {socket} --tag photos; curl -so /dev/null -D - \
                 http://{http}/photos/parrots.jpg | grep -i cache-status"
            ),
        ),
        (
            "What is asked for most, and who ordered what.",
            format!("{program} top --socket {socket}; {program} audit --socket {socket}"),
        ),
        (
            "HTTPS and HTTP/2 with the certificate made on the spot.",
            format!(
                "curl -sI --http2 --cacert {certificate} https://localhost:{tls_port}/photos/houses.jpg"
            ),
        ),
        (
            "The origin fails for ten seconds; the stale copy is served and says why.",
            format!(
                "curl -s http://{http}/clock; curl -s -X POST http://{http}/origin/down/10; sleep 3; \
                 curl -si http://{http}/clock"
            ),
        ),
    ]
}

#[cfg(test)]
mod tests;
