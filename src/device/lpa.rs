//! The procedures of a local profile assistant: download, profile management, delivery of notifications (SGP.22 3.0 to
//! 3.5).
//!
//! The LPA reaches a card through APDUs alone ([`Es10Client`]) and servers over ES9+ alone ([`Es9PlusClient`]). Of what
//! passes through it it verifies what the standard asks of an LPA: the server's address and OID, that the metadata it
//! showed are those in the package, and the user's decisions. All else the card verifies.

use std::time::Duration;

use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::rsp::authentication::{AuthenticateServerRequest, CtxParams1, DeviceInfo, ServerSigned1};
use simyard_asn1::rsp::download::{PrepareDownloadRequest, SmdpSigned2, cancel_session_reason};
use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::rsp::notification::{FinalResult, ProfileInstallationResult};
use simyard_asn1::rsp::package::BoundProfilePackage;
use simyard_asn1::tlv::{Decode, Encode, Reader, Tag};
use simyard_asn1::{Error, Oid, Raw};

use super::codes::{command_name, reason_name};
use super::es10_client::{Es10Client, Es10Error, ProfileAction};
use super::transport::ApduTransport;
use crate::binding::es9plus::{
    AuthenticateClientRequest, AuthenticateClientResponse, CancelSessionRequest,
    GetBoundProfilePackageRequest, InitiateAuthenticationRequest, InitiateAuthenticationResponse,
};
use crate::client::ClientError;
use crate::client::es9plus::Es9PlusClient;
use crate::crypto::hash::{code_hash, hash_cc};
use crate::env::Clock;
use crate::ident::{ActivationCode, Iccid, InvalidIdentifier, MatchingId, ServerAddress, TransactionId};
use crate::pki::{Certificate, CertificateError};

/// The TAC that is told where the device has none: one of the test range.
const DEFAULT_TAC: [u8; 4] = [0x35, 0x29, 0x06, 0x11];

/// Why a procedure of the LPA did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum LpaError {
    /// The card failed or refused.
    #[error(transparent)]
    Card(#[from] Es10Error),
    /// The server failed or refused.
    #[error("{function}: {error}")]
    Server {
        /// The function of ES9+.
        function: &'static str,
        /// What it said.
        error: ClientError,
    },
    /// The server's answer has not the form of the standard.
    #[error("the server's {0}")]
    Answer(#[from] Error),
    /// The server's certificate cannot be read.
    #[error("the server's certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The server answers in another name (3.0.1 step 10).
    #[error("the server signed for {found:?}, {expected} was called; the session ends here")]
    OtherAddress {
        /// Who was called.
        expected: ServerAddress,
        /// What serverSigned1 says.
        found: String,
    },
    /// The server is not the one that the activation code names (3.1.3 step 3).
    #[error("the activation code is for SM-DP+ {expected}, the server is {}", found.as_ref().map_or("none".to_owned(), ToString::to_string))]
    OtherOid {
        /// Of the activation code.
        expected: Oid,
        /// Of the certificate.
        found: Option<Oid>,
    },
    /// The order needs a code that only the user knows.
    #[error("the order needs a confirmation code; give it with --confirmation-code")]
    ConfirmationCodeRequired,
    /// The profile has policy rules that nobody agreed to.
    #[error("the profile forbids to be disabled or deleted; agree with --accept-policy-rules")]
    PolicyRules,
    /// The user refused or postponed.
    #[error("the download was {0} by the user")]
    Declined(&'static str),
    /// The package holds other metadata than the user was shown (3.1.3 step 9).
    #[error("the package holds other metadata than the server showed; the download was cancelled")]
    MetadataMismatch,
    /// The card did not install the profile; its report has been sent.
    #[error(
        "the card did not install the profile: {} failed with {} ({reason})",
        command_name(*command),
        reason_name(*reason)
    )]
    NotInstalled {
        /// bppCommandId.
        command: u32,
        /// errorReason.
        reason: u32,
    },
    /// An identifier cannot be used.
    #[error(transparent)]
    Identifier(#[from] InvalidIdentifier),
}

/// What the user says when asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// Install it.
    #[default]
    Install,
    /// Not now.
    Postpone,
    /// Never.
    Reject,
}

