//! Common mutual authentication and the start of a download on the card: ES10b.AuthenticateServer (SGP.22 5.7.13),
//! PrepareDownload (5.7.5), CancelSession (5.7.14).
//!
//! There is one session context. What the server signed is verified over the octets received, and what is copied
//! into the card's own signed data is copied as received.

use simyard_asn1::Raw;
use simyard_asn1::rsp::ONE_TIME_KEY;
use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::rsp::authentication::{
    AuthenticateResponseError, AuthenticateServerRequest, AuthenticateServerResponse, authenticate_error,
};
use simyard_asn1::rsp::download::{
    CancelSessionRequest, CancelSessionResponse, EuiccCancelSessionSigned, PrepareDownloadRequest,
    PrepareDownloadResponse, download_error,
};
use simyard_asn1::tlv::{Decode, Encode, Reader, Tag, Writer};
use zeroize::Zeroizing;

use super::apdu::StatusWord;
use super::card::Card;
use super::download::Load;
use super::es10::malformed;
use crate::crypto::ecdsa::{Curve, PublicKey};
use crate::crypto::ecka::{EckaError, EphemeralKey};
use crate::env::Rng;
use crate::pki::error::{PathError, Refusal, ServerCertificateError};
use crate::pki::{Certificate, VerifiedDpAuth, VerifiedDpPb};

/// How far the one session has come.
pub(super) enum Session {
    /// No challenge is open.
    None,
    /// GetEuiccChallenge was answered.
    Challenged([u8; 16]),
    /// AuthenticateServer was answered.
    Authenticated(Box<Authenticated>),
    /// PrepareDownload was answered.
    Prepared(Box<Prepared>),
    /// A package is being loaded.
    Loading(Box<Prepared>, Box<Load>),
}

/// A server that has proved itself.
pub(super) struct Authenticated {
    pub(super) transaction_id: Vec<u8>,
    pub(super) server_address: String,
    pub(super) dp_auth: VerifiedDpAuth,
    /// The CI under which the card signs in this session: euiccCiPKIdToBeUsed.
    pub(super) ci_key_identifier: Vec<u8>,
    euicc_signature1: [u8; 64],
}

/// A download that was agreed.
pub(super) struct Prepared {
    pub(super) authenticated: Authenticated,
    pub(super) dp_pb: VerifiedDpPb,
}

impl Session {
    const fn authenticated(&self) -> Option<&Authenticated> {
        match self {
            Self::None | Self::Challenged(_) => None,
            Self::Authenticated(authenticated) => Some(authenticated),
            Self::Prepared(prepared) | Self::Loading(prepared, _) => Some(&prepared.authenticated),
        }
    }
}

/// otSK.EUICC and otPK.EUICC, kept until a package made for them has a result (SGP.22 3.1.3.1).
pub(super) struct OneTimeKey {
    scalar: Zeroizing<[u8; 32]>,
    public: PublicKey,
}

impl OneTimeKey {
    fn generate(rng: &Rng, curve: Curve) -> Result<Self, EckaError> {
        let (key, scalar) = EphemeralKey::generate_with_scalar(rng, curve)?;
        Ok(Self { scalar, public: *key.public_key() })
    }

    pub(super) const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn key(&self) -> Result<EphemeralKey, EckaError> {
        EphemeralKey::from_scalar(self.public.curve(), &self.scalar)
    }
}

/// Which AuthenticateErrorCode a refused CERT.DPauth gives.
const fn authentication_code(error: &ServerCertificateError) -> u32 {
    match error {
        ServerCertificateError::Path(PathError::Role { .. }) => authenticate_error::INVALID_OID,
        ServerCertificateError::Path(path) => match path.kind() {
            Refusal::UnknownCi => authenticate_error::CI_PK_UNKNOWN,
            Refusal::Expired => authenticate_error::INVALID_CERTIFICATE,
            Refusal::Verification if path.is_unsupported_curve() => authenticate_error::UNSUPPORTED_CURVE,
            Refusal::Verification => authenticate_error::INVALID_CERTIFICATE,
        },
        ServerCertificateError::ObjectIdentifierMissing
        | ServerCertificateError::OtherCi
        | ServerCertificateError::OtherObjectIdentifier { .. }
        | ServerCertificateError::Purpose(_)
        | ServerCertificateError::HostName { .. }
        | ServerCertificateError::OtherKey => authenticate_error::INVALID_CERTIFICATE,
    }
}

/// Which DownloadErrorCode a refused CERT.DPpb gives.
fn download_code(error: &ServerCertificateError) -> u32 {
    let unsupported = matches!(error, ServerCertificateError::Path(path) if path.is_unsupported_curve());
    if unsupported { download_error::UNSUPPORTED_CURVE } else { download_error::INVALID_CERTIFICATE }
}

