//! Notifications that the eIM took from devices and brings to their receivers (SGP.32 5.14.7): rows written before the
//! device is answered, and taken by a job that may run twice.
//!
//! # In order
//!
//! A receiver gets what one eUICC has for it by rising `seqNumber`: a row is taken only if no lower one of the same eUICC
//! and receiver waits. One that was given up holds up nobody.
//!
//! # Once
//!
//! A notification is known by its eUICC, its receiver and the octets that were signed. One that comes again is counted, as
//! long as its row is there, and not brought again.
//!
//! # Held
//!
//! While a switch may still be rolled back, what the eUICC tells of its enabling is held: an eUICC that rolls back drops the
//! notifications of what it took back (SGP.32 5.9.16), and their receivers would never learn that it did.
//!
//! # Once taken
//!
//! As with callbacks: who takes a row holds it for a lease and names its attempt when it says what came of it.

use sha2::{Digest as _, Sha256};

use super::engine::{Argument, Row, Statement, set_statement};
use super::set::{Set, set_row};
use super::writer::{Change, Done};
use super::{Store, StoreError};
use crate::domain::ProfileEvent;
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, ServerAddress};

/// Rows of one page at most.
const PAGE_MAX: u32 = 1000;
/// Rows that are forgotten in one commit at most.
const FORGOTTEN_MAX: i64 = 1000;

/// One eUICC has so many notifications at most that were not brought; its IPA keeps what comes beyond.
pub const FORWARDED_OF_EUICC_MAX: usize = 256;

macro_rules! columns {
    () => {
        "forwarded_notification.number, forwarded_notification.eid, forwarded_notification.seq_number, \
         forwarded_notification.address, forwarded_notification.event, forwarded_notification.iccid, \
         forwarded_notification.raw, forwarded_notification.received_at, forwarded_notification.repetitions, \
         forwarded_notification.attempts, forwarded_notification.due_at, forwarded_notification.leased_until, \
         forwarded_notification.given_up_at, forwarded_notification.forwarded_at, \
         forwarded_notification.last_answer"
    };
}

/// Whether a row is still to be brought.
macro_rules! waits {
    ($row:literal) => {
        concat!($row, ".given_up_at IS NULL AND ", $row, ".forwarded_at IS NULL")
    };
}

/// It is due when those before it are, if that is later, so that nobody looks at rows that must wait.
pub(super) const KEEP_FORWARDED: Statement = set_statement!(
    [digest text, eid text, seq_number bigint, address text, event bigint, iccid text, raw octets,
     received_at bigint, due_at bigint, most bigint]
    "INSERT INTO forwarded_notification (digest, eid, seq_number, address, event, iccid, raw, received_at, \
     repetitions, attempts, due_at) \
     SELECT change.digest, change.eid, change.seq_number, change.address, change.event, change.iccid, change.raw, \
     change.received_at, 0, 0, COALESCE((SELECT MAX(earlier.due_at) FROM forwarded_notification earlier \
     WHERE earlier.eid = change.eid AND earlier.address = change.address \
     AND earlier.seq_number < change.seq_number AND earlier.due_at > change.due_at AND ", waits!("earlier"), "), \
     change.due_at) \
     FROM change WHERE (SELECT COUNT(*) FROM forwarded_notification kept WHERE kept.eid = change.eid \
     AND kept.forwarded_at IS NULL) < change.most \
     OR EXISTS (SELECT 1 FROM forwarded_notification same WHERE same.digest = change.digest) \
     ON CONFLICT (digest) DO UPDATE SET repetitions = forwarded_notification.repetitions + 1 \
     RETURNING digest, repetitions"
);

macro_rules! take_due {
    ($lock:literal) => {
        concat!(
            "UPDATE forwarded_notification SET attempts = attempts + 1, leased_until = $2 WHERE number IN (\
             SELECT head.number FROM forwarded_notification head WHERE head.address = $3 AND ",
            waits!("head"),
            " AND head.due_at <= $1 AND (head.leased_until IS NULL OR head.leased_until <= $1) \
             AND NOT EXISTS (SELECT 1 FROM forwarded_notification earlier WHERE earlier.eid = head.eid \
             AND earlier.address = head.address AND earlier.seq_number < head.seq_number AND ",
            waits!("earlier"),
            ") ORDER BY head.due_at LIMIT $4",
            $lock,
            ") RETURNING ",
            columns!()
        )
    };
}

