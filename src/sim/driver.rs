//! The driver: one event after the other, in the order of simulated time; two of one moment in the order in which they were
//! planned.
//!
//! | file | what |
//! |---|---|
//! | `procedures` | what devices and operators do: begun, taken on, cut off |
//! | `messages` | how requests travel, what the network does to them, and deaths of the server |
//! | `switches` | somebody asks the eIM for a switch |
//! | `campaigns` | a campaign asks it for the switches of all devices |
//! | `harm` | what cards do wrong, and who speaks in the name of a device |
//! | `outcomes` | how everything ended |

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::SimulationError;
use super::checkers::{Packages, Violation, check};
use super::device::Device;
use super::faults::{Dice, Faults, mixed};
use super::ground::{BEGIN, Ground, delivery};
use super::network::{Called, Place};
use super::report::{Figures, SeedReport};
use super::world::{World, Written};
use crate::domain::Pace;
use crate::env::{Clock, Rng, Timestamp};

mod campaigns;
mod harm;
mod messages;
mod outcomes;
mod procedures;
mod switches;

use campaigns::Campaigns;
use harm::Earlier;
use messages::Message;
use procedures::{Task, TaskId};

/// How long the operator waits before it orders the next profile for a device.
const BETWEEN_ORDERS: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(600)];
/// How often the server's jobs have their turn.
const TURNS: Duration = Duration::from_secs(60);
/// Events of one device at most; a story that needs more goes in circles.
const EVENTS_OF_DEVICE_MAX: u64 = 20_000;

/// How long the storm lasts for devices that poll for ever.
const STORM: Duration = Duration::from_secs(8 * 3600);

/// What kind of devices there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fleet {
    /// Phones: a user downloads and enables, through an LPA (SGP.22).
    Consumer,
    /// Devices without a user, which the eIM switches to one profile after the other, through an IPA (SGP.32).
    Iot,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Devices without a user get their first profile and their eIM.
    Factory,
    Storm,
    Calm,
}

/// What decides a run beside its seed.
#[derive(Clone, Debug)]
pub struct Options {
    /// What kind of devices there are.
    pub fleet: Fleet,
    /// What goes wrong.
    pub faults: Faults,
    /// How many profiles each device is to get, one after the other.
    pub profiles: usize,
    /// How fast the campaigns go that begin the switches; without it somebody begins each of them when its profile is ordered.
    pub campaign: Option<Pace>,
}

/// The parts of the world that have dice of their own.
mod part {
    pub(super) const NETWORK: u64 = 1;
    pub(super) const SERVER: u64 = 2;
    pub(super) const CARDS: u64 = 3;
    pub(super) const STOCK: u64 = 4;
    /// And the number of the device.
    pub(super) const DEVICES: u64 = 1 << 32;
}

enum Event {
    /// A procedure begins, unless it runs.
    Begin(TaskId),
    /// A request reaches the server.
    Arrive(Box<Message>),
    /// A caller hears an answer, or that none will come.
    Answer(TaskId, Place<Called>, Box<Called>),
    /// A pause is over.
    Resume(TaskId, Place<()>),
    /// A device loses power.
    PowerOff(usize),
    /// It has power again.
    PowerOn(usize),
    /// The server is started again.
    Restart,
    /// The server's jobs have their turn.
    Turn,
    /// Somebody asks the eIM for the switch to the profile of this number.
    Switch(usize),
    /// A campaign is made, or has its turn.
    Campaign,
}

struct Driver<'g> {
    ground: &'g Ground,
    options: Options,
    clock: Clock,
    dice: Dice,
    world: World<'g>,
    devices: Vec<Device>,
    tasks: BTreeMap<TaskId, Task>,
    queue: BTreeMap<(Timestamp, u64), Event>,
    planned: u64,
    act: Act,
    is_restart_planned: bool,
    resting: Arc<AtomicBool>,
    /// The latest requests of each device, if one may come again.
    earlier: BTreeMap<usize, Earlier>,
    /// Profiles, by their numbers, whose switches delete the one before.
    deleting: BTreeSet<usize>,
    /// The campaigns that begin the switches, if they do.
    campaigns: Option<Campaigns>,
    /// What was written until the factory ended.
    of_factory: Written,
    packages: Packages,
    figures: Figures,
    violations: Vec<Violation>,
}

