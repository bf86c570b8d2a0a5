//! The installation of a profile (SGP.22 3.1.3, steps 1 to 14; SGP.32 3.2.3.1 and 3.2.3.2): from the card's challenge to
//! what the card says of the package.
//!
//! Of what passes through it the device verifies what the standard asks of an LPA: the server's address and OID, that the
//! metadata it showed are those in the package, and the user's decisions. All else the card verifies.

use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::rsp::authentication::{AuthenticateServerRequest, CtxParams1, DeviceInfo, ServerSigned1};
use simyard_asn1::rsp::download::{PrepareDownloadRequest, SmdpSigned2, cancel_session_reason};
use simyard_asn1::rsp::es9plus::Function;
use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::rsp::package::BoundProfilePackage;
use simyard_asn1::tlv::{Decode, Encode, Reader, Tag};
use simyard_asn1::{Error, Raw};

use super::es10_client::{Es10Client, Es10Error};
use super::lpa::{Decision, DownloadRequest, LpaError, Observer};
use super::rsp_server::{Offer, RspServer};
use super::transport::ApduTransport;
use crate::binding::es9plus::{
    AuthenticateClientRequest, CancelSessionRequest, GetBoundProfilePackageRequest,
    InitiateAuthenticationRequest, InitiateAuthenticationResponse,
};
use crate::client::ClientError;
use crate::crypto::hash::{code_hash, hash_cc};
use crate::env::Clock;
use crate::ident::{ServerAddress, TransactionId};
use crate::pki::Certificate;

/// The TAC that is told where the device has none: one of the test range.
pub(super) const DEFAULT_TAC: [u8; 4] = [0x35, 0x29, 0x06, 0x11];

/// A package that the card has taken, whether it installed it or not.
#[derive(Debug)]
pub(super) struct Installed {
    /// ProfileInstallationResult: DER, `BF37`.
    pub(super) result: Vec<u8>,
    /// The session.
    pub(super) transaction_id: TransactionId,
    /// profileMetadata as the package holds them: DER, `BF25`.
    pub(super) metadata: Vec<u8>,
    /// Octets of the bound profile package.
    pub(super) package_octets: usize,
}

/// Downloads a profile and hands it to the card.
///
/// # Errors
/// [`LpaError`], one variant per reason; where the standard says so, the session was cancelled.
pub(super) async fn install<T: ApduTransport, S: RspServer>(
    card: &mut Es10Client<T>,
    server: &S,
    request: &DownloadRequest,
    clock: &Clock,
    observer: Observer<'_>,
) -> Result<Installed, LpaError> {
    let mut device = Device { card, server, request, clock, observer };
    // Steps 1 to 5: challenge, InitiateAuthentication, whose server it is.
    let initiated = device.initiate_authentication().await?;
    let transaction_id = &initiated.transaction_id;
    check_server(request, &initiated)?;
    // Steps 6 to 8: the card authenticates the server, the server the card.
    let offer = device.authenticate(&initiated).await?;
    // Step 9: what the user is asked.
    let hash_cc = match consent(request, transaction_id, &offer) {
        Ok(hash_cc) => hash_cc,
        Err((Some(reason), error)) => {
            device.cancel(transaction_id, reason).await;
            return Err(error);
        }
        Err((None, error)) => return Err(error),
    };
    // Steps 10 to 12: one-time keys, the package.
    let package = device.get_package(transaction_id, &offer, hash_cc.as_deref()).await?;
    // Step 13: the same metadata.
    let metadata = match (held_metadata(&package), offer.profile_metadata) {
        (Some(held), Some(shown)) if held == shown => held,
        (Some(held), None) => held,
        _ => {
            device.cancel(transaction_id, cancel_session_reason::METADATA_MISMATCH).await;
            return Err(LpaError::MetadataMismatch);
        }
    };
    // Step 14: the package goes to the card.
    let loaded =
        device.timed("ES10b.LoadBoundProfilePackage", |card| card.load_bound_profile_package(&package));
    match loaded {
        Ok(result) => Ok(Installed {
            result,
            transaction_id: initiated.transaction_id,
            metadata,
            package_octets: package.len(),
        }),
        Err(error) => {
            device.cancel(transaction_id, cancel_session_reason::LOAD_BPP_EXECUTION_ERROR).await;
            Err(error.into())
        }
    }
}

/// What all steps have in common.
struct Device<'a, T, S> {
    card: &'a mut Es10Client<T>,
    server: &'a S,
    request: &'a DownloadRequest,
    clock: &'a Clock,
    observer: Observer<'a>,
}