/// PostgreSQL passes over those that another node is just taking.
const TAKE_DUE: Statement =
    Statement { sqlite: take_due!(""), postgres: take_due!(" FOR UPDATE OF head SKIP LOCKED") };

const RECEIVERS: Statement = Statement::common(concat!(
    "SELECT address, MIN(due_at) AS due_at FROM forwarded_notification WHERE ",
    waits!("forwarded_notification"),
    " GROUP BY address ORDER BY address"
));

const BROUGHT: Statement = set_statement!(
    [number bigint, attempts bigint, brought bigint, at bigint]
    "UPDATE forwarded_notification SET forwarded_at = change.at, raw = substr(forwarded_notification.raw, 1, 0), \
     leased_until = NULL, last_answer = NULL FROM change WHERE forwarded_notification.number = change.number \
     AND forwarded_notification.attempts = change.attempts AND change.brought = 1 \
     AND forwarded_notification.forwarded_at IS NULL \
     RETURNING forwarded_notification.eid, forwarded_notification.number"
);

const NOT_BROUGHT: Statement = set_statement!(
    [number bigint, attempts bigint, brought bigint, due_at bigint, given_up_at bigint, last_answer text]
    "UPDATE forwarded_notification SET due_at = change.due_at, leased_until = NULL, \
     given_up_at = change.given_up_at, last_answer = change.last_answer FROM change \
     WHERE forwarded_notification.number = change.number \
     AND forwarded_notification.attempts = change.attempts AND change.brought = 0 \
     AND forwarded_notification.forwarded_at IS NULL \
     RETURNING forwarded_notification.eid, forwarded_notification.number"
);

/// Those behind are due when the first is.
const FOLLOW: Statement = set_statement!(
    [eid text, address text, due_at bigint]
    "UPDATE forwarded_notification SET due_at = change.due_at FROM change \
     WHERE forwarded_notification.eid = change.eid AND forwarded_notification.address = change.address \
     AND forwarded_notification.due_at <> change.due_at AND ", waits!("forwarded_notification"),
    " RETURNING forwarded_notification.eid, forwarded_notification.number"
);

/// What was held until a switch has an end is due.
pub(super) const END_HOLDING: Statement = set_statement!(
    [eid text, at bigint]
    "UPDATE forwarded_notification SET due_at = change.at FROM change \
     WHERE forwarded_notification.eid = change.eid AND forwarded_notification.due_at > change.at \
     AND forwarded_notification.attempts = 0 AND ", waits!("forwarded_notification"),
    " RETURNING forwarded_notification.eid, forwarded_notification.number"
);

/// The eUICC took back what these tell of, and keeps them no more; the row stays, since the device may repeat itself.
pub(super) const VOID_HELD: Statement = set_statement!(
    [eid text, since bigint, at bigint, enabling bigint, disabling bigint, why text]
    "UPDATE forwarded_notification SET forwarded_at = change.at, raw = substr(forwarded_notification.raw, 1, 0), \
     last_answer = change.why FROM change \
     WHERE forwarded_notification.eid = change.eid AND forwarded_notification.received_at >= change.since \
     AND forwarded_notification.event IN (change.enabling, change.disabling) \
     AND forwarded_notification.attempts = 0 AND ", waits!("forwarded_notification"),
    " RETURNING forwarded_notification.eid, forwarded_notification.number"
);

/// What a command is about; an empty text stands for every eUICC and every receiver.
macro_rules! selected {
    () => {
        "(forwarded_notification.eid = $1 OR $1 = '') AND (forwarded_notification.address = $2 OR $2 = '')"
    };
}

