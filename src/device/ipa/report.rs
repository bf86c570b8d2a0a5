//! Results and notifications wait on the card until the eIM has them (SGP.32 3.1.1.1, 3.3.1 steps 9 to 17).

use simyard_asn1::iot::esipa::{
    EimAcknowledgements, EimPackageResult, HandleNotification, ProvideEimPackageResultRequest,
    ProvideEimPackageResultResponse,
};
use simyard_asn1::iot::result::EuiccPackageResult;
use simyard_asn1::rsp::notification::PendingNotification;
use simyard_asn1::tlv::Decode as _;

use super::{Ipa, IpaError};
use crate::binding::esipa::EsipaCode;
use crate::device::lpa::Observer;
use crate::device::transport::ApduTransport;

/// Notifications that go beside a result: with two certificates each, they fill a request. Others follow.
const MAX_BESIDE_RESULT: usize = 16;

impl<T: ApduTransport> Ipa<T> {
    /// Delivers what an earlier poll left on the card: results first, as their procedure may end in a rollback. What the eIM
    /// does not take waits on, and keeps nothing else from being done.
    pub(super) async fn deliver_waiting(&mut self, observer: Observer<'_>) -> Result<(), IpaError> {
        for result in self.card.retrieve_euicc_package_results()? {
            if !self.is_for_this_eim(&result.der)? {
                continue;
            }
            match self.deliver_result(result.der, observer).await {
                Err(error @ IpaError::Refused { .. }) => {
                    tracing::warn!(seq_number = result.seq_number, %error, "a result waits on the card");
                }
                delivered => drop(delivered?),
            }
        }
        for notification in self.card.retrieve_notifications()? {
            let seq_number = PendingNotification::from_der(&notification)?.metadata().seq_number;
            self.reach().await?;
            if let Err(error) = self.notify(notification, observer).await {
                // Those behind it must not come before it.
                tracing::warn!(seq_number, %error, "notifications wait on the card");
                break;
            }
            self.card.remove_notification(seq_number)?;
        }
        Ok(())
    }

    /// Whether a result is of a package of the eIM that is called. Another eIM of the eUICC has another IPA.
    pub(super) fn is_for_this_eim(&self, result: &[u8]) -> Result<bool, IpaError> {
        let result = EuiccPackageResult::from_der(result)?;
        Ok(self.association.eim_id.as_ref().is_none_or(|called| called == result.eim_id()))
    }

    /// Hands a notification to the eIM, once.
    pub(super) async fn notify(
        &mut self,
        notification: Vec<u8>,
        observer: Observer<'_>,
    ) -> Result<(), IpaError> {
        const FUNCTION: &str = "ESipa.HandleNotification";
        let start = self.around.clock.monotonic();
        let taken = self.eim.handle_notification(HandleNotification::PendingNotification(notification)).await;
        observer(FUNCTION, self.around.clock.monotonic().saturating_sub(start));
        taken.map_err(|error| IpaError::Eim { function: FUNCTION, error })
    }

    /// A result as it is sent: with the notifications that wait beside it.
    pub(super) fn with_notifications(
        &mut self,
        euicc_package_result: Vec<u8>,
    ) -> Result<EimPackageResult, IpaError> {
        let mut notifications = self.card.retrieve_notifications()?;
        notifications.truncate(MAX_BESIDE_RESULT);
        Ok(if notifications.is_empty() {
            EimPackageResult::EuiccPackageResult(euicc_package_result)
        } else {
            EimPackageResult::EprAndNotifications { euicc_package_result, notifications }
        })
    }

    /// Sends a result until the eIM has taken it, as often and as long as the settings say; what it acknowledges is removed
    /// from the card. `own` is the number of the result itself: an eIM that has nothing to acknowledge has that.
    pub(super) async fn provide(
        &mut self,
        result: EimPackageResult,
        own: Option<u32>,
        observer: Observer<'_>,
    ) -> Result<(), IpaError> {
        let mut attempt = 1;
        let acknowledged = loop {
            match self.provide_once(result.clone(), observer).await {
                Ok(acknowledged) => break acknowledged,
                Err(error) if attempt >= self.settings.delivery_attempts.get() => return Err(error),
                Err(error) => tracing::info!(attempt, %error, "the eIM has not taken a result"),
            }
            attempt += 1;
            self.around.pauses.pause(self.pause_between_attempts()).await;
        };
        let numbers = match acknowledged {
            Some(EimAcknowledgements(numbers)) => numbers,
            None => own.into_iter().collect(),
        };
        for number in numbers {
            self.card.remove_notification(number)?;
        }
        Ok(())
    }

    async fn provide_once(
        &mut self,
        eim_package_result: EimPackageResult,
        observer: Observer<'_>,
    ) -> Result<Option<EimAcknowledgements>, IpaError> {
        const FUNCTION: &str = "ESipa.ProvideEimPackageResult";
        self.has_network()?;
        let eid_value = Some(self.eid.to_bcd());
        let request = ProvideEimPackageResultRequest { eid_value, eim_package_result };
        let start = self.around.clock.monotonic();
        let response = self.eim.provide_eim_package_result(request).await;
        observer(FUNCTION, self.around.clock.monotonic().saturating_sub(start));
        match response.map_err(|error| IpaError::Eim { function: FUNCTION, error })? {
            ProvideEimPackageResultResponse::Acknowledgements(numbers) => Ok(Some(numbers)),
            ProvideEimPackageResultResponse::Empty => Ok(None),
            ProvideEimPackageResultResponse::Error(code) => {
                let code = EsipaCode::ProvideEimPackageResult(code);
                Err(IpaError::Refused { function: FUNCTION, code })
            }
        }
    }
}
