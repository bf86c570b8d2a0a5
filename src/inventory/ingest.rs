//! A delivery into the store: published whole, or of no effect.
//!
//! Rows go in by chunks while they are read, under a batch that nobody sees and that holds their numbers; then one short
//! change publishes it. Whoever repeats a delivery, by the name that the manufacturer gave it, changes nothing and is told
//! so; another file under the same name is refused. If this process dies, the lease of the batch runs out and
//! [`Inventory::remove_given_up`] removes it.
//!
//! Of two deliveries at the same time that have a number in common, the one that began first waits for the other to end or
//! to give way, and the other gives way: so one of them wins, whole.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::formats::{AnyForm, Format, Options};
use super::goods::{Goods, Remembered};
use super::prepare::{Piece, Preparation, PrepareError, Rows, Wanted};
use super::receipt::{Receipt, Refusal, Refusals, counted};
use super::rows::{Heading, Source};
use super::sub_class::SubClass;
use crate::crypto::seal::Sealer;
use crate::domain::{
    Action, Actor, AuditSubject, DeliveryId, Manufacturer, Mode, NewAuditEntry, Operator, ProfileType,
};
use crate::env::{Clock, Rng};
use crate::ident::{Iccid, IssuerRanges, Peer};
use crate::pki::Anchors;
use crate::profile::plan::Template;
use crate::store::{
    Batch, BatchKind, BatchRecord, BatchState, Begun, Held, Holder, Lease, Store, StoreError, Totals,
};

/// How long a batch is held without a sign of life of its receiver.
const LEASE: Duration = Duration::from_secs(30);
/// How often a receiver that waits for rows gives one.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// How often a receiver looks whether another one gave way.
const WAIT_FOR_OTHER: Duration = Duration::from_millis(100);
/// Pieces that wait between reading and storing.
const PIECES: usize = 2;

/// Where deliveries go.
#[derive(Clone)]
pub struct Inventory {
    /// The store.
    pub store: Store,
    /// Seals what is secret.
    pub sealer: Sealer,
    /// The time.
    pub clock: Clock,
    /// Identifiers of batches.
    pub rng: Rng,
    /// Whether test profiles come in.
    pub mode: Mode,
}

/// Whose profiles are delivered, by whom, and of which type.
#[derive(Clone)]
pub struct Delivery {
    /// Who delivers.
    pub manufacturer: Manufacturer,
    /// Whose hand brings it in, for the audit.
    pub actor: Actor,
    /// Where it is brought in from; `None` at the server itself.
    pub peer: Option<Peer>,
    /// What the manufacturer calls it, if somebody says so beside the file.
    pub delivery_id: Option<DeliveryId>,
    /// What it is called where neither the file nor anybody beside it says so.
    pub unnamed_id: Option<DeliveryId>,
    /// The operator that will own them.
    pub owner: Operator,
    /// Their type.
    pub profile_type: ProfileType,
    /// The kind of SIM that they are for.
    pub sub_class: Option<Arc<SubClass>>,
    /// How the issuers of ICCIDs form them.
    pub ranges: Arc<IssuerRanges>,
    /// Whom certificates of eUICCs are verified under; without it, rows with certificates are refused.
    pub trust: Option<Arc<Anchors>>,
    /// What the type makes packages from: rows that do not fit it are refused. `None` where that shows later, when the
    /// first package is made.
    pub template: Option<Template>,
}

impl Delivery {
    /// A delivery at the server itself, for SIMs of no special kind, by nobody's hand.
    #[must_use]
    pub fn local(owner: Operator, profile_type: ProfileType, template: Option<Template>) -> Self {
        let manufacturer = Manufacturer::local();
        Self {
            manufacturer,
            actor: Actor::Server,
            peer: None,
            delivery_id: None,
            unnamed_id: None,
            owner,
            profile_type,
            sub_class: None,
            ranges: Arc::default(),
            trust: None,
            template,
        }
    }
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// All of it is taken, or nothing.
    TakeWhole,
    /// What is good of it is taken.
    TakeGood,
    /// It is looked at, and nothing is taken.
    Try,
}

