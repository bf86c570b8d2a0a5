//! Packages that the eIM brings by itself (SGP.32 3.1.1.2, 5.14.4): TransferEimPackage.
//!
//! A package is executed as one that was polled for; what is different is how its result leaves. That of an eUICC package goes
//! into the answer and waits on the card until the eIM acknowledges it: the answer of a package that changes the network may
//! never arrive. A result that is not acknowledged in time is delivered as after a poll, and where that fails too the device
//! goes back to the profile of before. A package that comes again while its result waits is not run again: it gets the result.
//!
//! A download takes longer than an answer may: the eIM hears that the trigger was received, and the result follows by
//! ProvideEimPackageResult. When to deliver, and who is let in, is not decided here.

use simyard_asn1::iot::esipa::{
    EimAcknowledgements, EimPackage, EimPackageResult, EimPackageResultErrorCode, TransferEimPackageError,
    TransferEimPackageRequest, TransferEimPackageResponse,
};
use simyard_asn1::iot::package::EuiccPackageRequest;
use simyard_asn1::iot::result::EuiccPackageResult;
use simyard_asn1::iot::trigger::ProfileDownloadTriggerRequest;
use simyard_asn1::tlv::Decode as _;

use super::{Executed, Ipa, IpaError};
use crate::device::lpa::Observer;
use crate::device::transport::ApduTransport;

/// What became of a package that was brought.
#[derive(Debug)]
pub struct Transferred {
    /// What the eIM is answered.
    pub answer: TransferEimPackageResponse,
    /// What was executed; `None` for acknowledgements, and for what is to be executed only now.
    pub executed: Option<Executed>,
    /// What is to be done once the answer is on its way.
    pub then: Then,
}

/// What is to be done behind an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Rest,
    /// The profile of this trigger is to be downloaded ([`Ipa::download_brought`]).
    Download(Vec<u8>),
}

impl<T: ApduTransport> Ipa<T> {
    /// Takes what the eIM brought.
    ///
    /// # Errors
    /// [`IpaError::NoNetwork`] where the enabled profile has no network, before or behind the package: then no answer can
    /// leave. Other errors are those of the card. In either case what waits on the card is to be delivered.
    pub fn take(
        &mut self,
        request: &TransferEimPackageRequest,
        observer: Observer<'_>,
    ) -> Result<Transferred, IpaError> {
        self.has_network()?;
        let taken = match request {
            TransferEimPackageRequest::Acknowledgements(EimAcknowledgements(numbers)) => {
                for number in numbers {
                    self.card.remove_notification(*number)?;
                }
                received(Then::Rest)
            }
            TransferEimPackageRequest::Package(EimPackage::EuiccPackageRequest(der)) => {
                self.run_brought(der, observer)?
            }
            TransferEimPackageRequest::Package(EimPackage::IpaEuiccDataRequest(der)) => {
                let (result, executed) = self.data_for(der)?;
                Transferred { answer: answer_of(result), executed: Some(executed), then: Then::Rest }
            }
            TransferEimPackageRequest::Package(EimPackage::ProfileDownloadTriggerRequest(der)) => {
                self.receive_trigger(der)
            }
        };
        self.has_network()?;
        Ok(taken)
    }

