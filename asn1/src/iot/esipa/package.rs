//! The functions that bring eIM packages to an IPA and results back (5.14.4 to 5.14.7).

use super::super::{EimTransactionId, MAX_ENTRIES, choice, eid, entries};
use super::{Function, object, write_eim_transaction_id};
use crate::rsp::NUMBER;
use crate::rsp::notification::ProfileInstallationResult;
use crate::tlv::{Decode, Encode, Error, ErrorKind, Reader, Tag, Tlv, Writer};

/// `BF51`: an EuiccPackageRequest or an EuiccPackageResult.
const EUICC_PACKAGE: Tag = Tag(0xBF51);
/// `BF52`: an IpaEuiccDataRequest or an IpaEuiccDataResponse.
const IPA_EUICC_DATA: Tag = super::super::data::IpaEuiccDataRequest::TAG;
/// `BF54`: a ProfileDownloadTriggerRequest or a ProfileDownloadTriggerResult.
const PROFILE_DOWNLOAD_TRIGGER: Tag = super::super::trigger::ProfileDownloadTriggerRequest::TAG;

codes! {
    /// eimPackageError of GetEimPackage.
    EimPackageError {
        NoEimPackageAvailable = 1 "noEimPackageAvailable",
        EidNotFound = 2 "eidNotFound",
        InvalidEid = 3 "invalidEid",
        MissingEid = 4 "missingEid",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// provideEimPackageResultError.
    ProvideEimPackageResultError {
        EidNotFound = 2 "eidNotFound",
        InvalidEid = 3 "invalidEid",
        MissingEid = 4 "missingEid",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// eimPackageError of TransferEimPackage.
    TransferEimPackageError {
        InvalidPackageFormat = 1 "invalidPackageFormat",
        UnknownPackage = 2 "unknownPackage",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// eimPackageResultErrorCode: why an IPA could not execute an eIM package.
    EimPackageResultErrorCode {
        InvalidPackageFormat = 1 "invalidPackageFormat",
        UnknownPackage = 2 "unknownPackage",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// stateChangeCause: why the profiles of an eUICC are not as the eIM left them.
    StateChangeCause {
        OtherEim = 0 "otherEim",
        Fallback = 1 "fallback",
        EmergencyProfile = 2 "emergencyProfile",
        Local = 3 "local",
        Reset = 4 "reset",
        ImmediateEnableProfile = 5 "immediateEnableProfile",
        DeviceChange = 6 "deviceChange",
        Undefined = 127 "undefined",
    }
}

/// GetEimPackageRequest, `BF4F`: a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetEimPackageRequest {
    /// `5A` eidValue.
    pub eid_value: [u8; 16],
    /// `80` notifyStateChange: the profiles are not as the eIM left them.
    pub notify_state_change: bool,
    /// `81` stateChangeCause.
    pub state_change_cause: Option<StateChangeCause>,
    /// `82` rPLMN: the network that the device is registered in, as TS 24.008 codes it.
    pub r_plmn: Option<[u8; 3]>,
}

impl GetEimPackageRequest {
    /// A poll that says nothing but who polls.
    #[must_use]
    pub const fn new(eid_value: [u8; 16]) -> Self {
        Self { eid_value, notify_state_change: false, state_change_cause: None, r_plmn: None }
    }
}

impl<'a> Decode<'a> for GetEimPackageRequest {
    const NAME: &'static str = "GetEimPackageRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Function::GetEimPackage.tag())?.members(Self::NAME);
        let eid_value = *eid(&mut members)?;
        let notify_state_change = match members.optional(Tag(0x80))? {
            Some(tlv) => tlv.sized(0..=0, "notifyStateChange").map(|_| true)?,
            None => false,
        };
        let state_change_cause = match members.optional(Tag(0x81))? {
            Some(tlv) => Some(StateChangeCause::from_code(tlv.integer("stateChangeCause")?)),
            None => None,
        };
        let r_plmn = match members.optional(Tag(0x82))? {
            Some(tlv) => Some(*tlv.array("rPLMN")?),
            None => None,
        };
        members.extensions_without(&[Tag(0x80), Tag(0x81), Tag(0x82)])?;
        Ok(Self { eid_value, notify_state_change, state_change_cause, r_plmn })
    }
}

impl Encode for GetEimPackageRequest {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::GetEimPackage.tag(), |members| {
            members.tlv(NUMBER, &self.eid_value);
            members.optional(Tag(0x80), self.notify_state_change.then_some(&[]));
            if let Some(cause) = self.state_change_cause {
                members.integer(Tag(0x81), cause.code());
            }
            members.optional(Tag(0x82), self.r_plmn.as_ref().map(|plmn| &plmn[..]));
        });
    }
}