impl<T: ApduTransport, S: RspServer> Device<'_, T, S> {
    async fn initiate_authentication(&mut self) -> Result<InitiateAuthenticationResponse, LpaError> {
        let (euicc_info1, euicc_challenge) = self.timed("ES10b.GetEUICCChallenge", |card| {
            Ok((card.get_euicc_info1()?, card.get_euicc_challenge()?))
        })?;
        let message = InitiateAuthenticationRequest {
            euicc_challenge,
            euicc_info1,
            smdp_address: self.request.address.to_string(),
        };
        let server = self.server;
        self.called(Function::InitiateAuthentication, server.initiate_authentication(message)).await
    }

    async fn authenticate(&mut self, initiated: &InitiateAuthenticationResponse) -> Result<Offer, LpaError> {
        let request = self.request;
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
            ci_pk_id_to_be_used: octet_string(&initiated.euicc_ci_pk_id_to_be_used, "euiccCiPKIdToBeUsed")?,
            server_certificate: &initiated.server_certificate,
            ctx_params1: Raw { bytes: &context_octets, value: context },
        };
        let authenticate_server_response =
            self.timed("ES10b.AuthenticateServer", |card| card.authenticate_server(&command))?;
        let message = AuthenticateClientRequest {
            transaction_id: initiated.transaction_id.clone(),
            authenticate_server_response,
        };
        let server = self.server;
        self.called(Function::AuthenticateClient, server.authenticate_client(message)).await
    }

    async fn get_package(
        &mut self,
        transaction_id: &TransactionId,
        offer: &Offer,
        hash_cc: Option<&[u8]>,
    ) -> Result<Vec<u8>, LpaError> {
        let command = PrepareDownloadRequest {
            smdp_signed2: Raw::from_der(&offer.smdp_signed2)?,
            smdp_signature2: signature(&offer.smdp_signature2)?,
            hash_cc,
            smdp_certificate: &offer.smdp_certificate,
        };
        let prepare_download_response =
            self.timed("ES10b.PrepareDownload", |card| card.prepare_download(&command))?;
        let message = GetBoundProfilePackageRequest {
            transaction_id: transaction_id.clone(),
            prepare_download_response,
        };
        let server = self.server;
        self.called(Function::GetBoundProfilePackage, server.get_bound_profile_package(message)).await
    }

    /// Ends a session on both sides (3.0.2). The reason for ending it is what the caller reports, so a failure to
    /// say so is only logged.
    async fn cancel(&mut self, transaction_id: &TransactionId, reason: u32) {
        let signed =
            self.timed("ES10b.CancelSession", |card| card.cancel_session(transaction_id.as_octets(), reason));
        let cancel_session_response = match signed {
            Ok(response) => response,
            Err(error) => return tracing::warn!(%error, "the card does not cancel the session"),
        };
        let message =
            CancelSessionRequest { transaction_id: transaction_id.clone(), cancel_session_response };
        let server = self.server;
        if let Err(error) = self.called(Function::CancelSession, server.cancel_session(message)).await {
            tracing::warn!(%error, "the server does not cancel the session");
        }
    }

    /// A step on the card, and how long it took.
    fn timed<R>(
        &mut self,
        step: &'static str,
        call: impl FnOnce(&mut Es10Client<T>) -> Result<R, Es10Error>,
    ) -> Result<R, Es10Error> {
        let start = self.clock.monotonic();
        let result = call(self.card);
        (self.observer)(step, self.clock.monotonic().saturating_sub(start));
        result
    }

    /// A step at the server, and how long it took.
    async fn called<R>(
        &mut self,
        function: Function,
        call: impl Future<Output = Result<R, ClientError>>,
    ) -> Result<R, LpaError> {
        let function = self.server.name(function);
        let start = self.clock.monotonic();
        let answer = call.await;
        (self.observer)(function, self.clock.monotonic().saturating_sub(start));
        answer.map_err(|error| LpaError::Server { function, error })
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

/// Step 9: what the user decides, and the proof of the confirmation code. An error comes with the reason to cancel; with
/// none where the answer cannot be read.
fn consent(
    request: &DownloadRequest,
    transaction_id: &TransactionId,
    offer: &Offer,
) -> Result<Option<Vec<u8>>, (Option<u32>, LpaError)> {
    let metadata = match &offer.profile_metadata {
        Some(shown) => Some(StoreMetadataRequest::from_der(shown).map_err(|error| (None, error.into()))?),
        None => None,
    };
    match request.decision {
        Decision::Install => {}
        Decision::Postpone => {
            return Err((Some(cancel_session_reason::POSTPONED), LpaError::Declined("postponed")));
        }
        Decision::Reject => {
            return Err((Some(cancel_session_reason::END_USER_REJECTION), LpaError::Declined("rejected")));
        }
    }
    // An eIM that keeps the metadata has verified them, and the rules among them.
    if metadata.is_some_and(|shown| shown.profile_policy_rules.0 != 0) && !request.accept_policy_rules {
        // Every rule is one that the card's rules authorisation table allows with the user's consent (2.9.2.4), which
        // is all that is missing: the user may come back with it. pprNotAllowed would end the order.
        return Err((Some(cancel_session_reason::POSTPONED), LpaError::PolicyRules));
    }
    let undefined = |error: Error| (Some(cancel_session_reason::UNDEFINED), error.into());
    let signed2 = SmdpSigned2::from_der(&offer.smdp_signed2).map_err(undefined)?;
    match (&offer.hash_cc, &request.confirmation_code) {
        _ if !signed2.cc_required_flag => Ok(None),
        (Some(hash), _) => Ok(Some(octet_string(hash, "hashCc").map_err(undefined)?.to_vec())),
        (None, Some(code)) => Ok(Some(hash_cc(&code_hash(code), transaction_id).to_vec())),
        // The order stays: the user may come back with the code.
        (None, None) => Err((Some(cancel_session_reason::POSTPONED), LpaError::ConfirmationCodeRequired)),
    }
}

/// The metadata that a package stores.
fn held_metadata(package: &[u8]) -> Option<Vec<u8>> {
    BoundProfilePackage::from_der(package).and_then(|bound| bound.metadata()).ok()
}

/// The 64 octets of a TLV `5F37`.
fn signature(tlv: &[u8]) -> Result<&[u8; 64], Error> {
    let mut reader = Reader::new(tlv, "signature");
    let signature = reader.expect(SIGNATURE)?.array("signature")?;
    reader.finish()?;
    Ok(signature)
}

/// The content of a TLV `04`.
fn octet_string<'a>(tlv: &'a [u8], what: &'static str) -> Result<&'a [u8], Error> {
    let mut reader = Reader::new(tlv, what);
    let content = reader.expect(Tag::OCTET_STRING)?.value;
    reader.finish()?;
    Ok(content)
}
