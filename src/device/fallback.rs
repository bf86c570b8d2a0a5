//! Profiles that take the place of the enabled one for a while, at the wish of the device: the fallback mechanism
//! (SGP.32 5.9.20, 5.9.21) and the emergency profile (5.9.22, 5.9.23).
//!
//! Policy rules do not stop them: a device that lost its network, or calls for help, comes first.

use simyard_asn1::iot::card::{
    DisableEmergencyProfileResult, EnableEmergencyProfileResult, ExecuteFallbackResult,
    ReturnFromFallbackResult, read_refresh_request, tag,
};

use super::apdu::StatusWord;
use super::card::Card;
use super::es10_iot::answer;
use super::iot_state::EnabledBefore;
use super::profiles::Change;
use super::state::{CardState, ProfileRecord};

fn position(state: &CardState, iccid: &[u8]) -> Option<usize> {
    state.profiles.iter().position(|profile| profile.iccid == iccid)
}

impl Card {
    pub(super) fn execute_fallback_mechanism(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let result = match read_refresh_request(tag::EXECUTE_FALLBACK_MECHANISM, request) {
            Ok(_) => self.fall_back()?,
            Err(_) => ExecuteFallbackResult::CommandError,
        };
        Ok(answer(tag::EXECUTE_FALLBACK_MECHANISM, result.code()))
    }

    fn fall_back(&mut self) -> Result<ExecuteFallbackResult, StatusWord> {
        let iot = self.state.iot()?;
        if iot.emergency_since.is_some() {
            return Ok(ExecuteFallbackResult::EcallActive);
        }
        let Some(fallback) = position(&self.state, &iot.fallback_profile) else {
            return Ok(ExecuteFallbackResult::FallbackNotAvailable);
        };
        if self.state.enabled().is_some_and(|profile| profile.iccid == iot.fallback_profile) {
            return Ok(ExecuteFallbackResult::ProfileNotInDisabledState);
        }
        let mut change = Change::of(&self.state);
        change.switch(Some(fallback), Vec::new());
        let iot = change.state.iot_mut()?;
        iot.fallen_back_from = Some(EnabledBefore::of(&self.state));
        iot.rollback = None;
        self.make(change)?;
        Ok(ExecuteFallbackResult::Ok)
    }

    pub(super) fn return_from_fallback(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let result = match read_refresh_request(tag::RETURN_FROM_FALLBACK, request) {
            Ok(_) => self.come_back()?,
            Err(_) => ReturnFromFallbackResult::CommandError,
        };
        Ok(answer(tag::RETURN_FROM_FALLBACK, result.code()))
    }

    fn come_back(&mut self) -> Result<ReturnFromFallbackResult, StatusWord> {
        let iot = self.state.iot()?;
        if iot.emergency_since.is_some() {
            return Ok(ReturnFromFallbackResult::UndefinedError);
        }
        let Some(before) = iot.fallen_back_from.clone() else {
            return Ok(ReturnFromFallbackResult::FallbackNotAvailable);
        };
        let Some(previous) = position(&self.state, &before.iccid) else {
            return Ok(ReturnFromFallbackResult::FallbackNotAvailable);
        };
        let mut change = Change::of(&self.state);
        change.switch(Some(previous), before.displaced);
        change.state.iot_mut()?.fallen_back_from = None;
        self.make(change)?;
        Ok(ReturnFromFallbackResult::Ok)
    }

    pub(super) fn enable_emergency_profile(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let result = match read_refresh_request(tag::ENABLE_EMERGENCY_PROFILE, request) {
            Ok(refresh) => self.begin_emergency(refresh)?,
            Err(_) => EnableEmergencyProfileResult::UndefinedError,
        };
        Ok(answer(tag::ENABLE_EMERGENCY_PROFILE, result.code()))
    }

    fn begin_emergency(&mut self, refresh: bool) -> Result<EnableEmergencyProfileResult, StatusWord> {
        let is_ecall =
            |profile: &ProfileRecord| profile.facts().is_some_and(|facts| facts.ecall_indication());
        let Some(emergency) = self.state.profiles.iter().position(is_ecall) else {
            return Ok(EnableEmergencyProfileResult::EcallNotAvailable);
        };
        if self.state.has_active_ecall() || self.state.enabled().is_some_and(is_ecall) {
            return Ok(EnableEmergencyProfileResult::ProfileNotInDisabledState);
        }
        let mut change = Change::of(&self.state);
        change.switch(Some(emergency), Vec::new());
        change.tell_nobody();
        let iot = change.state.iot_mut()?;
        iot.emergency_since = Some(EnabledBefore::of(&self.state));
        if refresh {
            iot.rollback = None;
        }
        self.make(change)?;
        Ok(EnableEmergencyProfileResult::Ok)
    }

    pub(super) fn disable_emergency_profile(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let result = match read_refresh_request(tag::DISABLE_EMERGENCY_PROFILE, request) {
            Ok(refresh) => self.end_emergency(refresh)?,
            Err(_) => DisableEmergencyProfileResult::UndefinedError,
        };
        Ok(answer(tag::DISABLE_EMERGENCY_PROFILE, result.code()))
    }

    fn end_emergency(&mut self, refresh: bool) -> Result<DisableEmergencyProfileResult, StatusWord> {
        let Some(before) = self.state.iot()?.emergency_since.clone() else {
            return Ok(DisableEmergencyProfileResult::ProfileNotInEnabledState);
        };
        let mut change = Change::of(&self.state);
        change.switch(position(&self.state, &before.iccid), before.displaced);
        change.tell_nobody();
        let iot = change.state.iot_mut()?;
        iot.emergency_since = None;
        if refresh {
            iot.rollback = None;
        }
        self.make(change)?;
        Ok(DisableEmergencyProfileResult::Ok)
    }
}
