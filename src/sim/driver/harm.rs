//! What cards do wrong, and whoever speaks in the name of a device: a card answers with a code of an error, a message comes with
//! another octet in it, and one of earlier comes once more, late or after everything ended.

use std::collections::VecDeque;

use http::Request;
use simyard_asn1::iot::card::RollbackCode;
use simyard_asn1::iot::result::{
    DeleteProfileResult, EnableProfileResult, EuiccPackageErrorCode, EuiccResultData, ProcessingTerminated,
    ProfileInfoListError,
};
use simyard_asn1::rsp::notification::error_reason;

use super::super::faults::Dice;
use super::{Driver, Event, Message};
use crate::device::faults::Fault;

/// Messages of a device that can come once more.
const EARLIER_MAX: usize = 4;

impl Driver<'_> {
    /// What a card has not answered wrongly by now it answers rightly.
    pub(super) fn heal(&mut self, number: usize) {
        let Some(device) = self.devices.get(number) else { return };
        for fault in device.faults.take_all() {
            if let Some(count) = self.figures.card_errors.get_mut(&name(&fault)) {
                *count = count.saturating_sub(1);
            }
        }
        self.figures.card_errors.retain(|_, count| *count > 0);
    }

    /// What cards do wrong at a message of their device, and who speaks in its name.
    pub(super) fn do_harm(&mut self, number: usize, message: &Message) {
        let faults = self.faults();
        if self.dice.happens(faults.card_error)
            && let (Some(fault), Some(device)) = (answer(&self.dice), self.devices.get(number))
        {
            *self.figures.card_errors.entry(name(&fault)).or_default() += 1;
            device.faults.add(fault);
        }
        if self.dice.happens(faults.forge) {
            self.figures.forged += 1;
            self.say(message, forged(&self.dice, &message.request));
        }
        if faults.replay == 0 {
            return;
        }
        if self.dice.happens(faults.replay)
            && let Some(request) = self.earlier.get(&number).and_then(|earlier| earlier.again(&self.dice))
        {
            self.figures.replayed += 1;
            self.say(message, request);
        }
        self.earlier.entry(number).or_default().note(&message.request);
    }

    /// Somebody sends a request in the name of a device.
    fn say(&mut self, as_in: &Message, request: Request<Vec<u8>>) {
        let message = Message { request, ..as_in.double() };
        let pause = self.travel();
        self.plan(pause, Event::Arrive(Box::new(message)));
    }
}

/// Every error by which a card can answer what happens in a switch, one of a later version among them.
fn answers() -> Vec<Fault> {
    const LATER: i64 = 99;
    let packages = EuiccPackageErrorCode::NAMED.iter().copied().chain([EuiccPackageErrorCode::Other(LATER)]);
    let enables = EnableProfileResult::NAMED.iter().copied().chain([EnableProfileResult::Other(LATER)]);
    let enables = enables.filter(|code| *code != EnableProfileResult::Ok).map(EuiccResultData::Enable);
    let deletes = DeleteProfileResult::NAMED.iter().copied().chain([DeleteProfileResult::Other(LATER)]);
    let deletes = deletes.filter(|code| *code != DeleteProfileResult::Ok).map(EuiccResultData::Delete);
    let lists = ProfileInfoListError::NAMED.iter().copied().chain([ProfileInfoListError::Other(LATER)]);
    let lists = lists.map(|code| EuiccResultData::ListProfileInfo(Err(code)));
    let ends = ProcessingTerminated::NAMED.iter().copied().chain([ProcessingTerminated::Other(LATER)]);
    let ends = ends.map(EuiccResultData::ProcessingTerminated);
    let rollbacks = RollbackCode::NAMED.iter().copied().chain([RollbackCode::Other(LATER)]);
    let rollbacks = rollbacks.filter(|code| *code != RollbackCode::Ok).map(Fault::Rollback);
    let reasons = (0..=u32::from(u8::MAX)).filter(|reason| error_reason::name(*reason).is_some());
    packages
        .map(Fault::Package)
        .chain(enables.chain(deletes).chain(lists).chain(ends).map(Fault::Operation))
        .chain(rollbacks)
        .chain(reasons.map(Fault::Installation))
        .collect()
}

/// One of the errors by which a card can answer.
fn answer(dice: &Dice) -> Option<Fault> {
    let mut answers = answers();
    let end = u64::try_from(answers.len()).unwrap_or(u64::MAX);
    let at = usize::try_from(dice.below(end)).unwrap_or(usize::MAX);
    (at < answers.len()).then(|| answers.swap_remove(at))
}

