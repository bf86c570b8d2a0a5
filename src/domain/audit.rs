//! The audit: who did what to which identifier, when, from where, and how it ended.
//!
//! An entry says it in words that do not change, and the hash of an entry covers the hash of the one before
//! ([`AuditEntry::sealed_octets`] is what is hashed): nothing can be changed, left out or put between without that
//! showing. Values of persons, an address or a telephone number, are not in the entry; a salted hash of each is. Value
//! and salt stand beside it and can be erased; the hashes hold on.
//!
//! Identifiers stand here whole, secrets never.

use std::fmt;

use super::{IdentityName, Operator, Person};
use crate::env::{Rng, Timestamp};
use crate::ident::{Iccid, Peer};

/// The longest detail of an entry, in octets.
pub const AUDIT_DETAIL_MAX: usize = 512;
/// The octets of a salt.
pub const SALT_OCTETS: usize = 16;

/// Begins what is hashed of an entry.
const ENTRY_LABEL: &[u8] = b"simyard audit entry 1";
/// Begins what is hashed of a value of a person.
const PERSONAL_LABEL: &[u8] = b"simyard audit personal 1";

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person at the server's command line.
    Person(Person),
    /// An operator, over ES2+.
    Operator(Operator),
    /// A named identity, over the admin API.
    Identity(IdentityName),
    /// A manufacturer, over the ingestion API.
    Manufacturer(String),
    /// The server itself: what a time that passed makes it do.
    Server,
}

impl Actor {
    /// Whoever stands among persons: one of them, or an identity.
    #[must_use]
    pub fn of_person(person: &Person) -> Self {
        person.identity().map_or_else(|| Self::Person(person.clone()), Self::Identity)
    }

    /// The kind, in one word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Operator(_) => "operator",
            Self::Identity(_) => "identity",
            Self::Manufacturer(_) => "manufacturer",
            Self::Server => "server",
        }
    }

    /// The name; empty for the server.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Person(person) => person.as_str(),
            Self::Identity(name) => name.as_str(),
            Self::Operator(operator) => operator.as_str(),
            Self::Manufacturer(name) => name,
            Self::Server => "",
        }
    }
}

/// What was done: `noun.verb`. The words stay as they are, since their hashes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action(&'static str);

