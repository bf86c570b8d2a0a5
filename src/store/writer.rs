//! The writer: one task that gathers waiting changes into one commit (group commit).
//!
//! A commit costs a flush of the disk and a statement per row costs CPU; so all changes that wait when the previous
//! commit ends go into the next one, those of one kind in one set statement. If the engine refuses a statement, the whole
//! transaction is given up and each half of the group is tried, and so on: only the guilty change fails, and it costs the
//! others some commits more, not one each. An engine that cannot be reached is not asked again, and neither is a COMMIT
//! that failed: nobody knows whether it happened.
//!
//! A change that comes alone, or with a few, is written at once. Where many come at a time, each waits some milliseconds
//! for more company: fewer commits, and pages that several changes share are written once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::StoreError;
use super::allocations::{Allotted, QUARANTINE_CANCELLED, SetAsideRow, ShelveRow, set_aside, shelve};
use super::audit;
use super::available::Places;
use super::download_batch::DownloadBatch;
use super::downloads::{BindRow, COUNT_CONFIRMATION, COUNT_DOWNLOAD, CountRow, RecordRow};
use super::downloads::{TELL_OF_CONFIRMATION, TELL_OF_DOWNLOAD};
use super::eim_changes::{EimRow, change_eim_euiccs};
use super::engine::{Pools, Row, Statement, Writing, set_statement};
use super::failures::{FailureRow, KEEP_FAILURE};
use super::forwarded::{ForwardedRow, KEEP_FORWARDED};
use super::manual_changes::{FORGET_MANUAL_CHANGES, KEEP_MANUAL_CHANGE};
use super::order_row::{OrderRow, state_code};
use super::orders::{SAVE, TELL_OF_SAVED, TakeRow, take};
use super::pool_draws::{DrawRow, draw};
use super::refused_notifications::RefusedRow;
use super::relayed::{KEEP_RELAYED, RelayedRow};
use super::set::{Set, set_row};
use super::watch::{ChangeKind, CommitPhase, CommitWatch, Verdict, Written};
use crate::domain::{AuditSubject, NewAuditEntry, StateName};

/// A commit with so many changes or more shows that many callers are there.
const CROWD: usize = 8;
/// How far apart commits begin while many callers are there. Devices that download do not notice it.
const CROWDED_INTERVAL: Duration = Duration::from_millis(8);
/// Turns that others get before a commit, at most, where allocations were answered: each is over in microseconds.
const TURNS_MAX: usize = 16;
/// Changes in one commit at most.
const GROUP_MAX: usize = 256;
/// Changes that wait at most; more callers wait for a place in the queue.
const QUEUE_MAX: usize = 4096;

/// Keys of bindings that are of no more use are wiped in the change that ends the order.
const WIPE_KEYS: Statement = set_statement!(
    [iccid text]
    "UPDATE binding SET session_keys = NULL FROM change \
     WHERE binding.iccid = change.iccid AND binding.session_keys IS NOT NULL \
     RETURNING binding.iccid, binding.bound_at"
);

/// Where others write too, the rows of orders stand still from here on: several statements judge by them.
const LOCK: &str = set_statement!(
    [iccid text]
    "SELECT profile.iccid, profile.version FROM change JOIN profile ON profile.iccid = change.iccid \
     ORDER BY profile.iccid FOR UPDATE OF profile"
)
.postgres;

pub(super) const STATEMENTS: &[Statement] = &[WIPE_KEYS];

/// One change.
pub(super) enum Change {
    Save(Box<OrderRow>),
    Take(Box<TakeRow>),
    CountDownload(Box<CountRow>),
    CountConfirmation(Box<CountRow>),
    Bind(Box<BindRow>),
    Record(Box<RecordRow>),
    Refuse(Box<RefusedRow>),
    Fail(Box<FailureRow>),
    Chunk(Box<ChunkRow>),
    Audit(Vec<NewAuditEntry>),
    Draw(Box<DrawRow>),
    SetAside(Box<SetAsideRow>),
    Shelve(Box<ShelveRow>),
    Eim(Box<EimRow>),
    Forward(Box<ForwardedRow>),
    Relay(Box<RelayedRow>),
}

