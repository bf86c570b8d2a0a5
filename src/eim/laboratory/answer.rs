//! A laboratory's package leaves, and what comes back is kept as it came.

use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::iot::data::{IpaEuiccDataRequest, IpaEuiccDataResponse};
use simyard_asn1::iot::esipa::{EimPackage, EimPackageResult};
use simyard_asn1::iot::package::EuiccPackageRequest;
use simyard_asn1::iot::result::{EuiccPackageResult, EuiccResultData};
use simyard_asn1::iot::trigger::ProfileDownloadTriggerRequest;
use simyard_asn1::{Decode as _, Encode as _, Reader};

use super::{Laboratory, trigger_place, unverified};
use crate::crypto::seal::SealError;
use crate::domain::Occurrence;
use crate::eim::Eim;
use crate::eim::caller::DeviceCaller;
use crate::eim::engine::{Contact, Turn, change};
use crate::eim::get_eim_package::GetEimPackageError;
use crate::eim::provide_eim_package_result::ProvideEimPackageResultError;
use crate::eim::verify::{Unbelieved, verify_certificates, verify_result};
use crate::ident::Eid;
use crate::store::{
    EimPackage as StoredPackage, KeptOperation, PackageAnswer, PackageCommand, PackageSignature, Staleness,
};

/// The octets of a laboratory's package, if this caller may have them.
pub(in crate::eim) async fn octets(
    eim: &Eim,
    caller: &DeviceCaller,
    package: &StoredPackage,
) -> Result<EimPackage, GetEimPackageError> {
    // Who closed the laboratory meant what waits in it, too.
    if eim.laboratory == Laboratory::Closed {
        return Err(GetEimPackageError::NoEimPackageAvailable);
    }
    let kept = eim.store.operation(&package.package.operation_id).await?;
    let kept = kept.ok_or(GetEimPackageError::NoEimPackageAvailable)?;
    let octets = match package.package.content.as_deref() {
        None | Some([]) => unsealed(eim, &kept).map_err(GetEimPackageError::Seal)?,
        Some(octets) => octets.to_vec(),
    };
    let mut reader = Reader::new(&octets, "EimPackage");
    let package = reader.read().ok().and_then(|tlv| EimPackage::from_tlv(&tlv));
    let package = package.ok_or(GetEimPackageError::NoEimPackageAvailable)?;
    let is_signed = matches!(package, EimPackage::EuiccPackageRequest(_));
    if !is_signed && caller.proven().is_none() {
        return Err(GetEimPackageError::NoEimPackageAvailable);
    }
    Ok(package)
}

fn unsealed(eim: &Eim, kept: &KeptOperation) -> Result<Vec<u8>, SealError> {
    let sealed = kept.sealed_activation_code.as_deref().unwrap_or_default();
    eim.sealer.open(&trigger_place(&kept.operation.operation_id), sealed).map(|plain| plain.to_vec())
}

/// What an answer says, as far as it takes to know what it answers.
struct Said<'a> {
    /// One of the answers of the CHOICE, in DER.
    octets: Vec<u8>,
    id: Option<EimTransactionId>,
    result: Option<EuiccPackageResult<'a>>,
}

fn said(result: &EimPackageResult) -> Option<Said<'_>> {
    match result {
        EimPackageResult::EuiccPackageResult(octets)
        | EimPackageResult::EprAndNotifications { euicc_package_result: octets, .. } => {
            let result = EuiccPackageResult::from_der(octets).ok()?;
            let id = result.eim_transaction_id();
            Some(Said { octets: octets.clone(), id, result: Some(result) })
        }
        EimPackageResult::IpaEuiccDataResponse(octets) => {
            let id = match IpaEuiccDataResponse::from_der(octets).ok()? {
                IpaEuiccDataResponse::Data(data) => data.eim_transaction_id,
                IpaEuiccDataResponse::Error { eim_transaction_id, .. } => eim_transaction_id,
            };
            Some(Said { octets: octets.clone(), id, result: None })
        }
        EimPackageResult::ProfileDownloadTriggerResult(octets) => {
            Some(Said { octets: octets.clone(), id: None, result: None })
        }
        EimPackageResult::ResponseError { eim_transaction_id, .. } => {
            Some(Said { octets: result.to_der(), id: *eim_transaction_id, result: None })
        }
    }
}

