//! A device without a user: its IPA polls the eIM, and does what it is asked (SGP.32 3.1).
//!
//! A life is one IPA from power-up on. It ends with the power, or when the world has come to rest and nothing is left to do.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simyard_asn1::iot::esipa::StateChangeCause;

use super::device::Slot;
use super::faults::Dice;
use super::network::{Asks, Caller, lock};
use crate::binding::MessageBinding;
use crate::client::es9plus::Es9PlusClient;
use crate::client::esipa::EsipaClient;
use crate::device::es10_client::Es10Client;
use crate::device::ipa::{Ipa, IpaError, Network, Polled, Settings, Surroundings};
use crate::env::Clock;
use crate::ident::{Iccid, ServerAddress};

/// How long an IPA waits between polls.
const INTERVAL: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(900)];
/// How long it waits before it goes on at once: behind a package, and behind a failed poll.
const AT_ONCE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
const AFTER_FAILURE: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(300)];
/// Polls in a row that find nothing before a device rests, once it may; polls in a row that fail.
const IDLE_POLLS: u32 = 3;
const FAILED_POLLS: u32 = 30;

/// Which profiles reach a network. Without an enabled one nothing is reached.
#[derive(Clone, Debug, Default)]
pub(super) struct Coverage(Arc<Mutex<BTreeSet<Iccid>>>);

impl Coverage {
    /// From now on nothing is reached with this profile.
    pub(super) fn lose(&self, iccid: Iccid) {
        lock(&self.0).insert(iccid);
    }

    /// Whether it is one of those.
    pub(super) fn is_lost(&self, iccid: &Iccid) -> bool {
        lock(&self.0).contains(iccid)
    }
}

impl Network for Coverage {
    fn reaches(&mut self, enabled: Option<&Iccid>) -> bool {
        enabled.is_some_and(|iccid| !self.is_lost(iccid))
    }
}

/// What outlives an IPA beside its card.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    state_change: Option<StateChangeCause>,
    trouble: Option<String>,
}

impl Memory {
    /// The card failed.
    pub(super) fn failed(&self, why: &str) {
        lock(&self.0).trouble = Some(why.to_owned());
    }

    /// What the card failed with; it has no reason to.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.0).trouble.clone()
    }
}

/// What a life works with.
pub(super) struct IotLife {
    pub(super) asks: Asks,
    pub(super) caller: Caller,
    pub(super) slot: Slot,
    pub(super) eim: ServerAddress,
    pub(super) binding: MessageBinding,
    pub(super) coverage: Coverage,
    pub(super) memory: Memory,
    pub(super) resting: Arc<AtomicBool>,
    pub(super) dice: Dice,
    pub(super) clock: Clock,
}

impl IotLife {
    pub(super) async fn run(self) {
        if let Err(error) = self.poll().await {
            self.memory.failed(&error.to_string());
        }
    }

    /// Polls until the power goes, or there is nothing left to do.
    async fn poll(&self) -> Result<(), IpaError> {
        let line = self.asks.line(self.caller.clone());
        let around = Surroundings {
            network: Box::new(self.coverage.clone()),
            pauses: Box::new(self.asks.clone()),
            clock: self.clock.clone(),
        };
        let mut ipa = Ipa::new(
            Es10Client::open(self.slot.clone())?,
            EsipaClient::over(Arc::clone(&line), self.eim.clone()).with_binding(self.binding),
            Es9PlusClient::over(line),
            around,
            Settings::default(),
        )?;
        ipa.set_state_change(lock(&self.memory.0).state_change);
        let (mut idle, mut failed) = (0, 0);
        loop {
            let polled = ipa.poll_once(&mut |_, _| {}).await;
            lock(&self.memory.0).state_change = ipa.state_change();
            let pause = match polled {
                Ok(Polled::Executed(executed)) => {
                    tracing::debug!(eid = %ipa.eid(), ?executed, "a package was executed");
                    (idle, failed) = (0, 0);
                    AT_ONCE
                }
                Ok(Polled::Nothing) => {
                    (idle, failed) = (idle + 1, 0);
                    INTERVAL
                }
                Err(error @ IpaError::Card(_)) => return Err(error),
                Err(error) => {
                    tracing::debug!(eid = %ipa.eid(), %error, "a poll failed");
                    failed += 1;
                    AFTER_FAILURE
                }
            };
            if self.resting.load(Ordering::Relaxed) && (idle >= IDLE_POLLS || failed >= FAILED_POLLS) {
                return Ok(());
            }
            let [least, most] = pause;
            self.asks.pause(self.dice.time(least, most)).await;
        }
    }
}