/// An eIM package that an IPA executes: one TLV, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EimPackage {
    /// `BF51` euiccPackageRequest.
    EuiccPackageRequest(Vec<u8>),
    /// `BF52` ipaEuiccDataRequest.
    IpaEuiccDataRequest(Vec<u8>),
    /// `BF54` profileDownloadTriggerRequest.
    ProfileDownloadTriggerRequest(Vec<u8>),
}

impl EimPackage {
    /// The package that a TLV is, by its tag.
    #[must_use]
    pub fn from_tlv(tlv: &Tlv<'_>) -> Option<Self> {
        match tlv.tag {
            EUICC_PACKAGE => Some(Self::EuiccPackageRequest(tlv.raw.to_vec())),
            IPA_EUICC_DATA => Some(Self::IpaEuiccDataRequest(tlv.raw.to_vec())),
            PROFILE_DOWNLOAD_TRIGGER => Some(Self::ProfileDownloadTriggerRequest(tlv.raw.to_vec())),
            _ => None,
        }
    }

    /// The TLV.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        match self {
            Self::EuiccPackageRequest(der)
            | Self::IpaEuiccDataRequest(der)
            | Self::ProfileDownloadTriggerRequest(der) => der,
        }
    }
}

/// GetEimPackageResponse, `BF4F`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetEimPackageResponse {
    /// `BF51`, `BF52` or `BF54`: the next package.
    Package(EimPackage),
    /// `02` eimPackageError.
    Error(EimPackageError),
}

impl<'a> Decode<'a> for GetEimPackageResponse {
    const NAME: &'static str = "GetEimPackageResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let alternative = choice(reader.expect(Function::GetEimPackage.tag())?.members(Self::NAME))?;
        if let Some(package) = EimPackage::from_tlv(&alternative) {
            return Ok(Self::Package(package));
        }
        match alternative.tag {
            Tag::INTEGER => {
                let code = alternative.integer("eimPackageError")?;
                Ok(Self::Error(EimPackageError::from_code(code)))
            }
            found => Err(alternative.error(ErrorKind::Choice { found }, Self::NAME)),
        }
    }
}

impl Encode for GetEimPackageResponse {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::GetEimPackage.tag(), |choice| {
            match self {
                Self::Package(package) => choice.raw(package.as_der()),
                Self::Error(code) => choice.integer(Tag::INTEGER, code.code()),
            };
        });
    }
}

/// EimPackageResult: what an IPA says of an eIM package. A CHOICE without a tag of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EimPackageResult {
    /// `BF51` euiccPackageResult, as received.
    EuiccPackageResult(Vec<u8>),
    /// `30` ePRAndNotifications.
    EprAndNotifications {
        /// `BF51` euiccPackageResult, as received.
        euicc_package_result: Vec<u8>,
        /// `A0` notificationList: PendingNotifications, whole (`BF37`, `30`) or compact (`A0`, `A1`), as received.
        notifications: Vec<Vec<u8>>,
    },
    /// `BF52` ipaEuiccDataResponse, as received.
    IpaEuiccDataResponse(Vec<u8>),
    /// `BF54` profileDownloadTriggerResult, as received.
    ProfileDownloadTriggerResult(Vec<u8>),
    /// `A0` eimPackageResultResponseError: the package could not be executed.
    ResponseError {
        /// `80` eimTransactionId.
        eim_transaction_id: Option<EimTransactionId>,
        /// `02` eimPackageResultErrorCode.
        code: EimPackageResultErrorCode,
    },
}

/// A PendingNotification of any form, as received.
fn pending_notification(reader: &mut Reader<'_>) -> Result<Vec<u8>, Error> {
    let tlv = reader.read()?;
    match tlv.tag {
        ProfileInstallationResult::TAG | Tag::SEQUENCE | Tag(0xA0 | 0xA1) => Ok(tlv.raw.to_vec()),
        found => Err(tlv.error(ErrorKind::Choice { found }, "PendingNotification")),
    }
}