/// Statements about one batch, behind one that holds it for whoever may change it.
pub(super) struct ChunkRow {
    /// Returns the batch if it is still to be changed.
    pub(super) hold: &'static Statement,
    pub(super) batch_id: String,
    pub(super) receiver: String,
    pub(super) lease_until: i64,
    pub(super) parts: Box<dyn ChunkParts>,
}

/// The statements of a chunk and the rows of each.
pub(super) trait ChunkParts: Send + Sync {
    /// In the order in which they run.
    fn sets(&self) -> Vec<(&'static Statement, Set<'_>)>;
}

set_row! {
    struct HoldRow<'a> {
        batch_id: &'a str,
        receiver: &'a str,
        lease_until: i64,
    }
}

/// What a statement found: a key and a text for every row.
pub(super) type Found = HashMap<String, String>;

impl Change {
    /// Whether devices bring it, many at a time. Those who allocate are few, and ask again as soon as they are answered: a
    /// pause would only keep them.
    const fn comes_in_crowds(&self) -> bool {
        !matches!(self, Self::Draw(_) | Self::SetAside(_))
    }

    /// Whether an operator is to be told of it.
    pub(super) const fn has_callback(&self) -> bool {
        match self {
            Self::Save(row) => row.callback.is_some(),
            Self::Take(_)
            | Self::Refuse(_)
            | Self::Fail(_)
            | Self::Chunk(_)
            | Self::Audit(_)
            | Self::Draw(_)
            | Self::SetAside(_)
            | Self::Shelve(_)
            | Self::Eim(_)
            | Self::Forward(_)
            | Self::Relay(_) => false,
            Self::CountDownload(row) | Self::CountConfirmation(row) => row.callback.is_some(),
            Self::Bind(row) => row.callback.is_some(),
            Self::Record(row) => row.callback.is_some(),
        }
    }

    /// What the audit tells of it, now that it came to `done`.
    fn audit_entries(&self, done: &Done) -> Vec<NewAuditEntry> {
        match (self, done) {
            (Self::Save(row), _) => row.audit.0.iter().cloned().collect(),
            (Self::Shelve(row), _) => row.order.audit.0.iter().cloned().collect(),
            (Self::Draw(row), Done::Allotted(Allotted::These(_))) => vec![row.audit_entry()],
            (Self::SetAside(row), Done::Allotted(Allotted::These(_))) => vec![row.audit_entry()],
            (Self::Take(row), Done::Taken(taken)) if taken.is_new => {
                let subject = AuditSubject::new("iccid", &taken.iccid);
                row.audit
                    .0
                    .iter()
                    .map(|entry| NewAuditEntry { subject: subject.clone(), ..entry.clone() })
                    .collect()
            }
            (Self::Audit(entries), _) => entries.clone(),
            (Self::Eim(row), _) => row.audit.clone(),
            _ => Vec::new(),
        }
    }
}

/// What a change came to.
#[derive(Clone, Debug)]
pub(super) enum Done {
    /// The new version, the new count, or 1 for a row that was new and 0 for one that was not.
    Number(i64),
    /// The ICCID that is the call's.
    Taken(Taken),
    /// No number was left to take.
    NoneLeft,
    /// What each statement of a chunk found.
    Found(Vec<Found>),
    /// What an allocation came to.
    Allotted(Allotted),
}

/// The answer to a DownloadOrder by type.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) iccid: String,
    /// Whether this call took it, not an earlier one of the same identity.
    pub(super) is_new: bool,
}

/// What a change came to, or why not.
pub(super) type Outcome = Result<Done, StoreError>;

struct Waiting {
    change: Change,
    reply: oneshot::Sender<Outcome>,
}

/// The way to the writer task.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Option<Waiting>>,
    commits: Arc<AtomicU64>,
    written: Written,
}

