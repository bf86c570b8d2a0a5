//! The functions that a card of SGP.32 has beside those of SGP.22 (5.9): which tag calls which, and the small ones.
//!
//! There is an IPA in the device and none in the eUICC, so IPAe activation is answered notSupported.

use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::card::{
    ConnectivityParametersError, EuiccMemoryResetRequest, EuiccMemoryResetResponse, GetCertsError,
    GetCertsRequest, GetCertsResponse, GetConnectivityParametersResponse, IpaeActivationRequest,
    IpaeActivationResult, IsdrProprietaryApplicationTemplateIot, ResetResult, euicc_configuration,
    memory_reset, tag,
};
use simyard_asn1::rsp::Version;
use simyard_asn1::rsp::info::IotSpecificInfo;
use simyard_asn1::rsp::metadata::profile_class;
use simyard_asn1::tlv::{Decode, Encode, NamedBits, Tag, Writer};

use super::apdu::StatusWord;
use super::card::Card;
use super::es10::{malformed, request_members};
use super::profiles::Change;
use super::state::ProfileRecord;

/// The version of SGP.32 that the card follows.
const IOT_VERSION: Version = Version([1, 2, 0]);

/// A response that is `80` result alone.
pub(super) fn answer(tag: Tag, code: i64) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nested(tag, |members| {
        members.integer(Tag(0x80), code);
    });
    writer.finish()
}

impl Card {
    /// Calls the function of a tag; `None` for a tag that is none.
    pub(super) fn es10_iot(&mut self, function: Tag, request: &[u8]) -> Option<Result<Vec<u8>, StatusWord>> {
        Some(match function {
            tag::LOAD_EUICC_PACKAGE => self.load_euicc_package(request),
            tag::ADD_INITIAL_EIM => self.add_initial_eim(request),
            tag::GET_EIM_CONFIGURATION_DATA => self.get_eim_configuration_data(request),
            tag::GET_CERTS => self.get_certs(request),
            tag::PROFILE_ROLLBACK => self.profile_rollback(request),
            tag::CONFIGURE_IMMEDIATE_PROFILE_ENABLING => self.configure_immediate_profile_enabling(request),
            tag::IMMEDIATE_ENABLE => self.immediate_enable(request),
            tag::ENABLE_EMERGENCY_PROFILE => self.enable_emergency_profile(request),
            tag::DISABLE_EMERGENCY_PROFILE => self.disable_emergency_profile(request),
            tag::EXECUTE_FALLBACK_MECHANISM => self.execute_fallback_mechanism(request),
            tag::RETURN_FROM_FALLBACK => self.return_from_fallback(request),
            tag::GET_CONNECTIVITY_PARAMETERS => self.get_connectivity_parameters(request),
            tag::EUICC_MEMORY_RESET => self.euicc_memory_reset_iot(request),
            tag::SET_DEFAULT_DP_ADDRESS => self.set_default_dp_address(request, function),
            tag::IPAE_ACTIVATION => ipae_activation(request),
            _ => return None,
        })
    }

    /// iotSpecificInfo of EUICCInfo2; `None` for a card that is none of SGP.32.
    pub(super) fn iot_specific_info(&self) -> Option<IotSpecificInfo> {
        self.state.iot.as_ref().map(|_| IotSpecificInfo {
            iot_version: vec![IOT_VERSION],
            ecall_supported: true,
            fallback_supported: true,
        })
    }

    /// `E1` of what SELECT of the ISD-R answers; nothing for a card that is none of SGP.32.
    pub(super) fn iot_template(&self) -> Vec<u8> {
        if self.state.iot.is_none() {
            return Vec::new();
        }
        let enabled = u64::from(self.state.enabled().is_some()) << euicc_configuration::ENABLED_PROFILE;
        IsdrProprietaryApplicationTemplateIot { euicc_configuration: NamedBits(enabled) }.to_der()
    }

    fn get_certs(&self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let request = GetCertsRequest::from_der(request).map_err(|error| malformed(&error))?;
        let ci = request.euicc_ci_pk_id;
        if ci.is_some_and(|ci| !self.identity.signing_keys().contains(&ci)) {
            return Ok(GetCertsResponse::Error(GetCertsError::InvalidCiPkId).to_der());
        }
        let credential = self.identity.credential(ci.unwrap_or_default())?;
        let members = |der| Implicit::from_der(der).map_err(|error| malformed(&error));
        Ok(GetCertsResponse::Ok {
            eum_certificate: members(credential.eum_certificate.der())?,
            euicc_certificate: members(credential.euicc_certificate.der())?,
        }
        .to_der())
    }

