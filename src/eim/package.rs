//! eIM packages as they are made: euiccPackageSigned and its signature (SGP.32 2.11.1.1, digest 4.3), download triggers,
//! requests for data.

use simyard_asn1::iot::data::{IpaEuiccDataRequest, requested};
use simyard_asn1::iot::package::{EuiccPackage, EuiccPackageSigned, Psmo};
use simyard_asn1::iot::trigger::{ProfileDownloadData, ProfileDownloadTriggerRequest};
use simyard_asn1::iot::{EimTransactionId, signed_bytes};
use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::rsp::card::ProfileInfoListRequest;
use simyard_asn1::{Encode as _, Tag, Writer};

use crate::crypto::ecdsa::{EcdsaError, SigningKey};
use crate::domain::{Command, Rollback, Task};
use crate::ident::{ActivationCode, Eid, TransactionId};
use crate::store::PackageCommand;

/// The highest counterValue that every eUICC takes. Some take more, and say so by nothing: behind it the eUICC is to be
/// associated anew.
pub const COUNTER_MAX: i64 = 0x7F_FFFF;

/// What listProfileInfo asks for: iccid, state, provider, name, class, and what SGP.32 adds.
const LIST_TAGS: &[u8] = &[0x5A, 0x9F, 0x70, 0x91, 0x92, 0x95, 0x9F, 0x7B, 0x9F, 0x26, 0x9F, 0x67];

/// What stands in a package that a command makes.
#[must_use]
pub const fn package_command(command: &Command) -> PackageCommand {
    match command {
        Command::ListProfileInfo => PackageCommand::ListProfileInfo,
        Command::Trigger => PackageCommand::Trigger,
        Command::Enable { .. } => PackageCommand::Enable,
        Command::Disable { .. } => PackageCommand::Disable,
        Command::Delete { .. } => PackageCommand::Delete,
        Command::Configure => PackageCommand::Configure,
        Command::StoredResults => PackageCommand::StoredResults,
        Command::Laboratory => PackageCommand::Laboratory,
    }
}

/// Whether the package of a command goes to the eUICC itself, under a counter that the engine takes.
#[must_use]
pub const fn is_euicc_package(command: PackageCommand) -> bool {
    match command {
        PackageCommand::Trigger | PackageCommand::StoredResults | PackageCommand::Laboratory => false,
        PackageCommand::ListProfileInfo
        | PackageCommand::Enable
        | PackageCommand::Disable
        | PackageCommand::Delete
        | PackageCommand::Configure => true,
    }
}

/// Whom a package is from and for.
pub struct Address<'a> {
    /// Our eimId.
    pub eim_id: &'a str,
    /// The eUICC.
    pub eid: &'a Eid,
    /// counterValue.
    pub counter: i64,
    /// eimTransactionId.
    pub transaction_id: &'a TransactionId,
}

/// euiccPackageSigned of a command. Other PSMOs and eCOs of a task stand in it as they were given.
#[must_use]
pub fn euicc_package_signed(address: &Address<'_>, command: &Command, task: &Task) -> Vec<u8> {
    let package = |operation: Psmo<'_>| to_der(address, EuiccPackage::Psmo(vec![operation]));
    match command {
        Command::Enable { iccid, rollback } => {
            package(Psmo::Enable { iccid: &iccid.to_bcd(), rollback: *rollback == Rollback::Granted })
        }
        Command::Disable { iccid } => package(Psmo::Disable { iccid: &iccid.to_bcd() }),
        Command::Delete { iccid } => package(Psmo::Delete { iccid: &iccid.to_bcd() }),
        Command::ListProfileInfo | Command::Trigger | Command::StoredResults | Command::Laboratory => {
            package(Psmo::ListProfileInfo(ProfileInfoListRequest {
                criterion: None,
                tag_list: Some(LIST_TAGS),
            }))
        }
        Command::Configure => with_commands(address, task.commands().map(Vec::as_slice).unwrap_or_default()),
    }
}

fn to_der(address: &Address<'_>, operations: EuiccPackage<'_>) -> Vec<u8> {
    EuiccPackageSigned {
        eim_id: address.eim_id,
        eid: &address.eid.to_bcd(),
        counter_value: address.counter,
        eim_transaction_id: eim_transaction_id(address.transaction_id),
        operations,
    }
    .to_der()
}

/// The members before the operations are those of any package; the operations come as octets.
pub(super) fn with_commands(address: &Address<'_>, commands: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nested(Tag::SEQUENCE, |members| {
        members
            .tlv(Tag(0x80), address.eim_id.as_bytes())
            .tlv(Tag(0x5A), &address.eid.to_bcd())
            .integer(Tag(0x81), address.counter)
            .tlv(Tag(0x82), address.transaction_id.as_octets())
            .raw(commands);
    });
    writer.finish()
}

/// The identifier as the messages have it.
#[must_use]
pub fn eim_transaction_id(id: &TransactionId) -> Option<EimTransactionId> {
    EimTransactionId::from_octets(id.as_octets())
}

/// Signs euiccPackageSigned for an eUICC with this token, and looks at the signature before it leaves.
///
/// # Errors
/// [`EcdsaError`] if the library fails.
pub fn sign(key: &SigningKey, content: &[u8], association_token: Option<i64>) -> Result<Vec<u8>, EcdsaError> {
    let message = signed_bytes(content, association_token);
    let signature = key.sign(&message)?;
    key.public_key().verify(&message, &signature)?;
    Ok(signature.to_vec())
}

