//! The PROXY protocol, versions 1 and 2: a load balancer's word on who its client is.
//!
//! ```text
//! 1:  PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n         at most 107 bytes
//! 2:  | 12 bytes of signature | version, command | family, transport | length | addresses, TLVs |
//! ```
//! The specification is `proxy-protocol.txt` of the HAProxy project. Its TLVs are skipped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What begins a version 2 header; no other protocol begins like this.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest version 1 line, its line end included.
const LONGEST_LINE: usize = 107;
/// The longest version 2 header taken; the format would allow 64 KiB of TLVs.
const LONGEST: usize = 4096;

/// The most bytes that [`parse`] ever needs to see.
pub(super) const MOST: usize = LONGEST;

/// A PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Client and the address it connected to; none if the balancer speaks for itself (a health
    /// check) or of no TCP client.
    pub(super) addresses: Option<(SocketAddr, SocketAddr)>,
    /// Size of the header in bytes; what follows is the client's.
    pub(super) size: usize,
}

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A whole header.
    Whole(Header),
    /// The beginning of one.
    Partial,
    /// No header, or a wrong one.
    Malformed,
}

/// Reads the header at the start of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let start = bytes.get(..SIGNATURE.len()).unwrap_or(bytes);
    if SIGNATURE.starts_with(start) {
        return if start.len() < SIGNATURE.len() { Parsed::Partial } else { version2(bytes) };
    }
    let name = bytes.get(..6).unwrap_or(bytes);
    if b"PROXY ".starts_with(name) {
        return version1(bytes);
    }
    Parsed::Malformed
}

fn version1(bytes: &[u8]) -> Parsed {
    let line = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let Some(end) = memchr::memmem::find(line, b"\r\n") else {
        return if line.len() < LONGEST_LINE { Parsed::Partial } else { Parsed::Malformed };
    };
    let size = end + 2;
    let words = line.get(..end).and_then(|line| std::str::from_utf8(line).ok()).map(|line| {
        let mut words = line.split(' ');
        (words.next(), words.next(), [(); 5].map(|()| words.next()))
    });
    match words {
        // What follows UNKNOWN is to be ignored.
        Some((_, Some("UNKNOWN"), _)) => Parsed::Whole(Header { addresses: None, size }),
        Some((_, Some(family), [Some(from), Some(to), Some(from_port), Some(to_port), None])) => {
            let addresses = match family {
                "TCP4" => pair::<Ipv4Addr>(from, to, from_port, to_port),
                "TCP6" => pair::<Ipv6Addr>(from, to, from_port, to_port),
                _ => None,
            };
            match addresses {
                Some(_) => Parsed::Whole(Header { addresses, size }),
                None => Parsed::Malformed,
            }
        }
        _ => Parsed::Malformed,
    }
}

fn pair<A: std::str::FromStr + Into<IpAddr>>(
    from: &str,
    to: &str,
    from_port: &str,
    to_port: &str,
) -> Option<(SocketAddr, SocketAddr)> {
    let port = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let canonical = text == "0" || !text.starts_with('0');
        (plain && canonical).then(|| text.parse::<u16>().ok()).flatten()
    };
    let address = |text: &str| text.parse::<A>().ok().map(Into::into);
    Some((
        SocketAddr::new(address(from)?, port(from_port)?),
        SocketAddr::new(address(to)?, port(to_port)?),
    ))
}

fn version2(bytes: &[u8]) -> Parsed {
    let Some(&[kind, family, high, low]) = bytes.get(12..16).and_then(|rest| rest.first_chunk())
    else {
        return Parsed::Partial;
    };
    let size = 16 + usize::from(u16::from_be_bytes([high, low]));
    if size > LONGEST || kind >> 4 != 2 {
        return Parsed::Malformed;
    }
    let Some(payload) = bytes.get(16..size) else { return Parsed::Partial };
    let addresses = match (kind & 0x0f, family) {
        // LOCAL: the balancer itself; whatever addresses it gives are to be ignored.
        (0, _) => None,
        (1, 0x11) => match addresses::<4>(payload) {
            None => return Parsed::Malformed,
            found => found,
        },
        (1, 0x21) => match addresses::<16>(payload) {
            None => return Parsed::Malformed,
            found => found,
        },
        // PROXY for an unspecified or other transport: the real addresses are the connection's.
        (1, _) => None,
        _ => return Parsed::Malformed,
    };
    Parsed::Whole(Header { addresses, size })
}

