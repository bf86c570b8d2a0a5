//! ProfileDownloadTriggerRequest (SGP.32 3.2.3): from the SM-DP+ itself (3.2.3.1), or through the eIM (3.2.3.2).
//!
//! SM-DSs are not contacted: a trigger that asks for one is answered with an error.

use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::iot::esipa::{
    AuthenticateClientRequest, AuthenticateClientResponse, CancelSessionRequest, CancelSessionResponse,
    EimPackageResult, EimPackageResultErrorCode, GetBoundProfilePackageRequest,
    GetBoundProfilePackageResponse, InitiateAuthenticationRequest, InitiateAuthenticationResponse,
    StateChangeCause,
};
use simyard_asn1::iot::trigger::{
    ProfileDownloadData, ProfileDownloadErrorReason, ProfileDownloadTriggerOutcome,
    ProfileDownloadTriggerRequest, ProfileDownloadTriggerResult,
};
use simyard_asn1::rsp::authentication::ServerSigned1;
use simyard_asn1::rsp::es9plus::Function;
use simyard_asn1::rsp::notification::{FinalResult, ProfileInstallationResult};
use simyard_asn1::tlv::{Decode as _, Encode as _};

use super::{DownloadWay, Executed, Ipa, IpaError};
use crate::binding::es9plus;
use crate::binding::esipa::EsipaCode;
use crate::client::ClientError;
use crate::client::esipa::EsipaClient;
use crate::device::codes::{command_name, reason_name};
use crate::device::delivery::deliver;
use crate::device::es10_client::Es10Error;
use crate::device::install::install;
use crate::device::lpa::{DownloadRequest, LpaError, Observer};
use crate::device::rsp_server::{Direct, Offer, RspServer};
use crate::device::transport::ApduTransport;
use crate::ident::{ActivationCode, MatchingId, ServerAddress, TransactionId};

/// ecallActive, with which the eUICC refuses AuthenticateServer and PrepareDownload during an emergency call.
const ECALL_ACTIVE: u32 = 104;

impl<T: ApduTransport> Ipa<T> {
    /// Downloads what a trigger names, and reports how it ended.
    pub(super) async fn run_trigger(
        &mut self,
        request: &[u8],
        observer: Observer<'_>,
    ) -> Result<Executed, IpaError> {
        use ProfileDownloadErrorReason::{EcallActive, UndefinedError};
        let trigger = ProfileDownloadTriggerRequest::from_der(request).ok();
        let id = trigger.as_ref().and_then(|trigger| trigger.eim_transaction_id);
        if self.in_emergency {
            let why = "an emergency call is under way";
            return self.not_downloaded(id, EcallActive, why, observer).await;
        }
        // Step 3: data that are missing or cannot be read.
        let wanted = match trigger.and_then(|trigger| trigger.profile_download_data) {
            Some(ProfileDownloadData::ActivationCode(text)) => {
                ActivationCode::parse(text).ok().map(DownloadRequest::from)
            }
            Some(ProfileDownloadData::ContactDefaultSmdp) => match self.at_default_smdp()? {
                Some(wanted) => Some(wanted),
                None => {
                    let why = "the eUICC has no default SM-DP+";
                    return self.not_downloaded(id, UndefinedError, why, observer).await;
                }
            },
            Some(ProfileDownloadData::ContactSmds(_)) => {
                return self.not_downloaded(id, UndefinedError, "SM-DSs are not contacted", observer).await;
            }
            None => None,
        };
        let Some(mut wanted) = wanted else {
            let code = EimPackageResultErrorCode::InvalidPackageFormat;
            let result = EimPackageResult::ResponseError { eim_transaction_id: id, code };
            self.provide(result, None, observer).await?;
            return Ok(Executed::Failed("the trigger names no SM-DP+ that can be read".to_owned()));
        };
        wanted.imei = self.settings.imei;
        wanted.accept_policy_rules = self.settings.accept_policy_rules;
        // Steps 4 to 9.
        self.reach().await?;
        let indirect = match self.settings.download {
            DownloadWay::AsConfigured => self.association.indirect,
            DownloadWay::Direct => false,
            DownloadWay::Indirect => true,
        };
        let installed = if indirect {
            let server = ThroughEim { client: &self.eim, eim_transaction_id: id };
            install(&mut self.card, &server, &wanted, &self.around.clock, observer).await
        } else {
            let server = Direct { client: &self.servers, address: &wanted.address };
            install(&mut self.card, &server, &wanted, &self.around.clock, observer).await
        };
        match installed {
            Ok(installed) => self.report_installation(id, indirect, &installed.result, observer).await,
            Err(LpaError::Card(error @ (Es10Error::Transport(_) | Es10Error::Apdu(_)))) => Err(error.into()),
            // An emergency call that another IPA began, or that began meanwhile: the card says so where a server authenticates.
            Err(error @ LpaError::Card(Es10Error::Function { code: ECALL_ACTIVE, .. })) => {
                self.not_downloaded(id, EcallActive, &error.to_string(), observer).await
            }
            Err(error) => self.not_downloaded(id, UndefinedError, &error.to_string(), observer).await,
        }
    }