/// Why nothing of a delivery was taken.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// It cannot be read, or not sealed.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Rows were refused; the receipt has them.
    #[error("{} of {} rows are refused", .0.refused, .0.rows)]
    Refused(Box<Receipt>),
    /// The file says that it is another delivery than the caller.
    #[error("the file says that it is delivery {file}, not {asked}")]
    OtherDelivery {
        /// In the file.
        file: DeliveryId,
        /// Beside it.
        asked: DeliveryId,
    },
    /// Another file was delivered under this name.
    #[error("delivery {0} was taken from another file already: give this one a name of its own")]
    OtherFile(DeliveryId),
    /// Somebody takes in a delivery of this name now.
    #[error("delivery {0} is being taken in now: ask again in half a minute")]
    ComingIn(DeliveryId),
    /// The reading thread is gone.
    #[error("the delivery could not be read to its end")]
    Thread,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl IngestError {
    /// Whether the delivery itself is at fault: it is refused whenever it comes.
    const fn is_refusal(&self) -> bool {
        match self {
            Self::Prepare(_) | Self::Refused(_) | Self::OtherDelivery { .. } | Self::OtherFile(_) => true,
            Self::ComingIn(_) | Self::Thread | Self::Store(_) => false,
        }
    }
}

impl Inventory {
    /// Takes a delivery. `progress` hears how many rows were looked at so far.
    ///
    /// # Errors
    /// [`IngestError`]; nothing was taken then.
    pub async fn ingest(
        &self,
        input: impl Read + Send + 'static,
        source: Box<dyn Source>,
        delivery: &Delivery,
        intent: Intent,
        progress: impl FnMut(u64),
    ) -> Result<Receipt, IngestError> {
        let outcome = self.take_in(input, source, delivery, intent, progress).await;
        if let Err(error) = &outcome
            && error.is_refusal()
            && intent != Intent::Try
        {
            let called = delivery.delivery_id.as_ref().map_or("", |id| id.as_str());
            self.tell_refused(&delivery.actor, delivery.peer, called, &error.to_string()).await;
        }
        outcome
    }

    /// Writes into the audit that a delivery was refused, and why. Nothing else came of it, so who delivers is answered all the
    /// same if that fails.
    pub async fn tell_refused(&self, actor: &Actor, peer: Option<Peer>, called: &str, why: &str) {
        let subject = AuditSubject::new("delivery", called);
        let entry = NewAuditEntry::new(self.clock.now(), actor.clone(), Action::BATCH_PUBLISH, subject);
        let entry = match peer {
            Some(peer) => entry.from_peer(peer, &self.rng),
            None => entry,
        };
        if let Err(error) = self.store.record(vec![entry.refused(why)]).await {
            tracing::warn!(%error, "that a delivery was refused could not be written into the audit");
        }
    }

    async fn take_in(
        &self,
        input: impl Read + Send + 'static,
        source: Box<dyn Source>,
        delivery: &Delivery,
        intent: Intent,
        mut progress: impl FnMut(u64),
    ) -> Result<Receipt, IngestError> {
        let preparation = Preparation {
            sealer: self.sealer.clone(),
            mode: self.mode,
            template: delivery.template.clone(),
            sub_class: delivery.sub_class.clone(),
        };
        let (to, mut pieces) = mpsc::channel(PIECES);
        let thread = std::thread::Builder::new().name("delivery".to_owned());
        thread.spawn(move || preparation.run(input, source, &to)).map_err(|_| IngestError::Thread)?;
        let Some(first) = pieces.recv().await else { return Err(IngestError::Thread) };
        let (heading, wanted) = match first {
            Piece::Heading(heading, wanted) => (heading, wanted),
            Piece::End(Err(error), _) => return Err(error.into()),
            Piece::Rows(_) | Piece::End(Ok(()), _) => return Err(IngestError::Thread),
        };
        let kind = heading.kind();
        let delivery_id = delivery_id(delivery, &heading)?;
        match self.begin(delivery, delivery_id, kind, intent).await? {
            Start::Repeated(record) => {
                // If the reader is gone, no digest comes.
                let _ = wanted.send(Wanted::Digest);
                repeated(&record, digest(&mut pieces).await?)
            }
            Start::New(batch, lease) => {
                let _ = wanted.send(Wanted::Rows);
                let mut desk = Desk {
                    inventory: self,
                    delivery,
                    batch,
                    lease,
                    intent,
                    totals: Counted::default(),
                    refusals: Refusals::default(),
                    remembered: Remembered::default(),
                };
                let outcome = desk.take(&mut pieces, &mut progress).await;
                desk.end(outcome).await
            }
        }
    }