impl Action {
    /// An order was placed: by ES2+.DownloadOrder, or by hand, as far as its detail says.
    pub const ORDER_CREATE: Self = Self("order.create");
    /// An order was confirmed.
    pub const ORDER_CONFIRM: Self = Self("order.confirm");
    /// An order was released for download.
    pub const ORDER_RELEASE: Self = Self("order.release");
    /// An order was taken back.
    pub const ORDER_CANCEL: Self = Self("order.cancel");
    /// An order that was stuck was put back.
    pub const ORDER_RESET: Self = Self("order.reset");
    /// A batch came into the stock.
    pub const BATCH_PUBLISH: Self = Self("batch.publish");
    /// A transport key was imported.
    pub const TRANSPORT_KEY_IMPORT: Self = Self("transport_key.import");
    /// A transport key was approved.
    pub const TRANSPORT_KEY_APPROVE: Self = Self("transport_key.approve");
    /// A transport key was taken out of use.
    pub const TRANSPORT_KEY_RETIRE: Self = Self("transport_key.retire");
    /// An operator's key was imported.
    pub const OPERATOR_KEY_IMPORT: Self = Self("operator_key.import");
    /// Numbers of a pool were allocated.
    pub const POOL_ALLOCATE: Self = Self("pool.allocate");
    /// Numbers of a pool were given back.
    pub const POOL_RELEASE: Self = Self("pool.release");
    /// Numbers of a pool were taken out of use.
    pub const POOL_RETIRE: Self = Self("pool.retire");
    /// Subscriptions were allocated.
    pub const STOCK_ALLOCATE: Self = Self("stock.allocate");
    /// Subscriptions were reserved.
    pub const STOCK_RESERVE: Self = Self("stock.reserve");
    /// Subscriptions were given back.
    pub const STOCK_RELEASE: Self = Self("stock.release");
    /// A subscription was taken out of use.
    pub const STOCK_RETIRE: Self = Self("stock.retire");
    /// An eUICC was declared lost.
    pub const EUICC_LOST: Self = Self("euicc.lost");
    /// Freedom to Switch of an eUICC was activated or deactivated.
    pub const EUICC_FREEDOM_TO_SWITCH: Self = Self("euicc.freedom_to_switch");
    /// Subscriptions were written for another system, or for another platform.
    pub const STOCK_EXPORT: Self = Self("stock.export");
    /// An identity was made.
    pub const IDENTITY_ADD: Self = Self("identity.add");
    /// An identity was given another token or certificate.
    pub const IDENTITY_ROTATE: Self = Self("identity.rotate");
    /// An identity was removed.
    pub const IDENTITY_REMOVE: Self = Self("identity.remove");
    /// A label of an eUICC was set.
    pub const LABEL_SET: Self = Self("label.set");
    /// A label of an eUICC was removed.
    pub const LABEL_REMOVE: Self = Self("label.remove");
    /// An eUICC was associated with the eIM by hand.
    pub const EIM_ASSOCIATE: Self = Self("eim.associate");
    /// It was said where the device of an eUICC listens, or that it polls.
    pub const EIM_LISTEN: Self = Self("eim.listen");
    /// It was written down which key of the eIM eUICCs know.
    pub const EIM_PIN_KEY: Self = Self("eim.pin_key");
    /// A laboratory changed what the eIM keeps of an eUICC, or had it handed a package.
    pub const EIM_LABORATORY: Self = Self("eim.laboratory");
    /// A client certificate of a device was said to stand for an EID.
    pub const DEVICE_CERTIFICATE_IMPORT: Self = Self("device_certificate.import");
    /// A client certificate of a device stands for no EID any more.
    pub const DEVICE_CERTIFICATE_REMOVE: Self = Self("device_certificate.remove");
    /// A webhook was made.
    pub const WEBHOOK_ADD: Self = Self("webhook.add");
    /// A webhook was given another secret.
    pub const WEBHOOK_ROTATE: Self = Self("webhook.rotate");
    /// A webhook was enabled, and all that waits for it is tried.
    pub const WEBHOOK_RETRY: Self = Self("webhook.retry");
    /// A webhook was removed.
    pub const WEBHOOK_REMOVE: Self = Self("webhook.remove");
    /// An operation of an eUICC was asked for.
    pub const OPERATION_CREATE: Self = Self("operation.create");
    /// An operation of an eUICC was ended before anything was changed.
    pub const OPERATION_CANCEL: Self = Self("operation.cancel");
    /// A call of the admin API that the right of its caller does not permit.
    pub const API_CALL: Self = Self("api.call");
    /// A campaign was made.
    pub const CAMPAIGN_CREATE: Self = Self("campaign.create");
    /// A campaign was stopped for a while.
    pub const CAMPAIGN_PAUSE: Self = Self("campaign.pause");
    /// A campaign was let go on.
    pub const CAMPAIGN_RESUME: Self = Self("campaign.resume");
    /// Targets of a campaign were asked once more.
    pub const CAMPAIGN_RETRY: Self = Self("campaign.retry");
    /// A campaign was ended.
    pub const CAMPAIGN_CANCEL: Self = Self("campaign.cancel");
    /// Values of persons were erased from the audit.
    pub const AUDIT_ERASE: Self = Self("audit.erase");

    /// The words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// What it was done to: a kind of identifier, and the identifier, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSubject {
    kind: &'static str,
    identifier: String,
}

impl AuditSubject {
    /// A profile.
    #[must_use]
    pub fn profile(iccid: &Iccid) -> Self {
        Self::new("iccid", iccid.as_str())
    }

