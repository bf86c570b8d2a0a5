//! The SM-DP+ of SGP.22 v2.x: one file per function of the standard.
//!
//! | file | function | clause |
//! |---|---|---|
//! | [`download_order`] | ES2+.DownloadOrder | 5.3.1 |
//! | [`confirm_order`] | ES2+.ConfirmOrder | 5.3.2 |
//! | [`cancel_order`] | ES2+.CancelOrder | 5.3.3 |
//! | [`release_profile`] | ES2+.ReleaseProfile | 5.3.4 |
//! | [`initiate_authentication`] | ES9+.InitiateAuthentication | 5.6.1 |
//! | [`authenticate_client`] | ES9+.AuthenticateClient | 5.6.3 |
//! | [`get_bound_profile_package`] | ES9+.GetBoundProfilePackage | 5.6.2 |
//! | [`handle_notification`] | ES9+.HandleNotification | 5.6.4 |
//! | [`cancel_session`] | ES9+.CancelSession | 5.6.5 |
//! | [`handle_download_progress_info`] | ES2+.HandleDownloadProgressInfo, what it tells | 5.3.5 |
//!
//! Beside them: [`identity`], the server's own certificates; [`sessions`], what is kept between the calls of one
//! download; [`guesses`], who may try another matching identifier or code; [`downloads`], counts of what became of them;
//! [`expiry`], orders that end by themselves; `eligibility`, what eUICCs say of themselves; `failures`, what went wrong
//! last; [`catalogue`], the profile types; [`status`], the codes; [`manual_order`] and [`order_run`], orders made
//! without ES2+; [`order_for_euicc`], orders for eUICCs of our eIM; [`order_history`], what happened to a profile.
//!
//! A function reads a snapshot, verifies, asks [`crate::domain`] for the transition and hands the store one change. No
//! transaction is held while anything is verified or signed. What may happen only once is recorded before it is
//! answered: the attempt by AuthenticateClient, the binding by GetBoundProfilePackage.

use std::sync::Arc;

use crate::crypto::seal::Sealer;
use crate::domain::{LastFailure, Limits, Order};
use crate::env::{Clock, Rng};
use crate::ident::{Iccid, ServerAddress};
use crate::pki::Anchors;
pub use crate::store::Selection as OrderSelection;
use crate::store::{CallbackCount, Seen, Store, StoreError};

pub mod authenticate_client;
pub mod cancel_order;
pub mod cancel_session;
pub mod catalogue;
pub mod confirm_order;
pub mod download_order;
pub mod downloads;
mod eligibility;
pub mod expiry;
mod failures;
pub mod get_bound_profile_package;
pub mod guesses;
pub mod handle_download_progress_info;
pub mod handle_notification;
pub mod identity;
pub mod initiate_authentication;
pub mod manual_order;
pub mod order_for_euicc;
pub mod order_history;
pub mod order_run;
pub mod orders;
pub mod release_profile;
pub mod sessions;
pub mod status;

use catalogue::Catalogue;
use downloads::DownloadCounts;
use guesses::Guesses;
use handle_download_progress_info::Callbacks;
use identity::Identity;
use initiate_authentication::Version3Euiccs;
use sessions::Sessions;

/// What the functions of ES9+ work with.
pub struct Smdp {
    /// The orders.
    pub store: Store,
    /// Opens and seals key material.
    pub sealer: Sealer,
    /// The time.
    pub clock: Clock,
    /// Challenges, identifiers, one-time keys.
    pub rng: Rng,
    /// The CIs that are trusted.
    pub anchors: Arc<Anchors>,
    /// Our certificates, one pair for each CI.
    pub identities: Vec<Arc<Identity>>,
    /// Our addresses, as LPAs know them.
    pub addresses: Vec<ServerAddress>,
    /// The profile types.
    pub catalogue: Catalogue,
    /// How often an order may be tried.
    pub limits: Limits,
    /// What becomes of eUICCs of version 3.
    pub version3_euiccs: Version3Euiccs,
    /// The open sessions.
    pub sessions: Sessions,
    /// Who guessed wrong how often.
    pub guesses: Guesses,
    /// What became of downloads.
    pub downloads: DownloadCounts,
    /// Which operators are told of downloads.
    pub callbacks: Callbacks,
    /// When eUICCs were heard of.
    pub seen: Seen,
}

impl Smdp {
    /// Whether the store answers.
    ///
    /// # Errors
    /// [`StoreError`] if it does not.
    pub async fn check_store(&self) -> Result<(), StoreError> {
        self.store.holds_sealed().await.map(drop)
    }

    /// The order of a profile, and what went wrong with it last; `None` if the ICCID is not in the stock.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn order(&self, iccid: &Iccid) -> Result<Option<(Order, Option<LastFailure>)>, StoreError> {
        let Some(order) = self.store.order(iccid).await? else { return Ok(None) };
        let failures = self.store.failures(iccid, iccid).await?;
        let failure = failures.into_iter().find(|failure| failure.number == order.number);
        Ok(Some((order, failure)))
    }

    /// A page of orders behind the ICCID `after`, and what went wrong last with orders for these profiles.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn selected_orders(
        &self,
        selection: &OrderSelection,
        after: Option<&Iccid>,
        limit: u32,
    ) -> Result<(Vec<Order>, Vec<LastFailure>), StoreError> {
        let orders = self.store.selected_orders(selection, after, limit).await?;
        let failures = match (orders.first(), orders.last()) {
            (Some(first), Some(last)) => self.store.failures(&first.iccid, &last.iccid).await?,
            _ => Vec::new(),
        };
        Ok((orders, failures))
    }

    /// What happened to a profile.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn history_of(&self, order: &Order) -> Result<Vec<order_history::Event>, StoreError> {
        order_history::order_history(&self.store, order).await
    }

    /// What operators have not been told yet.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn callback_counts(&self) -> Result<Vec<CallbackCount>, StoreError> {
        self.store.callback_counts().await
    }
}

/// How often a function reads an order again that changed under it, before it gives up.
const RACES: usize = 4;

/// The place for which the session keys of a binding are sealed.
fn session_keys_place(iccid: &Iccid) -> String {
    format!("binding.session_keys/{iccid}")
}
