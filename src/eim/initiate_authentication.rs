//! ESipa.InitiateAuthentication (SGP.32 5.14.1): a device begins the download that a trigger asked for, through the eIM.
//!
//! The activation code of the trigger alone says which SM-DP+ is called: what the device says of it is compared. The SM-DP+
//! opens the session; repeated, it opens another one, which takes the place of the first.

use simyard_asn1::iot::data::ipa_feature;
use simyard_asn1::iot::esipa::{
    InitiateAuthenticationErrorEsipa as Code, InitiateAuthenticationOk, InitiateAuthenticationRequest,
};
use simyard_asn1::rsp::authentication::{CtxParams1, DeviceInfo, ServerSigned1};
use simyard_asn1::{Decode as _, Encode as _, Oid, Tag, Writer};

use super::Eim;
use super::caller::DeviceCaller;
use super::relay::refusal::SmdpRefusal;
use super::relay::sessions::{RelaySession, TakenTransaction};
use super::relay::{KnownOfDevice, TriggerError};
use super::status::{EsipaCode, EsipaError};
use crate::binding::es9plus::{
    InitiateAuthenticationRequest as Es9PlusRequest, InitiateAuthenticationResponse as Es9PlusResponse,
};
use crate::crypto::hash::code_hash;
use crate::ident::{ActivationCode, ServerAddress};
use crate::pki::{Certificate, CertificateError};
use crate::store::StoreError;

/// What is answered where nothing says more.
const UNDEFINED: EsipaCode = EsipaCode::InitiateAuthentication(Code::UndefinedError);