/// Tells the story of a seed, with its store in `folder`, and looks whether everything holds. It must run on a runtime
/// of a single thread that nobody else uses.
///
/// # Errors
/// [`SimulationError`] if it could not be told to its end.
pub async fn simulate(
    ground: &Ground,
    options: &Options,
    seed: u64,
    folder: &Path,
) -> Result<SeedReport, SimulationError> {
    let mut driver = Driver::new(ground, options.clone(), seed, folder)?;
    driver.world.start().await?;
    let profiles = ground.devices().saturating_mul(options.profiles);
    let stock = Rng::seeded(mixed(seed, part::STOCK));
    driver.world.ingest(delivery(profiles, &stock)?).await?;
    if options.fleet == Fleet::Iot {
        driver.factory().await?;
    }
    driver.storm().await?;
    driver.calm().await?;
    driver.settle().await?;
    let mut violations = std::mem::take(&mut driver.violations);
    violations.extend(driver.packages.violations());
    violations.extend(driver.check().await?);
    driver.world.end().await;
    Ok(SeedReport { seed, figures: driver.figures(), violations })
}
impl<'g> Driver<'g> {
    fn new(ground: &'g Ground, options: Options, seed: u64, folder: &Path) -> Result<Self, SimulationError> {
        let clock = Clock::fixed(BEGIN);
        let cards = Rng::seeded(mixed(seed, part::CARDS));
        let device = |number: usize| {
            let own = part::DEVICES + u64::try_from(number).unwrap_or(u64::MAX);
            let dice = Dice::new(seed, own);
            Device::new(ground, options.fleet, number, dice, clock.clone(), cards.clone())
        };
        let devices = (0..ground.devices()).map(device).collect::<Result<_, _>>()?;
        let campaigns = options.campaign.clone().map(Campaigns::new);
        let server = Rng::seeded(mixed(seed, part::SERVER));
        Ok(Self {
            ground,
            options,
            world: World::new(ground, folder, clock.clone(), server),
            clock,
            dice: Dice::new(seed, part::NETWORK),
            devices,
            tasks: BTreeMap::new(),
            queue: BTreeMap::new(),
            planned: 0,
            act: Act::Storm,
            is_restart_planned: false,
            resting: Arc::default(),
            earlier: BTreeMap::new(),
            deleting: BTreeSet::new(),
            campaigns,
            of_factory: Written::default(),
            packages: Packages::default(),
            figures: Figures::default(),
            violations: Vec::new(),
        })
    }

    /// Before a story of devices without a user: each gets a profile, which is enabled, and its eIM.
    async fn factory(&mut self) -> Result<(), SimulationError> {
        self.act = Act::Factory;
        self.world.ingest_euiccs().await?;
        for profile in 0..self.devices.len() {
            let begin = self.dice.time(Duration::ZERO, self.ground.beginning());
            self.plan(begin, Event::Begin(TaskId::Order(profile)));
        }
        self.until(None).await?;
        for device in &mut self.devices {
            device.associate(self.ground)?;
        }
        self.act = Act::Storm;
        self.of_factory = self.world.written();
        Ok(())
    }

    /// The first act: operators order, devices download, and everything that may go wrong does.
    async fn storm(&mut self) -> Result<(), SimulationError> {
        let end = match self.options.fleet {
            Fleet::Consumer => None,
            Fleet::Iot => Some(self.clock.now().plus(STORM)),
        };
        // The first profile of a device without a user came in the factory; campaigns order in rounds of their own.
        let rounds = match (end, &self.campaigns) {
            (_, Some(_)) => 0..0,
            (Some(_), None) => 1..self.options.profiles,
            (None, None) => 0..self.options.profiles,
        };
        for device in 0..self.devices.len() {
            let mut begin = self.dice.time(Duration::ZERO, self.ground.beginning());
            if end.is_some() {
                self.plan(begin, Event::Begin(TaskId::Life(device)));
            }
            for round in rounds.clone() {
                // In the order of the stock: the first profile of every device, then the second.
                let profile = round.saturating_mul(self.devices.len()).saturating_add(device);
                self.plan(begin, Event::Begin(TaskId::Order(profile)));
                let [least, most] = BETWEEN_ORDERS;
                begin += self.dice.time(least, most);
            }
        }
        self.next_round();
        self.plan(TURNS, Event::Turn);
        self.until(end).await
    }