/// The transactionId of a request whose other members cannot be read, so that the error can name it.
fn transaction_id_of(request: &[u8]) -> Option<&[u8]> {
    let outer = Reader::new(request, "request").read().ok()?;
    let signed = outer.members("request").expect(Tag::SEQUENCE).ok()?;
    signed.members("request").expect(Tag(0x80)).ok()?.sized(1..=16, "transactionId").ok()
}

/// `5F37` with a signature: what the other side's next signature covers too.
pub(super) fn signature_tlv(signature: &[u8; 64]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.tlv(SIGNATURE, signature);
    writer.finish()
}

impl Card {
    pub(super) fn authenticate_server(&mut self, octets: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let refuse = |transaction_id: &[u8], code| {
            let error = AuthenticateResponseError { transaction_id, code };
            AuthenticateServerResponse::Error(error).to_der()
        };
        let request = match AuthenticateServerRequest::from_der(octets) {
            Ok(request) => request,
            Err(error) => {
                let transaction_id = transaction_id_of(octets).ok_or_else(|| malformed(&error))?;
                return Ok(refuse(transaction_id, authenticate_error::UNDEFINED));
            }
        };
        let transaction_id = request.server_signed1.value.transaction_id;
        if self.state.has_active_ecall() {
            return Ok(refuse(transaction_id, authenticate_error::ECALL_ACTIVE));
        }
        // A challenge serves one attempt.
        let session = std::mem::replace(&mut self.session, Session::None);
        let Session::Challenged(challenge) = session else {
            return Ok(refuse(transaction_id, authenticate_error::NO_SESSION_CONTEXT));
        };
        match self.verify_server(&request, &challenge) {
            Ok(dp_auth) => self.answer_server(&request, dp_auth),
            Err(code) => Ok(refuse(transaction_id, code)),
        }
    }

    fn verify_server(
        &self,
        request: &AuthenticateServerRequest<'_>,
        challenge: &[u8; 16],
    ) -> Result<VerifiedDpAuth, u32> {
        if !self.identity.signing_keys().contains(&request.ci_pk_id_to_be_used) {
            return Err(authenticate_error::CI_PK_UNKNOWN);
        }
        let certificate = Certificate::from_der(request.server_certificate)
            .map_err(|_| authenticate_error::INVALID_CERTIFICATE)?;
        let dp_auth = self
            .identity
            .anchors
            .verify_dp_auth(&certificate, self.clock.now())
            .map_err(|error| authentication_code(&error))?;
        dp_auth
            .public_key()
            .verify(request.server_signed1.bytes, request.server_signature1)
            .map_err(|_| authenticate_error::INVALID_SIGNATURE)?;
        if request.server_signed1.value.euicc_challenge != challenge {
            return Err(authenticate_error::EUICC_CHALLENGE_MISMATCH);
        }
        Ok(dp_auth)
    }