    /// Those of the enabled profile's header.
    fn get_connectivity_parameters(&self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        request_members(request, tag::GET_CONNECTIVITY_PARAMETERS, "GetConnectivityParametersRequest")
            .map_err(|error| malformed(&error))?;
        let parameters = self.uicc.as_ref().and_then(|uicc| uicc.image.connectivity_parameters.as_deref());
        Ok(match parameters {
            Some(parameters) => GetConnectivityParametersResponse::Ok { http_params: Some(parameters) },
            None => {
                let error = ConnectivityParametersError::ParametersNotAvailable;
                GetConnectivityParametersResponse::Error(error)
            }
        }
        .to_der())
    }

    /// Deletes what the bits name, the enabled profile and those with PPR2 too; what was not asked for is not answered.
    fn euicc_memory_reset_iot(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let options = EuiccMemoryResetRequest::from_der(request).map_err(|error| malformed(&error))?;
        let options = options.reset_options;
        let eims = options.has(memory_reset::EIM_CONFIGURATION_DATA);
        let immediate_enable = options.has(memory_reset::IMMEDIATE_ENABLE_CONFIGURATION);
        let others = options.0
            & !(1 << memory_reset::EIM_CONFIGURATION_DATA
                | 1 << memory_reset::IMMEDIATE_ENABLE_CONFIGURATION);
        let asked = others != 0 || !(eims || immediate_enable);
        if self.state.has_active_ecall() {
            // Only resetResult has this code.
            let response = EuiccMemoryResetResponse {
                reset: Some(ResetResult::EcallActive),
                ..EuiccMemoryResetResponse::default()
            };
            return Ok(response.to_der());
        }
        let mut change = Change::of(&self.state);
        let response = EuiccMemoryResetResponse {
            reset: asked.then(|| reset(&mut change, options)),
            reset_eim: if eims { Some(reset_eims(&mut change)?) } else { None },
            reset_immediate_enable_configuration: if immediate_enable {
                change.state.iot_mut()?.immediate_enable = None;
                Some(ResetResult::Ok)
            } else {
                None
            },
        };
        self.make(change)?;
        Ok(response.to_der())
    }
}

/// Removes profiles and the default address.
fn reset(change: &mut Change, options: NamedBits) -> ResetResult {
    let chosen = |profile: &ProfileRecord| {
        options.has(match profile.class() {
            profile_class::TEST => memory_reset::FIELD_LOADED_TEST_PROFILES,
            profile_class::PROVISIONING => memory_reset::PROVISIONING_PROFILES,
            _ => memory_reset::OPERATIONAL_PROFILES,
        })
    };
    let profiles = change.state.profiles.iter().any(chosen);
    change.remove(chosen);
    let address =
        options.has(memory_reset::DEFAULT_SMDP_ADDRESS) && change.state.default_dp_address.take().is_some();
    if let (true, Some(iot)) = (profiles, &mut change.state.iot) {
        // What leads back to a profile that is gone leads nowhere.
        let gone = |iccid: &[u8]| !change.state.profiles.iter().any(|profile| profile.iccid == iccid);
        iot.rollback.take_if(|grant| gone(&grant.before.iccid));
        iot.fallen_back_from.take_if(|before| gone(&before.iccid));
        if gone(&iot.fallback_profile) {
            iot.fallback_profile = Vec::new();
        }
    }
    if profiles || address { ResetResult::Ok } else { ResetResult::NothingToDelete }
}

fn reset_eims(change: &mut Change) -> Result<ResetResult, StatusWord> {
    let iot = change.state.iot_mut()?;
    if iot.eims.is_empty() {
        return Ok(ResetResult::NothingToDelete);
    }
    iot.eims.clear();
    iot.rollback = None;
    Ok(ResetResult::Ok)
}

fn ipae_activation(request: &[u8]) -> Result<Vec<u8>, StatusWord> {
    IpaeActivationRequest::from_der(request).map_err(|error| malformed(&error))?;
    Ok(answer(tag::IPAE_ACTIVATION, IpaeActivationResult::NotSupported.code()))
}
