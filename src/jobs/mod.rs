//! Follow-up work that changes leave in the store, one file per job.
//!
//! | file | job |
//! |---|---|
//! | [`deliver_callbacks`] | tells operators of downloads over ES2+.HandleDownloadProgressInfo |
//! | [`bring_packages`] | brings what waits for eUICCs to those of their devices that listen |
//! | [`forward_notifications`] | brings notifications of eUICCs to the SM-DP+ that each names |
//! | [`deliver_webhooks`] | brings what happened to webhooks |
//! | [`remove_given_up`] | removes batches whose receivers died |
//! | [`erase_personal`] | erases values of persons from the audit when they are old |
//! | [`expire_operations`] | lets operations of eUICCs expire, be overdue, or go on |
//! | [`run_campaigns`] | begins targets of campaigns at their pace, goes to their next waves, and stops them |
//! | [`end_reservations`] | puts into quarantine what nobody has any more, and back into the stock |
//!
//! Each job may run in several processes on one store, may be killed at any instruction, and is done at least once.

mod attempt;
pub mod bring_packages;
pub mod deliver_callbacks;
pub mod deliver_webhooks;
pub mod end_reservations;
pub mod erase_personal;
pub mod expire_operations;
pub mod forward_notifications;
pub mod remove_given_up;
pub mod run_campaigns;
