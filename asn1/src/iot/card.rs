//! The functions that SGP.32 adds to ES10b (5.9), and what the ISD-R says of itself when it is selected.
//!
//! LoadEuiccPackage is in [`super::package`] and [`super::result`], the functions of eIM configuration data are in
//! [`super::configuration`]. Requests without members are an empty TLV of their tag
//! ([`crate::rsp::card::empty_request`]); responses that are a code alone are written and read by
//! [`crate::rsp::card::result_response`] and [`crate::rsp::card::read_result`].

use super::{Implicit, MAX_ENTRIES, choice, entries};
use crate::rsp::card::tag::RETRIEVE_NOTIFICATIONS_LIST;
use crate::tlv::{Decode, Encode, Error, ErrorKind, NamedBits, Reader, Tag, Writer};

/// The tags of the functions, request and response alike.
pub mod tag {
    use crate::tlv::Tag;

    /// IPAe activation.
    pub const IPAE_ACTIVATION: Tag = Tag(0xBF42);
    /// LoadEuiccPackage (5.9.1).
    pub const LOAD_EUICC_PACKAGE: Tag = Tag(0xBF51);
    /// GetEimConfigurationData (5.9.18).
    pub const GET_EIM_CONFIGURATION_DATA: Tag = Tag(0xBF55);
    /// GetCerts (5.9.10).
    pub const GET_CERTS: Tag = Tag(0xBF56);
    /// AddInitialEim (5.9.4).
    pub const ADD_INITIAL_EIM: Tag = Tag(0xBF57);
    /// ProfileRollback (5.9.16).
    pub const PROFILE_ROLLBACK: Tag = Tag(0xBF58);
    /// ConfigureImmediateProfileEnabling (5.9.17).
    pub const CONFIGURE_IMMEDIATE_PROFILE_ENABLING: Tag = Tag(0xBF59);
    /// ImmediateEnable (5.9.15).
    pub const IMMEDIATE_ENABLE: Tag = Tag(0xBF5A);
    /// EnableEmergencyProfile (5.9.22).
    pub const ENABLE_EMERGENCY_PROFILE: Tag = Tag(0xBF5B);
    /// DisableEmergencyProfile (5.9.23).
    pub const DISABLE_EMERGENCY_PROFILE: Tag = Tag(0xBF5C);
    /// ExecuteFallbackMechanism (5.9.20).
    pub const EXECUTE_FALLBACK_MECHANISM: Tag = Tag(0xBF5D);
    /// ReturnFromFallback (5.9.21).
    pub const RETURN_FROM_FALLBACK: Tag = Tag(0xBF5E);
    /// GetConnectivityParameters (5.9.24).
    pub const GET_CONNECTIVITY_PARAMETERS: Tag = Tag(0xBF5F);
    /// eUICCMemoryReset (5.9.5).
    pub const EUICC_MEMORY_RESET: Tag = Tag(0xBF64);
    /// SetDefaultDpAddress (5.9.25), as a PSMO too.
    pub const SET_DEFAULT_DP_ADDRESS: Tag = Tag(0xBF65);
}

