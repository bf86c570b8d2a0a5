//! ES9+ in the ASN.1 binding (SGP.22 6.6): the envelope of requests and responses, and what each function carries in it.
//!
//! Objects that have a message of their own (EUICCInfo1, AuthenticateServerResponse, BoundProfilePackage …) and what is
//! signed stand here as received: whole TLVs, whose content is read by who verifies them. Members that follow the known
//! ones are accepted and passed over. ES11, which shares the envelope, is not modelled.

use super::{CHALLENGE_LEN, MAX_ADDRESS_CHARS, SIGNATURE, transaction_id};
use crate::tlv::{Decode, Encode, Error, ErrorKind, Reader, Tag, Writer};

/// A function of ES9+: which alternative of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// `BF39` InitiateAuthentication (5.6.1).
    InitiateAuthentication,
    /// `BF3A` GetBoundProfilePackage (5.6.2).
    GetBoundProfilePackage,
    /// `BF3B` AuthenticateClient (5.6.3).
    AuthenticateClient,
    /// `BF3D` HandleNotification (5.6.4): a request alone.
    HandleNotification,
    /// `BF41` CancelSession (5.6.5).
    CancelSession,
}

impl Function {
    /// All of them, by their tags.
    pub const ALL: [Self; 5] = [
        Self::InitiateAuthentication,
        Self::GetBoundProfilePackage,
        Self::AuthenticateClient,
        Self::HandleNotification,
        Self::CancelSession,
    ];

    /// The tag of its request and of its response.
    #[must_use]
    pub const fn tag(self) -> Tag {
        match self {
            Self::InitiateAuthentication => Tag(0xBF39),
            Self::GetBoundProfilePackage => Tag(0xBF3A),
            Self::AuthenticateClient => Tag(0xBF3B),
            Self::HandleNotification => Tag(0xBF3D),
            Self::CancelSession => Tag(0xBF41),
        }
    }
}

/// RemoteProfileProvisioningRequest and RemoteProfileProvisioningResponse, `A2`: which function, and its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The function.
    pub function: Function,
    /// The TLV of its request or response, as received.
    pub message: &'a [u8],
}

impl Envelope<'_> {
    /// The tag of both.
    pub const TAG: Tag = Tag(0xA2);
}

impl<'a> Decode<'a> for Envelope<'a> {
    const NAME: &'static str = "RemoteProfileProvisioning";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut choice = reader.expect(Envelope::TAG)?.members(Self::NAME);
        let message = choice.read()?;
        choice.finish()?;
        let function = Function::ALL.into_iter().find(|function| function.tag() == message.tag);
        let function = function.ok_or(message.error(ErrorKind::Choice { found: message.tag }, Self::NAME))?;
        Ok(Self { function, message: message.raw })
    }
}

impl Encode for Envelope<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |choice| {
            choice.raw(self.message);
        });
    }
}

/// The members of a response's alternative `A0`.
pub trait ResponseOk<'a>: Sized {
    /// The function that answers so.
    const FUNCTION: Function;
    /// The name of the type in its module, for errors.
    const NAME: &'static str;

    /// Reads the known members, in their order.
    ///
    /// # Errors
    /// [`Error`] at the first one that does not fit.
    fn read_members(members: &mut Reader<'a>) -> Result<Self, Error>;

    /// Writes the members.
    fn write_members(&self, writer: &mut Writer);
}

/// The response of a function: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response<T> {
    /// `A0`: the function was executed.
    Ok(T),
    /// `81`: it failed; one of [`error`], or a value of a later version.
    Error(u32),
}

