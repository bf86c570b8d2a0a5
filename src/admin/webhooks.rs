//! Webhooks, administered: made, given other secrets, tried, removed. A secret is drawn here and told once; the store has it
//! sealed.

use std::time::Duration;

use super::identities::Changer;
use crate::client::webhook::{NotTaken, Secret, WebhookClient};
use crate::crypto::seal::{SealError, Sealer};
use crate::domain::webhook::{Selected, WebhookMessage, WebhookName, WebhookUrl};
use crate::domain::{Action, AuditSubject, NewAuditEntry};
use crate::env::{Clock, Rng, Timestamp};
pub use crate::store::Webhook;
use crate::store::{Constraint, NewWebhook, Store, StoreError, Target, WEBHOOKS_MAX, secret_place};

/// Why a webhook was not changed or tried.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// There is one of this name.
    #[error("there is a webhook {0} already: rotate its secret, or remove it first")]
    NameInUse(WebhookName),
    /// There are too many.
    #[error("there are {WEBHOOKS_MAX} webhooks already: remove one first")]
    TooMany,
    /// There is none of this name.
    #[error("there is no webhook {0}")]
    Unknown(WebhookName),
    /// It is disabled: it took nothing for too long.
    #[error("webhook {0} is disabled: enable it first, by 'retry'")]
    Disabled(WebhookName),
    /// The store's sealing key did not serve.
    #[error("its secret: {0}")]
    Seal(#[from] SealError),
    /// It did not take the message.
    #[error("the message was not taken: {0}")]
    NotTaken(#[from] NotTaken),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

/// The webhooks of a store.
pub struct Webhooks {
    /// Where they stand.
    pub store: Store,
    /// Seals their secrets.
    pub sealer: Sealer,
    /// The time.
    pub clock: Clock,
    /// Draws secrets.
    pub rng: Rng,
}

impl Webhooks {
    /// Makes a webhook that is told of what is selected. Returns its secret: nobody can be told it again.
    ///
    /// # Errors
    /// [`WebhookError`]; nothing was made then.
    pub async fn add(
        &self,
        changer: &Changer,
        name: &WebhookName,
        url: &WebhookUrl,
        selected: &[Selected],
    ) -> Result<Secret, WebhookError> {
        let at = self.clock.now();
        let (secret, sealed) = self.draw(name)?;
        let mut selected = selected.to_vec();
        if selected.is_empty() {
            selected.push(Selected::all());
        }
        let words: Vec<&str> = selected.iter().map(Selected::as_str).collect();
        let detail = format!("at {}, told of {}", url.host(), words.join(" "));
        let entry = self.entry(changer, Action::WEBHOOK_ADD, name, at).detail(detail);
        let new = NewWebhook {
            name: name.clone(),
            url: url.clone(),
            selected,
            sealed,
            created_by: changer.actor.name().to_owned(),
            at,
        };
        match self.store.add_webhook(&new, entry).await {
            Ok(true) => Ok(secret),
            Ok(false) => Err(WebhookError::TooMany),
            Err(StoreError::InUse(Constraint::Webhook)) => Err(WebhookError::NameInUse(name.clone())),
            Err(cause) => Err(WebhookError::Store(cause)),
        }
    }

    /// Gives a webhook another secret; the one before signs too for `keep_old` more. Returns the new one.
    ///
    /// # Errors
    /// [`WebhookError`]; nothing was changed then.
    pub async fn rotate(
        &self,
        changer: &Changer,
        name: &WebhookName,
        keep_old: Duration,
    ) -> Result<Secret, WebhookError> {
        let now = self.clock.now();
        let (secret, sealed) = self.draw(name)?;
        let until = now.plus(keep_old);
        let detail = format!("the secret before until {until}");
        let entry = self.entry(changer, Action::WEBHOOK_ROTATE, name, now).detail(detail);
        let done = self.store.rotate_webhook(name, &sealed, until, entry).await;
        if done.map_err(WebhookError::Store)? { Ok(secret) } else { Err(WebhookError::Unknown(name.clone())) }
    }

    /// Removes a webhook, and what waits for it.
    ///
    /// # Errors
    /// [`WebhookError`]; nothing was changed then.
    pub async fn remove(&self, changer: &Changer, name: &WebhookName) -> Result<(), WebhookError> {
        let entry = self.entry(changer, Action::WEBHOOK_REMOVE, name, self.clock.now());
        let done = self.store.remove_webhook(name, entry).await;
        if done.map_err(WebhookError::Store)? { Ok(()) } else { Err(WebhookError::Unknown(name.clone())) }
    }

    /// Makes all that waits for a webhook due, what was given up too, and enables it. How many messages these are.
    ///
    /// # Errors
    /// [`WebhookError`]; nothing was changed then.
    pub async fn retry(&self, changer: &Changer, name: &WebhookName) -> Result<usize, WebhookError> {
        let now = self.clock.now();
        let entry = self.entry(changer, Action::WEBHOOK_RETRY, name, now);
        let retried = self.store.retry_webhook(name, now, entry).await.map_err(WebhookError::Store)?;
        retried.ok_or_else(|| WebhookError::Unknown(name.clone()))
    }

    /// A page of webhooks by rising name, behind `after`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn list(&self, after: &str, limit: u32) -> Result<Vec<Webhook>, StoreError> {
        self.store.webhooks(after, limit).await
    }

    /// Brings a message of the type `webhook.test` to a webhook at once, be it disabled or not. Returns the number of the
    /// message. It says nothing of what waits.
    ///
    /// # Errors
    /// [`WebhookError`], among them what came instead of success.
    pub async fn test(&self, client: &WebhookClient, name: &WebhookName) -> Result<String, WebhookError> {
        let target = self.store.webhook_target(name).await.map_err(WebhookError::Store)?;
        let target = target.ok_or_else(|| WebhookError::Unknown(name.clone()))?;
        let now = self.clock.now();
        let secrets = valid_secrets(&self.sealer, &target, now)?;
        let WebhookMessage { message_id, body, .. } = WebhookMessage::test(now, &self.rng);
        client.bring(&target.url, &message_id, &body, &secrets, now).await?;
        Ok(message_id)
    }

    /// Lets a message of the type `webhook.test` wait for a webhook, which is brought like all others. Returns the number of the
    /// message.
    ///
    /// # Errors
    /// [`WebhookError`]; nothing waits then.
    pub async fn tell_test(&self, name: &WebhookName) -> Result<String, WebhookError> {
        let message = WebhookMessage::test(self.clock.now(), &self.rng);
        if self.store.tell_one(name, &message).await.map_err(WebhookError::Store)? {
            return Ok(message.message_id);
        }
        match self.store.webhook_target(name).await.map_err(WebhookError::Store)? {
            Some(_) => Err(WebhookError::Disabled(name.clone())),
            None => Err(WebhookError::Unknown(name.clone())),
        }
    }

    fn draw(&self, name: &WebhookName) -> Result<(Secret, Vec<u8>), SealError> {
        let secret = Secret::draw(&self.rng);
        let sealed = self.sealer.seal(&secret_place(name), secret.as_octets())?;
        Ok((secret, sealed))
    }

    fn entry(&self, changer: &Changer, action: Action, name: &WebhookName, at: Timestamp) -> NewAuditEntry {
        let subject = AuditSubject::new("webhook", name.as_str());
        let entry = NewAuditEntry::new(at, changer.actor.clone(), action, subject);
        match changer.peer {
            Some(peer) => entry.from_peer(peer, &self.rng),
            None => entry,
        }
    }
}

/// The secrets with which messages to a webhook are signed at `now`, the latest first.
///
/// # Errors
/// [`SealError`] for one that does not open.
pub fn valid_secrets(sealer: &Sealer, target: &Target, now: Timestamp) -> Result<Vec<Secret>, SealError> {
    let previous = target.previous.as_ref().filter(|(_, until)| *until > now);
    let sealed = std::iter::once(&target.sealed).chain(previous.map(|(sealed, _)| sealed));
    let place = secret_place(&target.name);
    sealed.map(|sealed| sealer.open(&place, sealed).map(Secret::from_octets)).collect()
}
