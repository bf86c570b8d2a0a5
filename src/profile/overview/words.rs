//! Words for numbers of the standards.

use crate::profile::content::key_reference;

/// What a key reference of a PIN stands for (TS 102 221 9.5.1).
pub(in crate::profile) fn pin(reference: u8) -> String {
    key_reference(reference).map_or_else(|| format!("key reference {reference:02X}"), str::to_owned)
}

/// What a key reference of a PUK stands for.
pub(in crate::profile) fn puk(reference: u8) -> String {
    match reference {
        1 => "PUK1".to_owned(),
        129 => "PUK2".to_owned(),
        other => format!("PUK of {}", pin(other)),
    }
}

/// The algorithms of AKAParameter.
pub(super) fn algorithm(id: u8) -> String {
    match id {
        1 => "Milenage".to_owned(),
        2 => "TUAK".to_owned(),
        3 => "test algorithm (TS 34.108)".to_owned(),
        other => format!("algorithm {other}"),
    }
}

/// Life cycle status of a file (TS 102 221 11.1.1.4.9).
pub(super) fn life_cycle(status: u8) -> String {
    match status {
        0x01 => "creation".to_owned(),
        0x03 => "initialisation".to_owned(),
        0x04 | 0x06 => "deactivated".to_owned(),
        0x05 | 0x07 => "activated".to_owned(),
        0x0C..=0x0F => "terminated".to_owned(),
        other => format!("{other:02X}"),
    }
}

/// Life cycle state of a security domain (GlobalPlatform Card 11.1.1).
pub(super) fn domain_life_cycle(state: u8) -> String {
    match state {
        0x03 => "installed".to_owned(),
        0x07 => "selectable".to_owned(),
        0x0F => "personalised".to_owned(),
        0x83..=0xFF => format!("locked ({state:02X})"),
        other => format!("{other:02X}"),
    }
}

/// Life cycle state of an application (GlobalPlatform Card 11.1.1).
pub(super) fn application_life_cycle(state: u8) -> String {
    match state {
        0x03 => "installed".to_owned(),
        0x07 => "selectable".to_owned(),
        0x83..=0xFF => format!("locked ({state:02X})"),
        other => format!("{other:02X}"),
    }
}

/// The privileges of an application, from the highest bit of the first octet (GlobalPlatform Card 11.1.2).
const PRIVILEGES: [&str; 20] = [
    "security domain",
    "DAP verification",
    "delegated management",
    "card lock",
    "card terminate",
    "card reset",
    "CVM management",
    "mandated DAP verification",
    "trusted path",
    "authorised management",
    "token verification",
    "global delete",
    "global lock",
    "global registry",
    "final application",
    "global service",
    "receipt generation",
    "ciphered load file data block",
    "contactless activation",
    "contactless self-activation",
];

/// The names of the privileges that are set.
pub(super) fn privileges(octets: &[u8]) -> Vec<String> {
    let is_set = |place: usize| octets.get(place / 8).is_some_and(|octet| octet & (0x80 >> (place % 8)) != 0);
    let named = PRIVILEGES.iter().enumerate().filter(|(place, _)| is_set(*place));
    named.map(|(_, name)| (*name).to_owned()).collect()
}

/// The type of a key (GlobalPlatform Card 11.1.8).
pub(super) fn key_type(key_type: u8) -> String {
    match key_type {
        0x80 => "DES".to_owned(),
        0x85 => "PSK for TLS".to_owned(),
        0x88 => "AES".to_owned(),
        other => format!("{other:02X}"),
    }
}

/// The protocol of a key set by its version (TS 102 225, TS 102 226, GlobalPlatform amendments B and D).
pub(in crate::profile) const fn key_set(version: u8) -> Option<&'static str> {
    match version {
        0x01..=0x0F => Some("SCP80"),
        0x20..=0x2F => Some("SCP02"),
        0x30..=0x3F => Some("SCP03"),
        0x40..=0x4F => Some("SCP81"),
        _ => None,
    }
}

/// What a key of a key set is for, by version and identifier.
pub(super) const fn key_purpose(version: u8, identifier: u8) -> Option<&'static str> {
    match (version, identifier) {
        (0x01..=0x0F, 1) => Some("KIc"),
        (0x01..=0x0F, 2) => Some("KID"),
        (0x01..=0x0F, 3) => Some("KIK"),
        (0x20..=0x3F, 1) => Some("ENC"),
        (0x20..=0x3F, 2) => Some("MAC"),
        (0x20..=0x3F, 3) => Some("DEK"),
        (0x40..=0x4F, 1) => Some("PSK"),
        (0x40..=0x4F, 2) => Some("DEK"),
        _ => None,
    }
}

/// An access domain (TS 102 226 8.2.1.3.2.3.2).
pub(super) fn access_domain(octets: &[u8]) -> String {
    match octets {
        [0x00] => "full access".to_owned(),
        [0xFF] => "no access".to_owned(),
        other => hex::encode_upper(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_the_names_of_the_standard() {
        for (reference, name) in
            [(1, "PIN1"), (129, "PIN2"), (10, "ADM1"), (14, "ADM5"), (138, "ADM6"), (142, "ADM10")]
        {
            assert_eq!(pin(reference), name);
        }
        assert_eq!((puk(1), puk(129)), ("PUK1".to_owned(), "PUK2".to_owned()));
    }

    #[test]
    fn privileges_are_read_bit_by_bit() {
        assert_eq!(privileges(&[0x82, 0xDC, 0x00]).len(), 2 + 5);
        assert_eq!(privileges(&[0x80]), ["security domain"]);
        assert_eq!(privileges(&[0, 0, 0x10]), ["contactless self-activation"]);
        assert!(privileges(&[]).is_empty());
    }
}
