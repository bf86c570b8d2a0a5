//! ESipa: what IPA and eIM send each other (SGP.32 5.14, 6.3.2).
//!
//! The standard puts all messages into two CHOICEs without octets of their own, so that the first tag tells the
//! function: [`EsipaRequest`] and [`EsipaResponse`]. Two functions have no alternative in both: HandleNotification has no
//! response, and TransferEimPackage, by which an eIM calls an IPA ([`TransferEimPackageRequest`]), goes the other way.
//!
//! The messages own what they hold, since they come over two bindings, of which one has no octets to borrow from.
//! Objects that have a message of their own and objects that are signed stand here as received: whole TLVs, whose
//! content is read by who verifies or executes them. A relay passes them on untouched.

mod download;
mod package;

pub use download::{
    AuthenticateClientErrorEsipa, AuthenticateClientOkDp, AuthenticateClientOkDs, AuthenticateClientRequest,
    AuthenticateClientResponse, CancelSessionErrorEsipa, CancelSessionRequest, CancelSessionResponse,
    GetBoundProfilePackageErrorEsipa, GetBoundProfilePackageOk, GetBoundProfilePackageRequest,
    GetBoundProfilePackageResponse, InitiateAuthenticationErrorEsipa, InitiateAuthenticationOk,
    InitiateAuthenticationRequest, InitiateAuthenticationResponse,
};
pub use package::{
    CorrelationId, EimAcknowledgements, EimPackage, EimPackageError, EimPackageResult,
    EimPackageResultErrorCode, GetEimPackageRequest, GetEimPackageResponse, HandleNotification,
    ProvideEimPackageResultError, ProvideEimPackageResultRequest, ProvideEimPackageResultResponse,
    StateChangeCause, TransferEimPackageError, TransferEimPackageRequest, TransferEimPackageResponse,
};

use super::EimTransactionId;
use crate::tlv::{Decode, Encode, Error, ErrorKind, Reader, Tag, Writer};

/// A function of ESipa.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// `BF39` InitiateAuthentication (5.14.1).
    InitiateAuthentication,
    /// `BF3A` GetBoundProfilePackage (5.14.2).
    GetBoundProfilePackage,
    /// `BF3B` AuthenticateClient (5.14.3).
    AuthenticateClient,
    /// `BF3D` HandleNotification (5.14.7): a request alone.
    HandleNotification,
    /// `BF41` CancelSession (5.14.8).
    CancelSession,
    /// `BF4E` TransferEimPackage (5.14.4): the eIM calls the IPA.
    TransferEimPackage,
    /// `BF4F` GetEimPackage (5.14.5).
    GetEimPackage,
    /// `BF50` ProvideEimPackageResult (5.14.6).
    ProvideEimPackageResult,
}

impl Function {
    /// All of them, by their tags.
    pub const ALL: [Self; 8] = [
        Self::InitiateAuthentication,
        Self::GetBoundProfilePackage,
        Self::AuthenticateClient,
        Self::HandleNotification,
        Self::CancelSession,
        Self::TransferEimPackage,
        Self::GetEimPackage,
        Self::ProvideEimPackageResult,
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
            Self::TransferEimPackage => Tag(0xBF4E),
            Self::GetEimPackage => Tag(0xBF4F),
            Self::ProvideEimPackageResult => Tag(0xBF50),
        }
    }

    /// Its name in the standard, as it stands at the end of the path of its JSON binding.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InitiateAuthentication => "initiateAuthentication",
            Self::GetBoundProfilePackage => "getBoundProfilePackage",
            Self::AuthenticateClient => "authenticateClient",
            Self::HandleNotification => "handleNotification",
            Self::CancelSession => "cancelSession",
            Self::TransferEimPackage => "transferEimPackage",
            Self::GetEimPackage => "getEimPackage",
            Self::ProvideEimPackageResult => "provideEimPackageResult",
        }
    }

    /// The function whose messages start with this tag.
    #[must_use]
    pub fn of_tag(tag: Tag) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.tag() == tag)
    }
}

/// EsipaMessageFromIpaToEim: the requests of an IPA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EsipaRequest {
    /// `BF39`.
    InitiateAuthentication(InitiateAuthenticationRequest),
    /// `BF3A`.
    GetBoundProfilePackage(GetBoundProfilePackageRequest),
    /// `BF3B`.
    AuthenticateClient(AuthenticateClientRequest),
    /// `BF3D`.
    HandleNotification(HandleNotification),
    /// `BF41`.
    CancelSession(CancelSessionRequest),
    /// `BF4F`.
    GetEimPackage(GetEimPackageRequest),
    /// `BF50`.
    ProvideEimPackageResult(ProvideEimPackageResultRequest),
}

impl EsipaRequest {
    /// The function that it calls.
    #[must_use]
    pub const fn function(&self) -> Function {
        match self {
            Self::InitiateAuthentication(_) => Function::InitiateAuthentication,
            Self::GetBoundProfilePackage(_) => Function::GetBoundProfilePackage,
            Self::AuthenticateClient(_) => Function::AuthenticateClient,
            Self::HandleNotification(_) => Function::HandleNotification,
            Self::CancelSession(_) => Function::CancelSession,
            Self::GetEimPackage(_) => Function::GetEimPackage,
            Self::ProvideEimPackageResult(_) => Function::ProvideEimPackageResult,
        }
    }
}

