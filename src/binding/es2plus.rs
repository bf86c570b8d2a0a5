//! ES2+ (SGP.22 6.5.2.1 to 6.5.2.5): one request and one answer for each function towards the SM-DP+, and the request
//! of HandleDownloadProgressInfo, the call back to the operator, whose answer has no body.

use serde_json::Value;

use super::header::{read_status, status_members};
use super::{Body, MemberError, Members, Object, RequestHeader, StatusCodeData, members, to_base64};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, MatchingId, ServerAddress};

const ICCID: &str = "an ICCID of 18 to 20 digits";
const EID: &str = "an EID of 32 digits";
const MATCHING_ID: &str = "a matching identifier";
const ADDRESS: &str = "a server address";
/// The longest confirmation code or profile type accepted.
const MAX_TEXT_CHARS: usize = 255;

fn iccid(iccid: &Iccid) -> Value {
    Value::String(iccid.to_es2plus())
}

fn eid(eid: Option<&Eid>) -> Option<Value> {
    eid.map(|eid| Value::from(eid.as_str()))
}

fn bounded(members: &Members, name: &'static str) -> Result<Option<String>, MemberError> {
    match members.optional_text(name)? {
        Some(text) if text.chars().count() > MAX_TEXT_CHARS => {
            Err(MemberError::Invalid { member: name, expected: "at most 255 characters" })
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// Request of DownloadOrder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadOrderRequest {
    /// header.
    pub header: RequestHeader,
    /// eid.
    pub eid: Option<Eid>,
    /// iccid.
    pub iccid: Option<Iccid>,
    /// profileType.
    pub profile_type: Option<String>,
}

impl Body for DownloadOrderRequest {
    fn to_members(&self) -> Object<'_> {
        members! {
            "header": self.header.to_members(),
            "eid": eid(self.eid.as_ref()),
            "iccid": self.iccid.as_ref().map(iccid),
            "profileType": self.profile_type.as_deref().map(Value::from),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self {
            header: RequestHeader::read(members)?,
            eid: members.optional_parsed("eid", EID)?,
            iccid: members.optional_parsed("iccid", ICCID)?,
            profile_type: bounded(members, "profileType")?,
        })
    }
}

/// Answer of DownloadOrder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadOrderResponse {
    /// iccid of the profile that was reserved.
    pub iccid: Iccid,
}

impl Body for DownloadOrderResponse {
    fn to_members(&self) -> Object<'_> {
        members! { "iccid": iccid(&self.iccid) }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self { iccid: members.parsed("iccid", ICCID)? })
    }
}

/// Request of ConfirmOrder. The confirmation code is a secret: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfirmOrderRequest {
    /// header.
    pub header: RequestHeader,
    /// iccid.
    pub iccid: Iccid,
    /// eid.
    pub eid: Option<Eid>,
    /// matchingId: absent, the server makes one; empty, the default SM-DP+ address use case.
    pub matching_id: Option<MatchingId>,
    /// confirmationCode.
    pub confirmation_code: Option<String>,
    /// smdsAddress.
    pub smds_address: Option<ServerAddress>,
    /// releaseFlag.
    pub release_flag: bool,
}

impl Body for ConfirmOrderRequest {
    fn to_members(&self) -> Object<'_> {
        members! {
            "header": self.header.to_members(),
            "iccid": iccid(&self.iccid),
            "eid": eid(self.eid.as_ref()),
            "matchingId": self.matching_id.as_ref().map(|id| Value::from(id.as_str())),
            "confirmationCode": self.confirmation_code.as_deref().map(Value::from),
            "smdsAddress": self.smds_address.as_ref().map(|address| Value::from(address.as_str())),
            "releaseFlag": Value::from(self.release_flag),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self {
            header: RequestHeader::read(members)?,
            iccid: members.parsed("iccid", ICCID)?,
            eid: members.optional_parsed("eid", EID)?,
            matching_id: members.optional_parsed("matchingId", MATCHING_ID)?,
            confirmation_code: bounded(members, "confirmationCode")?,
            smds_address: members.optional_parsed("smdsAddress", ADDRESS)?,
            release_flag: members
                .optional_boolean("releaseFlag")?
                .ok_or(MemberError::Missing("releaseFlag"))?,
        })
    }
}

/// Answer of ConfirmOrder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmOrderResponse {
    /// eid that the order is linked to.
    pub eid: Option<Eid>,
    /// matchingId; empty where it was given so.
    pub matching_id: MatchingId,
    /// smdpAddress for the activation code.
    pub smdp_address: Option<ServerAddress>,
}