impl<'a, T: ResponseOk<'a>> Decode<'a> for Response<T> {
    const NAME: &'static str = T::NAME;

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut choice = reader.expect(T::FUNCTION.tag())?.members(T::NAME);
        let alternative = choice.read()?;
        choice.finish()?;
        match alternative.tag.0 {
            0xA0 => {
                let mut members = alternative.members(T::NAME);
                let ok = T::read_members(&mut members)?;
                members.extensions()?;
                Ok(Self::Ok(ok))
            }
            0x81 => Ok(Self::Error(alternative.unsigned("error code")?)),
            _ => Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, T::NAME)),
        }
    }
}

impl<'a, T: ResponseOk<'a>> Encode for Response<T> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(T::FUNCTION.tag(), |choice| match self {
            Self::Ok(ok) => {
                choice.nested(Tag(0xA0), |members| ok.write_members(members));
            }
            Self::Error(code) => {
                choice.integer(Tag(0x81), i64::from(*code));
            }
        });
    }
}

/// The integers of a response's alternative `81` (annex H), by function.
pub mod error {
    /// InitiateAuthentication.
    pub mod initiate_authentication {
        /// invalidDpAddress.
        pub const INVALID_DP_ADDRESS: u32 = 1;
        /// euiccVersionNotSupportedByDp.
        pub const EUICC_VERSION_NOT_SUPPORTED_BY_DP: u32 = 2;
        /// ciPKNotSupported.
        pub const CI_PK_NOT_SUPPORTED: u32 = 3;
    }

    /// AuthenticateClient.
    pub mod authenticate_client {
        /// eumCertificateInvalid.
        pub const EUM_CERTIFICATE_INVALID: u32 = 1;
        /// eumCertificateExpired.
        pub const EUM_CERTIFICATE_EXPIRED: u32 = 2;
        /// euiccCertificateInvalid.
        pub const EUICC_CERTIFICATE_INVALID: u32 = 3;
        /// euiccCertificateExpired.
        pub const EUICC_CERTIFICATE_EXPIRED: u32 = 4;
        /// euiccSignatureInvalid.
        pub const EUICC_SIGNATURE_INVALID: u32 = 5;
        /// matchingIdRefused.
        pub const MATCHING_ID_REFUSED: u32 = 6;
        /// eidMismatch.
        pub const EID_MISMATCH: u32 = 7;
        /// noEligibleProfile.
        pub const NO_ELIGIBLE_PROFILE: u32 = 8;
        /// ciPKUnknown.
        pub const CI_PK_UNKNOWN: u32 = 9;
        /// invalidTransactionId.
        pub const INVALID_TRANSACTION_ID: u32 = 10;
        /// insufficientMemory.
        pub const INSUFFICIENT_MEMORY: u32 = 11;
    }

    /// GetBoundProfilePackage.
    pub mod get_bound_profile_package {
        /// euiccSignatureInvalid.
        pub const EUICC_SIGNATURE_INVALID: u32 = 1;
        /// confirmationCodeMissing.
        pub const CONFIRMATION_CODE_MISSING: u32 = 2;
        /// confirmationCodeRefused.
        pub const CONFIRMATION_CODE_REFUSED: u32 = 3;
        /// confirmationCodeRetriesExceeded.
        pub const CONFIRMATION_CODE_RETRIES_EXCEEDED: u32 = 4;
        /// bppRebindingRefused.
        pub const BPP_REBINDING_REFUSED: u32 = 5;
        /// downloadOrderExpired.
        pub const DOWNLOAD_ORDER_EXPIRED: u32 = 6;
        /// invalidTransactionId.
        pub const INVALID_TRANSACTION_ID: u32 = 95;
    }

    /// CancelSession.
    pub mod cancel_session {
        /// invalidTransactionId.
        pub const INVALID_TRANSACTION_ID: u32 = 1;
        /// euiccSignatureInvalid.
        pub const EUICC_SIGNATURE_INVALID: u32 = 2;
    }

    /// undefinedError, of every function.
    pub const UNDEFINED: u32 = 127;
}

