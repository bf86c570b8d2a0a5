//! The eIM: profiles of devices without a user are added, switched and deleted from afar (SGP.32).
//!
//! | module | what | clause |
//! |---|---|---|
//! | [`get_eim_package`] | ESipa.GetEimPackage: a device polls | 5.14.5 |
//! | [`provide_eim_package_result`] | ESipa.ProvideEimPackageResult: what became of a package | 5.14.6 |
//! | [`listening`] | ESipa.TransferEimPackage: packages are brought to devices that listen | 5.14.4 |
//! | [`handle_notification`] | ESipa.HandleNotification: notifications for their receivers | 5.14.7 |
//! | [`initiate_authentication`] | ESipa.InitiateAuthentication: a download through the eIM begins | 5.14.1 |
//! | [`authenticate_client`] | ESipa.AuthenticateClient | 5.14.3 |
//! | [`get_bound_profile_package`] | ESipa.GetBoundProfilePackage | 5.14.2 |
//! | [`cancel_session`] | ESipa.CancelSession | 5.14.8 |
//! | [`relay`] | what those four work with | 3.2.3.2 |
//! | [`forward`] | notifications taken from devices | 3.7 |
//! | [`downloads`] | what became of a download, whoever tells it | 3.2.3 |
//! | [`package`], [`verify`] | packages made and signed; answers believed or not | 2.11, 3.3.1 |
//! | [`engine`] | what occurred becomes one change with all that follows | |
//! | [`operations`] | what people and programs ask of eUICCs | |
//! | [`report`] | what was done, with all that was signed, for third parties | |
//! | [`laboratory`] | situations that a laboratory wants, and an eIM does not get into by itself | |
//! | [`answers`] | what came back, for people | |
//! | [`campaigns`] | one thing asked of many eUICCs | |
//! | [`campaign_report`] | what a report claims of a campaign, and whether it hangs together | |
//! | [`campaign_retry`] | targets that are asked once more | |
//! | [`campaign_targets`] | lists of eUICCs with what each is to get | |
//! | [`introductions`] | eUICCs that nobody introduced are asked who they are | |
//! | [`caller`] | who calls on ESipa, and for which EID it may speak | 5.7 |
//! | [`ecos`] | eIMs added to eUICCs, changed and deleted; a fleet that moves to another eIM | 2.11.1.1 |
//! | [`keys`] | the keys that sign packages, and how eUICCs are told of the next one | 2.11.1.1 |
//! | [`association`] | what eUICCs and our eIM have of each other | 2.11.1.1 |
//! | [`device_certificates`] | certificates that stand for an EID by a list | |
//! | [`refusals`] | what was refused on ESipa: counted, and kept for people | |
//! | [`status`] | what errors answer | 5.3 |
//!
//! # One operation
//!
//! Somebody asks for an operation ([`operations`]); the engine gives it its turn, and its first package a counter and a row.
//! The device polls ([`get_eim_package`]): now the package is signed, the signature written, and the package leaves; whoever
//! polls again gets the same octets. The eUICC answers ([`provide_eim_package_result`]): its signature and what it echoes are
//! verified, and the answer, the next state, the next package and what is told of it are one change. Then it is acknowledged.
//! An answer that comes again is acknowledged again, and changes nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::crypto::seal::Sealer;
use crate::domain::{Deadlines, SubClassName, Switching};
use crate::env::{Clock, Rng};
use crate::pki::Anchors;
use crate::store::{DownloadWay, Seen, Store};

pub mod answers;
pub mod association;
pub mod authenticate_client;
pub mod caller;
pub mod campaign_report;
pub mod campaign_retry;
pub mod campaign_targets;
pub mod campaigns;
pub mod cancel_session;
pub mod device_certificates;
pub mod downloads;
pub mod ecos;
pub mod engine;
pub mod forward;
pub mod get_bound_profile_package;
pub mod get_eim_package;
pub mod handle_notification;
pub mod initiate_authentication;
pub mod introductions;
pub mod keys;
pub mod laboratory;
pub mod listening;
pub mod operations;
pub mod package;
pub mod provide_eim_package_result;
pub mod refusals;
pub mod relay;
pub mod report;
pub mod status;
pub mod verify;

use introductions::Introductions;
use keys::EimKeys;
use laboratory::Laboratory;
use relay::Relay;

/// What the functions of ESipa and the operations work with.
pub struct Eim {
    /// eUICCs, operations and packages.
    pub store: Store,
    /// Seals and opens activation codes.
    pub sealer: Sealer,
    /// The time.
    pub clock: Clock,
    /// Identifiers.
    pub rng: Rng,
    /// eimId.
    pub eim_id: String,
    /// SK.EIM.ECDSA, of which each eUICC knows one.
    pub keys: EimKeys,
    /// The CIs under which eUICCs are.
    pub anchors: Arc<Anchors>,
    /// How devices get profiles that nobody said otherwise of.
    pub download: DownloadWay,
    /// How long each step may take before it is overdue.
    pub deadlines: Deadlines,
    /// A device that is not expected within this time may be woken.
    pub poll_wanted_after: Duration,
    /// The kinds of SIMs, and whether each can switch.
    pub sub_classes: HashMap<SubClassName, Switching>,
    /// When devices polled.
    pub contacts: Seen,
    /// Who was asked who it is.
    pub introductions: Introductions,
    /// What downloads through the eIM are relayed with.
    pub relay: Relay,
    /// Whether a laboratory may lay hands on it.
    pub laboratory: Laboratory,
}

/// A device that is not expected within this time may be woken, unless the settings say otherwise.
pub const POLL_WANTED_AFTER: Duration = Duration::from_secs(15 * 60);
