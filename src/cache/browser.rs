//! What browsers are told to keep (feature F31).

use http::header::{CACHE_CONTROL, EXPIRES, HeaderMap};
use http::{HeaderValue, StatusCode};

use super::policy::Policy;
use super::reuse::Judgement;
use super::{Request, freshness::Lifetimes};

/// The `max-age` in seconds for clients, where a browser rule matches; `None` leaves the origin's
/// fields alone. The time is capped by what is left of the object's life at the edge and counts from
/// now, so the age that the `Age` field tells is added: a client subtracts it again.
pub fn browser_max_age(
    policy: &Policy,
    request: &Request<'_>,
    status: StatusCode,
    judgement: &Judgement,
    lifetimes: &Lifetimes,
) -> Option<u64> {
    if policy.browser.is_empty() {
        return None;
    }
    let rule = policy.browser.iter().find(|rule| rule.matches(request, Some(status)))?;
    let left = lifetimes.fresh.saturating_sub(judgement.age);
    Some(judgement.age.as_secs() + rule.lifetime.min(left).as_secs())
}

/// Tells clients this `max-age` in place of what the origin said to them.
pub fn tell(headers: &mut HeaderMap, max_age: u64) {
    headers.remove(EXPIRES);
    if let Ok(value) = HeaderValue::from_str(&format!("max-age={max_age}")) {
        headers.insert(CACHE_CONTROL, value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{BrowserRule, Settings};
    use super::super::test_support::{ask, stored};
    use super::*;
    use crate::cache::judge;
    use crate::quantity::Span;

    #[test]
    fn browsers_keep_no_longer_than_the_edge() {
        let rule = BrowserRule { path: "/static/*".into(), ttl: Span::seconds(60) };
        let policy = Policy::new(&Settings { browser: vec![rule], ..Settings::default() });
        let (object, start) = stored("Cache-Control: max-age=100\nAge: 10");
        let none = HeaderMap::new();
        let tell_at = |path: &'static str, status: u16, seconds: u64| {
            let request = Request { path, ..ask(&none) };
            let now = start.plus(std::time::Duration::from_secs(seconds));
            let judgement = judge(&policy, &request, &object, now);
            let status = StatusCode::from_u16(status).unwrap();
            browser_max_age(&policy, &request, status, &judgement, &object.lifetimes)
        };
        assert_eq!(tell_at("/static/a", 200, 0), Some(70));
        assert_eq!(tell_at("/static/a", 200, 50), Some(60 + 40));
        assert_eq!(tell_at("/static/a", 404, 0), None);
        assert_eq!(tell_at("/a", 200, 0), None);
    }
}