/// InitiateAuthenticationRequest, `BF39`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitiateAuthenticationRequest<'a> {
    /// `81` euiccChallenge.
    pub euicc_challenge: &'a [u8; CHALLENGE_LEN],
    /// `83` smdpAddress.
    pub smdp_address: &'a str,
    /// `BF20` euiccInfo1.
    pub euicc_info1: &'a [u8],
}

impl InitiateAuthenticationRequest<'_> {
    const TAG: Tag = Function::InitiateAuthentication.tag();
}

impl<'a> Decode<'a> for InitiateAuthenticationRequest<'a> {
    const NAME: &'static str = "InitiateAuthenticationRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(InitiateAuthenticationRequest::TAG)?.members(Self::NAME);
        let request = Self {
            euicc_challenge: members.expect(Tag(0x81))?.array("euiccChallenge")?,
            smdp_address: members.expect(Tag(0x83))?.text(MAX_ADDRESS_CHARS, "smdpAddress")?,
            euicc_info1: members.expect(Tag(0xBF20))?.raw,
        };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for InitiateAuthenticationRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members
                .tlv(Tag(0x81), self.euicc_challenge)
                .tlv(Tag(0x83), self.smdp_address.as_bytes())
                .raw(self.euicc_info1);
        });
    }
}

/// InitiateAuthenticationOkEs9.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitiateAuthenticationOk<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// `30` serverSigned1.
    pub server_signed1: &'a [u8],
    /// `5F37` serverSignature1.
    pub server_signature1: &'a [u8],
    /// `04` euiccCiPKIdToBeUsed.
    pub euicc_ci_pk_id_to_be_used: &'a [u8],
    /// `30` serverCertificate.
    pub server_certificate: &'a [u8],
}

impl<'a> ResponseOk<'a> for InitiateAuthenticationOk<'a> {
    const FUNCTION: Function = Function::InitiateAuthentication;
    const NAME: &'static str = "InitiateAuthenticationResponse";

    fn read_members(members: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self {
            transaction_id: transaction_id(members)?,
            server_signed1: members.expect(Tag::SEQUENCE)?.raw,
            server_signature1: members.expect(SIGNATURE)?.raw,
            euicc_ci_pk_id_to_be_used: members.expect(Tag::OCTET_STRING)?.raw,
            server_certificate: members.expect(Tag::SEQUENCE)?.raw,
        })
    }

    fn write_members(&self, writer: &mut Writer) {
        writer
            .tlv(Tag(0x80), self.transaction_id)
            .raw(self.server_signed1)
            .raw(self.server_signature1)
            .raw(self.euicc_ci_pk_id_to_be_used)
            .raw(self.server_certificate);
    }
}

/// AuthenticateClientRequest, `BF3B`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticateClientRequest<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// `BF38` authenticateServerResponse.
    pub authenticate_server_response: &'a [u8],
}

impl AuthenticateClientRequest<'_> {
    const TAG: Tag = Function::AuthenticateClient.tag();
}

impl<'a> Decode<'a> for AuthenticateClientRequest<'a> {
    const NAME: &'static str = "AuthenticateClientRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(AuthenticateClientRequest::TAG)?.members(Self::NAME);
        let request = Self {
            transaction_id: transaction_id(&mut members)?,
            authenticate_server_response: members.expect(Tag(0xBF38))?.raw,
        };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for AuthenticateClientRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.tlv(Tag(0x80), self.transaction_id).raw(self.authenticate_server_response);
        });
    }
}

/// AuthenticateClientOk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticateClientOk<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// `BF25` profileMetaData.
    pub profile_metadata: &'a [u8],
    /// `30` smdpSigned2.
    pub smdp_signed2: &'a [u8],
    /// `5F37` smdpSignature2.
    pub smdp_signature2: &'a [u8],
    /// `30` smdpCertificate.
    pub smdp_certificate: &'a [u8],
}

