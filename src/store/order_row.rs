//! The row of an order: its columns, the order they make, and what a change writes.

use super::StoreError;
use super::callbacks::CallbackRow;
use super::engine::Row;
use super::manual_changes::ManualChangeRow;
use super::set::{Beside, set_row};
use crate::domain::{
    Attempts, Bound, CallIdentity, CodeHash, Confirmation, Download, EligibilityRule, ErrorReason, Failure,
    Installation, KeyMode, MatchingIdOrigin, NamedBy, NewAuditEntry, Operator, Order, ProfileType, Release,
    ReleaseTime, Reservation, RunTimeState, State, StateName, Terms,
};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid, Imsi, MatchingId};

/// The columns that [`order`] reads.
macro_rules! order_columns {
    () => {
        "profile.iccid, profile.imsi, profile.owner, profile.profile_type, profile.created_at, profile.number, \
         profile.version, profile.state, profile.eid, profile.requester, profile.call_identifier, profile.named_by, \
         profile.ordered_eid, profile.ordered_at, profile.confirmed_eid, profile.matching_id, \
         profile.matching_id_origin, profile.code_hash, profile.release_time, profile.confirmed_at, \
         profile.expires_at, profile.download_attempts, profile.confirmation_attempts, profile.bound_at, \
         profile.ended_at, profile.error_reason, profile.run_time_state, profile.key_mode, profile.metadata, \
         profile.released_at, profile.shelf"
    };
}
pub(super) use order_columns;

/// Nobody sees a profile of a batch that is not published. One that has an order is of a batch that is.
macro_rules! is_published {
    () => {
        "(profile.state <> 0 OR EXISTS (SELECT 1 FROM batch WHERE batch.batch_id = profile.batch_id \
         AND batch.state = 1))"
    };
}
pub(super) use is_published;

set_row! {
    /// What a change writes into the row of an order whose version is `version`.
    pub(super) struct OrderRow {
        pub(super) iccid: String,
        pub(super) version: i64,
        pub(super) number: i64,
        pub(super) state: i64,
        pub(super) eid: Option<String>,
        pub(super) requester: Option<String>,
        pub(super) call_identifier: Option<String>,
        pub(super) named_by: Option<i64>,
        pub(super) ordered_eid: Option<String>,
        pub(super) ordered_at: Option<i64>,
        pub(super) confirmed_eid: Option<String>,
        pub(super) matching_id: Option<String>,
        pub(super) matching_id_origin: Option<i64>,
        pub(super) code_hash: Option<Vec<u8>>,
        pub(super) release_time: Option<i64>,
        pub(super) confirmed_at: Option<i64>,
        pub(super) expires_at: Option<i64>,
        pub(super) key_mode: Option<i64>,
        pub(super) metadata: Option<Vec<u8>>,
        pub(super) released_at: Option<i64>,
        pub(super) bound_at: Option<i64>,
        pub(super) ended_at: Option<i64>,
        pub(super) error_reason: Option<String>,
        /// `None` leaves the count as it is.
        pub(super) download_attempts: Option<i64>,
        /// `None` leaves the count as it is.
        pub(super) confirmation_attempts: Option<i64>,
        pub(super) callback: Option<CallbackRow>,
        /// Who did it by hand, in the same commit.
        pub(super) manual_change: Beside<Option<ManualChangeRow>>,
        /// What the audit tells of it, in the same commit.
        pub(super) audit: Beside<Option<NewAuditEntry>>,
    }
}

