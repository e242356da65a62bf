//! Networks: ranges of addresses, IPv4 inside IPv6, sorted so that one search finds an address.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

use crate::error::{Error, Span};

/// The addresses `first..=last`; an IPv4 address is the IPv6 address that maps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    first: u128,
    last: u128,
}

impl Network {
    /// The network that the text at `span` writes.
    pub(crate) fn read(text: &str, span: Span) -> Result<Network, Error> {
        Network::parse(text).ok_or_else(|| {
            Error::new(span, "not an address or a network")
                .hint("write \"192.0.2.7\", \"192.0.2.0/24\" or \"2001:db8::/32\"")
        })
    }

    /// `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`; bits behind the prefix do not count.
    pub(crate) fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) if prefix.len() <= 3 && prefix.bytes().all(|b| b.is_ascii_digit()) => {
                prefix.parse::<u32>().ok().filter(|prefix| *prefix <= width)?
            }
            Some(_) => return None,
            None => width,
        };
        let free = width - prefix;
        let hosts = 1u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
        let first = number(address) & !hosts;
        Some(Network { first, last: first | hosts })
    }
}

/// As rules write it: without a prefix if it is one address.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = (self.last - self.first).count_ones();
        let address = Ipv6Addr::from_bits(self.first);
        match (address.to_ipv4_mapped(), free) {
            (Some(address), 0) => write!(f, "{address}"),
            (Some(address), 1..=32) => write!(f, "{address}/{}", 32 - free),
            (_, 0) => write!(f, "{address}"),
            _ => write!(f, "{address}/{}", 128 - free),
        }
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Sorts networks and joins those that overlap.
pub(crate) fn sorted(mut networks: Vec<Network>) -> Box<[Network]> {
    networks.sort_unstable();
    let mut joined: Vec<Network> = Vec::with_capacity(networks.len());
    for network in networks {
        match joined.last_mut() {
            Some(last) if network.first <= last.last => last.last = last.last.max(network.last),
            _ => joined.push(network),
        }
    }
    joined.into()
}

/// Whether one of the sorted networks holds the address.
pub(crate) fn holds(networks: &[Network], address: IpAddr) -> bool {
    let address = number(address);
    let after = networks.partition_point(|network| network.first <= address);
    after.checked_sub(1).and_then(|at| networks.get(at)).is_some_and(|it| address <= it.last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_their_networks() {
        let parse = |text| Network::parse(text).unwrap();
        let networks = sorted(vec![
            parse("2001:db8::/32"),
            parse("10.0.0.0/8"),
            parse("10.1.0.0/16"),
            parse("192.0.2.7"),
        ]);
        assert_eq!(networks.len(), 3);
        for (address, held) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::", false),
        ] {
            assert_eq!(holds(&networks, address.parse().unwrap()), held, "{address}");
        }
        assert!(holds(&sorted(vec![parse("::/0")]), "10.0.0.1".parse().unwrap()));
        assert!(!holds(&sorted(vec![parse("0.0.0.0/0")]), "2001::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "a", "1.2.3.4/+8"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