/// The members of `30` ePRAndNotifications.
fn epr_and_notifications(sequence: &Tlv<'_>) -> Result<(Vec<u8>, Vec<Vec<u8>>), Error> {
    let mut members = sequence.members("ePRAndNotifications");
    let euicc_package_result = object(&mut members, EUICC_PACKAGE)?;
    let list = members.expect(Tag(0xA0))?.members("notificationList");
    let notifications = entries(list, MAX_ENTRIES, pending_notification)?;
    members.extensions()?;
    Ok((euicc_package_result, notifications))
}

fn write_epr_and_notifications(writer: &mut Writer, result: &[u8], notifications: &[Vec<u8>]) {
    writer.nested(Tag::SEQUENCE, |members| {
        members.raw(result).tlv(Tag(0xA0), &notifications.concat());
    });
}

impl<'a> Decode<'a> for EimPackageResult {
    const NAME: &'static str = "EimPackageResult";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let alternative = reader.read()?;
        match alternative.tag {
            EUICC_PACKAGE => Ok(Self::EuiccPackageResult(alternative.raw.to_vec())),
            Tag::SEQUENCE => {
                let (euicc_package_result, notifications) = epr_and_notifications(&alternative)?;
                Ok(Self::EprAndNotifications { euicc_package_result, notifications })
            }
            IPA_EUICC_DATA => Ok(Self::IpaEuiccDataResponse(alternative.raw.to_vec())),
            PROFILE_DOWNLOAD_TRIGGER => Ok(Self::ProfileDownloadTriggerResult(alternative.raw.to_vec())),
            Tag(0xA0) => {
                let mut members = alternative.members("eimPackageResultResponseError");
                let eim_transaction_id = EimTransactionId::optional(&mut members, Tag(0x80))?;
                let code = members.expect(Tag::INTEGER)?.integer("eimPackageResultErrorCode")?;
                members.extensions()?;
                let code = EimPackageResultErrorCode::from_code(code);
                Ok(Self::ResponseError { eim_transaction_id, code })
            }
            found => Err(alternative.error(ErrorKind::Choice { found }, Self::NAME)),
        }
    }
}

impl Encode for EimPackageResult {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::EuiccPackageResult(der)
            | Self::IpaEuiccDataResponse(der)
            | Self::ProfileDownloadTriggerResult(der) => {
                writer.raw(der);
            }
            Self::EprAndNotifications { euicc_package_result, notifications } => {
                write_epr_and_notifications(writer, euicc_package_result, notifications);
            }
            Self::ResponseError { eim_transaction_id, code } => {
                writer.nested(Tag(0xA0), |members| {
                    write_eim_transaction_id(members, Tag(0x80), eim_transaction_id.as_ref());
                    members.integer(Tag::INTEGER, code.code());
                });
            }
        }
    }
}

/// ProvideEimPackageResult, `BF50`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvideEimPackageResultRequest {
    /// `5A` eidValue; some IPAs leave it out.
    pub eid_value: Option<[u8; 16]>,
    /// eimPackageResult.
    pub eim_package_result: EimPackageResult,
}

impl<'a> Decode<'a> for ProvideEimPackageResultRequest {
    const NAME: &'static str = "ProvideEimPackageResult";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Function::ProvideEimPackageResult.tag())?.members(Self::NAME);
        let eid_value = match members.optional(NUMBER)? {
            Some(tlv) => Some(*tlv.array("eidValue")?),
            None => None,
        };
        let eim_package_result = EimPackageResult::decode(&mut members)?;
        members.extensions()?;
        Ok(Self { eid_value, eim_package_result })
    }
}

impl Encode for ProvideEimPackageResultRequest {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::ProvideEimPackageResult.tag(), |members| {
            members
                .optional(NUMBER, self.eid_value.as_ref().map(|eid| &eid[..]))
                .value(&self.eim_package_result);
        });
    }
}

/// EimAcknowledgements, `BF53`: seqNumbers of notifications and eUICC package results that the IPA may remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EimAcknowledgements(pub Vec<u32>);

impl EimAcknowledgements {
    /// The tag of the message.
    pub const TAG: Tag = Tag(0xBF53);
}

impl<'a> Decode<'a> for EimAcknowledgements {
    const NAME: &'static str = "EimAcknowledgements";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let list = reader.expect(Self::TAG)?.members(Self::NAME);
        entries(list, MAX_ENTRIES, |list| list.expect(Tag(0x80))?.unsigned("sequenceNumber")).map(Self)
    }
}

impl Encode for EimAcknowledgements {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |list| {
            for number in &self.0 {
                list.integer(Tag(0x80), i64::from(*number));
            }
        });
    }
}