impl OrderRow {
    pub(super) fn new(order: &Order) -> Self {
        let text = |eid: &Eid| eid.as_str().to_owned();
        let reservation = order.reservation();
        let confirmation = order.confirmation();
        let ordered_eid = match &order.state {
            State::Linked { eid, .. } => Some(eid),
            State::Available
            | State::Allocated(_)
            | State::Confirmed(_)
            | State::Released(_)
            | State::Downloaded(_)
            | State::Installed(_)
            | State::Error(_)
            | State::Unavailable => confirmation.and_then(|confirmation| confirmation.ordered_eid.as_ref()),
        };
        Self {
            iccid: order.iccid.as_str().to_owned(),
            version: order.version,
            number: order.number,
            state: state_code(order.state_name()),
            eid: order.eid().map(text),
            requester: reservation.map(|reservation| reservation.call.requester.clone()),
            call_identifier: reservation.map(|reservation| reservation.call.call_identifier.clone()),
            named_by: reservation.map(|reservation| named_by_code(reservation.named_by)),
            ordered_eid: ordered_eid.map(text),
            ordered_at: reservation.map(|reservation| reservation.at.as_millis()),
            confirmed_eid: confirmation
                .and_then(|confirmation| confirmation.confirmed_eid.as_ref())
                .map(text),
            matching_id: order.matching_id().map(|id| id.as_str().to_owned()),
            matching_id_origin: confirmation.map(|confirmation| match confirmation.matching_id_origin {
                MatchingIdOrigin::Operator => 0,
                MatchingIdOrigin::Generated => 1,
            }),
            code_hash: order.code_hash().map(|hash| hash.as_octets().to_vec()),
            release_time: confirmation.map(|confirmation| match confirmation.release_time {
                ReleaseTime::AtOnce => 0,
                ReleaseTime::Later => 1,
            }),
            confirmed_at: confirmation.map(|confirmation| confirmation.at.as_millis()),
            expires_at: order.expires_at().map(Timestamp::as_millis),
            key_mode: order.terms().and_then(|terms| terms.key_mode).map(key_mode_code),
            metadata: order.terms().and_then(|terms| terms.metadata.clone()),
            released_at: order.released().map(|release| release.at.as_millis()),
            bound_at: order.bound().map(|bound| bound.at.as_millis()),
            ended_at: order.ended_at().map(Timestamp::as_millis),
            error_reason: order.failure().map(|failure| reason_text(failure.reason)),
            download_attempts: None,
            confirmation_attempts: None,
            callback: None,
            manual_change: Beside(None),
            audit: Beside(None),
        }
    }

    /// With the attempts of the order, which are otherwise left to those who count.
    pub(super) fn with_attempts(order: &Order) -> Self {
        let attempts = order.attempts();
        Self {
            download_attempts: Some(i64::from(attempts.download)),
            confirmation_attempts: Some(i64::from(attempts.confirmation)),
            ..Self::new(order)
        }
    }

    /// By hand, which sets the attempts too.
    pub(super) fn by_hand(order: &Order, manual_change: ManualChangeRow, audit: NewAuditEntry) -> Self {
        let (manual_change, audit) = (Beside(Some(manual_change)), Beside(Some(audit)));
        Self { manual_change, audit, ..Self::with_attempts(order) }
    }
}

/// The number of a state in the column `state`: never changed once written.
pub(super) const fn state_code(state: StateName) -> i64 {
    match state {
        StateName::Available => 0,
        StateName::Allocated => 1,
        StateName::Linked => 2,
        StateName::Confirmed => 3,
        StateName::Released => 4,
        StateName::Downloaded => 5,
        StateName::Installed => 6,
        StateName::Error => 7,
        StateName::Unavailable => 8,
    }
}

pub(super) const fn state_name(code: i64) -> Option<StateName> {
    Some(match code {
        0 => StateName::Available,
        1 => StateName::Allocated,
        2 => StateName::Linked,
        3 => StateName::Confirmed,
        4 => StateName::Released,
        5 => StateName::Downloaded,
        6 => StateName::Installed,
        7 => StateName::Error,
        8 => StateName::Unavailable,
        _ => return None,
    })
}

pub(super) const fn named_by_code(named_by: NamedBy) -> i64 {
    match named_by {
        NamedBy::Iccid => 0,
        NamedBy::IccidAndType => 1,
        NamedBy::Type => 2,
    }
}

const fn key_mode_code(mode: KeyMode) -> i64 {
    match mode {
        KeyMode::SessionKeys => 0,
        KeyMode::RandomKeys => 1,
    }
}

pub(super) const fn run_time_code(state: RunTimeState) -> i64 {
    match state {
        RunTimeState::Enabled => 1,
        RunTimeState::Disabled => 2,
        RunTimeState::Deleted => 3,
    }
}