    fn answer_server(
        &mut self,
        request: &AuthenticateServerRequest<'_>,
        dp_auth: VerifiedDpAuth,
    ) -> Result<Vec<u8>, StatusWord> {
        let signed1 = &request.server_signed1.value;
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .tlv(Tag(0x80), signed1.transaction_id)
                .tlv(Tag(0x83), signed1.server_address.as_bytes())
                .tlv(Tag(0x84), signed1.server_challenge)
                .raw(&self.euicc_info2())
                .raw(request.ctx_params1.bytes);
        });
        let euicc_signed1 = writer.finish();
        let credential = self.identity.credential(request.ci_pk_id_to_be_used)?;
        let euicc_signature1 = credential.sign(&euicc_signed1)?;
        let mut writer = Writer::new();
        writer.nested(AuthenticateServerRequest::TAG, |choice| {
            choice.nested(Tag(0xA0), |members| {
                members
                    .raw(&euicc_signed1)
                    .tlv(SIGNATURE, &euicc_signature1)
                    .raw(credential.euicc_certificate.der())
                    .raw(credential.eum_certificate.der());
            });
        });
        self.session = Session::Authenticated(Box::new(Authenticated {
            transaction_id: signed1.transaction_id.to_vec(),
            server_address: signed1.server_address.to_owned(),
            dp_auth,
            ci_key_identifier: request.ci_pk_id_to_be_used.to_vec(),
            euicc_signature1,
        }));
        Ok(writer.finish())
    }

    pub(super) fn prepare_download(&mut self, octets: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let refuse =
            |transaction_id: &[u8], code| PrepareDownloadResponse::Error { transaction_id, code }.to_der();
        let request = match PrepareDownloadRequest::from_der(octets) {
            Ok(request) => request,
            Err(error) => {
                let transaction_id = transaction_id_of(octets).ok_or_else(|| malformed(&error))?;
                return Ok(refuse(transaction_id, download_error::UNDEFINED));
            }
        };
        let transaction_id = request.smdp_signed2.value.transaction_id;
        if self.state.has_active_ecall() {
            return Ok(refuse(transaction_id, download_error::ECALL_ACTIVE));
        }
        let Some(authenticated) = self.session.authenticated() else {
            return Ok(refuse(transaction_id, download_error::NO_SESSION_CONTEXT));
        };
        let dp_pb = match self.verify_binding(&request, authenticated) {
            Ok(dp_pb) => dp_pb,
            Err(code) => return Ok(refuse(transaction_id, code)),
        };
        self.answer_binding(&request, dp_pb)
    }

    fn verify_binding(
        &self,
        request: &PrepareDownloadRequest<'_>,
        authenticated: &Authenticated,
    ) -> Result<VerifiedDpPb, u32> {
        let certificate = Certificate::from_der(request.smdp_certificate)
            .map_err(|_| download_error::INVALID_CERTIFICATE)?;
        let dp_pb = self
            .identity
            .anchors
            .verify_dp_pb(&authenticated.dp_auth, &certificate, self.clock.now())
            .map_err(|error| download_code(&error))?;
        let mut signed = request.smdp_signed2.bytes.to_vec();
        signed.extend(signature_tlv(&authenticated.euicc_signature1));
        dp_pb
            .public_key()
            .verify(&signed, request.smdp_signature2)
            .map_err(|_| download_error::INVALID_SIGNATURE)?;
        if request.smdp_signed2.value.transaction_id != authenticated.transaction_id {
            return Err(download_error::INVALID_TRANSACTION_ID);
        }
        Ok(dp_pb)
    }

    fn answer_binding(
        &mut self,
        request: &PrepareDownloadRequest<'_>,
        dp_pb: VerifiedDpPb,
    ) -> Result<Vec<u8>, StatusWord> {
        let signed2 = &request.smdp_signed2.value;
        // The key of an earlier binding is used again if the server still has that package and the card the key.
        let wanted = signed2.bpp_euicc_otpk;
        let curve = dp_pb.public_key().curve();
        let kept = self.kept_key.take().filter(|kept| wanted == Some(kept.public().as_point().as_slice()));
        let kept = kept.filter(|kept| kept.public().curve() == curve);
        let one_time = match kept {
            Some(kept) => kept,
            None => OneTimeKey::generate(&self.rng, curve).map_err(|error| {
                tracing::error!(%error, "the card cannot make a one-time key");
                StatusWord::TECHNICAL_PROBLEM
            })?,
        };
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .tlv(Tag(0x80), signed2.transaction_id)
                .tlv(ONE_TIME_KEY, one_time.public().as_point())
                .optional(Tag::OCTET_STRING, request.hash_cc);
        });
        let euicc_signed2 = writer.finish();
        let mut covered = euicc_signed2.clone();
        covered.extend(signature_tlv(request.smdp_signature2));
        let authenticated = self.session.authenticated().ok_or(StatusWord::TECHNICAL_PROBLEM)?;
        let credential = self.identity.credential(&authenticated.ci_key_identifier)?;
        let euicc_signature2 = credential.sign(&covered)?;
        let mut writer = Writer::new();
        writer.nested(PrepareDownloadRequest::TAG, |choice| {
            choice.nested(Tag(0xA0), |members| {
                members.raw(&euicc_signed2).tlv(SIGNATURE, &euicc_signature2);
            });
        });
        self.kept_key = Some(one_time);
        self.session = match std::mem::replace(&mut self.session, Session::None) {
            Session::None | Session::Challenged(_) => Session::None,
            Session::Authenticated(authenticated) => {
                Session::Prepared(Box::new(Prepared { authenticated: *authenticated, dp_pb }))
            }
            Session::Prepared(prepared) | Session::Loading(prepared, _) => {
                Session::Prepared(Box::new(Prepared { authenticated: prepared.authenticated, dp_pb }))
            }
        };
        Ok(writer.finish())
    }

    pub(super) fn cancel_session(&mut self, octets: &[u8]) -> Result<Vec<u8>, StatusWord> {
        const INVALID_TRANSACTION_ID: u32 = 5;
        let request = CancelSessionRequest::from_der(octets).map_err(|error| malformed(&error))?;
        let authenticated =
            self.session.authenticated().filter(|session| session.transaction_id == request.transaction_id);
        let Some(authenticated) = authenticated else {
            return Ok(CancelSessionResponse::Error(INVALID_TRANSACTION_ID).to_der());
        };
        let value = EuiccCancelSessionSigned {
            transaction_id: request.transaction_id,
            smdp_oid: authenticated.dp_auth.oid().clone(),
            reason: request.reason,
        };
        let signed = value.to_der();
        let signature = self.identity.credential(&authenticated.ci_key_identifier)?.sign(&signed)?;
        let response =
            CancelSessionResponse::Ok { signed: Raw { bytes: &signed, value }, signature: &signature };
        let response = response.to_der();
        self.session = Session::None;
        Ok(response)
    }
}