/// Client address, our address, client port, our port; TLVs may follow.
fn addresses<const N: usize>(payload: &[u8]) -> Option<(SocketAddr, SocketAddr)>
where
    IpAddr: From<[u8; N]>,
{
    let (from, rest) = payload.split_first_chunk::<N>()?;
    let (to, rest) = rest.split_first_chunk::<N>()?;
    let (from_port, rest) = rest.split_first_chunk::<2>()?;
    let (to_port, _) = rest.split_first_chunk::<2>()?;
    Some((
        SocketAddr::new(IpAddr::from(*from), u16::from_be_bytes(*from_port)),
        SocketAddr::new(IpAddr::from(*to), u16::from_be_bytes(*to_port)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write_v2(kind: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([kind, family]);
        bytes.extend((payload.len() as u16).to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn lines_of_version_1_are_read() {
        let read = |line: &str| parse(line.as_bytes());
        let pair = ("192.0.2.1:40000".parse().unwrap(), "192.0.2.2:443".parse().unwrap());
        let whole = Header { addresses: Some(pair), size: 42 };
        assert_eq!(read("PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\nGET"), Parsed::Whole(whole));
        let unknown = Header { addresses: None, size: 22 };
        assert_eq!(
            read("PROXY UNKNOWN a b c d\r\n"),
            Parsed::Whole(Header { size: 23, ..unknown })
        );
        for bad in [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 40000\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 40000 443 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 443\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY\r\n",
            "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        ] {
            assert_eq!(read(bad), Parsed::Malformed, "{bad}");
        }
        assert_eq!(read(&format!("PROXY {}", "x".repeat(200))), Parsed::Malformed);
    }

    #[test]
    fn a_balancer_may_speak_for_itself() {
        let local = write_v2(0x20, 0x00, &[]);
        assert_eq!(parse(&local), Parsed::Whole(Header { addresses: None, size: 16 }));
        let unix = write_v2(0x21, 0x31, &[0; 216]);
        assert_eq!(parse(&unix), Parsed::Whole(Header { addresses: None, size: 232 }));
        assert_eq!(parse(&write_v2(0x11, 0x11, &[0; 12])), Parsed::Malformed);
        assert_eq!(parse(&write_v2(0x22, 0x11, &[0; 12])), Parsed::Malformed);
        assert_eq!(parse(&write_v2(0x21, 0x11, &[0; 11])), Parsed::Malformed);
        assert_eq!(parse(&write_v2(0x21, 0x11, &[0; 5000])), Parsed::Malformed);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(from: [u8; 16], to: [u8; 16], from_port: u16, to_port: u16, tlvs in prop::collection::vec(any::<u8>(), 0..200)) {
            let (from, to) = (Ipv6Addr::from(from), Ipv6Addr::from(to));
            let pair = (SocketAddr::new(from.into(), from_port), SocketAddr::new(to.into(), to_port));
            let mut payload = from.octets().to_vec();
            payload.extend(to.octets());
            payload.extend(from_port.to_be_bytes());
            payload.extend(to_port.to_be_bytes());
            payload.extend(tlvs);
            let line = format!("PROXY TCP6 {from} {to} {from_port} {to_port}\r\n").into_bytes();
            for header in [write_v2(0x21, 0x21, &payload), line] {
                let size = header.len();
                let whole = Parsed::Whole(Header { addresses: Some(pair), size });
                prop_assert_eq!(parse(&header), whole);
                for cut in 0..size {
                    prop_assert_eq!(parse(&header[..cut]), Parsed::Partial);
                }
                let mut followed = header;
                followed.extend(b"GET / HTTP/1.1\r\n");
                prop_assert_eq!(parse(&followed), whole);
            }
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300), signed: bool) {
            let bytes = if signed { [&SIGNATURE[..], &bytes].concat() } else { bytes };
            if let Parsed::Whole(header) = parse(&bytes) {
                prop_assert!(header.size <= bytes.len());
            }
        }
    }
}