/// Why no session is opened; one variant for each rule of 5.14.1.
#[derive(Debug, thiserror::Error)]
pub enum InitiateAuthenticationError {
    /// No trigger that the device could answer, or none of this caller.
    #[error(transparent)]
    Trigger(#[from] TriggerError),
    /// The device names another SM-DP+ than the activation code.
    #[error("the device asks for SM-DP+ {asked:?}, its activation code names {expected}")]
    OtherAddressAsked {
        /// smdpAddress of the request.
        asked: String,
        /// Of the activation code.
        expected: ServerAddress,
    },
    /// The device left out euiccInfo1, and the eIM has never had it.
    #[error("euiccInfo1 was left out, and is not known from before")]
    EuiccInfo1Unknown,
    /// The SM-DP+ refused, or did not answer.
    #[error(transparent)]
    Smdp(#[from] SmdpRefusal),
    /// The answer of the SM-DP+ is none.
    #[error("the answer of the SM-DP+ cannot be read: {0}")]
    Answer(#[from] simyard_asn1::Error),
    /// Its certificate is none.
    #[error("the certificate of the SM-DP+ cannot be read: {0}")]
    Certificate(#[from] CertificateError),
    /// What it signed is of another session.
    #[error("the SM-DP+ signed another {0} than this session has")]
    OtherSession(&'static str),
    /// The SM-DP+ answers in another name.
    #[error("the SM-DP+ signed for {found:?}, the activation code names {expected}")]
    OtherAddress {
        /// Of the activation code.
        expected: ServerAddress,
        /// serverAddress that it signed.
        found: String,
    },
    /// The SM-DP+ is not the one that the activation code names.
    #[error(
        "the activation code names SM-DP+ {expected}, the certificate is of {}",
        found.as_ref().map_or("none".to_owned(), ToString::to_string)
    )]
    OtherOid {
        /// Of the activation code.
        expected: Oid,
        /// Of the certificate.
        found: Option<Oid>,
    },
    /// Its certificate has no OID.
    #[error("the certificate of the SM-DP+ has no OID")]
    NoOid,
    /// The store failed.
    #[error("what is known of the device could not be read")]
    Store(#[from] StoreError),
    /// The session is one of another device.
    #[error("the SM-DP+ cannot be right: {0}")]
    Taken(#[from] TakenTransaction),
}

impl EsipaError for InitiateAuthenticationError {
    fn code(&self) -> EsipaCode {
        let code = match self {
            Self::Trigger(TriggerError::Nameless | TriggerError::Unknown | TriggerError::OtherDevice(_)) => {
                Code::InvalidEimTransactionId
            }
            Self::OtherAddressAsked { .. } | Self::OtherAddress { .. } => Code::SmdpAddressMismatch,
            Self::OtherOid { .. } => Code::SmdpOidMismatch,
            Self::Smdp(refusal) => return refusal.code(UNDEFINED),
            Self::Trigger(TriggerError::Download(_))
            | Self::Store(_)
            | Self::EuiccInfo1Unknown
            | Self::Answer(_)
            | Self::Certificate(_)
            | Self::OtherSession(_)
            | Self::NoOid
            | Self::Taken(_) => Code::UndefinedError,
        };
        EsipaCode::InitiateAuthentication(code)
    }

    fn internal_cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Trigger(TriggerError::Download(cause)) => Some(cause),
            Self::Store(cause) => Some(cause),
            _ => None,
        }
    }
}

/// Opens a session with the SM-DP+ of the trigger that the device answers.
///
/// # Errors
/// [`InitiateAuthenticationError`]; nothing is kept then.
pub async fn initiate_authentication(
    eim: &Eim,
    caller: &DeviceCaller,
    request: &InitiateAuthenticationRequest,
) -> Result<InitiateAuthenticationOk, InitiateAuthenticationError> {
    // 1. The trigger that the device answers, if it is this device's.
    let trigger = eim.trigger_of(caller, request.eim_transaction_id.as_ref()).await?;
    let code = &trigger.codes.activation_code;
    if let Some(asked) = &request.smdp_address
        && ServerAddress::parse(asked).ok().as_ref() != Some(&code.address)
    {
        return Err(InitiateAuthenticationError::OtherAddressAsked {
            asked: asked.clone(),
            expected: code.address.clone(),
        });
    }

    // 2. What the IPA left to the eIM.
    let known = eim.known_of(&trigger.eid).await?;
    let euicc_info1 = request.euicc_info1.as_ref().or(known.euicc_info1.as_ref());
    let euicc_info1 = euicc_info1.ok_or(InitiateAuthenticationError::EuiccInfo1Unknown)?;

    // 3. ES9+'.InitiateAuthentication.
    let message = Es9PlusRequest {
        euicc_challenge: request.euicc_challenge,
        euicc_info1: euicc_info1.clone(),
        smdp_address: code.address.to_string(),
    };
    let answer = eim.relay.servers.initiate_authentication(&code.address, &message).await;
    let answer = match answer.map_err(SmdpRefusal::from) {
        Ok(answer) => answer,
        Err(refusal) => {
            if !refusal.is_passing() {
                eim.download_refused(caller, &trigger, &refusal).await;
            }
            return Err(refusal.into());
        }
    };

    // 4. It is the server of the activation code, and it answers this call.
    let (notification_address, smdp_oid) = check_server(code, &message, &answer)?;

    // 5. The session; what the IPA cannot know goes with the answer.
    let ctx_params1 = ctx_params1(code, &known);
    let session = RelaySession {
        eid: trigger.eid.clone(),
        eim_transaction_id: trigger.transaction_id.clone(),
        address: code.address.clone(),
        notification_address,
        smdp_oid,
        server_signed1: answer.server_signed1.clone(),
        ctx_params1: ctx_params1.clone(),
        code_hash: trigger.codes.confirmation_code.as_ref().map(|code| code_hash(code)),
        authenticated: None,
    };
    eim.relay.sessions.open(answer.transaction_id.clone(), session)?;
    Ok(InitiateAuthenticationOk {
        transaction_id: Some(answer.transaction_id.as_octets().to_vec()),
        server_signed1: answer.server_signed1,
        server_signature1: answer.server_signature1,
        euicc_ci_pk_identifier_to_be_used: answer.euicc_ci_pk_id_to_be_used,
        server_certificate: answer.server_certificate,
        matching_id: Some(code.matching_id.as_str().to_owned()),
        ctx_params1,
    })
}

/// Step 4. What the SM-DP+ calls itself, and its OID. Whether the signature and the chain are right is judged by the eUICC.
fn check_server(
    code: &ActivationCode,
    request: &Es9PlusRequest,
    answer: &Es9PlusResponse,
) -> Result<(ServerAddress, Oid), InitiateAuthenticationError> {
    let signed = ServerSigned1::from_der(&answer.server_signed1)?;
    if signed.transaction_id != answer.transaction_id.as_octets() {
        return Err(InitiateAuthenticationError::OtherSession("transactionId"));
    }
    if signed.euicc_challenge != &request.euicc_challenge {
        return Err(InitiateAuthenticationError::OtherSession("euiccChallenge"));
    }
    let address = ServerAddress::parse(signed.server_address).ok().filter(|address| *address == code.address);
    let address = address.ok_or_else(|| InitiateAuthenticationError::OtherAddress {
        expected: code.address.clone(),
        found: signed.server_address.to_owned(),
    })?;
    let certificate = Certificate::from_der(&answer.server_certificate)?;
    let found = certificate.registered_id();
    if let Some(expected) = &code.smdp_oid
        && found != Some(expected)
    {
        return Err(InitiateAuthenticationError::OtherOid {
            expected: expected.clone(),
            found: found.cloned(),
        });
    }
    let oid = found.cloned().ok_or(InitiateAuthenticationError::NoOid)?;
    Ok((address, oid))
}

/// ctxParams1 for an IPA that leaves it to the eIM, if the device has told what it is.
fn ctx_params1(code: &ActivationCode, known: &KnownOfDevice) -> Option<Vec<u8>> {
    if !known.ipa_features.has(ipa_feature::EIM_CTX_PARAMS1_GENERATION) {
        return None;
    }
    // As it was told, its members stand without the tag that they have here.
    let mut writer = Writer::new();
    writer.tlv(Tag(0xA1), known.device_info.as_deref()?);
    let der = writer.finish();
    let device_info = DeviceInfo::from_der(&der).ok()?;
    Some(CtxParams1 { matching_id: Some(code.matching_id.as_str()), device_info }.to_der())
}
