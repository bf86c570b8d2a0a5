//! IpaEuiccDataRequest (SGP.32 2.11.2): what the eIM asks of device and eUICC.

use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::data::{
    IpaCapabilities, IpaEuiccData, IpaEuiccDataErrorCode, IpaEuiccDataRequest, IpaEuiccDataResponse,
    NotificationCriteria, ipa_feature, ipa_protocol, requested,
};
use simyard_asn1::iot::esipa::{EimPackageResult, EimPackageResultErrorCode};
use simyard_asn1::rsp::authentication::DeviceInfo;
use simyard_asn1::rsp::notification::PendingNotification;
use simyard_asn1::tlv::{Decode as _, Encode as _, NamedBits, Tag};

use super::{Executed, Injection, Ipa, IpaError};
use crate::device::es10_client::{Es10Error, EuiccCertificates, StoredResult};
use crate::device::install::DEFAULT_TAC;
use crate::device::lpa::Observer;
use crate::device::transport::ApduTransport;

/// Some eIMs ask for these objects without the bit that says how they are encoded.
const DEFAULT_SMDP_ADDRESS_WITHOUT_NUMBER: Tag = Tag(0x80);
const IPA_CAPABILITIES_PRIMITIVE: Tag = Tag(0x88);

/// What the card was asked, before it becomes a message.
#[derive(Default)]
struct Found {
    notifications: Option<Vec<Vec<u8>>>,
    default_smdp_address: Option<String>,
    euicc_package_results: Option<Vec<StoredResult>>,
    euicc_info1: Option<Vec<u8>>,
    euicc_info2: Option<Vec<u8>>,
    root_smds_address: Option<String>,
    association_token: Option<i64>,
    certificates: Option<EuiccCertificates>,
    eum_certificate: bool,
    euicc_certificate: bool,
    ipa_capabilities: bool,
    device_info: bool,
}

impl<T: ApduTransport> Ipa<T> {
    /// Answers a request for data; an error of it is an answer too.
    pub(super) async fn answer_data_request(
        &mut self,
        request: &[u8],
        observer: Observer<'_>,
    ) -> Result<Executed, IpaError> {
        let (answer, executed) = self.data_for(request)?;
        self.provide(answer, None, observer).await?;
        Ok(executed)
    }

    /// The answer to a request for data.
    pub(super) fn data_for(&mut self, request: &[u8]) -> Result<(EimPackageResult, Executed), IpaError> {
        let Ok(request) = IpaEuiccDataRequest::from_der(request) else {
            let code = EimPackageResultErrorCode::InvalidPackageFormat;
            let answer = EimPackageResult::ResponseError { eim_transaction_id: None, code };
            let why = "the eIM's request for data cannot be read".to_owned();
            return Ok((answer, Executed::Failed(why)));
        };
        let collected =
            if self.in_emergency { Err(IpaEuiccDataErrorCode::EcallActive) } else { self.collect(&request)? };
        let (response, executed) = match collected {
            Ok(found) => (self.message(&request, &found), Executed::Data),
            Err(code) => {
                let error =
                    IpaEuiccDataResponse::Error { eim_transaction_id: request.eim_transaction_id, code };
                (error.to_der(), Executed::Failed(format!("the data that were asked for: {code}")))
            }
        };
        Ok((EimPackageResult::IpaEuiccDataResponse(response), executed))
    }

