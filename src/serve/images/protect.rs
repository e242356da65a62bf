//! Originals that can only be had with a secret, `/a.jpg!SECRET`; pictures made of them need none.

use http::{HeaderMap, HeaderName, Response, StatusCode, header};

use crate::image::Settings;
use crate::image::settings::Protect;
use crate::serve::answer::Refusal;
use crate::serve::body::Body;

/// By which an origin names the secret of what it answers with.
const CONTENT_SECRET: HeaderName = HeaderName::from_static("content-secret");

/// Whether a name is the secret that the origin gave this answer.
pub fn opens(headers: &HeaderMap, name: &str) -> bool {
    headers.get(CONTENT_SECRET).is_some_and(|secret| same(secret.as_bytes(), name.as_bytes()))
}

/// Whether a secret is one that opens all originals of the site.
pub fn is_sites(settings: &Settings, secret: &str) -> bool {
    let is = |known: &String| same(known.as_bytes(), secret.as_bytes());
    settings.protect == Protect::All && settings.secrets.iter().any(is)
}

/// Lets an answer through that needs no secret, or whose secret the client has.
///
/// # Errors
/// It needs one.
pub fn check(
    settings: &Settings,
    headers: &HeaderMap,
    secret: Option<&str>,
) -> Result<(), Refusal> {
    let is_named = headers.contains_key(CONTENT_SECRET);
    let needs = match settings.protect {
        Protect::Off => false,
        Protect::Header => is_named,
        Protect::All => is_named || is_image(headers),
    };
    let has = |secret: &str| opens(headers, secret) || is_sites(settings, secret);
    if !settings.enabled || !needs || secret.is_some_and(has) {
        return Ok(());
    }
    let message = "the original is protected";
    Err(Refusal::client(StatusCode::FORBIDDEN, 40_310_000, message).as_json())
}

/// The answer without its secret.
pub fn hide(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().remove(CONTENT_SECRET);
    response
}

fn is_image(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| {
        kind.as_bytes().get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"image/"))
    })
}

/// Whether two texts are equal, in a time that does not tell where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}
