//! Webhooks: who is told of what happens, where, and in which words (Standard Webhooks 1.0: `type`, `timestamp` and `data` in
//! the body).

use std::fmt;

use serde_json::{Value, json};

use super::operation_event::{Event, EventKind};
use crate::env::{Rng, Timestamp};

/// The longest name of a webhook, in octets.
const NAME_MAX: usize = 64;
/// The longest URL, in octets.
const URL_MAX: usize = 1024;
/// Begins the number of a message.
const MESSAGE_PREFIX: &str = "msg_";
/// The type of the message by which a person tries a webhook.
pub const TEST_TYPE: &str = "webhook.test";

/// The name of a webhook: 1 to 64 letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookName(String);

impl WebhookName {
    /// Reads a name; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=NAME_MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for WebhookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Why a text is no URL of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a webhook has a URL such as https://example.com/hook: of https, without user, password and fragment, of printable ASCII, of at most 1024 octets"
)]
pub struct InvalidUrl;

/// Where a webhook's messages go. What stands behind the host may be known to its owner alone: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(String);

impl WebhookUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`InvalidUrl`] for any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let host = host(text).ok_or(InvalidUrl)?;
        let fits = text.len() <= URL_MAX
            && text.bytes().all(|octet| octet.is_ascii_graphic())
            && !text.contains(['#', '\\'])
            && !host.is_empty()
            && !host.contains('@');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidUrl) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port.
    #[must_use]
    pub fn host(&self) -> &str {
        host(&self.0).unwrap_or_default()
    }
}

/// What stands between the scheme and the path.
fn host(text: &str) -> Option<&str> {
    text.strip_prefix("https://")?.split(['/', '?', '#']).next()
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}/…", self.host())
    }
}

/// What a webhook tells of: one kind of event, all of one family (`operation.*`), or all (`*`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selected(String);

impl Selected {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self("*".to_owned())
    }

    /// Reads the name of an event or a family; `None` for what selects no event that there is.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let selects = |kind: EventKind| text == "*" || text == kind.name() || text == family(kind.name());
        EventKind::ALL.into_iter().any(selects).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The family of a type of event: `operation.*` for `operation.done`.
fn family(event_type: &str) -> String {
    let noun = event_type.split('.').next().unwrap_or_default();
    format!("{noun}.*")
}

/// What is told: the same octets to everyone, and at every attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookMessage {
    /// Its number, by which a receiver knows it again.
    pub message_id: String,
    /// What it tells of.
    pub event_type: &'static str,
    /// The JSON.
    pub body: String,
    /// When it happened.
    pub at: Timestamp,
}

impl WebhookMessage {
    /// What is told of an event; the number is made of these octets, which belong to this event alone.
    #[must_use]
    pub fn of(event: &Event, number: [u8; 16]) -> Self {
        Self::new(event.kind.name(), event.at, &Value::Object(event.data()), number)
    }

    /// A message by which a person tries a webhook.
    #[must_use]
    pub fn test(at: Timestamp, rng: &Rng) -> Self {
        Self::new(TEST_TYPE, at, &json!({}), rng.array())
    }

    fn new(event_type: &'static str, at: Timestamp, data: &Value, number: [u8; 16]) -> Self {
        let message_id = format!("{MESSAGE_PREFIX}{}", hex::encode(number));
        let body = json!({ "type": event_type, "timestamp": at.to_string(), "data": data }).to_string();
        Self { message_id, event_type, body, at }
    }

    /// The family of its type.
    #[must_use]
    pub fn family(&self) -> String {
        family(self.event_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::Eid;

    #[test]
    fn names_urls_and_selections_are_read_or_refused() {
        for name in ["crm", "sms-gateway.2", "A_b"] {
            assert_eq!(WebhookName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", ".a", "-a", "a b", "a/b", "ä", &"a".repeat(65)] {
            assert_eq!(WebhookName::parse(name), None, "{name}");
        }
        for (url, host) in [
            ("https://example.com", "example.com"),
            ("https://example.com:8443/hook?key=1", "example.com:8443"),
            ("https://[2606:4700::1111]/", "[2606:4700::1111]"),
            ("https://example.com?x@y", "example.com"),
        ] {
            assert_eq!(WebhookUrl::parse(url).unwrap().host(), host);
        }
        let long = format!("https://example.com/{}", "a".repeat(1024));
        for url in [
            "http://example.com/",
            "https://",
            "https:///hook",
            "https://user:secret@example.com/",
            "https://example.com/#part",
            "https://example.com\\@other.example/",
            "https://example.com/a b",
            "https://exämple.com/",
            "example.com",
            "",
            &long,
        ] {
            assert_eq!(WebhookUrl::parse(url), Err(InvalidUrl), "{url}");
        }
        let url = WebhookUrl::parse("https://example.com/hooks/not-for-everyone").unwrap();
        assert_eq!(format!("{url:?}"), "https://example.com/…");
        for selected in ["*", "operation.*", "operation.done", "device.poll_wanted", "campaign.*"] {
            assert_eq!(Selected::parse(selected).unwrap().as_str(), selected);
        }
        for selected in ["", "operation", "operation.", "order.*", "operation.gone", "**", "webhook.test"] {
            assert_eq!(Selected::parse(selected), None, "{selected}");
        }
    }

    #[test]
    fn a_message_is_type_time_and_data() {
        let at = Timestamp::from_secs(1_795_329_780);
        let eid = Eid::parse("89049032000000000000279973200019").unwrap();
        let rng = Rng::seeded(1);
        let message = WebhookMessage::of(&Event::of_device(EventKind::DevicePollWanted, eid, at), [0xAB; 16]);
        assert_eq!(message.family(), "device.*");
        assert_eq!(message.message_id, format!("msg_{}", "ab".repeat(16)));
        assert_eq!(
            serde_json::from_str::<Value>(&message.body).unwrap(),
            json!({
                "type": "device.poll_wanted",
                "timestamp": "2026-11-22T06:43:00Z",
                "data": { "eid": "89049032000000000000279973200019" },
            })
        );
        let test = WebhookMessage::test(at, &rng);
        assert_ne!(test.message_id, WebhookMessage::test(at, &rng).message_id);
        assert!(test.body.contains(r#""type":"webhook.test""#));
    }
}