/// What is to be downloaded and how.
#[derive(Clone, Debug)]
pub struct DownloadRequest {
    /// The SM-DP+.
    pub address: ServerAddress,
    /// The matching identifier; empty in the default SM-DP+ address use case.
    pub matching_id: MatchingId,
    /// The OID that the activation code names.
    pub smdp_oid: Option<Oid>,
    /// The user's confirmation code.
    pub confirmation_code: Option<String>,
    /// Whether the user agrees to profile policy rules.
    pub accept_policy_rules: bool,
    /// What the user says to the profile as such.
    pub decision: Decision,
    /// The device's IMEI: eight octets.
    pub imei: Option<[u8; 8]>,
}

impl DownloadRequest {
    /// A download from `address` with nothing special about it.
    #[must_use]
    pub const fn new(address: ServerAddress, matching_id: MatchingId) -> Self {
        Self {
            address,
            matching_id,
            smdp_oid: None,
            confirmation_code: None,
            accept_policy_rules: false,
            decision: Decision::Install,
            imei: None,
        }
    }
}

impl From<ActivationCode> for DownloadRequest {
    fn from(code: ActivationCode) -> Self {
        Self { smdp_oid: code.smdp_oid, ..Self::new(code.address, code.matching_id) }
    }
}

/// A download that came to its end.
#[derive(Clone, Debug)]
pub struct Report {
    /// The profile.
    pub iccid: Iccid,
    /// serviceProviderName.
    pub service_provider_name: String,
    /// profileName.
    pub profile_name: String,
    /// The session.
    pub transaction_id: TransactionId,
    /// AID of the ISD-P that holds the profile.
    pub isdp_aid: Vec<u8>,
    /// Octets of the bound profile package.
    pub package_octets: usize,
    /// What became of the notifications for this server.
    pub delivery: Delivery,
}

/// What became of notifications.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// seqNumbers that a server took and the card has forgotten.
    pub sent: Vec<u32>,
    /// seqNumbers that wait on, with the reason.
    pub kept: Vec<(u32, String)>,
}