/// ProvideEimPackageResultResponse, `BF50`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvideEimPackageResultResponse {
    /// `BF53` eimAcknowledgements.
    Acknowledgements(EimAcknowledgements),
    /// `30` emptyResponse: nothing to acknowledge.
    Empty,
    /// `02` provideEimPackageResultError: the IPA keeps the result.
    Error(ProvideEimPackageResultError),
}

impl<'a> Decode<'a> for ProvideEimPackageResultResponse {
    const NAME: &'static str = "ProvideEimPackageResultResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Function::ProvideEimPackageResult.tag())?.members(Self::NAME);
        if members.peek() == Some(EimAcknowledgements::TAG) {
            let acknowledgements = EimAcknowledgements::decode(&mut members)?;
            members.finish()?;
            return Ok(Self::Acknowledgements(acknowledgements));
        }
        let alternative = choice(members)?;
        match alternative.tag {
            Tag::SEQUENCE => {
                alternative.members("emptyResponse").extensions()?;
                Ok(Self::Empty)
            }
            Tag::INTEGER => {
                let code = alternative.integer("provideEimPackageResultError")?;
                Ok(Self::Error(ProvideEimPackageResultError::from_code(code)))
            }
            found => Err(alternative.error(ErrorKind::Choice { found }, Self::NAME)),
        }
    }
}

impl Encode for ProvideEimPackageResultResponse {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::ProvideEimPackageResult.tag(), |choice| {
            match self {
                Self::Acknowledgements(acknowledgements) => choice.value(acknowledgements),
                Self::Empty => choice.tlv(Tag::SEQUENCE, &[]),
                Self::Error(code) => choice.integer(Tag::INTEGER, code.code()),
            };
        });
    }
}

/// HandleNotificationEsipa, `BF3D`: a CHOICE, and a request without a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandleNotification {
    /// `A0` pendingNotification: `BF37`, `30`, or compact `A0`, `A1`, as received.
    PendingNotification(Vec<u8>),
    /// `BF50` provideEimPackageResult.
    ProvideEimPackageResult(ProvideEimPackageResultRequest),
}

impl<'a> Decode<'a> for HandleNotification {
    const NAME: &'static str = "HandleNotificationEsipa";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let alternative = choice(reader.expect(Function::HandleNotification.tag())?.members(Self::NAME))?;
        match alternative.tag {
            Tag(0xA0) => {
                let mut members = alternative.members(Self::NAME);
                let notification = pending_notification(&mut members)?;
                members.finish()?;
                Ok(Self::PendingNotification(notification))
            }
            Tag(0xBF50) => {
                // Read from its own octets: offsets of errors then count from there.
                ProvideEimPackageResultRequest::from_der(alternative.raw).map(Self::ProvideEimPackageResult)
            }
            found => Err(alternative.error(ErrorKind::Choice { found }, Self::NAME)),
        }
    }
}

impl Encode for HandleNotification {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::HandleNotification.tag(), |choice| {
            match self {
                Self::PendingNotification(notification) => choice.tlv(Tag(0xA0), notification),
                Self::ProvideEimPackageResult(result) => choice.value(result),
            };
        });
    }
}

/// TransferEimPackageRequest, `BF4E`: a CHOICE. What an eIM brings to an IPA by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferEimPackageRequest {
    /// `BF51`, `BF52` or `BF54`.
    Package(EimPackage),
    /// `BF53` eimAcknowledgements.
    Acknowledgements(EimAcknowledgements),
}

impl<'a> Decode<'a> for TransferEimPackageRequest {
    const NAME: &'static str = "TransferEimPackageRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Function::TransferEimPackage.tag())?.members(Self::NAME);
        if members.peek() == Some(EimAcknowledgements::TAG) {
            let acknowledgements = EimAcknowledgements::decode(&mut members)?;
            members.finish()?;
            return Ok(Self::Acknowledgements(acknowledgements));
        }
        let alternative = choice(members)?;
        let kind = ErrorKind::Choice { found: alternative.tag };
        let package = EimPackage::from_tlv(&alternative).ok_or(alternative.error(kind, Self::NAME))?;
        Ok(Self::Package(package))
    }
}

impl Encode for TransferEimPackageRequest {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::TransferEimPackage.tag(), |choice| {
            match self {
                Self::Package(package) => choice.raw(package.as_der()),
                Self::Acknowledgements(acknowledgements) => choice.value(acknowledgements),
            };
        });
    }
}