pub(super) fn reason_text(reason: ErrorReason) -> String {
    match reason {
        ErrorReason::DownloadAttempts => "download_attempts".to_owned(),
        ErrorReason::ConfirmationAttempts => "confirmation_attempts".to_owned(),
        ErrorReason::Expired => "expired".to_owned(),
        ErrorReason::NotEligible(rule) => format!("not_eligible {}", rule.name()),
        ErrorReason::Cancelled(reason) => format!("cancelled {reason}"),
        ErrorReason::Installation(reason) => format!("installation {reason}"),
    }
}

fn reason_of(text: &str) -> Option<ErrorReason> {
    match text {
        "download_attempts" => return Some(ErrorReason::DownloadAttempts),
        "confirmation_attempts" => return Some(ErrorReason::ConfirmationAttempts),
        "expired" => return Some(ErrorReason::Expired),
        _ => {}
    }
    let (kind, number) = text.split_once(' ')?;
    if kind == "not_eligible" {
        let rule = EligibilityRule::ALL.into_iter().find(|rule| rule.name() == number)?;
        return Some(ErrorReason::NotEligible(rule));
    }
    let number = number.parse().ok()?;
    match kind {
        "cancelled" => Some(ErrorReason::Cancelled(number)),
        "installation" => Some(ErrorReason::Installation(number)),
        _ => None,
    }
}

/// A row's columns, each read with its name ready for the complaint.
struct Columns<'a> {
    row: &'a Row,
    key: String,
}

