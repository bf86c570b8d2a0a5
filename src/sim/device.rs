//! A device with its card, and what a user does with the codes that come. What a device without a user does stands in
//! [`super::iot`].
//!
//! A life is one procedure from power-up on. It can be cut off at any message, by a power cut; the next one begins with what the
//! card holds and what the user has written down.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::SimulationError;
use super::driver::Fleet;
use super::faults::Dice;
use super::ground::Ground;
use super::iot::{Coverage, IotLife, Memory};
use super::network::{Asks, Caller, lock};
use crate::binding::MessageBinding;
use crate::client::es9plus::Es9PlusClient;
use crate::device::card::Card;
use crate::device::es10_client::{Es10Client, Es10Error, ProfileAction};
use crate::device::faults::Faults as CardFaults;
use crate::device::iot_state::IotSettings;
use crate::device::lpa::{DownloadRequest, Lpa};
use crate::device::transport::ApduTransport;
use crate::domain::{OperationId, OperationStateName, ReasonCode};
use crate::env::{Clock, Rng};
use crate::ident::{Eid, Iccid, MatchingId, Peer, ServerAddress};

/// How often a user tries a download: more often than the server lets anybody.
const TRIES_MAX: u32 = 12;
/// How often notifications are tried in one life; what is left waits on the card for the next.
const DELIVERIES_MAX: u32 = 5;
/// How long a user waits before the next try.
const PAUSE_LEAST: Duration = Duration::from_secs(2);
const PAUSE_MOST: Duration = Duration::from_secs(90);
/// How often an old profile is deleted when a new one is enabled, of a thousand.
const DELETIONS: u32 = 500;

/// A card that the device and the checkers share.
#[derive(Clone)]
pub(super) struct Slot(Arc<Mutex<Card>>);

impl ApduTransport for Slot {
    fn transmit(&mut self, apdu: &[u8]) -> io::Result<Vec<u8>> {
        lock(&self.0).transmit(apdu)
    }
}

impl Slot {
    /// Looks at the card.
    pub(super) fn look<T>(&self, at: impl FnOnce(&Card) -> T) -> T {
        at(&lock(&self.0))
    }
}

/// What became of an errand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The profile was installed and enabled.
    Enabled,
    /// The operator could not order it.
    NotOrdered(String),
    /// The user gave up, and why.
    GaveUp(String),
    /// The operation of the eIM ended in this state, and why if it was not meant to.
    Ended(OperationStateName, Option<ReasonCode>),
}

/// One profile that the device is to download and enable.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    pub(super) iccid: Iccid,
    /// The activation code, once the operator has ordered.
    pub(super) matching_id: Option<MatchingId>,
    pub(super) tries: u32,
    /// The switch that the eIM was asked for.
    pub(super) operation_id: Option<OperationId>,
    pub(super) outcome: Option<Outcome>,
}

/// What the user has written down: it outlives power cuts.
pub(super) struct Notebook(Mutex<Vec<Errand>>);

impl Notebook {
    /// The operator's answer: the next life finds the code.
    pub(super) fn ordered(&self, iccid: Iccid, answer: Result<MatchingId, String>) {
        let mut errand = Errand { iccid, matching_id: None, tries: 0, operation_id: None, outcome: None };
        match answer {
            Ok(matching_id) => errand.matching_id = Some(matching_id),
            Err(why) => errand.outcome = Some(Outcome::NotOrdered(why)),
        }
        lock(&self.0).push(errand);
    }

    /// All of them, in the order in which they came.
    pub(super) fn errands(&self) -> Vec<Errand> {
        lock(&self.0).clone()
    }

    fn open(&self) -> Option<Errand> {
        lock(&self.0).iter().find(|errand| errand.outcome.is_none()).cloned()
    }

    /// One of them.
    pub(super) fn errand(&self, iccid: &Iccid) -> Option<Errand> {
        lock(&self.0).iter().find(|errand| errand.iccid == *iccid).cloned()
    }