const LIST: Statement = Statement::common(concat!(
    "SELECT ",
    columns!(),
    " FROM forwarded_notification WHERE forwarded_notification.number > $3 AND ",
    selected!(),
    " AND (forwarded_notification.forwarded_at IS NULL OR $5 = 1) ORDER BY forwarded_notification.number LIMIT $4"
));

const RETRY: Statement = Statement::common(concat!(
    "UPDATE forwarded_notification SET due_at = $3, given_up_at = NULL WHERE ",
    selected!(),
    " AND forwarded_notification.forwarded_at IS NULL RETURNING number"
));

const DROP: Statement = Statement::common(concat!(
    "DELETE FROM forwarded_notification WHERE ",
    selected!(),
    " AND forwarded_notification.forwarded_at IS NULL RETURNING number"
));

const COUNT: Statement = Statement::common(
    "SELECT address, CAST(CASE WHEN given_up_at IS NULL THEN 0 ELSE 1 END AS BIGINT) AS given_up, \
     COUNT(*) AS notifications, MIN(received_at) AS oldest FROM forwarded_notification \
     WHERE forwarded_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2",
);

const FORGET: Statement = Statement::common(
    "DELETE FROM forwarded_notification WHERE number IN (SELECT past.number FROM forwarded_notification past \
     WHERE past.forwarded_at IS NOT NULL AND past.forwarded_at < $1 ORDER BY past.forwarded_at LIMIT $2) \
     RETURNING number",
);

pub(super) const STATEMENTS: &[Statement] = &[
    KEEP_FORWARDED,
    TAKE_DUE,
    RECEIVERS,
    BROUGHT,
    NOT_BROUGHT,
    FOLLOW,
    END_HOLDING,
    VOID_HELD,
    LIST,
    RETRY,
    DROP,
    COUNT,
    FORGET,
];

/// A notification that a device brought to the eIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewForwarded {
    /// The eUICC that signed it.
    pub eid: Eid,
    /// seqNumber.
    pub seq_number: u32,
    /// notificationAddress: who must have it.
    pub address: ServerAddress,
    /// What it tells of.
    pub event: ProfileEvent,
    /// The profile, if it names one.
    pub iccid: Option<Iccid>,
    /// The octets that the eUICC signed.
    pub signed: Vec<u8>,
    /// PendingNotification in DER, as it goes to the receiver.
    pub raw: Vec<u8>,
    /// When it came.
    pub at: Timestamp,
    /// Before then it is not brought.
    pub due_at: Timestamp,
}

/// What keeping a notification came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// It is kept, and will be brought.
    New,
    /// It was kept before.
    Repeated,
    /// Too many of this eUICC wait: it is not kept.
    Full,
}

/// A notification on its way to its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Its number: rises with time.
    pub number: i64,
    /// The eUICC that signed it.
    pub eid: Eid,
    /// seqNumber.
    pub seq_number: u32,
    /// Who must have it, in lower case.
    pub address: ServerAddress,
    /// What it tells of.
    pub event: ProfileEvent,
    /// The profile, if it names one.
    pub iccid: Option<Iccid>,
    /// PendingNotification in DER; empty once it was brought.
    pub raw: Vec<u8>,
    /// When it came first.
    pub received_at: Timestamp,
    /// How often it came again.
    pub repetitions: u32,
    /// How often it was tried, the attempt of who holds it included.
    pub attempts: u32,
    /// When it is tried next, if nobody holds it and no lower one of its eUICC waits.
    pub due_at: Timestamp,
    /// Until when somebody holds it; a time that is past says that nobody does.
    pub leased_until: Option<Timestamp>,
    /// Since when it is not tried any more.
    pub given_up_at: Option<Timestamp>,
    /// When the receiver took it, or it became void: then `last_answer` says why.
    pub forwarded_at: Option<Timestamp>,
    /// What the latest attempt came to.
    pub last_answer: Option<String>,
}

/// What an attempt to bring a notification came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bringing {
    /// The receiver has it.
    Brought,
    /// It is to be tried again.
    Again {
        /// Not before then.
        due_at: Timestamp,
        /// What came.
        answer: String,
    },
    /// It is too old for another attempt.
    GivenUp {
        /// What came.
        answer: String,
    },
}

