//! What an eUICC answers, verified: its certificate under a trusted CI, its signature over what came and the token that the
//! package was signed with, and eimId, counter and transaction of the package (SGP.32 3.3.1, digest 4.3, 7.3).

use simyard_asn1::iot::configuration::AddEimCode;
use simyard_asn1::iot::result::{
    AddEimResult, DeleteEimResult, DeleteProfileResult, DisableProfileResult, EnableProfileResult,
    EuiccPackageErrorCode, EuiccPackageResult, EuiccResultData, RollbackProfileResult,
    SetFallbackAttributeResult, UnsetFallbackAttributeResult, UpdateEimResult,
};
use simyard_asn1::iot::result::{ConfigureImmediateEnableResult, SetDefaultDpAddressResult};
use simyard_asn1::iot::signed_bytes;
use simyard_asn1::rsp::metadata::ProfileInfo;

use crate::crypto::ecdsa::{PublicKey, SIGNATURE_LEN};
use crate::domain::{ListedProfile, Listing, Occurrence};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid};
use crate::pki::{Anchors, Certificate, VerifiedEuicc, verify_euicc};
use crate::store::{EimPackage, EuiccCertificates, PackageCommand};

/// Why an answer is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Unbelieved {
    /// It is no answer.
    #[error("it cannot be read: {0}")]
    Form(#[from] simyard_asn1::Error),
    /// It answers another eIM.
    #[error("it answers the package of another eIM")]
    OtherEim,
    /// Nothing that it could answer was ever made for this eUICC.
    #[error("no such package was made for this eUICC")]
    UnknownPackage,
    /// The package never left.
    #[error("the package that it answers was not handed over yet")]
    NotHandedOver,
    /// Its counter is that of another package.
    #[error("its counterValue is {came}, and that of the package is {expected:?}")]
    Counter {
        /// What came.
        came: i64,
        /// What the package has.
        expected: Option<i64>,
    },
    /// The eUICC's certificates are not known.
    #[error("the certificate of the eUICC is not known yet")]
    NoCertificate,
    /// The eUICC's certificates do not verify.
    #[error("the certificates of the eUICC are refused: {0}")]
    Certificate(String),
    /// The signature does not verify.
    #[error("its signature does not verify")]
    Signature,
}

/// Verifies the certificates of an eUICC under the trusted CIs.
///
/// # Errors
/// [`Unbelieved::Certificate`], also for another EID.
pub fn verify_certificates(
    anchors: &Anchors,
    eid: &Eid,
    certificates: &EuiccCertificates,
    now: Timestamp,
) -> Result<VerifiedEuicc, Unbelieved> {
    let refused = |error: &dyn std::fmt::Display| Unbelieved::Certificate(error.to_string());
    let eum = match anchors.remembered_eum(&certificates.eum, now) {
        Some(known) => known,
        None => {
            let eum = Certificate::from_der(&certificates.eum).map_err(|error| refused(&error))?;
            anchors.verify_eum(&eum, now)
        }
    }
    .map_err(|error| refused(&error))?;
    let own = Certificate::from_der(&certificates.own).map_err(|error| refused(&error))?;
    let euicc = verify_euicc(&eum, &own, now).map_err(|error| refused(&error))?;
    if euicc.eid() != eid {
        return Err(refused(&"they are those of another eUICC"));
    }
    Ok(euicc)
}

/// Verifies a signature of an eUICC over `message`: r‖s, or in DER as some software has it.
///
/// # Errors
/// [`Unbelieved::Signature`].
pub fn verify_signature(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Unbelieved> {
    let verified = match <&[u8; SIGNATURE_LEN]>::try_from(signature) {
        Ok(plain) => key.verify(message, plain),
        Err(_) => key.verify_der(message, signature),
    };
    verified.map_err(|_| Unbelieved::Signature)
}

/// A result that the eUICC signed, of a package that it got. Made by [`verify_result`] alone, but for builds for laboratories.
#[derive(Debug)]
pub struct VerifiedResult<'a> {
    answer: Answer<'a>,
    unverified: bool,
}

/// What an eUICC signed.
#[derive(Debug)]
enum Answer<'a> {
    Results { seq_number: u32, results: Vec<EuiccResultData<'a>> },
    Error(EuiccPackageErrorCode),
}

/// Verifies a signed result against the package that it answers.
///
/// # Errors
/// [`Unbelieved`] with the first rule that is broken. An unsigned error is [`Unbelieved::Signature`]: nobody signed it.
pub fn verify_result<'a>(
    result: &EuiccPackageResult<'a>,
    eim_id: &str,
    package: &EimPackage,
    key: &PublicKey,
) -> Result<VerifiedResult<'a>, Unbelieved> {
    let Echoed { answer, bytes, signature, token } = echoed(result, eim_id, package)?;
    verify_signature(key, &signed_bytes(bytes, token), signature)?;
    Ok(VerifiedResult { answer, unverified: false })
}

