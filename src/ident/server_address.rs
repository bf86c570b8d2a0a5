//! RSP server address: the name under which a server is reached (SGP.22 4.1, 6.1).

use std::fmt;

use super::{InvalidIdentifier, text_form};

const EXPECTED: &str = "a host name, with a port off 443, without scheme or path";

/// A host name, or a host name with a port where the server is not on 443, as LPAs send it. The spelling is kept;
/// comparison ignores letter case, and no port is 443.
#[derive(Clone)]
pub struct ServerAddress(String);

impl ServerAddress {
    /// Reads `host` or `host:port`.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        let invalid = || InvalidIdentifier::new("server address", EXPECTED, text);
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let port_fits = port.is_none_or(|port| {
            port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
        });
        if host.len() <= 253 && host.split('.').all(label) && port_fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid())
        }
    }

    /// The text as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split_once(':').map_or(self.0.as_str(), |(host, _)| host)
    }

    /// The port, 443 if none is given.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.split_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(443)
    }
}

impl PartialEq for ServerAddress {
    fn eq(&self, other: &Self) -> bool {
        self.host().eq_ignore_ascii_case(other.host()) && self.port() == other.port()
    }
}

impl Eq for ServerAddress {}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_form!(ServerAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port() {
        let address = ServerAddress::parse("SMDP.example.com:8443").unwrap();
        assert_eq!((address.host(), address.port()), ("SMDP.example.com", 8443));
        assert_eq!(address, ServerAddress::parse("smdp.EXAMPLE.com:8443").unwrap());
        assert_ne!(address, ServerAddress::parse("smdp.example.com").unwrap());
        let default = ServerAddress::parse("smdp.example.com:443").unwrap();
        assert_eq!(default, ServerAddress::parse("Smdp.example.com").unwrap());
        for text in ["", "https://x", "x/y", "x:0", "x:70000", "x:", ".x", "x..y", "a b", "x$y", "x:+80"] {
            assert!(ServerAddress::parse(text).is_err(), "{text}");
        }
    }
}