/// Which package an answer is for (v1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorrelationId {
    /// `80` eimTransactionId.
    EimTransactionId(EimTransactionId),
    /// `5A` eidValue.
    EidValue([u8; 16]),
}

impl CorrelationId {
    fn optional(members: &mut Reader<'_>) -> Result<Option<Self>, Error> {
        const WHAT: &str = "correlationId";
        let Some(tlv) = members.optional(Tag(0xA0))? else { return Ok(None) };
        let id = choice(tlv.members(WHAT))?;
        match id.tag {
            Tag(0x80) => EimTransactionId::read(&id).map(Self::EimTransactionId).map(Some),
            NUMBER => Ok(Some(Self::EidValue(*id.array("eidValue")?))),
            found => Err(id.error(ErrorKind::Choice { found }, WHAT)),
        }
    }

    fn write(id: Option<&Self>, writer: &mut Writer) {
        let Some(id) = id else { return };
        writer.nested(Tag(0xA0), |choice| {
            match id {
                Self::EimTransactionId(id) => choice.tlv(Tag(0x80), id.as_octets()),
                Self::EidValue(eid) => choice.tlv(NUMBER, eid),
            };
        });
    }
}

/// TransferEimPackageResponse, `BF4E`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferEimPackageResponse {
    /// `BF51` euiccPackageResult, as received.
    EuiccPackageResult(Vec<u8>),
    /// `30` ePRAndNotifications.
    EprAndNotifications {
        /// `BF51` euiccPackageResult, as received.
        euicc_package_result: Vec<u8>,
        /// `A0` notificationList, as in [`EimPackageResult::EprAndNotifications`].
        notifications: Vec<Vec<u8>>,
    },
    /// `BF52` ipaEuiccDataResponse, as received.
    IpaEuiccDataResponse(Vec<u8>),
    /// `05` eimPackageReceived: the result follows later.
    Received,
    /// `02` eimPackageError.
    Error(TransferEimPackageError),
    /// `BF60` eimPackageReceivedWithCid (v1.3).
    ReceivedWithCid(Option<CorrelationId>),
    /// `BF61` eimPackageErrorWithCid (v1.3).
    ErrorWithCid {
        /// `A0` which package.
        correlation_id: Option<CorrelationId>,
        /// `81` eimPackageError.
        code: TransferEimPackageError,
    },
}

impl<'a> Decode<'a> for TransferEimPackageResponse {
    const NAME: &'static str = "TransferEimPackageResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let alternative = choice(reader.expect(Function::TransferEimPackage.tag())?.members(Self::NAME))?;
        match alternative.tag {
            EUICC_PACKAGE => Ok(Self::EuiccPackageResult(alternative.raw.to_vec())),
            Tag::SEQUENCE => {
                let (euicc_package_result, notifications) = epr_and_notifications(&alternative)?;
                Ok(Self::EprAndNotifications { euicc_package_result, notifications })
            }
            IPA_EUICC_DATA => Ok(Self::IpaEuiccDataResponse(alternative.raw.to_vec())),
            Tag::NULL => alternative.sized(0..=0, "eimPackageReceived").map(|_| Self::Received),
            Tag::INTEGER => {
                let code = alternative.integer("eimPackageError")?;
                Ok(Self::Error(TransferEimPackageError::from_code(code)))
            }
            Tag(0xBF60) => {
                let mut members = alternative.members("eimPackageReceivedWithCid");
                let correlation_id = CorrelationId::optional(&mut members)?;
                members.extensions_without(&[Tag(0xA0)])?;
                Ok(Self::ReceivedWithCid(correlation_id))
            }
            Tag(0xBF61) => {
                let mut members = alternative.members("eimPackageErrorWithCid");
                let correlation_id = CorrelationId::optional(&mut members)?;
                let code = members.expect(Tag(0x81))?.integer("eimPackageError")?;
                members.extensions()?;
                Ok(Self::ErrorWithCid { correlation_id, code: TransferEimPackageError::from_code(code) })
            }
            found => Err(alternative.error(ErrorKind::Choice { found }, Self::NAME)),
        }
    }
}

