//! What a row must be beyond its form: numbers that its issuer gives out, as many IMSIs as were ordered, keys that are
//! secrets.

use super::{Delivered, RowError};
use crate::domain::Mode;
use crate::ident::{Iccid, IssuerRanges};
use crate::profile::personal_data::PersonalData;
use crate::profile::personal_row::RowFault;
use crate::profile::personal_row::fault::masked_number;
use crate::profile::published;

/// What rows are held against.
pub(super) struct Checks<'a> {
    pub(super) ranges: &'a IssuerRanges,
    pub(super) mode: Mode,
    /// As the header says, and as the sub-class has it.
    pub(super) imsis: [Option<usize>; 2],
}

impl Checks<'_> {
    /// Everything that is wrong with what a row delivers.
    pub(super) fn check(&self, line: usize, delivered: &Delivered) -> Vec<RowError> {
        let mut errors = Vec::new();
        match delivered {
            Delivered::Subscription(row) => {
                self.iccid(line, "iccid", &row.data.iccid, &mut errors);
                self.subscriptions(line, &row.data, &mut errors);
                if self.mode == Mode::Production {
                    keys(line, &row.data, &mut errors);
                }
            }
            Delivered::Euicc(euicc) => {
                for iccid in &euicc.iccids {
                    self.iccid(line, "iccids", iccid, &mut errors);
                }
            }
            // What is in a package, whoever takes it reads.
            Delivered::Package(_) => {}
        }
        errors
    }

    fn iccid(&self, line: usize, column: &'static str, iccid: &Iccid, errors: &mut Vec<RowError>) {
        if let Err(fault) = self.ranges.check(iccid) {
            let value = Some(masked_number(iccid.as_str()));
            errors.push(RowError { line, column: Some(column.into()), value, fault: fault.into() });
        }
    }

    fn subscriptions(&self, line: usize, data: &PersonalData, errors: &mut Vec<RowError>) {
        let found = data.subscriptions();
        if let Some(expected) = self.imsis.into_iter().flatten().find(|expected| *expected != found) {
            let fault = RowFault::Imsis { expected, found };
            errors.push(RowError::new(line, Some("imsi".into()), fault));
        }
    }
}

/// Keys that are no secrets. Whether K is published, whoever takes the row asks: that makes it a test profile.
fn keys(line: usize, data: &PersonalData, errors: &mut Vec<RowError>) {
    let mut refuse = |column: String, fault: Option<RowFault>| {
        errors.extend(fault.map(|fault| RowError::new(line, Some(column.into()), fault)));
    };
    let weak = |key: &[u8]| published::pattern(key).map(RowFault::WeakKey);
    let known = |key: &[u8]| published::find(key).map(RowFault::PublishedKey).or_else(|| weak(key));
    let sets = std::iter::once(&data.keys).chain(data.further.iter().filter_map(|more| more.keys.as_ref()));
    for (place, keys) in sets.enumerate() {
        let number = if place == 0 { String::new() } else { (place + 1).to_string() };
        let is_known = published::find(keys.key()).is_some();
        refuse(format!("ki{number}"), weak(keys.key()).filter(|_| !is_known));
        refuse(format!("opc{number}"), known(keys.opc()));
    }
    for set in &data.ota {
        for (identifier, key) in set.iter() {
            let version = set.version.map(|version| version.to_string()).unwrap_or_default();
            let name = match identifier {
                1 => "kic",
                2 => "kid",
                _ => "kik",
            };
            refuse(format!("{name}{version}"), known(key.as_octets()));
        }
    }
}