    /// Asks the card for each object of the tag list.
    fn collect(
        &mut self,
        request: &IpaEuiccDataRequest<'_>,
    ) -> Result<Result<Found, IpaEuiccDataErrorCode>, IpaError> {
        let mut found = Found::default();
        for tag in &request.tag_list {
            match *tag {
                requested::NOTIFICATIONS_LIST => {
                    found.notifications = Some(self.notifications(request.notification_criteria)?);
                }
                requested::DEFAULT_SMDP_ADDRESS | DEFAULT_SMDP_ADDRESS_WITHOUT_NUMBER => {
                    found.default_smdp_address = self.card.get_configured_addresses()?.0;
                }
                requested::EUICC_PACKAGE_RESULT_LIST => {
                    let mut results = self.card.retrieve_euicc_package_results()?;
                    if let Some(wanted) = request.euicc_package_result_seq_number {
                        results.retain(|result| result.seq_number == wanted);
                    }
                    found.euicc_package_results = Some(results);
                }
                requested::EUICC_INFO1 => found.euicc_info1 = Some(self.card.get_euicc_info1()?),
                requested::EUICC_INFO2 => found.euicc_info2 = Some(self.card.get_euicc_info2()?),
                requested::ROOT_SMDS_ADDRESS => {
                    found.root_smds_address = Some(self.card.get_configured_addresses()?.1);
                }
                requested::ASSOCIATION_TOKEN => found.association_token = self.association.token,
                requested::EUM_CERTIFICATE => found.eum_certificate = true,
                requested::EUICC_CERTIFICATE => found.euicc_certificate = true,
                requested::IPA_CAPABILITIES | IPA_CAPABILITIES_PRIMITIVE => found.ipa_capabilities = true,
                requested::DEVICE_INFO => found.device_info = true,
                _ => return Ok(Err(IpaEuiccDataErrorCode::IncorrectTagList)),
            }
        }
        if found.eum_certificate || found.euicc_certificate {
            match self.card.get_certs(request.ci_pk_id_to_be_used) {
                Ok(certificates) => found.certificates = Some(certificates),
                Err(Es10Error::Function { code: 1, .. }) => {
                    return Ok(Err(IpaEuiccDataErrorCode::EuiccCiPkIdNotFound));
                }
                Err(Es10Error::Function { .. }) => return Ok(Err(IpaEuiccDataErrorCode::UndefinedError)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Ok(found))
    }

    /// The notifications that the criteria ask for.
    fn notifications(&mut self, criteria: Option<NotificationCriteria>) -> Result<Vec<Vec<u8>>, IpaError> {
        let mut wanted = Vec::new();
        for der in self.card.retrieve_notifications()? {
            let is_wanted = {
                let notification = PendingNotification::from_der(&der)?;
                let metadata = notification.metadata();
                match criteria {
                    None => true,
                    Some(NotificationCriteria::SeqNumber(number)) => metadata.seq_number == number,
                    Some(NotificationCriteria::Events(events)) => metadata.operation.0 & events.0 != 0,
                }
            };
            if is_wanted {
                wanted.push(der);
            }
        }
        Ok(wanted)
    }

    fn message(&self, request: &IpaEuiccDataRequest<'_>, found: &Found) -> Vec<u8> {
        let certificate = |wanted: bool, der: fn(&EuiccCertificates) -> &Vec<u8>| {
            let certificates = found.certificates.as_ref().filter(|_| wanted)?;
            Implicit::from_der(der(certificates)).ok()
        };
        let tac = self.settings.imei.map_or(DEFAULT_TAC, |[a, b, c, d, ..]| [a, b, c, d]);
        let data = IpaEuiccData {
            notifications: found.notifications.as_ref().map(|list| list.iter().map(Vec::as_slice).collect()),
            default_smdp_address: found.default_smdp_address.as_deref(),
            euicc_package_results: found
                .euicc_package_results
                .as_ref()
                .map(|list| list.iter().map(|result| result.der.as_slice()).collect()),
            euicc_info1: found.euicc_info1.as_deref(),
            euicc_info2: found.euicc_info2.as_deref(),
            root_smds_address: found.root_smds_address.as_deref(),
            association_token: found.association_token,
            eum_certificate: certificate(found.eum_certificate, |certificates| &certificates.eum),
            euicc_certificate: certificate(found.euicc_certificate, |certificates| &certificates.euicc),
            eim_transaction_id: request.eim_transaction_id,
            ipa_capabilities: found.ipa_capabilities.then(|| capabilities(self.settings.injection)),
            device_info: found.device_info.then_some(DeviceInfo {
                tac: &tac,
                device_capabilities: &[],
                imei: self.settings.imei,
                extensions: &[],
            }),
            others: Vec::new(),
        };
        IpaEuiccDataResponse::Data(Box::new(data)).to_der()
    }
}

/// What this IPA can do: both ways of downloading, over HTTPS.
fn capabilities(injection: Injection) -> IpaCapabilities<'static> {
    let retrieves = NamedBits::bit(ipa_protocol::RETRIEVE_HTTPS).0;
    let protocols = match injection {
        Injection::None => retrieves,
        Injection::Https => retrieves | NamedBits::bit(ipa_protocol::INJECT_HTTPS).0,
    };
    IpaCapabilities {
        ipa_features: NamedBits(
            NamedBits::bit(ipa_feature::DIRECT_RSP_SERVER_COMMUNICATION).0
                | NamedBits::bit(ipa_feature::INDIRECT_RSP_SERVER_COMMUNICATION).0,
        ),
        ipa_supported_protocols: Some(NamedBits(protocols)),
        extensions: &[],
    }
}
