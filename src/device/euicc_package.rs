//! eUICC packages on the card: ES10b.LoadEuiccPackage (SGP.32 3.3.1, 5.9.1).
//!
//! The checks stand in the order of the standard. A package of an unknown eIM, or one whose signature is wrong, is
//! answered without a signature; what an eIM may believe is signed. The operations change a copy of the card's state,
//! which is written once, with the result and the counter: a card that dies has run all of a package or nothing.

use simyard_asn1::iot::package::{EuiccPackage, EuiccPackageRequest, EuiccPackageSigned};
use simyard_asn1::iot::result::{
    EuiccPackageErrorCode, EuiccPackageErrorDataSigned, EuiccPackageErrorUnsigned, EuiccPackageResult,
    EuiccPackageResultDataSigned, EuiccResultData, ProcessingTerminated,
};
use simyard_asn1::iot::{EimTransactionId, MAX_EIM_ID_CHARS, signed_bytes};
use simyard_asn1::tlv::{Decode, Encode, Raw, Reader, Tag};

use super::apdu::StatusWord;
use super::card::{Card, Identity};
use super::eim_configuration::run_eco;
use super::es10::malformed;
use super::iot_state::{
    EimRecord, EnabledBefore, MAX_OPERATIONS_RUN, PackageIdentity, ResultRecord, RollbackGrant,
};
use super::notifications::next_seq_number;
use super::profiles::Change;
use super::psmo::PsmoRun;

/// Octets of the results of one package at most.
const MAX_RESULT_OCTETS: usize = 4 << 10;

/// The results of a package's operations as they come.
#[derive(Default)]
struct Results(Vec<u8>);

impl Results {
    /// Takes the result of one operation, and says whether the next one is run.
    fn take(&mut self, result: &EuiccResultData<'_>) -> bool {
        let der = result.to_der();
        if self.0.len() + der.len() > MAX_RESULT_OCTETS {
            // Only what tells of the card is that long: nothing was changed by it.
            let terminated = EuiccResultData::ProcessingTerminated(ProcessingTerminated::ResultSizeOverflow);
            self.0.extend(terminated.to_der());
            return false;
        }
        self.0.extend(der);
        result.is_success()
    }
}

/// eimId and eimTransactionId of a request whose other members cannot be read, so that the error can name them.
fn unreadable(request: &[u8]) -> Option<Vec<u8>> {
    let outer = Reader::new(request, "EuiccPackageRequest").read().ok()?;
    let mut signed = outer.members("EuiccPackageRequest").read().ok()?.members("EuiccPackageSigned");
    let eim_id = signed.expect(Tag(0x80)).ok()?.text(MAX_EIM_ID_CHARS, "eimId").ok()?.to_owned();
    let mut eim_transaction_id = None;
    while let Ok(member) = signed.read() {
        if member.tag == Tag(0x82) {
            eim_transaction_id = EimTransactionId::read(&member).ok();
        }
    }
    Some(error_unsigned(&eim_id, eim_transaction_id, None))
}

fn error_unsigned(
    eim_id: &str,
    eim_transaction_id: Option<EimTransactionId>,
    association_token: Option<i64>,
) -> Vec<u8> {
    EuiccPackageResult::ErrorUnsigned(EuiccPackageErrorUnsigned {
        eim_id,
        eim_transaction_id,
        association_token,
        code: None,
    })
    .to_der()
}

impl EimRecord {
    /// Whether a signature in either form is this eIM's, over a package as received.
    fn has_signed(&self, package: &EuiccPackageRequest<'_>) -> bool {
        let covered = signed_bytes(package.euicc_package_signed.bytes, self.association_token);
        let Some(key) = self.public_key() else { return false };
        match package.eim_signature.try_into() {
            Ok(plain) => key.verify(&covered, plain).is_ok(),
            Err(_) => key.verify_der(&covered, package.eim_signature).is_ok(),
        }
    }
}

impl Card {
    pub(super) fn load_euicc_package(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        // 1. What has no readable eimId has no answer either.
        let package = match EuiccPackageRequest::from_der(request) {
            Ok(package) => package,
            Err(error) => return unreadable(request).ok_or_else(|| malformed(&error)),
        };
        let signed = &package.euicc_package_signed.value;
        // 2. The eIM. 3. Its signature.
        let Some(eim) = self.state.iot()?.eim(signed.eim_id) else {
            return Ok(error_unsigned(signed.eim_id, signed.eim_transaction_id, None));
        };
        if !eim.has_signed(&package) {
            return Ok(error_unsigned(signed.eim_id, signed.eim_transaction_id, eim.association_token));
        }
        let identity = PackageIdentity {
            eim_id: eim.eim_id.clone(),
            counter_value: signed.counter_value,
            eim_transaction_id: signed
                .eim_transaction_id
                .map(|id| id.as_octets().to_vec())
                .unwrap_or_default(),
            association_token: eim.association_token,
            ci_key_identifier: eim.ci_key_identifier(),
        };
        if let Some(code) = self.faults.of_package() {
            return self.identity.sign_error(&identity, code);
        }
        match self.refuses(signed, eim.counter_value)? {
            Some(code) => self.identity.sign_error(&identity, code),
            // 8.
            None => self.run_package(&identity, &signed.operations),
        }
    }

