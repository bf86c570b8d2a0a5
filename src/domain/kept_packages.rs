//! Packages that were handed over, kept for the repetition of a call whose answer was lost. They are large beside all
//! else that a session holds, so their sum is bounded: the oldest go first, and a repetition then makes or fetches the
//! package anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::ident::TransactionId;

/// The packages of open sessions.
pub struct KeptPackages {
    kept: HashMap<TransactionId, (u64, Arc<Vec<u8>>)>,
    /// From the oldest to the newest, by running numbers.
    order: BTreeMap<u64, TransactionId>,
    next: u64,
    octets: usize,
    most_octets: usize,
}

impl KeptPackages {
    /// None is kept yet, and so many octets at most will be.
    #[must_use]
    pub fn new(most_octets: usize) -> Self {
        Self { kept: HashMap::new(), order: BTreeMap::new(), next: 0, octets: 0, most_octets }
    }

    /// The package of a session, if it is kept.
    #[must_use]
    pub fn get(&self, id: &TransactionId) -> Option<Arc<Vec<u8>>> {
        self.kept.get(id).map(|(_, package)| Arc::clone(package))
    }

    /// Keeps the package of a session instead of an earlier one; one that is larger than all room is not kept.
    pub fn keep(&mut self, id: &TransactionId, package: Arc<Vec<u8>>) {
        self.forget(id);
        if package.len() > self.most_octets {
            return;
        }
        self.octets += package.len();
        self.kept.insert(id.clone(), (self.next, package));
        self.order.insert(self.next, id.clone());
        self.next += 1;
        while self.octets > self.most_octets
            && let Some((_, oldest)) = self.order.first_key_value()
        {
            let oldest = oldest.clone();
            self.forget(&oldest);
        }
    }

    /// Forgets the package of a session that is over.
    pub fn forget(&mut self, id: &TransactionId) {
        if let Some((number, package)) = self.kept.remove(id) {
            self.order.remove(&number);
            self.octets -= package.len();
        }
    }

    /// Octets of all that are kept.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_way_and_the_sum_stays_within_its_bound() {
        let id = |number: u8| TransactionId::from_octets(&[number]).unwrap();
        let mut packages = KeptPackages::new(100);
        for number in 0..4 {
            packages.keep(&id(number), Arc::new(vec![number; 30]));
        }
        assert_eq!(packages.octets(), 90);
        assert!(packages.get(&id(0)).is_none());
        assert_eq!(*packages.get(&id(1)).unwrap(), [1; 30]);
        // Another package of the same session, and one that fits nowhere.
        packages.keep(&id(1), Arc::new(vec![9; 40]));
        assert_eq!((packages.octets(), packages.get(&id(2)).is_some()), (100, true));
        packages.keep(&id(2), Arc::new(vec![9; 101]));
        assert_eq!((packages.octets(), packages.get(&id(2)).is_none()), (70, true));
        for number in 0..4 {
            packages.forget(&id(number));
        }
        assert_eq!(packages.octets(), 0);
        assert!(packages.kept.is_empty() && packages.order.is_empty(), "nothing is left behind");
    }
}