impl Writer {
    /// Starts the task; it ends with the last `Writer`. That of SQLite, whose statements run where they are called and
    /// whose commits wait for the disk, has a thread of its own.
    pub(super) fn start(pools: Pools, watch: Option<Arc<dyn CommitWatch>>) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let commits = Arc::new(AtomicU64::new(0));
        let written = Written::default();
        let has_thread = matches!(pools, Pools::Sqlite(..));
        let engine = Engine {
            pools,
            watch,
            commits: Arc::clone(&commits),
            written: written.clone(),
            places: Places::default(),
        };
        let task = run(engine, waiting);
        if has_thread {
            let failed = |cause| StoreError::Thread(Arc::new(cause));
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
            let thread = std::thread::Builder::new().name("store-writer".to_owned());
            thread.spawn(move || runtime.block_on(task)).map_err(failed)?;
        } else {
            tokio::spawn(task);
        }
        Ok(Self { queue, commits, written })
    }

    /// What changes with every commit that left work for a job.
    pub(super) const fn written(&self) -> &Written {
        &self.written
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Hands over a change and waits until it is durable or refused.
    pub(super) async fn change(&self, change: Change) -> Outcome {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { change, reply };
        self.queue.send(Some(waiting)).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Lets everything that waits end, then the task.
    pub(super) async fn close(&self) {
        if self.queue.send(None).await.is_ok() {
            self.queue.closed().await;
        }
    }
}

/// What a commit is written with.
struct Engine {
    pools: Pools,
    watch: Option<Arc<dyn CommitWatch>>,
    commits: Arc<AtomicU64>,
    written: Written,
    places: Places,
}

impl Engine {
    /// Tells the watch, if there is one.
    fn stand(&self, phase: CommitPhase, changes: &[&Change]) -> Result<(), Failed> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let kinds: Vec<ChangeKind> = changes.iter().map(|change| ChangeKind::of(change)).collect();
        match watch.at_commit(phase, &kinds) {
            Verdict::GoOn => Ok(()),
            Verdict::Die => Err(Failed::Dead),
        }
    }
}

async fn run(mut engine: Engine, mut queue: mpsc::Receiver<Option<Waiting>>) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    let mut pace = tokio::time::interval(CROWDED_INTERVAL);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = 0;
    while queue.recv_many(&mut group, GROUP_MAX).await > 0 {
        if last >= CROWD {
            pace.tick().await;
            while group.len() < GROUP_MAX
                && let Ok(waiting) = queue.try_recv()
            {
                group.push(waiting);
            }
        }
        last = group.iter().flatten().filter(|waiting| waiting.change.comes_in_crowds()).count();
        let allocated = group.iter().flatten().filter(|waiting| !waiting.change.comes_in_crowds()).count();
        let (waiting, end): (Vec<_>, Vec<_>) = group.drain(..).partition(Option::is_some);
        let (changes, replies): (Vec<Change>, Vec<_>) =
            waiting.into_iter().flatten().map(|waiting| (waiting.change, waiting.reply)).unzip();
        if !changes.is_empty() {
            let Some(outcomes) = write_group(&mut engine, &changes).await else {
                return unanswered(queue, replies).await;
            };
            for (reply, outcome) in replies.into_iter().zip(outcomes) {
                // A caller that went away does not undo its change.
                let _ = reply.send(outcome);
            }
        }
        if !end.is_empty() {
            return;
        }
        ask_again(&queue, allocated).await;
    }
}

