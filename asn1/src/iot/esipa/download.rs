//! The functions by which an eIM relays to an SM-DP+ or an SM-DS (5.14.1 to 5.14.3, 5.14.8): those of ES9+, with members
//! that the two can leave to each other.

use super::super::{EimTransactionId, choice};
use super::{
    Function, object, optional_object, optional_transaction_id, transaction_id, write_eim_transaction_id,
};
use crate::rsp::{CHALLENGE_LEN, MAX_ADDRESS_CHARS, SIGNATURE};
use crate::tlv::{Decode, Encode, Error, ErrorKind, Reader, Tag, Writer};

codes! {
    /// initiateAuthenticationErrorEsipa.
    InitiateAuthenticationErrorEsipa {
        InvalidDpAddress = 1 "invalidDpAddress",
        EuiccVersionNotSupportedByDp = 2 "euiccVersionNotSupportedByDp",
        CiPkIdNotSupported = 3 "ciPKIdNotSupported",
        SmdpAddressMismatch = 50 "smdpAddressMismatch",
        SmdpOidMismatch = 51 "smdpOidMismatch",
        InvalidEimTransactionId = 52 "invalidEimTransactionId",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// authenticateClientErrorEsipa.
    AuthenticateClientErrorEsipa {
        EumCertificateInvalid = 1 "eumCertificateInvalid",
        EumCertificateExpired = 2 "eumCertificateExpired",
        EuiccCertificateInvalid = 3 "euiccCertificateInvalid",
        EuiccCertificateExpired = 4 "euiccCertificateExpired",
        EuiccSignatureInvalid = 5 "euiccSignatureInvalid",
        MatchingIdRefused = 6 "matchingIdRefused",
        EidMismatch = 7 "eidMismatch",
        NoEligibleProfile = 8 "noEligibleProfile",
        CiPkUnknown = 9 "ciPKUnknown",
        InvalidTransactionId = 10 "invalidTransactionId",
        InsufficientMemory = 11 "insufficientMemory",
        DownloadOrderExpired = 18 "downloadOrderExpired",
        PprNotAllowed = 50 "pprNotAllowed",
        EventIdUnknown = 56 "eventIdUnknown",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// getBoundProfilePackageErrorEsipa.
    GetBoundProfilePackageErrorEsipa {
        EuiccSignatureInvalid = 1 "euiccSignatureInvalid",
        ConfirmationCodeMissing = 2 "confirmationCodeMissing",
        ConfirmationCodeRefused = 3 "confirmationCodeRefused",
        ConfirmationCodeRetriesExceeded = 4 "confirmationCodeRetriesExceeded",
        BppRebindingRefused = 5 "bppRebindingRefused",
        DownloadOrderExpired = 6 "downloadOrderExpired",
        MetadataMismatch = 50 "metadataMismatch",
        InvalidTransactionId = 95 "invalidTransactionId",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// cancelSessionError.
    CancelSessionErrorEsipa {
        InvalidTransactionId = 1 "invalidTransactionId",
        EuiccSignatureInvalid = 2 "euiccSignatureInvalid",
        UndefinedError = 127 "undefinedError",
    }
}

/// InitiateAuthenticationRequestEsipa, `BF39`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitiateAuthenticationRequest {
    /// `81` euiccChallenge.
    pub euicc_challenge: [u8; CHALLENGE_LEN],
    /// `83` smdpAddress; absent where the eIM knows it.
    pub smdp_address: Option<String>,
    /// `BF20` euiccInfo1; absent where the eIM knows it.
    pub euicc_info1: Option<Vec<u8>>,
    /// `82` eimTransactionId: that of the trigger.
    pub eim_transaction_id: Option<EimTransactionId>,
}

impl<'a> Decode<'a> for InitiateAuthenticationRequest {
    const NAME: &'static str = "InitiateAuthenticationRequestEsipa";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Function::InitiateAuthentication.tag())?.members(Self::NAME);
        let euicc_challenge = *members.expect(Tag(0x81))?.array("euiccChallenge")?;
        let smdp_address = match members.optional(Tag(0x83))? {
            Some(tlv) => Some(tlv.text(MAX_ADDRESS_CHARS, "smdpAddress")?.to_owned()),
            None => None,
        };
        let euicc_info1 = optional_object(&mut members, Tag(0xBF20))?;
        let eim_transaction_id = EimTransactionId::optional(&mut members, Tag(0x82))?;
        members.extensions_without(&[Tag(0x83), Tag(0xBF20), Tag(0x82)])?;
        Ok(Self { euicc_challenge, smdp_address, euicc_info1, eim_transaction_id })
    }
}

impl Encode for InitiateAuthenticationRequest {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::InitiateAuthentication.tag(), |members| {
            members
                .tlv(Tag(0x81), &self.euicc_challenge)
                .optional(Tag(0x83), self.smdp_address.as_deref().map(str::as_bytes))
                .raw(self.euicc_info1.as_deref().unwrap_or_default());
            write_eim_transaction_id(members, Tag(0x82), self.eim_transaction_id.as_ref());
        });
    }
}

