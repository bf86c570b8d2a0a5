//! eUICCs whose certificates nobody delivered are asked for them when their devices poll (SGP.32 6, IpaEuiccDataRequest): what
//! they sign cannot be believed before. A device that does not answer is asked so often, then its packages go first.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::ident::Eid;

/// How often an eUICC is asked: without an answer as long as this process runs, or with an error each time, for good.
pub const INTRODUCTIONS_MAX: u32 = 3;
/// eUICCs whose questions are counted; those beyond are asked at each poll.
const ASKED_MAX: usize = 100_000;

/// How often eUICCs were asked since this process began.
#[derive(Debug, Default)]
pub struct Introductions(Mutex<HashMap<Eid, u32>>);

impl Introductions {
    /// Whether this eUICC is to be asked now; counts that it is.
    pub fn ask(&self, eid: &Eid) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = asked.get_mut(eid) {
            *times = times.saturating_add(1);
            return *times <= INTRODUCTIONS_MAX;
        }
        if asked.len() < ASKED_MAX {
            asked.insert(eid.clone(), 1);
        }
        true
    }

    /// This eUICC answered.
    pub fn answered(&self, eid: &Eid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(eid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_euicc_is_asked_so_often() {
        let introductions = Introductions::default();
        let eid = Eid::parse("89049032000000000000279973200019").unwrap();
        let asked: Vec<bool> = (0..5).map(|_| introductions.ask(&eid)).collect();
        assert_eq!(asked, [true, true, true, false, false]);
        introductions.answered(&eid);
        assert!(introductions.ask(&eid));
    }
}