impl<'a> ResponseOk<'a> for AuthenticateClientOk<'a> {
    const FUNCTION: Function = Function::AuthenticateClient;
    const NAME: &'static str = "AuthenticateClientResponseEs9";

    fn read_members(members: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self {
            transaction_id: transaction_id(members)?,
            profile_metadata: members.expect(Tag(0xBF25))?.raw,
            smdp_signed2: members.expect(Tag::SEQUENCE)?.raw,
            smdp_signature2: members.expect(SIGNATURE)?.raw,
            smdp_certificate: members.expect(Tag::SEQUENCE)?.raw,
        })
    }

    fn write_members(&self, writer: &mut Writer) {
        writer
            .tlv(Tag(0x80), self.transaction_id)
            .raw(self.profile_metadata)
            .raw(self.smdp_signed2)
            .raw(self.smdp_signature2)
            .raw(self.smdp_certificate);
    }
}

/// GetBoundProfilePackageRequest, `BF3A`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBoundProfilePackageRequest<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// `BF21` prepareDownloadResponse.
    pub prepare_download_response: &'a [u8],
}

impl GetBoundProfilePackageRequest<'_> {
    const TAG: Tag = Function::GetBoundProfilePackage.tag();
}

impl<'a> Decode<'a> for GetBoundProfilePackageRequest<'a> {
    const NAME: &'static str = "GetBoundProfilePackageRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(GetBoundProfilePackageRequest::TAG)?.members(Self::NAME);
        let request = Self {
            transaction_id: transaction_id(&mut members)?,
            prepare_download_response: members.expect(Tag(0xBF21))?.raw,
        };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for GetBoundProfilePackageRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.tlv(Tag(0x80), self.transaction_id).raw(self.prepare_download_response);
        });
    }
}

/// GetBoundProfilePackageOk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBoundProfilePackageOk<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// `BF36` boundProfilePackage.
    pub bound_profile_package: &'a [u8],
}

impl<'a> ResponseOk<'a> for GetBoundProfilePackageOk<'a> {
    const FUNCTION: Function = Function::GetBoundProfilePackage;
    const NAME: &'static str = "GetBoundProfilePackageResponse";

    fn read_members(members: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self {
            transaction_id: transaction_id(members)?,
            bound_profile_package: members.expect(Tag(0xBF36))?.raw,
        })
    }

    fn write_members(&self, writer: &mut Writer) {
        writer.tlv(Tag(0x80), self.transaction_id).raw(self.bound_profile_package);
    }
}

/// CancelSessionRequestEs9, `BF41`.
///
/// `A1` replaces the tag of CancelSessionResponse (X.680 31.2.7) and holds its alternative; encoders that leave that
/// tag inside occur, and both forms are read. The first is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelSessionRequest<'a> {
    /// `80` transactionId.
    pub transaction_id: &'a [u8],
    /// The alternative of CancelSessionResponse, `A0` or `81`, without the `BF41` that it has where it stands alone.
    pub cancel_session_response: &'a [u8],
}

impl CancelSessionRequest<'_> {
    const TAG: Tag = Function::CancelSession.tag();
}

impl<'a> Decode<'a> for CancelSessionRequest<'a> {
    const NAME: &'static str = "CancelSessionRequestEs9";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(CancelSessionRequest::TAG)?.members(Self::NAME);
        let transaction_id = transaction_id(&mut members)?;
        let mut choice = members.expect(Tag(0xA1))?.members("cancelSessionResponse");
        members.extensions()?;
        let mut alternative = choice.read()?;
        choice.finish()?;
        if alternative.tag == CancelSessionRequest::TAG {
            let mut choice = alternative.members("cancelSessionResponse");
            alternative = choice.read()?;
            choice.finish()?;
        }
        match alternative.tag.0 {
            0xA0 | 0x81 => Ok(Self { transaction_id, cancel_session_response: alternative.raw }),
            _ => Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, Self::NAME)),
        }
    }
}

