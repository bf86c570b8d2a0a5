//! How an operation goes on: what occurs to it, and what follows from that in each state ([`super::operation`]).

use super::operation::{
    ATTEMPTS_MAX, Command, Effect, Fetch, ListedProfile, Listing, OldProfile, Operation, SwitchTarget, Task,
};
use super::operation_event::EventKind;
use super::operation_state::{OperationState, OperationStateName, Reason, ReasonCode};
use crate::env::Timestamp;
use crate::ident::Iccid;

/// What occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// Its turn came.
    Begun,
    /// An IPA fetched the outstanding package for the first time.
    HandedOver,
    /// The eUICC signed a list of its profiles.
    Listed(Listing),
    /// The eUICC signed a ProfileInstallationResult that tells of success.
    Installed {
        /// The profile, if it is told.
        iccid: Option<Iccid>,
    },
    /// The download ended without a profile.
    DownloadFailed {
        /// Why.
        why: String,
        /// Whether it may go well another time.
        again: bool,
    },
    /// The eUICC signed that it did the command.
    Executed,
    /// The eUICC signed that it refuses the command.
    Refused {
        /// The code with its name.
        why: String,
    },
    /// catBusy (5).
    Busy,
    /// The eUICC signed that the profile before is enabled again: rollbackResult ok.
    RolledBack,
    /// replayError (4) for a counter of ours: it was executed already, and the result is on its way or lost.
    Replayed,
    /// The eUICC keeps no result of the package.
    ResultLost,
    /// ecallActive (104).
    EcallActive,
    /// The eUICC signed that it takes no package like this one.
    NotAccepted {
        /// The code with its name.
        why: String,
    },
    /// An error that is not signed: the eUICC knows another key, token or eIM.
    NotUnderstood,
    /// The counter is used up.
    CounterUsedUp,
    /// The device told that its profiles changed.
    StateChanged,
    /// The deadline of the step passed.
    Deadline,
    /// The hold time passed.
    HoldEnded,
    /// Somebody wants it ended.
    Cancel(Fetch),
    /// Its validity ended.
    Expire(Fetch),
}

impl Occurrence {
    const fn name(&self) -> &'static str {
        match self {
            Self::Begun => "begin",
            Self::HandedOver => "hand-over",
            Self::Listed(_) => "list of profiles",
            Self::Installed { .. } => "installed profile",
            Self::DownloadFailed { .. } => "failed download",
            Self::Executed => "executed command",
            Self::Refused { .. } => "refused command",
            Self::Busy => "busy eUICC",
            Self::RolledBack => "rollback",
            Self::Replayed => "replay error",
            Self::ResultLost => "lost result",
            Self::EcallActive => "emergency call",
            Self::NotAccepted { .. } => "refused package",
            Self::NotUnderstood => "unsigned error",
            Self::CounterUsedUp => "used up counter",
            Self::StateChanged => "changed state",
            Self::Deadline => "deadline",
            Self::HoldEnded => "end of the hold time",
            Self::Cancel(_) => "cancel",
            Self::Expire(_) => "expiry",
        }
    }
}

/// The state does not go with what occurred; the operation stays what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an operation that is {from} takes no {occurrence}")]
pub struct InvalidOccurrence {
    /// The state.
    pub from: OperationStateName,
    /// What occurred.
    pub occurrence: &'static str,
}

/// What a transition comes to.
enum Next {
    /// Another step, with its package.
    Enter(OperationState),
    /// Another state, the package is on its way already.
    Become(OperationState),
    /// The package of this step anew, so often; then the operation ends for this reason.
    Again(Reason),
    /// The package of this step anew, later; the eUICC did not count it.
    Later,
    /// Another package first.
    Ask(Command),
    /// Nothing.
    Stay,
}

