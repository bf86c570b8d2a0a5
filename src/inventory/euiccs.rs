//! The register of eUICCs, for those who look at it.

use super::Inventory;
use crate::ident::{Eid, Iccid};
use crate::store::StoreError;

pub use crate::store::Euicc;

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
}