    pub(super) fn change(&self, iccid: &Iccid, change: impl FnOnce(&mut Errand)) {
        if let Some(errand) = lock(&self.0).iter_mut().find(|errand| errand.iccid == *iccid) {
            change(errand);
        }
    }
}

/// A device.
pub(super) struct Device {
    pub(super) eid: Eid,
    pub(super) slot: Slot,
    pub(super) notebook: Arc<Notebook>,
    /// It has power.
    pub(super) powered: bool,
    /// It will never be heard of again.
    pub(super) silent: bool,
    /// Which profiles reach a network; a device with a user has another one beside.
    pub(super) coverage: Coverage,
    /// What its IPA does not forget.
    pub(super) memory: Memory,
    /// Errors that its card is still to answer with.
    pub(super) faults: CardFaults,
    /// Whether its card has been associated with the eIM.
    is_associated: bool,
    number: usize,
    caller: Caller,
    server: ServerAddress,
    eim: ServerAddress,
    dice: Dice,
    clock: Clock,
}

impl Device {
    /// A device whose card was never used.
    pub(super) fn new(
        ground: &Ground,
        fleet: Fleet,
        number: usize,
        dice: Dice,
        clock: Clock,
        rng: Rng,
    ) -> Result<Self, SimulationError> {
        let material = ground.euiccs.get(number).ok_or(SimulationError::BuiltIn("a device's keys"))?;
        let card = match fleet {
            Fleet::Consumer => Card::in_memory(material, clock.clone(), rng)?,
            Fleet::Iot => Card::in_memory_iot(material, IotSettings::default(), clock.clone(), rng)?,
        };
        let faults = CardFaults::default();
        let card = card.with_faults(faults.clone());
        let below = u32::try_from(number).unwrap_or(u32::MAX) & 0x00FF_FFFF;
        let peer = Peer::from(IpAddr::V4(Ipv4Addr::from_bits(0x0A00_0000 | below)));
        Ok(Self {
            eid: card.eid().clone(),
            slot: Slot(Arc::new(Mutex::new(card))),
            notebook: Arc::new(Notebook(Mutex::default())),
            powered: true,
            silent: false,
            coverage: Coverage::default(),
            memory: Memory::default(),
            faults,
            is_associated: false,
            number,
            caller: Caller { peer, certificate: ground.devices.get(number).cloned() },
            server: ground.address.clone(),
            eim: ground.eim.clone(),
            dice,
            clock,
        })
    }

    /// Power off and on.
    pub(super) fn reset(&self) {
        lock(&self.slot.0).reset();
    }

    /// Whether an IPA drives it.
    pub(super) const fn is_iot(&self) -> bool {
        self.is_associated
    }

    /// Puts the eIM's data on the card, as in the factory (SGP.32 3.5.2.1): from now on an IPA drives it.
    pub(super) fn associate(&mut self, ground: &Ground) -> Result<(), SimulationError> {
        Es10Client::open(self.slot.clone())?.add_initial_eim(&ground.association(self.number)?)?;
        self.is_associated = true;
        Ok(())
    }

    /// A life from power-up on; one that polls ends when the world rests.
    pub(super) fn live(&self, asks: Asks, resting: &Arc<AtomicBool>) -> Pin<Box<dyn Future<Output = ()>>> {
        if self.is_associated {
            return Box::pin(self.iot_life(asks, Arc::clone(resting)).run());
        }
        let life = Life {
            servers: Es9PlusClient::over(asks.line(self.caller.clone())),
            asks,
            slot: self.slot.clone(),
            notebook: Arc::clone(&self.notebook),
            server: self.server.clone(),
            dice: self.dice.clone(),
            clock: self.clock.clone(),
        };
        Box::pin(life.run())
    }

    fn iot_life(&self, asks: Asks, resting: Arc<AtomicBool>) -> IotLife {
        IotLife {
            asks,
            caller: self.caller.clone(),
            slot: self.slot.clone(),
            eim: self.eim.clone(),
            // Both bindings on both ways of downloading.
            binding: if self.number % 4 < 2 { MessageBinding::Asn1 } else { MessageBinding::Json },
            coverage: self.coverage.clone(),
            memory: self.memory.clone(),
            resting,
            dice: self.dice.clone(),
            clock: self.clock.clone(),
        }
    }
}