/// As [`verify_result`], for eUICCs of laboratories that sign with dummies: the signature alone is not looked at.
///
/// # Errors
/// [`Unbelieved`] with the first rule that is broken.
#[cfg(feature = "laboratory")]
pub(super) fn unverified_result<'a>(
    result: &EuiccPackageResult<'a>,
    eim_id: &str,
    package: &EimPackage,
) -> Result<VerifiedResult<'a>, Unbelieved> {
    let Echoed { answer, .. } = echoed(result, eim_id, package)?;
    Ok(VerifiedResult { answer, unverified: true })
}

/// A result that is signed in its form and echoes its package.
struct Echoed<'r, 'a> {
    answer: Answer<'a>,
    bytes: &'r [u8],
    signature: &'r [u8],
    token: Option<i64>,
}

fn echoed<'r, 'a>(
    result: &'r EuiccPackageResult<'a>,
    eim_id: &str,
    package: &EimPackage,
) -> Result<Echoed<'r, 'a>, Unbelieved> {
    if result.eim_id() != eim_id {
        return Err(Unbelieved::OtherEim);
    }
    let token = package.signed.as_ref().ok_or(Unbelieved::NotHandedOver)?.association_token;
    let (answer, bytes, counter, signature) = match result {
        EuiccPackageResult::Signed { data, signature } => {
            let results = data.value.results.clone();
            let answer = Answer::Results { seq_number: data.value.seq_number, results };
            (answer, data.bytes, data.value.counter_value, *signature)
        }
        EuiccPackageResult::ErrorSigned { data, signature } => {
            (Answer::Error(data.value.code), data.bytes, data.value.counter_value, *signature)
        }
        EuiccPackageResult::ErrorUnsigned(_) => return Err(Unbelieved::Signature),
    };
    let expected = package.package.counter;
    if Some(counter) != expected {
        return Err(Unbelieved::Counter { came: counter, expected });
    }
    Ok(Echoed { answer, bytes, signature, token })
}

impl VerifiedResult<'_> {
    /// Whether its signature was not looked at: in builds for laboratories alone.
    #[must_use]
    pub const fn is_unverified(&self) -> bool {
        self.unverified
    }

    /// seqNumber, by which the IPA removes it; signed errors have none.
    #[must_use]
    pub const fn seq_number(&self) -> Option<u32> {
        match &self.answer {
            Answer::Results { seq_number, .. } => Some(*seq_number),
            Answer::Error(_) => None,
        }
    }

    /// What it says of each operation, in order.
    #[must_use]
    pub fn results(&self) -> &[EuiccResultData<'_>] {
        match &self.answer {
            Answer::Results { results, .. } => results,
            Answer::Error(_) => &[],
        }
    }

    /// Whether the eUICC went back to the profile before.
    #[must_use]
    pub fn is_rollback(&self) -> bool {
        self.results()
            .iter()
            .any(|result| matches!(result, EuiccResultData::Rollback(RollbackProfileResult::Ok)))
    }

    /// The list of profiles in it.
    #[must_use]
    pub fn profiles(&self) -> Option<Vec<ListedProfile>> {
        self.results().iter().find_map(|result| match result {
            EuiccResultData::ListProfileInfo(Ok(list)) => list.iter().map(listed).collect(),
            _ => None,
        })
    }

    /// Whether it lists the eIMs of the eUICC, and none but this one is among them.
    #[must_use]
    pub fn is_left_alone_with(&self, eim_id: &str) -> bool {
        self.results().iter().any(|result| match result {
            EuiccResultData::ListEim(Ok(eims)) => eims.iter().all(|eim| eim.eim_id == eim_id),
            _ => false,
        })
    }

    /// The RulesAuthorisationTable in it, in DER.
    #[must_use]
    pub fn rules_authorisation_table(&self) -> Option<Vec<u8>> {
        use simyard_asn1::Encode as _;
        self.results().iter().find_map(|result| match result {
            EuiccResultData::GetRat(_) => Some(result.to_der()),
            _ => None,
        })
    }

    /// The association token that an addEim of ours drew for another eIM is evidence alone; what the operation makes of the
    /// result: one occurrence, for the command that stood in the package. `known` is the list before this one.
    #[must_use]
    pub fn occurrence(&self, command: PackageCommand, known: Option<&[ListedProfile]>) -> Occurrence {
        let results = match &self.answer {
            Answer::Error(code) => return of_error(*code),
            Answer::Results { results, .. } => results,
        };
        if self.is_rollback() {
            return Occurrence::RolledBack;
        }
        if command == PackageCommand::ListProfileInfo
            && let Some(profiles) = self.profiles()
        {
            let is_new = |profile: &&ListedProfile| {
                known.is_some_and(|known| known.iter().all(|before| before.iccid != profile.iccid))
            };
            let appeared = profiles.iter().filter(is_new).map(|profile| profile.iccid.clone()).collect();
            return Occurrence::Listed(Listing { profiles, appeared });
        }
        let failed = results.iter().find_map(failure);
        match failed {
            Some(Failure::Busy) => Occurrence::Busy,
            Some(Failure::Refused(why)) => Occurrence::Refused { why },
            None if results.iter().any(|result| answers(command, result)) => Occurrence::Executed,
            None => Occurrence::NotAccepted { why: "its result has nothing of what was asked".to_owned() },
        }
    }
}