codes! {
    /// cmdResult of ProfileRollback.
    RollbackCode {
        Ok = 0 "ok",
        RollbackNotAllowed = 1 "rollbackNotAllowed",
        CatBusy = 5 "catBusy",
        CommandError = 7 "commandError",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// Result of ImmediateEnable.
    ImmediateEnableResult {
        Ok = 0 "ok",
        ImmediateEnableNotAvailable = 1 "immediateEnableNotAvailable",
        NoSessionContext = 4 "noSessionContext",
        CatBusy = 5 "catBusy",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// Result of ExecuteFallbackMechanism.
    ExecuteFallbackResult {
        Ok = 0 "ok",
        ProfileNotInDisabledState = 2 "profileNotInDisabledState",
        CatBusy = 5 "catBusy",
        FallbackNotAvailable = 6 "fallbackNotAvailable",
        CommandError = 7 "commandError",
        EcallActive = 104 "ecallActive",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// Result of ReturnFromFallback.
    ReturnFromFallbackResult {
        Ok = 0 "ok",
        CatBusy = 5 "catBusy",
        FallbackNotAvailable = 6 "fallbackNotAvailable",
        CommandError = 7 "commandError",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// Result of EnableEmergencyProfile.
    EnableEmergencyProfileResult {
        Ok = 0 "ok",
        ProfileNotInDisabledState = 2 "profileNotInDisabledState",
        CatBusy = 5 "catBusy",
        EcallNotAvailable = 8 "ecallNotAvailable",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// Result of DisableEmergencyProfile; 8 is of v1.3.
    DisableEmergencyProfileResult {
        Ok = 0 "ok",
        ProfileNotInEnabledState = 2 "profileNotInEnabledState",
        CatBusy = 5 "catBusy",
        EcallNotAvailable = 8 "ecallNotAvailable",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// Error of GetCerts.
    GetCertsError { InvalidCiPkId = 1 "invalidCiPKId", UndefinedError = 127 "undefinedError" }
}

codes! {
    /// Error of GetConnectivityParameters.
    ConnectivityParametersError {
        ParametersNotAvailable = 1 "parametersNotAvailable",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// Error of RetrieveNotificationsList.
    NotificationsListError { UndefinedError = 127 "undefinedError" }
}

codes! {
    /// Result of IPAe activation.
    IpaeActivationResult { Ok = 0 "ok", NotSupported = 1 "notSupported" }
}

codes! {
    /// resetResult, resetEimResult and resetImmediateEnableConfigResult of eUICCMemoryReset.
    ResetResult {
        Ok = 0 "ok",
        NothingToDelete = 1 "nothingToDelete",
        NotSupported = 2 "eimResetNotSupported",
        CatBusy = 5 "catBusy",
        EcallActive = 104 "ecallActive",
        UndefinedError = 127 "undefinedError",
    }
}

/// A request that consists of `80` refreshFlag: ProfileRollback, ImmediateEnable, fallback and emergency functions.
#[must_use]
pub fn refresh_request(tag: Tag, refresh: bool) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nested(tag, |members| {
        members.boolean(Tag(0x80), refresh);
    });
    writer.finish()
}

/// Reads a request that consists of `80` refreshFlag.
///
/// # Errors
/// [`Error`] if `input` is no such request under `tag`.
pub fn read_refresh_request(tag: Tag, input: &[u8]) -> Result<bool, Error> {
    const WHAT: &str = "refreshFlag";
    let mut reader = Reader::new(input, WHAT);
    let mut members = reader.expect(tag)?.members(WHAT);
    reader.finish()?;
    // As in SGP.22, any octet but 00 is sent for true.
    let refresh = members.expect(Tag(0x80))?.value != [0x00];
    members.extensions()?;
    Ok(refresh)
}

/// ProfileRollbackResponse, `BF58`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRollbackResponse<'a> {
    /// `02` cmdResult; under `80`, as one simulator sends it, too.
    pub code: RollbackCode,
    /// eUICCPackageResult, `BF51` as received: what the IPA sends in place of the result that it could not deliver.
    pub euicc_package_result: Option<&'a [u8]>,
}

impl<'a> Decode<'a> for ProfileRollbackResponse<'a> {
    const NAME: &'static str = "ProfileRollbackResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(tag::PROFILE_ROLLBACK)?.members(Self::NAME);
        let code = match members.optional(Tag(0x80))? {
            Some(code) => code,
            None => members.expect(Tag::INTEGER)?,
        };
        let response = Self {
            code: RollbackCode::from_code(code.integer("cmdResult")?),
            euicc_package_result: members.optional(tag::LOAD_EUICC_PACKAGE)?.map(|tlv| tlv.raw),
        };
        members.extensions()?;
        Ok(response)
    }
}

impl Encode for ProfileRollbackResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::PROFILE_ROLLBACK, |members| {
            members
                .integer(Tag::INTEGER, self.code.code())
                .raw(self.euicc_package_result.unwrap_or_default());
        });
    }
}

