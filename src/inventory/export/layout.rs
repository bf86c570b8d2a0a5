//! Layouts of the files that AuC, OTA platform and CRM read: each wants its own, so they are settings.

use crate::domain::System;
use crate::ident::Iccid;

/// The longest name of a layout, in octets.
pub const NAME_MAX: usize = 64;
/// Columns of one layout at most.
pub const COLUMNS_MAX: usize = 64;

macro_rules! columns {
    ($($(#[$doc:meta])* $column:ident $name:literal [$($system:ident)*],)*) => {
        /// What stands in a column.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Column {
            $($(#[$doc])* $column,)*
        }

        impl Column {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$column),*];

            /// Its name in settings and in the first line of a file.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$column => $name,)*
                }
            }

            /// The systems whose files may have it.
            #[must_use]
            pub const fn systems(self) -> &'static [System] {
                match self {
                    $(Self::$column => &[$(System::$system),*],)*
                }
            }
        }
    };
}

columns!(
    /// The profile's number, as [`Notation`] has it.
    Iccid "iccid" [Auc Ota Crm],
    /// The IMSI of the line's subscription; elsewhere that of the home one.
    Imsi "imsi" [Auc Ota Crm],
    /// The IMSIs of all further subscriptions, with blanks between.
    FurtherImsis "further_imsis" [Ota Crm],
    /// The telephone number of the line's subscription; elsewhere that of the home one.
    Msisdn "msisdn" [Auc Ota Crm],
    /// What the line's subscription is for.
    Role "role" [Auc],
    /// Its place: 1 is the home subscription.
    Place "place" [Auc],
    /// The profile type.
    ProfileType "profile_type" [Auc Ota Crm],
    /// The kind of SIM.
    SubClass "sub_class" [Auc Ota Crm],
    /// The batch.
    BatchId "batch_id" [Auc Ota Crm],
    /// The algorithm of K and OPc.
    Algorithm "algorithm" [Auc],
    /// K, enciphered.
    Ki "ki" [Auc],
    /// OPc or TOPc, enciphered; empty for the test algorithm.
    Opc "opc" [Auc],
    /// The authentication management field of the layout.
    Amf "amf" [Auc],
    /// The version of the line's set of keys; empty where the profile has one set only and its package says the version.
    KeyVersion "key_version" [Ota],
    /// `AES` or `DES`; empty where the package says it.
    KeyType "key_type" [Ota],
    /// The enciphering key, enciphered.
    Kic "kic" [Ota],
    /// The integrity key, enciphered.
    Kid "kid" [Ota],
    /// The key for keys, enciphered.
    Kik "kik" [Ota],
    /// The number of the transport key; empty where keys are in the clear.
    TransportKey "transport_key" [Auc Ota],
    /// The check value of the transport key.
    CheckValue "check_value" [Auc Ota],
    /// PIN1.
    Pin1 "pin1" [Crm],
    /// PUK1.
    Puk1 "puk1" [Crm],
    /// PIN2.
    Pin2 "pin2" [Crm],
    /// PUK2.
    Puk2 "puk2" [Crm],
);

impl Column {
    /// Reads [`Column::name`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|column| column.name() == name)
    }

    /// Whether it holds keys, so that the file needs a transport key.
    #[must_use]
    pub const fn is_key(self) -> bool {
        matches!(self, Self::Ki | Self::Opc | Self::Kic | Self::Kid | Self::Kik)
    }

    /// The names that a file for a system may have.
    #[must_use]
    pub fn names_for(system: System) -> String {
        let names =
            Self::ALL.iter().filter(|column| column.systems().contains(&system)).map(|column| column.name());
        names.collect::<Vec<_>>().join(", ")
    }
}

/// How an ICCID is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notation {
    /// Its digits.
    #[default]
    Plain,
    /// Filled up with F to 20.
    Padded,
    /// The octets of EF.ICCID.
    Swapped,
}

impl Notation {
    /// An ICCID so written.
    #[must_use]
    pub fn text(self, iccid: &Iccid) -> String {
        match self {
            Self::Plain => iccid.to_string(),
            Self::Padded => format!("{:F<20}", iccid.as_str()),
            Self::Swapped => hex::encode_upper(iccid.to_bcd()),
        }
    }
}

/// How a file for another system is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its name.
    pub name: String,
    /// For whom it is.
    pub system: System,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// What stands between them.
    pub delimiter: char,
    /// Whether the first line names the columns.
    pub header: bool,
    /// How ICCIDs are written.
    pub notation: Notation,
    /// The authentication management field, in hexadecimal digits (TS 33.102 annex H).
    pub amf: String,
}

impl Layout {
    /// The layout that a system is given where the settings name no other: it has the system's name.
    #[must_use]
    pub fn default_for(system: System) -> Self {
        use Column::{
            Algorithm, Amf, CheckValue, Iccid, Imsi, KeyType, KeyVersion, Ki, Kic, Kid, Kik, Msisdn, Opc,
            Pin1, Pin2, Puk1, Puk2, TransportKey,
        };
        let columns = match system {
            System::Auc => vec![Imsi, Iccid, Ki, Opc, Algorithm, Amf, TransportKey, CheckValue],
            System::Ota => vec![Iccid, Msisdn, KeyVersion, KeyType, Kic, Kid, Kik, TransportKey, CheckValue],
            System::Crm => vec![Iccid, Imsi, Msisdn, Pin1, Puk1, Pin2, Puk2],
        };
        Self {
            name: system.name().to_owned(),
            system,
            columns,
            delimiter: ',',
            header: true,
            notation: Notation::Plain,
            amf: DEFAULT_AMF.to_owned(),
        }
    }

    /// Whether the file needs a transport key.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.columns.iter().any(|column| column.is_key())
    }
}

/// The separation bit is set, as EPS demands (TS 33.401 6.1.1).
pub const DEFAULT_AMF: &str = "8000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_name_and_a_system() {
        for column in Column::ALL {
            assert_eq!(Column::parse(column.name()), Some(*column));
            assert!(!column.systems().is_empty(), "{column:?}");
        }
        for system in System::ALL {
            let layout = Layout::default_for(system);
            assert!(layout.columns.iter().all(|column| column.systems().contains(&system)), "{system}");
            assert_eq!(layout.has_keys(), system != System::Crm);
        }
        assert!(
            Column::names_for(System::Crm).contains("puk1") && !Column::names_for(System::Crm).contains("ki")
        );
    }

    #[test]
    fn an_iccid_is_written_as_wanted() {
        let iccid = Iccid::parse("8949449999999990924").unwrap();
        for (notation, text) in [
            (Notation::Plain, "8949449999999990924"),
            (Notation::Padded, "8949449999999990924F"),
            (Notation::Swapped, "989444999999990929F4"),
        ] {
            assert_eq!(notation.text(&iccid), text);
        }
    }
}
