//! The device class of a client, for sites that serve phones and desks differently.

use http::HeaderMap;
use http::header::USER_AGENT;
use memchr::memmem;

/// The kind of device that a `User-Agent` tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Everything else.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A crawler.
    Bot,
}

impl Device {
    /// Tells the device from the request.
    pub fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(USER_AGENT).map(|value| value.as_bytes().to_ascii_lowercase());
        let agent = agent.unwrap_or_default();
        let has = |word: &str| memmem::find(&agent, word.as_bytes()).is_some();
        if has("bot") || has("crawl") || has("spider") || has("slurp") {
            Device::Bot
        } else if has("ipad") || has("tablet") || has("android") && !has("mobile") {
            Device::Tablet
        } else if has("mobile") || has("iphone") || has("ipod") || has("windows phone") {
            Device::Mobile
        } else {
            Device::Desktop
        }
    }

    /// The word in the key.
    pub fn as_str(self) -> &'static str {
        match self {
            Device::Desktop => "desktop",
            Device::Mobile => "mobile",
            Device::Tablet => "tablet",
            Device::Bot => "bot",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn classes() {
        for (agent, device) in [
            ("Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0", Device::Desktop),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) Mobile/15E148", Device::Mobile),
            ("Mozilla/5.0 (Linux; Android 15; Pixel 9) Mobile Safari/537.36", Device::Mobile),
            ("Mozilla/5.0 (Linux; Android 15; SM-X910) Safari/537.36", Device::Tablet),
            ("Mozilla/5.0 (compatible; Googlebot/2.1)", Device::Bot),
        ] {
            let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(agent))]);
            assert_eq!(Device::of(&headers), device, "{agent}");
        }
        assert_eq!(Device::of(&HeaderMap::new()), Device::Desktop);
    }
}