    /// Takes a table with named columns whole, its keys in the clear where the mode allows it.
    ///
    /// # Errors
    /// [`IngestError`]; nothing was taken then.
    pub async fn ingest_csv(
        &self,
        file: impl Read + Send + 'static,
        delivery: &Delivery,
    ) -> Result<Receipt, IngestError> {
        let options = Options { format: Some(Format::Csv), ..self.options(delivery) };
        self.ingest_form(file, options, delivery).await
    }

    /// Takes ready-made profile packages, one after the other in the file.
    ///
    /// # Errors
    /// [`IngestError`]; nothing was taken then.
    pub async fn ingest_package(
        &self,
        der: impl Read + Send + 'static,
        delivery: &Delivery,
    ) -> Result<Receipt, IngestError> {
        let options = Options { format: Some(Format::Packages), ..self.options(delivery) };
        self.ingest_form(der, options, delivery).await
    }

    /// How a file of the delivery is read where nobody says more.
    #[must_use]
    pub fn options(&self, delivery: &Delivery) -> Options {
        let requirements = delivery.template.as_ref().map(Template::requirements);
        Options {
            ranges: Arc::clone(&delivery.ranges),
            imsis: delivery.sub_class.as_ref().map(|sub_class| sub_class.imsis()),
            trust: delivery.trust.as_ref().map(|anchors| (Arc::clone(anchors), self.clock.now())),
            ..Options::new(requirements, self.rng.clone(), self.mode)
        }
    }

    async fn ingest_form(
        &self,
        file: impl Read + Send + 'static,
        options: Options,
        delivery: &Delivery,
    ) -> Result<Receipt, IngestError> {
        let source = Box::new(AnyForm { options, accompanying: None });
        self.ingest(file, source, delivery, Intent::TakeWhole, |_| {}).await
    }

    /// Begins the batch, behind one of the same name that was given up.
    async fn begin(
        &self,
        delivery: &Delivery,
        delivery_id: Option<DeliveryId>,
        kind: BatchKind,
        intent: Intent,
    ) -> Result<Start, IngestError> {
        loop {
            let now = self.clock.now();
            let batch = Batch {
                batch_id: Batch::new_id(now, &self.rng),
                manufacturer: delivery.manufacturer.clone(),
                // A trial is none of the manufacturer's deliveries.
                delivery_id: delivery_id.clone().filter(|_| intent != Intent::Try),
                kind,
                owner: delivery.owner.clone(),
                profile_type: delivery.profile_type.clone(),
                sub_class: delivery.sub_class.as_ref().map(|sub_class| sub_class.name.clone()),
                received_at: now,
            };
            if let (Intent::Try, Some(id)) = (intent, &delivery_id)
                && let Some(there) = self.store.batch_of_delivery(&batch.manufacturer, id).await?
                && matches!(there.state, BatchState::Published(_))
            {
                return Ok(Start::Repeated(Box::new(there)));
            }
            let lease = Lease::new(&self.rng, now, LEASE);
            let there = match self.store.begin_batch(&batch, &lease).await? {
                Begun::New => return Ok(Start::New(batch, lease)),
                Begun::There(there) => there,
            };
            match (&there.state, &delivery_id) {
                (BatchState::Published(_), _) | (_, None) => return Ok(Start::Repeated(there)),
                (BatchState::ComingIn(until), Some(id)) if *until > now => {
                    return Err(IngestError::ComingIn(id.clone()));
                }
                (BatchState::ComingIn(_) | BatchState::GivenUp, Some(_)) => {
                    self.store.remove_batch(&there.batch.batch_id, "", now).await?;
                }
            }
        }
    }

