//! eUICC packages (SGP.32 3.3.1), and the way back where the result of one cannot be delivered: rollback (3.4.1), and the
//! fallback profile where there is no network (3.5).

use simyard_asn1::iot::esipa::StateChangeCause;
use simyard_asn1::iot::result::EuiccPackageResult;
use simyard_asn1::tlv::Decode as _;

use super::{Executed, Ipa, IpaError};
use crate::device::es10_client::Es10Error;
use crate::device::lpa::Observer;
use crate::device::transport::ApduTransport;

/// seqNumber of a result; only signed ones, which the eUICC keeps, have one.
fn seq_number(der: &[u8]) -> Result<Option<u32>, IpaError> {
    Ok(match EuiccPackageResult::from_der(der)? {
        EuiccPackageResult::Signed { data, .. } => Some(data.value.seq_number),
        EuiccPackageResult::ErrorSigned { .. } | EuiccPackageResult::ErrorUnsigned(_) => None,
    })
}

impl<T: ApduTransport> Ipa<T> {
    /// Has the eUICC run a package, and delivers the result.
    pub(super) async fn run_euicc_package(
        &mut self,
        request: &[u8],
        observer: Observer<'_>,
    ) -> Result<Executed, IpaError> {
        let result = self.load_package(request, observer)?;
        self.deliver_result(result, observer).await
    }

    /// Has the eUICC run a package: steps 3 to 8, which are the eUICC's.
    pub(super) fn load_package(
        &mut self,
        request: &[u8],
        observer: Observer<'_>,
    ) -> Result<Vec<u8>, IpaError> {
        let start = self.around.clock.monotonic();
        let result = self.card.load_euicc_package(request);
        observer("ES10b.LoadEuiccPackage", self.around.clock.monotonic().saturating_sub(start));
        let result = result?;
        // The package may have changed what the eUICC knows of the eIM.
        self.read_association()?;
        Ok(result)
    }

    /// Delivers a result. Where the eIM does not take it in time, the device goes back to the profile of before, if the eIM
    /// has permitted it, and delivers what the eUICC says then.
    pub(super) async fn deliver_result(
        &mut self,
        result: Vec<u8>,
        observer: Observer<'_>,
    ) -> Result<Executed, IpaError> {
        // Steps 9 to 17.
        let own = seq_number(&result)?;
        let with_notifications = self.with_notifications(result)?;
        let Err(error) = self.provide(with_notifications, own, observer).await else {
            return Ok(Executed::EuiccPackage);
        };
        if own.is_none() {
            return Err(error);
        }
        let rolled_back = match self.card.profile_rollback() {
            Ok(rolled_back) => rolled_back,
            Err(Es10Error::Function { name, .. }) => {
                tracing::info!(name, %error, "a result waits; there is no rollback");
                // A profile without a network may have been enabled without the permission to go back.
                if self.has_network().is_err() && self.fall_back()? {
                    return self.deliver_after_fallback(observer).await;
                }
                return Err(error);
            }
            Err(card) => return Err(card.into()),
        };
        observer("ES10b.ProfileRollback", std::time::Duration::ZERO);
        tracing::info!(%error, "a result could not be delivered; the profile of before is enabled again");
        // One attempt to go back; the new result waits on the card if it cannot be delivered either.
        let Some(rolled_back) = rolled_back else { return Err(error) };
        let own = seq_number(&rolled_back)?;
        let with_notifications = self.with_notifications(rolled_back)?;
        self.provide(with_notifications, own, observer).await?;
        Ok(Executed::RolledBack)
    }

    /// Over the fallback profile, what waits is delivered once more.
    async fn deliver_after_fallback(&mut self, observer: Observer<'_>) -> Result<Executed, IpaError> {
        for waiting in self.card.retrieve_euicc_package_results()? {
            let with_notifications = self.with_notifications(waiting.der)?;
            self.provide(with_notifications, Some(waiting.seq_number), observer).await?;
        }
        Ok(Executed::EuiccPackage)
    }

    /// Enables the fallback profile; the next poll says so. `false` where the eUICC has none, or has it enabled already.
    pub(super) fn fall_back(&mut self) -> Result<bool, IpaError> {
        match self.card.execute_fallback_mechanism() {
            Ok(()) => {
                tracing::info!("no network: the fallback profile is enabled");
                self.state_change = Some(StateChangeCause::Fallback);
                Ok(true)
            }
            Err(Es10Error::Function { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
