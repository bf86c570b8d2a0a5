//! Tokens of the admin API: 256 random bits behind a word that programs which look for lost secrets can know.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::crypto::hash::sha256;
use crate::env::Rng;
use crate::store::{Credential, CredentialKind};

/// The word.
const PREFIX: &str = "simyard_";
/// Random octets.
const OCTETS: usize = 32;
/// Characters of a token.
const LENGTH: usize = PREFIX.len() + OCTETS.div_ceil(3) * 4 - 1;

/// A token; it is shown once and kept nowhere. No `Debug`.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Draws a token.
    #[must_use]
    pub fn draw(rng: &Rng) -> Self {
        let octets = Zeroizing::new(rng.array::<OCTETS>());
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(octets.as_slice(), &mut text);
        Self(text)
    }

    /// What its holder shows.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is known by.
    #[must_use]
    pub fn credential(&self) -> Credential {
        credential_of(&self.0)
    }
}

/// What is looked for when somebody shows `text`; `None` if it has not the form of a token.
#[must_use]
pub fn credential(text: &str) -> Option<Credential> {
    (text.len() == LENGTH && text.starts_with(PREFIX)).then(|| credential_of(text))
}

/// The hash is looked up, not the token: how long that takes says nothing about a token that is nearly right.
fn credential_of(text: &str) -> Credential {
    Credential { kind: CredentialKind::Token, digest: sha256(text.as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_hash_and_nothing_else_is_looked_for() {
        let rng = Rng::seeded(1);
        let token = Token::draw(&rng);
        assert_eq!((token.as_str().len(), token.as_str().starts_with(PREFIX)), (LENGTH, true));
        assert_eq!(credential(token.as_str()), Some(token.credential()));
        assert_ne!(Token::draw(&rng).credential(), token.credential());
        for other in ["", PREFIX, &token.as_str()[1..], &format!("{}x", token.as_str())] {
            assert_eq!(credential(other), None, "{other}");
        }
    }
}
