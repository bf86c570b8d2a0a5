//! How fast a large delivery is taken in, and what others notice of it: a file of a manufacturer goes the way of every
//! delivery, read, checked, sealed and stored chunk by chunk, while look-ups and orders come at a steady pace, against the
//! same look-ups and orders alone. What downloads notice, [`super::beside`] measures at a server of its own.
//!
//! The rows are made while they are read, on the thread that reads them: what that takes is measured beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use simyard_asn1::saip::Package;
use tokio::task::JoinSet;

use super::batch::{self, BLOCKS, Made};
use super::download::percentile_ms;
use super::{BenchError, process};
use crate::binding::RequestHeader;
use crate::binding::es2plus::DownloadOrderRequest;
use crate::domain::{Operator, ProfileType};
use crate::inventory::formats::{AnyForm, Format, Options};
use crate::inventory::{Delivery, Intent, Inventory};
use crate::profile::plan::Template;
use crate::profile::shipped;
use crate::smdp::download_order::download_order;
use crate::smdp::orders::{Caller, OrderSettings, Orders};
use crate::store::Identifier;

/// The most rows of one run: those of one delivery.
pub const MAX_ROWS: usize = 2_000_000;
/// How far apart look-ups and orders begin.
const PACE: Duration = Duration::from_millis(10);
/// The fewest profiles that there are to be ordered.
const STOCK_MIN: usize = 1_000;
/// So many rows for each of them: a delivery that takes them in more slowly than 5,000 a second outlasts the stock.
const ROWS_PER_ORDER: usize = 50;
/// The most orders that are placed alone: ten seconds.
const ALONE_MAX: usize = 1_000;
/// The most rows that are made to see how long that takes.
const MADE_MAX: usize = 100_000;

/// How long the calls of a kind took.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// How many there were.
    pub calls: usize,
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: f64,
    /// All but a hundredth took no longer, in milliseconds.
    pub p99_ms: f64,
}

/// How long look-ups and orders took.
#[derive(Clone, Debug, Serialize)]
pub struct Calls {
    /// One profile, looked for by its ICCID.
    pub look_ups: Latency,
    /// ES2+.DownloadOrder by type.
    pub orders: Latency,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Ingestion {
    /// Rows of the delivery, all of which were taken.
    pub rows: u64,
    /// In how many seconds, from its first octet to its receipt.
    pub seconds: f64,
    /// Rows a second.
    pub per_second: f64,
    /// The longest time between two chunks that were durable, in milliseconds: reading and storing one.
    pub longest_chunk_ms: f64,
    /// Rows a second that are made and not read.
    pub made_per_second: f64,
    /// The most memory that the process held before, in octets; `None` where the system does not tell.
    pub peak_before_octets: Option<u64>,
    /// The most memory that it held until the end.
    pub peak_octets: Option<u64>,
    /// Calls while nothing is delivered.
    pub alone: Calls,
    /// Calls during the delivery.
    pub beside: Calls,
}

/// What a run is made with.
pub struct Bench {
    /// Takes the deliveries; what is written stays in its store.
    pub inventory: Inventory,
    /// Rows of the delivery that is measured.
    pub rows: usize,
}

impl Bench {
    /// Runs it. The memory is that of the whole process, so whatever takes much of it comes behind.
    ///
    /// # Errors
    /// What kept it from its end.
    pub async fn run(&self) -> Result<Ingestion, BenchError> {
        let Inventory { clock, rng, .. } = &self.inventory;
        let built = shipped::find(shipped::DEFAULT).ok_or(BenchError::NoTemplate)?.build()?;
        let template = Template::compile(&Package::from_der(&built)?)?;
        let block = u32::from_be_bytes(rng.array()) % BLOCKS;
        let stock = (self.rows / ROWS_PER_ORDER).max(STOCK_MIN);
        let desk = self.desk(block)?;
        let delivery = Delivery::local(desk.caller.operator.clone(), desk.profile_type.clone(), None);
        let delivery = Delivery { template: Some(template.clone()), ..delivery };
        self.deliver(&delivery, block, stock).await?;

        let alone = (self.rows / 1_000).clamp(10, ALONE_MAX.min(stock / 2));
        let never = AtomicBool::new(false);
        let calls_alone = desk.calls(0..alone, &never).await?;
        let made_per_second = self.make(&template, block)?;

        let name = format!("bench-rows-{block}");
        let profile_type = ProfileType::parse(&name).ok_or(BenchError::NoTemplate)?;
        let measured = Delivery { profile_type, ..delivery };
        let peak_before_octets = process::peak_memory(std::process::id());
        let ended = Arc::new(AtomicBool::new(false));
        let beside = {
            let ended = Arc::clone(&ended);
            tokio::spawn(async move { desk.calls(alone..stock, &ended).await })
        };
        let begun = clock.monotonic();
        let taken = self.deliver(&measured, (block + 1) % BLOCKS, self.rows).await;
        let seconds = clock.monotonic().saturating_sub(begun).as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        let calls_beside = beside.await.map_err(|_| BenchError::Thread)??;
        let (rows, longest) = taken?;
        Ok(Ingestion {
            rows,
            seconds,
            per_second: per_second(rows, seconds),
            longest_chunk_ms: longest.as_secs_f64() * 1000.0,
            made_per_second,
            peak_before_octets,
            peak_octets: process::peak_memory(std::process::id()),
            alone: calls_alone,
            beside: calls_beside,
        })
    }

