//! The register of eUICCs, for those who look at it, and Freedom to Switch, which customers have activated.

use super::Inventory;
use crate::domain::{Action, Actor, AuditSubject, FreedomToSwitch, NewAuditEntry};
use crate::ident::{Eid, Iccid, Peer};
use crate::store::StoreError;

pub use crate::store::Euicc;

/// Why Freedom to Switch of an eUICC is not changed.
#[derive(Debug, thiserror::Error)]
pub enum FreedomError {
    /// The register does not know the eUICC.
    #[error("the register has no eUICC {0}")]
    Unknown(Eid),
    /// Its SIM was not delivered with it.
    #[error("Freedom to Switch is not part of the SIM of eUICC {0}")]
    Absent(Eid),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether customers use Freedom to Switch of a SIM that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freedom {
    /// Other operators' profiles can be switched to.
    Active,
    /// They cannot.
    Inactive,
}

impl From<Freedom> for FreedomToSwitch {
    fn from(freedom: Freedom) -> Self {
        match freedom {
            Freedom::Active => Self::Active,
            Freedom::Inactive => Self::Inactive,
        }
    }
}

impl Inventory {
    /// The eUICC of this number, with the profiles that were on it when it came; `None` if it is not in the register.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn euicc(&self, eid: &Eid) -> Result<Option<(Euicc, Vec<Iccid>)>, StoreError> {
        self.store.euicc(eid).await
    }

    /// eUICCs behind `after`, an EID or nothing, in the order of EIDs, at most `limit` (and a thousand and one).
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn euiccs(&self, after: Option<&Eid>, limit: u32) -> Result<Vec<Euicc>, StoreError> {
        self.store.euiccs(after.map(Eid::as_str).unwrap_or_default(), limit).await
    }

    /// Activates or deactivates Freedom to Switch of an eUICC, for whoever asks and from where.
    ///
    /// # Errors
    /// [`FreedomError`]; nothing was changed then.
    pub async fn set_freedom_to_switch(
        &self,
        eid: &Eid,
        freedom: Freedom,
        actor: &Actor,
        peer: Option<Peer>,
    ) -> Result<(), FreedomError> {
        let freedom = FreedomToSwitch::from(freedom);
        if self.store.euicc(eid).await?.is_none() {
            return Err(FreedomError::Unknown(eid.clone()));
        }
        let subject = AuditSubject::new("eid", eid.as_str());
        let action = Action::EUICC_FREEDOM_TO_SWITCH;
        let entry =
            NewAuditEntry::new(self.clock.now(), actor.clone(), action, subject).detail(freedom.name());
        let entry = match peer {
            Some(peer) => entry.from_peer(peer, &self.rng),
            None => entry,
        };
        if self.store.set_freedom_to_switch(eid, freedom, entry).await? {
            Ok(())
        } else {
            Err(FreedomError::Absent(eid.clone()))
        }
    }
}
