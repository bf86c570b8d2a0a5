//! The columns of a file: how their names are written, and what each one means.
//!
//! Names are read without regard to case, blanks, hyphens and underscores: `IMSI_2`, `Imsi2` and `imsi2` are one.

use std::borrow::Cow;

use crate::profile::personal_data::keys::{KIC, KID, KIK};
use crate::profile::personal_data::{CodeName, MAX_SUBSCRIPTIONS};

/// What a column gives. Those of a subscription carry its place: 0 is the home subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Iccid,
    Code(CodeName),
    /// A key of the MNO-SD: version of its set, if the name has one, and identifier.
    OtaKey(Option<u8>, u8),
    /// The type of the keys of a set.
    OtaType(Option<u8>),
    Of(usize, Member),
    /// The eUICC.
    Eid,
}

/// Which transport key a column's values may be enciphered under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// The one for the keys of subscriptions, which the authentication centre has too.
    Subscription,
    /// The one for keys for remote management.
    Ota,
}

/// What a column gives of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Imsi,
    Role,
    Algorithm,
    Ki,
    Opc,
    Topc,
    Op,
    Top,
    Acc,
    MncLength,
    Msisdn,
    ServiceCentre,
    ServiceProviderName,
    PrivateIdentity,
    PublicIdentities,
}

/// The members of a subscription by the names of their columns, which a number from 2 may follow; the first name of a
/// member is the one that messages use.
const MEMBERS: &[(&str, Member)] = &[
    ("imsi", Member::Imsi),
    ("role", Member::Role),
    ("algorithm", Member::Algorithm),
    ("ki", Member::Ki),
    ("k", Member::Ki),
    ("opc", Member::Opc),
    ("topc", Member::Topc),
    ("op", Member::Op),
    ("top", Member::Top),
    ("acc", Member::Acc),
    ("accesscontrol", Member::Acc),
    ("mnclength", Member::MncLength),
    ("msisdn", Member::Msisdn),
    ("smsp", Member::ServiceCentre),
    ("smsc", Member::ServiceCentre),
    ("spn", Member::ServiceProviderName),
    ("impi", Member::PrivateIdentity),
    ("impu", Member::PublicIdentities),
];

/// Columns that no number follows.
const SINGLE: &[(&str, Column)] = &[
    ("iccid", Column::Iccid),
    ("eid", Column::Eid),
    ("euiccid", Column::Eid),
    ("pin1", Column::Code(CodeName::PIN1)),
    ("pin2", Column::Code(CodeName::PIN2)),
    ("puk1", Column::Code(CodeName::PUK1)),
    ("puk2", Column::Code(CodeName::PUK2)),
    ("adm", Column::Code(CodeName::ADM1)),
    ("pinadm", Column::Code(CodeName::ADM1)),
];

/// Keys for remote management; the version of their set may follow.
const OTA: &[(&str, u8)] = &[("kic", KIC), ("kid", KID), ("kik", KIK)];

/// The names that the error about an unknown one tells.
pub(super) const KNOWN: &str = "iccid, eid, imsi, ki, opc, op, topc, algorithm, pin1, puk1, pin2, puk2, adm1, acc, msisdn, \
     smsp, spn, mnclength, impi, impu, kic, kid, kik, otatype, role, nor one of them with a number, nor a key with an e before it";

/// A name as it is compared: small letters and digits without what divides them.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

impl Column {
    /// Reads a name, and whether an `e` before it says that its keys are enciphered.
    pub(super) fn parse_marked(name: &str) -> Option<(Self, bool)> {
        if let Some(column) = Self::parse(name) {
            return Some((column, false));
        }
        let plain = plain(name);
        let column = Self::parse(plain.strip_prefix('e')?)?;
        column.key_kind().is_some().then_some((column, true))
    }