impl Operation {
    /// Takes what occurred at `now`.
    ///
    /// # Errors
    /// [`InvalidOccurrence`] where it does not go with the state: a late or repeated report, or a wish that comes too late.
    pub fn transition(
        mut self,
        occurrence: Occurrence,
        now: Timestamp,
    ) -> Result<(Self, Vec<Effect>), InvalidOccurrence> {
        let invalid = InvalidOccurrence { from: self.state.name(), occurrence: occurrence.name() };
        if self.state.is_end() {
            return Err(invalid);
        }
        if occurrence == Occurrence::Deadline {
            if self.overdue_since.is_some() || self.state == OperationState::Waiting {
                return Err(invalid);
            }
            self.overdue_since = Some(now);
            return Ok((self, vec![Effect::Tell(EventKind::OperationOverdue)]));
        }
        let mut next = self.next(occurrence, now).ok_or(invalid)?;
        if let Next::Again(reason) = &next
            && self.attempts >= ATTEMPTS_MAX
        {
            let reason = Reason::new(
                ReasonCode::TooManyAttempts,
                format!("{} times without success; the last time: {}", self.attempts, reason.detail),
            );
            next = self.give_up(reason);
        }
        let effects = self.enter(next, now);
        Ok((self, effects))
    }

    fn enter(&mut self, next: Next, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match next {
            Next::Stay => {}
            Next::Ask(command) => effects.push(Effect::Queue(command)),
            Next::Again(_) => {
                self.attempts = self.attempts.saturating_add(1);
                self.fetch_again();
                effects.extend(self.command().map(Effect::Queue));
            }
            Next::Later => {
                self.fetch_again();
                effects.extend(self.command().map(Effect::QueueLater));
            }
            Next::Become(state) => {
                (self.state, self.changed_at, self.overdue_since) = (state, now, None);
                effects.push(Effect::Tell(self.state.name().event()));
            }
            Next::Enter(state) => {
                (self.state, self.changed_at, self.overdue_since) = (state, now, None);
                self.attempts = 1;
                effects.extend(self.command().map(Effect::Queue));
                effects.push(Effect::Tell(self.state.name().event()));
                if matches!((&self.task, &self.state), (Task::Move { .. }, OperationState::Done { .. })) {
                    effects.push(Effect::Leave);
                }
            }
        }
        effects
    }

    /// A package that is made anew is fetched anew.
    fn fetch_again(&mut self) {
        if let OperationState::Switching { to, from } = &self.state {
            self.state = OperationState::Enabling { to: to.clone(), from: from.clone() };
        }
    }

    /// The end for a reason for which no further package is made.
    fn give_up(&self, reason: Reason) -> Next {
        match &self.state {
            OperationState::DeletingOld { to, from } => {
                Next::Enter(OperationState::DoneWithRemnant { to: to.clone(), remnant: from.clone(), reason })
            }
            // The switch is done, and its hold time runs: it was another look alone.
            OperationState::HoldingOld { .. } => Next::Stay,
            _ => Next::Enter(OperationState::Failed(reason)),
        }
    }