/// InitiateAuthenticationOkEsipa.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitiateAuthenticationOk {
    /// `80` transactionId; absent where the IPA finds it in serverSigned1.
    pub transaction_id: Option<Vec<u8>>,
    /// `30` serverSigned1.
    pub server_signed1: Vec<u8>,
    /// `5F37` serverSignature1.
    pub server_signature1: Vec<u8>,
    /// `04` euiccCiPKIdentifierToBeUsed.
    pub euicc_ci_pk_identifier_to_be_used: Vec<u8>,
    /// `30` serverCertificate.
    pub server_certificate: Vec<u8>,
    /// `0C` matchingId, for an IPA that has no activation code.
    pub matching_id: Option<String>,
    /// `A2` ctxParams1: the alternative `A0`, for an IPA that leaves it to the eIM.
    pub ctx_params1: Option<Vec<u8>>,
}

/// The longest matchingId that is read, in characters.
const MAX_MATCHING_ID_CHARS: usize = 255;

impl InitiateAuthenticationOk {
    fn read(mut members: Reader<'_>) -> Result<Self, Error> {
        let ok = Self {
            transaction_id: optional_transaction_id(&mut members)?,
            server_signed1: object(&mut members, Tag::SEQUENCE)?,
            server_signature1: object(&mut members, SIGNATURE)?,
            euicc_ci_pk_identifier_to_be_used: object(&mut members, Tag::OCTET_STRING)?,
            server_certificate: object(&mut members, Tag::SEQUENCE)?,
            matching_id: match members.optional(Tag::UTF8_STRING)? {
                Some(tlv) => Some(tlv.text(MAX_MATCHING_ID_CHARS, "matchingId")?.to_owned()),
                None => None,
            },
            ctx_params1: match members.optional(Tag(0xA2))? {
                Some(tlv) => Some(choice(tlv.members("ctxParams1"))?.raw.to_vec()),
                None => None,
            },
        };
        members.extensions_without(&[Tag(0x80), Tag::UTF8_STRING, Tag(0xA2)])?;
        Ok(ok)
    }

    fn write(&self, members: &mut Writer) {
        members
            .optional(Tag(0x80), self.transaction_id.as_deref())
            .raw(&self.server_signed1)
            .raw(&self.server_signature1)
            .raw(&self.euicc_ci_pk_identifier_to_be_used)
            .raw(&self.server_certificate)
            .optional(Tag::UTF8_STRING, self.matching_id.as_deref().map(str::as_bytes))
            .optional(Tag(0xA2), self.ctx_params1.as_deref());
    }
}

/// InitiateAuthenticationResponseEsipa, `BF39`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitiateAuthenticationResponse {
    /// `A0`.
    Ok(Box<InitiateAuthenticationOk>),
    /// `81`.
    Error(InitiateAuthenticationErrorEsipa),
}

impl<'a> Decode<'a> for InitiateAuthenticationResponse {
    const NAME: &'static str = "InitiateAuthenticationResponseEsipa";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let outer = reader.expect(Function::InitiateAuthentication.tag())?;
        let alternative = choice(outer.members(Self::NAME))?;
        match alternative.tag.0 {
            0xA0 => {
                let ok = InitiateAuthenticationOk::read(alternative.members(Self::NAME))?;
                Ok(Self::Ok(Box::new(ok)))
            }
            0x81 => {
                let code = alternative.integer("initiateAuthenticationErrorEsipa")?;
                Ok(Self::Error(InitiateAuthenticationErrorEsipa::from_code(code)))
            }
            _ => Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, Self::NAME)),
        }
    }
}

