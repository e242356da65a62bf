//! May they: refuses what the site does not take, before anything is looked up.

use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use crate::header::cdn_loop;
use crate::header::present::Present;
use crate::serve::Serve;
use crate::serve::answer::Refusal;
use crate::site::Site;

/// Lets a request pass or says why not.
///
/// # Errors
/// The site is closed, does not take the method, or not so large a body; or the request has been
/// through this node before (RFC 8586).
pub fn admit(serve: &Serve, site: &Site, head: &Parts, present: Present) -> Result<(), Refusal> {
    if !site.enabled {
        return Err(Refusal::client(
            StatusCode::METHOD_NOT_ALLOWED,
            40_510_001,
            "invisible bucket",
        ));
    }
    if !site.respond.allows(&head.method) {
        let allowed = site.respond.methods.join(", ");
        let refusal = Refusal::client(
            StatusCode::METHOD_NOT_ALLOWED,
            40_510_000,
            "this site does not take this method",
        );
        return Err(match HeaderValue::try_from(allowed) {
            Ok(allowed) => refusal.with(header::ALLOW, allowed),
            Err(_) => refusal,
        });
    }
    if present.has(Present::BODY)
        && announced_length(head).is_some_and(|length| length > site.respond.max_upload.0)
    {
        let message = "request body too large";
        return Err(Refusal::client(StatusCode::PAYLOAD_TOO_LARGE, 41_310_001, message).closing());
    }
    if present.has(Present::CDN_LOOP) && cdn_loop::count(&head.headers, &serve.name) > 0 {
        return Err(Refusal::edge(StatusCode::LOOP_DETECTED, 50_810_007, "cyclic request"));
    }
    Ok(())
}

fn announced_length(head: &Parts) -> Option<u64> {
    head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
