//! Who has how many connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ident::Peer;

/// The open connections of all peers.
pub(super) struct Peers {
    open: Arc<Mutex<HashMap<Peer, usize>>>,
    most: usize,
}

impl Peers {
    /// At most so many connections of one peer.
    pub(super) fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// A connection's share of what its peer may have; `None` if the peer has all of it.
    pub(super) fn admit(&self, peer: Peer) -> Option<Share> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { open: Arc::clone(&self.open), peer })
    }
}

/// Given back when the connection ends.
pub(super) struct Share {
    open: Arc<Mutex<HashMap<Peer, usize>>>,
    peer: Peer,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_share_is_of_one_peer_until_it_is_given_back() {
        let peers = Peers::new(1);
        let admit = |address: &str| peers.admit(Peer::from(address.parse::<IpAddr>().unwrap()));
        let _first = admit("2001:db8::1").unwrap();
        assert!(admit("2001:db8::ffff:2").is_none());
        let _other = admit("192.0.2.1").unwrap();
        drop(admit("192.0.2.2"));
        assert!(admit("192.0.2.2").is_some());
    }
}