/// Which notifications a command is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardedSelection {
    /// Those of this eUICC.
    pub eid: Option<Eid>,
    /// Those for this receiver.
    pub address: Option<ServerAddress>,
}

impl ForwardedSelection {
    fn arguments(&self) -> [Argument; 2] {
        [
            self.eid.as_ref().map(Eid::as_str).unwrap_or_default().into(),
            self.address.as_ref().map(receiver).unwrap_or_default().as_str().into(),
        ]
    }
}

/// How many notifications a receiver has not got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedCount {
    /// The receiver.
    pub address: String,
    /// Whether these are not tried any more.
    pub given_up: bool,
    /// How many.
    pub notifications: u64,
    /// When the oldest came.
    pub oldest: Timestamp,
}

/// The text by which receivers are told apart: letter case is none of it, and neither is port 443.
fn receiver(address: &ServerAddress) -> String {
    let host = address.host().to_ascii_lowercase();
    if address.port() == 443 { host } else { format!("{host}:{}", address.port()) }
}

set_row! {
    pub(super) struct ForwardedRow {
        pub(super) digest: String,
        pub(super) eid: String,
        seq_number: i64,
        address: String,
        event: i64,
        iccid: Option<String>,
        raw: Vec<u8>,
        received_at: i64,
        due_at: i64,
        most: i64,
    }
}

/// Why notifications of a switch became void.
const ROLLED_BACK: &str = "not brought: the eUICC rolled back what it tells of";

set_row! {
    pub(super) struct EndHoldingRow {
        eid: String,
        at: i64,
    }
}

impl EndHoldingRow {
    pub(super) fn new(eid: &Eid, at: Timestamp) -> Self {
        Self { eid: eid.as_str().to_owned(), at: at.as_millis() }
    }
}

set_row! {
    pub(super) struct VoidHeldRow {
        eid: String,
        since: i64,
        at: i64,
        enabling: i64,
        disabling: i64,
        why: &'static str,
    }
}

impl VoidHeldRow {
    pub(super) fn new(eid: &Eid, since: Timestamp, at: Timestamp) -> Self {
        Self {
            eid: eid.as_str().to_owned(),
            since: since.as_millis(),
            at: at.as_millis(),
            enabling: i64::from(ProfileEvent::Enable.bit()),
            disabling: i64::from(ProfileEvent::Disable.bit()),
            why: ROLLED_BACK,
        }
    }
}

impl ForwardedRow {
    fn new(new: NewForwarded) -> Self {
        let address = receiver(&new.address);
        let mut digest = Sha256::new();
        // Both numbers have a fixed length, and the address ends at a character that is in none.
        digest.update(new.eid.as_str());
        digest.update(&address);
        digest.update([0]);
        digest.update(&new.signed);
        Self {
            digest: hex::encode(digest.finalize()),
            eid: new.eid.as_str().to_owned(),
            seq_number: i64::from(new.seq_number),
            address,
            event: i64::from(new.event.bit()),
            iccid: new.iccid.map(|iccid| iccid.as_str().to_owned()),
            raw: new.raw,
            received_at: new.at.as_millis(),
            due_at: new.due_at.as_millis(),
            most: i64::try_from(FORWARDED_OF_EUICC_MAX).unwrap_or(i64::MAX),
        }
    }
}

set_row! {
    struct BringingRow<'a> {
        number: i64,
        attempts: i64,
        brought: i64,
        at: i64,
        due_at: i64,
        given_up_at: Option<i64>,
        last_answer: Option<&'a str>,
    }
}

impl<'a> BringingRow<'a> {
    fn new(forwarded: &Forwarded, bringing: &'a Bringing, now: Timestamp) -> Self {
        let row = Self {
            number: forwarded.number,
            attempts: i64::from(forwarded.attempts),
            brought: 0,
            at: now.as_millis(),
            due_at: now.as_millis(),
            given_up_at: None,
            last_answer: None,
        };
        match bringing {
            Bringing::Brought => Self { brought: 1, ..row },
            Bringing::Again { due_at, answer } => {
                Self { due_at: due_at.as_millis(), last_answer: Some(answer), ..row }
            }
            Bringing::GivenUp { answer } => {
                Self { given_up_at: Some(now.as_millis()), last_answer: Some(answer), ..row }
            }
        }
    }
}