    fn next(&self, occurrence: Occurrence, now: Timestamp) -> Option<Next> {
        use OperationState as State;
        let lists = self.command() == Some(Command::ListProfileInfo);
        let has_package = self.command().is_some();
        let holds = matches!(self.state, State::HoldingOld { .. });
        let acts = matches!(
            self.state,
            State::Enabling { .. } | State::Switching { .. } | State::DeletingOld { .. } | State::Acting
        );
        match (occurrence, &self.state) {
            (Occurrence::Begun, State::Waiting) => Some(Next::Enter(self.first())),
            (Occurrence::HandedOver, State::Enabling { to, from }) => {
                Some(Next::Become(State::Switching { to: to.clone(), from: from.clone() }))
            }
            (Occurrence::HandedOver, State::HoldingOld { .. }) => Some(Next::Stay),
            (Occurrence::HandedOver, _) if has_package => Some(Next::Stay),
            (Occurrence::Listed(listing), _) => self.listed(&listing, now),
            (Occurrence::Installed { iccid }, State::Downloading { from }) => {
                Some(Next::Enter(State::Downloaded { iccid, from: from.clone() }))
            }
            (Occurrence::DownloadFailed { why, again }, State::Downloading { .. }) => {
                let reason = Reason::new(ReasonCode::DownloadFailed, why);
                Some(if again { Next::Again(reason) } else { self.give_up(reason) })
            }
            (Occurrence::Executed, _) if acts => self.executed(),
            (Occurrence::Refused { why }, _) if acts => {
                Some(self.give_up(Reason::new(ReasonCode::Refused, why)))
            }
            (Occurrence::Refused { why }, _) if lists => {
                Some(Next::Again(Reason::new(ReasonCode::Refused, why)))
            }
            (Occurrence::Busy, _) if acts => {
                Some(Next::Again(Reason::new(ReasonCode::Busy, "the eUICC is busy (catBusy, 5)".to_owned())))
            }
            (
                Occurrence::RolledBack,
                State::Enabling { to, from }
                | State::Switching { to, from }
                | State::Confirming { to, from },
            ) => Some(Next::Enter(State::RolledBack { to: to.clone(), from: from.clone() })),
            (
                Occurrence::RolledBack,
                State::HoldingOld { to, from, .. } | State::DeletingOld { to, from },
            ) => Some(Next::Enter(State::RolledBack { to: to.clone(), from: Some(from.clone()) })),
            (Occurrence::Replayed, _) if acts => Some(Next::Ask(Command::StoredResults)),
            (Occurrence::Replayed | Occurrence::ResultLost, _) if lists => Some(Next::Again(result_lost())),
            (Occurrence::ResultLost, _) => self.result_lost(),
            (Occurrence::EcallActive, _) if has_package => Some(Next::Later),
            (Occurrence::NotAccepted { why }, _) if has_package || holds => {
                Some(self.give_up(Reason::new(ReasonCode::NotAccepted, why)))
            }
            // It may have the new key already, and the package is signed under the old one: its result says it.
            (Occurrence::NotUnderstood, State::Acting) if matches!(self.task, Task::RotateKey { .. }) => {
                Some(Next::Ask(Command::StoredResults))
            }
            (Occurrence::NotUnderstood, _) if has_package || holds => Some(self.give_up(Reason::new(
                ReasonCode::NotUnderstood,
                "the eUICC answered with an error that it does not sign: it knows another key, token or eIM; \
                 compare its association before anything else is tried"
                    .to_owned(),
            ))),
            (Occurrence::CounterUsedUp, _) if has_package || holds => Some(self.give_up(Reason::new(
                ReasonCode::CounterUsedUp,
                "the counter of this eUICC is used up: associate it anew, with a new counter and token".to_owned(),
            ))),
            (Occurrence::StateChanged, State::HoldingOld { .. }) => Some(Next::Ask(Command::ListProfileInfo)),
            (Occurrence::StateChanged, _) if lists => Some(Next::Ask(Command::ListProfileInfo)),
            (Occurrence::StateChanged, _) => Some(Next::Stay),
            (Occurrence::HoldEnded, State::HoldingOld { to, from, .. }) => {
                Some(Next::Enter(State::DeletingOld { to: to.clone(), from: from.clone() }))
            }
            (Occurrence::Cancel(_), State::HoldingOld { to, from, .. }) => {
                Some(Next::Enter(State::DoneWithRemnant {
                    to: to.clone(),
                    remnant: from.clone(),
                    reason: Reason::new(
                        ReasonCode::Cancelled,
                        "cancelled while the old profile was held".to_owned(),
                    ),
                }))
            }
            (Occurrence::Cancel(fetch), _) if self.may_end(fetch) => Some(Next::Enter(State::Cancelled)),
            (Occurrence::Expire(fetch), _) if self.may_end(fetch) => Some(Next::Enter(State::Expired)),
            _ => None,
        }
    }

    /// The first step.
    fn first(&self) -> OperationState {
        match &self.task {
            Task::Download => OperationState::Downloading { from: None },
            Task::Enable { .. } | Task::Audit | Task::Switch { .. } => OperationState::Checking,
            Task::Disable { .. }
            | Task::Delete { .. }
            | Task::Configure { .. }
            | Task::Move { .. }
            | Task::RotateKey { .. }
            | Task::Laboratory { .. } => OperationState::Acting,
        }
    }

    fn executed(&self) -> Option<Next> {
        use OperationState as State;
        Some(Next::Enter(match &self.state {
            State::Enabling { to, from } | State::Switching { to, from } => {
                State::Confirming { to: to.clone(), from: from.clone() }
            }
            State::DeletingOld { to, .. } => State::Done { iccid: Some(to.clone()) },
            State::Acting => State::Done { iccid: None },
            _ => return None,
        }))
    }

