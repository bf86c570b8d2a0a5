//! Names of an ISIM (TS 31.103 4.2.2 to 4.2.4, 4.2.8): data objects `80` with text.

use std::net::{Ipv4Addr, Ipv6Addr};

use toml::Value;

use super::codec::Codec;
use super::error::Refusal;
use super::tlv::{self, object};
use super::value::{self, Encoded, Members};

/// The tag of the data object.
const TEXT: u8 = 0x80;
/// One data object with text.
pub(super) const TEXT_OBJECT: Codec = Codec::Words(
    |octets| match tlv::read(octets)?.as_slice() {
        [(TEXT, text)] => std::str::from_utf8(text).ok().map(value::text),
        _ => None,
    },
    |value, _| object(TEXT, value::string(value)?.as_bytes()),
);

/// The address of a P-CSCF (TS 31.103 4.2.8).
pub(super) const CALL_SESSION_CONTROL: Codec = Codec::Words(
    |octets| match tlv::read(octets)?.as_slice() {
        [(TEXT, address)] => decode_address(address),
        _ => None,
    },
    |value, _| object(TEXT, &encode_address(value)?),
);

/// The kinds of address.
const FQDN: u8 = 0;
const IPV4: u8 = 1;
const IPV6: u8 = 2;

fn decode_address(octets: &[u8]) -> Option<Value> {
    let (kind, address) = octets.split_first()?;
    let (member, text) = match *kind {
        FQDN => ("fqdn", std::str::from_utf8(address).ok()?.to_owned()),
        IPV4 => ("ipv4", Ipv4Addr::from(*address.as_array::<4>()?).to_string()),
        IPV6 => ("ipv6", Ipv6Addr::from(*address.as_array::<16>()?).to_string()),
        _ => return None,
    };
    Some(value::table([(member, Some(value::text(text)))]))
}

fn encode_address(value: &Value) -> Encoded {
    const EXPECTED: &str = "a table with fqdn, ipv4 or ipv6";
    let members = Members::of(value, EXPECTED, &["fqdn", "ipv4", "ipv6"])?;
    let (kind, address) = match (members.text("fqdn")?, members.text("ipv4")?, members.text("ipv6")?) {
        (Some(name), None, None) => (FQDN, name.as_bytes().to_vec()),
        (None, Some(text), None) => {
            let refuse = |_| Refusal::text("an IPv4 address", text).within("ipv4");
            (IPV4, text.parse::<Ipv4Addr>().map_err(refuse)?.octets().to_vec())
        }
        (None, None, Some(text)) => {
            let refuse = |_| Refusal::text("an IPv6 address", text).within("ipv6");
            (IPV6, text.parse::<Ipv6Addr>().map_err(refuse)?.octets().to_vec())
        }
        _ => return Err(Refusal::value(EXPECTED, value)),
    };
    Ok([vec![kind], address].concat())
}

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use crate::profile::content::tests::{agree, refused};

    #[test]
    fn names_and_addresses() {
        let kind = ElementKind::Isim;
        for (name, octets, text) in [
            ("EF.IMPI", "8003614062", r#""a@b""#),
            ("EF.IMPU", "80077369703A614062FFFF", r#"{ value = "sip:a@b", length = 11 }"#),
            ("EF.Domain", "8000FF", r#"{ value = "", length = 3 }"#),
            // TS 31.103 4.2.8: the three types of address.
            ("EF.PCSCF", "800400612E62", r#"{ fqdn = "a.b" }"#),
            ("EF.PCSCF", "800501C0000201FF", r#"{ ipv4 = "192.0.2.1", length = 8 }"#),
            ("EF.PCSCF", "80110220010DB8000000000000000000000001", r#"{ ipv6 = "2001:db8::1" }"#),
        ] {
            agree(kind, name, octets, text);
        }
        // TS.48: the service centre as a URI.
        agree(ElementKind::Telecom, "EF.PSISMSC", "800674656C3A2B31", r#""tel:+1""#);
        for text in [r#"{ ipv4 = "192.0.2" }"#, r#"{ fqdn = "a", ipv4 = "192.0.2.1" }"#, "{}", r#""a.b""#] {
            assert!(refused(kind, "EF.PCSCF", text).contains("expected"), "{text}");
        }
    }
}