fn forwarded(row: &Row) -> Result<Forwarded, StoreError> {
    let key = row.text("eid")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    let number = |column| -> Result<u32, StoreError> {
        u32::try_from(row.integer(column)?).map_err(|_| corrupt(column))
    };
    let time = |column| -> Result<Option<Timestamp>, StoreError> {
        Ok(row.integer_or_null(column)?.map(Timestamp::from_millis))
    };
    let iccid = row.text_or_null("iccid")?.map(|text| Iccid::parse(&text)).transpose();
    let event = u8::try_from(row.integer("event")?).map_err(|_| corrupt("event"))?;
    Ok(Forwarded {
        number: row.integer("number")?,
        eid: Eid::parse(&key).map_err(|_| corrupt("eid"))?,
        seq_number: number("seq_number")?,
        address: ServerAddress::parse(&row.text("address")?).map_err(|_| corrupt("address"))?,
        event: ProfileEvent::from_bit(event),
        iccid: iccid.map_err(|_| corrupt("iccid"))?,
        raw: row.octets("raw")?,
        received_at: Timestamp::from_millis(row.integer("received_at")?),
        repetitions: number("repetitions")?,
        attempts: number("attempts")?,
        due_at: Timestamp::from_millis(row.integer("due_at")?),
        leased_until: time("leased_until")?,
        given_up_at: time("given_up_at")?,
        forwarded_at: time("forwarded_at")?,
        last_answer: row.text_or_null("last_answer")?,
    })
}

