//! Each checker is contradicted once, and a server dies where it is to.

use super::*;
use crate::device::es10_client::{Es10Client, ProfileAction};
use crate::domain::{Attempts, Limits, OperationStateName, Person};
use crate::sim::device::Outcome;
use crate::sim::ground::iccid;
use crate::sim::world::{Death, Heard};
use crate::smdp::manual_order::{Expiry, Goal, Hand as ByHand, NewOrder, Wanted, place_order};
use crate::store::watch::CommitPhase;
use crate::store::{NewNotification, ResultChange};

/// Everything that does not hold, as it is told.
async fn found(driver: &Driver<'_>) -> Vec<String> {
    let violations = driver.check().await.unwrap();
    violations.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn the_checkers_see_what_nobody_told_the_server() {
    let (ground, folder) = (Ground::new(2).unwrap(), tempfile::tempdir().unwrap());
    let options = Options { fleet: Fleet::Consumer, faults: Faults::NONE, profiles: 1, campaign: None };
    let mut driver = Driver::new(&ground, options, 1, folder.path()).unwrap();
    driver.world.start().await.unwrap();
    driver.world.ingest(delivery(2, &Rng::seeded(1)).unwrap()).await.unwrap();
    driver.storm().await.unwrap();
    driver.calm().await.unwrap();
    assert_eq!(found(&driver).await, [""; 0]);

    // Somebody disables a profile by hand; the card has yet to tell it.
    let device = &driver.devices[0];
    let (eid, iccid) = (device.eid.clone(), device.notebook.errands()[0].iccid.clone());
    let mut card = Es10Client::open(device.slot.clone()).unwrap();
    card.manage_profile(ProfileAction::Disable, &iccid).unwrap();
    let none_enabled = format!("eUICC {eid} had an enabled profile and has none");
    let not_told = format!("eUICC {eid} has 1 notifications that nobody took");
    assert_eq!(found(&driver).await, [none_enabled.clone(), not_told]);

    // What waits on the card is thrown away: now the server is wrong, and nothing will tell it.
    let pending = card.list_notifications().unwrap();
    card.remove_notification(pending[0].seq_number).unwrap();
    let believed =
        format!("of profile {iccid} the server believes that it is enabled, on eUICC {eid} it is disabled");
    assert_eq!(found(&driver).await, [none_enabled.clone(), believed.clone()]);
    card.manage_profile(ProfileAction::Delete, &iccid).unwrap();
    let pending = card.list_notifications().unwrap();
    card.remove_notification(pending[0].seq_number).unwrap();
    assert_eq!(found(&driver).await, [none_enabled.clone(), believed.replace("disabled", "not there")]);

    // Of a device that is silent the server may know less, but it had an enabled profile.
    driver.devices[0].silent = true;
    assert_eq!(found(&driver).await, [none_enabled]);

    driver.world.end().await;
    assert_eq!(found(&driver).await, ["no server runs at the end"]);
}

/// A story without faults, told to its end.
async fn told<'g>(ground: &'g Ground, folder: &Path, fleet: Fleet) -> Driver<'g> {
    let options = Options { fleet, faults: Faults::NONE, profiles: 2, campaign: None };
    let mut driver = Driver::new(ground, options, 1, folder).unwrap();
    driver.world.start().await.unwrap();
    let stock = delivery(2 * ground.devices(), &Rng::seeded(1)).unwrap();
    driver.world.ingest(stock).await.unwrap();
    if fleet == Fleet::Iot {
        driver.factory().await.unwrap();
    }
    driver.storm().await.unwrap();
    driver.calm().await.unwrap();
    driver.settle().await.unwrap();
    assert_eq!(found(&driver).await, [""; 0]);
    driver
}