/// GetCertsRequest, `BF56`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetCertsRequest<'a> {
    /// `80` euiccCiPKId: the CI under which the certificates are wanted; the preferred one without it.
    pub euicc_ci_pk_id: Option<&'a [u8]>,
}

impl<'a> Decode<'a> for GetCertsRequest<'a> {
    const NAME: &'static str = "GetCertsRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(tag::GET_CERTS)?.members(Self::NAME);
        let request = Self { euicc_ci_pk_id: members.optional(Tag(0x80))?.map(|tlv| tlv.value) };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for GetCertsRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::GET_CERTS, |members| {
            members.optional(Tag(0x80), self.euicc_ci_pk_id);
        });
    }
}

/// GetCertsResponse, `BF56`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetCertsResponse<'a> {
    /// `A0` certs.
    Ok {
        /// `A5` eumCertificate.
        eum_certificate: Implicit<'a>,
        /// `A6` euiccCertificate.
        euicc_certificate: Implicit<'a>,
    },
    /// `81` getCertsError.
    Error(GetCertsError),
}

impl<'a> Decode<'a> for GetCertsResponse<'a> {
    const NAME: &'static str = "GetCertsResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let alternative = choice(reader.expect(tag::GET_CERTS)?.members(Self::NAME))?;
        match alternative.tag {
            Tag(0xA0) => {
                let mut members = alternative.members(Self::NAME);
                let response = Self::Ok {
                    eum_certificate: Implicit::read(&members.expect(Tag(0xA5))?, "eumCertificate")?,
                    euicc_certificate: Implicit::read(&members.expect(Tag(0xA6))?, "euiccCertificate")?,
                };
                members.extensions()?;
                Ok(response)
            }
            Tag(0x81) => Ok(Self::Error(GetCertsError::from_code(alternative.integer("getCertsError")?))),
            found => Err(alternative.error(ErrorKind::Choice { found }, Self::NAME)),
        }
    }
}

impl Encode for GetCertsResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::GET_CERTS, |choice| match self {
            Self::Ok { eum_certificate, euicc_certificate } => {
                choice.nested(Tag(0xA0), |members| {
                    members
                        .tlv(Tag(0xA5), eum_certificate.members())
                        .tlv(Tag(0xA6), euicc_certificate.members());
                });
            }
            Self::Error(code) => {
                choice.integer(Tag(0x81), code.code());
            }
        });
    }
}

/// RetrieveNotificationsListResponse, `BF2B`, with what SGP.32 adds: a CHOICE. Entries are kept as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetrieveNotificationsListResponse<'a> {
    /// `A0` notificationList.
    Notifications(Vec<&'a [u8]>),
    /// `81` notificationsListResultError.
    Error(NotificationsListError),
    /// `A2` euiccPackageResultList: each with its `BF51`.
    EuiccPackageResults(Vec<&'a [u8]>),
}

impl<'a> Decode<'a> for RetrieveNotificationsListResponse<'a> {
    const NAME: &'static str = "RetrieveNotificationsListResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let alternative = choice(reader.expect(RETRIEVE_NOTIFICATIONS_LIST)?.members(Self::NAME))?;
        let members = alternative.members(Self::NAME);
        match alternative.tag {
            Tag(0xA0) => Ok(Self::Notifications(entries(members, MAX_ENTRIES, |list| Ok(list.read()?.raw))?)),
            Tag(0x81) => Ok(Self::Error(NotificationsListError::from_code(alternative.integer(Self::NAME)?))),
            Tag(0xA2) => Ok(Self::EuiccPackageResults(entries(members, MAX_ENTRIES, |list| {
                Ok(list.expect(tag::LOAD_EUICC_PACKAGE)?.raw)
            })?)),
            found => Err(alternative.error(ErrorKind::Choice { found }, Self::NAME)),
        }
    }
}

impl Encode for RetrieveNotificationsListResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(RETRIEVE_NOTIFICATIONS_LIST, |choice| {
            match self {
                Self::Notifications(list) => choice.tlv(Tag(0xA0), &list.concat()),
                Self::Error(code) => choice.integer(Tag(0x81), code.code()),
                Self::EuiccPackageResults(list) => choice.tlv(Tag(0xA2), &list.concat()),
            };
        });
    }
}

