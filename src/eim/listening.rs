//! Devices that listen: people say where, and the eIM brings what waits for their eUICCs (SGP.32 3.1.1.2, 5.14.4).
//!
//! To bring a package is a poll turned round: the same package with the same counter and signature leaves as for a poll
//! ([`super::get_eim_package`]), and what the device answers is taken as if it had provided it
//! ([`super::provide_eim_package_result`]). So a device may poll at the same time: it gets the same octets.
//!
//! A package counts as handed over when it is signed. So the device is asked first whether it is there: an empty list of
//! acknowledgements goes before everything. What is never reached may still expire as if nobody had fetched it.
//!
//! Addresses are named by people alone, with a line of the audit for each.

use std::collections::HashMap;

use simyard_asn1::Decode as _;
use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::iot::data::IpaEuiccDataRequest;
use simyard_asn1::iot::esipa::{
    EimAcknowledgements, EimPackage, EimPackageResult, EimPackageResultErrorCode,
    ProvideEimPackageResultRequest, TransferEimPackageError, TransferEimPackageRequest,
    TransferEimPackageResponse,
};
use simyard_asn1::iot::package::EuiccPackageRequest;
use simyard_asn1::iot::trigger::ProfileDownloadTriggerRequest;

use super::Eim;
use super::caller::DeviceCaller;
use super::get_eim_package::{GetEimPackageError, look, next_package, waits};
use super::provide_eim_package_result::{ProvideEimPackageResultError, provide_eim_package_result};
use crate::client::ClientError;
use crate::client::ipa::IpaClient;
use crate::domain::{Action, Actor, AuditSubject, NewAuditEntry, Person};
use crate::env::Timestamp;
use crate::ident::{Eid, ServerAddress};
pub use crate::store::Listening;
use crate::store::{Store, StoreError};

/// Lines of a list at most.
pub const ROWS_MAX: usize = 100_000;
/// Octets of a list at most.
pub const MAX_FILE_OCTETS: u64 = 32 * 1024 * 1024;