    /// The receipt of a published delivery; `None` if this manufacturer has none of this name.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn receipt(
        &self,
        manufacturer: &Manufacturer,
        delivery_id: &DeliveryId,
    ) -> Result<Option<Receipt>, StoreError> {
        let Some(record) = self.store.batch_of_delivery(manufacturer, delivery_id).await? else {
            return Ok(None);
        };
        self.receipt_of(&record).await
    }

    /// The receipt of a published batch of any manufacturer; `None` if there is none of this identifier.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn published_batch(&self, batch_id: &str) -> Result<Option<Receipt>, StoreError> {
        match self.store.batch(batch_id).await? {
            Some(record) => self.receipt_of(&record).await,
            None => Ok(None),
        }
    }

    async fn receipt_of(&self, record: &BatchRecord) -> Result<Option<Receipt>, StoreError> {
        let BatchState::Published(totals) = &record.state else { return Ok(None) };
        let kept = self.store.refusals(&record.batch.batch_id).await?;
        // What an earlier version kept may have another form: the counts stand all the same.
        let refusals = kept.and_then(|octets| serde_json::from_slice(&octets).ok()).unwrap_or_default();
        Ok(Some(receipt(&record.batch, totals, refusals)))
    }

    /// Receipts of a manufacturer's published deliveries behind the batch `after`, in the order of time, without their
    /// refusals.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn receipts(
        &self,
        manufacturer: &Manufacturer,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Receipt>, StoreError> {
        self.published(Some(manufacturer), after, limit).await
    }

    /// As [`Inventory::receipts`], of one manufacturer or of all.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn published(
        &self,
        manufacturer: Option<&Manufacturer>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Receipt>, StoreError> {
        let records = self.store.batches(after, manufacturer, limit).await?;
        let receipt_of = |record: &BatchRecord| match &record.state {
            BatchState::Published(totals) => Some(receipt(&record.batch, totals, Refusals::default())),
            BatchState::ComingIn(_) | BatchState::GivenUp => None,
        };
        Ok(records.iter().filter_map(receipt_of).collect())
    }

    /// Removes batches whose receivers died, and returns how many there were. Any number of processes may do it.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn remove_given_up(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let given_up = self.store.given_up_batches(now).await?;
        for batch_id in &given_up {
            self.store.remove_batch(batch_id, "", now).await?;
        }
        Ok(given_up.len())
    }
}

/// How a delivery begins.
enum Start {
    /// It was taken before.
    Repeated(Box<BatchRecord>),
    /// It is new.
    New(Batch, Lease),
}

/// What the file and the caller call the delivery.
fn delivery_id(delivery: &Delivery, heading: &Heading) -> Result<Option<DeliveryId>, IngestError> {
    match (&heading.delivery_id, &delivery.delivery_id) {
        (Some(file), Some(asked)) if file != asked => {
            Err(IngestError::OtherDelivery { file: file.clone(), asked: asked.clone() })
        }
        (of_file, asked) => Ok(asked.as_ref().or(of_file.as_ref()).or(delivery.unnamed_id.as_ref()).cloned()),
    }
}

/// The digest of a file of which nothing else is wanted.
async fn digest(pieces: &mut mpsc::Receiver<Piece>) -> Result<[u8; 32], IngestError> {
    while let Some(piece) = pieces.recv().await {
        if let Piece::End(outcome, digest) = piece {
            outcome?;
            return Ok(digest);
        }
    }
    Err(IngestError::Thread)
}

/// What is answered to a delivery that was taken before.
fn repeated(record: &BatchRecord, digest: [u8; 32]) -> Result<Receipt, IngestError> {
    match (&record.state, &record.batch.delivery_id) {
        (BatchState::Published(totals), _) if totals.digest == digest => {
            Ok(Receipt { repeated: true, ..receipt(&record.batch, totals, Refusals::default()) })
        }
        (_, Some(id)) => Err(IngestError::OtherFile(id.clone())),
        (_, None) => Err(IngestError::Thread),
    }
}