/// Whether this is an answer to that package: of its kind, or an IPA's error, and with its eimTransactionId as far as both
/// have one.
fn answers(package: &StoredPackage, said: &Said<'_>, is_error: bool) -> bool {
    let content = package.package.content.as_deref().unwrap_or_default();
    let id = match (EuiccPackageRequest::from_der(content), IpaEuiccDataRequest::from_der(content)) {
        (Ok(request), _) => request.euicc_package_signed.value.eim_transaction_id,
        (_, Ok(request)) => request.eim_transaction_id,
        // A trigger lies sealed; what is damaged has none that could be compared.
        _ => None,
    };
    // Request and answer have one tag.
    let asked = Reader::new(content, "package").peek().unwrap_or(ProfileDownloadTriggerRequest::TAG);
    let of_kind = Reader::new(&said.octets, "answer").peek() == Some(asked);
    (of_kind || is_error) && (id.is_none() || said.id.is_none() || id == said.id)
}

/// Takes an answer to the laboratory's package that the device of this eUICC has, with the seqNumbers that the IPA may
/// remove; `None` for an answer to anything else.
pub(in crate::eim) async fn take(
    eim: &Eim,
    caller: &DeviceCaller,
    eid: &Eid,
    result: &EimPackageResult,
) -> Result<Option<Vec<u32>>, ProvideEimPackageResultError> {
    if eim.laboratory == Laboratory::Closed {
        return Ok(None);
    }
    let Some(said) = said(result) else { return Ok(None) };
    let is_error = matches!(result, EimPackageResult::ResponseError { .. });
    let package = eim.store.outstanding_package(eid).await?.filter(|package| {
        package.package.command == PackageCommand::Laboratory
            && package.handed_over_at.is_some()
            && answers(package, &said, is_error)
    });
    let Some(package) = package else { return Ok(None) };
    let (mut seq_numbers, mut is_unverified) = (Vec::new(), false);
    let mut changes_profiles = matches!(result, EimPackageResult::ProfileDownloadTriggerResult(_));
    match &said.result {
        Some(signed @ (EuiccPackageResult::Signed { .. } | EuiccPackageResult::ErrorSigned { .. })) => {
            is_unverified = believe(eim, eid, &package, signed).await?;
            if let EuiccPackageResult::Signed { data, .. } = signed {
                seq_numbers.push(data.value.seq_number);
                changes_profiles = data.value.results.iter().any(changes_a_profile);
            }
        }
        Some(EuiccPackageResult::ErrorUnsigned(_)) | None => {
            caller.proven().ok_or(ProvideEimPackageResultError::Unproven)?;
        }
    }
    let id = &package.package.transaction_id;
    change(eim, eid, Contact::Present, |turn: &mut Turn<'_>| {
        if turn.outstanding().is_none_or(|outstanding| outstanding.package.transaction_id != *id) {
            return Ok::<_, ProvideEimPackageResultError>(());
        }
        turn.beside().result = Some(PackageAnswer {
            transaction_id: id.clone(),
            result: Some(said.octets.clone()),
            rollback_result: None,
            unverified: is_unverified,
        });
        if changes_profiles {
            let now = turn.now();
            turn.beside().staleness = Staleness::Since(now);
        }
        turn.answered();
        turn.occur_quietly(Occurrence::Executed);
        Ok(())
    })
    .await?;
    Ok(Some(seq_numbers))
}

/// A signed answer is verified as any other, against what the package says of itself. Returns whether that was left out.
async fn believe(
    eim: &Eim,
    eid: &Eid,
    package: &StoredPackage,
    result: &EuiccPackageResult<'_>,
) -> Result<bool, ProvideEimPackageResultError> {
    let euicc = eim.store.eim_euicc(eid).await?.ok_or(ProvideEimPackageResultError::EidNotFound)?;
    let content = package.package.content.as_deref().unwrap_or_default();
    let request = EuiccPackageRequest::from_der(content).map_err(Unbelieved::from)?;
    let sent = &request.euicc_package_signed.value;
    let mut asked = package.clone();
    asked.package.counter = Some(sent.counter_value);
    asked.signed = Some(PackageSignature {
        association_token: euicc.association.association_token,
        signature: request.eim_signature.to_vec(),
    });
    let verified = match &euicc.certificates {
        None => Err(Unbelieved::NoCertificate),
        Some(certificates) => verify_certificates(&eim.anchors, eid, certificates, eim.clock.now())
            .and_then(|euicc| verify_result(result, sent.eim_id, &asked, euicc.public_key())),
    };
    let verified =
        verified.or_else(|refused| unverified::in_place(eim, result, sent.eim_id, &asked, refused))?;
    Ok(verified.is_unverified())
}

const fn changes_a_profile(result: &EuiccResultData<'_>) -> bool {
    matches!(
        result,
        EuiccResultData::Enable(_)
            | EuiccResultData::Disable(_)
            | EuiccResultData::Delete(_)
            | EuiccResultData::Rollback(_)
            | EuiccResultData::SetFallbackAttribute(_)
            | EuiccResultData::UnsetFallbackAttribute(_)
    ) && result.is_success()
}