    /// An identifier of another kind, such as `batch`, `pool`, `eid` or `identity`. A telephone number is none: it is a
    /// value of a person.
    #[must_use]
    pub fn new(kind: &'static str, identifier: &str) -> Self {
        Self { kind, identifier: identifier.to_owned() }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The identifier.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was done, in the commit that wrote the entry.
    Done,
    /// It was refused; the detail says why.
    Refused,
}

impl AuditOutcome {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// A value of a person, with the salt that it is hashed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Personal {
    /// What it is: `address` or `msisdn`.
    pub kind: String,
    /// The value.
    pub value: String,
    /// Random octets: without them nobody can try all values.
    pub salt: [u8; SALT_OCTETS],
}

/// The value is not shown.
impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Personal").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Personal {
    /// What is hashed: the label, the salt, kind and value, each with its length before it.
    #[must_use]
    pub fn sealed_octets(&self) -> Vec<u8> {
        let mut octets = PERSONAL_LABEL.to_vec();
        octets.extend(self.salt);
        put(&mut octets, &self.kind);
        put(&mut octets, &self.value);
        octets
    }
}

/// An entry that is about to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAuditEntry {
    /// Now.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// To which identifier.
    pub subject: AuditSubject,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// More of it, without secrets and without values of persons; cut to [`AUDIT_DETAIL_MAX`] octets.
    pub detail: String,
    /// Values of persons, each kind once.
    pub personal: Vec<Personal>,
}

impl NewAuditEntry {
    /// Something that is done by the commit that writes the entry.
    #[must_use]
    pub const fn new(at: Timestamp, actor: Actor, action: Action, subject: AuditSubject) -> Self {
        let outcome = AuditOutcome::Done;
        Self { at, actor, action, subject, outcome, detail: String::new(), personal: Vec::new() }
    }

    /// With more of it: no secret, no value of a person.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self.detail.truncate(self.detail.floor_char_boundary(AUDIT_DETAIL_MAX));
        self
    }

    /// As something that was refused, and why.
    #[must_use]
    pub fn refused(mut self, why: impl Into<String>) -> Self {
        self.outcome = AuditOutcome::Refused;
        self.detail(why)
    }

    /// With the address that it was asked from.
    #[must_use]
    pub fn from_peer(self, peer: Peer, rng: &Rng) -> Self {
        self.personal("address", peer.to_string(), rng)
    }

    /// With the telephone number that it was about.
    #[must_use]
    pub fn msisdn(self, msisdn: &str, rng: &Rng) -> Self {
        self.personal("msisdn", msisdn.to_owned(), rng)
    }

    fn personal(mut self, kind: &str, value: String, rng: &Rng) -> Self {
        self.personal.retain(|other| other.kind != kind);
        self.personal.push(Personal { kind: kind.to_owned(), value, salt: rng.array() });
        self
    }
}

/// The salted hash of a value of a person, and the value as long as it is not erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// `address`, `msisdn`, or what a later version writes.
    pub kind: String,
    /// SHA-256 of [`Personal::sealed_octets`].
    pub digest: [u8; 32],
    /// Value and salt; `None` once they are erased.
    pub opened: Option<Personal>,
}

/// An entry as it was written. Its words are kept as text: a later version may know more of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place in the chain, from 1.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// [`Actor::kind`].
    pub actor_kind: String,
    /// [`Actor::name`].
    pub actor: String,
    /// [`Action::as_str`].
    pub action: String,
    /// [`AuditSubject::kind`].
    pub subject_kind: String,
    /// [`AuditSubject::identifier`].
    pub subject: String,
    /// [`AuditOutcome::as_str`].
    pub outcome: String,
    /// More of it.
    pub detail: String,
    /// Values of persons.
    pub personal: Vec<Commitment>,
    /// SHA-256 of [`AuditEntry::sealed_octets`].
    pub digest: [u8; 32],
}