    /// Delivers the first profiles of a block; returns how many were taken, and the longest time that a chunk took.
    async fn deliver(
        &self,
        delivery: &Delivery,
        block: u32,
        count: usize,
    ) -> Result<(u64, Duration), BenchError> {
        let Inventory { clock, rng, .. } = &self.inventory;
        let template = delivery.template.clone().ok_or(BenchError::NoTemplate)?;
        let file = Made::new(template, block, 0..count, rng.clone());
        let options = Options { format: Some(Format::Csv), ..self.inventory.options(delivery) };
        let source = Box::new(AnyForm { options, accompanying: None });
        let (mut before, mut longest) = (clock.monotonic(), Duration::ZERO);
        let progress = |_| {
            let now = clock.monotonic();
            longest = longest.max(now.saturating_sub(before));
            before = now;
        };
        let receipt = self.inventory.ingest(file, source, delivery, Intent::TakeWhole, progress).await?;
        Ok((receipt.profiles, longest))
    }

    /// Makes rows that nobody reads; returns how many a second.
    fn make(&self, template: &Template, block: u32) -> Result<f64, BenchError> {
        let Inventory { clock, rng, .. } = &self.inventory;
        let count = self.rows.min(MADE_MAX);
        let begun = clock.monotonic();
        let mut file = Made::new(template.clone(), block, 0..count, rng.clone());
        std::io::copy(&mut file, &mut std::io::sink()).map_err(|_| BenchError::Thread)?;
        let seconds = clock.monotonic().saturating_sub(begun).as_secs_f64();
        Ok(per_second(u64::try_from(count).unwrap_or(u64::MAX), seconds))
    }

    fn desk(&self, block: u32) -> Result<Desk, BenchError> {
        let Inventory { store, clock, rng, .. } = &self.inventory;
        let (operator, name) = (Operator::parse("bench"), format!("bench-orders-{block}"));
        let orders = Orders {
            store: store.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            settings: OrderSettings::default(),
        };
        Ok(Desk {
            orders,
            caller: Caller::local(operator.ok_or(BenchError::NoTemplate)?),
            profile_type: ProfileType::parse(&name).ok_or(BenchError::NoTemplate)?,
            block,
        })
    }
}

/// Where profiles are looked for and ordered.
#[derive(Clone)]
struct Desk {
    orders: Orders,
    caller: Caller,
    profile_type: ProfileType,
    block: u32,
}

impl Desk {
    /// Begins the calls one after the other, none behind `ended` but the first, and waits for all.
    async fn calls(&self, numbers: std::ops::Range<usize>, ended: &AtomicBool) -> Result<Calls, BenchError> {
        let mut pace = tokio::time::interval(PACE);
        let (mut running, mut times) = (JoinSet::new(), Vec::with_capacity(numbers.len()));
        for number in numbers {
            pace.tick().await;
            if ended.load(Ordering::Relaxed) && !(running.is_empty() && times.is_empty()) {
                break;
            }
            let desk = self.clone();
            running.spawn(async move { desk.call(number).await });
            while let Some(done) = running.try_join_next() {
                times.push(done.map_err(|_| BenchError::Thread)??);
            }
        }
        while let Some(done) = running.join_next().await {
            times.push(done.map_err(|_| BenchError::Thread)??);
        }
        let (look_ups, orders) = times.into_iter().unzip();
        Ok(Calls { look_ups: latency(look_ups), orders: latency(orders) })
    }

    /// Looks for one profile and orders any; returns how long each took.
    async fn call(&self, number: usize) -> Result<(Duration, Duration), BenchError> {
        let Orders { store, clock, .. } = &self.orders;
        let iccid = batch::iccid(self.block, number)?;
        let header = RequestHeader {
            function_requester_identifier: self.caller.operator.as_str().to_owned(),
            function_call_identifier: iccid.to_string(),
        };
        let profile_type = Some(self.profile_type.as_str().to_owned());
        let request = DownloadOrderRequest { header, eid: None, iccid: None, profile_type };
        let begun = clock.monotonic();
        let found = store.stock_items_of(&Identifier::Iccid(iccid.clone())).await?;
        let looked = clock.monotonic();
        if found.is_empty() {
            return Err(BenchError::NotFound(iccid));
        }
        download_order(&self.orders, &self.caller, &request).await?;
        Ok((looked.saturating_sub(begun), clock.monotonic().saturating_sub(looked)))
    }
}

fn latency(mut times: Vec<Duration>) -> Latency {
    times.sort_unstable();
    Latency { calls: times.len(), p50_ms: percentile_ms(&times, 50), p99_ms: percentile_ms(&times, 99) }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is no exact number")]
pub(super) fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}