impl Encode for InitiateAuthenticationResponse {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::InitiateAuthentication.tag(), |choice| {
            match self {
                Self::Ok(ok) => choice.nested(Tag(0xA0), |members| ok.write(members)),
                Self::Error(code) => choice.integer(Tag(0x81), code.code()),
            };
        });
    }
}

/// AuthenticateClientRequestEsipa, `BF3B`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticateClientRequest {
    /// `80` transactionId.
    pub transaction_id: Vec<u8>,
    /// `BF38` authenticateServerResponse, whole or compact (`A2` in it).
    pub authenticate_server_response: Vec<u8>,
}

impl<'a> Decode<'a> for AuthenticateClientRequest {
    const NAME: &'static str = "AuthenticateClientRequestEsipa";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Function::AuthenticateClient.tag())?.members(Self::NAME);
        let transaction_id = transaction_id(&mut members)?;
        let authenticate_server_response = object(&mut members, Tag(0xBF38))?;
        members.extensions()?;
        Ok(Self { transaction_id, authenticate_server_response })
    }
}

impl Encode for AuthenticateClientRequest {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::AuthenticateClient.tag(), |members| {
            members.tlv(Tag(0x80), &self.transaction_id).raw(&self.authenticate_server_response);
        });
    }
}

/// AuthenticateClientOkDPEsipa: the answer of an SM-DP+.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticateClientOkDp {
    /// `80` transactionId.
    pub transaction_id: Option<Vec<u8>>,
    /// `BF25` profileMetaData; absent where the eIM has verified it.
    pub profile_metadata: Option<Vec<u8>>,
    /// `30` smdpSigned2.
    pub smdp_signed2: Vec<u8>,
    /// `5F37` smdpSignature2.
    pub smdp_signature2: Vec<u8>,
    /// `30` smdpCertificate.
    pub smdp_certificate: Vec<u8>,
    /// `04` hashCc, from a confirmation code that the eIM holds.
    pub hash_cc: Option<Vec<u8>>,
}

impl AuthenticateClientOkDp {
    fn read(mut members: Reader<'_>) -> Result<Self, Error> {
        let ok = Self {
            transaction_id: optional_transaction_id(&mut members)?,
            profile_metadata: optional_object(&mut members, Tag(0xBF25))?,
            smdp_signed2: object(&mut members, Tag::SEQUENCE)?,
            smdp_signature2: object(&mut members, SIGNATURE)?,
            smdp_certificate: object(&mut members, Tag::SEQUENCE)?,
            hash_cc: optional_object(&mut members, Tag::OCTET_STRING)?,
        };
        members.extensions_without(&[Tag(0x80), Tag(0xBF25), Tag::OCTET_STRING])?;
        Ok(ok)
    }

    fn write(&self, members: &mut Writer) {
        members
            .optional(Tag(0x80), self.transaction_id.as_deref())
            .raw(self.profile_metadata.as_deref().unwrap_or_default())
            .raw(&self.smdp_signed2)
            .raw(&self.smdp_signature2)
            .raw(&self.smdp_certificate)
            .raw(self.hash_cc.as_deref().unwrap_or_default());
    }
}

/// AuthenticateClientOkDSEsipa: the answer of an SM-DS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticateClientOkDs {
    /// `80` transactionId.
    pub transaction_id: Vec<u8>,
    /// `BF54` profileDownloadTrigger: what the event led to.
    pub profile_download_trigger: Option<Vec<u8>>,
}

/// AuthenticateClientResponseEsipa, `BF3B`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthenticateClientResponse {
    /// `A0`.
    OkDp(Box<AuthenticateClientOkDp>),
    /// `A1`.
    OkDs(AuthenticateClientOkDs),
    /// `82`.
    Error(AuthenticateClientErrorEsipa),
}

