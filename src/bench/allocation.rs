//! How fast numbers and subscriptions are allocated: callers at the same time, each of whom asks again as soon as it is
//! answered, against the engine's own bulk insert of as many rows. What was given is looked through for duplicates.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;

use super::BenchError;
use crate::domain::{NumberKind, NumberRange, Operator, Person, Pool, PoolName, ProfileType};
use crate::env::{Clock, Rng};
use crate::ident::{Iccid, Imsi};
use crate::inventory::allocation::{Allocator, TypeRules};
use crate::inventory::pools::Pools;
use crate::store::{Batch, NewImsi, NewProfile, Package, PackageKind, ROWS_MAX, Store};

/// The most allocations of one run: what the numbers of one run have digits for.
pub const MAX_ALLOCATIONS: usize = 1_000_000;
/// Octets of a sealed content, about as many as personal data take.
const SEALED_OCTETS: usize = 256;

/// What one kind of calls came to.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Calls that were answered.
    pub calls: usize,
    /// In how many seconds.
    pub seconds: f64,
    /// Calls a second.
    pub per_second: f64,
    /// Commits that wrote them.
    pub commits: u64,
    /// Half of the calls took no longer, in milliseconds.
    pub p50_ms: f64,
    /// All but a hundredth took no longer, in milliseconds.
    pub p99_ms: f64,
    /// How many were given twice: anything but 0 is a fault.
    pub duplicates: usize,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Allocations {
    /// Callers at a time.
    pub callers: usize,
    /// Numbers drawn from a pool, one by one.
    pub numbers: Measured,
    /// Subscriptions set aside, one by one.
    pub subscriptions: Measured,
    /// Rows a second that the engine inserts in bulk, in one transaction without a look at anything.
    pub bulk_per_second: f64,
    /// Calls for numbers by rows in bulk.
    pub numbers_by_bulk: f64,
    /// Calls for subscriptions by rows in bulk.
    pub subscriptions_by_bulk: f64,
}

/// What a run is made with.
pub struct Bench {
    /// The store; what is written stays in it.
    pub store: Store,
    /// Measures.
    pub clock: Clock,
    /// The numbers of two runs differ, so that a store may see several.
    pub rng: Rng,
    /// Callers at a time.
    pub callers: usize,
    /// Calls of each kind.
    pub calls: usize,
}

impl Bench {
    /// Runs it.
    ///
    /// # Errors
    /// What kept it from its end.
    pub async fn run(&self) -> Result<Allocations, BenchError> {
        let block = u32::from_be_bytes(self.rng.array()) % 10_000;
        let numbers = self.numbers(block).await?;
        let subscriptions = self.subscriptions(block).await?;
        let bulk_per_second = self.bulk(block).await?;
        Ok(Allocations {
            callers: self.callers,
            numbers_by_bulk: numbers.per_second / bulk_per_second,
            subscriptions_by_bulk: subscriptions.per_second / bulk_per_second,
            numbers,
            subscriptions,
            bulk_per_second,
        })
    }

    async fn numbers(&self, block: u32) -> Result<Measured, BenchError> {
        let pool = Arc::new(pool("draw", block, 0, self.calls)?);
        let desk = Pools {
            store: self.store.clone(),
            pools: vec![Arc::clone(&pool)],
            clock: self.clock.clone(),
            rng: self.rng.clone(),
        };
        self.measure(move || {
            let (desk, pool) = (desk.clone(), Arc::clone(&pool));
            async move {
                let drawn = desk.draw(&pool, 1, None, None, &person()).await;
                Ok(drawn.map_err(|error| BenchError::Allocation(error.to_string()))?.numbers)
            }
        })
        .await
    }

    async fn subscriptions(&self, block: u32) -> Result<Measured, BenchError> {
        let rules = TypeRules {
            owner: operator()?,
            profile_type: ProfileType::parse(&format!("bench-{block}")).ok_or(BenchError::NoTemplate)?,
            reusable: false,
            quarantine: Duration::ZERO,
        };
        self.stock(block, &rules).await?;
        let allocator =
            Allocator { store: self.store.clone(), clock: self.clock.clone(), rng: self.rng.clone() };
        let rules = Arc::new(rules);
        self.measure(move || {
            let (allocator, rules) = (allocator.clone(), Arc::clone(&rules));
            async move {
                let taken = allocator.set_aside(&rules, 1, None, None, &person()).await;
                let taken = taken.map_err(|error| BenchError::Allocation(error.to_string()))?;
                Ok(taken.iccids.iter().map(ToString::to_string).collect())
            }
        })
        .await
    }

