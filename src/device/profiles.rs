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
pub(super) type Refused = u32;

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

/// A change of the profiles: the state that it leads to, and what is to be told of it when it is made.
pub(super) struct Change {
    /// The card's state as it will be.
    pub(super) state: CardState,
    /// What happened in this order: metadata and CI of a profile, and the event.
    events: Vec<(Vec<u8>, Vec<u8>, u32)>,
    /// ICCIDs of what was removed.
    removed: Vec<Vec<u8>>,
}

impl Change {
    pub(super) fn of(state: &CardState) -> Self {
        Self { state: state.clone(), events: Vec::new(), removed: Vec::new() }
    }

    fn happened(&mut self, profile: &ProfileRecord, event: u32) {
        self.events.push((profile.metadata.clone(), profile.ci_key_identifier.clone(), event));
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

    /// Whether a profile may be enabled now.
    pub(super) fn can_enable(&self, identifier: &ProfileIdentifier<'_>) -> Result<(), Refused> {
        self.enabling(identifier).map(|_| ())
    }

    /// Enables a profile in place of the enabled one.
    pub(super) fn enable(&mut self, identifier: &ProfileIdentifier<'_>) -> Result<(), Refused> {
        let (target, displaced) = self.enabling(identifier)?;
        self.switch(Some(target), displaced);
        Ok(())
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

    /// Disables the enabled profile.
    pub(super) fn disable(&mut self, identifier: &ProfileIdentifier<'_>) -> Result<(), Refused> {
        let next = self.disabling(identifier)?;
        self.switch(next, Vec::new());
        Ok(())
    }

    /// Disables what is enabled and enables `next`, whatever rules say.
    pub(super) fn switch(&mut self, next: Option<usize>, displaced: Vec<u8>) {
        let mut profiles = std::mem::take(&mut self.state.profiles);
        for profile in profiles.iter_mut().filter(|profile| profile.enabled) {
            profile.enabled = false;
            self.happened(profile, notification_event::DISABLE);
        }
        if let Some(profile) = next.and_then(|next| profiles.get_mut(next)) {
            profile.enabled = true;
            self.happened(profile, notification_event::ENABLE);
        }
        self.state.profiles = profiles;
        self.state.displaced = displaced;
    }

    /// Deletes a disabled profile.
    pub(super) fn delete(&mut self, identifier: &ProfileIdentifier<'_>) -> Result<(), Refused> {
        let found = position(&self.state, identifier).and_then(|at| self.state.profiles.get(at));
        let profile = found.ok_or(profile_result::NOT_FOUND)?;
        if profile.enabled {
            return Err(profile_result::WRONG_STATE);
        }
        if profile.has_rule(profile_policy_rule::PPR2) {
            return Err(profile_result::DISALLOWED_BY_POLICY);
        }
        let iccid = profile.iccid.clone();
        self.remove(|profile| profile.iccid == iccid);
        Ok(())
    }

    /// Removes the chosen profiles, whatever rules say.
    pub(super) fn remove(&mut self, chosen: impl Fn(&ProfileRecord) -> bool) {
        let profiles = std::mem::take(&mut self.state.profiles);
        let (removed, kept) = profiles.into_iter().partition(chosen);
        let removed: Vec<ProfileRecord> = removed;
        self.state.profiles = kept;
        for profile in removed {
            if profile.iccid == self.state.displaced {
                self.state.displaced = Vec::new();
            }
            self.happened(&profile, notification_event::DELETE);
            self.removed.push(profile.iccid);
        }
    }

    /// Forgets what happened: it is not told of.
    pub(super) fn tell_nobody(&mut self) {
        self.events.clear();
    }
}

impl Card {
    /// Makes the notifications of what happened so far, and gives their seqNumbers.
    pub(super) fn notify_of(&self, change: &mut Change) -> Result<Vec<u32>, StatusWord> {
        let first = change.state.next_seq_number;
        for (metadata, ci, event) in std::mem::take(&mut change.events) {
            notify(self.identity.credential(&ci)?, &mut change.state, &metadata, event, None)?;
        }
        Ok((first..change.state.next_seq_number).collect())
    }

    /// Makes a change: writes it with its notifications, and starts the profile that is enabled now.
    pub(super) fn make(&mut self, mut change: Change) -> Result<(), StatusWord> {
        self.notify_of(&mut change)?;
        let enabled = |state: &CardState| state.enabled().map(|profile| profile.iccid.clone());
        let switched = enabled(&self.state) != enabled(&change.state);
        self.commit(change.state)?;
        for iccid in &change.removed {
            // The profile is gone; a file that stays behind is only untidy.
            if let Err(error) = self.storage.remove_profile(iccid) {
                tracing::warn!(%error, "the files of a deleted profile remain");
            }
        }
        if switched {
            self.start_enabled_profile();
        }
        Ok(())
    }

    pub(super) fn enable_profile(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let request = SwitchProfileRequest::from_der(tag::ENABLE_PROFILE, request)
            .map_err(|error| malformed(&error))?;
        self.managed(tag::ENABLE_PROFILE, |change| change.enable(&request.profile))
    }

    pub(super) fn disable_profile(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let request = SwitchProfileRequest::from_der(tag::DISABLE_PROFILE, request)
            .map_err(|error| malformed(&error))?;
        self.managed(tag::DISABLE_PROFILE, |change| change.disable(&request.profile))
    }

    pub(super) fn delete_profile(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let mut members = request_members(request, tag::DELETE_PROFILE, "DeleteProfileRequest")
            .map_err(|error| malformed(&error))?;
        let identifier = ProfileIdentifier::decode(&mut members).map_err(|error| malformed(&error))?;
        self.managed(tag::DELETE_PROFILE, |change| change.delete(&identifier))
    }

    /// Makes the change of one command, if it is allowed, and answers the command.
    fn managed(
        &mut self,
        tag: Tag,
        manage: impl FnOnce(&mut Change) -> Result<(), Refused>,
    ) -> Result<Vec<u8>, StatusWord> {
        let mut change = Change::of(&self.state);
        let result = match manage(&mut change) {
            Ok(()) => {
                self.make(change)?;
                profile_result::OK
            }
            Err(refused) => refused,
        };
        Ok(result_response(tag, result))
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
            let mut change = Change::of(&self.state);
            change.remove(chosen);
            self.make(change)?;
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