impl Body for ConfirmOrderResponse {
    fn to_members(&self) -> Object<'_> {
        members! {
            "eid": eid(self.eid.as_ref()),
            "matchingId": Value::from(self.matching_id.as_str()),
            "smdpAddress": self.smdp_address.as_ref().map(|address| Value::from(address.as_str())),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self {
            eid: members.optional_parsed("eid", EID)?,
            matching_id: members.parsed("matchingId", MATCHING_ID)?,
            smdp_address: members.optional_parsed("smdpAddress", ADDRESS)?,
        })
    }
}

/// finalProfileStatusIndicator of CancelOrder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalProfileStatus {
    /// Available: back into the stock.
    Available,
    /// Unavailable: never to be used again.
    Unavailable,
}

impl FinalProfileStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "Available",
            Self::Unavailable => "Unavailable",
        }
    }
}

impl std::str::FromStr for FinalProfileStatus {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, MemberError> {
        [Self::Available, Self::Unavailable].into_iter().find(|status| status.as_str() == text).ok_or(
            MemberError::Invalid {
                member: "finalProfileStatusIndicator",
                expected: "Available or Unavailable",
            },
        )
    }
}

/// Request of CancelOrder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelOrderRequest {
    /// header.
    pub header: RequestHeader,
    /// iccid.
    pub iccid: Iccid,
    /// eid: demanded where the order is linked.
    pub eid: Option<Eid>,
    /// matchingId: demanded where the order has one.
    pub matching_id: Option<MatchingId>,
    /// finalProfileStatusIndicator.
    pub final_profile_status_indicator: Option<FinalProfileStatus>,
}

impl Body for CancelOrderRequest {
    fn to_members(&self) -> Object<'_> {
        members! {
            "header": self.header.to_members(),
            "iccid": iccid(&self.iccid),
            "eid": eid(self.eid.as_ref()),
            "matchingId": self.matching_id.as_ref().map(|id| Value::from(id.as_str())),
            "finalProfileStatusIndicator":
                self.final_profile_status_indicator.map(|status| Value::from(status.as_str())),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self {
            header: RequestHeader::read(members)?,
            iccid: members.parsed("iccid", ICCID)?,
            eid: members.optional_parsed("eid", EID)?,
            matching_id: members.optional_parsed("matchingId", MATCHING_ID)?,
            final_profile_status_indicator: members
                .optional_parsed("finalProfileStatusIndicator", "Available or Unavailable")?,
        })
    }
}

/// Request of ReleaseProfile. Its answer is the header alone, as that of CancelOrder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseProfileRequest {
    /// header.
    pub header: RequestHeader,
    /// iccid.
    pub iccid: Iccid,
}

impl Body for ReleaseProfileRequest {
    fn to_members(&self) -> Object<'_> {
        members! { "header": self.header.to_members(), "iccid": iccid(&self.iccid) }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        Ok(Self { header: RequestHeader::read(members)?, iccid: members.parsed("iccid", ICCID)? })
    }
}

/// Request of HandleDownloadProgressInfo (5.3.5), from the SM-DP+ to the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandleDownloadProgressInfoRequest {
    /// header.
    pub header: RequestHeader,
    /// eid.
    pub eid: Option<Eid>,
    /// iccid.
    pub iccid: Iccid,
    /// profileType.
    pub profile_type: String,
    /// timestamp: when it happened, to the second.
    pub timestamp: Timestamp,
    /// notificationPointId.
    pub notification_point_id: u32,
    /// notificationPointStatus: passed, or why not.
    pub notification_point_status: Result<(), StatusCodeData>,
    /// resultData: the ProfileInstallationResultData that the eUICC signed, in DER.
    pub result_data: Option<Vec<u8>>,
}