fn of_error(code: EuiccPackageErrorCode) -> Occurrence {
    match code {
        EuiccPackageErrorCode::ReplayError => Occurrence::Replayed,
        EuiccPackageErrorCode::EcallActive => Occurrence::EcallActive,
        EuiccPackageErrorCode::InvalidEid
        | EuiccPackageErrorCode::CounterValueOutOfRange
        | EuiccPackageErrorCode::SizeOverflow
        | EuiccPackageErrorCode::UndefinedError
        | EuiccPackageErrorCode::Other(_) => {
            Occurrence::NotAccepted { why: format!("the eUICC takes no such package: {code}") }
        }
    }
}

/// An entry of a list; `None` where its number is missing: such a list says nothing that could be relied on.
fn listed(info: &ProfileInfo<'_>) -> Option<ListedProfile> {
    let name = match (info.service_provider_name, info.profile_name) {
        (Some(provider), Some(name)) => Some(format!("{provider}: {name}")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    };
    Some(ListedProfile {
        iccid: Iccid::from_bcd(info.iccid?).ok()?,
        enabled: info.profile_state == Some(1),
        fallback: info.fallback_attribute.unwrap_or(false),
        name,
    })
}

enum Failure {
    Busy,
    Refused(String),
}

/// catBusy has this number in every result that has it.
const CAT_BUSY: i64 = 5;

/// Why one command was not done.
fn failure(result: &EuiccResultData<'_>) -> Option<Failure> {
    let coded = |name: &str, code: i64, text: &dyn std::fmt::Display| match code {
        0 => None,
        CAT_BUSY => Some(Failure::Busy),
        _ => Some(Failure::Refused(format!("{name}: {text}"))),
    };
    // Where 5 means something else, or nothing.
    let refused = |name: &str, is_ok: bool, text: &dyn std::fmt::Display| {
        (!is_ok).then(|| Failure::Refused(format!("{name}: {text}")))
    };
    match result {
        EuiccResultData::Enable(code) => coded("enable", code.code(), code),
        EuiccResultData::Disable(code) => coded("disable", code.code(), code),
        EuiccResultData::Delete(code) => coded("delete", code.code(), code),
        EuiccResultData::ListProfileInfo(Err(code)) => refused("listProfileInfo", false, code),
        EuiccResultData::ListProfileInfo(Ok(_))
        | EuiccResultData::GetRat(_)
        | EuiccResultData::Unknown(_) => None,
        EuiccResultData::ConfigureImmediateEnable(code) => {
            refused("configureImmediateEnable", *code == ConfigureImmediateEnableResult::Ok, code)
        }
        EuiccResultData::AddEim(AddEimResult::AssociationToken(_)) => None,
        EuiccResultData::AddEim(AddEimResult::Code(code)) => refused("addEim", *code == AddEimCode::Ok, code),
        EuiccResultData::DeleteEim(code) => {
            let is_ok = matches!(code, DeleteEimResult::Ok | DeleteEimResult::LastEimDeleted);
            refused("deleteEim", is_ok, code)
        }
        EuiccResultData::UpdateEim(code) => refused("updateEim", *code == UpdateEimResult::Ok, code),
        EuiccResultData::ListEim(Err(code)) => refused("listEim", false, code),
        EuiccResultData::ListEim(Ok(_)) => None,
        EuiccResultData::Rollback(code) => refused("rollback", *code == RollbackProfileResult::Ok, code),
        EuiccResultData::SetFallbackAttribute(code) => {
            refused("setFallbackAttribute", *code == SetFallbackAttributeResult::Ok, code)
        }
        EuiccResultData::UnsetFallbackAttribute(code) => {
            refused("unsetFallbackAttribute", *code == UnsetFallbackAttributeResult::Ok, code)
        }
        EuiccResultData::SetDefaultDpAddress(code) => {
            refused("setDefaultDpAddress", *code == SetDefaultDpAddressResult::Ok, code)
        }
        EuiccResultData::ProcessingTerminated(code) => refused("processingTerminated", false, code),
    }
}

/// Whether a result that tells of success is one of this command.
fn answers(command: PackageCommand, result: &EuiccResultData<'_>) -> bool {
    match command {
        PackageCommand::Enable => matches!(result, EuiccResultData::Enable(EnableProfileResult::Ok)),
        PackageCommand::Disable => matches!(result, EuiccResultData::Disable(DisableProfileResult::Ok)),
        PackageCommand::Delete => matches!(result, EuiccResultData::Delete(DeleteProfileResult::Ok)),
        PackageCommand::Configure => true,
        PackageCommand::ListProfileInfo
        | PackageCommand::Trigger
        | PackageCommand::StoredResults
        | PackageCommand::Laboratory => false,
    }
}
