//! What a package holds of one profile's data, by name.

use std::fmt;

use crate::profile::personal_data::CodeName;

/// One datum of a package. Those of a subscription carry its place: 0 is the home subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datum {
    /// The ICCID of the profile header, ten octets.
    HeaderIccid,
    /// EF.ICCID, ten octets.
    EfIccid,
    /// EF.IMSI, nine octets.
    Imsi(usize),
    /// EF.ACC, two octets.
    Acc(usize),
    /// The fourth octet of EF.AD.
    MncLength(usize),
    /// EF.SPN: the display condition of the template, then the name.
    ServiceProviderName(usize),
    /// The number in the first record of EF.MSISDN; the alpha identifier stays.
    Msisdn(usize),
    /// The service centre in the first record of EF.SMSP, and the octet that says that it is there.
    ServiceCentre(usize),
    /// K.
    Key(usize),
    /// OPc or TOPc.
    Opc(usize),
    /// EF.IMPI.
    PrivateIdentity(usize),
    /// A record of EF.IMPU: subscription, then place of the record from 0.
    PublicIdentity(usize, usize),
    /// EF.DOMAIN.
    HomeDomain(usize),
    /// A PIN, PUK or administrative code; local PINs in every directory that has one.
    Code(CodeName),
    /// A key of the MNO-SD.
    OtaKey {
        /// The version of its set.
        version: u8,
        /// Its identifier: 1 KIC, 2 KID, 3 KIK.
        identifier: u8,
    },
}

impl Datum {
    /// The place of the subscription that it belongs to, if it belongs to one.
    #[must_use]
    pub const fn subscription(self) -> Option<usize> {
        match self {
            Self::Imsi(place)
            | Self::Acc(place)
            | Self::MncLength(place)
            | Self::ServiceProviderName(place)
            | Self::Msisdn(place)
            | Self::ServiceCentre(place)
            | Self::Key(place)
            | Self::Opc(place)
            | Self::PrivateIdentity(place)
            | Self::PublicIdentity(place, _)
            | Self::HomeDomain(place) => Some(place),
            Self::HeaderIccid | Self::EfIccid | Self::Code(_) | Self::OtaKey { .. } => None,
        }
    }

    /// Whether leaving the template's octets would give a secret of the template to a subscription.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Key(_) | Self::Opc(_) | Self::Code(_) | Self::OtaKey { .. })
    }

    /// The column of a file that gives it: `imsi`, `ki2`, `kic1`.
    #[must_use]
    pub fn column(self) -> String {
        let name = match self {
            Self::HeaderIccid | Self::EfIccid => "iccid",
            Self::Imsi(_) => "imsi",
            Self::Acc(_) => "acc",
            Self::MncLength(_) => "mnclength",
            Self::ServiceProviderName(_) => "spn",
            Self::Msisdn(_) => "msisdn",
            Self::ServiceCentre(_) => "smsp",
            Self::Key(_) => "ki",
            Self::Opc(_) => "opc",
            Self::PrivateIdentity(_) | Self::HomeDomain(_) => "impi",
            Self::PublicIdentity(..) => "impu",
            Self::Code(name) => return name.to_string().to_ascii_lowercase(),
            Self::OtaKey { version, identifier } => {
                return match identifier {
                    1 => format!("kic{version}"),
                    2 => format!("kid{version}"),
                    3 => format!("kik{version}"),
                    other => format!("key {other} of set {version}"),
                };
            }
        };
        match self.subscription() {
            Some(place) if place > 0 => format!("{name}{}", place + 1),
            _ => name.to_owned(),
        }
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderIccid => f.write_str("the ICCID of the profile header"),
            Self::EfIccid => f.write_str("EF.ICCID"),
            Self::Imsi(_) => f.write_str("EF.IMSI"),
            Self::Acc(_) => f.write_str("EF.ACC"),
            Self::MncLength(_) => f.write_str("the MNC length of EF.AD"),
            Self::ServiceProviderName(_) => f.write_str("EF.SPN"),
            Self::Msisdn(_) => f.write_str("EF.MSISDN"),
            Self::ServiceCentre(_) => f.write_str("EF.SMSP"),
            Self::Key(_) => f.write_str("K"),
            Self::Opc(_) => f.write_str("OPc"),
            Self::PrivateIdentity(_) => f.write_str("EF.IMPI"),
            Self::PublicIdentity(_, record) => write!(f, "record {} of EF.IMPU", record + 1),
            Self::HomeDomain(_) => f.write_str("EF.DOMAIN"),
            Self::Code(name) => write!(f, "{name}"),
            Self::OtaKey { version, identifier } => write!(f, "key {identifier} of key set {version}"),
        }?;
        match self.subscription() {
            Some(place) if place > 0 => write!(f, " of subscription {}", place + 1),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datum_names_its_file_and_its_column() {
        for (datum, name, column) in [
            (Datum::HeaderIccid, "the ICCID of the profile header", "iccid"),
            (Datum::Imsi(0), "EF.IMSI", "imsi"),
            (Datum::Key(1), "K of subscription 2", "ki2"),
            (Datum::PublicIdentity(0, 1), "record 2 of EF.IMPU", "impu"),
            (Datum::Code(CodeName::Pin(0x0B)), "ADM2", "adm2"),
            (Datum::OtaKey { version: 2, identifier: 1 }, "key 1 of key set 2", "kic2"),
        ] {
            assert_eq!((datum.to_string().as_str(), datum.column().as_str()), (name, column));
        }
        assert!(Datum::Opc(0).is_secret() && !Datum::Imsi(0).is_secret());
    }
}