/// Bits of `resetOptions` of eUICCMemoryReset.
pub mod memory_reset {
    /// deleteOperationalProfiles.
    pub const OPERATIONAL_PROFILES: u32 = 0;
    /// deleteFieldLoadedTestProfiles.
    pub const FIELD_LOADED_TEST_PROFILES: u32 = 1;
    /// resetDefaultSmdpAddress.
    pub const DEFAULT_SMDP_ADDRESS: u32 = 2;
    /// deletePreLoadedTestProfiles.
    pub const PRE_LOADED_TEST_PROFILES: u32 = 3;
    /// deleteProvisioningProfiles.
    pub const PROVISIONING_PROFILES: u32 = 4;
    /// resetEimConfigData.
    pub const EIM_CONFIGURATION_DATA: u32 = 5;
    /// resetImmediateEnableConfig.
    pub const IMMEDIATE_ENABLE_CONFIGURATION: u32 = 6;
}

/// EuiccMemoryResetRequest, `BF64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EuiccMemoryResetRequest {
    /// `82` resetOptions: bits of [`memory_reset`].
    pub reset_options: NamedBits,
}

impl<'a> Decode<'a> for EuiccMemoryResetRequest {
    const NAME: &'static str = "EuiccMemoryResetRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(tag::EUICC_MEMORY_RESET)?.members(Self::NAME);
        let request = Self { reset_options: members.expect(Tag(0x82))?.named_bits("resetOptions")? };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for EuiccMemoryResetRequest {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::EUICC_MEMORY_RESET, |members| {
            members.named_bits(Tag(0x82), self.reset_options);
        });
    }
}

/// EuiccMemoryResetResponse, `BF64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EuiccMemoryResetResponse {
    /// `80` resetResult: of profiles and the default address.
    pub reset: Option<ResetResult>,
    /// `81` resetEimResult.
    pub reset_eim: Option<ResetResult>,
    /// `82` resetImmediateEnableConfigResult.
    pub reset_immediate_enable_configuration: Option<ResetResult>,
}

impl<'a> Decode<'a> for EuiccMemoryResetResponse {
    const NAME: &'static str = "EuiccMemoryResetResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(tag::EUICC_MEMORY_RESET)?.members(Self::NAME);
        let mut result = |tag| {
            let code = members.optional(tag)?.map(|tlv| tlv.integer("resetResult")).transpose()?;
            Ok(code.map(ResetResult::from_code))
        };
        let response = Self {
            reset: result(Tag(0x80))?,
            reset_eim: result(Tag(0x81))?,
            reset_immediate_enable_configuration: result(Tag(0x82))?,
        };
        members.extensions()?;
        Ok(response)
    }
}

impl Encode for EuiccMemoryResetResponse {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::EUICC_MEMORY_RESET, |members| {
            for (tag, result) in [
                (Tag(0x80), self.reset),
                (Tag(0x81), self.reset_eim),
                (Tag(0x82), self.reset_immediate_enable_configuration),
            ] {
                if let Some(result) = result {
                    members.integer(tag, result.code());
                }
            }
        });
    }
}

/// GetConnectivityParametersResponse, `BF5F`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetConnectivityParametersResponse<'a> {
    /// `A0` connectivityParameters: its `81` httpParams, if there are any.
    Ok {
        /// The HTTP parameters of the enabled profile's header.
        http_params: Option<&'a [u8]>,
    },
    /// `81` connectivityParametersError.
    Error(ConnectivityParametersError),
}

impl<'a> Decode<'a> for GetConnectivityParametersResponse<'a> {
    const NAME: &'static str = "GetConnectivityParametersResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let outer = reader.expect(tag::GET_CONNECTIVITY_PARAMETERS)?;
        let alternative = choice(outer.members(Self::NAME))?;
        match alternative.tag {
            Tag(0xA0) => {
                let mut members = alternative.members(Self::NAME);
                let http_params = members.optional(Tag(0x81))?.map(|tlv| tlv.value);
                members.extensions()?;
                Ok(Self::Ok { http_params })
            }
            Tag(0x81) => {
                Ok(Self::Error(ConnectivityParametersError::from_code(alternative.integer(Self::NAME)?)))
            }
            found => Err(alternative.error(ErrorKind::Choice { found }, Self::NAME)),
        }
    }
}