    /// Why no operation of a package is run, though it is the eIM's.
    fn refuses(
        &self,
        signed: &EuiccPackageSigned<'_>,
        last_counter: i64,
    ) -> Result<Option<EuiccPackageErrorCode>, StatusWord> {
        let operations = match &signed.operations {
            EuiccPackage::Psmo(operations) => operations.len(),
            EuiccPackage::Eco(operations) => operations.len(),
        };
        Ok(if *signed.eid != self.identity.eid.to_bcd() {
            // 4.
            Some(EuiccPackageErrorCode::InvalidEid)
        } else if signed.counter_value > self.state.iot()?.counter_limit {
            // 5.
            Some(EuiccPackageErrorCode::CounterValueOutOfRange)
        } else if signed.counter_value <= last_counter {
            // 6.
            Some(EuiccPackageErrorCode::ReplayError)
        } else if self.state.has_active_ecall() {
            // 7.
            Some(EuiccPackageErrorCode::EcallActive)
        } else if operations > MAX_OPERATIONS_RUN {
            Some(EuiccPackageErrorCode::SizeOverflow)
        } else {
            None
        })
    }

    /// Runs the operations in their order; the first that fails ends it. Then come the result, the notifications and
    /// the switch of profiles.
    fn run_package(
        &mut self,
        package: &PackageIdentity,
        operations: &EuiccPackage<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        let mut change = Change::of(&self.state);
        let iot = change.state.iot_mut()?;
        // An eCO may set another one.
        if let Some(eim) = iot.eims.iter_mut().find(|eim| eim.eim_id == package.eim_id) {
            eim.counter_value = package.counter_value;
        }
        let mut results = Results::default();
        let mut grants_rollback = false;
        match operations {
            EuiccPackage::Psmo(operations) => {
                let mut run = PsmoRun::of(&mut change);
                for operation in operations {
                    let next = match self.faults.of_psmo(operation) {
                        Some(fault) => results.take(&fault),
                        None => results.take(&run.run(operation)?),
                    };
                    if !next {
                        break;
                    }
                }
                grants_rollback = run.grants_rollback();
            }
            EuiccPackage::Eco(operations) => {
                for operation in operations {
                    let next = match self.faults.of_eco(operation) {
                        Some(fault) => results.take(&fault),
                        None => results.take(&run_eco(change.state.iot_mut()?, &self.identity, operation)),
                    };
                    if !next {
                        break;
                    }
                }
            }
        }
        let seq_number = next_seq_number(&mut change.state);
        let der =
            self.identity.sign_result(package, seq_number, vec![EuiccResultData::Unknown(&results.0)])?;
        let notifications = self.notify_of(&mut change)?;
        let before = EnabledBefore::of(&self.state);
        let iot = change.state.iot_mut()?;
        if grants_rollback {
            iot.rollback =
                Some(RollbackGrant { before, package: package.clone(), seq_number, notifications });
        }
        iot.keep(ResultRecord { seq_number, der: der.clone() });
        self.make(change)?;
        Ok(der)
    }
}

impl Identity {
    /// EuiccPackageResult with these results, signed for the eIM of the package.
    pub(super) fn sign_result(
        &self,
        package: &PackageIdentity,
        seq_number: u32,
        results: Vec<EuiccResultData<'_>>,
    ) -> Result<Vec<u8>, StatusWord> {
        let value = EuiccPackageResultDataSigned {
            eim_id: &package.eim_id,
            counter_value: package.counter_value,
            eim_transaction_id: package.eim_transaction_id(),
            seq_number,
            results,
        };
        let bytes = value.to_der();
        let signature = self.sign_for_eim(package, &bytes)?;
        let data = Raw { bytes: &bytes, value };
        Ok(EuiccPackageResult::Signed { data, signature: &signature }.to_der())
    }

    fn sign_error(
        &self,
        package: &PackageIdentity,
        code: EuiccPackageErrorCode,
    ) -> Result<Vec<u8>, StatusWord> {
        let value = EuiccPackageErrorDataSigned {
            eim_id: &package.eim_id,
            counter_value: package.counter_value,
            eim_transaction_id: package.eim_transaction_id(),
            code,
        };
        let bytes = value.to_der();
        let signature = self.sign_for_eim(package, &bytes)?;
        let data = Raw { bytes: &bytes, value };
        Ok(EuiccPackageResult::ErrorSigned { data, signature: &signature }.to_der())
    }

    fn sign_for_eim(&self, package: &PackageIdentity, signed: &[u8]) -> Result<[u8; 64], StatusWord> {
        let covered = signed_bytes(signed, package.association_token);
        self.credential(&package.ci_key_identifier)?.sign(&covered)
    }
}
