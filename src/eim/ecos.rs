//! eCOs (SGP.32 2.11.1.1.1): eIMs are added to an eUICC, changed, deleted and listed, by an eIM that it has already. What the
//! eUICC signed of our own eIM is what this eIM believes of itself from then on.
//!
//! A fleet moves to another eIM by its configuration data: addEim, and once the eUICC signed that it has the other eIM,
//! deleteEim of ours, in an operation of its own ([`Task::Move`]). In no other way this eIM has an eUICC delete it: an eUICC
//! without an eIM can be reached by nobody. What the other eIM needs beside its own data is the associationToken that the eUICC
//! gave out for it ([`moved`]).

use simyard_asn1::iot::configuration::{EimConfigurationData, EimPublicKey};
use simyard_asn1::iot::package::{Eco, EuiccPackage, EuiccPackageSigned};
use simyard_asn1::iot::result::{DeleteEimResult, EuiccResultData, UpdateEimResult};
use simyard_asn1::{Decode as _, Tag, Writer};

use super::Eim;
use super::answers::added_eim;
use super::association::{Envelope, enveloped, read_configuration};
use super::engine::Turn;
use super::keys::key_digest;
use super::package::COUNTER_MAX;
use crate::domain::{OperationStateName, Task};
use crate::env::Timestamp;
use crate::ident::Eid;
use crate::pki::Certificate;
use crate::pki::public_key::from_subject_public_key_info;
use crate::store::{EimPackage, KeptOperation, OperationSelection, StoreError};

/// An ecoList with addEim of what another eIM says of itself.
///
/// # Errors
/// What was expected: EimConfigurationData with counterValue and key, alone or in an AddInitialEimRequest.
pub fn add_eim(configuration: &[u8]) -> Result<Vec<u8>, String> {
    let data = read_configuration(configuration)?;
    if data.counter_value.is_none() || data.eim_public_key_data.is_none() {
        return Err("addEim needs counterValue and eimPublicKeyData, and one of them is missing".to_owned());
    }
    Ok(enveloped(&data, Envelope::AddEim))
}

/// An ecoList with updateEim of these data.
///
/// # Errors
/// What was expected: EimConfigurationData.
pub fn update_eim(configuration: &[u8]) -> Result<Vec<u8>, String> {
    Ok(enveloped(&read_configuration(configuration)?, Envelope::UpdateEim))
}

/// An ecoList with updateEim of our eIM that has this key, as SubjectPublicKeyInfo.
///
/// # Errors
/// [`simyard_asn1::Error`] if that is no key.
pub fn update_key(eim_id: &str, key: &[u8]) -> Result<Vec<u8>, simyard_asn1::Error> {
    let data = EimConfigurationData {
        eim_id,
        eim_public_key_data: Some(EimPublicKey::Spki(simyard_asn1::iot::Implicit::from_der(key)?)),
        ..EimConfigurationData::default()
    };
    Ok(enveloped(&data, Envelope::UpdateEim))
}

/// An ecoList with deleteEim.
#[must_use]
pub fn delete_eim(eim_id: &str) -> Vec<u8> {
    eco_list(&Eco::DeleteEim { eim_id })
}

/// An ecoList with listEim.
#[must_use]
pub fn list_eims() -> Vec<u8> {
    eco_list(&Eco::ListEim)
}

fn eco_list(eco: &Eco<'_>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nested(Tag(0xA1), |list| {
        list.value(eco);
    });
    writer.finish()
}

/// Why eCOs are not asked of an eUICC, although they can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnEim {
    /// They delete our eIM.
    #[error("they delete this eIM itself, and nobody could reach the eUICC any more: move it to another eIM")]
    Deleted,
    /// They change the key of our eIM.
    #[error("they change the key of this eIM itself: rotate it, so that both sides change")]
    Key,
}

