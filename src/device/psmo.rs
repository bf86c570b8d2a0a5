//! Profile state management operations of an eUICC package (SGP.32 2.11.1.1, 3.4).
//!
//! At most one enable; no disable after a disable or an enable; no listProfileInfo after a change. What breaks these
//! rules fails with the operation's own undefinedError, or with profileChangeOngoing.

use simyard_asn1::iot::package::{ConfigureImmediateEnable, Psmo};
use simyard_asn1::iot::result::{
    ConfigureImmediateEnableResult, DeleteProfileResult, DisableProfileResult, EnableProfileResult,
    EuiccResultData, ProcessingTerminated, ProfileInfoListError, SetDefaultDpAddressResult,
    SetFallbackAttributeResult, UnsetFallbackAttributeResult,
};
use simyard_asn1::rsp::card::{ProfileIdentifier, ProfileInfoListRequest, profile_result};

use super::apdu::StatusWord;
use super::es10::rules_authorisation_table;
use super::immediate_enable::configured;
use super::iot_state::EnabledBefore;
use super::profile_info::told;
use super::profiles::{Change, Refused};
use crate::ident::ServerAddress;

/// The run of one package's operations.
pub(super) struct PsmoRun<'a> {
    change: &'a mut Change,
    /// What was enabled before the package: where a rollback leads to.
    before: EnabledBefore,
    enabled: bool,
    disabled: bool,
    deleted: bool,
    grants_rollback: bool,
}

impl<'a> PsmoRun<'a> {
    pub(super) fn of(change: &'a mut Change) -> Self {
        let before = EnabledBefore::of(&change.state);
        Self { change, before, enabled: false, disabled: false, deleted: false, grants_rollback: false }
    }

    /// Whether an enable of the package carried rollbackFlag.
    pub(super) const fn grants_rollback(&self) -> bool {
        self.grants_rollback
    }

