//! What was refused on ESipa: counted by reason, and kept for people who ask why a device does not get through.
//!
//! Anybody may cause refusals, so none of them costs a write: those that are alike become one, with a count, and all
//! of them are written together from time to time ([`Refusals::keep`]). A crash loses those that were not written yet. Of a
//! flood of different ones, what does not fit is counted alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::env::{Clock, Timestamp};
use crate::ident::{Eid, Peer};
use crate::store::{EsipaRefusal, Store, StoreError};

/// Different refusals that wait to be written, at most.
pub const WAITING_MAX: usize = 1000;

/// Why something was refused; the words stay as they are, since they stand in rows and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// The TLS handshake failed: a certificate that is not taken, or none.
    Handshake,
    /// No certificate where one is needed.
    NoCertificate,
    /// The certificate stands for nobody.
    NoEid,
    /// The certificate stands for another EID.
    OtherEid,
    /// Too many polls for an EID without a certificate.
    TooManyPolls,
    /// What became of a package, as nobody can believe it.
    Unbelieved,
}

impl RefusalReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Handshake,
        Self::NoCertificate,
        Self::NoEid,
        Self::OtherEid,
        Self::TooManyPolls,
        Self::Unbelieved,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::NoCertificate => "no_certificate",
            Self::NoEid => "no_eid",
            Self::OtherEid => "other_eid",
            Self::TooManyPolls => "too_many_polls",
            Self::Unbelieved => "unbelieved",
        }
    }

    const fn place(self) -> usize {
        self as usize
    }
}

/// Something that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: RefusalReason,
    /// The EID that was claimed, if one was.
    pub eid: Option<Eid>,
    /// The EID that the caller's certificate stands for, if it stands for one.
    pub caller_eid: Option<Eid>,
    /// SHA-256 of the caller's certificate, if it showed one.
    pub certificate: Option<[u8; 32]>,
    /// Where it called from.
    pub peer: Peer,
    /// What was the matter.
    pub detail: String,
}

/// What makes two refusals the same.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    reason: RefusalReason,
    eid: Option<Eid>,
    caller_eid: Option<Eid>,
    certificate: Option<[u8; 32]>,
    peer: Peer,
}

/// Refusals that are the same.
struct Alike {
    detail: String,
    first_at: Timestamp,
    last_at: Timestamp,
    times: u64,
}

/// The refusals of an eIM.
pub struct Refusals {
    clock: Clock,
    counts: [AtomicU64; RefusalReason::ALL.len()],
    waiting: Mutex<HashMap<Key, Alike>>,
}

impl Refusals {
    /// Nothing was refused yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, counts: Default::default(), waiting: Mutex::default() }
    }

    /// Counts a refusal, and keeps it to be written.
    pub fn record(&self, refused: Refused) {
        let Refused { reason, eid, caller_eid, certificate, peer, detail } = refused;
        if let Some(count) = self.counts.get(reason.place()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        tracing::info!(
            interface = "esipa",
            reason = reason.as_str(),
            eid = eid.as_ref().map(Eid::as_str),
            %peer,
            detail,
            "refused"
        );
        let now = self.clock.now();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = waiting.len() < WAITING_MAX;
        let key = Key { reason, eid, caller_eid, certificate, peer };
        if let Some(alike) = waiting.get_mut(&key) {
            alike.detail = detail;
            alike.last_at = now;
            alike.times = alike.times.saturating_add(1);
        } else if has_room {
            waiting.insert(key, Alike { detail, first_at: now, last_at: now, times: 1 });
        }
    }

    /// How many were refused for this since the start.
    #[must_use]
    pub fn count(&self, reason: RefusalReason) -> u64 {
        self.counts.get(reason.place()).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Writes those that wait, in one commit; nothing is written where none waits. What cannot be written is forgotten:
    /// its count stays.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn keep(&self, store: &Store) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return Ok(());
        }
        let refusal = |(key, alike): (Key, Alike)| EsipaRefusal {
            reason: key.reason.as_str().to_owned(),
            eid: key.eid,
            caller_eid: key.caller_eid,
            certificate: key.certificate.map(hex::encode),
            peer: key.peer.to_string(),
            detail: alike.detail,
            first_at: alike.first_at,
            last_at: alike.last_at,
            times: alike.times,
        };
        let mut refusals: Vec<EsipaRefusal> = waiting.into_iter().map(refusal).collect();
        // Numbers rise with time.
        refusals.sort_by_key(|refusal| refusal.first_at);
        store.keep_esipa_refusals(&refusals).await
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn refused(reason: RefusalReason, peer: u32) -> Refused {
        let peer = IpAddr::V4(Ipv4Addr::from_bits(peer)).into();
        Refused { reason, eid: None, caller_eid: None, certificate: None, peer, detail: "x".to_owned() }
    }

    #[test]
    fn a_flood_is_counted_and_kept_within_bounds() {
        let clock = Clock::fixed(Timestamp::from_secs(1_795_329_780));
        let refusals = Refusals::new(clock);
        for number in 0..5000 {
            refusals.record(refused(RefusalReason::Handshake, number));
            refusals.record(refused(RefusalReason::NoEid, 1));
        }
        assert_eq!(refusals.count(RefusalReason::Handshake), 5000);
        assert_eq!(refusals.count(RefusalReason::OtherEid), 0);
        let waiting = refusals.waiting.lock().unwrap();
        assert_eq!(waiting.len(), WAITING_MAX);
        let most = waiting.values().map(|alike| alike.times).max();
        assert_eq!(most, Some(5000), "those that are alike are one");
    }

    #[test]
    fn every_reason_has_a_count_and_a_word_of_its_own() {
        let mut words: Vec<&str> = RefusalReason::ALL.iter().map(|reason| reason.as_str()).collect();
        for (place, reason) in RefusalReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.place(), place);
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), RefusalReason::ALL.len());
    }
}
