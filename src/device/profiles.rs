//! Profiles on the card: enabling, disabling, deleting, naming them (SGP.22 3.2, 5.7.16 to 5.7.19, 5.7.21).
//!
//! One profile is enabled at most. Enabling a test profile displaces an operational one, which comes back when the
//! test profile is disabled (5.7.17). A change and its notifications are written together before it is answered.

use simyard_asn1::rsp::NUMBER;
use simyard_asn1::rsp::card::{
    ProfileIdentifier, SwitchProfileRequest, profile_result, removal_result, result_response, tag,
};
use simyard_asn1::rsp::metadata::{
    StoreMetadataRequest, notification_event, profile_class, profile_policy_rule,
};
use simyard_asn1::tlv::{Decode, Tag};

use super::apdu::StatusWord;
use super::card::Card;
use super::es10::{malformed, request_members};
use super::notifications::notify;
use super::state::{CardState, ProfileRecord};

/// The longest nickname in characters.
const MAX_NICKNAME_CHARS: usize = 64;
/// Octets before and after the number in the AID of an ISD-P (SGP.02 2.2.3).
const ISD_P_PREFIX: [u8; 13] = [0xA0, 0, 0, 0x05, 0x59, 0x10, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 0];
/// The first number of an ISD-P.
const FIRST_ISD_P: u16 = 0x0010;

/// Why a profile is not switched or removed: one of [`profile_result`].
type Refused = u32;

/// The AID of a new ISD-P: the first that no profile has.
pub(super) fn new_isdp_aid(state: &CardState) -> Vec<u8> {
    let aid = |number: u16| {
        let mut aid = ISD_P_PREFIX.to_vec();
        aid.extend(number.to_be_bytes());
        aid.push(0);
        aid
    };
    let used = |aid: &Vec<u8>| state.profiles.iter().any(|profile| &profile.isdp_aid == aid);
    (FIRST_ISD_P..u16::MAX).map(aid).find(|aid| !used(aid)).unwrap_or_default()
}

impl ProfileRecord {
    pub(super) fn facts(&self) -> Option<StoreMetadataRequest<'_>> {
        StoreMetadataRequest::from_der(&self.metadata).ok()
    }

    pub(super) fn class(&self) -> u32 {
        self.facts().map_or(profile_class::OPERATIONAL, |facts| facts.profile_class)
    }

    /// The class; public for those who show a card.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.class() == profile_class::TEST
    }

    fn has_rule(&self, rule: u32) -> bool {
        self.facts().is_some_and(|facts| facts.profile_policy_rules.has(rule))
    }
}

fn position(state: &CardState, identifier: &ProfileIdentifier<'_>) -> Option<usize> {
    state.profiles.iter().position(|profile| match identifier {
        ProfileIdentifier::Iccid(iccid) => profile.iccid == iccid.as_slice(),
        ProfileIdentifier::IsdpAid(aid) => profile.isdp_aid == *aid,
    })
}

impl Card {
    pub(super) fn enable_profile(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let request = SwitchProfileRequest::from_der(tag::ENABLE_PROFILE, request)
            .map_err(|error| malformed(&error))?;
        let result = match self.enabling(&request.profile) {
            Ok((target, displaced)) => {
                self.switch(Some(target), displaced)?;
                profile_result::OK
            }
            Err(refused) => refused,
        };
        Ok(result_response(tag::ENABLE_PROFILE, result))
    }

    /// Which profile to enable, and the ICCID of the operational one that it displaces.
    fn enabling(&self, identifier: &ProfileIdentifier<'_>) -> Result<(usize, Vec<u8>), Refused> {
        let at = position(&self.state, identifier).ok_or(profile_result::NOT_FOUND)?;
        let target = self.state.profiles.get(at).ok_or(profile_result::NOT_FOUND)?;
        if target.enabled {
            return Err(profile_result::WRONG_STATE);
        }
        let Some(current) = self.state.enabled() else { return Ok((at, Vec::new())) };
        let displaced = &self.state.displaced;
        match (current.is_test(), target.is_test()) {
            (false, true) => Ok((at, current.iccid.clone())),
            (false, false) if current.has_rule(profile_policy_rule::PPR1) => {
                Err(profile_result::DISALLOWED_BY_POLICY)
            }
            (false, false) => Ok((at, Vec::new())),
            (true, true) => Ok((at, displaced.clone())),
            (true, false) if !displaced.is_empty() && *displaced != target.iccid => {
                Err(profile_result::WRONG_PROFILE_REENABLING)
            }
            (true, false) => Ok((at, Vec::new())),
        }
    }

    pub(super) fn disable_profile(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let request = SwitchProfileRequest::from_der(tag::DISABLE_PROFILE, request)
            .map_err(|error| malformed(&error))?;
        let result = match self.disabling(&request.profile) {
            Ok(next) => {
                self.switch(next, Vec::new())?;
                profile_result::OK
            }
            Err(refused) => refused,
        };
        Ok(result_response(tag::DISABLE_PROFILE, result))
    }

    /// Which profile comes back when the named one is disabled.
    fn disabling(&self, identifier: &ProfileIdentifier<'_>) -> Result<Option<usize>, Refused> {
        let at = position(&self.state, identifier).ok_or(profile_result::NOT_FOUND)?;
        let target = self.state.profiles.get(at).ok_or(profile_result::NOT_FOUND)?;
        if !target.enabled {
            return Err(profile_result::WRONG_STATE);
        }
        if target.has_rule(profile_policy_rule::PPR1) {
            return Err(profile_result::DISALLOWED_BY_POLICY);
        }
        let displaced = &self.state.displaced;
        Ok(self.state.profiles.iter().position(|profile| profile.iccid == *displaced))
    }