/// What a life works with.
struct Life {
    servers: Es9PlusClient,
    asks: Asks,
    slot: Slot,
    notebook: Arc<Notebook>,
    server: ServerAddress,
    dice: Dice,
    clock: Clock,
}

impl Life {
    async fn run(self) {
        let card = match Es10Client::open(self.slot.clone()) {
            Ok(card) => card,
            Err(error) => return self.card_failed(&error),
        };
        let mut lpa = Lpa::new(card, self.servers.clone(), self.clock.clone());
        while let Some(errand) = self.notebook.open() {
            match self.run_errand(&mut lpa, &errand).await {
                Ok(Some(outcome)) => {
                    self.notebook.change(&errand.iccid, |errand| errand.outcome = Some(outcome));
                    self.deliver(&mut lpa).await;
                }
                Ok(None) => self.asks.pause(self.dice.time(PAUSE_LEAST, PAUSE_MOST)).await,
                Err(error) => return self.card_failed(&error),
            }
        }
        self.deliver(&mut lpa).await;
    }

    /// One try. `None`: the next one may do better.
    async fn run_errand(&self, lpa: &mut Lpa<Slot>, errand: &Errand) -> Result<Option<Outcome>, Es10Error> {
        let Some(matching_id) = &errand.matching_id else { return Ok(None) };
        let mut installed = lpa.card().get_profiles_info()?;
        if !installed.iter().any(|profile| profile.iccid == errand.iccid) {
            if errand.tries >= TRIES_MAX {
                return Ok(Some(Outcome::GaveUp("all tries failed".to_owned())));
            }
            self.notebook.change(&errand.iccid, |errand| errand.tries += 1);
            let request = DownloadRequest::new(self.server.clone(), matching_id.clone());
            if let Err(error) = lpa.download(&request, &mut |_, _| {}).await {
                tracing::debug!(iccid = %errand.iccid, %error, "a download failed");
                return Ok(self.is_final(&error.to_string()));
            }
            installed = lpa.card().get_profiles_info()?;
        }
        // EnableProfile disables the one that is enabled (SGP.22 3.2.1).
        if !installed.iter().any(|profile| profile.iccid == errand.iccid && profile.enabled) {
            lpa.card().manage_profile(ProfileAction::Enable, &errand.iccid)?;
        }
        for old in installed.iter().filter(|profile| profile.iccid != errand.iccid) {
            if self.dice.happens(DELETIONS) {
                lpa.card().manage_profile(ProfileAction::Delete, &old.iccid)?;
            }
        }
        Ok(Some(Outcome::Enabled))
    }

    /// What a user takes for the last word: the order is at its end.
    fn is_final(&self, error: &str) -> Option<Outcome> {
        let last = ["8.8.5/6.4", "8.8.5/4.10", "8.2.6/3.8", "8.2/1.2"];
        last.iter().any(|pair| error.contains(pair)).then(|| Outcome::GaveUp(error.to_owned()))
    }

    /// Brings what waits on the card; what is left waits for the next life.
    async fn deliver(&self, lpa: &mut Lpa<Slot>) {
        for _ in 0..DELIVERIES_MAX {
            match lpa.deliver(None, &mut |_, _| {}).await {
                Ok(delivery) if delivery.kept.is_empty() => return,
                Ok(_) => self.asks.pause(self.dice.time(PAUSE_LEAST, PAUSE_MOST)).await,
                Err(error) => return tracing::error!(%error, "the card does not list its notifications"),
            }
        }
    }

    /// A card has no reason to fail: the errand ends with what it said, and the checkers see it.
    fn card_failed(&self, error: &Es10Error) {
        if let Some(errand) = self.notebook.open() {
            let why = format!("the card failed: {error}");
            self.notebook.change(&errand.iccid, |errand| errand.outcome = Some(Outcome::GaveUp(why)));
        }
    }
}
