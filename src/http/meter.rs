//! Counts what happens at the doors, for `GET /metrics` of [`super::admin`].
//!
//! The registry is that of the Prometheus project's own library: it knows the text format and its rules for names and
//! units, and a count costs a look-up and an atomic addition. Labels are few and known beforehand: interfaces, functions,
//! status codes. Nothing that a caller sends becomes a label, and no identifier of a card, profile or person.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::domain::{Pool, Standing};
use crate::eim::forward::ForwardedCount;
use crate::env::{Clock, Timestamp};
use crate::inventory::pools::PoolLevel;
use crate::inventory::stock::{LowWater, StockOverview};
use crate::smdp::status::{Reason, Subject};

/// The media type of [`Meter::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a function answered; it travels in the extensions of the response.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// The function's name in its path.
    pub function: &'static str,
    /// The pair, if it failed.
    pub failed: Option<(Subject, Reason)>,
}

/// Why a connection was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The peer had all the connections that it may have.
    PeerShare,
    /// The TLS handshake failed.
    Handshake,
    /// The TLS handshake took too long.
    HandshakeTime,
    /// The head of a request took too long, or the connection was idle.
    HeadTime,
    /// The request, with its body, took too long: HTTP 408.
    RequestTime,
    /// The body was too large: HTTP 413.
    Body,
    /// What came was no HTTP/1, or its head was too large.
    NoHttp,
    /// The client did not take its answer.
    WriteStall,
    /// A request was not done when the connection had to end.
    End,
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::PeerShare,
        Self::Handshake,
        Self::HandshakeTime,
        Self::HeadTime,
        Self::RequestTime,
        Self::Body,
        Self::NoHttp,
        Self::WriteStall,
        Self::End,
    ];

    /// The label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PeerShare => "peer_share",
            Self::Handshake => "handshake",
            Self::HandshakeTime => "handshake_time",
            Self::HeadTime => "head_time",
            Self::RequestTime => "request_time",
            Self::Body => "body",
            Self::NoHttp => "no_http",
            Self::WriteStall => "write_stall",
            Self::End => "end",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InterfaceLabels {
    interface: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CutLabels {
    interface: &'static str,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FunctionLabels {
    interface: &'static str,
    function: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    interface: &'static str,
    function: &'static str,
    http: u16,
    subject: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallbackLabels {
    operator: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StockLabels {
    owner: String,
    profile_type: String,
    sub_class: String,
    standing: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MarkLabels {
    owner: String,
    profile_type: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// What an operator has not been told yet.
pub struct Untold {
    /// The operator's name in the settings.
    pub operator: String,
    /// `waiting`, or `given_up`.
    pub state: &'static str,
    /// How many callbacks.
    pub callbacks: u64,
    /// The age of the oldest, in seconds.
    pub oldest_age_s: i64,
}

type Histograms = Family<FunctionLabels, Histogram, fn() -> Histogram>;

/// Half a millisecond to eight seconds.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 15))
}

/// What all interfaces of a server count.
pub struct Meter {
    clock: Clock,
    registry: Mutex<Registry>,
    calls: Family<CallLabels, Counter>,
    durations: Histograms,
    accepted: Family<InterfaceLabels, Counter>,
    open: Family<InterfaceLabels, Gauge>,
    cuts: Family<CutLabels, Counter>,
    callbacks: Family<CallbackLabels, Gauge>,
    callback_ages: Family<CallbackLabels, Gauge>,
    forwarded: Family<StateLabels, Gauge>,
    forwarded_ages: Family<StateLabels, Gauge>,
    stock: Family<StockLabels, Gauge>,
    low_water: Family<MarkLabels, Gauge>,
    pool_left: Family<PoolLabels, Gauge>,
    pool_low_water: Family<PoolLabels, Gauge>,
}

impl Meter {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let calls = Family::default();
        let durations = Histograms::new_with_constructor(histogram);
        let (accepted, open, cuts) = (Family::default(), Family::default(), Family::default());
        let mut registry = Registry::with_prefix("simyard");
        registry.register(
            "calls",
            "Answers by function, HTTP status, and subject and reason code if it failed",
            calls.clone(),
        );
        registry.register_with_unit(
            "call_duration",
            "Time from the head of a request to its answer, the sending of its body included",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register("connections_accepted", "Connections that were accepted", accepted.clone());
        registry.register("connections_open", "Connections that are open", open.clone());
        registry.register("connections_cut", "Connections that were cut, by cause", cuts.clone());
        let (callbacks, callback_ages) = (Family::default(), Family::default());
        registry.register("callbacks", "Callbacks that an operator has not got", callbacks.clone());
        let help = "Age of what the oldest of them tells of";
        registry.register_with_unit("callbacks_oldest_age", help, Unit::Seconds, callback_ages.clone());
        let (forwarded, forwarded_ages) = (Family::default(), Family::default());
        let help = "Notifications of devices that their receivers have not got";
        registry.register("forwarded_notifications", help, forwarded.clone());
        let help = "Time since the oldest of them came";
        let name = "forwarded_notifications_oldest_age";
        registry.register_with_unit(name, help, Unit::Seconds, forwarded_ages.clone());
        let (stock, low_water) = (Family::default(), Family::default());
        registry.register("stock_profiles", "Profiles in stock, by where they stand", stock.clone());
        let help = "With fewer profiles available, a profile type runs low";
        registry.register("stock_low_water", help, low_water.clone());
        let (pool_left, pool_low_water) = (Family::default(), Family::default());
        registry.register("pool_numbers_left", "Numbers that a pool can still give", pool_left.clone());
        let help = "With fewer numbers left, a pool runs low";
        registry.register("pool_low_water", help, pool_low_water.clone());
        let registry = Mutex::new(registry);
        Self {
            clock,
            registry,
            calls,
            durations,
            accepted,
            open,
            cuts,
            callbacks,
            callback_ages,
            forwarded,
            forwarded_ages,
            stock,
            low_water,
            pool_left,
            pool_low_water,
        }
    }

    /// Adds what is read elsewhere whenever somebody asks.
    pub fn add(&self, readings: Box<dyn Collector>) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register_collector(readings);
    }

    /// The time at which something starts, for [`Meter::call`].
    #[must_use]
    pub fn started(&self) -> Duration {
        self.clock.monotonic()
    }

    /// An answer. Without `answered` it came from no function: another path, or a caller without a name.
    pub fn call(
        &self,
        interface: &'static str,
        answered: Option<Answered>,
        status: StatusCode,
        started: Duration,
    ) {
        let function = answered.map_or("", |answered| answered.function);
        let failed = answered.and_then(|answered| answered.failed);
        let labels = CallLabels {
            interface,
            function,
            http: status.as_u16(),
            subject: failed.map_or("", |(subject, _)| subject.code()),
            reason: failed.map_or("", |(_, reason)| reason.code()),
        };
        self.calls.get_or_create(&labels).inc();
        let seconds = self.clock.monotonic().saturating_sub(started).as_secs_f64();
        self.durations.get_or_create(&FunctionLabels { interface, function }).observe(seconds);
    }

    /// A connection that was cut.
    pub fn cut(&self, interface: &'static str, cut: Cut) {
        self.cuts.get_or_create(&CutLabels { interface, cause: cut.name() }).inc();
    }

    /// How many connections were cut for this.
    #[must_use]
    pub fn cuts(&self, interface: &'static str, cut: Cut) -> u64 {
        self.cuts.get_or_create(&CutLabels { interface, cause: cut.name() }).get()
    }

    /// A connection, open until the guard is dropped.
    #[must_use]
    pub fn connection(&self, interface: &'static str) -> OpenConnection {
        let labels = InterfaceLabels { interface };
        self.accepted.get_or_create(&labels).inc();
        let open = self.open.get_or_create(&labels).clone();
        open.inc();
        OpenConnection(open)
    }

    /// What operators have not been told, in place of what was said before.
    pub fn callbacks(&self, untold: impl IntoIterator<Item = Untold>) {
        self.callbacks.clear();
        self.callback_ages.clear();
        for Untold { operator, state, callbacks, oldest_age_s } in untold {
            let labels = CallbackLabels { operator, state };
            self.callbacks.get_or_create(&labels).set(gauge(callbacks));
            self.callback_ages.get_or_create(&labels).set(oldest_age_s);
        }
    }

    /// What receivers of devices' notifications have not got, in place of what was said before. Receivers are not told apart:
    /// eUICCs name them.
    pub fn forwarded(&self, counts: &[ForwardedCount], now: Timestamp) {
        for (state, given_up) in [("waiting", false), ("given_up", true)] {
            let labels = StateLabels { state };
            let of_state = || counts.iter().filter(|count| count.given_up == given_up);
            self.forwarded
                .get_or_create(&labels)
                .set(gauge(of_state().map(|count| count.notifications).sum()));
            let oldest = of_state().map(|count| count.oldest).min().unwrap_or(now);
            let age_s = now.as_secs().saturating_sub(oldest.as_secs());
            self.forwarded_ages.get_or_create(&labels).set(age_s);
        }
    }

    /// What is in stock, in place of what was said before, and the marks of profile types.
    pub fn stock(&self, overview: &StockOverview, marks: &[LowWater]) {
        self.stock.clear();
        self.low_water.clear();
        for line in &overview.stock {
            for standing in Standing::ALL {
                let labels = StockLabels {
                    owner: line.owner.clone(),
                    profile_type: line.profile_type.clone(),
                    sub_class: line.sub_class.clone().unwrap_or_default(),
                    standing: standing.name(),
                };
                self.stock.get_or_create(&labels).set(gauge(line.of(standing)));
            }
        }
        for mark in marks {
            let (owner, profile_type) = (mark.owner.to_string(), mark.profile_type.to_string());
            self.low_water.get_or_create(&MarkLabels { owner, profile_type }).set(gauge(mark.low_water));
        }
    }

    /// How full the pools are, in place of what was said before.
    pub fn pools(&self, levels: &[(Arc<Pool>, PoolLevel)]) {
        self.pool_left.clear();
        self.pool_low_water.clear();
        for (pool, level) in levels {
            let labels = PoolLabels { pool: pool.name.to_string() };
            self.pool_left.get_or_create(&labels).set(gauge(level.left()));
            self.pool_low_water.get_or_create(&labels).set(gauge(pool.low_water));
        }
    }

    /// Everything in the text format.
    ///
    /// # Errors
    /// [`fmt::Error`] if a reading cannot be written.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Counts a connection as long as it is open.
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