#[tokio::test]
async fn a_switch_that_the_card_contradicts_is_seen() {
    let (ground, folder) = (Ground::new(2).unwrap(), tempfile::tempdir().unwrap());
    let mut driver = told(&ground, folder.path(), Fleet::Iot).await;
    let device = &driver.devices[0];
    let eid = device.eid.clone();
    let new = iccid(2).unwrap();
    let done = Some(Outcome::Ended(OperationStateName::Done, None));
    assert_eq!(device.notebook.errand(&new).unwrap().outcome, done);

    // The eIM says that the device went back, and it did not.
    let rolled_back = Some(Outcome::Ended(OperationStateName::RolledBack, None));
    device.notebook.change(&new, |errand| errand.outcome = rolled_back);
    let switch = format!("the switch of eUICC {eid} to profile {new} ended as");
    assert_eq!(found(&driver).await, [format!("{switch} rolled_back, and {new} is enabled")]);
    driver.devices[0].notebook.change(&new, |errand| errand.outcome = done);

    // Somebody exchanges the cards of two devices: everything that was believed of either is wrong.
    let (first, second) = (driver.devices[0].slot.clone(), driver.devices[1].slot.clone());
    (driver.devices[0].slot, driver.devices[1].slot) = (second, first);
    let violations = driver.check().await.unwrap();
    let count = |is: fn(&Violation) -> bool| violations.iter().filter(|violation| is(violation)).count();
    let counts = [
        count(|violation| matches!(violation, Violation::NotBound { .. })),
        count(|violation| matches!(violation, Violation::Believed { .. })),
        count(|violation| matches!(violation, Violation::Switched { .. })),
        count(|violation| matches!(violation, Violation::Listed { .. })),
    ];
    assert_eq!(counts, [4, 4, 2, 2], "{violations:#?}");
    let other = iccid(3).unwrap();
    assert!(found(&driver).await.contains(&format!("{switch} done, and {other} is enabled")));

    // Of a device that is silent nobody can know what it did since; that it has what another one was given is seen.
    driver.devices.iter_mut().for_each(|device| device.silent = true);
    let violations = driver.check().await.unwrap();
    let not_bound = |violation: &Violation| matches!(violation, Violation::NotBound { .. });
    assert!(violations.len() == 4 && violations.iter().all(not_bound), "{violations:#?}");
}

#[tokio::test]
async fn an_operation_without_an_end_is_seen() {
    let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
    let mut driver = told(&ground, folder.path(), Fleet::Iot).await;
    let (eid, next) = (driver.devices[0].eid.clone(), iccid(9).unwrap());
    let matching_id = crate::ident::MatchingId::generate(&Rng::seeded(1));
    driver.devices[0].notebook.ordered(next.clone(), Ok(matching_id));
    driver.switch(9).await.unwrap();
    driver.settle().await.unwrap();
    let open = format!("what eUICC {eid} was to do with profile {next} has no outcome");
    assert_eq!(found(&driver).await, [open]);
}

#[tokio::test]
async fn a_device_without_an_enabled_profile_and_an_ipa_that_failed_are_seen() {
    let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
    let mut driver = told(&ground, folder.path(), Fleet::Iot).await;
    let eid = driver.devices[0].eid.clone();
    driver.devices[0].memory.failed("the card is broken");
    let trouble = format!("the IPA of eUICC {eid} failed: the card is broken");
    assert_eq!(found(&driver).await, std::slice::from_ref(&trouble));

    // The card forgets everything.
    let (dice, cards) = (Dice::new(1, part::DEVICES), Rng::seeded(mixed(1, part::CARDS)));
    let new = Device::new(&ground, Fleet::Iot, 0, dice, driver.clock.clone(), cards).unwrap();
    driver.devices[0].slot = new.slot;
    let found = found(&driver).await;
    for expected in [trouble, format!("eUICC {eid} had an enabled profile and has none")] {
        assert!(found.contains(&expected), "{expected}: {found:#?}");
    }
    assert!(found.iter().any(|violation| violation.starts_with("the eIM believes")), "{found:#?}");
}

#[tokio::test]
async fn profiles_on_two_cards_and_in_no_stock_are_seen() {
    let (ground, folder) = (Ground::new(2).unwrap(), tempfile::tempdir().unwrap());
    let mut driver = told(&ground, folder.path(), Fleet::Iot).await;
    // The server forgets everything: other devices, another stock.
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let mut other = World::new(&ground, &elsewhere, driver.clock.clone(), Rng::seeded(2));
    other.start().await.unwrap();
    let violations = check(&other, &driver.devices, &[], driver.clock.now()).await.unwrap();
    let unknown = |violation: &Violation| matches!(violation, Violation::Unknown { .. });
    assert_eq!(violations.iter().filter(|violation| unknown(violation)).count(), 4, "{violations:#?}");
    assert!(violations.iter().all(unknown), "{violations:#?}");
    other.end().await;

    // Two devices have what only one can have.
    driver.devices[1].slot = driver.devices[0].slot.clone();
    let found = found(&driver).await;
    let [first, second] = [0, 1].map(|number: usize| driver.devices[number].eid.clone());
    for number in [0, 2] {
        let iccid = iccid(number).unwrap();
        let twice = format!("profile {iccid} is on two eUICCs, {first} and {second}");
        assert!(found.contains(&twice), "{twice}: {found:#?}");
    }
}

