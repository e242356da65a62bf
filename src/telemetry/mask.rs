//! Takes out of a log line what is nobody's business: secrets in queries, and whose address it was.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use percent_encoding::percent_decode;

/// What stands for a secret.
const MASK: &[u8] = b"***";

/// The network of a client: /24 of IPv4 (mapped into IPv6, too), /48 of IPv6.
pub(super) fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << (32 - 24)))),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - 48)))),
    }
}

/// A query without the values of the parameters that `secrets` names.
pub(super) fn query<'a>(query: &'a [u8], secrets: &[String]) -> Cow<'a, [u8]> {
    let secret = |pair: &[u8]| {
        let end = pair.iter().position(|&byte| byte == b'=').filter(|&at| at + 1 < pair.len())?;
        let name: Cow<'_, [u8]> = percent_decode(pair.get(..end)?).into();
        secrets.iter().any(|secret| secret.as_bytes().eq_ignore_ascii_case(&name)).then_some(end)
    };
    if !query.split(|&byte| byte == b'&').any(|pair| secret(pair).is_some()) {
        return Cow::Borrowed(query);
    }
    let mut masked = Vec::with_capacity(query.len());
    for (number, pair) in query.split(|&byte| byte == b'&').enumerate() {
        if number > 0 {
            masked.push(b'&');
        }
        match secret(pair).and_then(|end| pair.get(..=end)) {
            Some(name) => {
                masked.extend_from_slice(name);
                masked.extend_from_slice(MASK);
            }
            None => masked.extend_from_slice(pair),
        }
    }
    Cow::Owned(masked)
}

/// A `Referer` without user and password, and with its query masked.
pub(super) fn referer<'a>(value: &'a [u8], secrets: &[String]) -> Cow<'a, [u8]> {
    // Nearly every one has neither a user nor a query.
    if memchr::memchr2(b'@', b'?', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut parts = value.splitn(2, |&byte| byte == b'?');
    let address = without_user(parts.next().unwrap_or_default());
    let masked = parts.next().map(|part| query(part, secrets));
    match (address, masked) {
        (Cow::Borrowed(_), None | Some(Cow::Borrowed(_))) => Cow::Borrowed(value),
        (address, None) => address,
        (address, Some(masked)) => {
            let mut whole = address.into_owned();
            whole.push(b'?');
            whole.extend_from_slice(&masked);
            Cow::Owned(whole)
        }
    }
}

/// `https://user:password@host/` becomes `https://host/`.
fn without_user(address: &[u8]) -> Cow<'_, [u8]> {
    let Some(start) = address.windows(3).position(|three| three == b"://").map(|at| at + 3) else {
        return Cow::Borrowed(address);
    };
    let (scheme, rest) = address.split_at(start);
    let end = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.iter().rposition(|&byte| byte == b'@').and_then(|at| authority.get(at + 1..)) {
        Some(host) => Cow::Owned([scheme, host, path].concat()),
        None => Cow::Borrowed(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secrets() -> Vec<String> {
        vec!["token".into(), "_upt".into()]
    }

    #[test]
    fn a_client_becomes_its_network() {
        let masked = |text: &str| client(text.parse().unwrap()).to_string();
        assert_eq!(masked("192.0.2.77"), "192.0.2.0");
        assert_eq!(masked("::ffff:192.0.2.77"), "192.0.2.0");
        assert_eq!(masked("2001:db8:1:2:3::4"), "2001:db8:1::");
    }

    #[test]
    fn secrets_in_a_query_are_masked_however_they_are_spelled() {
        let masked = |text: &str| String::from_utf8(query(text.as_bytes(), &secrets()).to_vec());
        for (sent, logged) in [
            ("a=1&token=s3cret&b=2", "a=1&token=***&b=2"),
            ("TOKEN=s3cret", "TOKEN=***"),
            ("%74oken=s3cret=", "%74oken=***"),
            ("_upt=s3cret&_upt=s3cret", "_upt=***&_upt=***"),
            ("token=", "token="),
            ("tokens=fine&&=", "tokens=fine&&="),
        ] {
            assert_eq!(masked(sent).unwrap(), logged);
        }
    }

    #[test]
    fn a_referer_loses_user_and_secrets() {
        let masked = |text: &str| String::from_utf8(referer(text.as_bytes(), &secrets()).to_vec());
        for (sent, logged) in [
            ("https://u:p@a.example/x?y=1", "https://a.example/x?y=1"),
            ("https://a.example/x@y?token=s", "https://a.example/x@y?token=***"),
            ("https://u@a.example", "https://a.example"),
            ("https://a.example/?q=a@b", "https://a.example/?q=a@b"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(masked(sent).unwrap(), logged);
        }
    }

    proptest! {
        #[test]
        fn no_secret_survives(before in "[a-z=&?]{0,9}", after in "[a-z=&?]{0,9}") {
            let sent = format!("{before}&token=S3CRET&{after}");
            for sent in [sent.clone(), format!("https://user:S3CRET@a.example/?{sent}")] {
                let logged = match sent.strip_prefix("https") {
                    Some(_) => referer(sent.as_bytes(), &secrets()),
                    None => query(sent.as_bytes(), &secrets()),
                };
                prop_assert!(!String::from_utf8_lossy(&logged).contains("S3CRET"));
            }
        }

        #[test]
        fn nothing_is_lost_where_nothing_is_secret(bytes: Vec<u8>) {
            prop_assert_eq!(&*query(&bytes, &[]), &*bytes);
        }
    }
}