fn receipt(batch: &Batch, totals: &Totals, refusals: Refusals) -> Receipt {
    Receipt {
        batch_id: Some(batch.batch_id.clone()),
        delivery_id: batch.delivery_id.as_ref().map(ToString::to_string),
        manufacturer: batch.manufacturer.to_string(),
        kind: batch.kind,
        owner: batch.owner.to_string(),
        profile_type: batch.profile_type.to_string(),
        sub_class: batch.sub_class.as_ref().map(ToString::to_string),
        rows: totals.rows,
        profiles: totals.taken,
        refused: totals.refused,
        first_iccid: totals.first_iccid.clone(),
        last_iccid: totals.last_iccid.clone(),
        sha256: hex::encode(totals.digest),
        received_at: batch.received_at.to_string(),
        repeated: false,
        dry_run: false,
        refusals: refusals.told,
        more_refusals: refusals.more,
    }
}

/// What was counted of a delivery.
#[derive(Default)]
struct Counted {
    rows: u64,
    taken: u64,
    refused: u64,
    first: Option<Iccid>,
    last: Option<Iccid>,
}

/// Where one delivery is taken in.
struct Desk<'a> {
    inventory: &'a Inventory,
    delivery: &'a Delivery,
    batch: Batch,
    lease: Lease,
    intent: Intent,
    totals: Counted,
    refusals: Refusals,
    /// Numbers of rows that were good and went nowhere.
    remembered: Remembered,
}