#[tokio::test]
async fn a_number_that_stands_for_two_notifications_is_seen() {
    let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
    let driver = told(&ground, folder.path(), Fleet::Consumer).await;
    let (store, iccid) = (driver.world.store().unwrap(), iccid(0).unwrap());
    let one = store.notifications(&iccid).await.unwrap().remove(0);
    let another = NewNotification {
        eid: one.eid.clone(),
        seq_number: one.seq_number,
        iccid,
        event: one.event,
        signed: b"something else".to_vec(),
        raw: one.raw,
        at: driver.clock.now(),
        callback: None,
    };
    store.record_notification(&another, ResultChange::None).await.unwrap();
    let expected = format!("eUICC {} used the seqNumber {} twice", one.eid, one.seq_number);
    assert_eq!(found(&driver).await, [expected]);
}

#[tokio::test]
async fn an_errand_that_nobody_ended_is_seen() {
    let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
    let options = Options { fleet: Fleet::Consumer, faults: Faults::NONE, profiles: 1, campaign: None };
    let mut driver = Driver::new(&ground, options, 1, folder.path()).unwrap();
    driver.world.start().await.unwrap();
    let (eid, iccid) = (driver.devices[0].eid.clone(), iccid(0).unwrap());
    driver.devices[0].notebook.ordered(iccid.clone(), Err("nobody ordered".to_owned()));
    assert_eq!(found(&driver).await, [""; 0]);
    let matching_id = crate::ident::MatchingId::generate(&Rng::seeded(1));
    driver.devices[0].notebook.ordered(iccid.clone(), Ok(matching_id));
    let open = format!("what eUICC {eid} was to do with profile {iccid} has no outcome");
    assert_eq!(found(&driver).await, [open]);
}

#[tokio::test]
async fn a_server_dies_at_the_commit_it_is_sentenced_to() {
    let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
    for (phase, commit, ordered) in
        [(CommitPhase::Before, 0, false), (CommitPhase::After, 0, true), (CommitPhase::After, 1, true)]
    {
        let folder = folder.path().join(format!("{phase:?}-{commit}"));
        std::fs::create_dir(&folder).unwrap();
        let options = Options { fleet: Fleet::Consumer, faults: Faults::NONE, profiles: 1, campaign: None };
        let mut driver = Driver::new(&ground, options, 1, &folder).unwrap();
        driver.world.start().await.unwrap();
        driver.world.ingest(delivery(1, &Rng::seeded(1)).unwrap()).await.unwrap();
        driver.begin(TaskId::Order(0)).unwrap();
        let arrival = driver.queue.iter().find(|(_, event)| matches!(event, Event::Arrive(_)));
        let Some(Event::Arrive(message)) = arrival.map(|(at, _)| *at).and_then(|at| driver.queue.remove(&at))
        else {
            panic!("DownloadOrder is on its way")
        };
        let death = Death { commit, phase };
        let heard = driver.world.call(message.caller, message.request, Some(death)).await;
        // It has one commit alone: a death at the second never comes.
        assert_eq!(matches!(heard, Heard::Nothing), commit == 0);
        assert_eq!(driver.world.is_alive(), commit == 1);
        driver.world.start().await.unwrap();
        let order = driver.world.store().unwrap().order(&iccid(0).unwrap()).await.unwrap().unwrap();
        assert_eq!(order.reservation().is_some(), ordered, "{phase:?} {commit}");
    }
}

/// A story of one device that got one of three profiles.
async fn told_of_one<'g>(ground: &'g Ground, folder: &Path) -> Driver<'g> {
    let options = Options { fleet: Fleet::Consumer, faults: Faults::NONE, profiles: 1, campaign: None };
    let mut driver = Driver::new(ground, options, 1, folder).unwrap();
    driver.world.start().await.unwrap();
    driver.world.ingest(delivery(3, &Rng::seeded(1)).unwrap()).await.unwrap();
    driver.storm().await.unwrap();
    driver.calm().await.unwrap();
    assert_eq!(found(&driver).await, [""; 0]);
    driver
}