    /// Reads a name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let name = plain(name);
        if let Some((_, column)) = SINGLE.iter().find(|(known, _)| *known == name) {
            return Some(*column);
        }
        // `imsi_2_role` is the role of the second subscription.
        if let Some(number) = name.strip_prefix("imsi").and_then(|rest| rest.strip_suffix("role")) {
            return Some(Self::Of(place(number)?, Member::Role));
        }
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = name.get(stem.len()..)?;
        if stem == "adm" {
            return number.parse().ok().and_then(CodeName::adm).map(Self::Code);
        }
        if let Some((_, identifier)) = OTA.iter().find(|(known, _)| *known == stem) {
            return Some(Self::OtaKey(version(number)?, *identifier));
        }
        if stem == "otatype" {
            return Some(Self::OtaType(version(number)?));
        }
        let (_, member) = MEMBERS.iter().find(|(known, _)| *known == stem)?;
        Some(Self::Of(place(number)?, *member))
    }

    /// Which transport key it may be enciphered under; `None` for what is no key.
    pub(super) const fn key_kind(self) -> Option<KeyKind> {
        match self {
            Self::Of(_, Member::Ki | Member::Opc | Member::Topc | Member::Op | Member::Top) => {
                Some(KeyKind::Subscription)
            }
            Self::OtaKey(..) => Some(KeyKind::Ota),
            Self::Iccid | Self::Eid | Self::Code(_) | Self::OtaType(_) | Self::Of(..) => None,
        }
    }

    /// Whether its values are secrets.
    pub(super) const fn is_secret(self) -> bool {
        self.key_kind().is_some() || matches!(self, Self::Code(_))
    }

    /// The name that messages use.
    pub(super) fn name(self) -> Cow<'static, str> {
        let numbered = |name: &'static str, number: Option<usize>| match number {
            Some(number) => Cow::Owned(format!("{name}{number}")),
            None => Cow::Borrowed(name),
        };
        match self {
            Self::Iccid => Cow::Borrowed("iccid"),
            Self::Eid => Cow::Borrowed("eid"),
            Self::Code(name) => Cow::Owned(name.to_string().to_ascii_lowercase()),
            Self::OtaKey(version, identifier) => {
                let name = OTA.iter().find(|(_, known)| *known == identifier).map_or("", |(name, _)| name);
                numbered(name, version.map(usize::from))
            }
            Self::OtaType(version) => numbered("otatype", version.map(usize::from)),
            Self::Of(place, member) => {
                let name = MEMBERS.iter().find(|(_, known)| *known == member).map_or("", |(name, _)| name);
                numbered(name, (place > 0).then_some(place + 1))
            }
        }
    }
}

/// The place of a subscription from the number behind a name; none is the home subscription.
fn place(number: &str) -> Option<usize> {
    if number.is_empty() {
        return Some(0);
    }
    let number: usize = number.parse().ok()?;
    (1..=MAX_SUBSCRIPTIONS).contains(&number).then(|| number - 1)
}

/// The version of a key set from the number behind a name.
fn version(number: &str) -> Option<Option<u8>> {
    if number.is_empty() {
        return Some(None);
    }
    number.parse().ok().filter(|version| (1..=127).contains(version)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_vendors_write_them() {
        for (name, column, told) in [
            ("ICCID", Column::Iccid, "iccid"),
            ("Ki", Column::Of(0, Member::Ki), "ki"),
            ("IMSI_1", Column::Of(0, Member::Imsi), "imsi"),
            ("imsi 2", Column::Of(1, Member::Imsi), "imsi2"),
            ("IMSI2_ROLE", Column::Of(1, Member::Role), "role2"),
            ("opc12", Column::Of(11, Member::Opc), "opc12"),
            ("PIN2", Column::Code(CodeName::PIN2), "pin2"),
            ("pin_adm", Column::Code(CodeName::ADM1), "adm1"),
            ("ADM2", Column::Code(CodeName::Pin(0x0B)), "adm2"),
            ("KIC", Column::OtaKey(None, 1), "kic"),
            ("kik_01", Column::OtaKey(Some(1), 3), "kik1"),
            ("SMSC", Column::Of(0, Member::ServiceCentre), "smsp"),
            ("mnc_length", Column::Of(0, Member::MncLength), "mnclength"),
            ("ota type 2", Column::OtaType(Some(2)), "otatype2"),
            ("Access_Control", Column::Of(0, Member::Acc), "acc"),
            ("EUICCID", Column::Eid, "eid"),
        ] {
            assert_eq!(Column::parse(name), Some(column), "{name}");
            assert_eq!(column.name(), told);
        }
        for name in ["", "imsi0", "imsi33", "kic0", "kic128", "adm11", "pin3", "5EC2E7", "imsi2x"] {
            assert_eq!(Column::parse(name), None, "{name}");
        }
    }

    #[test]
    fn an_e_before_the_name_of_a_key_says_that_it_is_enciphered() {
        for (name, column) in [
            ("eKI", Column::Of(0, Member::Ki)),
            ("e_opc_2", Column::Of(1, Member::Opc)),
            ("eKIC1", Column::OtaKey(Some(1), 1)),
        ] {
            assert_eq!(Column::parse_marked(name), Some((column, true)), "{name}");
            assert!(column.is_secret());
        }
        assert_eq!(Column::parse_marked("eid"), Some((Column::Eid, false)));
        for name in ["eimsi", "epin1", "eotatype", "e", "eeki"] {
            assert_eq!(Column::parse_marked(name), None, "{name}");
        }
    }

    #[test]
    fn the_list_that_is_told_has_every_name() {
        let told: Vec<&str> = KNOWN.split(',').map(str::trim).collect();
        for name in MEMBERS.iter().map(|(name, _)| name).chain(SINGLE.iter().map(|(name, _)| name)) {
            let other = ["k", "top", "smsc", "adm", "pinadm", "accesscontrol", "euiccid"].contains(name);
            assert!(other || told.contains(name), "{name}");
        }
        for name in told.iter().filter(|name| !name.contains(' ')) {
            assert!(Column::parse(name).is_some(), "{name}");
        }
    }
}
