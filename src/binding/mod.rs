//! The bodies of ES2+, ES9+ and ESipa, both directions: JSON (SGP.22 6.5, SGP.32 6.4), and for ES9+ DER too (6.6,
//! [`asn1`]). In the ASN.1 binding of ESipa the messages are bodies as they are.
//!
//! Members are read by their names in the standard, unknown ones are passed over, and every error names the member.
//! ASN.1 objects cross this border as octets of their DER: what they say is read by who verifies them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

pub mod asn1;
pub mod es2plus;
pub mod es9plus;
pub mod esipa;
mod header;
mod object;
pub mod status;

pub use header::{
    ExecutionStatus, RequestHeader, StatusCodeData, failed, failed_with, read_answer, read_outcome, success,
};
pub use object::{Member, Object};

/// The version of SGP.22 that Simyard states in `X-Admin-Protocol`.
pub const ADMIN_PROTOCOL: &str = "gsma/rsp/v2.5.0";
/// What every version of the protocol starts with.
pub const ADMIN_PROTOCOL_PREFIX: &str = "gsma/rsp/v";
/// The content type of every body.
pub const CONTENT_TYPE: &str = "application/json;charset=UTF-8";

/// How the messages of ES9+ are written: every LPA chooses one for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageBinding {
    /// JSON (6.5).
    #[default]
    Json,
    /// DER (6.6).
    Asn1,
}

impl std::str::FromStr for MessageBinding {
    type Err = String;

    /// `json` or `asn1`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "asn1" => Ok(Self::Asn1),
            _ => Err(format!("{text:?} is no message binding; json and asn1 are")),
        }
    }
}

/// A member of a body that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// The body is no JSON object.
    #[error("the body is no JSON object")]
    NoObject,
    /// A mandatory member is not there.
    #[error("mandatory member {0} is missing")]
    Missing(&'static str),
    /// A member has another form than the standard's.
    #[error("member {member} is not {expected}")]
    Invalid {
        /// Its name.
        member: &'static str,
        /// What was expected.
        expected: &'static str,
    },
}

/// Some clients leave the padding away; all else of the standard alphabet is demanded.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The members of a received body. No `Debug`: one of them may be a confirmation code.
#[derive(Clone)]
pub struct Members(Map<String, Value>);

