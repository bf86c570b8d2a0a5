//! What a delivery holds, ready to be stored: profiles or eUICCs, never both.

use std::collections::HashSet;
use std::sync::Arc;

use crate::ident::Iccid;
use crate::store::{
    Batch, BatchKind, Held, HeldNumber, Holder, Lease, NewEuicc, NewProfile, Store, StoreError,
};

/// Some rows of a delivery.
pub enum Goods {
    /// Profiles.
    Profiles(Arc<Vec<NewProfile>>),
    /// eUICCs.
    Euiccs(Arc<Vec<NewEuicc>>),
}

impl Goods {
    /// None yet, of a kind.
    #[must_use]
    pub fn none(kind: BatchKind) -> Self {
        match kind {
            BatchKind::Subscriptions => Self::Profiles(Arc::default()),
            BatchKind::Euiccs => Self::Euiccs(Arc::default()),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Profiles(profiles) => profiles.len(),
            Self::Euiccs(euiccs) => euiccs.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first and the last profile.
    pub(super) fn ends(&self) -> Option<(&Iccid, &Iccid)> {
        match self {
            Self::Profiles(profiles) => Some((&profiles.first()?.iccid, &profiles.last()?.iccid)),
            Self::Euiccs(_) => None,
        }
    }

    /// Leaves those at these places.
    pub(super) fn keep(&mut self, places: &[usize]) {
        match self {
            Self::Profiles(profiles) => keep(Arc::make_mut(profiles), places),
            Self::Euiccs(euiccs) => keep(Arc::make_mut(euiccs), places),
        }
    }

    /// The column and the text of a number that somebody else holds.
    pub(super) fn number(&self, held: &Held) -> Option<(String, &str)> {
        let numbered =
            |name: &str, of: usize| if of == 0 { name.to_owned() } else { format!("{name}{}", of + 1) };
        match (self, &held.number) {
            (Self::Profiles(profiles), HeldNumber::Iccid) => {
                Some(("iccid".to_owned(), profiles.get(held.place)?.iccid.as_str()))
            }
            (Self::Profiles(profiles), HeldNumber::Imsi(of)) => {
                Some((numbered("imsi", *of), profiles.get(held.place)?.imsis.get(*of)?.imsi.as_str()))
            }
            (Self::Profiles(profiles), HeldNumber::Msisdn(of)) => {
                let one = profiles.get(held.place)?.imsis.get(*of)?;
                Some((numbered("msisdn", *of), one.msisdn.as_deref()?))
            }
            (Self::Euiccs(euiccs), HeldNumber::Eid) => {
                Some(("eid".to_owned(), euiccs.get(held.place)?.facts.eid.as_str()))
            }
            (Self::Euiccs(euiccs), HeldNumber::Preloaded(of)) => {
                Some(("iccids".to_owned(), euiccs.get(held.place)?.preloaded.get(*of)?.as_str()))
            }
            _ => None,
        }
    }

    /// Those of which a number stands at an earlier place already, as if `batch_id` held it: not every form of deliveries is
    /// looked through for that while it is read.
    pub(super) fn repeated(&self, batch_id: &str) -> Vec<Held> {
        let mut seen = HashSet::new();
        let mut held = Vec::new();
        for place in 0..self.len() {
            let numbers = self.numbers(place);
            match numbers.iter().find(|(kind, number, _)| seen.contains(&(*kind, *number))) {
                Some((_, _, number)) => {
                    let by = Holder::Unpublished(batch_id.to_owned());
                    held.push(Held { place, number: number.clone(), by });
                }
                None => seen.extend(numbers.iter().map(|(kind, number, _)| (*kind, *number))),
            }
        }
        held
    }

    /// The numbers at a place that must be unique: of which kind, the digits, and which one it is.
    fn numbers(&self, place: usize) -> Vec<(&'static str, &str, HeldNumber)> {
        match self {
            Self::Profiles(profiles) => profiles.get(place).map_or_else(Vec::new, |profile| {
                let imsis = profile.imsis.iter().enumerate();
                let imsis = imsis.map(|(of, one)| ("imsi", one.imsi.as_str(), HeldNumber::Imsi(of)));
                // With a plus sign or without, it is one number.
                let msisdns = profile.imsis.iter().enumerate().filter_map(|(of, one)| {
                    let number = one.msisdn.as_deref()?.trim_start_matches('+');
                    Some(("msisdn", number, HeldNumber::Msisdn(of)))
                });
                let iccid = ("iccid", profile.iccid.as_str(), HeldNumber::Iccid);
                std::iter::once(iccid).chain(imsis).chain(msisdns).collect()
            }),
            Self::Euiccs(euiccs) => euiccs.get(place).map_or_else(Vec::new, |euicc| {
                let preloaded = euicc.preloaded.iter().enumerate();
                let preloaded = preloaded.map(|(of, one)| ("iccid", one.as_str(), HeldNumber::Preloaded(of)));
                std::iter::once(("eid", euicc.facts.eid.as_str(), HeldNumber::Eid)).chain(preloaded).collect()
            }),
        }
    }

    /// Puts them into a batch ([`Store::add_to_batch`]).
    pub(super) async fn add(&self, store: &Store, batch: &Batch, lease: &Lease) -> Result<(), StoreError> {
        match self {
            Self::Profiles(profiles) => store.add_to_batch(batch, lease, profiles).await,
            Self::Euiccs(euiccs) => store.add_euiccs_to_batch(batch, lease, euiccs).await,
        }
    }

    /// Their numbers that are held already ([`Store::held_numbers`]).
    pub(super) async fn held(
        &self,
        store: &Store,
        batch: &Batch,
        lease: &Lease,
    ) -> Result<Vec<Held>, StoreError> {
        match self {
            Self::Profiles(profiles) => store.held_numbers(batch, lease, profiles).await,
            Self::Euiccs(euiccs) => store.held_eids(batch, lease, euiccs).await,
        }
    }
}

fn keep<T>(all: &mut Vec<T>, places: &[usize]) {
    let mut place = 0;
    all.retain(|_| {
        place += 1;
        places.binary_search(&(place - 1)).is_ok()
    });
}
