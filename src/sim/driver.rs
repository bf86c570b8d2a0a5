//! The driver: one event after the other, in the order of simulated time; two of one moment in the order in which they were
//! planned.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use http::Request;
use serde::Serialize;

use super::SimulationError;
use super::checkers::{Packages, Violation, check};
use super::device::{Device, Outcome};
use super::faults::{Dice, Faults, mixed};
use super::ground::{BEGIN, Ground, delivery, iccid};
use super::network::{Ask, Asks, Called, Caller, Place};
use super::operator::Order;
use super::report::{Figures, SeedReport};
use super::world::{Death, Heard, World};
use crate::client::ClientError;
use crate::client::exchange::Limits;
use crate::domain::{OldProfile, SwitchObstacle};
use crate::eim::operations::CreateOperationError;
use crate::env::{Clock, Rng, Timestamp};
use crate::ident::{ActivationCode, Peer};
use crate::store::watch::CommitPhase;

mod harm;

use harm::Earlier;

/// How long a message takes.
const LATENCY: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(400)];
/// How long one takes that is late: some of them longer than a caller waits.
const LATE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(120)];
/// How long a server that died stays dead.
const DEAD: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// How long behind a message a device loses power.
const CUT: [Duration; 2] = [Duration::ZERO, Duration::from_secs(2)];
/// How long a device has no power.
const DARK: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];
/// How long the operator waits before it orders the next profile for a device.
const BETWEEN_ORDERS: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(600)];
/// How often the server's jobs have their turn.
const TURNS: Duration = Duration::from_secs(60);
/// Which commit of a request is deadly: none has more.
const COMMITS_OF_REQUEST: u64 = 2;
/// Devices whose requests all have their chance to be deadly; of more of them the server dies no more often.
const DEVICES_OF_DEATHS: usize = 100;
/// How long an old profile is held before it is deleted: less than a device polls before it rests.
const HOLD: Duration = Duration::from_secs(300);
/// Events of one device at most; a story that needs more goes in circles.
const EVENTS_OF_DEVICE_MAX: u64 = 20_000;

/// How long the storm lasts for devices that poll for ever.
const STORM: Duration = Duration::from_secs(8 * 3600);
/// How long somebody waits before he asks the eIM again.
const ASK_AGAIN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(600)];

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
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What kind of devices there are.
    pub fleet: Fleet,
    /// What goes wrong.
    pub faults: Faults,
    /// How many profiles each device is to get, one after the other.
    pub profiles: usize,
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

/// Whose procedure it is: a device by its number, or the order by the number of its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TaskId {
    Life(usize),
    Order(usize),
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    asks: Asks,
}

/// A call on its way to the server.
struct Message {
    task: TaskId,
    caller: Caller,
    request: Request<Vec<u8>>,
    /// Where its answer goes; that of a double goes nowhere.
    place: Option<Place<Called>>,
}

