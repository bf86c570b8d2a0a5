//! The way back after a switch that left the device without its eIM: ES10b.ProfileRollback (SGP.32 5.9.16).
//!
//! The IPA decides on it, once for each grant. What the package changed beside the enabled profile stays.

use simyard_asn1::iot::card::{ProfileRollbackResponse, RollbackCode, read_refresh_request, tag};
use simyard_asn1::iot::result::{EuiccResultData, RollbackProfileResult};
use simyard_asn1::rsp::metadata::notification_event;
use simyard_asn1::tlv::Encode;

use super::apdu::StatusWord;
use super::card::Card;
use super::iot_state::ResultRecord;
use super::notifications::next_seq_number;
use super::profiles::Change;

impl Card {
    /// Enables what was enabled before the package. Its undelivered result and the notifications of the switch are
    /// dropped for a new result, which says that it was rolled back.
    pub(super) fn profile_rollback(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let refuse = |code| Ok(ProfileRollbackResponse { code, euicc_package_result: None }.to_der());
        if read_refresh_request(tag::PROFILE_ROLLBACK, request).is_err() {
            return refuse(RollbackCode::CommandError);
        }
        if let Some(code) = self.faults.of_rollback() {
            return refuse(code);
        }
        let mut change = Change::of(&self.state);
        let iot = change.state.iot_mut()?;
        if iot.emergency_since.is_some() {
            return refuse(RollbackCode::UndefinedError);
        }
        let Some(grant) = iot.rollback.take() else { return refuse(RollbackCode::RollbackNotAllowed) };
        iot.remove_result(grant.seq_number);
        iot.fallen_back_from = None;
        change.state.notifications.retain(|record| {
            let of_switch = [notification_event::ENABLE, notification_event::DISABLE].contains(&record.event);
            !(of_switch && grant.notifications.contains(&record.seq_number))
        });
        let profiles = &change.state.profiles;
        let Some(previous) = profiles.iter().position(|profile| profile.iccid == grant.before.iccid) else {
            return refuse(RollbackCode::UndefinedError);
        };
        change.switch(Some(previous), grant.before.displaced);
        change.tell_nobody();
        let seq_number = next_seq_number(&mut change.state);
        let results = vec![EuiccResultData::Rollback(RollbackProfileResult::Ok)];
        let der = self.identity.sign_result(&grant.package, seq_number, results)?;
        change.state.iot_mut()?.keep(ResultRecord { seq_number, der: der.clone() });
        self.make(change)?;
        Ok(ProfileRollbackResponse { code: RollbackCode::Ok, euicc_package_result: Some(&der) }.to_der())
    }
}