#[tokio::test]
async fn too_many_attempts_and_what_a_job_left_are_seen() {
    let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
    let driver = told_of_one(&ground, folder.path()).await;
    let (store, now) = (driver.world.store().unwrap(), driver.clock.now());
    let place = async |number, attempts, expiry| {
        let new = NewOrder {
            eid: None,
            matching_id: None,
            code_hash: None,
            goal: Goal::Released,
            expiry,
            attempts,
            key_mode: None,
            metadata: None,
            needed: Default::default(),
        };
        let (hand, wanted) =
            (ByHand { person: Person::unknown(), at: now }, Wanted::Iccid(iccid(number).unwrap()));
        place_order(store, &Rng::seeded(7), &hand, &wanted, &new).await.unwrap()
    };
    let attempts = Limits::default().download_attempts + 1;
    let order = place(1, Attempts { download: attempts, confirmation: 0 }, Expiry::Never).await;
    let too_many = format!("{attempts} download attempts were counted for profile {}", order.iccid);
    assert_eq!(found(&driver).await, std::slice::from_ref(&too_many));
    place(2, Attempts::default(), Expiry::At(now)).await;
    assert_eq!(found(&driver).await, [too_many, "1 orders that expired are left".to_owned()]);
}

#[tokio::test]
async fn an_audit_that_somebody_changed_is_seen() {
    let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
    let driver = told_of_one(&ground, folder.path()).await;
    let file = rusqlite::Connection::open(folder.path().join("simyard.db")).unwrap();
    let change = "DROP TRIGGER audit_never_changes; UPDATE audit SET actor = 'nobody' WHERE number = 1";
    file.execute_batch(change).unwrap();
    let violations = driver.check().await.unwrap();
    assert!(matches!(violations.as_slice(), [Violation::Audit(_)]), "{violations:?}");
}

#[tokio::test]
async fn a_server_that_answers_with_an_error_of_its_own_is_seen() {
    let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
    let mut driver = told_of_one(&ground, folder.path()).await;
    // There is something to tell, and a store that nothing can be written into.
    let mut card = Es10Client::open(driver.devices[0].slot.clone()).unwrap();
    card.manage_profile(ProfileAction::Disable, &iccid(0).unwrap()).unwrap();
    card.close().unwrap();
    driver.world.store().unwrap().close().await;
    driver.begin(TaskId::Life(0)).unwrap();
    driver.until(None).await.unwrap();
    let path = "/gsma/rsp2/es9plus/handleNotification".to_owned();
    let failed = Violation::ServerError { path, status: 503 };
    assert!(driver.violations.contains(&failed), "{:?}", driver.violations);
    assert!(driver.violations.iter().all(|violation| *violation == failed), "{:?}", driver.violations);
}

#[tokio::test]
async fn two_switches_at_a_time_and_a_campaign_that_is_not_what_it_was_to_be_are_seen() {
    let (ground, folder) = (Ground::new(1).unwrap(), tempfile::tempdir().unwrap());
    let pace = Pace {
        shares: vec![1000],
        per_hour: 3600,
        at_most: 1,
        failure_budget: 0,
        soak: Duration::ZERO,
        validity: None,
    };
    let options = Options { fleet: Fleet::Iot, faults: Faults::NONE, profiles: 3, campaign: Some(pace) };
    let mut driver = Driver::new(&ground, options, 1, folder.path()).unwrap();
    driver.world.start().await.unwrap();
    driver.world.ingest(delivery(3, &Rng::seeded(1)).unwrap()).await.unwrap();
    driver.factory().await.unwrap();
    driver.storm().await.unwrap();
    driver.calm().await.unwrap();
    driver.settle().await.unwrap();
    assert_eq!(found(&driver).await, [""; 0]);

    // The first of two switches ends behind the beginning of the second, and a target says that it never was.
    let file = rusqlite::Connection::open(folder.path().join("simyard.db")).unwrap();
    let change = "UPDATE operation SET changed_at = changed_at + 86400000 WHERE number = \
                  (SELECT MIN(number) FROM operation WHERE campaign_id IS NOT NULL)";
    assert_eq!(file.execute(change, []).unwrap(), 1);
    let eid = driver.devices[0].eid.clone();
    let seen = found(&driver).await;
    let overlap = format!("of eUICC {eid} two switches were under way at a time, ");
    assert!(seen.len() == 1 && seen[0].starts_with(&overlap), "{seen:?}");
    file.execute("UPDATE campaign_target SET state = 4 WHERE campaign_id IN (SELECT campaign_id FROM campaign WHERE name = 'round 2')", [])
        .unwrap();
    let seen = found(&driver).await;
    let told = format!("campaign round 2: target 1, eUICC {eid}, is failed, and its operation is done");
    assert!(seen.len() == 2 && seen.contains(&told), "{seen:?}");
}