/// Those who were answered may ask again before the next commit begins, so that they share it with those who waited
/// meanwhile: otherwise each half of them would wait for the other's commit, for ever.
async fn ask_again(queue: &mpsc::Receiver<Option<Waiting>>, answered: usize) {
    let expected = queue.len() + answered;
    for _ in 0..TURNS_MAX {
        if queue.len() >= expected {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// What callers see of a process that was killed: as long as there are any, nobody hears anything.
async fn unanswered(mut queue: mpsc::Receiver<Option<Waiting>>, replies: Vec<oneshot::Sender<Outcome>>) {
    let mut others = Vec::new();
    while let Some(waiting) = queue.recv().await {
        others.push(waiting);
    }
    drop((replies, others));
}

/// Writes the group in one commit; where a statement is refused, its halves, down to the guilty changes. `None` once
/// the watch let the writer die.
async fn write_group(engine: &mut Engine, changes: &[Change]) -> Option<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(changes.len());
    // The next part is the last: so the outcomes come in the order of the changes.
    let mut parts = vec![changes];
    while let Some(part) = parts.pop() {
        let together: Vec<&Change> = part.iter().collect();
        match write(engine, &together).await {
            Ok(written) => outcomes.extend(written),
            Err(Failed::Refused(_)) if part.len() > 1 => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
            }
            Err(Failed::Refused(error)) => outcomes.push(Err(error)),
            Err(Failed::Broken(error)) => {
                outcomes.resize_with(changes.len(), || Err(error.clone()));
                break;
            }
            Err(Failed::Dead) => return None,
        }
    }
    Some(outcomes)
}

enum Failed {
    /// The engine refused a statement: a part of the group may be better off.
    Refused(StoreError),
    /// Nothing can be written now.
    Broken(StoreError),
    /// The watch let the writer die.
    Dead,
}

impl Failed {
    fn of_statement(error: StoreError) -> Self {
        match &error {
            StoreError::Database(cause) if !matches!(**cause, sqlx::Error::Database(_)) => {
                Self::Broken(error)
            }
            StoreError::Sqlite(cause) if !matches!(**cause, rusqlite::Error::SqliteFailure(..)) => {
                Self::Broken(error)
            }
            _ => Self::Refused(error),
        }
    }
}

async fn write(engine: &mut Engine, changes: &[&Change]) -> Result<Vec<Outcome>, Failed> {
    let mut writing = engine.pools.begin_of_writer().await.map_err(Failed::Broken)?;
    let (mut outcomes, batch) =
        apply(&mut writing, changes, &mut engine.places).await.map_err(Failed::of_statement)?;
    engine.stand(CommitPhase::Before, changes)?;
    let answers = writing.change_each(&batch.parts, &batch.sets).await.map_err(Failed::of_statement)?;
    for judgement in &batch.judgements {
        judgement.pass(&answers, &mut outcomes);
    }
    let entries = audit_entries(changes, &outcomes);
    audit::append(&mut writing, &entries).await.map_err(Failed::of_statement)?;
    writing.commit().await.map_err(Failed::Broken)?;
    engine.commits.fetch_add(1, Ordering::Relaxed);
    engine.stand(CommitPhase::After, changes)?;
    engine.written.note(changes);
    Ok(outcomes)
}

/// What the audit tells of the changes that came to something.
fn audit_entries(changes: &[&Change], outcomes: &[Outcome]) -> Vec<NewAuditEntry> {
    let done =
        changes.iter().zip(outcomes).filter_map(|(change, outcome)| Some((change, outcome.as_ref().ok()?)));
    done.flat_map(|(change, done)| change.audit_entries(done)).collect()
}

/// The rows of one kind with their places in the group.
type Rows<'a, R> = Vec<(usize, &'a R)>;