impl<'a> Decode<'a> for AuthenticateClientResponse {
    const NAME: &'static str = "AuthenticateClientResponseEsipa";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let outer = reader.expect(Function::AuthenticateClient.tag())?;
        let alternative = choice(outer.members(Self::NAME))?;
        match alternative.tag.0 {
            0xA0 => {
                let ok = AuthenticateClientOkDp::read(alternative.members(Self::NAME))?;
                Ok(Self::OkDp(Box::new(ok)))
            }
            0xA1 => {
                let mut members = alternative.members(Self::NAME);
                let transaction_id = transaction_id(&mut members)?;
                let profile_download_trigger = optional_object(&mut members, Tag(0xBF54))?;
                members.extensions_without(&[Tag(0xBF54)])?;
                Ok(Self::OkDs(AuthenticateClientOkDs { transaction_id, profile_download_trigger }))
            }
            0x82 => {
                let code = alternative.integer("authenticateClientErrorEsipa")?;
                Ok(Self::Error(AuthenticateClientErrorEsipa::from_code(code)))
            }
            _ => Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, Self::NAME)),
        }
    }
}

impl Encode for AuthenticateClientResponse {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::AuthenticateClient.tag(), |choice| {
            match self {
                Self::OkDp(ok) => choice.nested(Tag(0xA0), |members| ok.write(members)),
                Self::OkDs(ok) => choice.nested(Tag(0xA1), |members| {
                    members
                        .tlv(Tag(0x80), &ok.transaction_id)
                        .raw(ok.profile_download_trigger.as_deref().unwrap_or_default());
                }),
                Self::Error(code) => choice.integer(Tag(0x82), code.code()),
            };
        });
    }
}

/// GetBoundProfilePackageRequestEsipa, `BF3A`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBoundProfilePackageRequest {
    /// `80` transactionId.
    pub transaction_id: Vec<u8>,
    /// `BF21` prepareDownloadResponse, whole or compact (`A2` in it).
    pub prepare_download_response: Vec<u8>,
}

impl<'a> Decode<'a> for GetBoundProfilePackageRequest {
    const NAME: &'static str = "GetBoundProfilePackageRequestEsipa";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Function::GetBoundProfilePackage.tag())?.members(Self::NAME);
        let transaction_id = transaction_id(&mut members)?;
        let prepare_download_response = object(&mut members, Tag(0xBF21))?;
        members.extensions()?;
        Ok(Self { transaction_id, prepare_download_response })
    }
}

impl Encode for GetBoundProfilePackageRequest {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::GetBoundProfilePackage.tag(), |members| {
            members.tlv(Tag(0x80), &self.transaction_id).raw(&self.prepare_download_response);
        });
    }
}

/// GetBoundProfilePackageOkEsipa.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBoundProfilePackageOk {
    /// `80` transactionId.
    pub transaction_id: Option<Vec<u8>>,
    /// `BF36` boundProfilePackage.
    pub bound_profile_package: Vec<u8>,
}

/// GetBoundProfilePackageResponseEsipa, `BF3A`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetBoundProfilePackageResponse {
    /// `A0`.
    Ok(GetBoundProfilePackageOk),
    /// `81`.
    Error(GetBoundProfilePackageErrorEsipa),
}

impl<'a> Decode<'a> for GetBoundProfilePackageResponse {
    const NAME: &'static str = "GetBoundProfilePackageResponseEsipa";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let outer = reader.expect(Function::GetBoundProfilePackage.tag())?;
        let alternative = choice(outer.members(Self::NAME))?;
        match alternative.tag.0 {
            0xA0 => {
                let mut members = alternative.members(Self::NAME);
                let transaction_id = optional_transaction_id(&mut members)?;
                let bound_profile_package = object(&mut members, Tag(0xBF36))?;
                members.extensions_without(&[Tag(0x80)])?;
                Ok(Self::Ok(GetBoundProfilePackageOk { transaction_id, bound_profile_package }))
            }
            0x81 => {
                let code = alternative.integer("getBoundProfilePackageErrorEsipa")?;
                Ok(Self::Error(GetBoundProfilePackageErrorEsipa::from_code(code)))
            }
            _ => Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, Self::NAME)),
        }
    }
}