impl Members {
    /// Reads a body.
    ///
    /// # Errors
    /// [`MemberError::NoObject`] for anything but a JSON object.
    pub fn read(body: &[u8]) -> Result<Self, MemberError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => Err(MemberError::NoObject),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A member that is text, if it is there.
    ///
    /// # Errors
    /// [`MemberError::Invalid`] for another kind of value.
    pub fn optional_text(&self, name: &'static str) -> Result<Option<&str>, MemberError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(MemberError::Invalid { member: name, expected: "a string" }),
        }
    }

    /// A mandatory member that is text.
    ///
    /// # Errors
    /// [`MemberError`] if it is missing or another kind of value.
    pub fn text(&self, name: &'static str) -> Result<&str, MemberError> {
        self.optional_text(name)?.ok_or(MemberError::Missing(name))
    }

    /// A member that parses as an identifier, if it is there.
    ///
    /// # Errors
    /// [`MemberError::Invalid`] if it does not parse.
    pub fn optional_parsed<T: std::str::FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, MemberError> {
        self.optional_text(name)?
            .map(|text| text.parse().map_err(|_| MemberError::Invalid { member: name, expected }))
            .transpose()
    }

    /// A mandatory member that parses as an identifier.
    ///
    /// # Errors
    /// [`MemberError`] if it is missing or does not parse.
    pub fn parsed<T: std::str::FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, MemberError> {
        self.optional_parsed(name, expected)?.ok_or(MemberError::Missing(name))
    }

    /// A mandatory member in base64: the standard alphabet; white space is passed over.
    ///
    /// # Errors
    /// [`MemberError`] if it is missing or not base64.
    pub fn base64(&self, name: &'static str) -> Result<Vec<u8>, MemberError> {
        self.optional_base64(name)?.ok_or(MemberError::Missing(name))
    }

    /// As [`Members::base64`], if it is there.
    ///
    /// # Errors
    /// [`MemberError::Invalid`] if it is not base64.
    pub fn optional_base64(&self, name: &'static str) -> Result<Option<Vec<u8>>, MemberError> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        let decoded = if text.bytes().any(|c| c.is_ascii_whitespace()) {
            LENIENT.decode(text.split_ascii_whitespace().collect::<String>())
        } else {
            LENIENT.decode(text)
        };
        decoded.map(Some).map_err(|_| MemberError::Invalid { member: name, expected: "base64" })
    }

    /// A member that is a boolean, if it is there.
    ///
    /// # Errors
    /// [`MemberError::Invalid`] for another kind of value.
    pub fn optional_boolean(&self, name: &'static str) -> Result<Option<bool>, MemberError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(MemberError::Invalid { member: name, expected: "true or false" }),
        }
    }

    /// A member that is a number, or a text of one, if it is there.
    ///
    /// # Errors
    /// [`MemberError::Invalid`] if it is negative, beyond 32 bits or another kind of value.
    pub fn optional_number(&self, name: &'static str) -> Result<Option<u32>, MemberError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = match value {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        number.map(Some).ok_or(MemberError::Invalid { member: name, expected: "a number" })
    }

    /// A mandatory member that is a number, or a text of one.
    ///
    /// # Errors
    /// [`MemberError`] if it is missing, and as [`Members::optional_number`].
    pub fn number(&self, name: &'static str) -> Result<u32, MemberError> {
        self.optional_number(name)?.ok_or(MemberError::Missing(name))
    }

    /// A member that is an object, if it is there.
    ///
    /// # Errors
    /// [`MemberError::Invalid`] for another kind of value.
    pub fn optional_object(&self, name: &'static str) -> Result<Option<Self>, MemberError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self(members.clone()))),
            Some(_) => Err(MemberError::Invalid { member: name, expected: "an object" }),
        }
    }
}

/// A body that can be written and read.
pub trait Body: Sized {
    /// The members in the form of the standard.
    fn to_members(&self) -> Object<'_>;

    /// Reads the members.
    ///
    /// # Errors
    /// [`MemberError`] naming the first member that cannot be used.
    fn from_members(members: &Members) -> Result<Self, MemberError>;
}

/// A member in base64.
const fn to_base64(octets: &[u8]) -> Member<'_> {
    Member::Base64(octets)
}

/// Collects members by name; an absent optional one is left out.
macro_rules! members {
    ($($name:literal : $value:expr),* $(,)?) => {
        $crate::binding::Object::default()$(.with($name, $value))*
    };
}
use members;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_lenient_about_space_and_padding_only() {
        let read = |text: &str| {
            let body = serde_json::to_vec(&serde_json::json!({ "x": text })).unwrap();
            Members::read(&body).unwrap().base64("x")
        };
        assert_eq!(read("AAECAw==").unwrap(), [0, 1, 2, 3]);
        assert_eq!(read("AAEC\r\nAw==").unwrap(), [0, 1, 2, 3]);
        assert_eq!(read("AAECAw").unwrap(), [0, 1, 2, 3]);
        assert!(read("AAE_Aw==").is_err());
        assert!(read("A").is_err());
    }

    #[test]
    fn errors_name_the_member() {
        let no_object = |body| Members::read(body).err();
        let members = Members::read(br#"{"a":1,"b":null}"#).unwrap();
        assert_eq!(members.text("b"), Err(MemberError::Missing("b")));
        assert_eq!(members.text("a").unwrap_err().to_string(), "member a is not a string");
        assert_eq!(no_object(b"[]"), Some(MemberError::NoObject));
        assert_eq!(no_object(b"{"), Some(MemberError::NoObject));
    }
}