/// Whether a signature is to be right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signing {
    /// It is.
    #[default]
    Right,
    /// It is one octet off: for laboratories.
    Broken,
}

/// As [`sign`]; of a laboratory it may be broken.
///
/// # Errors
/// [`EcdsaError`] if the library fails.
pub(super) fn signature(
    key: &SigningKey,
    content: &[u8],
    association_token: Option<i64>,
    signing: Signing,
) -> Result<Vec<u8>, EcdsaError> {
    let mut signature = sign(key, content, association_token)?;
    if let (Signing::Broken, Some(last)) = (signing, signature.last_mut()) {
        *last ^= 1;
    }
    Ok(signature)
}

/// EuiccPackageRequest, `BF51`.
#[must_use]
pub fn euicc_package_request(content: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(content.len() + signature.len() + 16);
    writer.nested(simyard_asn1::iot::package::EuiccPackageRequest::TAG, |members| {
        members.raw(content).tlv(SIGNATURE, signature);
    });
    writer.finish()
}

/// ProfileDownloadTriggerRequest, `BF54`. The code stands in it without its prefix, as IPAs know it.
#[must_use]
pub fn trigger(code: &ActivationCode, id: &TransactionId) -> Vec<u8> {
    let text = code.to_string();
    let code = text.strip_prefix("LPA:").unwrap_or(&text);
    ProfileDownloadTriggerRequest {
        profile_download_data: Some(ProfileDownloadData::ActivationCode(code)),
        eim_transaction_id: eim_transaction_id(id),
    }
    .to_der()
}

/// What a device is asked for that is heard of for the first time: who its eUICC is, and what it and its IPA can do.
#[must_use]
pub fn introduction_request() -> Vec<u8> {
    data_request(
        vec![
            requested::EUICC_INFO1,
            requested::EUICC_INFO2,
            requested::EUM_CERTIFICATE,
            requested::EUICC_CERTIFICATE,
            requested::IPA_CAPABILITIES,
            requested::DEVICE_INFO,
        ],
        None,
    )
}

/// A request for the results of packages that the eUICC still keeps.
#[must_use]
pub fn stored_results_request(id: &TransactionId) -> Vec<u8> {
    data_request(vec![requested::EUICC_PACKAGE_RESULT_LIST], eim_transaction_id(id))
}

fn data_request(tag_list: Vec<Tag>, eim_transaction_id: Option<EimTransactionId>) -> Vec<u8> {
    IpaEuiccDataRequest {
        tag_list,
        ci_pk_id_to_be_used: None,
        notification_criteria: None,
        euicc_package_result_seq_number: None,
        eim_transaction_id,
    }
    .to_der()
}

#[cfg(test)]
mod tests {
    use simyard_asn1::Decode as _;
    use simyard_asn1::iot::package::EuiccPackageRequest;

    use super::*;
    use crate::crypto::ecdsa::Curve;
    use crate::ident::Iccid;

    fn signed(command: &Command, task: &Task) -> Vec<u8> {
        let eid = Eid::parse("89049032000000000000279973200019").unwrap();
        let transaction_id = TransactionId::from_octets(&[9; 4]).unwrap();
        let address = Address { eim_id: "eim1", eid: &eid, counter: 128, transaction_id: &transaction_id };
        euicc_package_signed(&address, command, task)
    }

    #[test]
    fn a_package_holds_what_it_was_made_of_and_its_signature_covers_the_token() {
        let iccid = Iccid::parse("8988211000000000001").unwrap();
        let task = Task::Configure { commands: vec![0xA1, 0x02, 0xAB, 0x00] };
        let rollback = Rollback::Granted;
        for (command, operations) in [
            (Command::Enable { iccid: iccid.clone(), rollback }, "A010A30E5A0A988812010000000000F10500"),
            (Command::Disable { iccid: iccid.clone() }, "A00EA40C5A0A988812010000000000F1"),
            (Command::Delete { iccid }, "A00EA50C5A0A988812010000000000F1"),
            (Command::ListProfileInfo, "A011BF2D0E5C0C5A9F709192959F7B9F269F67"),
            (Command::Configure, "A102AB00"),
        ] {
            let content = signed(&command, &task);
            let shown = hex::encode_upper(&content);
            assert!(shown.ends_with(operations), "{shown}");
            let key = SigningKey::from_scalar(Curve::P256, &[7; 32]).unwrap();
            let signature = sign(&key, &content, Some(128)).unwrap();
            let request = euicc_package_request(&content, &signature);
            let read = EuiccPackageRequest::from_der(&request).unwrap();
            assert_eq!(read.euicc_package_signed.bytes, content);
            assert_eq!(read.euicc_package_signed.value.counter_value, 128);
            let message = [content.as_slice(), &[0x84, 0x02, 0x00, 0x80]].concat();
            let signature = read.eim_signature.try_into().unwrap();
            key.public_key().verify(&message, signature).unwrap();
            assert!(key.public_key().verify(&content, signature).is_err());
        }
    }

    #[test]
    fn a_trigger_carries_the_code_without_its_prefix() {
        let code = ActivationCode::parse("LPA:1$smdp.example.com$M-1").unwrap();
        let id = TransactionId::from_octets(&[1, 2]).unwrap();
        let trigger = trigger(&code, &id);
        let read = ProfileDownloadTriggerRequest::from_der(&trigger).unwrap();
        let expected = ProfileDownloadData::ActivationCode("1$smdp.example.com$M-1");
        assert_eq!(read.profile_download_data, Some(expected));
        assert_eq!(read.eim_transaction_id, EimTransactionId::from_octets(&[1, 2]));
    }
}
