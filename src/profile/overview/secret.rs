//! Octets that may be secret: whether they are shown is decided when the model is built, and nowhere else.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::profile::image::Octets;

/// Whether secrets are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reveal {
    /// They are masked: only their lengths are shown.
    Nothing,
    /// They are shown.
    Secrets,
}

/// A secret: keys, PINs, contents that hold keys. Its octets are wiped; it has no Debug; text and JSON show them only if
/// the model was built with [`Reveal::Secrets`]. Two secrets can be compared.
///
/// As JSON: `{"secret": true, "length": 16}`, and `"value"` with hexadecimal digits, or the digits of a PIN, if it is
/// revealed.
#[derive(Clone)]
pub struct Secret {
    octets: Octets,
    form: Form,
    reveal: Reveal,
}

/// How a secret is written once it is revealed.
#[derive(Clone, Copy)]
enum Form {
    Hex,
    /// ASCII digits filled up with FF.
    Digits,
}

impl Secret {
    /// Octets that are written as hexadecimal digits.
    pub(super) fn new(octets: &[u8], reveal: Reveal) -> Self {
        Self { octets: octets.into(), form: Form::Hex, reveal }
    }

    /// A PIN or PUK.
    pub(super) fn pin(octets: &[u8], reveal: Reveal) -> Self {
        Self { octets: octets.into(), form: Form::Digits, reveal }
    }

    /// Octets of the secret.
    #[must_use]
    pub fn length(&self) -> usize {
        self.octets.len()
    }

    /// The secret in words, if it may be shown.
    #[must_use]
    pub fn value(&self) -> Option<String> {
        if self.reveal == Reveal::Nothing {
            return None;
        }
        let filler = self.octets.iter().rev().take_while(|octet| **octet == 0xFF).count();
        let digits = self.octets.get(..self.octets.len() - filler).unwrap_or_default();
        match self.form {
            Form::Digits if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
                Some(digits.iter().copied().map(char::from).collect())
            }
            Form::Digits | Form::Hex => Some(hex::encode_upper(&*self.octets)),
        }
    }

    /// What people see: the value, or dots and the length.
    #[must_use]
    pub fn text(&self) -> String {
        self.value().unwrap_or_else(|| hidden(self.length()))
    }
}

/// What people see of a secret.
pub(super) fn hidden(length: usize) -> String {
    format!("•••• ({length} {})", if length == 1 { "octet" } else { "octets" })
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        *self.octets == *other.octets
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.value();
        let mut members = serializer.serialize_struct("Secret", 2 + usize::from(value.is_some()))?;
        members.serialize_field("secret", &true)?;
        members.serialize_field("length", &self.length())?;
        if let Some(value) = value {
            members.serialize_field("value", &value)?;
        }
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_only_if_it_is_revealed() {
        let hidden = Secret::new(&[0xAB, 0xCD], Reveal::Nothing);
        assert_eq!(hidden.text(), "•••• (2 octets)");
        assert_eq!(serde_json::to_string(&hidden).unwrap(), r#"{"secret":true,"length":2}"#);
        let shown = Secret::new(&[0xAB, 0xCD], Reveal::Secrets);
        assert_eq!(serde_json::to_string(&shown).unwrap(), r#"{"secret":true,"length":2,"value":"ABCD"}"#);
        assert!(hidden == shown);
        assert!(hidden != Secret::new(&[0xAB, 0xCE], Reveal::Nothing));
    }

    #[test]
    fn a_pin_is_written_in_digits_if_it_has_some() {
        let text = |octets: &[u8]| Secret::pin(octets, Reveal::Secrets).text();
        assert_eq!(text(b"1234\xFF\xFF\xFF\xFF"), "1234");
        assert_eq!(text(b"12\xFF34\xFF\xFF\xFF"), "3132FF3334FFFFFF");
        assert_eq!(text(&[0xFF; 8]), "FFFFFFFFFFFFFFFF");
    }
}