    fn at_default_smdp(&mut self) -> Result<Option<DownloadRequest>, IpaError> {
        let (Some(address), _) = self.card.get_configured_addresses()? else { return Ok(None) };
        let address = ServerAddress::parse(&address)?;
        Ok(Some(DownloadRequest::new(address, MatchingId::parse("")?)))
    }

    /// It did not come to an installation, and the eIM is told so.
    async fn not_downloaded(
        &mut self,
        eim_transaction_id: Option<EimTransactionId>,
        reason: ProfileDownloadErrorReason,
        why: &str,
        observer: Observer<'_>,
    ) -> Result<Executed, IpaError> {
        let outcome = ProfileDownloadTriggerOutcome::Error { reason, error_response: None };
        let result = ProfileDownloadTriggerResult { eim_transaction_id, outcome }.to_der();
        self.provide(EimPackageResult::ProfileDownloadTriggerResult(result), None, observer).await?;
        Ok(Executed::Failed(why.to_owned()))
    }

    /// Steps 10 and 11: the report goes to the eIM, and over the direct way to the SM-DP+ too. Until then it waits on the card,
    /// from where the next poll brings it to the eIM.
    async fn report_installation(
        &mut self,
        eim_transaction_id: Option<EimTransactionId>,
        indirect: bool,
        report: &[u8],
        observer: Observer<'_>,
    ) -> Result<Executed, IpaError> {
        let result = ProfileInstallationResult::from_der(report)?.data.value;
        let metadata = &result.notification_metadata;
        if matches!(result.final_result, FinalResult::Success { .. }) {
            self.enable_immediately()?;
        }
        if indirect {
            self.reach().await?;
            self.notify(report.to_vec(), observer).await?;
            self.card.remove_notification(metadata.seq_number)?;
        } else {
            let outcome = ProfileDownloadTriggerOutcome::InstallationResult(report);
            let told = ProfileDownloadTriggerResult { eim_transaction_id, outcome }.to_der();
            self.provide(EimPackageResult::ProfileDownloadTriggerResult(told), None, observer).await?;
            let only = Some(metadata.address);
            let delivery = deliver(&mut self.card, &self.servers, &self.around.clock, only, observer).await?;
            for (number, why) in delivery.kept {
                tracing::info!(number, why, "a notification waits");
            }
        }
        Ok(match result.final_result {
            FinalResult::Success { .. } => Executed::Installed,
            FinalResult::Error { bpp_command_id, error_reason, .. } => Executed::Failed(format!(
                "{} failed with {} ({error_reason})",
                command_name(bpp_command_id),
                reason_name(error_reason)
            )),
        })
    }