impl Encode for TransferEimPackageResponse {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Function::TransferEimPackage.tag(), |choice| {
            match self {
                Self::EuiccPackageResult(der) | Self::IpaEuiccDataResponse(der) => choice.raw(der),
                Self::EprAndNotifications { euicc_package_result, notifications } => {
                    write_epr_and_notifications(choice, euicc_package_result, notifications);
                    choice
                }
                Self::Received => choice.tlv(Tag::NULL, &[]),
                Self::Error(code) => choice.integer(Tag::INTEGER, code.code()),
                Self::ReceivedWithCid(id) => {
                    choice.nested(Tag(0xBF60), |members| CorrelationId::write(id.as_ref(), members))
                }
                Self::ErrorWithCid { correlation_id, code } => choice.nested(Tag(0xBF61), |members| {
                    CorrelationId::write(correlation_id.as_ref(), members);
                    members.integer(Tag(0x81), code.code());
                }),
            };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::vectors::{both_ways, der, refused};
    use super::super::{EsipaRequest, EsipaResponse};
    use super::*;

    const EID: &str = "5A1089049032000000000000279973200019";
    const RESULT: &str = "BF5126A024301B800465696D318101018208010203040506070883010730038301005F3704AAAAAAAA";

    fn eid_octets() -> [u8; 16] {
        der(EID)[2..].try_into().unwrap()
    }

    fn id() -> Option<EimTransactionId> {
        EimTransactionId::from_octets(&[1, 2, 3, 4, 5, 6, 7, 8])
    }

    #[test]
    fn polls_are_read_and_written() {
        let octets = der("BF4F125A1089049032000000000000279973200019");
        let poll: GetEimPackageRequest = both_ways(&octets);
        assert_eq!(poll, GetEimPackageRequest::new(eid_octets()));
        let octets = der("BF4F1C5A10890490320000000000002799732000198000810101820362F210");
        let poll: GetEimPackageRequest = both_ways(&octets);
        assert!(poll.notify_state_change);
        assert_eq!(poll.state_change_cause, Some(StateChangeCause::Fallback));
        assert_eq!(poll.r_plmn, Some([0x62, 0xF2, 0x10]));
        let unknown = der(&format!("BF4F 15 {EID} 810109"));
        let poll: GetEimPackageRequest = both_ways(&unknown);
        assert_eq!(poll.state_change_cause, Some(StateChangeCause::Other(9)));
    }

    #[test]
    fn a_poll_says_what_is_wrong_with_its_eid() {
        let missing = GetEimPackageRequest::from_der(&der("BF4F 02 8000")).unwrap_err();
        assert_eq!(missing.kind, ErrorKind::Tag { expected: NUMBER, found: Tag(0x80) });
        let missing = GetEimPackageRequest::from_der(&der("BF4F 00")).unwrap_err();
        assert_eq!(missing.kind, ErrorKind::Missing { expected: NUMBER });
        let invalid = GetEimPackageRequest::from_der(&der("BF4F 03 5A0189")).unwrap_err();
        assert_eq!((invalid.kind, invalid.what), (ErrorKind::Value, "eidValue"));
        let damaged = [
            format!("BF4F 15 {EID} 800100"),
            format!("BF4F 16 {EID} 82020102"),
            format!("BF4F 16 {EID} 8000 8000"),
            format!("BF4F 14 {EID} 8100"),
        ];
        refused!(GetEimPackageRequest, [&damaged[0], &damaged[1], &damaged[2], &damaged[3]]);
    }

    #[test]
    fn polls_are_answered() {
        let octets = der("BF4F03020101");
        let error = EimPackageError::NoEimPackageAvailable;
        assert_eq!(both_ways::<GetEimPackageResponse>(&octets), GetEimPackageResponse::Error(error));
        let package = "BF51403037800465696D315A108904903200000000000027997320001981010182080102030405060708A010A30E5A0A9800103254769810321405005F3704AAAAAAAA";
        let octets = der(&format!("BF4F43{package}"));
        let GetEimPackageResponse::Package(found) = both_ways(&octets) else { panic!("an error") };
        assert_eq!(found, EimPackage::EuiccPackageRequest(der(package)));
        for text in ["BF5404A0028100", "BF52035C01A0"] {
            let octets = der(&format!("BF4F {:02X} {text}", text.len() / 2));
            let GetEimPackageResponse::Package(found) = both_ways(&octets) else { panic!("an error") };
            assert_eq!(found.as_der(), der(text));
        }
        refused!(
            GetEimPackageResponse,
            ["BF4F 00", "BF4F 05 BF5302 8000", "BF4F 06 020101 020101", "BF4F 03 810101"]
        );
    }

