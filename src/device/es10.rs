//! What the card says of itself: ES10a and the questions of ES10b and ES10c (SGP.22 5.7.3, 5.7.4, 5.7.7, 5.7.8, 5.7.20).
//!
//! LoadCRL is not supported and says so by undefinedError.

use simyard_asn1::rsp::card::{
    EuiccConfiguredAddressesResponse, GetEuiccChallengeResponse, GetEuiccDataResponse, result_response, tag,
};
use simyard_asn1::rsp::info::{EuiccInfo1, EuiccInfo2, rsp_capability};
use simyard_asn1::rsp::metadata::{OperatorId, profile_policy_rule};
use simyard_asn1::rsp::rules::{CONSENT_REQUIRED, ProfilePolicyAuthorisationRule, RulesAuthorisationTable};
use simyard_asn1::rsp::{MAX_ADDRESS_CHARS, Version};
use simyard_asn1::tlv::{NamedBits, Reader, Tag, Writer};
use simyard_asn1::{Encode, Error};

use super::apdu::StatusWord;
use super::authenticate::Session;
use super::card::Card;
use super::state::MAX_PROFILES;
use crate::ident::ServerAddress;
use crate::profile::image::SUPPORTED;

/// The version of SGP.22 that the card follows.
pub(super) const SVN: Version = Version([2, 2, 2]);
/// The highest version of the profile package, as TS.48 packages and LPAs know it.
const PROFILE_VERSION: Version = Version([2, 3, 1]);

/// ipaMode of EUICCInfo2 (SGP.32 5.9.2): ipad.
const IPA_IN_THE_DEVICE: u32 = 0;

const OK: u32 = 0;
const UNDEFINED: u32 = 127;

/// What cannot be read as the function's request is refused by status word: there is no function to answer.
pub(super) fn malformed(error: &Error) -> StatusWord {
    tracing::debug!(%error, "malformed ES10 command");
    StatusWord::WRONG_DATA
}

/// The members of a request that is one TLV of `tag`.
pub(super) fn request_members<'a>(
    request: &'a [u8],
    tag: Tag,
    what: &'static str,
) -> Result<Reader<'a>, Error> {
    let mut reader = Reader::new(request, what);
    let members = reader.expect(tag)?.members(what);
    reader.finish()?;
    Ok(members)
}

/// The rules authorisation table (SGP.22 2.9.2): every owner may set PPR1 and PPR2, if the user agrees.
pub(super) fn rules_authorisation_table() -> RulesAuthorisationTable<'static> {
    let every_owner = OperatorId { mcc_mnc: &[0xEE; 3], gid1: Some(&[]), gid2: Some(&[]) };
    RulesAuthorisationTable {
        rules: vec![ProfilePolicyAuthorisationRule {
            ppr_ids: NamedBits(1 << profile_policy_rule::PPR1 | 1 << profile_policy_rule::PPR2),
            allowed_operators: vec![every_owner],
            ppr_flags: NamedBits::bit(CONSENT_REQUIRED),
        }],
    }
}

impl Card {
    pub(super) fn get_euicc_challenge(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        request_members(request, tag::GET_EUICC_CHALLENGE, "GetEuiccChallengeRequest")
            .map_err(|e| malformed(&e))?;
        let challenge = self.rng.array();
        // A new challenge ends the session before it: there is one session context (SGP.22 5.7.7).
        self.session = Session::Challenged(challenge);
        self.installed = None;
        Ok(GetEuiccChallengeResponse { euicc_challenge: &challenge }.to_der())
    }

    pub(super) fn get_eid(&self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        const WHAT: &str = "GetEuiccDataRequest";
        let mut members = request_members(request, tag::GET_EID, WHAT).map_err(|e| malformed(&e))?;
        let tags = members.expect(Tag(0x5C)).map_err(|e| malformed(&e))?;
        if tags.value != [0x5A] {
            return Err(StatusWord::WRONG_DATA);
        }
        Ok(GetEuiccDataResponse { eid: &self.identity.eid.to_bcd() }.to_der())
    }

    pub(super) fn get_euicc_configured_addresses(&self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        request_members(request, tag::GET_EUICC_CONFIGURED_ADDRESSES, "EuiccConfiguredAddressesRequest")
            .map_err(|e| malformed(&e))?;
        let response = EuiccConfiguredAddressesResponse {
            default_dp_address: self.state.default_dp_address.as_deref(),
            root_ds_address: &self.state.root_ds_address,
        };
        Ok(response.to_der())
    }