/// Why it was not written down where devices listen; nothing was.
#[derive(Debug, thiserror::Error)]
pub enum ListeningError {
    /// The first line does not name the columns.
    #[error("line 1: expected the columns eid,address, found {0:?}")]
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
    /// eUICCs that are not associated with this eIM.
    #[error("{} eUICCs are not associated with this eIM, such as {first}; nothing was taken: 'simyard eim associate' does it", others + 1)]
    NotAssociated {
        /// One of them.
        first: Eid,
        /// How many others there are.
        others: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads where a device listens: `https://HOST:PORT`, or without the scheme.
///
/// # Errors
/// What was expected.
pub fn parse_address(text: &str) -> Result<ServerAddress, String> {
    let address = text.strip_prefix("https://").unwrap_or(text);
    ServerAddress::parse(address.trim_end_matches('/')).map_err(|error| error.to_string())
}

/// Reads a list of where devices listen: CSV with the columns `eid` and `address`, the latter empty for those that poll.
///
/// # Errors
/// [`ListeningError`] at the first line that cannot be used.
pub fn read_list(text: &str) -> Result<Vec<Listening>, ListeningError> {
    let mut lines = text.strip_prefix('\u{FEFF}').unwrap_or(text).lines();
    let header = lines.next().unwrap_or_default();
    if header.split(',').map(str::trim).ne(["eid", "address"]) {
        return Err(ListeningError::Header(header.chars().take(80).collect()));
    }
    let mut devices = Vec::new();
    let mut seen: HashMap<Eid, usize> = HashMap::new();
    for (line, text) in (2..).zip(lines).filter(|(_, text)| !text.trim().is_empty()) {
        if devices.len() >= ROWS_MAX {
            return Err(ListeningError::TooLong);
        }
        let refused = |message: String| ListeningError::Row { line, message };
        let (eid, address) =
            text.split_once(',').ok_or_else(|| refused("expected two columns".to_owned()))?;
        let eid = Eid::parse(eid.trim()).map_err(|error| refused(error.to_string()))?;
        let address = match address.trim() {
            "" => None,
            address => Some(parse_address(address).map_err(refused)?),
        };
        if let Some(before) = seen.insert(eid.clone(), line) {
            return Err(refused(format!("the eUICC stands in line {before} too")));
        }
        devices.push(Listening { eid, address });
    }
    Ok(devices)
}

/// Writes down where devices listen, of all or of none.
///
/// # Errors
/// [`ListeningError`].
pub async fn say(
    store: &Store,
    devices: &[Listening],
    person: &Person,
    now: Timestamp,
) -> Result<(), ListeningError> {
    let entry = |device: &Listening| {
        let subject = AuditSubject::new("eid", device.eid.as_str());
        let detail = device.address.as_ref().map_or_else(
            || "its device polls".to_owned(),
            |address| format!("its device listens at {address}"),
        );
        NewAuditEntry::new(now, Actor::Person(person.clone()), Action::EIM_LISTEN, subject).detail(detail)
    };
    let entries: Vec<NewAuditEntry> = devices.iter().map(entry).collect();
    let mut strange = store.say_where_devices_listen(devices, &entries).await?.into_iter();
    match strange.next() {
        Some(first) => Err(ListeningError::NotAssociated { first, others: strange.len() }),
        None => Ok(()),
    }
}

/// What came of going to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brought {
    /// Nothing waits for its eUICC.
    Nothing,
    /// A package was brought and answered; more may wait.
    Answered,
    /// A package was brought, and its result follows by ProvideEimPackageResult.
    Received,
}

/// Why nothing was brought, or the answer not taken.
#[derive(Debug, thiserror::Error)]
pub enum BringError {
    /// The device could not be called, or did not answer: whether it executed the package, nobody knows.
    #[error(transparent)]
    Call(#[from] ClientError),
    /// There is no package that can leave.
    #[error(transparent)]
    Package(#[from] GetEimPackageError),
    /// Its answer is not taken.
    #[error(transparent)]
    Result(#[from] ProvideEimPackageResultError),
}

/// Brings the package that waits for an eUICC to its device, takes the answer, and acknowledges it. `device` is whom the
/// certificate of the other side stands for: the connection of `ipa` was made with nobody else.
///
/// # Errors
/// [`BringError`]; the package stays, and may be brought again, or polled for.
pub async fn bring(
    eim: &Eim,
    device: &DeviceCaller,
    eid: &Eid,
    ipa: &IpaClient,
) -> Result<Brought, BringError> {
    device.may_speak_for(eid).map_err(GetEimPackageError::from)?;
    // 1. Is there something to bring, and somebody to bring it to?
    let poll = look(eim, eid).await?;
    if !waits(eim, &poll) {
        return Ok(Brought::Nothing);
    }
    ipa.transfer_eim_package(&acknowledgements(Vec::new())).await?;
    eim.contacts.hear(eid, eim.clock.now());
    // 2. The package leaves as for a poll.
    let package = match next_package(eim, device, eid, poll).await {
        Err(GetEimPackageError::NoEimPackageAvailable) => return Ok(Brought::Nothing),
        package => package?,
    };
    let id = transaction_of(&package);
    let answer = ipa.transfer_eim_package(&TransferEimPackageRequest::Package(package)).await?;
    // 3. The answer is taken as if it had been provided.
    let Some(result) = result_of(answer, id) else { return Ok(Brought::Received) };
    let provided =
        ProvideEimPackageResultRequest { eid_value: Some(eid.to_bcd()), eim_package_result: result };
    let EimAcknowledgements(numbers) = provide_eim_package_result(eim, device, &provided).await?;
    // 4. A device that does not hear this brings the result itself, and is acknowledged then.
    if !numbers.is_empty() {
        ipa.transfer_eim_package(&acknowledgements(numbers)).await?;
    }
    Ok(Brought::Answered)
}

const fn acknowledgements(numbers: Vec<u32>) -> TransferEimPackageRequest {
    TransferEimPackageRequest::Acknowledgements(EimAcknowledgements(numbers))
}

/// What an answer would be after a poll; `None`: it follows.
fn result_of(answer: TransferEimPackageResponse, id: Option<EimTransactionId>) -> Option<EimPackageResult> {
    Some(match answer {
        TransferEimPackageResponse::EuiccPackageResult(der) => EimPackageResult::EuiccPackageResult(der),
        TransferEimPackageResponse::EprAndNotifications { euicc_package_result, notifications } => {
            EimPackageResult::EprAndNotifications { euicc_package_result, notifications }
        }
        TransferEimPackageResponse::IpaEuiccDataResponse(der) => EimPackageResult::IpaEuiccDataResponse(der),
        TransferEimPackageResponse::Received | TransferEimPackageResponse::ReceivedWithCid(_) => return None,
        TransferEimPackageResponse::Error(code) | TransferEimPackageResponse::ErrorWithCid { code, .. } => {
            let code = match code {
                TransferEimPackageError::InvalidPackageFormat => {
                    EimPackageResultErrorCode::InvalidPackageFormat
                }
                TransferEimPackageError::UnknownPackage => EimPackageResultErrorCode::UnknownPackage,
                TransferEimPackageError::UndefinedError | TransferEimPackageError::Other(_) => {
                    EimPackageResultErrorCode::UndefinedError
                }
            };
            EimPackageResult::ResponseError { eim_transaction_id: id, code }
        }
    })
}

/// eimTransactionId of a package.
fn transaction_of(package: &EimPackage) -> Option<EimTransactionId> {
    match package {
        EimPackage::EuiccPackageRequest(der) => {
            EuiccPackageRequest::from_der(der).ok()?.euicc_package_signed.value.eim_transaction_id
        }
        EimPackage::IpaEuiccDataRequest(der) => IpaEuiccDataRequest::from_der(der).ok()?.eim_transaction_id,
        EimPackage::ProfileDownloadTriggerRequest(der) => {
            ProfileDownloadTriggerRequest::from_der(der).ok()?.eim_transaction_id
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EID: &str = "89049032000000000000279973200019";

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let text = format!("\u{FEFF}eid, address\n{EID}, https://device.example.com:8449/\n\n");
        let read = read_list(&text).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].address.as_ref().unwrap().as_str(), "device.example.com:8449");
        assert_eq!(read_list(&format!("eid,address\n{EID},")).unwrap()[0].address, None);
        for (rows, expected) in [
            ("eid\n".to_owned(), "line 1: expected the columns eid,address, found \"eid\""),
            (format!("eid,address\n{EID}\n"), "line 2: expected two columns"),
            ("eid,address\n1,a\n".to_owned(), "line 2: "),
            (format!("eid,address\n{EID},a b\n"), "line 2: "),
            (format!("eid,address\n{EID},a\n{EID},b\n"), "line 3: the eUICC stands in line 2 too"),
        ] {
            let error = read_list(&rows).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{rows:?}: {error}");
        }
    }
}