/// Applies a group: kind by kind, each in rounds in which no profile occurs twice. What no statement confirms is a
/// conflict. What downloads change is left for the turn that commits.
async fn apply<'a>(
    writing: &mut Writing,
    changes: &[&'a Change],
    places: &mut Places,
) -> Result<(Vec<Outcome>, DownloadBatch<'a>), StoreError> {
    let mut outcomes: Vec<Outcome> = changes.iter().map(|_| Err(StoreError::Conflict)).collect();
    let (mut saves, mut takes, mut binds, mut records) = (Rows::new(), Rows::new(), Rows::new(), Rows::new());
    let (mut downloads, mut confirmations, mut refused) = (Rows::new(), Rows::new(), Rows::new());
    let mut failures = Rows::new();
    let mut audited = Vec::new();
    let (mut draws, mut asides, mut shelvings) = (Rows::new(), Rows::new(), Rows::new());
    let mut euiccs = Rows::new();
    let (mut forwarded, mut relayed) = (Rows::new(), Rows::new());
    for (place, change) in changes.iter().enumerate() {
        match change {
            Change::Save(row) => saves.push((place, &**row)),
            Change::Take(row) => takes.push((place, &**row)),
            Change::CountDownload(row) => downloads.push((place, &**row)),
            Change::CountConfirmation(row) => confirmations.push((place, &**row)),
            Change::Bind(row) => binds.push((place, &**row)),
            Change::Record(row) => records.push((place, &**row)),
            Change::Refuse(row) => refused.push((place, &**row)),
            Change::Fail(row) => failures.push((place, &**row)),
            Change::Chunk(row) => {
                if let (Some(found), Some(outcome)) = (chunk(writing, row).await?, outcomes.get_mut(place)) {
                    *outcome = Ok(Done::Found(found));
                }
            }
            Change::Audit(entries) => audited.push((place, entries)),
            Change::Draw(row) => draws.push((place, &**row)),
            Change::SetAside(row) => asides.push((place, &**row)),
            Change::Shelve(row) => shelvings.push((place, &**row)),
            Change::Eim(row) => euiccs.push((place, &**row)),
            Change::Forward(row) => forwarded.push((place, &**row)),
            Change::Relay(row) => relayed.push((place, &**row)),
        }
    }
    confirm(&audited, &mut outcomes, |entries| i64::try_from(entries.len()).ok());
    for round in rounds(saves, |_, row| row.iccid.clone()) {
        save(writing, &round, &mut outcomes).await?;
    }
    for round in rounds(takes, TakeRow::round_key) {
        take(writing, &round, places, &mut outcomes).await?;
    }
    for round in rounds(shelvings, |_, row| row.order.iccid.clone()) {
        shelve(writing, &round, &mut outcomes).await?;
    }
    for round in rounds(asides, |_, row| row.allocation_id.clone()) {
        set_aside(writing, &round, places, &mut outcomes).await?;
    }
    for round in rounds(draws, |_, row| row.allocation_id.clone()) {
        draw(writing, &round, &mut outcomes).await?;
    }
    for round in rounds(euiccs, |_, row| row.eid.clone()) {
        change_eim_euiccs(writing, &round, &mut outcomes).await?;
    }
    let mut batch = DownloadBatch::default();
    for (statement, tell, rows) in [
        (&COUNT_DOWNLOAD, &TELL_OF_DOWNLOAD, downloads),
        (&COUNT_CONFIRMATION, &TELL_OF_CONFIRMATION, confirmations),
    ] {
        for round in rounds(rows, |_, row| row.iccid.clone()) {
            batch.count(statement, tell, &round);
        }
    }
    for round in rounds(binds, |_, row| row.iccid.clone()) {
        batch.bind(&round);
    }
    for round in rounds(records, |_, row| row.iccid.clone()) {
        batch.record(&round);
    }
    for round in rounds(refused, |_, row| row.digest.clone()) {
        batch.refuse(&round);
    }
    for round in rounds(failures, |_, row| row.iccid.clone()) {
        batch.keep(&KEEP_FAILURE, &round);
    }
    for round in rounds(forwarded, |_, row| row.digest.clone()) {
        batch.keep(&KEEP_FORWARDED, &round);
    }
    for round in rounds(relayed, |_, row| row.transaction_id.clone()) {
        batch.keep(&KEEP_RELAYED, &round);
    }
    if !batch.judged.is_empty() {
        writing.lock(LOCK, || Set::column("iccid", batch.judged.iter().copied())).await?;
    }
    Ok((outcomes, batch))
}

/// What a set statement returned: a key and a number for every row it touched.
fn numbers(rows: &[Row]) -> Result<HashMap<String, i64>, StoreError> {
    rows.iter().map(Row::key_and_number).collect()
}