    /// Sets the default SM-DP+ address; an empty one removes it. The function has a tag of SGP.22 and one of SGP.32.
    pub(super) fn set_default_dp_address(
        &mut self,
        request: &[u8],
        function: Tag,
    ) -> Result<Vec<u8>, StatusWord> {
        const WHAT: &str = "SetDefaultDpAddressRequest";
        let address = request_members(request, function, WHAT)
            .and_then(|mut members| members.expect(Tag(0x80))?.text(MAX_ADDRESS_CHARS, WHAT))
            .map_err(|e| malformed(&e))?;
        if !address.is_empty() && ServerAddress::parse(address).is_err() {
            return Ok(result_response(function, UNDEFINED));
        }
        let mut state = self.state.clone();
        state.default_dp_address = (!address.is_empty()).then(|| address.to_owned());
        self.commit(state)?;
        Ok(result_response(function, OK))
    }

    pub(super) fn get_rat(&self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        request_members(request, tag::GET_RAT, "GetRatRequest").map_err(|e| malformed(&e))?;
        let mut writer = Writer::new();
        writer.nested(tag::GET_RAT, |response| rules_authorisation_table().write(response, Tag(0xA0)));
        Ok(writer.finish())
    }

    pub(super) fn load_crl(&self, _request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let mut writer = Writer::new();
        writer.nested(tag::LOAD_CRL, |choice| {
            choice.integer(Tag(0x81), i64::from(UNDEFINED));
        });
        Ok(writer.finish())
    }

    pub(super) fn get_euicc_info1(&self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        request_members(request, tag::GET_EUICC_INFO1, "GetEuiccInfo1Request").map_err(|e| malformed(&e))?;
        Ok(EuiccInfo1 {
            svn: SVN,
            ci_pk_ids_for_verification: self.verification_keys(),
            ci_pk_ids_for_signing: self.identity.signing_keys(),
            extensions: &[],
        }
        .to_der())
    }

    pub(super) fn get_euicc_info2(&self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        request_members(request, tag::GET_EUICC_INFO2, "GetEuiccInfo2Request").map_err(|e| malformed(&e))?;
        Ok(self.euicc_info2())
    }

    /// CI keys under which servers are verified: those of the trusted CIs that lie on a supported curve.
    fn verification_keys(&self) -> Vec<&[u8]> {
        let usable = self.identity.anchors.certificates().iter().filter(|ci| ci.public_key().is_ok());
        usable.filter_map(|ci| ci.subject_key_identifier()).collect()
    }

    /// EUICCInfo2 as DER; what euiccSigned1 carries is the same.
    pub(super) fn euicc_info2(&self) -> Vec<u8> {
        let mut resources = Writer::new();
        resources
            .integer(Tag(0x81), i64::try_from(self.state.profiles.len()).unwrap_or(i64::MAX))
            .integer(Tag(0x82), i64::try_from(self.state.free_memory()).unwrap_or(i64::MAX))
            .integer(Tag(0x83), 64 << 10);
        let mut capabilities = 1 << rsp_capability::TEST_PROFILE_SUPPORT;
        if self.state.profiles.len() < MAX_PROFILES {
            capabilities |= 1 << rsp_capability::ADDITIONAL_PROFILE;
        }
        EuiccInfo2 {
            profile_version: Some(PROFILE_VERSION),
            svn: Some(SVN),
            firmware_version: Some(Version([1, 0, 0])),
            ext_card_resource: &resources.finish(),
            uicc_capability: NamedBits(SUPPORTED.iter().fold(0, |bits, (_, bit)| bits | 1 << bit)),
            ts102241_version: None,
            globalplatform_version: None,
            rsp_capability: NamedBits(capabilities),
            ci_pk_ids_for_verification: self.verification_keys(),
            ci_pk_ids_for_signing: self.identity.signing_keys(),
            category: None,
            forbidden_profile_policy_rules: NamedBits::default(),
            pp_version: Some(Version([0, 0, 1])),
            sas_accreditation_number: "SIMYARD-VIRTUAL-EUICC",
            ipa_mode: self.state.iot.as_ref().map(|_| IPA_IN_THE_DEVICE),
            iot_specific_info: self.iot_specific_info(),
            others: Vec::new(),
        }
        .to_der()
    }
}