impl Encode for GetBoundProfilePackageResponse {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::GetBoundProfilePackage.tag(), |choice| {
            match self {
                Self::Ok(ok) => choice.nested(Tag(0xA0), |members| {
                    members.optional(Tag(0x80), ok.transaction_id.as_deref()).raw(&ok.bound_profile_package);
                }),
                Self::Error(code) => choice.integer(Tag(0x81), code.code()),
            };
        });
    }
}

/// CancelSessionRequestEsipa, `BF41`.
///
/// `A1` replaces the tag of CancelSessionResponse (X.680 31.2.7) and holds its alternative. `A1` around the whole
/// response, and the whole response without it, are read too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelSessionRequest {
    /// `80` transactionId.
    pub transaction_id: Vec<u8>,
    /// The CancelSessionResponse as it stands alone: `BF41` with `A0`, `81`, or `A2` (compact) in it.
    pub cancel_session_response: Vec<u8>,
}

/// The tag that CancelSessionResponse has where it stands alone.
const CANCEL_SESSION_RESPONSE: Tag = Function::CancelSession.tag();

impl<'a> Decode<'a> for CancelSessionRequest {
    const NAME: &'static str = "CancelSessionRequestEsipa";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Function::CancelSession.tag())?.members(Self::NAME);
        let transaction_id = transaction_id(&mut members)?;
        let response = members.read()?;
        if !matches!(response.tag, Tag(0xA1) | CANCEL_SESSION_RESPONSE) {
            let kind = ErrorKind::Tag { expected: Tag(0xA1), found: response.tag };
            return Err(response.error(kind, Self::NAME));
        }
        members.extensions()?;
        let mut alternative = choice(response.members(Self::NAME))?;
        if response.tag == Tag(0xA1) && alternative.tag == CANCEL_SESSION_RESPONSE {
            alternative = choice(alternative.members(Self::NAME))?;
        }
        if !matches!(alternative.tag, Tag(0xA0 | 0x81 | 0xA2)) {
            let kind = ErrorKind::Choice { found: alternative.tag };
            return Err(alternative.error(kind, Self::NAME));
        }
        let mut alone = Writer::new();
        alone.tlv(CANCEL_SESSION_RESPONSE, alternative.raw);
        Ok(Self { transaction_id, cancel_session_response: alone.finish() })
    }
}

impl Encode for CancelSessionRequest {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::CancelSession.tag(), |members| {
            let alone = self.cancel_session_response.as_slice();
            let mut reader = Reader::new(alone, "CancelSessionResponse");
            let alternative = reader.expect(CANCEL_SESSION_RESPONSE).map_or(alone, |tlv| tlv.value);
            members.tlv(Tag(0x80), &self.transaction_id).tlv(Tag(0xA1), alternative);
        });
    }
}

/// CancelSessionResponseEsipa, `BF41`: a CHOICE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelSessionResponse {
    /// `A0` cancelSessionOk: no members.
    Ok,
    /// `81` cancelSessionError.
    Error(CancelSessionErrorEsipa),
}

impl<'a> Decode<'a> for CancelSessionResponse {
    const NAME: &'static str = "CancelSessionResponseEsipa";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let alternative = choice(reader.expect(Function::CancelSession.tag())?.members(Self::NAME))?;
        match alternative.tag.0 {
            0xA0 => {
                alternative.members(Self::NAME).extensions()?;
                Ok(Self::Ok)
            }
            0x81 => {
                let code = alternative.integer("cancelSessionError")?;
                Ok(Self::Error(CancelSessionErrorEsipa::from_code(code)))
            }
            _ => Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, Self::NAME)),
        }
    }
}

impl Encode for CancelSessionResponse {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::CancelSession.tag(), |choice| {
            match self {
                Self::Ok => choice.tlv(Tag(0xA0), &[]),
                Self::Error(code) => choice.integer(Tag(0x81), code.code()),
            };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::vectors::{both_ways, der, refused};
    use super::super::MAX_TRANSACTION_ID_OCTETS;
    use super::*;

