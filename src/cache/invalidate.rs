//! What an unsafe method makes old (RFC 9111 section 4.4).

use http::header::{CONTENT_LOCATION, HeaderMap, LOCATION};
use http::{Method, StatusCode};

use super::Request;
use super::key::plain_host;

/// The paths, with their queries, whose stored responses must not be used again after this answer:
/// the request's own, and those that `Location` and `Content-Location` name on the same origin.
/// Nothing after a safe method or an error.
pub fn invalidates(request: &Request<'_>, status: StatusCode, response: &HeaderMap) -> Vec<String> {
    if !is_change(request.method, status) {
        return Vec::new();
    }
    let mut targets = vec![own(request)];
    for name in [LOCATION, CONTENT_LOCATION] {
        for value in response.get_all(name) {
            let target = value.to_str().ok().and_then(|text| same_origin(request, text));
            targets.extend(
                target.filter(|target| !targets.contains(target)).into_iter().collect::<Vec<_>>(),
            );
        }
    }
    targets
}

/// Whether a method that is not safe did what it was to do.
pub fn is_change(method: &Method, status: StatusCode) -> bool {
    !is_safe(method) && (status.is_success() || status.is_redirection())
}

/// Whether the method is known to change nothing; every other one is taken to change the target.
pub fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method)
        || ["PROPFIND", "REPORT", "SEARCH", "QUERY"].contains(&method.as_str())
}

fn own(request: &Request<'_>) -> String {
    match request.query {
        Some(query) => format!("{}?{query}", request.path),
        None => request.path.to_owned(),
    }
}

/// Resolves a reference against the request's URL (RFC 3986 section 5.2) and returns path and query
/// when it is on the same scheme, host and port. An answer about one origin says nothing about
/// another.
pub fn same_origin(request: &Request<'_>, reference: &str) -> Option<String> {
    let reference = reference.trim();
    let reference = reference.split('#').next().unwrap_or_default();
    let rest = match scheme_of(reference) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(request.scheme) => {
            rest.starts_with("//").then_some(rest)?
        }
        Some(_) => return None,
        None => reference,
    };
    let target = if let Some(rest) = rest.strip_prefix("//") {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at_checked(end)?;
        let host = |text| plain_host(text, request.scheme).to_ascii_lowercase();
        if host(authority) != host(request.host) {
            return None;
        }
        if tail.starts_with('/') { tail.to_owned() } else { format!("/{tail}") }
    } else if rest.is_empty() {
        return Some(own(request));
    } else if rest.starts_with('/') {
        rest.to_owned()
    } else if rest.starts_with('?') {
        format!("{}{rest}", request.path)
    } else {
        let folder = request.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{rest}")
    };
    Some(without_dots(&target))
}

/// The scheme of an absolute reference and what follows its colon.
fn scheme_of(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    valid.then_some((scheme, rest))
}

/// Removes dot segments from the path (RFC 3986 section 5.2.4).
fn without_dots(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut segments: Vec<&str> = Vec::new();
    let mut open = false;
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        open = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut text = String::with_capacity(target.len() + 1);
    for segment in &segments {
        text.push('/');
        text.push_str(segment);
    }
    if open || segments.is_empty() {
        text.push('/');
    }
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    text
}

#[cfg(test)]
#[path = "invalidate_tests.rs"]
mod tests;