/// What a report calls an answer.
fn name(fault: &Fault) -> String {
    match fault {
        Fault::Package(code) => format!("package: {code}"),
        Fault::Operation(EuiccResultData::Enable(code)) => format!("enable: {code}"),
        Fault::Operation(EuiccResultData::Delete(code)) => format!("delete: {code}"),
        Fault::Operation(EuiccResultData::ListProfileInfo(Err(code))) => format!("listProfileInfo: {code}"),
        Fault::Operation(EuiccResultData::ProcessingTerminated(code)) => {
            format!("processingTerminated: {code}")
        }
        Fault::Operation(_) => "another operation".to_owned(),
        Fault::Rollback(code) => format!("rollback: {code}"),
        Fault::Installation(reason) => {
            let name = error_reason::name(*reason).unwrap_or("a reason of a later version");
            format!("installation: {name} ({reason})")
        }
    }
}

/// The same request with one octet of its body changed.
fn forged(dice: &Dice, request: &Request<Vec<u8>>) -> Request<Vec<u8>> {
    let mut forged = request.clone();
    let end = u64::try_from(forged.body().len()).unwrap_or(u64::MAX);
    let at = usize::try_from(dice.below(end)).unwrap_or(usize::MAX);
    let change = u8::try_from(dice.below(255)).unwrap_or_default();
    if let Some(octet) = forged.body_mut().get_mut(at) {
        *octet ^= change.saturating_add(1);
    }
    forged
}

/// The latest requests of a device.
#[derive(Default)]
pub(super) struct Earlier(VecDeque<Request<Vec<u8>>>);

impl Earlier {
    /// Writes one down; the oldest is forgotten.
    fn note(&mut self, request: &Request<Vec<u8>>) {
        if self.0.len() == EARLIER_MAX {
            self.0.pop_front();
        }
        self.0.push_back(request.clone());
    }

    /// One of them, to come once more.
    fn again(&self, dice: &Dice) -> Option<Request<Vec<u8>>> {
        let end = u64::try_from(self.0.len()).unwrap_or(u64::MAX);
        let at = usize::try_from(dice.below(end)).unwrap_or(usize::MAX);
        self.0.get(at).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_answer_is_an_error_with_a_name_of_its_own() {
        let names: Vec<String> = answers().iter().map(name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert!(!names.iter().any(|name| name.contains("another") || name.contains("ok (0)")), "{names:?}");
        for expected in [
            "package: ecallActive (104)",
            "package: replayError (4)",
            "enable: catBusy (5)",
            "enable: rollbackNotAvailable (20)",
            "delete: returnFallbackProfile (21)",
            "listProfileInfo: profileChangeOngoing (11)",
            "processingTerminated: interruption (3)",
            "rollback: rollbackNotAllowed (1)",
            "installation: installFailedDueToInsufficientMemoryForProfile (10)",
            "enable: code 99",
        ] {
            assert!(names.iter().any(|name| name == expected), "{expected}: {names:?}");
        }
        let drawn = |seed| name(&answer(&Dice::new(seed, 1)).unwrap());
        assert_eq!(drawn(1), drawn(1));
        assert!((2..20).any(|seed| drawn(seed) != drawn(1)));
    }

    #[test]
    fn a_forged_request_has_one_other_octet() {
        let request = Request::new(vec![7; 50]);
        for seed in 0..50 {
            let forged = forged(&Dice::new(seed, 1), &request);
            let others = forged.body().iter().filter(|octet| **octet != 7).count();
            assert_eq!((forged.body().len(), others), (50, 1), "seed {seed}");
        }
        assert!(forged(&Dice::new(1, 1), &Request::new(Vec::new())).body().is_empty());
    }

    #[test]
    fn the_latest_requests_come_again() {
        let mut earlier = Earlier::default();
        assert!(earlier.again(&Dice::new(1, 1)).is_none());
        for number in 0..10 {
            earlier.note(&Request::new(vec![number]));
        }
        let dice = Dice::new(1, 1);
        let again: BTreeSet<u8> = (0..100).map(|_| earlier.again(&dice).unwrap().body()[0]).collect();
        assert_eq!(again, BTreeSet::from([6, 7, 8, 9]));
    }
}
