//! Pools: numbers drawn from ranges, kept, given back and retired.
//!
//! | call | repeated | late |
//! |---|---|---|
//! | [`Pools::draw`] | the same numbers, as far as they were not given back | as at the first time |
//! | [`Pools::change`] to keep | nothing changes | refused once the reservation ran out |
//! | [`Pools::change`] to give back | refused: they are in quarantine | as at the first time |
//! | [`Pools::change`] to retire | refused: they are retired | as at the first time |

use std::sync::Arc;
use std::time::Duration;

use crate::domain::pool::NUMBERS_MAX;
use crate::domain::{AllocationId, Person, Pool, PoolName};
use crate::env::{Clock, Rng, Timestamp};
use crate::store::{Draw, Drawn, NumberChange, Store, StoreError};

pub use crate::store::{NumberError, PoolLevel};

/// The pools of the settings, over a store.
#[derive(Clone)]
pub struct Pools {
    /// The store.
    pub store: Store,
    /// All of them.
    pub pools: Vec<Arc<Pool>>,
    /// The time.
    pub clock: Clock,
    /// Identifiers of calls that bring none.
    pub rng: Rng,
}

/// Numbers that were drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawnNumbers {
    /// Under which identifier.
    pub allocation_id: AllocationId,
    /// The numbers in their order.
    pub numbers: Vec<String>,
    /// Until when they are reserved.
    pub held_until: Option<Timestamp>,
    /// Whether an earlier call drew them.
    pub repeated: bool,
}

/// What shall become of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Allocated for good.
    Keep,
    /// Given back.
    GiveBack,
    /// Put into quarantine, whether somebody had them or not.
    Quarantine,
    /// Never to be used again.
    Retire,
}

/// Why a call on a pool did nothing.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// No such pool.
    #[error("no [[pool]] is named {0}")]
    Unknown(String),
    /// Too few or too many at a time.
    #[error("{0} numbers at a time: 1 to {NUMBERS_MAX} are possible")]
    Count(usize),
    /// Not so many are left.
    #[error("pool {pool} has not {count} numbers left: {left} are; give it a longer range, or take fewer")]
    Exhausted {
        /// The pool.
        pool: PoolName,
        /// How many were asked for.
        count: u32,
        /// How many there are at most.
        left: u64,
    },
    /// The next numbers are in use, for most.
    #[error("most of the next numbers of pool {0} are in use already: take fewer at a time")]
    Scattered(PoolName),
    /// The identifier was used for something else.
    #[error("allocation {0} stands for another request: choose another identifier")]
    OtherRequest(AllocationId),
    /// A number that does not belong to the pool.
    #[error("{number} is no number of pool {pool}")]
    NotOfPool {
        /// The number.
        number: String,
        /// The pool.
        pool: PoolName,
    },
    /// A number could not be changed.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Pools {
    /// A pool by its name.
    ///
    /// # Errors
    /// [`PoolError::Unknown`].
    pub fn find(&self, name: &str) -> Result<&Arc<Pool>, PoolError> {
        let mut pools = self.pools.iter();
        pools.find(|pool| pool.name.as_str() == name).ok_or_else(|| PoolError::Unknown(name.to_owned()))
    }

    /// Draws numbers, all or none, for good or for a time. Without an identifier the call cannot be repeated, and gets one
    /// that nobody else has.
    ///
    /// # Errors
    /// [`PoolError`]; nothing was drawn then.
    pub async fn draw(
        &self,
        pool: &Arc<Pool>,
        count: u32,
        allocation_id: Option<AllocationId>,
        hold: Option<Duration>,
        person: &Person,
    ) -> Result<DrawnNumbers, PoolError> {
        if !(1..=NUMBERS_MAX).contains(&count) {
            return Err(PoolError::Count(usize::try_from(count).unwrap_or(usize::MAX)));
        }
        let now = self.clock.now();
        let allocation_id = allocation_id.unwrap_or_else(|| new_allocation_id(&self.rng));
        let draw = Draw {
            allocation_id,
            pool: Arc::clone(pool),
            count,
            held_until: hold.map(|hold| now.plus(hold)),
            person: person.clone(),
            at: now,
        };
        match self.store.draw(&draw).await? {
            Drawn::Numbers { numbers, repeated } => {
                let held_until = if repeated {
                    let earlier = self.store.allocation(&draw.allocation_id).await?;
                    earlier.and_then(|earlier| earlier.held_until)
                } else {
                    draw.held_until
                };
                Ok(DrawnNumbers { allocation_id: draw.allocation_id, numbers, held_until, repeated })
            }
            Drawn::Exhausted => {
                let left = self.store.pool_level(pool, now).await?.left();
                Err(PoolError::Exhausted { pool: pool.name.clone(), count, left })
            }
            Drawn::Scattered => Err(PoolError::Scattered(pool.name.clone())),
            Drawn::OtherRequest => Err(PoolError::OtherRequest(draw.allocation_id)),
        }
    }

    /// Says what becomes of numbers of a pool, all or none.
    ///
    /// # Errors
    /// [`PoolError`]; nothing was changed then.
    pub async fn change(
        &self,
        pool: &Pool,
        numbers: &[String],
        fate: Fate,
        person: &Person,
    ) -> Result<(), PoolError> {
        if numbers.is_empty() || numbers.len() > usize::try_from(NUMBERS_MAX).unwrap_or(usize::MAX) {
            return Err(PoolError::Count(numbers.len()));
        }
        for number in numbers {
            let place = pool.range.place(number);
            if place.and_then(|place| pool.range.number(place)).as_ref() != Some(number) {
                return Err(PoolError::NotOfPool { number: number.clone(), pool: pool.name.clone() });
            }
        }
        let now = self.clock.now();
        let until = now.plus(pool.quarantine);
        let change = match fate {
            Fate::Keep => NumberChange::Keep,
            Fate::GiveBack => NumberChange::GiveBack(until),
            Fate::Quarantine => NumberChange::Quarantine(until),
            Fate::Retire => NumberChange::Retire,
        };
        Ok(self.store.change_numbers(pool, numbers, change, person, now).await?)
    }

    /// How full each pool is.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn levels(&self) -> Result<Vec<(Arc<Pool>, PoolLevel)>, StoreError> {
        let mut levels = Vec::with_capacity(self.pools.len());
        for pool in &self.pools {
            levels.push((Arc::clone(pool), self.level(pool).await?));
        }
        Ok(levels)
    }

    /// How full a pool is.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn level(&self, pool: &Pool) -> Result<PoolLevel, StoreError> {
        self.store.pool_level(pool, self.clock.now()).await
    }

    /// Pools behind `after` in the order of names, `limit` at most, and how full each is.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn levels_after(
        &self,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(Arc<Pool>, PoolLevel)>, StoreError> {
        let mut pools: Vec<&Arc<Pool>> =
            self.pools.iter().filter(|pool| pool.name.as_str() > after).collect();
        pools.sort_by(|one, other| one.name.cmp(&other.name));
        let mut levels = Vec::new();
        for pool in pools.into_iter().take(limit) {
            levels.push((Arc::clone(pool), self.level(pool).await?));
        }
        Ok(levels)
    }
}

/// An identifier that nobody has.
#[must_use]
pub fn new_allocation_id(rng: &Rng) -> AllocationId {
    AllocationId::of_octets(&rng.array::<12>())
}

/// Whether a pool has fewer numbers left than it should.
#[must_use]
pub const fn is_low(pool: &Pool, level: &PoolLevel) -> bool {
    level.left() < pool.low_water
}