    /// It was executed, and nobody knows how it ended: the list says what can be said.
    fn result_lost(&self) -> Option<Next> {
        use OperationState as State;
        match (&self.state, &self.task) {
            (State::Enabling { to, from } | State::Switching { to, from }, _) => {
                Some(Next::Enter(State::Confirming { to: to.clone(), from: from.clone() }))
            }
            (State::DeletingOld { .. }, _) | (State::Acting, Task::Disable { .. } | Task::Delete { .. }) => {
                Some(Next::Ask(Command::ListProfileInfo))
            }
            (State::Acting, _) => Some(self.give_up(result_lost())),
            _ => None,
        }
    }

    fn listed(&self, listing: &Listing, now: Timestamp) -> Option<Next> {
        use OperationState as State;
        let enabled = || listing.enabled().map(|profile| profile.iccid.clone());
        Some(match (&self.state, &self.task) {
            (State::Checking, Task::Audit) => Next::Enter(State::Done { iccid: None }),
            (
                State::Checking,
                Task::Enable { iccid, .. } | Task::Switch { to: SwitchTarget::Installed(iccid), .. },
            ) => match listing.find(iccid) {
                None => self.give_up(not_installed(iccid)),
                Some(ListedProfile { enabled: true, .. }) => {
                    Next::Enter(State::Done { iccid: Some(iccid.clone()) })
                }
                Some(_) => Next::Enter(State::Enabling { to: iccid.clone(), from: enabled() }),
            },
            (State::Checking, Task::Switch { to: SwitchTarget::Downloaded, .. }) => {
                Next::Enter(State::Downloading { from: enabled() })
            }
            (State::Downloaded { iccid, from }, task) => match (listing.downloaded(iccid.as_ref()), task) {
                (None, Task::Download) if iccid.is_none() => Next::Enter(State::Done { iccid: None }),
                (None, _) => self.give_up(match iccid {
                    Some(iccid) => not_installed(iccid),
                    None => Reason::new(
                        ReasonCode::NotInstalled,
                        "the eUICC did not tell which profile it installed, and its list does not show"
                            .to_owned(),
                    ),
                }),
                (Some(new), Task::Switch { .. }) if new.enabled => {
                    self.confirmed(&new.iccid, from.as_ref(), listing, now)
                }
                (Some(new), Task::Switch { .. }) => {
                    Next::Enter(State::Enabling { to: new.iccid.clone(), from: enabled() })
                }
                (Some(new), _) => Next::Enter(State::Done { iccid: Some(new.iccid.clone()) }),
            },
            (State::Confirming { to, from }, _) => match listing.enabled() {
                Some(profile) if profile.iccid == *to => self.confirmed(to, from.as_ref(), listing, now),
                other => self.not_confirmed(to, from.as_ref(), other),
            },
            (State::HoldingOld { to, from, .. }, _) => match listing.enabled() {
                Some(profile) if profile.iccid == *to => Next::Stay,
                other => self.not_confirmed(to, Some(from), other),
            },
            (State::DeletingOld { to, from }, _) => match listing.find(from) {
                None => Next::Enter(State::Done { iccid: Some(to.clone()) }),
                Some(_) => Next::Again(result_lost()),
            },
            (State::Acting, Task::Delete { iccid }) => match listing.find(iccid) {
                None => Next::Enter(State::Done { iccid: None }),
                Some(_) => Next::Again(result_lost()),
            },
            (State::Acting, Task::Disable { iccid }) => match listing.find(iccid) {
                Some(ListedProfile { enabled: true, .. }) => Next::Again(result_lost()),
                _ => Next::Enter(State::Done { iccid: None }),
            },
            _ => return None,
        })
    }

