//! How everything ended.

use super::{Driver, Fleet};
use crate::sim::SimulationError;
use crate::sim::device::Outcome;
use crate::sim::ground::BEGIN;
use crate::sim::report::Figures;
use crate::sim::world::Written;

impl Driver<'_> {
    /// Looks how the switches ended that the eIM was asked for, and their campaigns.
    pub(super) async fn settle(&mut self) -> Result<(), SimulationError> {
        self.settle_campaigns().await?;
        let Some(store) = self.world.store() else { return Ok(()) };
        for device in &self.devices {
            for errand in device.notebook.errands() {
                let Some(operation_id) = errand.operation_id else { continue };
                let kept = store.operation(&operation_id).await?;
                let ended = kept.filter(|kept| kept.operation.state.is_end());
                let outcome = ended.map(|kept| {
                    let operation = kept.operation;
                    let took = operation.changed_at.as_secs().saturating_sub(operation.created_at.as_secs());
                    self.figures.switch_times.note(u64::try_from(took).unwrap_or(0));
                    let reason = operation.state.reason().map(|reason| reason.code);
                    Outcome::Ended(operation.state.name(), reason)
                });
                device.notebook.change(&errand.iccid, |errand| errand.outcome = outcome);
            }
        }
        Ok(())
    }

    /// What everything came to.
    pub(super) fn figures(&self) -> Figures {
        let mut figures = self.figures.clone();
        let passed = self.clock.now().as_secs().saturating_sub(BEGIN.as_secs());
        figures.simulated_s = u64::try_from(passed).unwrap_or(0);
        let Written { commits, changes, rows } = self.world.written();
        (figures.commits, figures.changes, figures.rows) = (commits, changes, rows);
        if self.options.fleet == Fleet::Iot {
            let before = self.of_factory;
            figures.commits_of_switches = commits.saturating_sub(before.commits);
            figures.changes_of_switches = changes.saturating_sub(before.changes);
            figures.rows_of_switches = rows.saturating_sub(before.rows);
        }
        for device in &self.devices {
            figures.silent += u64::from(device.silent);
            for errand in device.notebook.errands() {
                match errand.outcome {
                    Some(Outcome::Enabled) => figures.enabled += 1,
                    Some(Outcome::Ended(state, reason)) => {
                        let why = reason.map_or_else(String::new, |reason| format!(": {}", reason.name()));
                        *figures.switches.entry(format!("{state}{why}")).or_default() += 1;
                    }
                    Some(Outcome::GaveUp(why) | Outcome::NotOrdered(why)) => {
                        *figures.not_enabled.entry(why).or_default() += 1;
                    }
                    None => figures.open += 1,
                }
            }
        }
        figures
    }
}
