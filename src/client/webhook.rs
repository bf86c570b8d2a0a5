//! Webhooks from the sender's side: a JSON body by POST, signed as Standard Webhooks 1.0 has it.
//!
//! `webhook-id` is the message's number, `webhook-timestamp` the second of this attempt, and `webhook-signature` one
//! signature for each secret that is valid, divided by blanks: `v1,` and base64 of the HMAC-SHA-256 over number, second and
//! body with dots between. A receiver compares the second with its own clock, so old messages cannot be played again.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use zeroize::Zeroizing;

use super::exchange::Limits;
use super::reachable::Reach;
use super::{ClientError, ConnectTo, Http};
use crate::crypto::hmac::hmac_sha256;
use crate::domain::webhook::WebhookUrl;
use crate::env::{Rng, Timestamp};

/// Begins the text of a secret.
const SECRET_PREFIX: &str = "whsec_";
/// Octets of a secret.
const SECRET_OCTETS: usize = 32;
/// How long a receiver may take, its answer included.
pub const TIMEOUT: Duration = Duration::from_secs(20);
/// What its answer may take: nobody wants to know what it says.
const LIMITS: Limits = Limits { time: TIMEOUT, answer_octets: 64 * 1024 };
/// The longest pause that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What signs the messages of a webhook; no `Debug`.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Draws one.
    #[must_use]
    pub fn draw(rng: &Rng) -> Self {
        let octets = Zeroizing::new(rng.array::<SECRET_OCTETS>());
        Self(Zeroizing::new(octets.to_vec()))
    }

    /// One that was kept.
    #[must_use]
    pub const fn from_octets(octets: Zeroizing<Vec<u8>>) -> Self {
        Self(octets)
    }

    /// What is kept, sealed.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }

    /// What its receiver is told, once: `whsec_` and base64.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let mut text =
            Zeroizing::new(String::with_capacity(SECRET_PREFIX.len() + self.0.len().div_ceil(3) * 4));
        text.push_str(SECRET_PREFIX);
        STANDARD.encode_string(self.0.as_slice(), &mut text);
        text
    }

    /// One signature.
    fn sign(&self, message_id: &str, second: &str, body: &str) -> String {
        let parts = [message_id, ".", second, ".", body].map(str::as_bytes);
        format!("v1,{}", STANDARD.encode(hmac_sha256(&self.0, &parts)))
    }
}

/// Why a webhook did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It could not be reached, or did not answer.
    #[error(transparent)]
    Call(#[from] ClientError),
    /// It answered something else than success.
    #[error("HTTP {status}")]
    Status {
        /// The status.
        status: u16,
        /// How long it wants to be left alone, an hour at most.
        retry_after: Option<Duration>,
    },
}

impl NotTaken {
    /// Whether the next message might be taken: this one was read and refused.
    #[must_use]
    pub const fn is_of_message(&self) -> bool {
        matches!(self, Self::Status { status: 400..=499, .. }) && !self.is_gone() && !self.is_busy()
    }

    /// Whether nobody wants messages there any more (410).
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Status { status: 410, .. })
    }

    /// Whether it has too much to do, or does not know us: the next message fares no better.
    const fn is_busy(&self) -> bool {
        matches!(self, Self::Status { status: 401 | 403 | 404 | 405 | 408 | 425 | 429, .. })
    }

    /// How long it wants to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Call(_) => None,
        }
    }
}

/// Calls webhooks.
#[derive(Clone, Debug)]
pub struct WebhookClient(Http);

impl WebhookClient {
    /// A client that trusts what `tls` trusts and calls as far as `reach` says.
    ///
    /// # Errors
    /// [`ClientError::Setup`].
    pub fn new(
        reach: Reach,
        tls: rustls::ClientConfig,
        connect_to: &[ConnectTo],
    ) -> Result<Self, ClientError> {
        Http::within(reach, tls, "simyard", connect_to).map(Self)
    }

    /// Brings one message, signed with every one of `secrets` at `now`. Any status of success means that it is taken, whatever
    /// the answer says beside it.
    ///
    /// # Errors
    /// [`NotTaken`]; the receiver may have taken it nevertheless, if the answer was lost.
    pub async fn bring(
        &self,
        url: &WebhookUrl,
        message_id: &str,
        body: &str,
        secrets: &[Secret],
        now: Timestamp,
    ) -> Result<(), NotTaken> {
        let second = now.as_secs().to_string();
        let signatures: Vec<String> =
            secrets.iter().map(|secret| secret.sign(message_id, &second, body)).collect();
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", message_id),
            ("webhook-timestamp", &second),
            ("webhook-signature", &signatures.join(" ")),
        ];
        let body = body.as_bytes().to_vec();
        let answer = self.0.send(Method::POST, url.as_str(), &headers, body, LIMITS).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        let seconds = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        Err(NotTaken::Status {
            status: answer.status().as_u16(),
            retry_after: seconds.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_published_example() {
        // The example of the reference libraries of Standard Webhooks.
        let octets = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = Secret::from_octets(Zeroizing::new(octets));
        assert_eq!(
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(secret.text().as_str(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }

    #[test]
    fn secrets_are_drawn_and_kept() {
        let rng = Rng::seeded(1);
        let secret = Secret::draw(&rng);
        assert_ne!(secret.as_octets(), Secret::draw(&rng).as_octets());
        let kept = Secret::from_octets(Zeroizing::new(secret.as_octets().to_vec()));
        assert_eq!(kept.text(), secret.text());
        assert_eq!(secret.text().len(), SECRET_PREFIX.len() + 44);
    }

    #[test]
    fn a_status_is_about_the_message_or_about_the_receiver() {
        let of = |status| NotTaken::Status { status, retry_after: None };
        for status in [400, 409, 413, 415, 422] {
            assert!(of(status).is_of_message(), "{status}");
        }
        for status in [301, 401, 403, 404, 405, 408, 410, 425, 429, 500, 503] {
            assert!(!of(status).is_of_message(), "{status}");
        }
        assert!(of(410).is_gone() && !of(404).is_gone());
    }
}
