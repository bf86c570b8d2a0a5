//! ESipa.AuthenticateClient (SGP.32 5.14.3) towards an SM-DP+: who the eUICC is, and which profile it may have.
//!
//! What the eUICC signed goes on octet for octet; a compact form is made whole first. Repeated with the same octets, it
//! gives the same answer without another call; any other second call finds no session. A refusal of the SM-DP+ ends the
//! session, its silence leaves it for a repetition.
//!
//! Not here: an SM-DS behind the eIM, whose answer would be another one.

use simyard_asn1::iot::compact::{CompactAuthenticateResponse, Incomplete, KnownOfEuicc};
use simyard_asn1::iot::esipa::{
    AuthenticateClientErrorEsipa as Code, AuthenticateClientOkDp, AuthenticateClientRequest,
};
use simyard_asn1::rsp::authentication::{
    AuthenticateResponseOk, AuthenticateServerRequest, AuthenticateServerResponse, ServerSigned1,
};
use simyard_asn1::rsp::download::SmdpSigned2;
use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::rsp::rules::RulesAuthorisationTable;
use simyard_asn1::tlv::Reader;
use simyard_asn1::{Decode as _, Tag, Writer};

use super::Eim;
use super::caller::DeviceCaller;
use super::relay::policy::forbidden_rule;
use super::relay::refusal::SmdpRefusal;
use super::relay::sessions::{Authenticated, RelayGuard, RelaySession};
use super::relay::{KnownOfDevice, alternative};
use super::status::{EsipaCode, EsipaError};
use crate::binding::es9plus::{
    AuthenticateClientRequest as Es9PlusRequest, AuthenticateClientResponse as Es9PlusResponse,
};
use crate::crypto::ecdsa::PublicKey;
use crate::crypto::hash::{hash_cc, sha256};
use crate::ident::{Eid, Iccid, InvalidIdentifier, TransactionId};
use crate::pki::{Certificate, CertificateError};
use crate::store::StoreError;

/// What is answered where nothing says more.
const UNDEFINED: EsipaCode = EsipaCode::AuthenticateClient(Code::UndefinedError);

