//! Who holds how many sessions that are merely initiated, for the day when there is no room left: one peer's flood gives
//! way to other peers' calls, not they to it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::ident::{Peer, TransactionId};

/// How a peer ranks: by the number of its sessions, then by the age of the oldest (ends are ages: all live as long).
type Rank = (usize, Reverse<Duration>, Peer);

/// The sessions in which no eUICC has proved anything, by the peer that opened them.
#[derive(Default)]
pub(super) struct Strangers {
    sessions: HashMap<Peer, BTreeSet<(Duration, TransactionId)>>,
    ranks: BTreeSet<Rank>,
}

fn rank(peer: Peer, sessions: &BTreeSet<(Duration, TransactionId)>) -> Option<Rank> {
    sessions.first().map(|(oldest, _)| (sessions.len(), Reverse(*oldest), peer))
}

impl Strangers {
    fn change(&mut self, peer: Peer, change: impl FnOnce(&mut BTreeSet<(Duration, TransactionId)>)) {
        let sessions = self.sessions.entry(peer).or_default();
        if let Some(old) = rank(peer, sessions) {
            self.ranks.remove(&old);
        }
        change(sessions);
        match rank(peer, sessions) {
            Some(new) => {
                self.ranks.insert(new);
            }
            None => {
                self.sessions.remove(&peer);
            }
        }
    }

    pub(super) fn add(&mut self, peer: Peer, end: Duration, id: TransactionId) {
        self.change(peer, |sessions| {
            sessions.insert((end, id));
        });
    }

    pub(super) fn remove(&mut self, peer: Peer, end: Duration, id: &TransactionId) {
        self.change(peer, |sessions| {
            sessions.remove(&(end, id.clone()));
        });
    }

    /// The session that has to go: the oldest of the peer that holds most; among equals, of the one that waits longest.
    pub(super) fn displaced(&self) -> Option<TransactionId> {
        let (_, _, peer) = self.ranks.last()?;
        self.sessions.get(peer)?.first().map(|(_, id)| id.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn peer(number: u8) -> Peer {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)).into()
    }

    fn id(number: u8) -> TransactionId {
        TransactionId::from_octets(&[number]).unwrap()
    }

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_oldest_of_the_peer_with_most_goes_first() {
        let mut strangers = Strangers::default();
        strangers.add(peer(9), at(1), id(1));
        strangers.add(peer(5), at(2), id(2));
        strangers.add(peer(5), at(3), id(3));
        assert_eq!(strangers.displaced(), Some(id(2)));
        strangers.remove(peer(5), at(2), &id(2));
        // Equal shares: the oldest of all, whatever the addresses.
        assert_eq!(strangers.displaced(), Some(id(1)));
        strangers.remove(peer(9), at(1), &id(1));
        assert_eq!(strangers.displaced(), Some(id(3)));
        strangers.remove(peer(5), at(3), &id(3));
        assert_eq!(strangers.displaced(), None);
        assert!(strangers.sessions.is_empty() && strangers.ranks.is_empty(), "nothing is left behind");
    }
}
