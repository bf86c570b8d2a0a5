//! The driver: one event after the other, in the order of simulated time; two of one moment in the order in which they were
//! planned.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use http::Request;

use super::SimulationError;
use super::checkers::{Violation, check};
use super::device::{Device, Outcome};
use super::faults::{Dice, Faults, mixed};
use super::ground::{BEGIN, Ground, delivery, iccid};
use super::network::{Ask, Asks, Called, Caller, Place};
use super::operator::Order;
use super::report::{Figures, SeedReport};
use super::world::{Death, Heard, World};
use crate::client::ClientError;
use crate::client::exchange::Limits;
use crate::env::{Clock, Rng, Timestamp};
use crate::store::watch::CommitPhase;

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
/// Events of one device at most; a story that needs more goes in circles.
const EVENTS_OF_DEVICE_MAX: u64 = 20_000;

/// What decides a run beside its seed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
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
    calm: bool,
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
    driver.storm().await?;
    driver.calm().await?;
    let mut violations = std::mem::take(&mut driver.violations);
    violations.extend(check(&driver.world, &driver.devices, driver.clock.now()).await?);
    driver.world.end().await;
    Ok(SeedReport { seed, figures: driver.figures(), violations })
}

impl<'g> Driver<'g> {
    fn new(ground: &'g Ground, options: Options, seed: u64, folder: &Path) -> Result<Self, SimulationError> {
        let clock = Clock::fixed(BEGIN);
        let cards = Rng::seeded(mixed(seed, part::CARDS));
        let device = |(number, material)| {
            let own = part::DEVICES + u64::try_from(number).unwrap_or(u64::MAX);
            let (server, dice) = (ground.address.clone(), Dice::new(seed, own));
            Device::new(number, material, server, dice, clock.clone(), cards.clone())
        };
        let devices = ground.euiccs.iter().enumerate().map(device).collect::<Result<_, _>>()?;
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
            calm: false,
            figures: Figures::default(),
            violations: Vec::new(),
        })
    }

    /// The first act: operators order, devices download, and everything that may go wrong does.
    async fn storm(&mut self) -> Result<(), SimulationError> {
        for device in 0..self.devices.len() {
            let mut begin = self.dice.time(Duration::ZERO, self.ground.beginning());
            for round in 0..self.options.profiles {
                // In the order of the stock: the first profile of every device, then the second.
                let profile = round.saturating_mul(self.devices.len()).saturating_add(device);
                self.plan(begin, Event::Begin(TaskId::Order(profile)));
                let [least, most] = BETWEEN_ORDERS;
                begin += self.dice.time(least, most);
            }
        }
        self.plan(TURNS, Event::Turn);
        self.until_quiet().await
    }

    /// The second act: everything that still speaks ends what it began.
    async fn calm(&mut self) -> Result<(), SimulationError> {
        self.calm = true;
        if !self.world.is_alive() {
            self.world.start().await?;
        }
        for device in 0..self.devices.len() {
            self.plan(Duration::ZERO, Event::PowerOn(device));
        }
        self.plan(TURNS, Event::Turn);
        self.until_quiet().await
    }

    fn faults(&self) -> Faults {
        if self.calm { Faults::NONE } else { self.options.faults }
    }

    fn plan(&mut self, pause: Duration, event: Event) {
        self.queue.insert((self.clock.now().plus(pause), self.planned), event);
        self.planned += 1;
    }

    fn throw(&self, [least, most]: [Duration; 2]) -> Duration {
        self.dice.time(least, most)
    }

    async fn until_quiet(&mut self) -> Result<(), SimulationError> {
        let devices = u64::try_from(self.devices.len()).unwrap_or(u64::MAX);
        let most = EVENTS_OF_DEVICE_MAX.saturating_mul(devices);
        while let Some(((at, _), event)) = self.queue.pop_first() {
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
                self.world.start().await?;
            }
            Event::Turn => {
                let death = self.death().filter(|death| death.phase == CommitPhase::Before);
                self.world.turn(death.map(|death| Death { commit: 0, ..death })).await?;
                self.mourn();
                if !self.queue.is_empty() {
                    self.plan(TURNS, Event::Turn);
                }
            }
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
                Some(device) if device.powered && !device.silent => Box::pin(device.live(asks.clone())),
                Some(_) | None => return Ok(()),
            },
            TaskId::Order(profile) => {
                let Some(device) = self.devices.get(profile % self.devices.len().max(1)) else {
                    return Ok(());
                };
                let order = Order {
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
                let device = profile % self.devices.len().max(1);
                self.plan(Duration::ZERO, Event::Begin(TaskId::Life(device)));
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
        }
        if self.dice.happens(faults.double) {
            self.figures.doubled += 1;
            let double = Message { request: message.request.clone(), place: None, ..message };
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
        self.dice.happens(self.faults().death).then(|| Death {
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
        if !self.world.is_alive() && !self.queue.values().any(|event| matches!(event, Event::Restart)) {
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
        figures.commits = self.world.commits();
        for device in &self.devices {
            figures.silent += u64::from(device.silent);
            for errand in device.notebook.errands() {
                match errand.outcome {
                    Some(Outcome::Enabled) => figures.enabled += 1,
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

    /// Everything that does not hold, as it is told.
    async fn found(driver: &Driver<'_>) -> Vec<String> {
        let violations = check(&driver.world, &driver.devices, driver.clock.now()).await.unwrap();
        violations.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn the_checkers_see_what_nobody_told_the_server() {
        let (ground, folder) = (Ground::new(2).unwrap(), tempfile::tempdir().unwrap());
        let options = Options { faults: Faults::NONE, profiles: 1 };
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

    #[tokio::test]
    async fn an_errand_that_nobody_ended_is_seen() {
        let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
        let options = Options { faults: Faults::NONE, profiles: 1 };
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
            let options = Options { faults: Faults::NONE, profiles: 1 };
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
