//! What a delivery holds, ready to be stored: profiles or eUICCs, never both.

use std::collections::HashSet;
use std::sync::Arc;

use crate::ident::Iccid;
use crate::store::{
    Batch, BatchKind, Held, HeldNumber, Holder, Lease, NewEuicc, NewProfile, PackageKind, Store, StoreError,
};

/// Some rows of a delivery.
pub enum Goods {
    /// Profiles.
    Profiles(Arc<Vec<NewProfile>>),
    /// eUICCs.
    Euiccs(Arc<Vec<NewEuicc>>),
}

/// Numbers of a delivery whose rows go nowhere: a trial, or one that is refused already. Some 20 to 40 octets for each, of
/// [`super::prepare::MAX_ROWS`] rows at most.
#[derive(Default)]
pub(super) struct Remembered(HashSet<u128>);

/// What a number is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Iccid,
    Imsi,
    Msisdn,
    Eid,
}

/// The most digits of a number: an EID's.
const DIGITS: u8 = 32;

/// Kind, length and digits in one: no two numbers have the same.
fn key(kind: Kind, digits: &str) -> u128 {
    let head = match kind {
        Kind::Iccid => 1,
        Kind::Imsi => 2,
        Kind::Msisdn => 3,
        Kind::Eid => 4,
    };
    // What has more digits is none of these numbers.
    let digits =
        digits.bytes().take(usize::from(DIGITS)).map(|digit| u128::from(digit.wrapping_sub(b'0') % 10));
    digits.fold(head, |key, digit| key * 10 + digit)
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

    /// Those of which a number is among `before`, or stands at an earlier place, as if `batch_id` held it: not every form of
    /// deliveries is looked through for that while it is read.
    pub(super) fn repeated(&self, before: &Remembered, batch_id: &str) -> Vec<Held> {
        let mut seen = HashSet::new();
        let mut held = Vec::new();
        for place in 0..self.len() {
            let numbers = self.numbers(place);
            let is_there = |kind: Kind, digits: &str| {
                let key = key(kind, digits);
                seen.contains(&key) || before.0.contains(&key)
            };
            match numbers.iter().find(|(kind, digits, _)| is_there(*kind, digits)) {
                Some((_, _, number)) => {
                    let by = Holder::Unpublished(batch_id.to_owned());
                    held.push(Held { place, number: number.clone(), by });
                }
                None => seen.extend(numbers.iter().map(|(kind, digits, _)| key(*kind, digits))),
            }
        }
        held
    }

    /// Remembers the numbers that nobody else does: of ready-made packages all. Of rows, whoever reads them knows ICCIDs and
    /// IMSIs ([`crate::profile::personal_row::Seen`]), of eUICCs all.
    pub(super) fn remember(&self, to: &mut Remembered) {
        let Self::Profiles(profiles) = self else { return };
        for (place, profile) in profiles.iter().enumerate() {
            let is_row = profile.package.kind == PackageKind::PersonalData;
            let numbers = self.numbers(place).into_iter();
            let numbers = numbers.filter(|(kind, ..)| !is_row || *kind == Kind::Msisdn);
            to.0.extend(numbers.map(|(kind, digits, _)| key(kind, digits)));
        }
    }

    /// The numbers at a place that must be unique: of which kind, the digits, and which one it is.
    fn numbers(&self, place: usize) -> Vec<(Kind, &str, HeldNumber)> {
        match self {
            Self::Profiles(profiles) => profiles.get(place).map_or_else(Vec::new, |profile| {
                let imsis = profile.imsis.iter().enumerate();
                let imsis = imsis.map(|(of, one)| (Kind::Imsi, one.imsi.as_str(), HeldNumber::Imsi(of)));
                // With a plus sign or without, it is one number.
                let msisdns = profile.imsis.iter().enumerate().filter_map(|(of, one)| {
                    let number = one.msisdn.as_deref()?.trim_start_matches('+');
                    Some((Kind::Msisdn, number, HeldNumber::Msisdn(of)))
                });
                let iccid = (Kind::Iccid, profile.iccid.as_str(), HeldNumber::Iccid);
                std::iter::once(iccid).chain(imsis).chain(msisdns).collect()
            }),
            Self::Euiccs(euiccs) => euiccs.get(place).map_or_else(Vec::new, |euicc| {
                let preloaded = euicc.preloaded.iter().enumerate();
                let preloaded =
                    preloaded.map(|(of, one)| (Kind::Iccid, one.as_str(), HeldNumber::Preloaded(of)));
                std::iter::once((Kind::Eid, euicc.facts.eid.as_str(), HeldNumber::Eid))
                    .chain(preloaded)
                    .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::Imsi;
    use crate::store::{NewImsi, Package};

    fn profile(kind: PackageKind, number: u32, msisdn: &str) -> Goods {
        let imsi = Imsi::parse(&format!("90140{number:010}")).unwrap();
        Goods::Profiles(Arc::new(vec![NewProfile {
            iccid: Iccid::parse(&format!("8988211{number:012}")).unwrap(),
            imsis: vec![NewImsi { imsi, role: "home".to_owned(), msisdn: Some(msisdn.to_owned()) }],
            package: Package { kind, sealed: Vec::new(), needs: None },
        }]))
    }

    #[test]
    fn what_goes_nowhere_is_remembered_as_far_as_nobody_else_knows_it() {
        use PackageKind::{PersonalData, ReadyMade};
        for (kind, remembered) in [(PersonalData, 1), (ReadyMade, 3)] {
            let mut before = Remembered::default();
            profile(kind, 1, "+4915100001").remember(&mut before);
            assert_eq!(before.0.len(), remembered);
            let found =
                |goods: Goods| goods.repeated(&before, "B").into_iter().map(|held| held.number).next();
            assert_eq!(found(profile(kind, 2, "4915100001")), Some(HeldNumber::Msisdn(0)));
            assert_eq!(found(profile(kind, 2, "4915100002")), None);
            let same = (kind == ReadyMade).then_some(HeldNumber::Iccid);
            assert_eq!(found(profile(kind, 1, "4915100002")), same);
        }
    }

    #[test]
    fn no_two_numbers_have_one_key() {
        let numbers = ["0", "00", "1", "01", "10", "901400000000001", "0901400000000001", &"9".repeat(32)];
        let kinds = [Kind::Iccid, Kind::Imsi, Kind::Msisdn, Kind::Eid];
        let keys = kinds.iter().flat_map(|kind| numbers.iter().map(|digits| key(*kind, digits)));
        assert_eq!(keys.collect::<HashSet<_>>().len(), kinds.len() * numbers.len());
    }
}