impl Body for HandleDownloadProgressInfoRequest {
    fn to_members(&self) -> Object<'_> {
        members! {
            "header": self.header.to_members(),
            "eid": eid(self.eid.as_ref()),
            "iccid": iccid(&self.iccid),
            "profileType": Value::from(self.profile_type.as_str()),
            "timestamp": Value::from(self.timestamp.to_string()),
            "notificationPointId": Value::from(self.notification_point_id),
            "notificationPointStatus": status_members(self.notification_point_status.as_ref().copied()),
            "resultData": self.result_data.as_deref().map(to_base64),
        }
    }

    fn from_members(members: &Members) -> Result<Self, MemberError> {
        let timestamp =
            Timestamp::parse(members.text("timestamp")?).map(|at| Timestamp::from_secs(at.as_secs()));
        let status = members.optional_object("notificationPointStatus")?;
        let result_data = members.optional_text("resultData")?.map(|_| members.base64("resultData"));
        Ok(Self {
            header: RequestHeader::read(members)?,
            eid: members.optional_parsed("eid", EID)?,
            iccid: members.parsed("iccid", ICCID)?,
            profile_type: bounded(members, "profileType")?.ok_or(MemberError::Missing("profileType"))?,
            timestamp: timestamp
                .ok_or(MemberError::Invalid { member: "timestamp", expected: "a time as in ISO 8601" })?,
            notification_point_id: members.number("notificationPointId")?,
            notification_point_status: read_status(
                &status.ok_or(MemberError::Missing("notificationPointStatus"))?,
            )?,
            result_data: result_data.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_the_members_of_the_standard() {
        let mut request = HandleDownloadProgressInfoRequest {
            header: RequestHeader {
                function_requester_identifier: "2.999.10".to_owned(),
                function_call_identifier: "TX-1".to_owned(),
            },
            eid: None,
            iccid: Iccid::parse("8988211000000123456").unwrap(),
            profile_type: "iot".to_owned(),
            timestamp: Timestamp::from_secs(1_795_329_780),
            notification_point_id: 3,
            notification_point_status: Ok(()),
            result_data: None,
        };
        let text = |request: &HandleDownloadProgressInfoRequest| -> Value {
            serde_json::from_slice(&request.to_members().to_json()).unwrap()
        };
        assert_eq!(
            text(&request),
            serde_json::json!({
                "header": {"functionRequesterIdentifier": "2.999.10", "functionCallIdentifier": "TX-1"},
                "iccid": "8988211000000123456F",
                "profileType": "iot",
                "timestamp": "2026-11-22T06:43:00Z",
                "notificationPointId": 3,
                "notificationPointStatus": {"status": "Executed-Success"},
            })
        );
        let read = |value: &Value| {
            let members = Members::read(value.to_string().as_bytes()).unwrap();
            HandleDownloadProgressInfoRequest::from_members(&members)
        };
        assert_eq!(read(&text(&request)), Ok(request.clone()));
        request.eid = Some(Eid::parse("89049032000000000000279973200019").unwrap());
        request.notification_point_status = Err(StatusCodeData {
            subject_code: "8.2.10".to_owned(),
            reason_code: "4.2".to_owned(),
            subject_identifier: None,
            message: Some("errorReason 12".to_owned()),
        });
        request.result_data = Some(vec![0xBF, 0x27, 0x00]);
        assert_eq!(read(&text(&request)), Ok(request.clone()));
        let mut told = text(&request);
        assert_eq!(told["resultData"], "vycA");
        told["notificationPointId"] = "5".into();
        assert_eq!(read(&told).unwrap().notification_point_id, 5);
        for (member, value) in [
            ("notificationPointId", Value::from(-1)),
            ("timestamp", "now".into()),
            ("resultData", "%".into()),
        ] {
            let mut wrong = told.clone();
            wrong[member] = value;
            assert!(matches!(read(&wrong), Err(MemberError::Invalid { .. })), "{member}");
        }
        for member in ["profileType", "timestamp", "notificationPointId", "notificationPointStatus"] {
            let mut without = told.clone();
            without.as_object_mut().unwrap().remove(member);
            assert_eq!(read(&without), Err(MemberError::Missing(member)));
        }
    }

    #[test]
    fn a_confirm_order_of_the_field_is_read() {
        let body = br#"{ "header": { "functionRequesterIdentifier": "1.3.6.1.4.1.99999.1",
            "functionCallIdentifier": "TX-567" }, "iccid": "8988211000000123456F",
            "matchingId": "04386-AGYFT-A74Y8-3F815", "confirmationCode": "48151623", "releaseFlag": true }"#;
        let request = ConfirmOrderRequest::from_members(&Members::read(body).unwrap()).unwrap();
        assert_eq!(request.iccid.as_str(), "8988211000000123456");
        assert!(request.release_flag);
        let again = String::from_utf8(request.to_members().to_json()).unwrap();
        assert!(
            ConfirmOrderRequest::from_members(&Members::read(again.as_bytes()).unwrap()).unwrap() == request
        );
    }

    #[test]
    fn an_empty_matching_id_stays_present() {
        let answer = ConfirmOrderResponse {
            eid: None,
            matching_id: MatchingId::parse("").unwrap(),
            smdp_address: None,
        };
        assert_eq!(String::from_utf8(answer.to_members().to_json()).unwrap(), r#"{"matchingId":""}"#);
    }

    #[test]
    fn a_release_flag_must_be_boolean() {
        let body = br#"{"header":{"functionRequesterIdentifier":"a","functionCallIdentifier":"b"},
            "iccid":"89882110000001234560","releaseFlag":"true"}"#;
        let error = ConfirmOrderRequest::from_members(&Members::read(body).unwrap()).err().unwrap();
        assert_eq!(error.to_string(), "member releaseFlag is not true or false");
    }
}