/// Why the eUICC gets no profile; one variant for each rule of 5.14.3.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateClientError {
    /// No session of this device waits for this call.
    #[error("no session waits for AuthenticateClient")]
    UnknownTransaction,
    /// authenticateServerResponse is none.
    #[error("authenticateServerResponse cannot be read: {0}")]
    Form(#[source] simyard_asn1::Error),
    /// A compact form leaves out what is not known.
    #[error("authenticateServerResponse cannot be made whole: {0}")]
    Incomplete(#[from] Incomplete),
    /// The eUICC signed another transactionId.
    #[error("the eUICC signed another transactionId")]
    OtherTransaction,
    /// The eUICC's certificate is none.
    #[error("the certificate of the eUICC cannot be read: {0}")]
    EuiccForm(#[from] CertificateError),
    /// Another eUICC answers than the one that the trigger was for.
    #[error("the trigger was for eUICC {expected}, the certificate is of {found}")]
    OtherEuicc {
        /// Of the trigger.
        expected: Eid,
        /// As its certificate names it.
        found: String,
    },
    /// euiccSignature1 does not verify.
    #[error("euiccSignature1 does not verify")]
    Signature,
    /// The SM-DP+ refused, or did not answer.
    #[error(transparent)]
    Smdp(#[from] SmdpRefusal),
    /// The answer of the SM-DP+ is none.
    #[error("the answer of the SM-DP+ cannot be read: {0}")]
    Answer(#[source] simyard_asn1::Error),
    /// The profile's number in the metadata is none.
    #[error("the metadata of the SM-DP+ cannot be used: {0}")]
    Metadata(#[from] InvalidIdentifier),
    /// What it signed is of another session.
    #[error("the SM-DP+ answered for another session")]
    OtherSession,
    /// The eUICC does not allow a policy rule of the profile.
    #[error("the eUICC does not allow {0} to the owner of the profile")]
    PolicyRule(&'static str),
    /// The store failed.
    #[error("what is known of the eUICC could not be read")]
    Store(#[source] StoreError),
}

impl EsipaError for AuthenticateClientError {
    fn code(&self) -> EsipaCode {
        let code = match self {
            Self::UnknownTransaction | Self::OtherTransaction => Code::InvalidTransactionId,
            Self::Form(_) | Self::Signature => Code::EuiccSignatureInvalid,
            Self::EuiccForm(_) => Code::EuiccCertificateInvalid,
            Self::OtherEuicc { .. } => Code::EidMismatch,
            Self::Smdp(refusal) => return refusal.code(UNDEFINED),
            Self::PolicyRule(_) => Code::PprNotAllowed,
            Self::Incomplete(_)
            | Self::Answer(_)
            | Self::Metadata(_)
            | Self::OtherSession
            | Self::Store(_) => Code::UndefinedError,
        };
        EsipaCode::AuthenticateClient(code)
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(cause) => Some(cause),
            _ => None,
        }
    }
}

impl AuthenticateClientError {
    /// Whether nothing more can come of the session.
    fn ends_session(&self) -> bool {
        matches!(self, Self::Smdp(refusal) if !refusal.is_passing())
    }
}

/// Brings the eUICC's answer to the SM-DP+, and the SM-DP+'s to the device.
///
/// # Errors
/// [`AuthenticateClientError`].
pub async fn authenticate_client(
    eim: &Eim,
    caller: &DeviceCaller,
    request: &AuthenticateClientRequest,
) -> Result<AuthenticateClientOkDp, AuthenticateClientError> {
    // 1. An open session of this device, which waits for this call.
    let (id, mut guard) = eim
        .session_of(caller, &request.transaction_id)
        .await
        .ok_or(AuthenticateClientError::UnknownTransaction)?;
    let request_hash = sha256(&request.authenticate_server_response);
    let session = guard.session().ok_or(AuthenticateClientError::UnknownTransaction)?;
    if let Some(done) = &session.authenticated {
        return match (done.forbidden_rule, done.request_hash == request_hash) {
            (_, false) => Err(AuthenticateClientError::UnknownTransaction),
            (Some(rule), true) => Err(AuthenticateClientError::PolicyRule(rule)),
            (None, true) => Ok(done.answer.clone()),
        };
    }
    let authenticated = authenticate(eim, &id, session, request, request_hash).await;
    settle(eim, caller, guard, authenticated).await
}

/// Keeps what came of it.
async fn settle(
    eim: &Eim,
    caller: &DeviceCaller,
    mut guard: RelayGuard<'_>,
    authenticated: Result<Authenticated, AuthenticateClientError>,
) -> Result<AuthenticateClientOkDp, AuthenticateClientError> {
    let Some(session) = guard.session() else { return Err(AuthenticateClientError::UnknownTransaction) };
    match authenticated {
        Ok(authenticated) => {
            let answer = authenticated.answer.clone();
            let forbidden_rule = authenticated.forbidden_rule;
            session.authenticated = Some(Box::new(authenticated));
            guard.renew();
            match forbidden_rule {
                // The session stays, so that the device can cancel it.
                Some(rule) => {
                    let error = AuthenticateClientError::PolicyRule(rule);
                    eim.download_failed(caller, guard.session(), &error, false).await;
                    Err(error)
                }
                None => Ok(answer),
            }
        }
        Err(error) => {
            if error.ends_session() {
                eim.download_failed(caller, guard.session(), &error, false).await;
                guard.end();
            }
            Err(error)
        }
    }
}

async fn authenticate(
    eim: &Eim,
    id: &TransactionId,
    session: &RelaySession,
    request: &AuthenticateClientRequest,
    request_hash: [u8; 32],
) -> Result<Authenticated, AuthenticateClientError> {
    // 2. The whole of what the eUICC signed.
    let known = eim.known_of(&session.eid).await.map_err(AuthenticateClientError::Store)?;
    let response = whole(session, &known, &request.authenticate_server_response)?;

    // 3. It is the eUICC of the trigger that signed it, and in this session.
    let euicc_key = check_euicc(id, session, &response)?;

    // 4. ES9+'.AuthenticateClient.
    let message = Es9PlusRequest { transaction_id: id.clone(), authenticate_server_response: response };
    let answer = eim.relay.servers.authenticate_client(&session.address, &message).await;
    let answer = answer.map_err(SmdpRefusal::from)?;

    // 5. The SM-DP+ answers this call.
    let signed = SmdpSigned2::from_der(&answer.smdp_signed2).map_err(AuthenticateClientError::Answer)?;
    if answer.transaction_id != *id || signed.transaction_id != id.as_octets() {
        return Err(AuthenticateClientError::OtherSession);
    }

    // 6. The profile's policy rules against those that the eUICC allows, if they are known.
    let metadata = StoreMetadataRequest::from_der(&answer.profile_metadata);
    let metadata = metadata.map_err(AuthenticateClientError::Answer)?;
    let iccid = Iccid::from_bcd(metadata.iccid)?;
    let table = known.rules_authorisation_table.as_deref();
    let forbidden_rule = table.and_then(|table| forbidden(&metadata, table));

    // 7. The proof of the confirmation code that the eIM holds, if the SM-DP+ wants one.
    let hash_cc = session.code_hash.as_ref().filter(|_| signed.cc_required_flag).map(|code_hash| {
        let mut writer = Writer::new();
        writer.tlv(Tag::OCTET_STRING, &hash_cc(code_hash, id));
        writer.finish()
    });
    let Es9PlusResponse { profile_metadata, smdp_signed2, smdp_signature2, smdp_certificate, .. } = answer;
    Ok(Authenticated {
        request_hash,
        answer: AuthenticateClientOkDp {
            transaction_id: Some(id.as_octets().to_vec()),
            profile_metadata: Some(profile_metadata.clone()),
            smdp_signed2,
            smdp_signature2,
            smdp_certificate,
            hash_cc,
        },
        profile_metadata,
        iccid,
        euicc_key,
        forbidden_rule,
        delivered: None,
    })
}

/// Step 2. A whole response stays as it is.
fn whole(
    session: &RelaySession,
    known: &KnownOfDevice,
    response: &[u8],
) -> Result<Vec<u8>, AuthenticateClientError> {
    let given =
        alternative(response, AuthenticateServerRequest::TAG).map_err(AuthenticateClientError::Form)?;
    if given.tag != CompactAuthenticateResponse::TAG {
        return Ok(response.to_vec());
    }
    let compact = CompactAuthenticateResponse::from_der(given.raw).map_err(AuthenticateClientError::Form)?;
    let signed = ServerSigned1::from_der(&session.server_signed1).map_err(AuthenticateClientError::Answer)?;
    let of_euicc = KnownOfEuicc {
        euicc_info2: known.euicc_info2.as_deref(),
        ctx_params1: session.ctx_params1.as_deref(),
        euicc_certificate: known.euicc_certificate.as_deref(),
        eum_certificate: known.eum_certificate.as_deref(),
    };
    Ok(compact.whole(&signed, &of_euicc)?)
}

/// Step 3. The key in the eUICC's certificate; none where the eUICC refused the server, which is for the SM-DP+ to hear.
/// Whether the certificate can be trusted is for the SM-DP+ to judge, which knows other CIs than the eIM.
fn check_euicc(
    id: &TransactionId,
    session: &RelaySession,
    response: &[u8],
) -> Result<Option<PublicKey>, AuthenticateClientError> {
    let response = AuthenticateServerResponse::from_der(response).map_err(AuthenticateClientError::Form)?;
    let ok: &AuthenticateResponseOk<'_> = match &response {
        AuthenticateServerResponse::Ok(ok) => ok,
        AuthenticateServerResponse::Error(error) if error.transaction_id != id.as_octets() => {
            return Err(AuthenticateClientError::OtherTransaction);
        }
        AuthenticateServerResponse::Error(_) => return Ok(None),
    };
    if ok.euicc_signed1.value.transaction_id != id.as_octets() {
        return Err(AuthenticateClientError::OtherTransaction);
    }
    let certificate = Certificate::from_der(ok.euicc_certificate)?;
    if certificate.serial_number() != Some(session.eid.as_str()) {
        return Err(AuthenticateClientError::OtherEuicc {
            expected: session.eid.clone(),
            found: certificate.serial_number().unwrap_or("none").to_owned(),
        });
    }
    // A key on a curve that is not known here is for the SM-DP+ to judge.
    let Ok(key) = certificate.public_key().copied() else { return Ok(None) };
    key.verify(ok.euicc_signed1.bytes, ok.euicc_signature1)
        .map_err(|_| AuthenticateClientError::Signature)?;
    Ok(Some(key))
}

/// The policy rule of the profile that the eUICC does not allow; none where its table cannot be read.
fn forbidden(metadata: &StoreMetadataRequest<'_>, table: &[u8]) -> Option<&'static str> {
    let table = Reader::new(table, "rulesAuthorisationTable").read().ok()?;
    forbidden_rule(metadata, &RulesAuthorisationTable::read(&table).ok()?)
}