impl<'a> Decode<'a> for EsipaRequest {
    const NAME: &'static str = "EsipaMessageFromIpaToEim";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let found = reader.peek().ok_or(reader.error(ErrorKind::Form))?;
        match Function::of_tag(found) {
            Some(Function::InitiateAuthentication) => {
                Decode::decode(reader).map(Self::InitiateAuthentication)
            }
            Some(Function::GetBoundProfilePackage) => {
                Decode::decode(reader).map(Self::GetBoundProfilePackage)
            }
            Some(Function::AuthenticateClient) => Decode::decode(reader).map(Self::AuthenticateClient),
            Some(Function::HandleNotification) => Decode::decode(reader).map(Self::HandleNotification),
            Some(Function::CancelSession) => Decode::decode(reader).map(Self::CancelSession),
            Some(Function::GetEimPackage) => Decode::decode(reader).map(Self::GetEimPackage),
            Some(Function::ProvideEimPackageResult) => {
                Decode::decode(reader).map(Self::ProvideEimPackageResult)
            }
            Some(Function::TransferEimPackage) | None => Err(reader.error(ErrorKind::Choice { found })),
        }
    }
}

impl Encode for EsipaRequest {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::InitiateAuthentication(request) => request.encode(writer),
            Self::GetBoundProfilePackage(request) => request.encode(writer),
            Self::AuthenticateClient(request) => request.encode(writer),
            Self::HandleNotification(request) => request.encode(writer),
            Self::CancelSession(request) => request.encode(writer),
            Self::GetEimPackage(request) => request.encode(writer),
            Self::ProvideEimPackageResult(request) => request.encode(writer),
        }
    }
}

/// EsipaMessageFromEimToIpa: the responses of an eIM. HandleNotification has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EsipaResponse {
    /// `BF39`.
    InitiateAuthentication(InitiateAuthenticationResponse),
    /// `BF3A`.
    GetBoundProfilePackage(GetBoundProfilePackageResponse),
    /// `BF3B`.
    AuthenticateClient(AuthenticateClientResponse),
    /// `BF41`.
    CancelSession(CancelSessionResponse),
    /// `BF4F`.
    GetEimPackage(GetEimPackageResponse),
    /// `BF50`.
    ProvideEimPackageResult(ProvideEimPackageResultResponse),
}

impl<'a> Decode<'a> for EsipaResponse {
    const NAME: &'static str = "EsipaMessageFromEimToIpa";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let found = reader.peek().ok_or(reader.error(ErrorKind::Form))?;
        match Function::of_tag(found) {
            Some(Function::InitiateAuthentication) => {
                Decode::decode(reader).map(Self::InitiateAuthentication)
            }
            Some(Function::GetBoundProfilePackage) => {
                Decode::decode(reader).map(Self::GetBoundProfilePackage)
            }
            Some(Function::AuthenticateClient) => Decode::decode(reader).map(Self::AuthenticateClient),
            Some(Function::CancelSession) => Decode::decode(reader).map(Self::CancelSession),
            Some(Function::GetEimPackage) => Decode::decode(reader).map(Self::GetEimPackage),
            Some(Function::ProvideEimPackageResult) => {
                Decode::decode(reader).map(Self::ProvideEimPackageResult)
            }
            Some(Function::HandleNotification | Function::TransferEimPackage) | None => {
                Err(reader.error(ErrorKind::Choice { found }))
            }
        }
    }
}

impl Encode for EsipaResponse {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::InitiateAuthentication(response) => response.encode(writer),
            Self::GetBoundProfilePackage(response) => response.encode(writer),
            Self::AuthenticateClient(response) => response.encode(writer),
            Self::CancelSession(response) => response.encode(writer),
            Self::GetEimPackage(response) => response.encode(writer),
            Self::ProvideEimPackageResult(response) => response.encode(writer),
        }
    }
}

/// A whole TLV with this tag, as received.
fn object(members: &mut Reader<'_>, tag: Tag) -> Result<Vec<u8>, Error> {
    Ok(members.expect(tag)?.raw.to_vec())
}

/// A whole TLV with this tag, as received, if it follows.
fn optional_object(members: &mut Reader<'_>, tag: Tag) -> Result<Option<Vec<u8>>, Error> {
    Ok(members.optional(tag)?.map(|tlv| tlv.raw.to_vec()))
}

/// The longest transactionId of a session, in octets.
const MAX_TRANSACTION_ID_OCTETS: usize = 16;

/// Reads `80` transactionId of a session with an SM-DP+.
fn transaction_id(members: &mut Reader<'_>) -> Result<Vec<u8>, Error> {
    let tlv = members.expect(Tag(0x80))?;
    Ok(tlv.sized(1..=MAX_TRANSACTION_ID_OCTETS, "transactionId")?.to_vec())
}

fn optional_transaction_id(members: &mut Reader<'_>) -> Result<Option<Vec<u8>>, Error> {
    let Some(tlv) = members.optional(Tag(0x80))? else { return Ok(None) };
    Ok(Some(tlv.sized(1..=MAX_TRANSACTION_ID_OCTETS, "transactionId")?.to_vec()))
}

fn write_eim_transaction_id(members: &mut Writer, tag: Tag, id: Option<&EimTransactionId>) {
    members.optional(tag, id.map(EimTransactionId::as_octets));
}