/// Hears of each step: its name in the standard and how long it took.
pub type Observer<'a> = &'a mut (dyn FnMut(&'static str, Duration) + Send);

/// A card and the way to servers.
#[derive(Debug)]
pub struct Lpa<T> {
    card: Es10Client<T>,
    servers: Es9PlusClient,
    clock: Clock,
}

/// The session between the two answers of the server.
struct Session<'r> {
    request: &'r DownloadRequest,
    transaction_id: TransactionId,
}

impl<T: ApduTransport> Lpa<T> {
    /// An LPA for an opened card.
    #[must_use]
    pub const fn new(card: Es10Client<T>, servers: Es9PlusClient, clock: Clock) -> Self {
        Self { card, servers, clock }
    }

    /// The card.
    pub const fn card(&mut self) -> &mut Es10Client<T> {
        &mut self.card
    }

    /// Gives the card back.
    #[must_use]
    pub fn into_card(self) -> Es10Client<T> {
        self.card
    }

    /// Downloads and installs a profile (3.1.3), and delivers the card's report.
    ///
    /// # Errors
    /// [`LpaError`], one variant per reason; where the standard says so, the session was cancelled.
    pub async fn download(
        &mut self,
        request: &DownloadRequest,
        observer: Observer<'_>,
    ) -> Result<Report, LpaError> {
        // Steps 1 to 5: challenge, InitiateAuthentication, whose server it is.
        let initiated = self.initiate_authentication(request, observer).await?;
        let session = Session { request, transaction_id: initiated.transaction_id.clone() };
        check_server(request, &initiated)?;
        // Steps 6 to 8: the card authenticates the server, the server the card.
        let offer = self.authenticate(&session, &initiated, observer).await?;
        // Step 9: what the user is asked.
        let metadata = StoreMetadataRequest::from_der(&offer.profile_metadata)?;
        let hash_cc = match consent(&session, &metadata, &offer) {
            Ok(hash_cc) => hash_cc,
            Err((reason, error)) => {
                self.cancel(&session, reason, observer).await;
                return Err(error);
            }
        };
        // Steps 10 to 12: one-time keys, the package.
        let package = self.get_package(&session, &offer, hash_cc.as_ref(), observer).await?;
        // Step 13: the same metadata.
        if !holds_metadata(&package, &offer.profile_metadata) {
            self.cancel(&session, cancel_session_reason::METADATA_MISMATCH, observer).await;
            return Err(LpaError::MetadataMismatch);
        }
        // Step 14: the package goes to the card.
        let result = match self.timed("ES10b.LoadBoundProfilePackage", observer, |card| {
            card.load_bound_profile_package(&package)
        }) {
            Ok(result) => result,
            Err(error) => {
                self.cancel(&session, cancel_session_reason::LOAD_BPP_EXECUTION_ERROR, observer).await;
                return Err(error.into());
            }
        };
        let result = ProfileInstallationResult::from_der(&result)?.data.value;
        // Steps 15 and 16: the report goes to the server; it waits on the card until it has arrived.
        // The profile is there or not whatever becomes of the report, so a card that fails here is told beside it.
        let seq_number = result.notification_metadata.seq_number;
        let delivery =
            self.deliver(Some(result.notification_metadata.address), observer).await.unwrap_or_else(
                |error| Delivery { kept: vec![(seq_number, error.to_string())], ..Delivery::default() },
            );
        match result.final_result {
            FinalResult::Success { aid, .. } => Ok(Report {
                iccid: Iccid::from_bcd(metadata.iccid)?,
                service_provider_name: metadata.service_provider_name.to_owned(),
                profile_name: metadata.profile_name.to_owned(),
                transaction_id: session.transaction_id,
                isdp_aid: aid.to_vec(),
                package_octets: package.len(),
                delivery,
            }),
            FinalResult::Error { bpp_command_id, error_reason, .. } => {
                Err(LpaError::NotInstalled { command: bpp_command_id, reason: error_reason })
            }
        }
    }

    async fn initiate_authentication(
        &mut self,
        request: &DownloadRequest,
        observer: Observer<'_>,
    ) -> Result<InitiateAuthenticationResponse, LpaError> {
        const FUNCTION: &str = "ES9+.InitiateAuthentication";
        let (euicc_info1, euicc_challenge) = self.timed("ES10b.GetEUICCChallenge", observer, |card| {
            Ok((card.get_euicc_info1()?, card.get_euicc_challenge()?))
        })?;
        let message = InitiateAuthenticationRequest {
            euicc_challenge,
            euicc_info1,
            smdp_address: request.address.to_string(),
        };
        let start = self.clock.monotonic();
        let answer = self.servers.initiate_authentication(&request.address, &message).await;
        observer(FUNCTION, self.clock.monotonic().saturating_sub(start));
        answer.map_err(|error| LpaError::Server { function: FUNCTION, error })
    }

    async fn authenticate(
        &mut self,
        session: &Session<'_>,
        initiated: &InitiateAuthenticationResponse,
        observer: Observer<'_>,
    ) -> Result<AuthenticateClientResponse, LpaError> {
        const FUNCTION: &str = "ES9+.AuthenticateClient";
        let request = session.request;
        let context = CtxParams1 {
            matching_id: Some(request.matching_id.as_str()),
            device_info: DeviceInfo {
                tac: &request.imei.map_or(DEFAULT_TAC, |imei| {
                    let [a, b, c, d, ..] = imei;
                    [a, b, c, d]
                }),
                device_capabilities: &[],
                imei: request.imei,
                extensions: &[],
            },
        };
        let context_octets = context.to_der();
        let command = AuthenticateServerRequest {
            server_signed1: Raw::from_der(&initiated.server_signed1)?,
            server_signature1: signature(&initiated.server_signature1)?,
            ci_pk_id_to_be_used: octet_string(&initiated.euicc_ci_pk_id_to_be_used)?,
            server_certificate: &initiated.server_certificate,
            ctx_params1: Raw { bytes: &context_octets, value: context },
        };
        let authenticate_server_response =
            self.timed("ES10b.AuthenticateServer", observer, |card| card.authenticate_server(&command))?;
        let message = AuthenticateClientRequest {
            transaction_id: session.transaction_id.clone(),
            authenticate_server_response,
        };
        let start = self.clock.monotonic();
        let answer = self.servers.authenticate_client(&request.address, &message).await;
        observer(FUNCTION, self.clock.monotonic().saturating_sub(start));
        answer.map_err(|error| LpaError::Server { function: FUNCTION, error })
    }

    async fn get_package(
        &mut self,
        session: &Session<'_>,
        offer: &AuthenticateClientResponse,
        hash_cc: Option<&[u8; 32]>,
        observer: Observer<'_>,
    ) -> Result<Vec<u8>, LpaError> {
        const FUNCTION: &str = "ES9+.GetBoundProfilePackage";
        let command = PrepareDownloadRequest {
            smdp_signed2: Raw::from_der(&offer.smdp_signed2)?,
            smdp_signature2: signature(&offer.smdp_signature2)?,
            hash_cc: hash_cc.map(|hash| &hash[..]),
            smdp_certificate: &offer.smdp_certificate,
        };
        let prepare_download_response =
            self.timed("ES10b.PrepareDownload", observer, |card| card.prepare_download(&command))?;
        let message = GetBoundProfilePackageRequest {
            transaction_id: session.transaction_id.clone(),
            prepare_download_response,
        };
        let start = self.clock.monotonic();
        let answer = self.servers.get_bound_profile_package(&session.request.address, &message).await;
        observer(FUNCTION, self.clock.monotonic().saturating_sub(start));
        answer
            .map(|answer| answer.bound_profile_package)
            .map_err(|error| LpaError::Server { function: FUNCTION, error })
    }

    /// Ends a session on both sides (3.0.2). The reason for ending it is what the caller reports, so a failure to
    /// say so is only logged.
    async fn cancel(&mut self, session: &Session<'_>, reason: u32, observer: Observer<'_>) {
        let signed = self.timed("ES10b.CancelSession", observer, |card| {
            card.cancel_session(session.transaction_id.as_octets(), reason)
        });
        let cancel_session_response = match signed {
            Ok(response) => response,
            Err(error) => return tracing::warn!(%error, "the card does not cancel the session"),
        };
        let message =
            CancelSessionRequest { transaction_id: session.transaction_id.clone(), cancel_session_response };
        let start = self.clock.monotonic();
        let answer = self.servers.cancel_session(&session.request.address, &message).await;
        observer("ES9+.CancelSession", self.clock.monotonic().saturating_sub(start));
        if let Err(error) = answer {
            tracing::warn!(%error, "the server does not cancel the session");
        }
    }

    /// Delivers the notifications that wait on the card (3.5): to each recipient one after the other in rising order,
    /// removed as soon as the recipient has taken it; a recipient that fails is not asked again. `only` limits it to
    /// one recipient.
    ///
    /// # Errors
    /// [`LpaError`] if the card fails; what a server says stands in the [`Delivery`].
    pub async fn deliver(
        &mut self,
        only: Option<&str>,
        observer: Observer<'_>,
    ) -> Result<Delivery, LpaError> {
        const FUNCTION: &str = "ES9+.HandleNotification";
        let mut delivery = Delivery::default();
        let mut failed: Vec<String> = Vec::new();
        for pending in self.card.list_notifications()? {
            if only.is_some_and(|only| !only.eq_ignore_ascii_case(&pending.address)) {
                continue;
            }
            if failed.contains(&pending.address) {
                delivery.kept.push((pending.seq_number, "waits for the one before it".to_owned()));
                continue;
            }
            let Some(notification) = self.card.retrieve_notification(pending.seq_number)? else { continue };
            let outcome = match ServerAddress::parse(&pending.address) {
                Ok(address) => {
                    let start = self.clock.monotonic();
                    let outcome = self.servers.handle_notification(&address, &notification).await;
                    observer(FUNCTION, self.clock.monotonic().saturating_sub(start));
                    outcome.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            match outcome {
                Ok(()) => {
                    self.card.remove_notification(pending.seq_number)?;
                    delivery.sent.push(pending.seq_number);
                }
                Err(reason) => {
                    delivery.kept.push((pending.seq_number, reason));
                    failed.push(pending.address);
                }
            }
        }
        Ok(delivery)
    }

    /// Enables, disables or deletes a profile; its notifications wait on the card.
    ///
    /// # Errors
    /// [`LpaError::Card`] with the card's result.
    pub fn manage_profile(&mut self, action: ProfileAction, iccid: &Iccid) -> Result<(), LpaError> {
        Ok(self.card.manage_profile(action, iccid)?)
    }

    fn timed<R>(
        &mut self,
        step: &'static str,
        observer: Observer<'_>,
        call: impl FnOnce(&mut Es10Client<T>) -> Result<R, Es10Error>,
    ) -> Result<R, Es10Error> {
        let start = self.clock.monotonic();
        let result = call(&mut self.card);
        observer(step, self.clock.monotonic().saturating_sub(start));
        result
    }
}

/// Step 5: the server that was called, and the one that the activation code names.
fn check_server(
    request: &DownloadRequest,
    initiated: &InitiateAuthenticationResponse,
) -> Result<(), LpaError> {
    let signed = ServerSigned1::from_der(&initiated.server_signed1)?;
    if ServerAddress::parse(signed.server_address).ok().as_ref() != Some(&request.address) {
        return Err(LpaError::OtherAddress {
            expected: request.address.clone(),
            found: signed.server_address.to_owned(),
        });
    }
    let Some(expected) = &request.smdp_oid else { return Ok(()) };
    let certificate = Certificate::from_der(&initiated.server_certificate)?;
    let found = certificate.registered_id();
    if found == Some(expected) {
        return Ok(());
    }
    Err(LpaError::OtherOid { expected: expected.clone(), found: found.cloned() })
}

/// Step 9: what the user decides, and the proof of the confirmation code. An error comes with the reason to cancel.
fn consent(
    session: &Session<'_>,
    metadata: &StoreMetadataRequest<'_>,
    offer: &AuthenticateClientResponse,
) -> Result<Option<[u8; 32]>, (u32, LpaError)> {
    let request = session.request;
    match request.decision {
        Decision::Install => {}
        Decision::Postpone => {
            return Err((cancel_session_reason::POSTPONED, LpaError::Declined("postponed")));
        }
        Decision::Reject => {
            return Err((cancel_session_reason::END_USER_REJECTION, LpaError::Declined("rejected")));
        }
    }
    if metadata.profile_policy_rules.0 != 0 && !request.accept_policy_rules {
        // Every rule is one that the card's rules authorisation table allows with the user's consent (2.9.2.4), which
        // is all that is missing: the user may come back with it. pprNotAllowed would end the order.
        return Err((cancel_session_reason::POSTPONED, LpaError::PolicyRules));
    }
    let signed2 = SmdpSigned2::from_der(&offer.smdp_signed2)
        .map_err(|error| (cancel_session_reason::UNDEFINED, error.into()))?;
    match (&request.confirmation_code, signed2.cc_required_flag) {
        (Some(code), true) => Ok(Some(hash_cc(&code_hash(code), &session.transaction_id))),
        // The order stays: the user may come back with the code.
        (None, true) => Err((cancel_session_reason::POSTPONED, LpaError::ConfirmationCodeRequired)),
        (_, false) => Ok(None),
    }
}

/// Whether a package stores exactly these metadata.
fn holds_metadata(package: &[u8], metadata: &[u8]) -> bool {
    let held = BoundProfilePackage::from_der(package).and_then(|bound| bound.metadata());
    held.is_ok_and(|held| held == metadata)
}

/// The 64 octets of a TLV `5F37`.
fn signature(tlv: &[u8]) -> Result<&[u8; 64], Error> {
    let mut reader = Reader::new(tlv, "signature");
    let signature = reader.expect(SIGNATURE)?.array("signature")?;
    reader.finish()?;
    Ok(signature)
}

/// The content of a TLV `04`.
fn octet_string(tlv: &[u8]) -> Result<&[u8], Error> {
    let mut reader = Reader::new(tlv, "euiccCiPKIdToBeUsed");
    let content = reader.expect(Tag::OCTET_STRING)?.value;
    reader.finish()?;
    Ok(content)
}
