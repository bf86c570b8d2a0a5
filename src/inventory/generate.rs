//! Subscriptions made here: numbers from pools, keys and codes from the generator, OPc from the operator's OP.
//!
//! They go in as a batch of their own, as a manufacturer's would ([`super::ingest`]). Numbers are drawn under identifiers
//! that follow from the batch's, and reserved until the batch is published: whoever repeats a generation that was cut off
//! goes on with the same numbers, and numbers of one that nobody repeats go back by themselves. Keys are drawn for each
//! subscription, and never twice the same, as far as the generator is one.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::operator_keys::{Op, OperatorKeyError, OperatorKeys};
use super::pools::{PoolError, Pools};
use super::receipt::Receipt;
use super::rows::{Delivered, DeliveredRow, Heading, ReadError, Sink, Source};
use super::sub_class::SubClass;
use super::{Delivery, IngestError, Intent, Inventory};
use crate::crypto::hash::sha256;
use crate::domain::pool::NUMBERS_MAX;
use crate::domain::{Actor, AllocationId, DeliveryId, Operator, Person, Pool, ProfileType};
use crate::env::Rng;
use crate::ident::{Iccid, Imsi, InvalidIdentifier};
use crate::profile::personal_data::{
    Algorithm, Code, CodeName, Codes, FurtherSubscription, KeySet, OtaKeySet, PersonalData, PhoneNumber,
    Role, Secret, Subscription,
};
use crate::profile::personal_row::RowData;
use crate::profile::plan::{Datum, PersonaliseError, Personaliser, Template};
use crate::store::StoreError;

/// The most subscriptions of one batch that is made here.
pub const GENERATED_MAX: u64 = 1_000_000;
/// How long numbers are held for a batch that is not published.
const HOLD: Duration = Duration::from_secs(3600);

/// IMSIs of one role.
#[derive(Clone, Debug)]
pub struct Slot {
    /// What they are for; the first slot is the home one.
    pub role: String,
    /// Where they come from.
    pub pool: Arc<Pool>,
    /// How many each subscription has.
    pub count: u32,
}

