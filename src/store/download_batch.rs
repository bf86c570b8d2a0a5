//! What downloads change in one commit: set statements that need not wait for each other, and how what they said becomes the
//! outcome of each change.

use super::downloads::{BIND, BindRow, CountRow, INSERT_NOTIFICATION, KEEP_BINDING, KEEP_TRANSACTION};
use super::downloads::{RECORD_RESULT, RECORD_RUN_TIME, RecordRow, WIPE_ENDED};
use super::downloads::{TELL_OF_BINDING, TELL_OF_NOTIFICATION, TRIM_NOTIFICATIONS};
use super::engine::{Part, Said, Statement};
use super::refused_notifications::{KEEP_REFUSED, RefusedRow, TRIM_REFUSED};
use super::set::{Columns, Set};
use super::writer::{Done, Outcome};

/// What downloads change: set statements that need not wait for each other, so that the engine gets them in one turn.
#[derive(Default)]
pub(super) struct DownloadBatch<'a> {
    pub(super) parts: Vec<Part>,
    pub(super) sets: Vec<Set<'a>>,
    pub(super) judgements: Vec<Judgement>,
    /// The orders that several statements judge by.
    pub(super) judged: Vec<&'a str>,
}

/// How what the statements said becomes outcomes; statements by their place in [`DownloadBatch::parts`].
pub(super) enum Judgement {
    /// Each row that the statement did something for is done. With a number of its own, that is it; otherwise what the
    /// statement said.
    Numbered { by: usize, rows: Vec<(usize, Option<i64>)> },
    /// A notification is kept unless it changes an order and did not.
    Kept { changed: usize, new: usize, rows: Vec<(usize, bool)> },
}

impl<'a> DownloadBatch<'a> {
    /// Adds a set; the statements that follow are about it.
    fn add_set<R: Columns>(&mut self, rows: &[(usize, &'a R)]) {
        self.sets.push(Set::of(rows.iter().map(|(_, row)| *row)));
    }

    /// Adds a statement about the last set and returns its place.
    fn add(&mut self, statement: &'static Statement) -> usize {
        self.parts.push(Part { statement, set: self.sets.len().saturating_sub(1) });
        self.parts.len() - 1
    }

    /// Adds the statement that keeps the callbacks of the last set, if it has any, before the one that changes what both
    /// judge by.
    fn tell(&mut self, statement: &'static Statement, of: impl Iterator<Item = (&'a str, bool)>) {
        let judged = self.judged.len();
        self.judged.extend(of.filter(|(_, has_callback)| *has_callback).map(|(iccid, _)| iccid));
        if self.judged.len() > judged {
            self.add(statement);
        }
    }

    pub(super) fn count(
        &mut self,
        statement: &'static Statement,
        tell: &'static Statement,
        round: &[(usize, &'a CountRow)],
    ) {
        self.add_set(round);
        self.tell(tell, round.iter().map(|(_, row)| (row.iccid.as_str(), row.callback.is_some())));
        let by = self.add(statement);
        let rows = round.iter().map(|(place, _)| (*place, None)).collect();
        self.judgements.push(Judgement::Numbered { by, rows });
    }

    /// Rows that one statement keeps.
    pub(super) fn keep<R: Columns>(&mut self, statement: &'static Statement, round: &[(usize, &'a R)]) {
        self.add_set(round);
        let rows = round.iter().map(|(place, _)| (*place, None)).collect();
        let by = self.add(statement);
        self.judgements.push(Judgement::Numbered { by, rows });
    }

    pub(super) fn bind(&mut self, round: &[(usize, &'a BindRow)]) {
        self.add_set(round);
        self.add(&KEEP_BINDING);
        self.add(&KEEP_TRANSACTION);
        self.tell(
            &TELL_OF_BINDING,
            round.iter().map(|(_, row)| (row.iccid.as_str(), row.callback.is_some())),
        );
        let by = self.add(&BIND);
        self.judged.extend(round.iter().map(|(_, row)| row.iccid.as_str()));
        let rows = round.iter().map(|(place, row)| (*place, Some(row.version.saturating_add(1)))).collect();
        self.judgements.push(Judgement::Numbered { by, rows });
    }

    pub(super) fn refuse(&mut self, round: &[(usize, &'a RefusedRow)]) {
        self.add_set(round);
        let rows = round.iter().map(|(place, _)| (*place, None)).collect();
        let by = self.add(&KEEP_REFUSED);
        self.add(&TRIM_REFUSED);
        self.judgements.push(Judgement::Numbered { by, rows });
    }

    /// Notifications: what changes an order counts only if the order is still what it was when the notification was
    /// judged; then, and for all others, the notification is kept.
    pub(super) fn record(&mut self, round: &[(usize, &'a RecordRow)]) {
        self.add_set(round);
        self.tell(
            &TELL_OF_NOTIFICATION,
            round.iter().map(|(_, row)| (row.iccid.as_str(), row.callback.is_some())),
        );
        let new = self.add(&INSERT_NOTIFICATION);
        // Of those that change an order there are few.
        if round.iter().any(|(_, row)| row.state.is_none()) {
            self.add(&TRIM_NOTIFICATIONS);
        }
        if round.iter().any(|(_, row)| row.run_time_state.is_some()) {
            self.add(&RECORD_RUN_TIME);
        }
        if round.iter().any(|(_, row)| row.ended_at.is_some()) {
            self.add(&WIPE_ENDED);
        }
        let changed = self.add(&RECORD_RESULT);
        let results = round.iter().filter(|(_, row)| row.state.is_some());
        self.judged.extend(results.map(|(_, row)| row.iccid.as_str()));
        let rows = round.iter().map(|(place, row)| (*place, row.state.is_some())).collect();
        self.judgements.push(Judgement::Kept { changed, new, rows });
    }
}

impl Judgement {
    pub(super) fn pass(&self, answers: &[Said], outcomes: &mut [Outcome]) {
        let said = |statement: usize| answers.get(statement).into_iter().flatten().copied();
        let mut judge = |place: usize, number: Option<i64>| {
            if let (Some(number), Some(outcome)) = (number, outcomes.get_mut(place)) {
                *outcome = Ok(Done::Number(number));
            }
        };
        match self {
            Self::Numbered { by, rows } => {
                for ((place, own), said) in rows.iter().zip(said(*by)) {
                    judge(*place, said.map(|number| own.unwrap_or(number)));
                }
            }
            Self::Kept { changed, new, rows } => {
                for (((place, changes), changed), new) in rows.iter().zip(said(*changed)).zip(said(*new)) {
                    let kept = !changes || changed.is_some();
                    judge(*place, kept.then(|| i64::from(new.is_some())));
                }
            }
        }
    }
}