impl Desk<'_> {
    /// Takes piece after piece, and returns the digest of the file.
    async fn take(
        &mut self,
        pieces: &mut mpsc::Receiver<Piece>,
        progress: &mut impl FnMut(u64),
    ) -> Result<[u8; 32], IngestError> {
        loop {
            let piece = match timeout(SIGN_OF_LIFE, pieces.recv()).await {
                Err(_) => {
                    self.renew();
                    self.inventory.store.renew_lease(&self.batch, &self.lease).await?;
                    continue;
                }
                Ok(piece) => piece.ok_or(IngestError::Thread)?,
            };
            match piece {
                Piece::Heading(..) => return Err(IngestError::Thread),
                Piece::Rows(rows) => {
                    self.rows(rows).await?;
                    progress(self.totals.rows);
                }
                Piece::End(outcome, digest) => {
                    outcome?;
                    return Ok(digest);
                }
            }
        }
    }

    fn renew(&mut self) {
        self.lease.until = self.inventory.clock.now().plus(LEASE);
    }

    /// Whether rows are still put into the store.
    fn is_storing(&self) -> bool {
        match self.intent {
            Intent::TakeWhole => self.totals.refused == 0,
            Intent::TakeGood => true,
            Intent::Try => false,
        }
    }

    async fn rows(&mut self, rows: Rows) -> Result<(), IngestError> {
        self.totals.rows = self.totals.rows.saturating_add(rows.count());
        self.totals.refused = self.totals.refused.saturating_add(rows.refused);
        rows.refusals.into_iter().for_each(|refusal| self.refusals.add(refusal));
        let (mut goods, mut lines) = (rows.goods, rows.lines);
        while !goods.is_empty() {
            self.renew();
            let Self { inventory, batch, lease, .. } = &*self;
            if self.is_storing() {
                match goods.add(&inventory.store, batch, lease).await {
                    Ok(()) => break,
                    Err(StoreError::InUse(_)) => {}
                    Err(error) if error.is_deadlock() => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            let mut held = goods.held(&inventory.store, batch, lease).await?;
            if held.is_empty() {
                held = goods.repeated(&self.remembered, &batch.batch_id);
            }
            if held.iter().any(|held| self.waits_for(held)) {
                sleep(WAIT_FOR_OTHER).await;
                continue;
            }
            if held.is_empty() && !self.is_storing() {
                goods.remember(&mut self.remembered);
                break;
            }
            self.refuse_held(&mut goods, &mut lines, &held);
            // Without the held ones, once more; if there were none, somebody gave a number back meanwhile.
        }
        self.totals.taken = self.totals.taken.saturating_add(u64::try_from(goods.len()).unwrap_or(u64::MAX));
        if let Some((first, last)) = goods.ends() {
            self.totals.first.get_or_insert_with(|| first.clone());
            self.totals.last = Some(last.clone());
        }
        Ok(())
    }

    /// The one that began first waits.
    fn waits_for(&self, held: &Held) -> bool {
        match &held.by {
            Holder::Stock => false,
            Holder::Unpublished(other) => self.intent != Intent::Try && self.batch.batch_id < *other,
        }
    }

    fn refuse_held(&mut self, goods: &mut Goods, lines: &mut Vec<usize>, held: &[Held]) {
        for held in held {
            let (Some((field, number)), Some(line)) = (goods.number(held), lines.get(held.place)) else {
                continue;
            };
            let reason = match &held.by {
                Holder::Stock => "is in the stock already",
                Holder::Unpublished(own) if *own == self.batch.batch_id => "stands in this delivery already",
                Holder::Unpublished(_) => "is in another delivery that is being taken in",
            };
            self.refusals.add(Refusal::of_number(*line, field, number, reason));
        }
        let is_held = |place: &usize| held.iter().any(|held| held.place == *place);
        let good: Vec<usize> = (0..goods.len()).filter(|place| !is_held(place)).collect();
        let refused = goods.len().saturating_sub(good.len());
        self.totals.refused = self.totals.refused.saturating_add(u64::try_from(refused).unwrap_or(u64::MAX));
        goods.keep(&good);
        *lines = good.iter().filter_map(|place| lines.get(*place)).copied().collect();
    }

    /// Publishes the batch, or removes it, and says what came of it.
    async fn end(mut self, outcome: Result<[u8; 32], IngestError>) -> Result<Receipt, IngestError> {
        let published = match outcome {
            Ok(digest) => self.publish(digest).await,
            Err(error) => Err(error),
        };
        if !matches!(&published, Ok(receipt) if !receipt.dry_run) {
            let Inventory { store, clock, .. } = self.inventory;
            let removed = store.remove_batch(&self.batch.batch_id, &self.lease.receiver, clock.now()).await;
            if let Err(error) = removed {
                // Whoever looks for batches that were given up finds it.
                tracing::warn!(%error, batch = self.batch.batch_id, "a batch that was given up waits to be removed");
            }
        }
        published
    }

    /// What the audit tells of the batch.
    fn audit_entry(&self, totals: &Totals) -> NewAuditEntry {
        let Batch { manufacturer, delivery_id, profile_type, .. } = &self.batch;
        let called = delivery_id.as_ref().map(|id| format!(" {:?}", id.as_str())).unwrap_or_default();
        let detail = format!(
            "delivery{called} of {manufacturer}: {} of type {profile_type}, {} refused, SHA-256 {}",
            counted(self.batch.kind, totals.taken),
            crate::ident::counted(totals.refused, "row"),
            hex::encode(totals.digest),
        );
        let subject = AuditSubject::new("batch", &self.batch.batch_id);
        let (now, actor) = (self.inventory.clock.now(), self.delivery.actor.clone());
        let entry = NewAuditEntry::new(now, actor, Action::BATCH_PUBLISH, subject).detail(detail);
        match self.delivery.peer {
            Some(peer) => entry.from_peer(peer, &self.inventory.rng),
            None => entry,
        }
    }

    async fn publish(&mut self, digest: [u8; 32]) -> Result<Receipt, IngestError> {
        let Counted { rows, taken, refused, first, last } = std::mem::take(&mut self.totals);
        let totals = Totals { rows, taken, refused, digest, first_iccid: first, last_iccid: last };
        let refusals = std::mem::take(&mut self.refusals);
        let kept = (!refusals.is_empty()).then(|| serde_json::to_vec(&refusals).unwrap_or_default());
        let receipt = receipt(&self.batch, &totals, refusals);
        match self.intent {
            Intent::Try => Ok(Receipt { batch_id: None, dry_run: true, ..receipt }),
            Intent::TakeWhole if refused > 0 => {
                Err(IngestError::Refused(Box::new(Receipt { batch_id: None, profiles: 0, ..receipt })))
            }
            Intent::TakeGood if taken == 0 => {
                Err(IngestError::Refused(Box::new(Receipt { batch_id: None, ..receipt })))
            }
            Intent::TakeWhole | Intent::TakeGood => {
                let (store, entry) = (&self.inventory.store, Some(self.audit_entry(&totals)));
                store.publish_batch(&self.batch, &self.lease, &totals, kept.as_deref(), entry).await?;
                Ok(receipt)
            }
        }
    }
}