impl Columns<'_> {
    fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { column, key: self.key.clone() }
    }

    fn known<T>(&self, column: &'static str, value: Option<T>) -> Result<T, StoreError> {
        value.ok_or_else(|| self.corrupt(column))
    }

    fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        let millis = self.known(column, self.row.integer_or_null(column)?)?;
        Ok(Timestamp::from_millis(millis))
    }

    fn eid_or_null(&self, column: &'static str) -> Result<Option<Eid>, StoreError> {
        let text = self.row.text_or_null(column)?;
        text.map(|text| Eid::parse(&text).map_err(|_| self.corrupt(column))).transpose()
    }

    fn eid(&self) -> Result<Eid, StoreError> {
        let eid = self.eid_or_null("eid")?;
        self.known("eid", eid)
    }

    fn count(&self, column: &'static str) -> Result<u32, StoreError> {
        u32::try_from(self.row.integer(column)?).map_err(|_| self.corrupt(column))
    }

    fn reservation(&self) -> Result<Reservation, StoreError> {
        let named_by = match self.row.integer_or_null("named_by")? {
            Some(0) => NamedBy::Iccid,
            Some(1) => NamedBy::IccidAndType,
            Some(2) => NamedBy::Type,
            _ => return Err(self.corrupt("named_by")),
        };
        let call = CallIdentity {
            requester: self.row.text_or_null("requester")?.unwrap_or_default(),
            call_identifier: self.row.text_or_null("call_identifier")?.unwrap_or_default(),
        };
        Ok(Reservation { call, named_by, at: self.time("ordered_at")?, terms: self.terms()? })
    }

    fn terms(&self) -> Result<Terms, StoreError> {
        let key_mode = match self.row.integer_or_null("key_mode")? {
            None => None,
            Some(0) => Some(KeyMode::SessionKeys),
            Some(1) => Some(KeyMode::RandomKeys),
            Some(_) => return Err(self.corrupt("key_mode")),
        };
        Ok(Terms { key_mode, metadata: self.row.octets_or_null("metadata")? })
    }

    fn confirmation(&self) -> Result<Confirmation, StoreError> {
        let matching_id =
            self.row.text_or_null("matching_id")?.and_then(|text| MatchingId::parse(&text).ok());
        let matching_id_origin = match self.row.integer_or_null("matching_id_origin")? {
            Some(0) => MatchingIdOrigin::Operator,
            Some(1) => MatchingIdOrigin::Generated,
            _ => return Err(self.corrupt("matching_id_origin")),
        };
        let release_time = match self.row.integer_or_null("release_time")? {
            Some(0) => ReleaseTime::AtOnce,
            Some(1) => ReleaseTime::Later,
            _ => return Err(self.corrupt("release_time")),
        };
        let code_hash = match self.row.octets_or_null("code_hash")? {
            None => None,
            Some(octets) => {
                let octets = octets.try_into().map_err(|_| self.corrupt("code_hash"))?;
                Some(CodeHash::from_octets(octets))
            }
        };
        Ok(Confirmation {
            reservation: self.reservation()?,
            ordered_eid: self.eid_or_null("ordered_eid")?,
            confirmed_eid: self.eid_or_null("confirmed_eid")?,
            matching_id: self.known("matching_id", matching_id)?,
            matching_id_origin,
            code_hash,
            release_time,
            at: self.time("confirmed_at")?,
            expires_at: self.row.integer_or_null("expires_at")?.map(Timestamp::from_millis),
        })
    }

    fn release(&self) -> Result<Release, StoreError> {
        let attempts = Attempts {
            download: self.count("download_attempts")?,
            confirmation: self.count("confirmation_attempts")?,
        };
        let confirmation = self.confirmation()?;
        let at = self.row.integer_or_null("released_at")?.map_or(confirmation.at, Timestamp::from_millis);
        Ok(Release { confirmation, at, attempts })
    }

    fn bound(&self) -> Result<Bound, StoreError> {
        Ok(Bound { eid: self.eid()?, at: self.time("bound_at")? })
    }

    fn failure(&self) -> Result<Failure, StoreError> {
        let reason = self.row.text_or_null("error_reason")?.as_deref().and_then(reason_of);
        let bound = match self.row.integer_or_null("bound_at")? {
            Some(_) => Some(self.bound()?),
            None => None,
        };
        Ok(Failure {
            release: self.release()?,
            bound,
            reason: self.known("error_reason", reason)?,
            at: self.time("ended_at")?,
        })
    }

    fn run_time(&self) -> Result<Option<RunTimeState>, StoreError> {
        Ok(Some(match self.row.integer_or_null("run_time_state")? {
            None => return Ok(None),
            Some(1) => RunTimeState::Enabled,
            Some(2) => RunTimeState::Disabled,
            Some(3) => RunTimeState::Deleted,
            Some(_) => return Err(self.corrupt("run_time_state")),
        }))
    }

    fn state(&self) -> Result<State, StoreError> {
        let name = self.known("state", state_name(self.row.integer("state")?))?;
        Ok(match name {
            // In quarantine, and retired, it is nobody's to order.
            StateName::Available if self.row.integer("shelf")? > 1 => State::Unavailable,
            StateName::Available => State::Available,
            StateName::Allocated => State::Allocated(self.reservation()?),
            StateName::Linked => State::Linked { reservation: self.reservation()?, eid: self.eid()? },
            StateName::Confirmed => State::Confirmed(self.confirmation()?),
            StateName::Released => State::Released(self.release()?),
            StateName::Downloaded => {
                State::Downloaded(Download { release: self.release()?, bound: self.bound()? })
            }
            StateName::Installed => State::Installed(Installation {
                download: Download { release: self.release()?, bound: self.bound()? },
                at: self.time("ended_at")?,
                run_time: self.run_time()?,
            }),
            StateName::Error => State::Error(self.failure()?),
            StateName::Unavailable => State::Unavailable,
        })
    }
}

/// The order of a row that has [`order_columns!`].
pub(super) fn order(row: &Row) -> Result<Order, StoreError> {
    let columns = Columns { row, key: row.text("iccid")? };
    let iccid = Iccid::parse(&columns.key).map_err(|_| columns.corrupt("iccid"))?;
    let imsi = row.text_or_null("imsi")?.map(|text| Imsi::parse(&text)).transpose();
    Ok(Order {
        iccid,
        imsi: imsi.map_err(|_| columns.corrupt("imsi"))?,
        owner: columns.known("owner", Operator::parse(&row.text("owner")?))?,
        profile_type: columns.known("profile_type", ProfileType::parse(&row.text("profile_type")?))?,
        created_at: Timestamp::from_millis(row.integer("created_at")?),
        number: row.integer("number")?,
        version: row.integer("version")?,
        state: columns.state()?,
    })
}