/// What subscriptions of a profile type are made from.
#[derive(Clone)]
pub struct Recipe {
    /// Who will own them.
    pub owner: Operator,
    /// Their type.
    pub profile_type: ProfileType,
    /// The kind of SIM.
    pub sub_class: SubClass,
    /// What packages are made from.
    pub template: Template,
    /// ICCIDs.
    pub iccids: Arc<Pool>,
    /// Telephone numbers of the home subscription, if it has one.
    pub msisdns: Option<Arc<Pool>>,
    /// IMSIs, the home one first.
    pub imsis: Vec<Slot>,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// Too few or too many.
    #[error("{0} subscriptions: 1 to {GENERATED_MAX} are possible in one batch")]
    Count(u64),
    /// OPc follows from OP with Milenage alone.
    #[error("the template asks for {}: OPc is made from OP for milenage alone", .0.name())]
    Algorithm(Algorithm),
    /// The IMSIs of the sub-class do not fit the template.
    #[error("subscriptions of sub-class {sub_class} do not fit the template: {cause}")]
    Template {
        /// The sub-class.
        sub_class: String,
        /// Why.
        cause: PersonaliseError,
    },
    /// A role of the sub-class is none that personal data have.
    #[error("{0:?} is no role of a further subscription")]
    Role(String),
    /// Numbers of an earlier attempt went back to their pool.
    #[error(
        "numbers that were drawn for this batch earlier went back to pool {0}: give the batch another name"
    )]
    NumbersGone(String),
    /// A pool has a number that is none.
    #[error(transparent)]
    Number(#[from] InvalidIdentifier),
    /// A pool did not give numbers.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// There is no OP, or it cannot be opened.
    #[error(transparent)]
    OperatorKey(#[from] OperatorKeyError),
    /// The batch was not taken.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes subscriptions.
pub struct Generator {
    /// Takes them in.
    pub inventory: Inventory,
    /// Gives numbers.
    pub pools: Pools,
    /// Gives OP.
    pub operator_keys: OperatorKeys,
}

impl Generator {
    /// Makes `count` subscriptions and takes them in as a batch. The same call under the same `delivery_id` makes nothing
    /// twice. `progress` hears how many were made so far.
    ///
    /// # Errors
    /// [`GenerateError`]; nothing is in the stock then.
    pub async fn generate(
        &self,
        recipe: &Recipe,
        count: u64,
        delivery_id: &DeliveryId,
        person: &Person,
        progress: impl FnMut(u64),
    ) -> Result<Receipt, GenerateError> {
        if !(1..=GENERATED_MAX).contains(&count) {
            return Err(GenerateError::Count(count));
        }
        let op = self.operator_keys.open(&recipe.owner).await?;
        check(recipe, &op, &self.inventory.rng)?;
        let plan = Plan {
            recipe: recipe.clone(),
            count,
            name: hex::encode(sha256(delivery_id.as_str().as_bytes())),
        };
        let failed = Arc::new(Mutex::new(None));
        let source = Generated {
            plan: plan.clone(),
            pools: self.pools.clone(),
            op,
            rng: self.inventory.rng.clone(),
            delivery_id: delivery_id.clone(),
            person: person.clone(),
            runtime: Handle::current(),
            failed: Arc::clone(&failed),
        };
        let delivery = Delivery {
            actor: Actor::Person(person.clone()),
            delivery_id: Some(delivery_id.clone()),
            sub_class: Some(Arc::new(recipe.sub_class.clone())),
            ..Delivery::local(
                recipe.owner.clone(),
                recipe.profile_type.clone(),
                Some(recipe.template.clone()),
            )
        };
        // What is asked for stands for the file: the same call again has the same digest.
        let request = format!("{} of {}\n", count, recipe.profile_type);
        let input = std::io::Cursor::new(request.into_bytes());
        let taken =
            self.inventory.ingest(input, Box::new(source), &delivery, Intent::TakeWhole, progress).await;
        if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let receipt = taken?;
        // A process that dies here leaves reservations; when they run out, they are found to be of the stock.
        for (_, draws) in plan.chunks() {
            for draw in draws {
                self.inventory.store.keep_numbers(&draw.id, self.inventory.clock.now()).await?;
            }
        }
        Ok(receipt)
    }
}

/// Whether a subscription of the recipe fits its template, before any number is drawn.
fn check(recipe: &Recipe, op: &Op, rng: &Rng) -> Result<(), GenerateError> {
    let first = |pool: &Pool| pool.range.number(0).unwrap_or_default();
    let imsis = recipe.imsis.iter().flat_map(|slot| {
        (0..slot.count).map(|_| (slot.role.as_str(), first(&slot.pool), slot.pool.as_ref()))
    });
    let numbers = Numbers {
        iccid: first(&recipe.iccids),
        msisdn: recipe.msisdns.as_deref().map(first),
        imsis: imsis.collect(),
    };
    let data = subscription(recipe, &numbers, op, rng)?;
    Personaliser::new(&recipe.template)
        .check(&data)
        .map_err(|cause| GenerateError::Template { sub_class: recipe.sub_class.name.to_string(), cause })
}

/// The numbers of one subscription.
struct Numbers<'a> {
    iccid: String,
    msisdn: Option<String>,
    /// Each with its role and its pool.
    imsis: Vec<(&'a str, String, &'a Pool)>,
}

/// Makes one subscription.
fn subscription(
    recipe: &Recipe,
    numbers: &Numbers<'_>,
    op: &Op,
    rng: &Rng,
) -> Result<PersonalData, GenerateError> {
    let template = &recipe.template;
    let requirements = template.requirements();
    let mut made = Vec::with_capacity(numbers.imsis.len());
    for (place, (role, imsi, pool)) in numbers.imsis.iter().enumerate() {
        let mut subscription = Subscription::new(Imsi::parse(imsi)?);
        if template.has(Datum::MncLength(place)) {
            let digits = pool.mcc_mnc.as_ref().map(|code| code.len().saturating_sub(3));
            subscription.mnc_length = digits.and_then(|digits| u8::try_from(digits).ok());
        }
        made.push((*role, subscription));
    }
    let keys = |place: usize| match requirements.algorithms.get(place) {
        None | Some(Algorithm::Milenage) => {
            let key = Secret::random(rng);
            Ok(KeySet::milenage(&key, &op.opc(&key)))
        }
        Some(other) => Err(GenerateError::Algorithm(*other)),
    };
    let mut made = made.into_iter();
    let Some((_, mut home)) = made.next() else { return Err(GenerateError::Role(String::new())) };
    // Pools have international numbers, without the sign.
    home.msisdn = numbers.msisdn.as_ref().and_then(|digits| PhoneNumber::parse(&format!("+{digits}")));
    let mut data = PersonalData {
        iccid: Iccid::parse(&numbers.iccid)?,
        home,
        keys: keys(0)?,
        further: Vec::new(),
        codes: Codes::default(),
        ota: Vec::new(),
    };
    for (place, (role, subscription)) in (1..).zip(made) {
        let role = Role::parse(role).ok_or_else(|| GenerateError::Role(role.to_owned()))?;
        // An entry of a multi-IMSI table may share the keys of the home subscription.
        let keys = if template.has(Datum::Key(place)) { Some(keys(place)?) } else { None };
        data.further.push(FurtherSubscription { role, subscription, keys });
    }
    for name in &requirements.codes {
        data.codes.set(*name, code(*name, rng));
    }
    if !requirements.ota.is_empty() {
        data.ota = OtaKeySet::drawn(rng, &requirements.ota);
    }
    Ok(data)
}

/// A PIN of four digits, a PUK or an administrative code of eight.
fn code(name: CodeName, rng: &Rng) -> Code {
    let mut octets = zeroize::Zeroizing::new([0xFF_u8; 8]);
    let digits = if name == CodeName::PIN1 || name == CodeName::PIN2 { 4 } else { 8 };
    for octet in octets.iter_mut().take(digits) {
        *octet = b'0' + digit(rng);
    }
    Code::from_octets(*octets)
}

/// Each digit is as likely as any other.
fn digit(rng: &Rng) -> u8 {
    loop {
        let [octet] = rng.array();
        if octet < 250 {
            return octet % 10;
        }
    }
}

/// Which numbers are drawn under which identifiers.
#[derive(Clone)]
struct Plan {
    recipe: Recipe,
    count: u64,
    /// Of the batch, in the form that identifiers have.
    name: String,
}

/// One call on a pool.
struct PlannedDraw {
    pool: Arc<Pool>,
    id: AllocationId,
    count: u32,
}

impl Plan {
    /// Subscriptions of one chunk: as many as the store gives numbers of any slot at a time.
    fn chunk_size(&self) -> u32 {
        let most = self.recipe.imsis.iter().map(|slot| slot.count).max().unwrap_or(1);
        NUMBERS_MAX / most.max(1)
    }

    /// Each chunk with its draws: ICCIDs, then telephone numbers if there are any, then the IMSIs slot by slot.
    fn chunks(&self) -> impl Iterator<Item = (u32, Vec<PlannedDraw>)> {
        let size = u64::from(self.chunk_size());
        (0..self.count.div_ceil(size)).map(move |chunk| {
            let left = self.count - chunk * size;
            let count = u32::try_from(left.min(size)).unwrap_or(NUMBERS_MAX);
            (count, self.draws(chunk, count))
        })
    }

    fn draws(&self, chunk: u64, count: u32) -> Vec<PlannedDraw> {
        let recipe = &self.recipe;
        let slots = recipe.imsis.iter().map(|slot| (&slot.pool, count * slot.count));
        let pools = std::iter::once((&recipe.iccids, count))
            .chain(recipe.msisdns.as_ref().map(|pool| (pool, count)))
            .chain(slots);
        let draw = |(number, (pool, count)): (usize, (&Arc<Pool>, u32))| PlannedDraw {
            pool: Arc::clone(pool),
            id: AllocationId::of_part(&self.name, chunk, number),
            count,
        };
        pools.enumerate().filter(|(_, (_, count))| *count > 0).map(draw).collect()
    }
}

/// Subscriptions as a delivery.
struct Generated {
    plan: Plan,
    pools: Pools,
    op: Op,
    rng: Rng,
    delivery_id: DeliveryId,
    person: Person,
    runtime: Handle,
    /// Why it ended early: whoever reads a delivery knows of files alone.
    failed: Arc<Mutex<Option<GenerateError>>>,
}

impl Source for Generated {
    fn read(self: Box<Self>, _: &mut dyn Read, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let heading = Heading {
            delivery_id: Some(self.delivery_id.clone()),
            quantity: Some(self.plan.count),
            ..Heading::default()
        };
        if sink.heading(&heading).is_break() {
            return Ok(());
        }
        self.rows(sink).map_err(|error| {
            let told = ReadError::Read(std::io::Error::other(error.to_string()));
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            told
        })
    }
}

impl Generated {
    fn rows(&self, sink: &mut dyn Sink) -> Result<(), GenerateError> {
        let recipe = &self.plan.recipe;
        let mut line = 0;
        for (count, draws) in self.plan.chunks() {
            let mut drawn = Vec::with_capacity(draws.len());
            for draw in draws {
                drawn.push(self.draw(&draw)?.into_iter());
            }
            let mut drawn = drawn.iter_mut();
            let (Some(iccids), mut msisdns) =
                (drawn.next(), recipe.msisdns.as_ref().and_then(|_| drawn.next()))
            else {
                return Ok(());
            };
            let mut slots: Vec<_> = recipe.imsis.iter().filter(|slot| slot.count > 0).zip(drawn).collect();
            for _ in 0..count {
                line += 1;
                let mut imsis = Vec::new();
                for (slot, numbers) in &mut slots {
                    let taken = numbers.by_ref().take(usize::try_from(slot.count).unwrap_or(0));
                    imsis.extend(taken.map(|imsi| (slot.role.as_str(), imsi, slot.pool.as_ref())));
                }
                let numbers = Numbers {
                    iccid: iccids.next().unwrap_or_default(),
                    msisdn: msisdns.as_mut().and_then(|msisdns| msisdns.next()),
                    imsis,
                };
                let data = subscription(recipe, &numbers, &self.op, &self.rng)?;
                let outcome = Ok(Delivered::Subscription(Box::new(RowData { data, eid: None })));
                if let ControlFlow::Break(()) = sink.row(DeliveredRow { line, outcome }) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// This is the thread that prepares rows; the store answers on the runtime.
    fn draw(&self, draw: &PlannedDraw) -> Result<Vec<String>, GenerateError> {
        let id = Some(draw.id.clone());
        let drawn = self.pools.draw(&draw.pool, draw.count, id, Some(HOLD), &self.person);
        let drawn = self.runtime.block_on(drawn)?;
        if drawn.numbers.len() != usize::try_from(draw.count).unwrap_or(usize::MAX) {
            return Err(GenerateError::NumbersGone(draw.pool.name.to_string()));
        }
        Ok(drawn.numbers)
    }
}