/// Splits rows so that no round has one key twice; the first of each key come first.
fn rounds<R>(rows: Rows<'_, R>, key: impl Fn(usize, &R) -> String) -> Vec<Rows<'_, R>> {
    let mut rounds: Vec<(HashSet<String>, Rows<'_, R>)> = Vec::new();
    for (place, row) in rows {
        let key = key(place, row);
        match rounds.iter_mut().find(|(keys, _)| !keys.contains(&key)) {
            Some((keys, round)) => {
                keys.insert(key);
                round.push((place, row));
            }
            None => rounds.push((HashSet::from([key]), vec![(place, row)])),
        }
    }
    rounds.into_iter().map(|(_, round)| round).collect()
}

/// Runs a set statement that returns a key and a number for every row it touched.
pub(super) async fn set(
    writing: &mut Writing,
    statement: &Statement,
    set: &Set<'_>,
) -> Result<HashMap<String, i64>, StoreError> {
    if set.rows().next().is_none() {
        return Ok(HashMap::new());
    }
    numbers(&writing.fetch_set(statement, set).await?)
}

fn confirm<R>(rows: &[(usize, &R)], outcomes: &mut [Outcome], number: impl Fn(&R) -> Option<i64>) {
    for (place, row) in rows {
        if let (Some(number), Some(outcome)) = (number(row), outcomes.get_mut(*place)) {
            *outcome = Ok(Done::Number(number));
        }
    }
}

/// Runs the statements of a chunk; `None` if its batch is no longer to be changed.
async fn chunk(writing: &mut Writing, row: &ChunkRow) -> Result<Option<Vec<Found>>, StoreError> {
    let ChunkRow { hold, batch_id, receiver, lease_until, parts } = row;
    let held = HoldRow { batch_id, receiver, lease_until: *lease_until };
    if writing.fetch_set(hold, &Set::of([&held])).await?.is_empty() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for (statement, set) in parts.sets() {
        let rows = writing.fetch_set(statement, &set).await?;
        let keyed = rows.iter().map(Row::key_and_text);
        found.push(keyed.collect::<Result<_, _>>()?);
    }
    Ok(Some(found))
}

/// Saves orders, with what goes with each of them.
pub(super) async fn save(
    writing: &mut Writing,
    round: &[(usize, &OrderRow)],
    outcomes: &mut [Outcome],
) -> Result<(), StoreError> {
    let rows = || round.iter().map(|(_, row)| *row);
    let orders = Set::of(rows());
    if rows().any(|row| row.callback.is_some()) {
        writing.lock(LOCK, || Set::column("iccid", rows().map(|row| row.iccid.as_str()))).await?;
        set(writing, &TELL_OF_SAVED, &orders).await?;
    }
    let saved = set(writing, &SAVE, &orders).await?;
    confirm(round, outcomes, |row| saved.get(&row.iccid).copied());
    let saved_rows = || rows().filter(|row| saved.contains_key(&row.iccid));
    let by_hand = || saved_rows().filter_map(|row| row.manual_change.0.as_ref());
    set(writing, &KEEP_MANUAL_CHANGE, &Set::of(by_hand())).await?;
    let listed = Set::column("iccid", by_hand().map(|row| row.iccid.as_str()));
    set(writing, &FORGET_MANUAL_CHANGES, &listed).await?;
    let cancelled = saved_rows().filter(|row| row.state == state_code(StateName::Available));
    let cancelled = cancelled.filter_map(|row| {
        let entry = row.audit.0.as_ref()?;
        Some([row.iccid.as_str().into(), entry.at.as_millis().into()])
    });
    set(writing, &QUARANTINE_CANCELLED, &Set::rows_of(["iccid", "cancelled_at"], cancelled)).await?;
    let ended = saved_rows().filter(|row| row.ended_at.is_some());
    wipe(writing, ended.map(|row| row.iccid.as_str())).await
}

/// Keys of bindings that are of no more use.
pub(super) async fn wipe<'a>(
    writing: &mut Writing,
    iccids: impl Iterator<Item = &'a str>,
) -> Result<(), StoreError> {
    set(writing, &WIPE_KEYS, &Set::column("iccid", iccids)).await.map(drop)
}