    #[test]
    fn results_are_read_and_written() {
        let octets = der(&format!("BF503B{EID}{RESULT}"));
        let request: ProvideEimPackageResultRequest = both_ways(&octets);
        assert_eq!(request.eid_value, Some(eid_octets()));
        assert_eq!(request.eim_package_result, EimPackageResult::EuiccPackageResult(der(RESULT)));
        let octets = der(&format!("BF5021{EID}A00D80080102030405060708020101"));
        let request: ProvideEimPackageResultRequest = both_ways(&octets);
        let code = EimPackageResultErrorCode::InvalidPackageFormat;
        let expected = EimPackageResult::ResponseError { eim_transaction_id: id(), code };
        assert_eq!(request.eim_package_result, expected);
        for text in ["BF520FA10D80080102030405060708020101", "BF540F82080102030405060708300380017F"] {
            let octets = der(&format!("BF50 {:02X} {text}", text.len() / 2));
            let request: ProvideEimPackageResultRequest = both_ways(&octets);
            assert_eq!((request.eid_value, request.eim_package_result.to_der()), (None, der(text)));
        }
    }

    #[test]
    fn notifications_come_beside_a_result() {
        let octets = der(&format!("BF50 39 30 37 {RESULT} A0 0C BF3700 3000 A003020100 A100"));
        let request: ProvideEimPackageResultRequest = both_ways(&octets);
        let EimPackageResult::EprAndNotifications { euicc_package_result, notifications } =
            request.eim_package_result
        else {
            panic!("another result")
        };
        assert_eq!(euicc_package_result, der(RESULT));
        assert_eq!(notifications, ["BF3700", "3000", "A003020100", "A100"].map(der));
        refused!(EimPackageResult, ["3000", "30 04 BF5100 A0", "30 07 BF5100 A0 02 0500", "0500", ""]);
    }

    #[test]
    fn results_are_answered() {
        let octets = der("BF5006BF5303800107");
        let expected = ProvideEimPackageResultResponse::Acknowledgements(EimAcknowledgements(vec![7]));
        assert_eq!(both_ways::<ProvideEimPackageResultResponse>(&octets), expected);
        let octets = der("BF50023000");
        assert_eq!(
            both_ways::<ProvideEimPackageResultResponse>(&octets),
            ProvideEimPackageResultResponse::Empty
        );
        let octets = der("BF5003020102");
        let error = ProvideEimPackageResultError::EidNotFound;
        let expected = ProvideEimPackageResultResponse::Error(error);
        assert_eq!(both_ways::<ProvideEimPackageResultResponse>(&octets), expected);
        refused!(ProvideEimPackageResultResponse, ["BF50 00", "BF50 06 BF5303 810107", "BF50 04 3000 3000"]);
    }

    #[test]
    fn acknowledgements_are_numbers_and_not_too_many() {
        let octets = der("BF53 07 80 01 07 80 02 0080");
        assert_eq!(both_ways::<EimAcknowledgements>(&octets), EimAcknowledgements(vec![7, 128]));
        let many = EimAcknowledgements((0..=256).collect());
        assert_eq!(EimAcknowledgements::from_der(&many.to_der()).unwrap_err().kind, ErrorKind::Value);
        refused!(EimAcknowledgements, ["BF53 03 8001FF", "BF53 02 8000"]);
    }

    #[test]
    fn notifications_are_handled() {
        for text in ["BF3700", "3000", "A000", "A100"] {
            let octets = der(&format!("BF3D {:02X} A0 {:02X} {text}", text.len() / 2 + 2, text.len() / 2));
            let request: HandleNotification = both_ways(&octets);
            assert_eq!(request, HandleNotification::PendingNotification(der(text)));
        }
        let octets = der(&format!("BF3D 3E BF503B {EID}{RESULT}"));
        let HandleNotification::ProvideEimPackageResult(request) = both_ways(&octets) else { panic!() };
        assert_eq!(request.eid_value, Some(eid_octets()));
        refused!(HandleNotification, ["BF3D 00", "BF3D 02 A000", "BF3D 04 A0020500", "BF3D 03 BF3700"]);
    }