    /// The second act: everything that still speaks ends what it began.
    async fn calm(&mut self) -> Result<(), SimulationError> {
        self.act = Act::Calm;
        self.resting.store(!self.awaits_campaigns(), Ordering::Relaxed);
        if !self.world.is_alive() {
            self.world.start().await?;
        }
        for number in 0..self.devices.len() {
            self.heal(number);
            self.plan(Duration::ZERO, Event::PowerOn(number));
        }
        self.plan(TURNS, Event::Turn);
        self.until(None).await
    }

    /// Everything that does not hold.
    async fn check(&self) -> Result<Vec<Violation>, SimulationError> {
        let campaigns = self.campaigns.as_ref().map_or(&[][..], |campaigns| &campaigns.made);
        check(&self.world, &self.devices, campaigns, self.clock.now()).await
    }

    fn faults(&self) -> Faults {
        if self.act == Act::Storm { self.options.faults } else { Faults::NONE }
    }

    fn plan(&mut self, pause: Duration, event: Event) {
        self.queue.insert((self.clock.now().plus(pause), self.planned), event);
        self.planned += 1;
    }

    fn throw(&self, [least, most]: [Duration; 2]) -> Duration {
        self.dice.time(least, most)
    }

    /// Lets everything happen that is planned, or what is planned before `end`.
    async fn until(&mut self, end: Option<Timestamp>) -> Result<(), SimulationError> {
        let devices = u64::try_from(self.devices.len()).unwrap_or(u64::MAX);
        let most = EVENTS_OF_DEVICE_MAX.saturating_mul(devices);
        while let Some(next) = self.queue.first_entry() {
            let (at, _) = *next.key();
            if end.is_some_and(|end| end < at) {
                break;
            }
            let event = next.remove();
            let passed = at.as_millis().saturating_sub(self.clock.now().as_millis());
            self.clock.advance(Duration::from_millis(u64::try_from(passed).unwrap_or(0)));
            self.figures.events += 1;
            if self.figures.events > most {
                return Err(SimulationError::Restless(most));
            }
            self.happen(event).await?;
            // Behind the last campaign nobody asks for anything: whatever was to end then has no more to wait for.
            if end.is_some() && self.campaigns.is_some() && !self.awaits_campaigns() {
                break;
            }
        }
        Ok(())
    }

    async fn happen(&mut self, event: Event) -> Result<(), SimulationError> {
        match event {
            Event::Begin(task) => self.begin(task)?,
            Event::Arrive(message) => self.arrive(*message).await,
            Event::Answer(task, place, called) => {
                place.put(*called);
                self.go_on(task);
            }
            Event::Resume(task, place) => {
                place.put(());
                self.go_on(task);
            }
            Event::PowerOff(device) => self.power_off(device),
            Event::PowerOn(device) => {
                if let Some(device) = self.devices.get_mut(device) {
                    device.powered = true;
                }
                self.begin(TaskId::Life(device))?;
            }
            Event::Restart => {
                tracing::debug!(at = %self.clock.now(), "the server is started again");
                self.is_restart_planned = false;
                self.world.start().await?;
            }
            Event::Turn => {
                let (death, was_alive) = (self.death_of_turn(), self.world.is_alive());
                self.world.turn(death).await?;
                self.mourn_if(was_alive);
                let others = |event: &Event| !matches!(event, Event::Turn);
                if self.queue.values().any(others) {
                    self.plan(TURNS, Event::Turn);
                }
            }
            Event::Switch(profile) => self.switch(profile).await?,
            Event::Campaign => self.see_to_campaign().await?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