impl AuditEntry {
    /// What is hashed, behind the digest of the entry before (32 zeros for the first): the label, that digest, number and
    /// time in milliseconds since 1970 as eight octets each, highest first; then kind and name of the actor, action, kind
    /// and identifier of the subject, outcome and detail; then for each value of a person its kind and the 32 octets of
    /// its hash. Texts have their length in octets before them, as four octets.
    #[must_use]
    pub fn sealed_octets(&self, before: &[u8; 32]) -> Vec<u8> {
        let mut octets = ENTRY_LABEL.to_vec();
        octets.extend(before);
        octets.extend(self.number.to_be_bytes());
        octets.extend(self.at.as_millis().to_be_bytes());
        for text in [
            &self.actor_kind,
            &self.actor,
            &self.action,
            &self.subject_kind,
            &self.subject,
            &self.outcome,
            &self.detail,
        ] {
            put(&mut octets, text);
        }
        for Commitment { kind, digest, .. } in &self.personal {
            put(&mut octets, kind);
            octets.extend(digest);
        }
        octets
    }
}

/// A text behind its length.
fn put(octets: &mut Vec<u8>, text: &str) {
    octets.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    octets.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            number: 1,
            at: Timestamp::from_millis(2),
            actor_kind: "person".to_owned(),
            actor: "anna".to_owned(),
            action: "order.reset".to_owned(),
            subject_kind: "iccid".to_owned(),
            subject: "8949449999999990924".to_owned(),
            outcome: "done".to_owned(),
            detail: String::new(),
            personal: vec![Commitment { kind: "address".to_owned(), digest: [3; 32], opened: None }],
            digest: [0; 32],
        }
    }

    #[test]
    fn every_field_is_hashed_and_none_runs_into_the_next() {
        let octets = entry().sealed_octets(&[0; 32]);
        let changes: [fn(&mut AuditEntry); 11] = [
            |entry| entry.number = 2,
            |entry| entry.at = Timestamp::from_millis(3),
            |entry| entry.actor_kind = "operator".to_owned(),
            |entry| entry.actor = "bert".to_owned(),
            |entry| entry.action = "order.cancel".to_owned(),
            |entry| entry.subject_kind = "eid".to_owned(),
            |entry| entry.subject.push('1'),
            |entry| entry.outcome = "refused".to_owned(),
            |entry| entry.detail = "x".to_owned(),
            |entry| entry.personal[0].digest = [4; 32],
            |entry| (entry.actor_kind, entry.actor) = ("personan".to_owned(), "na".to_owned()),
        ];
        for change in changes {
            let mut changed = entry();
            change(&mut changed);
            assert_ne!(changed.sealed_octets(&[0; 32]), octets, "{changed:?}");
        }
        assert_ne!(entry().sealed_octets(&[1; 32]), octets);
    }

    #[test]
    fn an_erased_value_leaves_what_is_hashed_as_it_was() {
        let peer = Peer::from("192.0.2.1".parse::<std::net::IpAddr>().unwrap());
        let iccid = Iccid::parse("8949449999999990924").unwrap();
        let new = NewAuditEntry::new(
            Timestamp::from_secs(1),
            Actor::Server,
            Action::ORDER_RESET,
            AuditSubject::profile(&iccid),
        )
        .from_peer(peer, &Rng::seeded(1));
        let personal = new.personal[0].clone();
        assert_eq!((personal.kind.as_str(), personal.value.as_str()), ("address", "192.0.2.1"));
        assert!(!format!("{new:?}").contains("192.0.2.1"));
        let mut with_value = entry();
        with_value.personal[0].opened = Some(personal);
        assert_eq!(with_value.sealed_octets(&[0; 32]), entry().sealed_octets(&[0; 32]));
    }

    #[test]
    fn a_long_detail_is_cut_at_a_character() {
        let at = Timestamp::from_secs(1);
        let new = NewAuditEntry::new(at, Actor::Server, Action::AUDIT_ERASE, AuditSubject::new("audit", ""))
            .refused("ä".repeat(AUDIT_DETAIL_MAX));
        assert_eq!((new.detail.len(), new.outcome), (AUDIT_DETAIL_MAX, AuditOutcome::Refused));
    }
}
