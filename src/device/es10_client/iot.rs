//! The IPA's side of what SGP.32 adds to ES10b (5.9).

use simyard_asn1::iot::card::{
    DisableEmergencyProfileResult, EnableEmergencyProfileResult, EuiccMemoryResetRequest,
    EuiccMemoryResetResponse, ExecuteFallbackResult, GetCertsRequest, GetCertsResponse,
    GetConnectivityParametersResponse, ImmediateEnableResult, IpaeActivationRequest, IpaeActivationResult,
    ProfileRollbackResponse, RetrieveNotificationsListResponse, ReturnFromFallbackResult, RollbackCode,
    refresh_request, tag,
};
use simyard_asn1::iot::configuration::{
    AddInitialEimResponse, GetEimConfigurationDataRequest, GetEimConfigurationDataResponse,
};
use simyard_asn1::iot::package::ConfigureImmediateEnable;
use simyard_asn1::iot::result::{
    ConfigureImmediateEnableResult, EuiccPackageResult, SetDefaultDpAddressResult,
};
use simyard_asn1::rsp::card::{
    NotificationFilter, RetrieveNotificationsListRequest, empty_request, read_result,
};
use simyard_asn1::tlv::{Decode, Encode, NamedBits, Tag, Writer};

use super::{Es10Client, Es10Error};
use crate::device::transport::ApduTransport;

/// The certificates of an eUICC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccCertificates {
    /// CERT.EUM: DER.
    pub eum: Vec<u8>,
    /// CERT.EUICC: DER.
    pub euicc: Vec<u8>,
}

/// A result of an eUICC package that waits on the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResult {
    /// seqNumber.
    pub seq_number: u32,
    /// EuiccPackageResult: DER, `BF51`.
    pub der: Vec<u8>,
}