impl Message {
    /// The same once more, whose answer nobody waits for.
    fn double(&self) -> Self {
        Self { task: self.task, caller: self.caller.clone(), request: self.request.clone(), place: None }
    }
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
    /// Commits and changes until the factory ended.
    of_factory: (u64, u64),
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
    let mut driver = Driver::new(ground, *options, seed, folder)?;
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
    violations.extend(check(&driver.world, &driver.devices, driver.clock.now()).await?);
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
            of_factory: (0, 0),
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
        self.of_factory = (self.world.commits(), self.world.changes());
        Ok(())
    }

    /// The first act: operators order, devices download, and everything that may go wrong does.
    async fn storm(&mut self) -> Result<(), SimulationError> {
        let end = match self.options.fleet {
            Fleet::Consumer => None,
            Fleet::Iot => Some(self.clock.now().plus(STORM)),
        };
        for device in 0..self.devices.len() {
            let mut begin = self.dice.time(Duration::ZERO, self.ground.beginning());
            if end.is_some() {
                self.plan(begin, Event::Begin(TaskId::Life(device)));
            }
            for round in usize::from(end.is_some())..self.options.profiles {
                // In the order of the stock: the first profile of every device, then the second.
                let profile = round.saturating_mul(self.devices.len()).saturating_add(device);
                self.plan(begin, Event::Begin(TaskId::Order(profile)));
                let [least, most] = BETWEEN_ORDERS;
                begin += self.dice.time(least, most);
            }
        }
        self.plan(TURNS, Event::Turn);
        self.until(end).await
    }

    /// The second act: everything that still speaks ends what it began.
    async fn calm(&mut self) -> Result<(), SimulationError> {
        self.act = Act::Calm;
        self.resting.store(true, Ordering::Relaxed);
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

    /// Looks how the switches ended that the eIM was asked for.
    async fn settle(&mut self) -> Result<(), SimulationError> {
        let Some(store) = self.world.store() else { return Ok(()) };
        for device in &self.devices {
            for errand in device.notebook.errands() {
                let Some(operation_id) = errand.operation_id else { continue };
                let kept = store.operation(&operation_id).await?;
                let ended = kept.filter(|kept| kept.operation.state.is_end());
                let outcome = ended.map(|kept| {
                    let operation = kept.operation;
                    let took = operation.changed_at.as_secs().saturating_sub(operation.created_at.as_secs());
                    self.figures.switch_times.note(u64::try_from(took).unwrap_or(0));
                    let reason = operation.state.reason().map(|reason| reason.code);
                    Outcome::Ended(operation.state.name(), reason)
                });
                device.notebook.change(&errand.iccid, |errand| errand.outcome = outcome);
            }
        }
        Ok(())
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
                let death = self.death().filter(|death| death.phase == CommitPhase::Before);
                self.world.turn(death.map(|death| Death { commit: 0, ..death })).await?;
                self.mourn();
                let others = |event: &Event| !matches!(event, Event::Turn);
                if self.queue.values().any(others) {
                    self.plan(TURNS, Event::Turn);
                }
            }
            Event::Switch(profile) => self.switch(profile).await?,
        }
        Ok(())
    }

    /// Somebody asks the eIM to switch a device to a profile that was ordered for it, until he is answered.
    async fn switch(&mut self, profile: usize) -> Result<(), SimulationError> {
        let (Some(device), iccid) = (self.devices.get(profile % self.devices.len().max(1)), iccid(profile)?)
        else {
            return Ok(());
        };
        let Some(matching_id) = device.notebook.errand(&iccid).and_then(|errand| errand.matching_id) else {
            return Ok(());
        };
        let (eid, notebook) = (device.eid.clone(), device.notebook.clone());
        let code = ActivationCode {
            address: self.ground.address.clone(),
            matching_id,
            smdp_oid: None,
            confirmation_code_required: false,
        };
        let death = self.death();
        let was_alive = self.world.is_alive();
        let old =
            if self.deleting.contains(&profile) { OldProfile::DeleteAfter(HOLD) } else { OldProfile::Keep };
        let again = match self.world.switch(&eid, &iccid, code, old, death).await {
            Some(Ok(operation_id)) => {
                notebook.change(&iccid, |errand| errand.operation_id = Some(operation_id));
                false
            }
            Some(Err(CreateOperationError::NotEligible(obstacles))) => {
                let is_other = |obstacle: &SwitchObstacle| matches!(obstacle, SwitchObstacle::OtherSwitch(_));
                let why = CreateOperationError::NotEligible(obstacles.clone()).to_string();
                if !obstacles.iter().all(is_other) {
                    notebook.change(&iccid, |errand| errand.outcome = Some(Outcome::NotOrdered(why)));
                }
                // The one before has to end first.
                obstacles.iter().all(is_other) && self.act == Act::Storm
            }
            Some(Err(error)) => return Err(error.into()),
            None => {
                if was_alive {
                    self.mourn();
                }
                true
            }
        };
        if again {
            let pause = self.throw(ASK_AGAIN);
            self.plan(pause, Event::Switch(profile));
        }
        Ok(())
    }

    /// Begins a procedure, unless it runs, or its device cannot.
    fn begin(&mut self, id: TaskId) -> Result<(), SimulationError> {
        if self.tasks.contains_key(&id) {
            return Ok(());
        }
        let asks = Asks::default();
        let future: Pin<Box<dyn Future<Output = ()>>> = match id {
            TaskId::Life(number) => match self.devices.get(number) {
                Some(device) if device.powered && !device.silent => device.live(asks.clone(), &self.resting),
                Some(_) | None => return Ok(()),
            },
            TaskId::Order(profile) => {
                let Some(device) = self.devices.get(profile % self.devices.len().max(1)) else {
                    return Ok(());
                };
                let peer = Peer::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
                let order = Order {
                    caller: Caller { peer, certificate: Some(self.ground.operator.clone()) },
                    server: self.ground.address.clone(),
                    iccid: iccid(profile)?,
                    notebook: device.notebook.clone(),
                };
                Box::pin(order.place(asks.clone()))
            }
        };
        self.tasks.insert(id, Task { future, asks });
        self.go_on(id);
        Ok(())
    }

    /// Lets a procedure go on until it waits again, and takes what it asks for.
    fn go_on(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let ended = task.future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        let asked = task.asks.take();
        if ended {
            self.tasks.remove(&id);
            if let TaskId::Order(profile) = id {
                self.ordered(profile);
            }
        }
        for ask in asked {
            match ask {
                Ask::Pause { time, place } => self.plan(time, Event::Resume(id, place)),
                Ask::Call { caller, request, limits, place } => {
                    self.send(Message { task: id, caller, request: *request, place: Some(place) }, limits);
                }
            }
        }
    }

    /// A profile has been ordered for a device.
    fn ordered(&mut self, profile: usize) {
        let number = profile % self.devices.len().max(1);
        if self.options.fleet == Fleet::Consumer || self.act == Act::Factory {
            return self.plan(Duration::ZERO, Event::Begin(TaskId::Life(number)));
        }
        let no_coverage = self.dice.happens(self.faults().coverage);
        if let (true, Some(device), Ok(iccid)) = (no_coverage, self.devices.get(number), iccid(profile)) {
            device.coverage.lose(iccid);
        }
        if self.dice.happens(self.faults().delete_old) {
            self.deleting.insert(profile);
        }
        self.plan(Duration::ZERO, Event::Switch(profile));
    }

    /// A message sets out.
    fn send(&mut self, message: Message, limits: Limits) {
        self.figures.calls += 1;
        let faults = self.faults();
        if let Some(place) = &message.place {
            let lost = no_answer(&message.request, "no answer came in time");
            self.plan(limits.time, Event::Answer(message.task, place.clone(), Box::new(Err(lost))));
        }
        if let TaskId::Life(device) = message.task {
            if self.dice.happens(faults.power_cut) {
                let pause = self.throw(CUT);
                self.plan(pause, Event::PowerOff(device));
            }
            if self.dice.happens(faults.silence) {
                self.fall_silent(device);
            }
            self.do_harm(device, &message);
        }
        if self.dice.happens(faults.double) {
            self.figures.doubled += 1;
            let double = message.double();
            let pause = self.travel();
            self.plan(pause, Event::Arrive(Box::new(double)));
        }
        if self.dice.happens(faults.drop) {
            self.figures.dropped += 1;
        } else {
            let pause = self.travel();
            self.plan(pause, Event::Arrive(Box::new(message)));
        }
    }

    /// How long a message is on its way.
    fn travel(&mut self) -> Duration {
        if self.dice.happens(self.faults().delay) {
            self.figures.delayed += 1;
            return self.throw(LATE);
        }
        self.throw(LATENCY)
    }

    /// Whether and where the server is to die, at what happens next.
    fn death(&mut self) -> Option<Death> {
        let rarity = u64::try_from(self.devices.len() / DEVICES_OF_DEATHS).unwrap_or(u64::MAX);
        let comes = self.dice.happens(self.faults().death) && (rarity < 2 || self.dice.below(rarity) == 0);
        comes.then(|| Death {
            commit: self.dice.below(COMMITS_OF_REQUEST),
            phase: if self.dice.happens(500) { CommitPhase::Before } else { CommitPhase::After },
        })
    }

    /// A request reaches the server.
    async fn arrive(&mut self, message: Message) {
        let Message { task, caller, request, place } = message;
        tracing::debug!(at = %self.clock.now(), ?task, path = request.uri().path(), "a request arrives");
        let broken = no_answer(&request, "the connection broke");
        let path = request.uri().path().to_owned();
        let was_alive = self.world.is_alive();
        let death = self.death();
        let heard = self.world.call(caller, request, death).await;
        let called = match heard {
            Heard::Answer(answer) => {
                self.packages.look_at(&path, answer.body());
                if answer.status().is_server_error() {
                    let status = answer.status().as_u16();
                    self.violations.push(Violation::ServerError { path, status });
                }
                Ok(answer)
            }
            Heard::Nothing => {
                if was_alive {
                    self.mourn();
                } else {
                    self.figures.unreachable += 1;
                }
                Err(broken)
            }
        };
        let Some(place) = place else { return };
        if called.is_ok() && self.dice.happens(self.faults().drop) {
            self.figures.dropped += 1;
            return;
        }
        let pause = self.travel();
        self.plan(pause, Event::Answer(task, place, Box::new(called)));
    }

    /// Sees to it that a server that just died is started again.
    fn mourn(&mut self) {
        if !self.world.is_alive() && !self.is_restart_planned {
            self.is_restart_planned = true;
            tracing::debug!(at = %self.clock.now(), "the server died");
            self.figures.deaths += 1;
            let pause = self.throw(DEAD);
            self.plan(pause, Event::Restart);
        }
    }

    /// What a device was about is cut off; messages of its own are on their way.
    fn power_off(&mut self, number: usize) {
        if self.tasks.remove(&TaskId::Life(number)).is_none() {
            return;
        }
        self.figures.power_cuts += 1;
        if let Some(device) = self.devices.get_mut(number) {
            device.powered = false;
            device.reset();
        }
        let pause = self.throw(DARK);
        self.plan(pause, Event::PowerOn(number));
    }

    fn fall_silent(&mut self, number: usize) {
        self.tasks.remove(&TaskId::Life(number));
        if let Some(device) = self.devices.get_mut(number) {
            device.silent = true;
        }
    }

    fn figures(&self) -> Figures {
        let mut figures = self.figures.clone();
        let passed = self.clock.now().as_secs().saturating_sub(BEGIN.as_secs());
        figures.simulated_s = u64::try_from(passed).unwrap_or(0);
        (figures.commits, figures.changes) = (self.world.commits(), self.world.changes());
        if self.options.fleet == Fleet::Iot {
            let (commits, changes) = self.of_factory;
            figures.commits_of_switches = figures.commits.saturating_sub(commits);
            figures.changes_of_switches = figures.changes.saturating_sub(changes);
        }
        for device in &self.devices {
            figures.silent += u64::from(device.silent);
            for errand in device.notebook.errands() {
                match errand.outcome {
                    Some(Outcome::Enabled) => figures.enabled += 1,
                    Some(Outcome::Ended(state, reason)) => {
                        let why = reason.map_or_else(String::new, |reason| format!(": {}", reason.name()));
                        *figures.switches.entry(format!("{state}{why}")).or_default() += 1;
                    }
                    Some(Outcome::GaveUp(why) | Outcome::NotOrdered(why)) => {
                        *figures.not_enabled.entry(why).or_default() += 1;
                    }
                    None => figures.open += 1,
                }
            }
        }
        figures
    }
}