    /// The new profile is enabled: what becomes of the old one?
    fn confirmed(&self, to: &Iccid, from: Option<&Iccid>, listing: &Listing, now: Timestamp) -> Next {
        use OperationState as State;
        let old = from.filter(|from| *from != to).and_then(|from| listing.find(from));
        Next::Enter(match (&self.task, old) {
            (Task::Switch { old: OldProfile::DeleteAfter(_), .. }, Some(old)) if old.fallback => {
                State::DoneWithRemnant {
                    to: to.clone(),
                    remnant: old.iccid.clone(),
                    reason: Reason::new(
                        ReasonCode::Fallback,
                        "the old profile has the fallback attribute, and is kept".to_owned(),
                    ),
                }
            }
            (Task::Switch { old: OldProfile::DeleteAfter(hold), .. }, Some(old)) => {
                State::HoldingOld { to: to.clone(), from: old.iccid.clone(), until: now.plus(*hold) }
            }
            _ => State::Done { iccid: Some(to.clone()) },
        })
    }

    /// Another profile is enabled than the one that was switched to.
    fn not_confirmed(&self, to: &Iccid, from: Option<&Iccid>, enabled: Option<&ListedProfile>) -> Next {
        use OperationState as State;
        Next::Enter(match enabled {
            Some(profile) if Some(&profile.iccid) == from => {
                State::RolledBack { to: to.clone(), from: from.cloned() }
            }
            Some(profile) => State::Failed(Reason::new(
                ReasonCode::OtherProfileEnabled,
                format!("profile {} is enabled, neither the new one nor the old one", profile.iccid),
            )),
            None if from.is_none() => State::RolledBack { to: to.clone(), from: None },
            None => State::Failed(Reason::new(
                ReasonCode::OtherProfileEnabled,
                "no profile is enabled any more".to_owned(),
            )),
        })
    }
}

fn not_installed(iccid: &Iccid) -> Reason {
    Reason::new(ReasonCode::NotInstalled, format!("profile {iccid} is not on the eUICC"))
}