    const ID: &str = "80080102030405060708";
    const OCTETS: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn an_authentication_is_initiated() {
        let challenge = "8110 101112131415161718191A1B1C1D1E1F";
        let octets = der(&format!("BF39 1E {challenge} 8303612E62 BF2000 82020102"));
        let request: InitiateAuthenticationRequest = both_ways(&octets);
        assert_eq!((request.smdp_address.as_deref(), request.euicc_challenge[15]), (Some("a.b"), 0x1F));
        assert_eq!(request.euicc_info1, Some(der("BF2000")));
        assert_eq!(request.eim_transaction_id, EimTransactionId::from_octets(&[1, 2]));
        let octets = der(&format!("BF39 12 {challenge}"));
        let request: InitiateAuthenticationRequest = both_ways(&octets);
        assert_eq!(
            (request.smdp_address, request.euicc_info1, request.eim_transaction_id),
            (None, None, None)
        );
        let twice = format!("BF39 1A {challenge} 82020102 82020102");
        refused!(InitiateAuthenticationRequest, ["BF39 00", "BF39 03 810110", &twice]);
    }

    #[test]
    fn an_initiated_authentication_is_answered() {
        let octets =
            der(&format!("BF39 24 A0 22 {ID} 3000 5F37020000 04020000 3000 0C0141 A206A004 81020000"));
        let InitiateAuthenticationResponse::Ok(ok) = both_ways(&octets) else { panic!("an error") };
        assert_eq!((ok.transaction_id.as_deref(), ok.matching_id.as_deref()), (Some(&OCTETS[..]), Some("A")));
        assert_eq!((ok.server_signature1, ok.ctx_params1), (der("5F37020000"), Some(der("A00481020000"))));
        let octets = der("BF39 0F A0 0D 3000 5F37020000 04020000 3000");
        let InitiateAuthenticationResponse::Ok(ok) = both_ways(&octets) else { panic!("an error") };
        assert_eq!((ok.transaction_id, ok.matching_id, ok.ctx_params1), (None, None, None));
        let error = InitiateAuthenticationErrorEsipa::SmdpOidMismatch;
        assert_eq!(
            both_ways::<InitiateAuthenticationResponse>(&der("BF3903810133")),
            InitiateAuthenticationResponse::Error(error)
        );
        refused!(InitiateAuthenticationResponse, ["BF39 00", "BF39 02 A000", "BF39 03 820101"]);
    }

    #[test]
    fn a_client_is_authenticated() {
        let octets = der(&format!("BF3B 0D {ID} BF3800"));
        let request: AuthenticateClientRequest = both_ways(&octets);
        assert_eq!(
            (request.transaction_id.as_slice(), request.authenticate_server_response.len()),
            (&OCTETS[..], 3)
        );
        let octets = der(&format!("BF3B 1C A0 1A {ID} BF2500 3000 5F37020000 3000 04020000"));
        let AuthenticateClientResponse::OkDp(ok) = both_ways(&octets) else { panic!("another answer") };
        assert_eq!((ok.profile_metadata, ok.hash_cc), (Some(der("BF2500")), Some(der("04020000"))));
        let octets = der("BF3B 0B A0 09 3000 5F37020000 3000");
        let AuthenticateClientResponse::OkDp(ok) = both_ways(&octets) else { panic!("another answer") };
        assert_eq!((ok.profile_metadata, ok.hash_cc, ok.transaction_id), (None, None, None));
        let octets = der(&format!("BF3B 12 A1 10 {ID} BF5403A00181"));
        assert!(AuthenticateClientResponse::from_der(&octets).is_ok(), "the trigger is not looked into");
        let octets = der(&format!("BF3B 0F A1 0D {ID} BF5400"));
        let AuthenticateClientResponse::OkDs(ok) = both_ways(&octets) else { panic!("another answer") };
        assert_eq!(ok.profile_download_trigger, Some(der("BF5400")));
        assert_eq!(
            both_ways::<AuthenticateClientResponse>(&der("BF3B03820106")),
            AuthenticateClientResponse::Error(AuthenticateClientErrorEsipa::MatchingIdRefused)
        );
        refused!(AuthenticateClientResponse, ["BF3B 00", "BF3B 02 A000", "BF3B 02 A100", "BF3B 03 810106"]);
    }