/// What a caller is told of a call whose answer never comes.
fn no_answer(request: &Request<Vec<u8>>, cause: &str) -> ClientError {
    ClientError::Transport {
        address: request.uri().host().unwrap_or_default().to_owned(),
        cause: cause.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::es10_client::{Es10Client, ProfileAction};
    use crate::domain::OperationStateName;
    use crate::store::{NewNotification, ResultChange};

    /// Everything that does not hold, as it is told.
    async fn found(driver: &Driver<'_>) -> Vec<String> {
        let violations = check(&driver.world, &driver.devices, driver.clock.now()).await.unwrap();
        violations.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn the_checkers_see_what_nobody_told_the_server() {
        let (ground, folder) = (Ground::new(2).unwrap(), tempfile::tempdir().unwrap());
        let options = Options { fleet: Fleet::Consumer, faults: Faults::NONE, profiles: 1 };
        let mut driver = Driver::new(&ground, options, 1, folder.path()).unwrap();
        driver.world.start().await.unwrap();
        driver.world.ingest(delivery(2, &Rng::seeded(1)).unwrap()).await.unwrap();
        driver.storm().await.unwrap();
        driver.calm().await.unwrap();
        assert_eq!(found(&driver).await, [""; 0]);

        // Somebody disables a profile by hand; the card has yet to tell it.
        let device = &driver.devices[0];
        let (eid, iccid) = (device.eid.clone(), device.notebook.errands()[0].iccid.clone());
        let mut card = Es10Client::open(device.slot.clone()).unwrap();
        card.manage_profile(ProfileAction::Disable, &iccid).unwrap();
        let none_enabled = format!("eUICC {eid} had an enabled profile and has none");
        let not_told = format!("eUICC {eid} has 1 notifications that nobody took");
        assert_eq!(found(&driver).await, [none_enabled.clone(), not_told]);

        // What waits on the card is thrown away: now the server is wrong, and nothing will tell it.
        let pending = card.list_notifications().unwrap();
        card.remove_notification(pending[0].seq_number).unwrap();
        let believed = format!(
            "of profile {iccid} the server believes that it is enabled, on eUICC {eid} it is disabled"
        );
        assert_eq!(found(&driver).await, [none_enabled.clone(), believed.clone()]);
        card.manage_profile(ProfileAction::Delete, &iccid).unwrap();
        let pending = card.list_notifications().unwrap();
        card.remove_notification(pending[0].seq_number).unwrap();
        assert_eq!(found(&driver).await, [none_enabled.clone(), believed.replace("disabled", "not there")]);

        // Of a device that is silent the server may know less, but it had an enabled profile.
        driver.devices[0].silent = true;
        assert_eq!(found(&driver).await, [none_enabled]);

        driver.world.end().await;
        assert_eq!(found(&driver).await, ["no server runs at the end"]);
    }

    /// A story without faults, told to its end.
    async fn told<'g>(ground: &'g Ground, folder: &Path, fleet: Fleet) -> Driver<'g> {
        let options = Options { fleet, faults: Faults::NONE, profiles: 2 };
        let mut driver = Driver::new(ground, options, 1, folder).unwrap();
        driver.world.start().await.unwrap();
        let stock = delivery(2 * ground.devices(), &Rng::seeded(1)).unwrap();
        driver.world.ingest(stock).await.unwrap();
        if fleet == Fleet::Iot {
            driver.factory().await.unwrap();
        }
        driver.storm().await.unwrap();
        driver.calm().await.unwrap();
        driver.settle().await.unwrap();
        assert_eq!(found(&driver).await, [""; 0]);
        driver
    }

    #[tokio::test]
    async fn a_switch_that_the_card_contradicts_is_seen() {
        let (ground, folder) = (Ground::new(2).unwrap(), tempfile::tempdir().unwrap());
        let mut driver = told(&ground, folder.path(), Fleet::Iot).await;
        let device = &driver.devices[0];
        let eid = device.eid.clone();
        let new = iccid(2).unwrap();
        let done = Some(Outcome::Ended(OperationStateName::Done, None));
        assert_eq!(device.notebook.errand(&new).unwrap().outcome, done);

        // The eIM says that the device went back, and it did not.
        let rolled_back = Some(Outcome::Ended(OperationStateName::RolledBack, None));
        device.notebook.change(&new, |errand| errand.outcome = rolled_back);
        let switch = format!("the switch of eUICC {eid} to profile {new} ended as");
        assert_eq!(found(&driver).await, [format!("{switch} rolled_back, and {new} is enabled")]);
        driver.devices[0].notebook.change(&new, |errand| errand.outcome = done);

        // Somebody exchanges the cards of two devices: everything that was believed of either is wrong.
        let (first, second) = (driver.devices[0].slot.clone(), driver.devices[1].slot.clone());
        (driver.devices[0].slot, driver.devices[1].slot) = (second, first);
        let violations = check(&driver.world, &driver.devices, driver.clock.now()).await.unwrap();
        let count = |is: fn(&Violation) -> bool| violations.iter().filter(|violation| is(violation)).count();
        let counts = [
            count(|violation| matches!(violation, Violation::NotBound { .. })),
            count(|violation| matches!(violation, Violation::Believed { .. })),
            count(|violation| matches!(violation, Violation::Switched { .. })),
            count(|violation| matches!(violation, Violation::Listed { .. })),
        ];
        assert_eq!(counts, [4, 4, 2, 2], "{violations:#?}");
        let other = iccid(3).unwrap();
        assert!(found(&driver).await.contains(&format!("{switch} done, and {other} is enabled")));

        // Of a device that is silent nobody can know what it did since; that it has what another one was given is seen.
        driver.devices.iter_mut().for_each(|device| device.silent = true);
        let violations = check(&driver.world, &driver.devices, driver.clock.now()).await.unwrap();
        let not_bound = |violation: &Violation| matches!(violation, Violation::NotBound { .. });
        assert!(violations.len() == 4 && violations.iter().all(not_bound), "{violations:#?}");
    }

    #[tokio::test]
    async fn an_operation_without_an_end_is_seen() {
        let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
        let mut driver = told(&ground, folder.path(), Fleet::Iot).await;
        let (eid, next) = (driver.devices[0].eid.clone(), iccid(9).unwrap());
        let matching_id = crate::ident::MatchingId::generate(&Rng::seeded(1));
        driver.devices[0].notebook.ordered(next.clone(), Ok(matching_id));
        driver.switch(9).await.unwrap();
        driver.settle().await.unwrap();
        let open = format!("what eUICC {eid} was to do with profile {next} has no outcome");
        assert_eq!(found(&driver).await, [open]);
    }

    #[tokio::test]
    async fn a_device_without_an_enabled_profile_and_an_ipa_that_failed_are_seen() {
        let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
        let mut driver = told(&ground, folder.path(), Fleet::Iot).await;
        let eid = driver.devices[0].eid.clone();
        driver.devices[0].memory.failed("the card is broken");
        let trouble = format!("the IPA of eUICC {eid} failed: the card is broken");
        assert_eq!(found(&driver).await, std::slice::from_ref(&trouble));

        // The card forgets everything.
        let (dice, cards) = (Dice::new(1, part::DEVICES), Rng::seeded(mixed(1, part::CARDS)));
        let new = Device::new(&ground, Fleet::Iot, 0, dice, driver.clock.clone(), cards).unwrap();
        driver.devices[0].slot = new.slot;
        let found = found(&driver).await;
        for expected in [trouble, format!("eUICC {eid} had an enabled profile and has none")] {
            assert!(found.contains(&expected), "{expected}: {found:#?}");
        }
        assert!(found.iter().any(|violation| violation.starts_with("the eIM believes")), "{found:#?}");
    }

    #[tokio::test]
    async fn profiles_on_two_cards_and_in_no_stock_are_seen() {
        let (ground, folder) = (Ground::new(2).unwrap(), tempfile::tempdir().unwrap());
        let mut driver = told(&ground, folder.path(), Fleet::Iot).await;
        // The server forgets everything: other devices, another stock.
        let elsewhere = folder.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        let mut other = World::new(&ground, &elsewhere, driver.clock.clone(), Rng::seeded(2));
        other.start().await.unwrap();
        let violations = check(&other, &driver.devices, driver.clock.now()).await.unwrap();
        let unknown = |violation: &Violation| matches!(violation, Violation::Unknown { .. });
        assert_eq!(violations.iter().filter(|violation| unknown(violation)).count(), 4, "{violations:#?}");
        assert!(violations.iter().all(unknown), "{violations:#?}");
        other.end().await;

        // Two devices have what only one can have.
        driver.devices[1].slot = driver.devices[0].slot.clone();
        let found = found(&driver).await;
        let [first, second] = [0, 1].map(|number: usize| driver.devices[number].eid.clone());
        for number in [0, 2] {
            let iccid = iccid(number).unwrap();
            let twice = format!("profile {iccid} is on two eUICCs, {first} and {second}");
            assert!(found.contains(&twice), "{twice}: {found:#?}");
        }
    }

    #[tokio::test]
    async fn a_number_that_stands_for_two_notifications_is_seen() {
        let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
        let driver = told(&ground, folder.path(), Fleet::Consumer).await;
        let (store, iccid) = (driver.world.store().unwrap(), iccid(0).unwrap());
        let one = store.notifications(&iccid).await.unwrap().remove(0);
        let another = NewNotification {
            eid: one.eid.clone(),
            seq_number: one.seq_number,
            iccid,
            event: one.event,
            signed: b"something else".to_vec(),
            raw: one.raw,
            at: driver.clock.now(),
            callback: None,
        };
        store.record_notification(&another, ResultChange::None).await.unwrap();
        let expected = format!("eUICC {} used the seqNumber {} twice", one.eid, one.seq_number);
        assert_eq!(found(&driver).await, [expected]);
    }

    #[tokio::test]
    async fn an_errand_that_nobody_ended_is_seen() {
        let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
        let options = Options { fleet: Fleet::Consumer, faults: Faults::NONE, profiles: 1 };
        let mut driver = Driver::new(&ground, options, 1, folder.path()).unwrap();
        driver.world.start().await.unwrap();
        let (eid, iccid) = (driver.devices[0].eid.clone(), iccid(0).unwrap());
        driver.devices[0].notebook.ordered(iccid.clone(), Err("nobody ordered".to_owned()));
        assert_eq!(found(&driver).await, [""; 0]);
        let matching_id = crate::ident::MatchingId::generate(&Rng::seeded(1));
        driver.devices[0].notebook.ordered(iccid.clone(), Ok(matching_id));
        let open = format!("what eUICC {eid} was to do with profile {iccid} has no outcome");
        assert_eq!(found(&driver).await, [open]);
    }

    #[tokio::test]
    async fn a_server_dies_at_the_commit_it_is_sentenced_to() {
        let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
        for (phase, commit, ordered) in
            [(CommitPhase::Before, 0, false), (CommitPhase::After, 0, true), (CommitPhase::After, 1, true)]
        {
            let folder = folder.path().join(format!("{phase:?}-{commit}"));
            std::fs::create_dir(&folder).unwrap();
            let options = Options { fleet: Fleet::Consumer, faults: Faults::NONE, profiles: 1 };
            let mut driver = Driver::new(&ground, options, 1, &folder).unwrap();
            driver.world.start().await.unwrap();
            driver.world.ingest(delivery(1, &Rng::seeded(1)).unwrap()).await.unwrap();
            driver.begin(TaskId::Order(0)).unwrap();
            let arrival = driver.queue.iter().find(|(_, event)| matches!(event, Event::Arrive(_)));
            let Some(Event::Arrive(message)) =
                arrival.map(|(at, _)| *at).and_then(|at| driver.queue.remove(&at))
            else {
                panic!("DownloadOrder is on its way")
            };
            let death = Death { commit, phase };
            let heard = driver.world.call(message.caller, message.request, Some(death)).await;
            // It has one commit alone: a death at the second never comes.
            assert_eq!(matches!(heard, Heard::Nothing), commit == 0);
            assert_eq!(driver.world.is_alive(), commit == 1);
            driver.world.start().await.unwrap();
            let order = driver.world.store().unwrap().order(&iccid(0).unwrap()).await.unwrap().unwrap();
            assert_eq!(order.reservation().is_some(), ordered, "{phase:?} {commit}");
        }
    }
}