impl<T: ApduTransport> Es10Client<T> {
    /// ES10b.LoadEuiccPackage (5.9.1): EuiccPackageResult as DER, whatever it says.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn load_euicc_package(&mut self, request: &[u8]) -> Result<Vec<u8>, Es10Error> {
        const FUNCTION: &str = "LoadEuiccPackage";
        let answer = self.call(FUNCTION, request)?;
        EuiccPackageResult::from_der(&answer).map_err(Es10Error::answer(FUNCTION))?;
        Ok(answer)
    }

    /// ES10b.RetrieveNotificationsList (5.9.11): all notifications, as DER, in rising order of seqNumber.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn retrieve_notifications(&mut self) -> Result<Vec<Vec<u8>>, Es10Error> {
        match self.retrieve(NotificationFilter::All)? {
            (answer, FoundIn::Notifications) => Ok(answer),
            (_, FoundIn::Results) => Ok(Vec::new()),
        }
    }

    /// ES10b.RetrieveNotificationsList (5.9.11): the results of eUICC packages that nobody has acknowledged.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn retrieve_euicc_package_results(&mut self) -> Result<Vec<StoredResult>, Es10Error> {
        let (found, FoundIn::Results) = self.retrieve(NotificationFilter::EuiccPackageResults)? else {
            return Ok(Vec::new());
        };
        let mut results = Vec::new();
        for der in found {
            let result = EuiccPackageResult::from_der(&der).map_err(Es10Error::answer(RETRIEVE))?;
            // Only signed results have a number to be removed by; a card keeps no others.
            if let EuiccPackageResult::Signed { data, .. } = &result {
                results.push(StoredResult { seq_number: data.value.seq_number, der: der.clone() });
            }
        }
        results.sort_by_key(|result| result.seq_number);
        Ok(results)
    }

    fn retrieve(&mut self, filter: NotificationFilter) -> Result<(Vec<Vec<u8>>, FoundIn), Es10Error> {
        let answer = self.call(RETRIEVE, &RetrieveNotificationsListRequest { filter }.to_der())?;
        let owned = |list: Vec<&[u8]>| list.into_iter().map(<[u8]>::to_vec).collect();
        match RetrieveNotificationsListResponse::from_der(&answer).map_err(Es10Error::answer(RETRIEVE))? {
            RetrieveNotificationsListResponse::Notifications(list) => {
                Ok((owned(list), FoundIn::Notifications))
            }
            RetrieveNotificationsListResponse::EuiccPackageResults(list) => {
                Ok((owned(list), FoundIn::Results))
            }
            RetrieveNotificationsListResponse::Error(code) => Err(failed(RETRIEVE, code.code(), code.name())),
        }
    }

    /// ES10b.GetEimConfigurationData (5.9.18): GetEimConfigurationDataResponse as DER.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn get_eim_configuration_data(&mut self, eim_id: Option<&str>) -> Result<Vec<u8>, Es10Error> {
        const FUNCTION: &str = "GetEimConfigurationData";
        let answer = self.call(FUNCTION, &GetEimConfigurationDataRequest { eim_id }.to_der())?;
        GetEimConfigurationDataResponse::from_der(&answer).map_err(Es10Error::answer(FUNCTION))?;
        Ok(answer)
    }

    /// ES10b.AddInitialEim (5.9.4): for each eIM of the AddInitialEimRequest its associationToken, if it asked for one.
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's code, and the others.
    pub fn add_initial_eim(&mut self, request: &[u8]) -> Result<Vec<Option<i64>>, Es10Error> {
        const FUNCTION: &str = "AddInitialEim";
        let answer = self.call(FUNCTION, request)?;
        match AddInitialEimResponse::from_der(&answer).map_err(Es10Error::answer(FUNCTION))? {
            AddInitialEimResponse::Ok(tokens) => Ok(tokens),
            AddInitialEimResponse::Error(code) => Err(failed(FUNCTION, code.code(), code.name())),
        }
    }

    /// ES10b.GetCerts (5.9.10): the certificates under a CI, or under the preferred one.
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's code, and the others.
    pub fn get_certs(&mut self, euicc_ci_pk_id: Option<&[u8]>) -> Result<EuiccCertificates, Es10Error> {
        const FUNCTION: &str = "GetCerts";
        let answer = self.call(FUNCTION, &GetCertsRequest { euicc_ci_pk_id }.to_der())?;
        match GetCertsResponse::from_der(&answer).map_err(Es10Error::answer(FUNCTION))? {
            GetCertsResponse::Ok { eum_certificate, euicc_certificate } => {
                Ok(EuiccCertificates { eum: eum_certificate.to_der(), euicc: euicc_certificate.to_der() })
            }
            GetCertsResponse::Error(code) => Err(failed(FUNCTION, code.code(), code.name())),
        }
    }

    /// ES10b.ProfileRollback (5.9.16): the result that takes the place of the one that could not be delivered.
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's code, and the others.
    pub fn profile_rollback(&mut self) -> Result<Option<Vec<u8>>, Es10Error> {
        const FUNCTION: &str = "ProfileRollback";
        let answer = self.call(FUNCTION, &refresh_request(tag::PROFILE_ROLLBACK, true))?;
        let response = ProfileRollbackResponse::from_der(&answer).map_err(Es10Error::answer(FUNCTION))?;
        match response.code {
            RollbackCode::Ok => Ok(response.euicc_package_result.map(<[u8]>::to_vec)),
            code => Err(failed(FUNCTION, code.code(), code.name())),
        }
    }

    /// ES10b.ExecuteFallbackMechanism (5.9.20).
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's code, and the others.
    pub fn execute_fallback_mechanism(&mut self) -> Result<(), Es10Error> {
        self.refresh(tag::EXECUTE_FALLBACK_MECHANISM, "ExecuteFallbackMechanism", |code| {
            ExecuteFallbackResult::from_code(code).name()
        })
    }

    /// ES10b.ReturnFromFallback (5.9.21).
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's code, and the others.
    pub fn return_from_fallback(&mut self) -> Result<(), Es10Error> {
        self.refresh(tag::RETURN_FROM_FALLBACK, "ReturnFromFallback", |code| {
            ReturnFromFallbackResult::from_code(code).name()
        })
    }

    /// ES10b.ImmediateEnable (5.9.15).
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's code, and the others.
    pub fn immediate_enable(&mut self) -> Result<(), Es10Error> {
        self.refresh(tag::IMMEDIATE_ENABLE, "ImmediateEnable", |code| {
            ImmediateEnableResult::from_code(code).name()
        })
    }

    /// ES10b.EnableEmergencyProfile (5.9.22).
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's code, and the others.
    pub fn enable_emergency_profile(&mut self) -> Result<(), Es10Error> {
        self.refresh(tag::ENABLE_EMERGENCY_PROFILE, "EnableEmergencyProfile", |code| {
            EnableEmergencyProfileResult::from_code(code).name()
        })
    }

    /// ES10b.DisableEmergencyProfile (5.9.23).
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's code, and the others.
    pub fn disable_emergency_profile(&mut self) -> Result<(), Es10Error> {
        self.refresh(tag::DISABLE_EMERGENCY_PROFILE, "DisableEmergencyProfile", |code| {
            DisableEmergencyProfileResult::from_code(code).name()
        })
    }

    /// ES10b.ConfigureImmediateProfileEnabling (5.9.17).
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's code, and the others.
    pub fn configure_immediate_profile_enabling(
        &mut self,
        configuration: &ConfigureImmediateEnable<'_>,
    ) -> Result<(), Es10Error> {
        const TAG: Tag = tag::CONFIGURE_IMMEDIATE_PROFILE_ENABLING;
        let mut request = Writer::new();
        configuration.write(&mut request, TAG);
        self.coded(TAG, "ConfigureImmediateProfileEnabling", &request.finish(), |code| {
            ConfigureImmediateEnableResult::from_code(code).name()
        })
    }

    /// ES10b.EuiccMemoryReset (5.9.5) with bits of [`simyard_asn1::iot::card::memory_reset`].
    ///
    /// # Errors
    /// [`Es10Error`]; what was not reset is told in the response.
    pub fn euicc_memory_reset(
        &mut self,
        reset_options: NamedBits,
    ) -> Result<EuiccMemoryResetResponse, Es10Error> {
        const FUNCTION: &str = "EuiccMemoryReset";
        let answer = self.call(FUNCTION, &EuiccMemoryResetRequest { reset_options }.to_der())?;
        EuiccMemoryResetResponse::from_der(&answer).map_err(Es10Error::answer(FUNCTION))
    }

    /// ES10b.GetConnectivityParameters (5.9.24): the HTTP parameters of the enabled profile.
    ///
    /// # Errors
    /// [`Es10Error::Function`] if it has none, and the others.
    pub fn get_connectivity_parameters(&mut self) -> Result<Option<Vec<u8>>, Es10Error> {
        const FUNCTION: &str = "GetConnectivityParameters";
        let answer = self.call(FUNCTION, &empty_request(tag::GET_CONNECTIVITY_PARAMETERS))?;
        let response = GetConnectivityParametersResponse::from_der(&answer);
        match response.map_err(Es10Error::answer(FUNCTION))? {
            GetConnectivityParametersResponse::Ok { http_params } => Ok(http_params.map(<[u8]>::to_vec)),
            GetConnectivityParametersResponse::Error(code) => Err(failed(FUNCTION, code.code(), code.name())),
        }
    }

    /// ES10b.SetDefaultDpAddress (5.9.25); an empty one removes it.
    ///
    /// # Errors
    /// [`Es10Error::Function`] for what is no address, and the others.
    pub fn set_default_dp_address(&mut self, address: &str) -> Result<(), Es10Error> {
        let mut request = Writer::new();
        request.nested(tag::SET_DEFAULT_DP_ADDRESS, |members| {
            members.tlv(Tag(0x80), address.as_bytes());
        });
        self.coded(tag::SET_DEFAULT_DP_ADDRESS, "SetDefaultDpAddress", &request.finish(), |code| {
            SetDefaultDpAddressResult::from_code(code).name()
        })
    }

    /// IPAe activation.
    ///
    /// # Errors
    /// [`Es10Error::Function`] if the card has no IPA, and the others.
    pub fn activate_ipae(&mut self) -> Result<(), Es10Error> {
        let request = IpaeActivationRequest { ipae_option: NamedBits::bit(0) };
        self.coded(tag::IPAE_ACTIVATION, "IPAe activation", &request.to_der(), |code| {
            IpaeActivationResult::from_code(code).name()
        })
    }

    /// A function whose request is the refreshFlag, which is set, and whose response is a code.
    fn refresh(
        &mut self,
        tag: Tag,
        function: &'static str,
        name: fn(i64) -> Option<&'static str>,
    ) -> Result<(), Es10Error> {
        self.coded(tag, function, &refresh_request(tag, true), name)
    }

    /// A function whose response is a code.
    fn coded(
        &mut self,
        tag: Tag,
        function: &'static str,
        request: &[u8],
        name: fn(i64) -> Option<&'static str>,
    ) -> Result<(), Es10Error> {
        let answer = self.call(function, request)?;
        match read_result(tag, &answer).map_err(Es10Error::answer(function))? {
            0 => Ok(()),
            code => Err(failed(function, i64::from(code), name(i64::from(code)))),
        }
    }
}

const RETRIEVE: &str = "RetrieveNotificationsList";

/// Which of its two lists a card answered with.
enum FoundIn {
    Notifications,
    Results,
}

fn failed(function: &'static str, code: i64, name: Option<&'static str>) -> Es10Error {
    let code = u32::try_from(code).unwrap_or(u32::MAX);
    Es10Error::Function { function, code, name: name.unwrap_or("a code of a later version") }
}