    /// Whether a result of this eIM's packages waits for its acknowledgement.
    ///
    /// # Errors
    /// [`IpaError`] of the card.
    pub fn awaits_acknowledgement(&mut self) -> Result<bool, IpaError> {
        for waiting in self.card.retrieve_euicc_package_results()? {
            if self.is_for_this_eim(&waiting.der)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Delivers what waits on the card, as a poll does before it asks.
    ///
    /// # Errors
    /// [`IpaError`]; what could not be delivered waits on.
    pub async fn deliver(&mut self, observer: Observer<'_>) -> Result<(), IpaError> {
        self.deliver_waiting(observer).await
    }

    /// Downloads what a trigger names that was brought, and reports how it ended.
    ///
    /// # Errors
    /// [`IpaError`]; then the eIM may bring the trigger again.
    pub async fn download_brought(
        &mut self,
        trigger: &[u8],
        observer: Observer<'_>,
    ) -> Result<Executed, IpaError> {
        let executed = self.run_trigger(trigger, observer).await?;
        self.brought =
            ProfileDownloadTriggerRequest::from_der(trigger).ok().and_then(|read| read.eim_transaction_id);
        Ok(executed)
    }

    /// Has the eUICC run a package; the result of one that it ran already is the one that waits.
    fn run_brought(&mut self, package: &[u8], observer: Observer<'_>) -> Result<Transferred, IpaError> {
        let result = match self.result_that_waits(package)? {
            Some(result) => result,
            None => self.load_package(package, observer)?,
        };
        let answer = answer_of(self.with_notifications(result)?);
        Ok(Transferred { answer, executed: Some(Executed::EuiccPackage), then: Then::Rest })
    }

    /// The result of this package, if the eUICC ran it and nobody acknowledged that.
    fn result_that_waits(&mut self, package: &[u8]) -> Result<Option<Vec<u8>>, IpaError> {
        // What cannot be read is for the eUICC to refuse.
        let Ok(request) = EuiccPackageRequest::from_der(package) else { return Ok(None) };
        let asked = &request.euicc_package_signed.value;
        for waiting in self.card.retrieve_euicc_package_results()? {
            let EuiccPackageResult::Signed { data, .. } = EuiccPackageResult::from_der(&waiting.der)? else {
                continue;
            };
            let told = (data.value.eim_id, data.value.counter_value, data.value.eim_transaction_id);
            if told == (asked.eim_id, asked.counter_value, asked.eim_transaction_id) {
                return Ok(Some(waiting.der));
            }
        }
        Ok(None)
    }

    /// A trigger that can be read is received; one whose result the eIM has is not run again.
    fn receive_trigger(&self, trigger: &[u8]) -> Transferred {
        let Ok(read) = ProfileDownloadTriggerRequest::from_der(trigger) else {
            let code = TransferEimPackageError::InvalidPackageFormat;
            let why = "the eIM's trigger cannot be read".to_owned();
            let answer = TransferEimPackageResponse::Error(code);
            return Transferred { answer, executed: Some(Executed::Failed(why)), then: Then::Rest };
        };
        let again = read.eim_transaction_id.is_some() && read.eim_transaction_id == self.brought;
        received(if again { Then::Rest } else { Then::Download(trigger.to_vec()) })
    }
}

const fn received(then: Then) -> Transferred {
    Transferred { answer: TransferEimPackageResponse::Received, executed: None, then }
}

/// What would be provided after a poll, as an answer.
fn answer_of(result: EimPackageResult) -> TransferEimPackageResponse {
    match result {
        EimPackageResult::EuiccPackageResult(der) => TransferEimPackageResponse::EuiccPackageResult(der),
        EimPackageResult::EprAndNotifications { euicc_package_result, notifications } => {
            TransferEimPackageResponse::EprAndNotifications { euicc_package_result, notifications }
        }
        EimPackageResult::IpaEuiccDataResponse(der) => TransferEimPackageResponse::IpaEuiccDataResponse(der),
        // No answer has room for it: it follows by itself.
        EimPackageResult::ProfileDownloadTriggerResult(_) => TransferEimPackageResponse::Received,
        EimPackageResult::ResponseError { code, .. } => TransferEimPackageResponse::Error(match code {
            EimPackageResultErrorCode::InvalidPackageFormat => TransferEimPackageError::InvalidPackageFormat,
            EimPackageResultErrorCode::UnknownPackage => TransferEimPackageError::UnknownPackage,
            EimPackageResultErrorCode::UndefinedError | EimPackageResultErrorCode::Other(_) => {
                TransferEimPackageError::UndefinedError
            }
        }),
    }
}
