//! Who may administer, what they may do, and what the audit says of it.
//!
//! | file | what |
//! |---|---|
//! | [`audit`] | is the audit whole? Checkpoints, and what is erased by age |
//! | [`identities`] | named identities, their tokens and certificates; who calls? |
//! | [`token`] | the form of a token |
//! | [`webhooks`] | who is told of what happens |
//! | [`calls`] | calls that may be repeated and are done once |

pub mod audit;
pub mod calls;
pub mod identities;
pub mod token;
pub mod webhooks;

pub use crate::store::AuditSelection;

use crate::domain::AuditEntry;
use crate::store::{Store, StoreError};

/// What the admin API administers.
pub struct Administration {
    /// Who may call.
    pub identities: identities::Identities,
    /// Calls that are done once.
    pub calls: calls::Calls,
    store: Store,
}

impl Administration {
    /// Over `store`.
    #[must_use]
    pub const fn new(store: Store, identities: identities::Identities, calls: calls::Calls) -> Self {
        Self { identities, calls, store }
    }

    /// A page of the audit's entries behind the number `after`, as they happened.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn audit_entries(
        &self,
        selection: &AuditSelection,
        after: i64,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.store.audit_entries(selection, after, limit).await
    }

    /// An entry of the audit; `None` if there is none of this number.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn audit_entry(&self, number: i64) -> Result<Option<AuditEntry>, StoreError> {
        let before = number.saturating_sub(1);
        let entries = self.store.audit_entries(&AuditSelection::default(), before, 1).await?;
        Ok(entries.into_iter().find(|entry| entry.number == number))
    }
}