impl Encode for GetConnectivityParametersResponse<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::GET_CONNECTIVITY_PARAMETERS, |choice| {
            match self {
                Self::Ok { http_params } => choice.nested(Tag(0xA0), |members| {
                    members.optional(Tag(0x81), *http_params);
                }),
                Self::Error(code) => choice.integer(Tag(0x81), code.code()),
            };
        });
    }
}

/// IpaeActivationRequest, `BF42`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpaeActivationRequest {
    /// `80` ipaeOption: bit 0 is activateIpae.
    pub ipae_option: NamedBits,
}

impl<'a> Decode<'a> for IpaeActivationRequest {
    const NAME: &'static str = "IpaeActivationRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(tag::IPAE_ACTIVATION)?.members(Self::NAME);
        let request = Self { ipae_option: members.expect(Tag(0x80))?.named_bits("ipaeOption")? };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for IpaeActivationRequest {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(tag::IPAE_ACTIVATION, |members| {
            members.named_bits(Tag(0x80), self.ipae_option);
        });
    }
}

/// Bits of euiccConfiguration of [`IsdrProprietaryApplicationTemplateIot`].
pub mod euicc_configuration {
    /// ipaeSupported.
    pub const IPAE_SUPPORTED: u32 = 0;
    /// enabledProfile: a profile is enabled.
    pub const ENABLED_PROFILE: u32 = 1;
}

/// ISDRProprietaryApplicationTemplateIoT, `E1`: in what SELECT of the ISD-R answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsdrProprietaryApplicationTemplateIot {
    /// `80` euiccConfiguration: bits of [`euicc_configuration`].
    pub euicc_configuration: NamedBits,
}

impl IsdrProprietaryApplicationTemplateIot {
    /// The tag of the template.
    pub const TAG: Tag = Tag(0xE1);
}

impl<'a> Decode<'a> for IsdrProprietaryApplicationTemplateIot {
    const NAME: &'static str = "ISDRProprietaryApplicationTemplateIoT";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(IsdrProprietaryApplicationTemplateIot::TAG)?.members(Self::NAME);
        let template =
            Self { euicc_configuration: members.expect(Tag(0x80))?.named_bits("euiccConfiguration")? };
        members.extensions()?;
        Ok(template)
    }
}

impl Encode for IsdrProprietaryApplicationTemplateIot {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.named_bits(Tag(0x80), self.euicc_configuration);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_is_answered_with_a_code_and_the_new_result() {
        let result = [0xBF, 0x51, 0x02, 0xA2, 0x00];
        let response =
            ProfileRollbackResponse { code: RollbackCode::Ok, euicc_package_result: Some(&result) };
        let der = response.to_der();
        assert_eq!(ProfileRollbackResponse::from_der(&der), Ok(response));
        let seen = ProfileRollbackResponse::from_der(&[0xBF, 0x58, 0x03, 0x80, 0x01, 0x01]).unwrap();
        assert_eq!(seen.code, RollbackCode::RollbackNotAllowed);
        assert_eq!(seen.to_der(), [0xBF, 0x58, 0x03, 0x02, 0x01, 0x01]);
    }

    #[test]
    fn the_template_tells_of_an_enabled_profile() {
        let enabled = NamedBits::bit(euicc_configuration::ENABLED_PROFILE);
        for octets in [[0xE1, 0x04, 0x80, 0x02, 0x06, 0x40], [0xE1, 0x04, 0x80, 0x02, 0x02, 0x40]] {
            // With and without trailing zero bits.
            let template = IsdrProprietaryApplicationTemplateIot::from_der(&octets).unwrap();
            assert_eq!(template.euicc_configuration, enabled);
            assert_eq!(template.to_der(), [0xE1, 0x04, 0x80, 0x02, 0x06, 0x40]);
        }
    }
}
