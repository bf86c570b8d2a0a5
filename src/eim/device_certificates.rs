//! Certificates of devices that stand for an EID by a list: for certificates that name none.
//!
//! A list is CSV with the columns `certificate_sha256` and `eid`, in any order, with a line that names them. It is taken
//! whole or not at all; a line that is there already changes nothing, so that a list may be brought again.

use std::collections::HashMap;

use crate::domain::Person;
use crate::env::Clock;
use crate::ident::Eid;
pub use crate::store::{DeviceCertificate, DevicePin, OtherPins};
use crate::store::{PinImport, Store, StoreError};

/// Lines of a list at most.
pub const ROWS_MAX: usize = 100_000;
/// Octets of a list at most.
pub const MAX_FILE_OCTETS: u64 = 16 * 1024 * 1024;

const CERTIFICATE: &str = "certificate_sha256";
const EID: &str = "eid";

/// Why a list was not taken; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The first line does not name the columns.
    #[error("line 1: expected the columns {CERTIFICATE},{EID}, found {0:?}")]
    Header(String),
    /// A line has another form.
    #[error("line {line}: {message}")]
    Row {
        /// Its number.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// Longer than [`ROWS_MAX`].
    #[error("more than {ROWS_MAX} lines: divide the list")]
    TooLong,
    /// Certificates stand for other EIDs.
    #[error(
        "{} of these certificates stand for another EID already, such as {} for {}; nothing was taken: \
         --replace takes the list all the same",
        .0.len(), first(.0).0, first(.0).1
    )]
    Held(Vec<DevicePin>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn first(pins: &[DevicePin]) -> (String, &str) {
    pins.first().map_or_else(Default::default, |pin| (hex::encode(pin.fingerprint), pin.eid.as_str()))
}

/// Reads a list.
///
/// # Errors
/// [`ListError`] at the first line that cannot be used.
pub fn read_list(text: &str) -> Result<Vec<DevicePin>, ListError> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    let is_eid_first = match names.as_slice() {
        [CERTIFICATE, EID] => false,
        [EID, CERTIFICATE] => true,
        _ => return Err(ListError::Header(header.chars().take(80).collect())),
    };
    let mut pins: Vec<DevicePin> = Vec::new();
    let mut seen: HashMap<[u8; 32], usize> = HashMap::new();
    for (line, text) in (2..).zip(lines).filter(|(_, text)| !text.trim().is_empty()) {
        if pins.len() >= ROWS_MAX {
            return Err(ListError::TooLong);
        }
        let refused = |message: String| ListError::Row { line, message };
        let (one, other) = text.split_once(',').ok_or_else(|| refused("expected two columns".to_owned()))?;
        let (fingerprint, eid) = if is_eid_first { (other, one) } else { (one, other) };
        let fingerprint = parse_fingerprint(fingerprint.trim()).map_err(refused)?;
        let eid = Eid::parse(eid.trim()).map_err(|error| refused(error.to_string()))?;
        match seen.insert(fingerprint, line) {
            Some(before) => return Err(refused(format!("the certificate stands in line {before} too"))),
            None => pins.push(DevicePin { fingerprint, eid }),
        }
    }
    Ok(pins)
}

/// Reads a SHA-256: 64 hexadecimal digits, with or without colons between the octets.
///
/// # Errors
/// What was expected.
pub fn parse_fingerprint(text: &str) -> Result<[u8; 32], String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let mut fingerprint = [0; 32];
    hex::decode_to_slice(digits, &mut fingerprint)
        .map_err(|_| format!("{text:?} is no SHA-256: 64 hexadecimal digits are expected"))?;
    Ok(fingerprint)
}

/// The list of a store.
pub struct DeviceCertificates {
    /// The store.
    pub store: Store,
    /// The time of changes.
    pub clock: Clock,
}

impl DeviceCertificates {
    /// Takes a list. Returns how many lines changed something.
    ///
    /// # Errors
    /// [`ListError::Held`] unless certificates that stand for other EIDs may be replaced; [`ListError::Store`].
    pub async fn import(
        &self,
        pins: &[DevicePin],
        others: OtherPins,
        person: &Person,
    ) -> Result<usize, ListError> {
        let now = self.clock.now();
        match self.store.import_device_certificates(pins, others, person, now).await? {
            PinImport::Done(changed) => Ok(changed),
            PinImport::Held(held) => Err(ListError::Held(held)),
        }
    }

    /// Takes a certificate off the list. Returns the EID that it stood for, if it was there.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn remove(&self, fingerprint: &[u8; 32], person: &Person) -> Result<Option<Eid>, StoreError> {
        self.store.remove_device_certificate(fingerprint, person, self.clock.now()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EID: &str = "89049032000000000000279973200019";

    #[test]
    fn a_list_is_read_in_any_order_of_its_columns() {
        let fingerprint = "0a".repeat(32);
        let colons = vec!["0B"; 32].join(":");
        let text = format!("certificate_sha256,eid\r\n{fingerprint},{EID}\r\n\r\n {colons} , {EID}\r\n");
        let pins = read_list(&text).unwrap();
        assert_eq!(pins.iter().map(|pin| pin.fingerprint).collect::<Vec<_>>(), [[10; 32], [11; 32]]);
        let turned = read_list(&format!("\u{FEFF}eid,certificate_sha256\n{EID},{fingerprint}")).unwrap();
        assert_eq!(turned, pins[..1]);
        assert_eq!(read_list("eid,certificate_sha256\n").unwrap(), []);
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_line() {
        let fingerprint = "0a".repeat(32);
        for (text, says) in [
            (String::new(), "line 1: expected the columns"),
            (format!("{fingerprint},{EID}\n"), "line 1: expected the columns"),
            (format!("certificate_sha256,eid\n{fingerprint}\n"), "line 2: expected two columns"),
            (format!("certificate_sha256,eid\n0a,{EID}\n"), "line 2: \"0a\" is no SHA-256"),
            (format!("certificate_sha256,eid\n{fingerprint},890\n"), "line 2: "),
            (
                format!("certificate_sha256,eid\n{fingerprint},{EID}\n\n{fingerprint},{EID}\n"),
                "line 4: the certificate stands in line 2 too",
            ),
        ] {
            let refused = read_list(&text).unwrap_err().to_string();
            assert!(refused.contains(says), "{text:?}: {refused}");
        }
        let line = |number: usize| format!("{:064x},{EID}\n", number);
        let long: String = (0..=ROWS_MAX).map(line).collect();
        assert!(matches!(read_list(&format!("certificate_sha256,eid\n{long}")), Err(ListError::TooLong)));
    }
}