    /// As many subscriptions as there are calls.
    async fn stock(&self, block: u32, rules: &TypeRules) -> Result<(), BenchError> {
        let profile = |number: usize| -> Result<NewProfile, BenchError> {
            let imsi = Imsi::parse(&format!("9015{block:04}{number:07}"))?;
            Ok(NewProfile {
                iccid: Iccid::parse(&format!("89882802{block:04}{number:07}"))?,
                imsis: vec![NewImsi { imsi, role: "home".to_owned(), msisdn: None }],
                package: Package {
                    kind: PackageKind::PersonalData,
                    sealed: vec![0x5A; SEALED_OCTETS],
                    needs: None,
                },
            })
        };
        for (part, first) in (0..self.calls).step_by(ROWS_MAX).enumerate() {
            let numbers = first..self.calls.min(first + ROWS_MAX);
            let profiles = numbers.map(profile).collect::<Result<Vec<_>, _>>()?;
            let batch_id = format!("bench-{block:04}-{part:04}");
            let owner = rules.owner.clone();
            let batch = Batch::local(&batch_id, owner, rules.profile_type.clone(), self.clock.now());
            self.store.insert_batch(&batch, &profiles, [0; 32]).await?;
        }
        Ok(())
    }

    /// Callers at the same time, each with its share of the calls.
    async fn measure<F>(&self, call: impl Fn() -> F + Clone + Send + 'static) -> Result<Measured, BenchError>
    where
        F: Future<Output = Result<Vec<String>, BenchError>> + Send,
    {
        let begun = (self.clock.monotonic(), self.store.commits());
        let mut callers = JoinSet::new();
        for caller in 0..self.callers {
            let share = self.calls / self.callers + usize::from(caller < self.calls % self.callers);
            let (call, clock) = (call.clone(), self.clock.clone());
            callers.spawn(async move {
                let mut answers = Vec::with_capacity(share);
                for _ in 0..share {
                    let at = clock.monotonic();
                    let given = call().await?;
                    answers.push((given, clock.monotonic().saturating_sub(at)));
                }
                Ok::<_, BenchError>(answers)
            });
        }
        let mut answers = Vec::with_capacity(self.calls);
        while let Some(of_one) = callers.join_next().await {
            answers.extend(of_one.map_err(|_| BenchError::Thread)??);
        }
        let seconds = self.clock.monotonic().saturating_sub(begun.0).as_secs_f64();
        let mut seen = HashSet::with_capacity(answers.len());
        let given = answers.iter().flat_map(|(given, _)| given);
        let duplicates = given.filter(|number| !seen.insert(number.as_str())).count();
        let mut times: Vec<Duration> = answers.iter().map(|(_, time)| *time).collect();
        times.sort_unstable();
        Ok(Measured {
            calls: answers.len(),
            seconds,
            per_second: per_second(answers.len(), seconds),
            commits: self.store.commits().saturating_sub(begun.1),
            p50_ms: super::download::percentile_ms(&times, 50),
            p99_ms: super::download::percentile_ms(&times, 99),
            duplicates,
        })
    }

    async fn bulk(&self, block: u32) -> Result<f64, BenchError> {
        let pool = pool("bulk", block, 1, self.calls)?;
        let numbers: Vec<String> =
            (0..pool.range.size()).filter_map(|place| pool.range.number(place)).collect();
        let begun = self.clock.monotonic();
        self.store.insert_numbers_in_bulk(&pool, &numbers, &person(), self.clock.now()).await?;
        let seconds = self.clock.monotonic().saturating_sub(begun).as_secs_f64();
        Ok(per_second(numbers.len(), seconds))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is no exact number")]
fn per_second(count: usize, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

fn operator() -> Result<Operator, BenchError> {
    Operator::parse("bench").ok_or(BenchError::NoTemplate)
}

fn person() -> Person {
    Person::parse("bench").unwrap_or_else(Person::unknown)
}

/// A pool of as many numbers as there are calls.
fn pool(name: &str, block: u32, kind: u32, calls: usize) -> Result<Pool, BenchError> {
    let number = |place: usize| format!("9016{kind}{block:04}{place:06}");
    let range = NumberRange::new(NumberKind::Imsi, &number(0), &number(calls.saturating_sub(1)), false);
    Ok(Pool {
        name: PoolName::parse(&format!("bench-{name}-{block}")).ok_or(BenchError::NoTemplate)?,
        kind: NumberKind::Imsi,
        operator: operator()?,
        mcc_mnc: None,
        purpose: None,
        range: range.map_err(|error| BenchError::Allocation(error.to_string()))?,
        low_water: 0,
        quarantine: Duration::ZERO,
    })
}
