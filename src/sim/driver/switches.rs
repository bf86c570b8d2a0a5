//! Somebody asks the eIM to switch a device.

use std::time::Duration;

use super::{Act, Driver, Event};
use crate::domain::{OldProfile, SwitchObstacle};
use crate::eim::operations::CreateOperationError;
use crate::ident::ActivationCode;
use crate::sim::SimulationError;
use crate::sim::device::Outcome;
use crate::sim::ground::iccid;

/// How long an old profile is held before it is deleted: less than a device polls before it rests.
pub(super) const HOLD: Duration = Duration::from_secs(300);
/// How long somebody waits before he asks the eIM again.
const ASK_AGAIN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(600)];

impl Driver<'_> {
    /// Somebody asks the eIM to switch a device to a profile that was ordered for it, until he is answered.
    pub(super) async fn switch(&mut self, profile: usize) -> Result<(), SimulationError> {
        let (Some(device), iccid) = (self.devices.get(profile % self.devices.len().max(1)), iccid(profile)?)
        else {
            return Ok(());
        };
        let Some(matching_id) = device.notebook.errand(&iccid).and_then(|errand| errand.matching_id) else {
            return Ok(());
        };
        let (eid, notebook) = (device.eid.clone(), device.notebook.clone());
        let code = ActivationCode {
            address: self.ground.address.clone(),
            matching_id,
            smdp_oid: None,
            confirmation_code_required: false,
        };
        let death = self.death();
        let was_alive = self.world.is_alive();
        let old =
            if self.deleting.contains(&profile) { OldProfile::DeleteAfter(HOLD) } else { OldProfile::Keep };
        let again = match self.world.switch(&eid, &iccid, code, old, death).await {
            Some(Ok(operation_id)) => {
                notebook.change(&iccid, |errand| errand.operation_id = Some(operation_id));
                false
            }
            Some(Err(CreateOperationError::NotEligible(obstacles))) => {
                let is_other = |obstacle: &SwitchObstacle| matches!(obstacle, SwitchObstacle::OtherSwitch(_));
                let why = CreateOperationError::NotEligible(obstacles.clone()).to_string();
                if !obstacles.iter().all(is_other) {
                    notebook.change(&iccid, |errand| errand.outcome = Some(Outcome::NotOrdered(why)));
                }
                // The one before has to end first.
                obstacles.iter().all(is_other) && self.act == Act::Storm
            }
            Some(Err(error)) => return Err(error.into()),
            None => {
                self.mourn_if(was_alive);
                true
            }
        };
        if again {
            let pause = self.throw(ASK_AGAIN);
            self.plan(pause, Event::Switch(profile));
        }
        Ok(())
    }
}