impl Encode for CancelSessionRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.tlv(Tag(0x80), self.transaction_id).tlv(Tag(0xA1), self.cancel_session_response);
        });
    }
}

/// CancelSessionOk: no members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelSessionOk;

impl<'a> ResponseOk<'a> for CancelSessionOk {
    const FUNCTION: Function = Function::CancelSession;
    const NAME: &'static str = "CancelSessionResponseEs9";

    fn read_members(_: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn write_members(&self, _: &mut Writer) {}
}

/// HandleNotification, `BF3D`: a request without a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandleNotification<'a> {
    /// pendingNotification, an untagged CHOICE under an explicit `A0`: `BF37` or `30`, or an alternative of a later
    /// version.
    pub pending_notification: &'a [u8],
}

impl HandleNotification<'_> {
    const TAG: Tag = Function::HandleNotification.tag();
}

impl<'a> Decode<'a> for HandleNotification<'a> {
    const NAME: &'static str = "HandleNotification";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(HandleNotification::TAG)?.members(Self::NAME);
        let mut choice = members.expect(Tag(0xA0))?.members("pendingNotification");
        members.extensions()?;
        let pending_notification = choice.read()?.raw;
        choice.finish()?;
        Ok(Self { pending_notification })
    }
}

impl Encode for HandleNotification<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.tlv(Tag(0xA0), self.pending_notification);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8010000102030405060708090A0B0C0D0E0F";

    fn der(text: &str) -> Vec<u8> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    /// Reads a message, writes it, and compares the octets; and no truncation of it is read.
    fn both_ways<'a, T: Decode<'a> + Encode + PartialEq + core::fmt::Debug>(octets: &'a [u8]) -> T {
        let value = T::from_der(octets).unwrap();
        assert_eq!(value.to_der(), octets);
        for length in 0..octets.len() {
            assert!(T::from_der(&octets[..length]).is_err(), "cut to {length} octets");
        }
        value
    }

    #[test]
    fn an_envelope_names_its_function() {
        for (function, text) in [
            (Function::InitiateAuthentication, "A2 03 BF39 00"),
            (Function::GetBoundProfilePackage, "A2 03 BF3A 00"),
            (Function::AuthenticateClient, "A2 03 BF3B 00"),
            (Function::HandleNotification, "A2 03 BF3D 00"),
            (Function::CancelSession, "A2 05 BF41 02 A000"),
        ] {
            let octets = der(text);
            let envelope: Envelope<'_> = both_ways(&octets);
            assert_eq!((envelope.function, envelope.message), (function, &octets[2..]));
        }
        for (text, kind) in [
            ("A2 00", ErrorKind::Form),
            ("A3 03 BF39 00", ErrorKind::Tag { expected: Tag(0xA2), found: Tag(0xA3) }),
            ("A2 03 BF40 00", ErrorKind::Choice { found: Tag(0xBF40) }),
            ("A2 06 BF39 00 BF3A 00", ErrorKind::Trailing),
            ("A2 03 BF39 00 00", ErrorKind::Trailing),
        ] {
            assert_eq!(Envelope::from_der(&der(text)).unwrap_err().kind, kind, "{text}");
        }
    }

    #[test]
    fn requests_are_read_and_written() {
        let octets = der("BF39 1A 8110 101112131415161718191A1B1C1D1E1F 8303612E62 BF2000");
        let request: InitiateAuthenticationRequest<'_> = both_ways(&octets);
        assert_eq!((request.smdp_address, request.euicc_challenge[15]), ("a.b", 0x1F));
        assert_eq!(request.euicc_info1, der("BF2000"));
        let octets = der(&format!("BF3B 15 {ID} BF3800"));
        let request: AuthenticateClientRequest<'_> = both_ways(&octets);
        assert_eq!(request.authenticate_server_response, der("BF3800"));
        let octets = der(&format!("BF3A 15 {ID} BF2100"));
        let request: GetBoundProfilePackageRequest<'_> = both_ways(&octets);
        assert_eq!(request.prepare_download_response, der("BF2100"));
        for notification in ["BF3700", "3000", "A100"] {
            let length = notification.len() / 2;
            let octets = der(&format!("BF3D {:02X} A0 {length:02X} {notification}", length + 2));
            let request: HandleNotification<'_> = both_ways(&octets);
            assert_eq!(request.pending_notification, der(notification));
        }
    }

    #[test]
    fn responses_are_read_and_written() {
        let octets = der(&format!("BF39 21 A0 1F {ID} 3000 5F37020000 04020000 3000"));
        let response: Response<InitiateAuthenticationOk<'_>> = both_ways(&octets);
        let Response::Ok(ok) = response else { panic!("an error") };
        assert_eq!(ok.server_signature1, der("5F37020000"));
        assert_eq!(ok.euicc_ci_pk_id_to_be_used, der("04020000"));
        let octets = der(&format!("BF3B 20 A0 1E {ID} BF2500 3000 5F37020000 3000"));
        assert!(matches!(both_ways(&octets), Response::<AuthenticateClientOk<'_>>::Ok(_)));
        let octets = der(&format!("BF3A 17 A0 15 {ID} BF3600"));
        assert!(matches!(both_ways(&octets), Response::<GetBoundProfilePackageOk<'_>>::Ok(_)));
        assert_eq!(both_ways::<Response<CancelSessionOk>>(&der("BF4102A000")), Response::Ok(CancelSessionOk));
        assert_eq!(both_ways::<Response<CancelSessionOk>>(&der("BF4103810101")), Response::Error(1));
        assert_eq!(
            both_ways::<Response<GetBoundProfilePackageOk<'_>>>(&der("BF3A0381015F")),
            Response::Error(error::get_bound_profile_package::INVALID_TRANSACTION_ID)
        );
        for text in ["BF41 02 A200", "BF41 00", "BF41 04 A000 A000", "BF3A 02 A000"] {
            assert!(Response::<CancelSessionOk>::from_der(&der(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn both_taggings_of_a_cancellation_are_read_and_one_is_written() {
        let octets = der(&format!("BF41 17 {ID} A1 03 810105"));
        let direct: CancelSessionRequest<'_> = both_ways(&octets);
        assert_eq!(direct.cancel_session_response, der("810105"));
        let doubled = der(&format!("BF41 1A {ID} A1 06 BF41 03 810105"));
        let request = CancelSessionRequest::from_der(&doubled).unwrap();
        assert_eq!(request, direct);
        assert_eq!(request.to_der(), octets);
        for text in [
            format!("BF41 14 {ID} A1 00"),
            format!("BF41 17 {ID} A1 03 820105"),
            format!("BF41 18 {ID} A1 04 A000 A000"),
            format!("BF41 1B {ID} A1 07 BF41 04 A000 A000"),
            format!("BF41 1D {ID} A1 09 BF41 06 BF41 03 810105"),
        ] {
            assert!(CancelSessionRequest::from_der(&der(&text)).is_err(), "{text}");
        }
    }

    #[test]
    fn members_of_later_versions_are_passed_over() {
        let octets = der("BF39 1D 8110 101112131415161718191A1B1C1D1E1F 8303612E62 BF2000 850100");
        assert!(InitiateAuthenticationRequest::from_der(&octets).is_ok());
        let octets = der(&format!("BF3A 1A A0 18 {ID} BF3600 850100"));
        assert!(Response::<GetBoundProfilePackageOk<'_>>::from_der(&octets).is_ok());
        let octets = der("BF41 05 A0 03 850100");
        assert_eq!(Response::from_der(&octets), Ok(Response::Ok(CancelSessionOk)));
        let octets = der(&format!("BF3B 17 {ID} BF3800 85"));
        assert!(AuthenticateClientRequest::from_der(&octets).is_err(), "what follows is well formed");
    }
}