    #[test]
    fn a_package_is_fetched() {
        let octets = der(&format!("BF3A 0D {ID} BF2100"));
        let request: GetBoundProfilePackageRequest = both_ways(&octets);
        assert_eq!(request.prepare_download_response, der("BF2100"));
        let octets = der(&format!("BF3A 0F A0 0D {ID} BF3600"));
        let GetBoundProfilePackageResponse::Ok(ok) = both_ways(&octets) else { panic!("an error") };
        assert_eq!((ok.transaction_id, ok.bound_profile_package), (Some(OCTETS.to_vec()), der("BF3600")));
        assert_eq!(
            both_ways::<GetBoundProfilePackageResponse>(&der("BF3A03810103")),
            GetBoundProfilePackageResponse::Error(GetBoundProfilePackageErrorEsipa::ConfirmationCodeRefused)
        );
        refused!(GetBoundProfilePackageResponse, ["BF3A 00", "BF3A 02 A000", "BF3A 03 820103"]);
    }

    #[test]
    fn three_taggings_of_a_cancellation_are_read_and_one_is_written() {
        let octets = der("BF410F80080102030405060708A103810105");
        let direct: CancelSessionRequest = both_ways(&octets);
        assert_eq!(direct.cancel_session_response, der("BF4103810105"));
        for text in [format!("BF41 12 {ID} A1 06 BF41 03 810105"), format!("BF41 10 {ID} BF41 03 810105")] {
            let request = CancelSessionRequest::from_der(&der(&text)).unwrap();
            assert_eq!(request, direct, "{text}");
            assert_eq!(request.to_der(), octets, "{text}");
        }
        for text in [
            format!("BF41 0C {ID} A1 00"),
            format!("BF41 0A {ID}"),
            format!("BF41 0F {ID} A1 03 820105"),
            format!("BF41 0F {ID} A2 03 810105"),
            format!("BF41 10 {ID} A1 04 A000 A000"),
            format!("BF41 15 {ID} A1 09 BF41 06 BF41 03 810105"),
            format!("BF41 13 {ID} BF41 06 BF41 03 810105"),
        ] {
            assert!(CancelSessionRequest::from_der(&der(&text)).is_err(), "{text}");
        }
    }

    #[test]
    fn compact_cancellations_are_passed_on() {
        for (text, signed) in [
            (
                "BF41 1A 80080102030405060708 A1 0E A20C30038001025F3704AAAAAAAA",
                "A20C30038001025F3704AAAAAAAA",
            ),
            ("BF41 17 80080102030405060708 A1 0B A20930005F3704AAAAAAAA", "A20930005F3704AAAAAAAA"),
        ] {
            let octets = der(text);
            let request: CancelSessionRequest = both_ways(&octets);
            assert_eq!(request.cancel_session_response[3..], der(signed));
        }
    }

    #[test]
    fn a_cancellation_is_answered() {
        assert_eq!(both_ways::<CancelSessionResponse>(&der("BF4102A000")), CancelSessionResponse::Ok);
        assert_eq!(
            both_ways::<CancelSessionResponse>(&der("BF4103810101")),
            CancelSessionResponse::Error(CancelSessionErrorEsipa::InvalidTransactionId)
        );
        assert_eq!(CancelSessionResponse::from_der(&der("BF4105A003850100")), Ok(CancelSessionResponse::Ok));
        refused!(CancelSessionResponse, ["BF41 00", "BF41 02 A200", "BF41 04 A000 A000"]);
    }

    #[test]
    fn a_transaction_identifier_has_one_to_sixteen_octets() {
        let long = "8011 0102030405060708090A0B0C0D0E0F1011";
        assert_eq!(long.len() - 5, 2 * (MAX_TRANSACTION_ID_OCTETS + 1));
        let long = format!("BF3B 16 {long} BF3800");
        refused!(AuthenticateClientRequest, [&long, "BF3B 05 8000 BF3800", "BF3B 03 BF3800"]);
    }

    #[test]
    fn codes_of_later_versions_are_kept() {
        let octets = der("BF3B03820163");
        let response: AuthenticateClientResponse = both_ways(&octets);
        assert_eq!(response, AuthenticateClientResponse::Error(AuthenticateClientErrorEsipa::Other(99)));
        let expired = AuthenticateClientErrorEsipa::from_code(18);
        assert_eq!(expired.to_string(), "downloadOrderExpired (18)");
    }
}