fn result_lost() -> Reason {
    Reason::new(ReasonCode::ResultLost, "it was executed, and the eUICC keeps no result of it".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::operation::{Deadlines, OperationId, OperationKind, Rollback};
    use super::*;
    use crate::env::Rng;
    use crate::ident::Eid;

    fn iccid(number: u8) -> Iccid {
        Iccid::parse(&format!("898821100000000000{number}")).unwrap()
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn of(task: Task) -> Operation {
        let eid = Eid::parse("89049032000000000000279973200019").unwrap();
        Operation::new(OperationId::parse(&"07".repeat(16)).unwrap(), eid, task, at(0), None)
    }

    fn switch(old: OldProfile) -> Operation {
        of(Task::Switch { to: SwitchTarget::Downloaded, rollback: Rollback::Granted, old })
    }

    fn listed(profiles: &[(u8, bool)]) -> Listing {
        let profile = |(number, enabled): &(u8, bool)| ListedProfile {
            iccid: iccid(*number),
            enabled: *enabled,
            fallback: false,
            name: None,
        };
        Listing { profiles: profiles.iter().map(profile).collect(), appeared: Vec::new() }
    }

    fn installed() -> Occurrence {
        Occurrence::Installed { iccid: Some(iccid(2)) }
    }

    fn after(operation: Operation, occurrences: impl IntoIterator<Item = Occurrence>) -> Operation {
        occurrences
            .into_iter()
            .fold(operation, |operation, occurrence| operation.transition(occurrence, at(10)).unwrap().0)
    }

    /// A switch that downloads profile 2 while 1 is enabled, and deletes 1 afterwards, step by step.
    fn steps() -> Vec<Occurrence> {
        vec![
            Occurrence::Begun,
            Occurrence::Listed(listed(&[(1, true)])),
            installed(),
            Occurrence::Listed(listed(&[(1, true), (2, false)])),
            Occurrence::HandedOver,
            Occurrence::Executed,
            Occurrence::Listed(listed(&[(1, false), (2, true)])),
            Occurrence::HoldEnded,
            Occurrence::Executed,
        ]
    }

    fn in_every_state() -> Vec<Operation> {
        let old = OldProfile::DeleteAfter(Duration::from_secs(100));
        let mut all: Vec<Operation> =
            (0..=steps().len()).map(|count| after(switch(old), steps().into_iter().take(count))).collect();
        let disable = || of(Task::Disable { iccid: iccid(1) });
        let refused = || Occurrence::Refused { why: "disallowedByPolicy (3)".to_owned() };
        all.insert(9, after(disable(), [Occurrence::Begun]));
        all.push(after(switch(old), steps().into_iter().take(8).chain([refused()])));
        all.push(after(switch(old), steps().into_iter().take(5).chain([Occurrence::RolledBack])));
        all.push(after(switch(old), steps().into_iter().take(5).chain([refused()])));
        all.push(after(switch(old), [Occurrence::Cancel(Fetch::NotFetched)]));
        all.push(after(switch(old), [Occurrence::Expire(Fetch::NotFetched)]));
        all
    }

    fn occurrences() -> Vec<(&'static str, Occurrence)> {
        let why = || "why".to_owned();
        vec![
            ("begin", Occurrence::Begun),
            ("hand over", Occurrence::HandedOver),
            ("old enabled", Occurrence::Listed(listed(&[(1, true), (2, false)]))),
            ("new enabled", Occurrence::Listed(listed(&[(1, false), (2, true)]))),
            ("another enabled", Occurrence::Listed(listed(&[(1, false), (2, false), (3, true)]))),
            ("new absent", Occurrence::Listed(listed(&[(1, true)]))),
            ("old absent", Occurrence::Listed(listed(&[(2, true)]))),
            ("installed", installed()),
            ("failed download", Occurrence::DownloadFailed { why: why(), again: false }),
            ("failed download, again", Occurrence::DownloadFailed { why: why(), again: true }),
            ("executed", Occurrence::Executed),
            ("refused", Occurrence::Refused { why: why() }),
            ("busy", Occurrence::Busy),
            ("rollback", Occurrence::RolledBack),
            ("replay error", Occurrence::Replayed),
            ("lost result", Occurrence::ResultLost),
            ("emergency call", Occurrence::EcallActive),
            ("not accepted", Occurrence::NotAccepted { why: why() }),
            ("not understood", Occurrence::NotUnderstood),
            ("counter used up", Occurrence::CounterUsedUp),
            ("changed state", Occurrence::StateChanged),
            ("deadline", Occurrence::Deadline),
            ("hold ended", Occurrence::HoldEnded),
            ("cancel", Occurrence::Cancel(Fetch::NotFetched)),
            ("cancel, fetched", Occurrence::Cancel(Fetch::Fetched)),
            ("expire", Occurrence::Expire(Fetch::NotFetched)),
            ("expire, fetched", Occurrence::Expire(Fetch::Fetched)),
        ]
    }

    fn shown(effects: &[Effect]) -> String {
        let shown = |effect: &Effect| match effect {
            Effect::Queue(command) => match command {
                Command::ListProfileInfo => ", list".to_owned(),
                Command::Trigger => ", trigger".to_owned(),
                Command::Enable { .. } => ", enable".to_owned(),
                Command::Disable { .. } => ", disable".to_owned(),
                Command::Delete { .. } => ", delete".to_owned(),
                Command::Configure => ", configure".to_owned(),
                Command::Laboratory => ", the laboratory's".to_owned(),
                Command::StoredResults => ", ask for stored results".to_owned(),
            },
            Effect::QueueLater(_) => ", the same later".to_owned(),
            Effect::Tell(kind) => format!(", {kind}"),
            Effect::Leave => ", leave".to_owned(),
        };
        effects.iter().map(shown).collect()
    }

    #[test]
    fn every_state_meets_every_occurrence() {
        let states = in_every_state();
        let names: Vec<OperationStateName> = states.iter().map(|operation| operation.state.name()).collect();
        assert_eq!(names, OperationStateName::ALL);
        let mut table = String::new();
        for operation in states {
            let from = operation.state.name();
            for (name, occurrence) in occurrences() {
                match operation.clone().transition(occurrence, at(20)) {
                    Ok((next, effects)) => {
                        assert!(!from.is_end(), "{from} is an end");
                        table += &format!("{from}: {name} -> {}{}\n", next.state.name(), shown(&effects));
                    }
                    Err(invalid) => assert_eq!(invalid.from, from),
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn a_deadline_invents_no_outcome() {
        for operation in in_every_state() {
            let Ok((overdue, effects)) = operation.clone().transition(Occurrence::Deadline, at(50)) else {
                continue;
            };
            assert_eq!(overdue.state, operation.state);
            assert_eq!(overdue.overdue_since, Some(at(50)));
            assert_eq!(effects, [Effect::Tell(EventKind::OperationOverdue)]);
            // Told once; what comes late still counts.
            assert!(overdue.clone().transition(Occurrence::Deadline, at(60)).is_err());
            assert_eq!(overdue.occurrence_due(at(60), Fetch::Fetched), None);
        }
        let switching = after(switch(OldProfile::Keep), steps().into_iter().take(5));
        let overdue = after(switching, [Occurrence::Deadline]);
        let (confirming, _) = overdue.transition(Occurrence::Executed, at(99)).unwrap();
        assert_eq!(
            (confirming.state.name(), confirming.overdue_since),
            (OperationStateName::Confirming, None)
        );
    }

    #[test]
    fn validity_and_deadlines_are_due_in_their_order() {
        let deadlines = Deadlines::default();
        let valid = Operation { valid_until: Some(at(500)), ..of(Task::Audit) };
        assert_eq!(valid.due(&deadlines, at(0)), Some(at(500)));
        assert_eq!(
            valid.occurrence_due(at(500), Fetch::NotFetched),
            Some(Occurrence::Expire(Fetch::NotFetched))
        );
        // A package that left is waited for beyond the validity.
        let task = Task::Disable { iccid: iccid(1) };
        let acting = after(Operation { valid_until: Some(at(500)), ..of(task) }, [Occurrence::Begun]);
        assert_eq!(acting.due(&deadlines, at(10)), Some(at(500)));
        assert_eq!(acting.occurrence_due(at(500), Fetch::Fetched), Some(Occurrence::Deadline));
        assert_eq!(acting.due(&deadlines, at(500)), Some(at(10 + 24 * 3600)));
        let holding =
            after(switch(OldProfile::DeleteAfter(Duration::from_secs(100))), steps().into_iter().take(7));
        assert_eq!(holding.due(&deadlines, at(10)), Some(at(110)));
        assert_eq!(holding.occurrence_due(at(109), Fetch::NotFetched), None);
        assert_eq!(holding.occurrence_due(at(110), Fetch::NotFetched), Some(Occurrence::HoldEnded));
        let done = after(of(Task::Audit), [Occurrence::Begun, Occurrence::Listed(listed(&[]))]);
        assert_eq!(done.due(&deadlines, at(10)), None);
    }

    #[test]
    fn the_same_step_is_tried_so_often() {
        let mut operation = after(switch(OldProfile::Keep), steps().into_iter().take(5));
        for attempt in 2..=ATTEMPTS_MAX {
            let (again, effects) = operation.transition(Occurrence::Busy, at(20)).unwrap();
            assert_eq!((again.attempts, again.state.name()), (attempt, OperationStateName::Enabling));
            assert!(matches!(effects.as_slice(), [Effect::Queue(Command::Enable { .. })]));
            operation = after(again, [Occurrence::HandedOver]);
        }
        let (failed, effects) = operation.transition(Occurrence::Busy, at(20)).unwrap();
        assert_eq!(effects, [Effect::Tell(EventKind::OperationFailed)]);
        let reason = failed.state.reason().unwrap();
        assert_eq!(reason.code, ReasonCode::TooManyAttempts);
        assert_eq!(reason.detail, "5 times without success; the last time: the eUICC is busy (catBusy, 5)");
    }

    #[test]
    fn a_fallback_profile_is_never_deleted() {
        let old = OldProfile::DeleteAfter(Duration::from_secs(100));
        let confirming = after(switch(old), steps().into_iter().take(6));
        let mut listing = listed(&[(1, false), (2, true)]);
        listing.profiles[0].fallback = true;
        let (done, _) = confirming.transition(Occurrence::Listed(listing), at(20)).unwrap();
        assert_eq!(done.state.reason().map(|reason| reason.code), Some(ReasonCode::Fallback));
        assert_eq!(done.state.from(), Some(&iccid(1)));
    }

    #[test]
    fn a_download_that_does_not_tell_is_found_by_what_appeared() {
        let downloaded = after(
            switch(OldProfile::Keep),
            steps().into_iter().take(2).chain([Occurrence::Installed { iccid: None }]),
        );
        let mut listing = listed(&[(1, true), (2, false)]);
        let (lost, _) = downloaded.clone().transition(Occurrence::Listed(listing.clone()), at(20)).unwrap();
        assert_eq!(lost.state.reason().map(|reason| reason.code), Some(ReasonCode::NotInstalled));
        listing.appeared = vec![iccid(2)];
        let (enabling, _) = downloaded.transition(Occurrence::Listed(listing), at(20)).unwrap();
        assert_eq!(
            (enabling.state.name(), enabling.state.to()),
            (OperationStateName::Enabling, Some(&iccid(2)))
        );
    }

    #[test]
    fn what_is_enabled_already_needs_no_package() {
        let task = Task::Enable { iccid: iccid(2), rollback: Rollback::NotGranted };
        let checking = after(of(task), [Occurrence::Begun]);
        let enabled = Occurrence::Listed(listed(&[(1, false), (2, true)]));
        let (done, effects) = checking.clone().transition(enabled, at(20)).unwrap();
        assert_eq!(done.state, OperationState::Done { iccid: Some(iccid(2)) });
        assert_eq!(effects, [Effect::Tell(EventKind::OperationDone)]);
        let absent = Occurrence::Listed(listed(&[(1, true)]));
        let (failed, _) = checking.transition(absent, at(20)).unwrap();
        assert_eq!(failed.state.reason().map(|reason| reason.code), Some(ReasonCode::NotInstalled));
    }

    #[test]
    fn an_euicc_leaves_once_it_signed_that_it_has_another_eim() {
        let added = after(of(Task::Move { commands: vec![0xA1, 0] }), [Occurrence::Begun]);
        assert_eq!(added.command(), Some(Command::Configure));
        let (done, effects) = added.clone().transition(Occurrence::Executed, at(20)).unwrap();
        assert_eq!(done.state.name(), OperationStateName::Done);
        assert_eq!(effects, [Effect::Tell(EventKind::OperationDone), Effect::Leave]);
        for stays in [
            Occurrence::Refused { why: "addEim: insufficientMemory (1)".to_owned() },
            Occurrence::ResultLost,
            Occurrence::NotUnderstood,
        ] {
            let (failed, effects) = added.clone().transition(stays, at(20)).unwrap();
            assert_eq!(failed.state.name(), OperationStateName::Failed);
            assert_eq!(effects, [Effect::Tell(EventKind::OperationFailed)]);
        }
    }

    #[test]
    fn who_does_not_understand_the_old_key_may_have_the_new_one() {
        let rotating = after(of(Task::RotateKey { commands: vec![0xA1, 0] }), [Occurrence::Begun]);
        let (asking, effects) = rotating.transition(Occurrence::NotUnderstood, at(20)).unwrap();
        assert_eq!(effects, [Effect::Queue(Command::StoredResults)]);
        let (done, _) = asking.clone().transition(Occurrence::Executed, at(21)).unwrap();
        assert_eq!(done.state.name(), OperationStateName::Done);
        let (failed, _) = asking.transition(Occurrence::ResultLost, at(21)).unwrap();
        assert_eq!(failed.state.reason().map(|reason| reason.code), Some(ReasonCode::ResultLost));
    }

    #[test]
    fn names_and_numbers_are_read_again() {
        for name in OperationStateName::ALL {
            assert_eq!(OperationStateName::parse(name.as_str()), Some(name));
        }
        for kind in OperationKind::ALL {
            assert_eq!(OperationKind::parse(kind.name()), Some(kind));
        }
        for code in ReasonCode::ALL {
            assert_eq!(ReasonCode::parse(code.name()), Some(code));
        }
        let drawn = OperationId::generate(&Rng::seeded(1));
        assert_eq!(OperationId::parse(&drawn.to_string()), Some(drawn));
        assert_eq!(OperationId::parse("0a"), None);
    }
}