    /// Disables what is enabled and enables `next`, with the notifications of both.
    fn switch(&mut self, next: Option<usize>, displaced: Vec<u8>) -> Result<(), StatusWord> {
        let mut state = self.state.clone();
        let mut disabled = None;
        let mut enabled = None;
        for (at, profile) in state.profiles.iter_mut().enumerate() {
            if profile.enabled {
                disabled = Some((profile.metadata.clone(), profile.ci_key_identifier.clone()));
            }
            profile.enabled = next == Some(at);
            if profile.enabled {
                enabled = Some((profile.metadata.clone(), profile.ci_key_identifier.clone()));
            }
        }
        state.displaced = displaced;
        if let Some((metadata, ci)) = disabled {
            notify(self.identity.credential(&ci)?, &mut state, &metadata, notification_event::DISABLE, None)?;
        }
        if let Some((metadata, ci)) = enabled {
            notify(self.identity.credential(&ci)?, &mut state, &metadata, notification_event::ENABLE, None)?;
        }
        self.commit(state)?;
        self.start_enabled_profile();
        Ok(())
    }

    pub(super) fn delete_profile(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let mut members = request_members(request, tag::DELETE_PROFILE, "DeleteProfileRequest")
            .map_err(|error| malformed(&error))?;
        let identifier = ProfileIdentifier::decode(&mut members).map_err(|error| malformed(&error))?;
        let found = position(&self.state, &identifier).and_then(|at| self.state.profiles.get(at));
        let result = match found {
            None => profile_result::NOT_FOUND,
            Some(profile) if profile.enabled => profile_result::WRONG_STATE,
            Some(profile) if profile.has_rule(profile_policy_rule::PPR2) => {
                profile_result::DISALLOWED_BY_POLICY
            }
            Some(profile) => {
                let iccid = profile.iccid.clone();
                self.remove_profiles(|profile| profile.iccid == iccid)?;
                profile_result::OK
            }
        };
        Ok(result_response(tag::DELETE_PROFILE, result))
    }

    /// Removes the chosen profiles with their notifications.
    fn remove_profiles(&mut self, chosen: impl Fn(&ProfileRecord) -> bool) -> Result<(), StatusWord> {
        let mut state = self.state.clone();
        let (removed, kept) = state.profiles.into_iter().partition(chosen);
        let removed: Vec<ProfileRecord> = removed;
        state.profiles = kept;
        if removed.iter().any(|profile| profile.iccid == state.displaced) {
            state.displaced = Vec::new();
        }
        for profile in &removed {
            let credential = self.identity.credential(&profile.ci_key_identifier)?;
            notify(credential, &mut state, &profile.metadata, notification_event::DELETE, None)?;
        }
        self.commit(state)?;
        for profile in &removed {
            // The profile is gone; a file that stays behind is only untidy.
            if let Err(error) = self.storage.remove_profile(&profile.iccid) {
                tracing::warn!(%error, "the files of a deleted profile remain");
            }
        }
        if removed.iter().any(|profile| profile.enabled) {
            self.start_enabled_profile();
        }
        Ok(())
    }

    pub(super) fn set_nickname(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        const WHAT: &str = "SetNicknameRequest";
        let (iccid, nickname) = request_members(request, tag::SET_NICKNAME, WHAT)
            .and_then(|mut members| {
                let iccid = members.expect(NUMBER)?.value;
                Ok((iccid, members.expect(Tag(0x90))?.text(MAX_NICKNAME_CHARS, WHAT)?))
            })
            .map_err(|error| malformed(&error))?;
        let mut state = self.state.clone();
        let Some(profile) = state.profiles.iter_mut().find(|profile| profile.iccid == iccid) else {
            return Ok(result_response(tag::SET_NICKNAME, profile_result::NOT_FOUND));
        };
        profile.nickname = (!nickname.is_empty()).then(|| nickname.to_owned());
        self.commit(state)?;
        Ok(result_response(tag::SET_NICKNAME, profile_result::OK))
    }

    /// Deletes what the bits name, the enabled profile and those with PPR2 too (SGP.22 5.7.19).
    pub(super) fn euicc_memory_reset(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        const WHAT: &str = "EuiccMemoryResetRequest";
        const OPERATIONAL: u32 = 0;
        const TEST: u32 = 1;
        const DEFAULT_ADDRESS: u32 = 2;
        let options = request_members(request, tag::EUICC_MEMORY_RESET, WHAT)
            .and_then(|mut members| members.expect(Tag(0x82))?.named_bits(WHAT))
            .map_err(|error| malformed(&error))?;
        let chosen =
            |profile: &ProfileRecord| options.has(if profile.is_test() { TEST } else { OPERATIONAL });
        let profiles = self.state.profiles.iter().any(chosen);
        let address = options.has(DEFAULT_ADDRESS) && self.state.default_dp_address.is_some();
        if profiles {
            self.remove_profiles(chosen)?;
        }
        if address {
            let mut state = self.state.clone();
            state.default_dp_address = None;
            self.commit(state)?;
        }
        let result = if profiles || address { removal_result::OK } else { removal_result::NOTHING_TO_DELETE };
        Ok(result_response(tag::EUICC_MEMORY_RESET, result))
    }
}