    /// Runs one operation.
    pub(super) fn run(&mut self, operation: &Psmo<'_>) -> Result<EuiccResultData<'_>, StatusWord> {
        Ok(match operation {
            Psmo::Enable { iccid, rollback } => EuiccResultData::Enable(self.enable(iccid, *rollback)?),
            Psmo::Disable { iccid } => EuiccResultData::Disable(self.disable(iccid)?),
            Psmo::Delete { iccid } => EuiccResultData::Delete(self.delete(iccid)?),
            Psmo::ListProfileInfo(request) => self.list_profile_info(request),
            Psmo::GetRat => EuiccResultData::GetRat(rules_authorisation_table()),
            Psmo::ConfigureImmediateEnable(configuration) => {
                EuiccResultData::ConfigureImmediateEnable(self.configure_immediate_enable(configuration)?)
            }
            Psmo::SetFallbackAttribute { iccid } => {
                EuiccResultData::SetFallbackAttribute(self.set_fallback_attribute(iccid)?)
            }
            Psmo::UnsetFallbackAttribute => {
                EuiccResultData::UnsetFallbackAttribute(self.unset_fallback_attribute()?)
            }
            Psmo::SetDefaultDpAddress { address } => {
                EuiccResultData::SetDefaultDpAddress(self.set_default_dp_address(address))
            }
            Psmo::Unknown(_) => {
                EuiccResultData::ProcessingTerminated(ProcessingTerminated::UnknownOrDamagedCommand)
            }
        })
    }

    /// 3.4.1. The enabled profile is disabled by it.
    fn enable(&mut self, iccid: &[u8; 10], rollback: bool) -> Result<EnableProfileResult, StatusWord> {
        if self.enabled {
            return Ok(EnableProfileResult::UndefinedError);
        }
        let profile = ProfileIdentifier::Iccid(iccid);
        if let Err(refused) = self.change.can_enable(&profile) {
            return Ok(enable_result(refused));
        }
        // Of a profile that was disabled by the package itself, the way back is as open; of a deleted one it is not.
        if rollback && self.change.state.profile(&self.before.iccid).is_none() {
            return Ok(EnableProfileResult::RollbackNotAvailable);
        }
        if let Err(refused) = self.change.enable(&profile) {
            return Ok(enable_result(refused));
        }
        let iot = self.change.state.iot_mut()?;
        iot.rollback = None;
        iot.fallen_back_from = None;
        self.enabled = true;
        self.grants_rollback = rollback;
        Ok(EnableProfileResult::Ok)
    }

    /// 3.4.2.
    fn disable(&mut self, iccid: &[u8; 10]) -> Result<DisableProfileResult, StatusWord> {
        if self.enabled || self.disabled {
            return Ok(DisableProfileResult::UndefinedError);
        }
        Ok(match self.change.disable(&ProfileIdentifier::Iccid(iccid)) {
            Ok(()) => {
                self.change.state.iot_mut()?.fallen_back_from = None;
                self.disabled = true;
                DisableProfileResult::Ok
            }
            Err(profile_result::NOT_FOUND) => DisableProfileResult::IccidOrAidNotFound,
            Err(profile_result::WRONG_STATE) => DisableProfileResult::ProfileNotInEnabledState,
            Err(profile_result::DISALLOWED_BY_POLICY) => DisableProfileResult::DisallowedByPolicy,
            Err(_) => DisableProfileResult::UndefinedError,
        })
    }

    /// 3.4.3. Neither the profile that a rollback leads to is deleted, nor the one that a return from fallback leads
    /// to, nor the fallback profile.
    fn delete(&mut self, iccid: &[u8; 10]) -> Result<DeleteProfileResult, StatusWord> {
        let iot = self.change.state.iot()?;
        let disabled = self.change.state.profile(iccid).is_some_and(|profile| !profile.enabled);
        let granted = iot.rollback.as_ref().map(|grant| &grant.before);
        let way_back = granted.or(self.grants_rollback.then_some(&self.before));
        if disabled && way_back.is_some_and(|before| before.iccid == iccid) {
            return Ok(DeleteProfileResult::RollbackNotAvailable);
        }
        if disabled && iot.fallen_back_from.as_ref().is_some_and(|before| before.iccid == iccid) {
            return Ok(DeleteProfileResult::ReturnFallbackProfile);
        }
        if disabled && iot.fallback_profile == iccid {
            return Ok(DeleteProfileResult::DisallowedByPolicy);
        }
        Ok(match self.change.delete(&ProfileIdentifier::Iccid(iccid)) {
            Ok(()) => {
                self.deleted = true;
                DeleteProfileResult::Ok
            }
            Err(profile_result::NOT_FOUND) => DeleteProfileResult::IccidOrAidNotFound,
            Err(profile_result::WRONG_STATE) => DeleteProfileResult::ProfileNotInDisabledState,
            Err(profile_result::DISALLOWED_BY_POLICY) => DeleteProfileResult::DisallowedByPolicy,
            Err(_) => DeleteProfileResult::UndefinedError,
        })
    }

    /// 5.9.14, by an eIM.
    fn list_profile_info(&self, request: &ProfileInfoListRequest<'_>) -> EuiccResultData<'_> {
        EuiccResultData::ListProfileInfo(if self.enabled || self.disabled || self.deleted {
            Err(ProfileInfoListError::ProfileChangeOngoing)
        } else if request.has_whole_tags() {
            Ok(told(&self.change.state, request))
        } else {
            Err(ProfileInfoListError::IncorrectInputValues)
        })
    }

    fn configure_immediate_enable(
        &mut self,
        configuration: &ConfigureImmediateEnable<'_>,
    ) -> Result<ConfigureImmediateEnableResult, StatusWord> {
        Ok(match configured(configuration) {
            Ok(record) => {
                self.change.state.iot_mut()?.immediate_enable = record;
                ConfigureImmediateEnableResult::Ok
            }
            Err(_) => ConfigureImmediateEnableResult::CommandError,
        })
    }

    /// The attribute moves from the profile that has it.
    fn set_fallback_attribute(&mut self, iccid: &[u8; 10]) -> Result<SetFallbackAttributeResult, StatusWord> {
        let Some(profile) = self.change.state.profile(iccid) else {
            return Ok(SetFallbackAttributeResult::IccidOrAidNotFound);
        };
        if !profile.facts().is_some_and(|facts| facts.fallback_allowed()) {
            return Ok(SetFallbackAttributeResult::FallbackNotAllowed);
        }
        if self.fallback_profile_is_enabled()? {
            return Ok(SetFallbackAttributeResult::FallbackProfileEnabled);
        }
        self.change.state.iot_mut()?.fallback_profile = iccid.to_vec();
        Ok(SetFallbackAttributeResult::Ok)
    }

    fn unset_fallback_attribute(&mut self) -> Result<UnsetFallbackAttributeResult, StatusWord> {
        if self.change.state.iot()?.fallback_profile.is_empty() {
            return Ok(UnsetFallbackAttributeResult::NoFallbackAttribute);
        }
        if self.fallback_profile_is_enabled()? {
            return Ok(UnsetFallbackAttributeResult::FallbackProfileEnabled);
        }
        self.change.state.iot_mut()?.fallback_profile = Vec::new();
        Ok(UnsetFallbackAttributeResult::Ok)
    }

    fn fallback_profile_is_enabled(&self) -> Result<bool, StatusWord> {
        let fallback = &self.change.state.iot()?.fallback_profile;
        Ok(self.change.state.enabled().is_some_and(|profile| profile.iccid == *fallback))
    }

    /// An empty address removes it.
    fn set_default_dp_address(&mut self, address: &str) -> SetDefaultDpAddressResult {
        if !address.is_empty() && ServerAddress::parse(address).is_err() {
            return SetDefaultDpAddressResult::UndefinedError;
        }
        self.change.state.default_dp_address = (!address.is_empty()).then(|| address.to_owned());
        SetDefaultDpAddressResult::Ok
    }
}

const fn enable_result(refused: Refused) -> EnableProfileResult {
    match refused {
        profile_result::NOT_FOUND => EnableProfileResult::IccidOrAidNotFound,
        profile_result::WRONG_STATE => EnableProfileResult::ProfileNotInDisabledState,
        profile_result::DISALLOWED_BY_POLICY => EnableProfileResult::DisallowedByPolicy,
        // wrongProfileReenabling has no code here.
        _ => EnableProfileResult::UndefinedError,
    }
}
