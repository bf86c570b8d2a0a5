//! Activation code (SGP.22 4.1).

use std::fmt;

use simyard_asn1::Oid;

use super::{InvalidIdentifier, MatchingId, ServerAddress, text_form};

const EXPECTED: &str = "LPA:1$<SM-DP+ address>$<token>[$<SM-DP+ OID>[$1]]";
const MAX_CHARS: usize = 255;

/// What a user types or scans to fetch a profile.
#[derive(Clone, PartialEq, Eq)]
pub struct ActivationCode {
    /// Where the profile lies.
    pub address: ServerAddress,
    /// Which profile; may be empty.
    pub matching_id: MatchingId,
    /// The identifier that the server's certificate must carry, if the code names one.
    pub smdp_oid: Option<Oid>,
    /// Whether a confirmation code will be asked for: a hint, `ccRequiredFlag` decides.
    pub confirmation_code_required: bool,
}

impl ActivationCode {
    /// Reads a code with or without the prefix `LPA:`, with empty optional parts and with trailing delimiters.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] for any other form.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        let invalid = || InvalidIdentifier::new("activation code", EXPECTED, text);
        let text = text.trim();
        if text.len() > MAX_CHARS {
            return Err(invalid());
        }
        let body = match text.get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case("LPA:") => text.get(4..).unwrap_or_default(),
            _ => text,
        };
        let mut parts = body.split('$');
        if parts.next() != Some("1") {
            return Err(invalid());
        }
        let address = parts.next().and_then(|part| ServerAddress::parse(part).ok()).ok_or_else(invalid)?;
        let matching_id = parts.next().and_then(|part| MatchingId::parse(part).ok()).ok_or_else(invalid)?;
        let smdp_oid = match parts.next() {
            None | Some("") => None,
            Some(part) => Some(Oid::parse(part).ok_or_else(invalid)?),
        };
        let confirmation_code_required = parts.next() == Some("1");
        Ok(Self { address, matching_id, smdp_oid, confirmation_code_required })
    }
}

impl fmt::Display for ActivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LPA:1${}${}", self.address, self.matching_id)?;
        match (&self.smdp_oid, self.confirmation_code_required) {
            (None, false) => Ok(()),
            (Some(oid), false) => write!(f, "${oid}"),
            (None, true) => f.write_str("$$1"),
            (Some(oid), true) => write!(f, "${oid}$1"),
        }
    }
}

text_form!(ActivationCode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written() {
        for (text, printed) in [
            ("LPA:1$SMDP.EXAMPLE.COM$04386-AGYFT", None),
            ("1$smdp.example.com$04386-AGYFT", Some("LPA:1$smdp.example.com$04386-AGYFT")),
            ("LPA:1$smdp.example.com$", None),
            ("LPA:1$smdp.example.com:8443$T$2.999.10", None),
            ("LPA:1$smdp.example.com$T$2.999.10$1", None),
            ("LPA:1$smdp.example.com$T$$1", None),
            ("lpa:1$smdp.example.com$T$$", Some("LPA:1$smdp.example.com$T")),
        ] {
            let code = ActivationCode::parse(text).unwrap();
            assert_eq!(code.to_string(), printed.unwrap_or(text));
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "LPA:", "LPA:2$a$b", "LPA:1$$b", "LPA:1$a b$c", "LPA:1$a$b$x", "LPA:1$a"] {
            assert!(ActivationCode::parse(text).is_err(), "{text}");
        }
    }
}