impl Store {
    /// Keeps a notification that is to be brought to its receiver.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn forward_notification(&self, new: NewForwarded) -> Result<Forwarding, StoreError> {
        let row = ForwardedRow::new(new);
        match self.writer.change(Change::Forward(Box::new(row))).await {
            Ok(Done::Number(0)) => Ok(Forwarding::New),
            Ok(Done::Number(_)) => Ok(Forwarding::Repeated),
            // Nothing was written: no room.
            Err(StoreError::Conflict) => Ok(Forwarding::Full),
            Ok(Done::Taken(_) | Done::NoneLeft | Done::Found(_) | Done::Allotted(_)) => {
                Err(StoreError::Conflict)
            }
            Err(error) => Err(error),
        }
    }

    /// Hears of commits that kept notifications here; those of other processes show when one looks.
    #[must_use]
    pub fn forwarded_written(&self) -> tokio::sync::watch::Receiver<u64> {
        self.writer.written().forwarded()
    }

    /// The receivers for whom notifications wait, and from when on it is worth while to look for those of each: some
    /// that are due may be held by others.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn forwarded_receivers(&self) -> Result<Vec<(ServerAddress, Timestamp)>, StoreError> {
        let rows = self.pools.fetch(&RECEIVERS, []).await?;
        let read = |row: &Row| {
            let key = row.text("address")?;
            let address = ServerAddress::parse(&key);
            let address = address.map_err(|_| StoreError::Corrupt { column: "address", key })?;
            Ok((address, Timestamp::from_millis(row.integer("due_at")?)))
        };
        rows.iter().map(read).collect()
    }

    /// Takes notifications for a receiver that are due at `now`, the lowest of each eUICC, at most `most`, and holds them
    /// until `leased_until`. Sorted as they came.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn take_due_forwarded(
        &self,
        address: &ServerAddress,
        now: Timestamp,
        leased_until: Timestamp,
        most: usize,
    ) -> Result<Vec<Forwarded>, StoreError> {
        let mut writing = self.pools.begin().await?;
        let arguments = [
            now.as_millis().into(),
            leased_until.as_millis().into(),
            receiver(address).as_str().into(),
            i64::try_from(most).unwrap_or(i64::MAX).into(),
        ];
        let rows = writing.fetch(&TAKE_DUE, arguments).await?;
        writing.commit().await?;
        let mut taken = rows.iter().map(forwarded).collect::<Result<Vec<_>, _>>()?;
        taken.sort_by_key(|forwarded| forwarded.number);
        Ok(taken)
    }

    /// Writes down what attempts came to, all in one commit. One whose notification somebody else took since, or dropped,
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn settle_forwarded(
        &self,
        attempts: &[(Forwarded, Bringing)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if attempts.is_empty() {
            return Ok(());
        }
        let rows: Vec<BringingRow<'_>> =
            attempts.iter().map(|(forwarded, bringing)| BringingRow::new(forwarded, bringing, now)).collect();
        let set = Set::of(&rows);
        let behind: Vec<(&Forwarded, i64)> = attempts
            .iter()
            .filter_map(|(forwarded, bringing)| match bringing {
                Bringing::Again { due_at, .. } => Some((forwarded, due_at.as_millis())),
                Bringing::Brought | Bringing::GivenUp { .. } => None,
            })
            .collect();
        let receivers: Vec<String> =
            behind.iter().map(|(forwarded, _)| receiver(&forwarded.address)).collect();
        let followers = behind.iter().zip(&receivers).map(|((forwarded, due_at), address)| {
            [forwarded.eid.as_str().into(), address.as_str().into(), (*due_at).into()]
        });
        let mut writing = self.pools.begin().await?;
        writing.fetch_set(&BROUGHT, &set).await?;
        writing.fetch_set(&NOT_BROUGHT, &set).await?;
        if !behind.is_empty() {
            writing.fetch_set(&FOLLOW, &Set::rows_of(["eid", "address", "due_at"], followers)).await?;
        }
        writing.commit().await
    }

    /// A page of notifications in the order in which they came, behind the number `after`, at most `limit` (and 1000);
    /// `brought` asks for those too that their receivers took.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn forwarded_notifications(
        &self,
        selection: &ForwardedSelection,
        after: i64,
        limit: u32,
        brought: bool,
    ) -> Result<Vec<Forwarded>, StoreError> {
        let [eid, address] = selection.arguments();
        let limit = i64::from(limit.min(PAGE_MAX));
        let arguments = [eid, address, after.into(), limit.into(), i64::from(brought).into()];
        let rows = self.pools.fetch(&LIST, arguments).await?;
        rows.iter().map(forwarded).collect()
    }

    /// Makes notifications due at `now`, those that were given up too; returns how many. Who holds one goes on with it.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn retry_forwarded(
        &self,
        selection: &ForwardedSelection,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let [eid, address] = selection.arguments();
        let mut writing = self.pools.begin().await?;
        let rows = writing.fetch(&RETRY, [eid, address, now.as_millis().into()]).await?;
        writing.commit().await?;
        Ok(rows.len())
    }

    /// Forgets notifications that were not brought; returns how many.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn drop_forwarded(&self, selection: &ForwardedSelection) -> Result<usize, StoreError> {
        let mut writing = self.pools.begin().await?;
        let rows = writing.fetch(&DROP, selection.arguments()).await?;
        writing.commit().await?;
        Ok(rows.len())
    }

    /// How many notifications wait and how many were given up, for each receiver, with the age of the oldest.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn forwarded_counts(&self) -> Result<Vec<ForwardedCount>, StoreError> {
        let rows = self.pools.fetch(&COUNT, []).await?;
        let count = |row: &Row| {
            Ok(ForwardedCount {
                address: row.text("address")?,
                given_up: row.integer("given_up")? == 1,
                notifications: u64::try_from(row.integer("notifications")?).unwrap_or(0),
                oldest: Timestamp::from_millis(row.integer("oldest")?),
            })
        };
        rows.iter().map(count).collect()
    }

    /// Forgets notifications that were brought before `before`, at most 1000; returns how many.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn forget_forwarded(&self, before: Timestamp) -> Result<usize, StoreError> {
        let mut writing = self.pools.begin().await?;
        let rows = writing.fetch(&FORGET, [before.as_millis().into(), FORGOTTEN_MAX.into()]).await?;
        writing.commit().await?;
        Ok(rows.len())
    }
}
