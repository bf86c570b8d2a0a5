//! The header objects of requests and answers (SGP.22 6.5.1.3, 6.5.1.4).

use std::fmt;

use super::{Member, MemberError, Members, Object, members};

/// The longest identifier of a caller or a call that is kept.
const MAX_IDENTIFIER_CHARS: usize = 256;

/// The header of an ES2+ request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// Who calls, by its own word; the certificate decides.
    pub function_requester_identifier: String,
    /// Which call this is. Neither unique nor new in practice.
    pub function_call_identifier: String,
}

impl RequestHeader {
    /// Reads the mandatory member `header` of an ES2+ request.
    ///
    /// # Errors
    /// [`MemberError`] if it or one of its members is missing.
    pub fn read(members: &Members) -> Result<Self, MemberError> {
        let header = members.optional_object("header")?.ok_or(MemberError::Missing("header"))?;
        let text = |name| -> Result<String, MemberError> {
            let text = header.text(name)?;
            if text.chars().count() > MAX_IDENTIFIER_CHARS || text.chars().any(char::is_control) {
                let expected = "at most 256 characters without control characters";
                return Err(MemberError::Invalid { member: name, expected });
            }
            Ok(text.to_owned())
        };
        Ok(Self {
            function_requester_identifier: text("functionRequesterIdentifier")?,
            function_call_identifier: text("functionCallIdentifier")?,
        })
    }

    /// The member `header`.
    #[must_use]
    pub fn to_members(&self) -> Object<'_> {
        members! {
            "functionRequesterIdentifier": Member::Text(&self.function_requester_identifier),
            "functionCallIdentifier": Member::Text(&self.function_call_identifier),
        }
    }
}

/// functionExecutionStatus of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionStatus {
    /// Executed-Success.
    ExecutedSuccess,
    /// Failed.
    Failed,
}

impl ExecutionStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ExecutedSuccess => "Executed-Success",
            Self::Failed => "Failed",
        }
    }
}

/// statusCodeData: why a function failed. Codes are text: 3.1 and 3.10 are two codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCodeData {
    /// subjectCode.
    pub subject_code: String,
    /// reasonCode.
    pub reason_code: String,
    /// subjectIdentifier: the value concerned.
    pub subject_identifier: Option<String>,
    /// message: a sentence for people.
    pub message: Option<String>,
}

impl fmt::Display for StatusCodeData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.subject_code, self.reason_code)?;
        if let Some(identifier) = &self.subject_identifier {
            write!(f, " ({identifier})")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}

impl StatusCodeData {
    fn to_members(&self) -> Object<'_> {
        members! {
            "subjectCode": Member::Text(&self.subject_code),
            "reasonCode": Member::Text(&self.reason_code),
            "subjectIdentifier": self.subject_identifier.as_deref().map(Member::Text),
            "message": self.message.as_deref().map(Member::Text),
        }
    }
}

/// An object of status and statusCodeData: functionExecutionStatus, and notificationPointStatus.
pub(super) fn status_members<'a>(outcome: Result<(), &'a StatusCodeData>) -> Object<'a> {
    let status = if outcome.is_ok() { ExecutionStatus::ExecutedSuccess } else { ExecutionStatus::Failed };
    let data = outcome.err().map(StatusCodeData::to_members);
    members! { "status": Member::Text(status.as_str()), "statusCodeData": data }
}

/// Reads such an object: what is no success is a failure, with what it says of it.
pub(super) fn read_status(status: &Members) -> Result<Result<(), StatusCodeData>, MemberError> {
    match status.text("status")? {
        "Executed-Success" | "Executed-WithWarning" => Ok(Ok(())),
        _ => {
            let data = status.optional_object("statusCodeData")?;
            let text = |name| -> Option<String> {
                data.as_ref().and_then(|data| data.optional_text(name).ok().flatten()).map(str::to_owned)
            };
            Ok(Err(StatusCodeData {
                subject_code: text("subjectCode").unwrap_or_default(),
                reason_code: text("reasonCode").unwrap_or_default(),
                subject_identifier: text("subjectIdentifier"),
                message: text("message"),
            }))
        }
    }
}

fn answer<'a>(outcome: Result<(), &'a StatusCodeData>, body: Object<'a>) -> Vec<u8> {
    let header = members! { "functionExecutionStatus": status_members(outcome) };
    body.with("header", header).to_json()
}

/// The answer of a function that succeeded.
#[must_use]
pub fn success(body: Object<'_>) -> Vec<u8> {
    answer(Ok(()), body)
}

/// The answer of a function that failed: the header alone.
#[must_use]
pub fn failed(data: &StatusCodeData) -> Vec<u8> {
    failed_with(data, Object::default())
}

/// The answer of a function that failed and says more than the header: GetEimPackage of ESipa.
#[must_use]
pub fn failed_with(data: &StatusCodeData, body: Object<'_>) -> Vec<u8> {
    answer(Err(data), body)
}

/// What an answer says: its members, or why the function failed.
///
/// # Errors
/// [`MemberError`] if it is no answer.
pub fn read_answer(body: &[u8]) -> Result<Result<Members, StatusCodeData>, MemberError> {
    let members = Members::read(body)?;
    Ok(read_outcome(&members)?.map(|()| members))
}

/// What the header of an answer says of its function.
///
/// # Errors
/// [`MemberError`] if there is none, or if it cannot be read.
pub fn read_outcome(members: &Members) -> Result<Result<(), StatusCodeData>, MemberError> {
    let header = members.optional_object("header")?.ok_or(MemberError::Missing("header"))?;
    let status = header
        .optional_object("functionExecutionStatus")?
        .ok_or(MemberError::Missing("functionExecutionStatus"))?;
    read_status(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_both_ways() {
        assert!(read_answer(&success(Object::default())).unwrap().is_ok());
        let data = StatusCodeData {
            subject_code: "8.8.5".into(),
            reason_code: "4.10".into(),
            subject_identifier: None,
            message: Some("expired".into()),
        };
        assert_eq!(read_answer(&failed(&data)).unwrap().err(), Some(data));
        assert!(read_answer(b"{}").is_err());
    }

    #[test]
    fn a_failed_answer_holds_the_header_alone() {
        let data = StatusCodeData {
            subject_code: "8.2.6".into(),
            reason_code: "3.8".into(),
            subject_identifier: None,
            message: None,
        };
        assert_eq!(
            String::from_utf8(failed(&data)).unwrap(),
            r#"{"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":{"subjectCode":"8.2.6","reasonCode":"3.8"}}}}"#
        );
    }
}