    /// A profile of the SM-DP+ that the eUICC is configured for is enabled in the same session (3.4.4); for all others the
    /// eUICC refuses.
    fn enable_immediately(&mut self) -> Result<(), IpaError> {
        match self.card.immediate_enable() {
            Ok(()) => self.state_change = Some(StateChangeCause::ImmediateEnableProfile),
            Err(Es10Error::Function { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// The eIM, which relays to the SM-DP+.
#[derive(Debug)]
struct ThroughEim<'a> {
    client: &'a EsipaClient,
    eim_transaction_id: Option<EimTransactionId>,
}

impl RspServer for ThroughEim<'_> {
    fn name(&self, function: Function) -> &'static str {
        match function {
            Function::InitiateAuthentication => "ESipa.InitiateAuthentication",
            Function::GetBoundProfilePackage => "ESipa.GetBoundProfilePackage",
            Function::AuthenticateClient => "ESipa.AuthenticateClient",
            Function::HandleNotification => "ESipa.HandleNotification",
            Function::CancelSession => "ESipa.CancelSession",
        }
    }

    async fn initiate_authentication(
        &self,
        request: es9plus::InitiateAuthenticationRequest,
    ) -> Result<es9plus::InitiateAuthenticationResponse, ClientError> {
        let request = InitiateAuthenticationRequest {
            euicc_challenge: request.euicc_challenge,
            smdp_address: Some(request.smdp_address),
            euicc_info1: Some(request.euicc_info1),
            eim_transaction_id: self.eim_transaction_id,
        };
        let ok = match self.client.initiate_authentication(request).await? {
            InitiateAuthenticationResponse::Ok(ok) => *ok,
            InitiateAuthenticationResponse::Error(code) => {
                return Err(ClientError::Esipa(EsipaCode::InitiateAuthentication(code)));
            }
        };
        // An eIM may leave it out, as it is in what the server signed.
        let unreadable = |cause| ClientError::Message { address: self.client.eim().to_string(), cause };
        let signed = ServerSigned1::from_der(&ok.server_signed1).map_err(unreadable)?;
        let id = ok.transaction_id.as_deref().unwrap_or(signed.transaction_id);
        let transaction_id =
            TransactionId::from_octets(id).ok_or(ClientError::Esipa(EsipaCode::InitiateAuthentication(
                simyard_asn1::iot::esipa::InitiateAuthenticationErrorEsipa::UndefinedError,
            )))?;
        Ok(es9plus::InitiateAuthenticationResponse {
            transaction_id,
            server_signed1: ok.server_signed1,
            server_signature1: ok.server_signature1,
            euicc_ci_pk_id_to_be_used: ok.euicc_ci_pk_identifier_to_be_used,
            server_certificate: ok.server_certificate,
        })
    }

    async fn authenticate_client(
        &self,
        request: es9plus::AuthenticateClientRequest,
    ) -> Result<Offer, ClientError> {
        let request = AuthenticateClientRequest {
            transaction_id: request.transaction_id.as_octets().to_vec(),
            authenticate_server_response: request.authenticate_server_response,
        };
        match self.client.authenticate_client(request).await? {
            AuthenticateClientResponse::OkDp(ok) => Ok(Offer {
                profile_metadata: ok.profile_metadata,
                smdp_signed2: ok.smdp_signed2,
                smdp_signature2: ok.smdp_signature2,
                smdp_certificate: ok.smdp_certificate,
                hash_cc: ok.hash_cc,
            }),
            // No SM-DS was asked for.
            AuthenticateClientResponse::OkDs(_) => Err(ClientError::Message {
                address: self.client.eim().to_string(),
                cause: simyard_asn1::Error {
                    kind: simyard_asn1::ErrorKind::Choice { found: simyard_asn1::Tag(0xA1) },
                    what: "AuthenticateClientResponseEsipa",
                    offset: 0,
                },
            }),
            AuthenticateClientResponse::Error(code) => {
                Err(ClientError::Esipa(EsipaCode::AuthenticateClient(code)))
            }
        }
    }

    async fn get_bound_profile_package(
        &self,
        request: es9plus::GetBoundProfilePackageRequest,
    ) -> Result<Vec<u8>, ClientError> {
        let request = GetBoundProfilePackageRequest {
            transaction_id: request.transaction_id.as_octets().to_vec(),
            prepare_download_response: request.prepare_download_response,
        };
        match self.client.get_bound_profile_package(request).await? {
            GetBoundProfilePackageResponse::Ok(ok) => Ok(ok.bound_profile_package),
            GetBoundProfilePackageResponse::Error(code) => {
                Err(ClientError::Esipa(EsipaCode::GetBoundProfilePackage(code)))
            }
        }
    }

    async fn cancel_session(&self, request: es9plus::CancelSessionRequest) -> Result<(), ClientError> {
        let request = CancelSessionRequest {
            transaction_id: request.transaction_id.as_octets().to_vec(),
            cancel_session_response: request.cancel_session_response,
        };
        match self.client.cancel_session(request).await? {
            CancelSessionResponse::Ok => Ok(()),
            CancelSessionResponse::Error(code) => Err(ClientError::Esipa(EsipaCode::CancelSession(code))),
        }
    }
}