    #[test]
    fn packages_are_transferred() {
        for text in ["BF5404A0028100", "BF52035C01A0", "BF5100"] {
            let octets = der(&format!("BF4E {:02X} {text}", text.len() / 2));
            let TransferEimPackageRequest::Package(package) = both_ways(&octets) else { panic!() };
            assert_eq!(package.as_der(), der(text));
        }
        let octets = der("BF4E 06 BF5303800107");
        let expected = TransferEimPackageRequest::Acknowledgements(EimAcknowledgements(vec![7]));
        assert_eq!(both_ways::<TransferEimPackageRequest>(&octets), expected);
        refused!(TransferEimPackageRequest, ["BF4E 00", "BF4E 03 020101"]);
    }

    #[test]
    fn transfers_are_answered() {
        type Response = TransferEimPackageResponse;
        assert_eq!(both_ways::<Response>(&der("BF4E020500")), Response::Received);
        let unknown = TransferEimPackageError::UnknownPackage;
        assert_eq!(both_ways::<Response>(&der("BF4E03020102")), Response::Error(unknown));
        let octets = der(&format!("BF4E29{RESULT}"));
        assert_eq!(both_ways::<Response>(&octets), Response::EuiccPackageResult(der(RESULT)));
        let octets = der(&format!("BF4E 30 30 2E {RESULT} A0 03 BF3700"));
        let expected = Response::EprAndNotifications {
            euicc_package_result: der(RESULT),
            notifications: vec![der("BF3700")],
        };
        assert_eq!(both_ways::<Response>(&octets), expected);
        assert!(matches!(both_ways(&der("BF4E 03 BF5200")), Response::IpaEuiccDataResponse(_)));
        let transaction = id().map(CorrelationId::EimTransactionId);
        let octets = der("BF4E 0F BF60 0C A0 0A 80080102030405060708");
        assert_eq!(both_ways::<Response>(&octets), Response::ReceivedWithCid(transaction));
        assert_eq!(both_ways::<Response>(&der("BF4E 03 BF6000")), Response::ReceivedWithCid(None));
        let octets = der(&format!("BF4E 1A BF61 17 A0 12 {EID} 81 01 02"));
        let correlation_id = Some(CorrelationId::EidValue(eid_octets()));
        assert_eq!(both_ways::<Response>(&octets), Response::ErrorWithCid { correlation_id, code: unknown });
        let damaged = ["BF4E 00", "BF4E 03 050100", "BF4E 03 BF6100", "BF4E 05 BF6002A000", "BF4E 02 A000"];
        refused!(TransferEimPackageResponse, [damaged[0], damaged[1], damaged[2], damaged[3], damaged[4]]);
    }

    #[test]
    fn the_first_tag_tells_the_function() {
        for function in Function::ALL {
            assert_eq!(Function::of_tag(function.tag()), Some(function));
        }
        let request = EsipaRequest::from_der(&der("BF410F80080102030405060708A103810105")).unwrap();
        assert_eq!(
            (request.function(), request.function().name()),
            (Function::CancelSession, "cancelSession")
        );
        for (text, function) in [
            ("BF39 12 8110 101112131415161718191A1B1C1D1E1F", Function::InitiateAuthentication),
            ("BF3A 07 8002 0102 BF2100", Function::GetBoundProfilePackage),
            ("BF3B 07 8002 0102 BF3800", Function::AuthenticateClient),
            ("BF3D 05 A0 03 BF3700", Function::HandleNotification),
            ("BF41 09 8002 0102 A1 03 810105", Function::CancelSession),
            ("BF4F 12 5A10 89049032000000000000279973200019", Function::GetEimPackage),
            ("BF50 03 BF5200", Function::ProvideEimPackageResult),
        ] {
            let octets = der(text);
            assert_eq!(both_ways::<EsipaRequest>(&octets).function(), function);
        }
        for text in
            ["BF39 03 810101", "BF3A 03 810101", "BF3B 03 820101", "BF4102A000", "BF4F03020101", "BF50023000"]
        {
            both_ways::<EsipaResponse>(&der(text));
        }
        for found in [0xBF4E_u32, 0xBF51, 0xA2] {
            let octets = [&found.to_be_bytes()[if found > 0xFF { 2 } else { 3 }..], &[0]].concat();
            let kind = ErrorKind::Choice { found: Tag(found) };
            assert_eq!(EsipaRequest::from_der(&octets).unwrap_err().kind, kind);
            assert_eq!(EsipaResponse::from_der(&octets).unwrap_err().kind, kind);
        }
        assert!(EsipaResponse::from_der(&der("BF3D 05 A0 03 BF3700")).is_err(), "it has no response");
        assert_eq!(EsipaRequest::from_der(&[]).unwrap_err().kind, ErrorKind::Form);
    }
}