/// Whether operations of this list may be asked for by anybody.
pub(super) fn check_own(task: &Task, eim_id: &str, package: &EuiccPackage<'_>) -> Result<(), OwnEim> {
    let EuiccPackage::Eco(ecos) = package else { return Ok(()) };
    for eco in ecos {
        match eco {
            Eco::DeleteEim { eim_id: deleted } if *deleted == eim_id => return Err(OwnEim::Deleted),
            Eco::UpdateEim(data)
                if data.eim_id == eim_id
                    && data.eim_public_key_data.is_some()
                    && !matches!(task, Task::RotateKey { .. }) =>
            {
                return Err(OwnEim::Key);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Takes what the eUICC signed of our own eIM: its key, its counter, and that it is deleted.
pub(super) fn take(turn: &mut Turn<'_>, eim_id: &str, package: &EimPackage, results: &[EuiccResultData<'_>]) {
    let content = package.package.content.as_deref().unwrap_or_default();
    for (eco, result) in ecos(content).iter().zip(results) {
        match (eco, result) {
            (Eco::UpdateEim(data), EuiccResultData::UpdateEim(UpdateEimResult::Ok))
                if data.eim_id == eim_id =>
            {
                if let Some(key) = data.eim_public_key_data.as_ref().and_then(digest_of) {
                    turn.beside().signing_key = Some(key);
                }
                // A lower one asks for no change: ours is higher, and the eUICC takes gaps.
                let last = turn.beside().counter.unwrap_or(turn.euicc.association.counter);
                if let Some(counter) = data.counter_value.filter(|new| (last..=COUNTER_MAX).contains(new)) {
                    turn.beside().counter = Some(counter);
                }
            }
            (
                Eco::DeleteEim { eim_id: deleted },
                EuiccResultData::DeleteEim(DeleteEimResult::Ok | DeleteEimResult::LastEimDeleted),
            ) if *deleted == eim_id => turn.left(),
            _ => {}
        }
    }
}

/// The eCOs of an euiccPackageSigned; none if it has no ecoList.
fn ecos(content: &[u8]) -> Vec<Eco<'_>> {
    match EuiccPackageSigned::from_der(content) {
        Ok(EuiccPackageSigned { operations: EuiccPackage::Eco(ecos), .. }) => ecos,
        Ok(_) | Err(_) => Vec::new(),
    }
}

fn digest_of(key: &EimPublicKey<'_>) -> Option<String> {
    let key = match key {
        EimPublicKey::Spki(info) => from_subject_public_key_info(&info.to_der()).ok()?,
        EimPublicKey::Certificate(der) => *Certificate::from_der(&der.to_der()).ok()?.public_key().ok()?,
    };
    Some(key_digest(&key))
}

/// An eUICC that has another eIM by our doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The eUICC.
    pub eid: Eid,
    /// eimId of the other eIM.
    pub eim_id: String,
    /// counterValue that the other eIM begins behind.
    pub counter: i64,
    /// The associationToken that the eUICC gave out for it.
    pub association_token: Option<i64>,
    /// When ours was deleted.
    pub left_at: Option<Timestamp>,
}

/// What the owner of the other eIM is to be told of a page of operations, the newest first, below the number `before`; and the
/// number before which the next page begins.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn moved(
    eim: &Eim,
    before: Option<i64>,
    limit: u32,
) -> Result<(Vec<Moved>, Option<i64>), StoreError> {
    let selection = OperationSelection { eid: None, state: Some(OperationStateName::Done) };
    let page = eim.store.operations(&selection, before, limit).await?;
    let is_full = page.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = page.last().map(|kept| kept.number).filter(|_| is_full);
    let mut found = Vec::new();
    for kept in page.iter().filter(|kept| matches!(kept.operation.task, Task::Move { .. })) {
        found.extend(moved_by(eim, kept).await?);
    }
    Ok((found, next))
}

async fn moved_by(eim: &Eim, kept: &KeptOperation) -> Result<Option<Moved>, StoreError> {
    let packages = eim.store.packages_of_operation(&kept.operation.operation_id).await?;
    for package in &packages {
        let Some(association_token) = package.result.as_deref().and_then(added_eim) else { continue };
        let content = package.package.content.as_deref().unwrap_or_default();
        let added = ecos(content).into_iter().find_map(|eco| match eco {
            Eco::AddEim(data) => Some((data.eim_id.to_owned(), data.counter_value.unwrap_or_default())),
            _ => None,
        });
        let Some((eim_id, counter)) = added else { continue };
        let eid = kept.operation.eid.clone();
        let left_at = eim.store.eim_euicc(&eid).await?.and_then(|euicc| euicc.left_at);
        return Ok(Some(Moved { eid, eim_id, counter, association_token, left_at }));
    }
    Ok(None)
}
