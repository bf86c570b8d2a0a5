//! Messages on their way: lost, doubled, late; and the server that answers them, or dies over them.

use std::time::Duration;

use http::Request;

use super::procedures::TaskId;
use super::{Driver, Event};
use crate::client::ClientError;
use crate::client::exchange::Limits;
use crate::sim::checkers::Violation;
use crate::sim::network::{Called, Caller, Place};
use crate::sim::world::{Death, Heard};
use crate::store::watch::CommitPhase;

/// How long a message takes.
const LATENCY: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(400)];
/// How long one takes that is late: some of them longer than a caller waits.
const LATE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(120)];
/// How long a server that died stays dead.
const DEAD: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// How long behind a message a device loses power.
const CUT: [Duration; 2] = [Duration::ZERO, Duration::from_secs(2)];
/// Which commit of a request is deadly: none has more.
const COMMITS_OF_REQUEST: u64 = 2;
/// Which commit of a turn of jobs is deadly at most.
const COMMITS_OF_TURN: u64 = 12;
/// Devices whose requests all have their chance to be deadly; of more of them the server dies no more often.
const DEVICES_OF_DEATHS: usize = 100;

/// A call on its way to the server.
pub(super) struct Message {
    pub(super) task: TaskId,
    pub(super) caller: Caller,
    pub(super) request: Request<Vec<u8>>,
    /// Where its answer goes; that of a double goes nowhere.
    pub(super) place: Option<Place<Called>>,
}

impl Message {
    /// The same once more, whose answer nobody waits for.
    pub(super) fn double(&self) -> Self {
        Self { task: self.task, caller: self.caller.clone(), request: self.request.clone(), place: None }
    }
}

impl Driver<'_> {
    /// A message sets out.
    pub(super) fn send(&mut self, message: Message, limits: Limits) {
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
    pub(super) fn travel(&mut self) -> Duration {
        if self.dice.happens(self.faults().delay) {
            self.figures.delayed += 1;
            return self.throw(LATE);
        }
        self.throw(LATENCY)
    }

    /// Whether and where the server is to die, at what happens next.
    pub(super) fn death(&mut self) -> Option<Death> {
        let rarity = u64::try_from(self.devices.len() / DEVICES_OF_DEATHS).unwrap_or(u64::MAX);
        let comes = self.dice.happens(self.faults().death) && (rarity < 2 || self.dice.below(rarity) == 0);
        comes.then(|| Death {
            commit: self.dice.below(COMMITS_OF_REQUEST),
            phase: if self.dice.happens(500) { CommitPhase::Before } else { CommitPhase::After },
        })
    }

    /// Whether and where the server is to die over a turn of its jobs, which may have many commits.
    pub(super) fn death_of_turn(&mut self) -> Option<Death> {
        let Death { phase, .. } = self.death()?;
        Some(Death { commit: self.dice.below(COMMITS_OF_TURN), phase })
    }

    /// A request reaches the server.
    pub(super) async fn arrive(&mut self, message: Message) {
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
                self.figures.unreachable += u64::from(!was_alive);
                self.mourn_if(was_alive);
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

    /// A server that lived before may have died.
    pub(super) fn mourn_if(&mut self, was_alive: bool) {
        if was_alive {
            self.mourn();
        }
    }

    /// Sees to it that a server that just died is started again.
    pub(super) fn mourn(&mut self) {
        if !self.world.is_alive() && !self.is_restart_planned {
            self.is_restart_planned = true;
            tracing::debug!(at = %self.clock.now(), "the server died");
            self.figures.deaths += 1;
            let pause = self.throw(DEAD);
            self.plan(pause, Event::Restart);
        }
    }
}

/// What a caller is told of a call whose answer never comes.
fn no_answer(request: &Request<Vec<u8>>, cause: &str) -> ClientError {
    ClientError::Transport {
        address: request.uri().host().unwrap_or_default().to_owned(),
        cause: cause.to_owned(),
    }
}
