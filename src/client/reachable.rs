//! Which addresses are called where somebody else names the server: a webhook's owner, or the activation code of a profile.
//!
//! Whoever may name a server must not reach through us what stands inside our own network. So, unless a setting says
//! otherwise, addresses of the public Internet alone are called. A name is judged by the addresses that it has at the
//! moment of the call, and no others are connected to; an address that stands in the URL itself is judged as it stands.
//! A name that the caller's own settings lead to an address ([`super::ConnectTo`]) goes there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// How far calls go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// To addresses of the public Internet alone.
    #[default]
    Public,
    /// Anywhere: for laboratories, and for servers that only the operator of this one names.
    Anywhere,
}

/// Why a server is not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} is {address}, no address of the public Internet; a setting permits others")]
pub struct NotPublic {
    /// As it was named.
    pub host: String,
    /// What it stands for.
    pub address: IpAddr,
}

impl Reach {
    /// Whether the host of a URL may be called as far as it says; a name says nothing yet.
    ///
    /// # Errors
    /// [`NotPublic`] for an address that is not.
    pub fn permits(self, host: &str) -> Result<(), NotPublic> {
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match (self, inner.parse::<IpAddr>()) {
            (Self::Public, Ok(address)) if !is_public(address) => {
                Err(NotPublic { host: host.to_owned(), address })
            }
            _ => Ok(()),
        }
    }
}

/// Resolves names, and keeps their public addresses.
#[derive(Debug)]
pub(super) struct PublicResolver;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(public(name.as_str(), addresses)?)
        })
    }
}

/// The public ones of a name's addresses.
fn public(name: &str, addresses: impl Iterator<Item = SocketAddr>) -> Result<Addrs, NotPublic> {
    let (public, other): (Vec<_>, Vec<_>) = addresses.partition(|address| is_public(address.ip()));
    match (public.is_empty(), other.first()) {
        (true, Some(other)) => Err(NotPublic { host: name.to_owned(), address: other.ip() }),
        _ => Ok(Box::new(public.into_iter())),
    }
}

/// Whether an address is one of the public Internet, by the registries of special-purpose addresses (RFC 6890): neither
/// a host's own nor a network's own, not for documentation or measurements, not for groups, not reserved.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

/// An IPv4 address that stands in one of IPv6 is judged as itself: a gateway may lead to it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Mapped, and translated by a gateway's well-known prefix.
        [0, 0, 0, 0, 0, 0xFFFF, high, low] | [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => inner(high, low),
        // 6to4.
        [0x2002, high, low, ..] => inner(high, low),
        // Teredo and other protocols; documentation.
        [0x2001, 0..=0x01FF | 0x0DB8, ..] | [0x3FFF, 0..=0x0FFF, ..] => false,
        [0x2000..=0x3FFF, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_told_from_all_others() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
            assert_eq!(Reach::Public.permits(public), Ok(()));
        }
        for other in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            let address: IpAddr = other.parse().unwrap();
            assert!(!is_public(address), "{other}");
            let refused = NotPublic { host: other.to_owned(), address };
            assert_eq!(Reach::Public.permits(other), Err(refused));
            assert_eq!(Reach::Anywhere.permits(other), Ok(()));
        }
        assert!(
            Reach::Public.permits("[::1]").is_err() && Reach::Public.permits("[2606:4700::1111]").is_ok()
        );
        assert_eq!(Reach::Public.permits("localhost"), Ok(()), "judged when it is resolved");
    }

    #[test]
    fn of_a_name_the_public_addresses_are_left() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
        };
        let left = |texts: &[&str]| {
            public("a.example", addresses(texts).into_iter()).map(|left| left.collect::<Vec<_>>())
        };
        assert_eq!(left(&["127.0.0.1", "1.1.1.1", "::1"]).unwrap(), addresses(&["1.1.1.1"]));
        assert_eq!(left(&[]).unwrap(), []);
        let refused = left(&["::1", "10.0.0.1"]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "a.example is ::1, no address of the public Internet; a setting permits others"
        );
    }
}
