//! Procedures of devices and operators: they begin, go on when they are answered, and are cut off by the power.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use super::messages::Message;
use super::{Act, Driver, Event, Fleet};
use crate::ident::Peer;
use crate::sim::SimulationError;
use crate::sim::ground::iccid;
use crate::sim::network::{Ask, Asks, Caller};
use crate::sim::operator::Order;

/// How long a device has no power.
const DARK: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];

/// Whose procedure it is: a device by its number, or the order by the number of its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TaskId {
    Life(usize),
    Order(usize),
}

/// A procedure that waits for the world.
pub(super) struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    asks: Asks,
}

impl Driver<'_> {
    /// Begins a procedure, unless it runs, or its device cannot.
    pub(super) fn begin(&mut self, id: TaskId) -> Result<(), SimulationError> {
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
    pub(super) fn go_on(&mut self, id: TaskId) {
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
    pub(super) fn ordered(&mut self, profile: usize) {
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
        if self.campaigns.is_some() {
            return self.ordered_for_campaign();
        }
        self.plan(Duration::ZERO, Event::Switch(profile));
    }

    /// What a device was about is cut off; messages of its own are on their way.
    pub(super) fn power_off(&mut self, number: usize) {
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

    pub(super) fn fall_silent(&mut self, number: usize) {
        self.tasks.remove(&TaskId::Life(number));
        if let Some(device) = self.devices.get_mut(number) {
            device.silent = true;
        }
    }
}
