//! Which addresses may be dialled: the guard against server-side request forgery.
//!
//! An origin is whatever a customer writes down or its DNS answers, so every address is judged in the
//! moment it is dialled. Everything that is not plainly public is refused unless the operator lists
//! it; this node's own listeners are refused always, since that could only be a loop.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use arc_swap::ArcSwap;
use ipnet::IpNet;

use super::fault::{Fault, FaultKind};

/// Judges addresses; one per node.
pub(crate) struct Guard {
    allowed: Vec<IpNet>,
    own: ArcSwap<Vec<SocketAddr>>,
}

impl Guard {
    /// A guard that lets the ranges in `allowed` pass although they are not public.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Guard { allowed, own: ArcSwap::default() }
    }

    /// Replaces the list of addresses that this node listens on. An unspecified address (`0.0.0.0`,
    /// `::`) means every address of this machine.
    pub fn set_own(&self, own: Vec<SocketAddr>) {
        self.own.store(own.into());
    }

    /// Refuses an address that must not be dialled; what passes is to be dialled as returned.
    pub fn check(&self, address: SocketAddr) -> Result<SocketAddr, Fault> {
        // An IPv4 address in IPv6 clothes is that IPv4 address: the kernel would dial it as such.
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        if self.is_own(address, address.ip().is_loopback() || address.ip().is_unspecified()) {
            return Err(Fault::new(FaultKind::OwnAddress).because(address));
        }
        match refusal(address.ip()) {
            Some(why) if !self.allowed.iter().any(|net| net.contains(&address.ip())) => {
                Err(Fault::new(FaultKind::AddressProhibited)
                    .because(format_args!("{} is a {why} address", address.ip())))
            }
            _ => Ok(address),
        }
    }

    /// Refuses a connection that turned out to lead to this machine's own listener: then the
    /// kernel has given both ends the same address.
    pub fn check_connected(&self, local: SocketAddr, peer: SocketAddr) -> Result<(), Fault> {
        let here = local.ip().to_canonical() == peer.ip().to_canonical();
        match self.is_own(peer, here) {
            true => Err(Fault::new(FaultKind::OwnAddress).because(peer)),
            false => Ok(()),
        }
    }

    fn is_own(&self, address: SocketAddr, on_this_machine: bool) -> bool {
        self.own.load().iter().any(|own| {
            own.port() == address.port()
                && (own.ip().to_canonical() == address.ip().to_canonical()
                    || (own.ip().is_unspecified() && on_this_machine))
        })
    }
}

/// Why an address is not a public one, if it is not. The ranges are those of the IANA registries of
/// special-purpose addresses, and the forms in which IPv6 carries an IPv4 address.
pub(crate) fn refusal(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => refusal_v6(address),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "this-network",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "private",
        [100, 64..=127, ..] => "carrier-grade NAT",
        [127, ..] => "loopback",
        [169, 254, ..] => "link-local",
        [192, 0, 0, _] => "protocol assignment",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "documentation",
        [192, 88, 99, _] => "6to4 relay",
        [198, 18..=19, ..] => "benchmarking",
        [224..=239, ..] => "multicast",
        [240..=255, ..] => "reserved",
        _ => return None,
    })
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    Some(match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        // ::/96, IPv4-compatible (deprecated), and ::ffff:0:0:0/96, IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0, 0, ..] => "IPv4-compatible",
        [0, 0, 0, 0, 0xffff, 0, ..] => "IPv4-translated",
        // 64:ff9b::/96 leads to whatever IPv4 address it carries (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => return refusal_v4(v4(high, low)),
        [0x64, 0xff9b, ..] => "NAT64",
        [0x100, 0, 0, 0 | 1, ..] => "discard-only",
        [0x2001, 0, ..] => "Teredo",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "documentation",
        [0x2001, 0..=0x1ff, ..] => "protocol assignment",
        [0x2002, ..] => "6to4",
        [0x5f00, ..] => "segment routing",
        [0xfc00..=0xfdff, ..] => "unique-local",
        [0xfe80..=0xfebf, ..] => "link-local",
        [0xfec0..=0xfeff, ..] => "site-local",
        [0xff00..=0xffff, ..] => "multicast",
        // ISATAP (RFC 5214) hides an IPv4 address behind 0:5efe or 200:5efe in any prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => "ISATAP",
        // Only 2000::/3 has been given out for public use.
        [0x2000..=0x3fff, ..] => return None,
        _ => "unassigned",
    })
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allowed: &[&str]) -> Guard {
        Guard::new(allowed.iter().map(|net| net.parse().unwrap()).collect())
    }

    fn kind(guard: &Guard, address: &str) -> Option<FaultKind> {
        guard.check(address.parse().unwrap()).err().map(|fault| fault.kind)
    }

    #[test]
    fn every_form_of_a_private_address_is_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.1.2.3",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::10.0.0.1",
            "::8.8.8.8",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
            "e000::1",
            "2600::5efe:7f00:1",
            "2600::200:5efe:a00:1",
        ] {
            assert!(refusal(address.parse().unwrap()).is_some(), "{address}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2400:cb00::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
        ] {
            assert_eq!(refusal(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn the_operator_may_allow_ranges_in_any_spelling() {
        let guard = guard(&["127.0.0.0/8", "fd00::/8"]);
        for address in ["127.0.0.1:80", "[::ffff:127.0.0.1]:80", "[fd00::1]:80"] {
            assert_eq!(kind(&guard, address), None, "{address}");
        }
        for address in ["[::127.0.0.1]:80", "10.0.0.1:80", "[fe80::1]:80", "[::1]:80"] {
            assert_eq!(kind(&guard, address), Some(FaultKind::AddressProhibited), "{address}");
        }
        let dialled = guard.check("[::ffff:127.0.0.1]:80".parse().unwrap()).unwrap();
        assert_eq!(dialled, "127.0.0.1:80".parse().unwrap());
    }

    #[test]
    fn our_own_listeners_are_never_an_origin() {
        let guard = guard(&["0.0.0.0/0", "::/0"]);
        guard.set_own(vec!["0.0.0.0:80".parse().unwrap(), "198.51.100.7:8080".parse().unwrap()]);
        for own in ["127.0.0.1:80", "127.9.9.9:80", "0.0.0.0:80", "[::1]:80", "198.51.100.7:8080"] {
            assert_eq!(kind(&guard, own), Some(FaultKind::OwnAddress), "{own}");
        }
        for other in ["127.0.0.1:81", "198.51.100.7:81", "198.51.100.8:80"] {
            assert_eq!(kind(&guard, other), None, "{other}");
        }
        let public: SocketAddr = "198.51.100.8:80".parse().unwrap();
        let local: SocketAddr = "198.51.100.8:40000".parse().unwrap();
        assert!(guard.check_connected(local, public).is_err());
        assert!(guard.check_connected("198.51.100.9:40000".parse().unwrap(), public).is_ok());
    }
}
