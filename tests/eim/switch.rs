//! A switch from its order to its end: each step, each way back, and what a deadline does not say.

use std::time::Duration;

use simyard::domain::{OldProfile, OperationState, Rollback, SwitchTarget, Task};
use simyard::eim::operations::{OperationRequest, end_what_is_due};
use simyard::store::ForwardedSelection;
use simyard_asn1::iot::esipa::{EimPackage, EimPackageResult, GetEimPackageRequest, StateChangeCause};
use simyard_asn1::iot::result::{
    DeleteProfileResult, EnableProfileResult, EuiccPackageErrorCode, EuiccResultData, RollbackProfileResult,
};

use super::world::{World, iccid, transaction_of};
use crate::harness::block_on;
use crate::server::Euicc;

crate::tests!(
    a_device_switches_and_its_old_profile_is_deleted_after_the_hold_time,
    a_rollback_that_the_euicc_signs_is_one,
    a_rollback_may_come_in_place_of_a_result_that_was_taken,
    notifications_of_a_switch_are_held_until_it_has_an_end,
    a_list_that_shows_the_old_profile_is_a_rollback,
    a_package_that_was_executed_before_has_its_result_asked_for,
    a_result_that_is_lost_leaves_the_list_to_decide,
    a_busy_euicc_is_asked_again_under_a_new_counter,
    an_emergency_call_is_waited_for,
    what_the_euicc_refuses_leaves_the_old_profile_on,
    a_deadline_makes_a_switch_overdue_and_nothing_else,
    a_device_that_falls_back_is_looked_at_before_anything_else,
    a_switch_to_what_is_installed_needs_no_download,
);

const HOLD: Duration = Duration::from_secs(3600);

fn enabled(result: EnableProfileResult) -> [EuiccResultData<'static>; 1] {
    [EuiccResultData::Enable(result)]
}

fn a_device_switches_and_its_old_profile_is_deleted_after_the_hold_time() {
    block_on(async {
        let world = World::new().await;
        let id = world.request(World::switch(OldProfile::DeleteAfter(HOLD))).await.unwrap();
        assert_eq!(world.state(&id).await, "checking");
        let seq_numbers = world.turn().await;
        assert_eq!(seq_numbers, [41], "the result's own number is acknowledged");
        assert_eq!(world.state(&id).await, "downloading");
        world.download(2).await;
        assert_eq!(world.state(&id).await, "downloaded");
        world.turn().await;
        assert_eq!(world.state(&id).await, "enabling");
        world.turn().await;
        assert_eq!(world.state(&id).await, "confirming");
        world.turn().await;
        assert_eq!(world.state(&id).await, "holding_old");
        assert_eq!(world.profiles().await, [(iccid(1), false), (iccid(2), true)]);
        assert!(world.is_idle().await);
        world.clock.advance(HOLD - Duration::from_secs(1));
        end_what_is_due(&world.eim, 10).await.unwrap();
        assert_eq!(world.state(&id).await, "holding_old");
        world.clock.advance(Duration::from_secs(1));
        end_what_is_due(&world.eim, 10).await.unwrap();
        assert_eq!(world.state(&id).await, "deleting_old");
        world.turn().await;
        assert_eq!(world.operation(&id).await.state, OperationState::Done { iccid: Some(iccid(2)) });
        assert_eq!(world.profiles().await, [(iccid(2), true)]);
        assert!(world.is_idle().await);
        let told = world.told(&id).await;
        let steps = told.iter().filter(|name| **name == "operation.step").count();
        assert_eq!(
            (told.first(), told.last(), steps),
            (Some(&"operation.created"), Some(&"operation.done"), 8)
        );
        // It was asked for, and its old profile deleted, while the device was not there.
        assert_eq!(told.iter().filter(|name| **name == "device.poll_wanted").count(), 2);
        // Every package and every answer is there as evidence; counters rise by one.
        let packages = world.eim.store.packages_of_operation(&id).await.unwrap();
        let counters: Vec<Option<i64>> = packages.iter().map(|package| package.package.counter).collect();
        assert_eq!(counters, [Some(8), None, Some(9), Some(10), Some(11), Some(12)]);
        assert!(packages.iter().filter(|package| package.package.counter.is_some()).all(|package| {
            package.result.is_some() && package.signed.is_some() && package.handed_over_at.is_some()
        }));
        // The code is forgotten.
        assert_eq!(world.eim.store.operation(&id).await.unwrap().unwrap().sealed_activation_code, None);
    });
}

fn a_rollback_that_the_euicc_signs_is_one() {
    block_on(async {
        let world = World::new().await;
        let (id, package) = world.switching(World::switch(OldProfile::Keep)).await;
        let rollback = [EuiccResultData::Rollback(RollbackProfileResult::Ok)];
        let result = world.card.lock().unwrap().say(&package, &rollback);
        world.answer(EimPackageResult::EuiccPackageResult(result.clone())).await.unwrap();
        let expected = OperationState::RolledBack { to: iccid(2), from: Some(iccid(1)) };
        assert_eq!(world.operation(&id).await.state, expected);
        assert!(world.told(&id).await.contains(&"operation.rolled_back"));
        let kept = world.eim.store.packages_of_operation(&id).await.unwrap();
        assert!(kept.iter().any(|package| package.rollback_result.as_ref() == Some(&result)));
        assert!(world.is_idle().await);
    });
}

fn a_rollback_may_come_in_place_of_a_result_that_was_taken() {
    block_on(async {
        let world = World::new().await;
        let (id, package) = world.switching(World::switch(OldProfile::Keep)).await;
        let say = |results: &[EuiccResultData<'_>]| {
            EimPackageResult::EuiccPackageResult(world.card.lock().unwrap().say(&package, results))
        };
        // The answer was lost on its way back: the IPA goes back to the old profile, and reports that.
        world.answer(say(&enabled(EnableProfileResult::Ok))).await.unwrap();
        assert_eq!(world.state(&id).await, "confirming");
        let rollback = say(&[EuiccResultData::Rollback(RollbackProfileResult::Ok)]);
        assert_eq!(world.answer(rollback.clone()).await.unwrap().len(), 1);
        assert_eq!(world.state(&id).await, "rolled_back");
        assert_eq!(world.profiles().await, [(iccid(1), true), (iccid(2), false)]);
        let told = world.told(&id).await.len();
        // The same again is acknowledged again, and changes nothing.
        let commits = world.eim.store.commits();
        assert_eq!(world.answer(rollback).await.unwrap().len(), 1);
        assert_eq!((world.told(&id).await.len(), world.eim.store.commits()), (told, commits));
    });
}

fn notifications_of_a_switch_are_held_until_it_has_an_end() {
    block_on(async {
        for rolls_back in [false, true] {
            let world = World::new().await;
            let (id, package) = world.switching(World::switch(OldProfile::Keep)).await;
            let euicc = Euicc::new(0);
            let waiting = async || {
                let all = ForwardedSelection::default();
                world.eim.store.forwarded_notifications(&all, 0, 1000, true).await.unwrap()
            };
            // One tells of the switch, and one behind it of something else.
            let notifications =
                vec![euicc.notification(&iccid(2), 90, 1), euicc.notification(&iccid(9), 91, 3)];
            let euicc_package_result =
                world.card.lock().unwrap().say(&package, &enabled(EnableProfileResult::Ok));
            let result = EimPackageResult::EprAndNotifications { euicc_package_result, notifications };
            world.answer(result.clone()).await.unwrap();
            let held_until = world.clock.now().plus(world.eim.deadlines.confirm);
            assert_eq!(waiting().await.iter().map(|one| one.due_at).collect::<Vec<_>>(), [held_until; 2]);
            let expected: Vec<u32> = if rolls_back {
                // The acknowledgement was lost, and the device went back.
                let rollback = [EuiccResultData::Rollback(RollbackProfileResult::Ok)];
                let rollback = world.card.lock().unwrap().say(&package, &rollback);
                world.answer(EimPackageResult::EuiccPackageResult(rollback)).await.unwrap();
                // A message of the network comes once more.
                world.answer(result).await.unwrap();
                assert_eq!(world.state(&id).await, "rolled_back");
                let [void, _] = waiting().await.try_into().unwrap();
                assert_eq!((void.forwarded_at, void.raw.len()), (Some(world.clock.now()), 0));
                assert!(void.last_answer.unwrap().contains("rolled back"));
                vec![91]
            } else {
                world.card.lock().unwrap().profiles = vec![(iccid(1), false), (iccid(2), true)];
                world.turn().await;
                assert_eq!(world.state(&id).await, "done");
                vec![90, 91]
            };
            let due: Vec<u32> = waiting()
                .await
                .into_iter()
                .filter(|one| one.forwarded_at.is_none() && one.due_at <= world.clock.now())
                .map(|one| one.seq_number)
                .collect();
            assert_eq!(due, expected);
        }
    });
}

fn a_list_that_shows_the_old_profile_is_a_rollback() {
    block_on(async {
        let world = World::new().await;
        let (id, package) = world.switching(World::switch(OldProfile::Keep)).await;
        let result = world.card.lock().unwrap().say(&package, &enabled(EnableProfileResult::Ok));
        world.answer(EimPackageResult::EuiccPackageResult(result)).await.unwrap();
        // The card still has profile 1 enabled.
        world.turn().await;
        assert_eq!(world.state(&id).await, "rolled_back");
        assert_eq!(world.profiles().await, [(iccid(1), true), (iccid(2), false)]);
    });
}

fn a_package_that_was_executed_before_has_its_result_asked_for() {
    block_on(async {
        let world = World::new().await;
        let (id, package) = world.switching(World::switch(OldProfile::Keep)).await;
        let result = world.card.lock().unwrap().execute(&package);
        // The result is lost, the device polls again: the same octets, which the eUICC refuses as a replay.
        assert_eq!(world.package().await, package);
        world.turn().await;
        assert_eq!(world.state(&id).await, "switching");
        let asked = world.poll().await.unwrap();
        let EimPackage::IpaEuiccDataRequest(octets) = &asked else { panic!("{asked:02X?}") };
        assert!(octets.ends_with(&[0x5C, 0x01, 0xA2]) || octets.windows(3).any(|w| w == [0x5C, 0x01, 0xA2]));
        let data = stored_results(&asked, &[&result]);
        let seq_numbers = world.answer(EimPackageResult::IpaEuiccDataResponse(data)).await.unwrap();
        assert_eq!(seq_numbers.len(), 1);
        assert_eq!(world.state(&id).await, "confirming");
        world.turn().await;
        assert_eq!(world.state(&id).await, "done");
    });
}

fn a_result_that_is_lost_leaves_the_list_to_decide() {
    block_on(async {
        let world = World::new().await;
        let (id, package) = world.switching(World::switch(OldProfile::Keep)).await;
        world.card.lock().unwrap().execute(&package);
        world.turn().await;
        let asked = world.poll().await.unwrap();
        let data = stored_results(&asked, &[]);
        assert!(world.answer(EimPackageResult::IpaEuiccDataResponse(data)).await.unwrap().is_empty());
        assert_eq!(world.state(&id).await, "confirming");
        world.turn().await;
        assert_eq!(world.state(&id).await, "done");
    });
}

/// IpaEuiccDataResponse with these results, to the request.
fn stored_results(request: &EimPackage, results: &[&[u8]]) -> Vec<u8> {
    use simyard_asn1::{Encode as _, iot::data};
    let data = data::IpaEuiccData {
        euicc_package_results: Some(results.to_vec()),
        eim_transaction_id: transaction_of(request),
        ..data::IpaEuiccData::default()
    };
    data::IpaEuiccDataResponse::Data(Box::new(data)).to_der()
}

fn a_busy_euicc_is_asked_again_under_a_new_counter() {
    block_on(async {
        let world = World::new().await;
        let (id, package) = world.switching(World::switch(OldProfile::Keep)).await;
        world.turn_saying(&enabled(EnableProfileResult::CatBusy)).await;
        assert_eq!(world.state(&id).await, "enabling");
        assert_ne!(world.package().await, package);
        for _ in 0..4 {
            assert_eq!(world.state(&id).await, "switching");
            world.turn_saying(&enabled(EnableProfileResult::CatBusy)).await;
            let _ = world.poll().await;
        }
        let state = world.operation(&id).await.state;
        assert_eq!(state.reason().map(|reason| reason.code.name()), Some("too_many_attempts"));
        assert!(world.is_idle().await);
    });
}

fn an_emergency_call_is_waited_for() {
    block_on(async {
        let world = World::new().await;
        let (id, package) = world.switching(World::switch(OldProfile::Keep)).await;
        world.turn_with_error(EuiccPackageErrorCode::EcallActive).await;
        assert_eq!(world.state(&id).await, "enabling");
        assert!(world.is_idle().await, "nothing is asked of an eUICC in an emergency call");
        let mut request = GetEimPackageRequest::new(super::world::eid().to_bcd());
        request.notify_state_change = true;
        request.state_change_cause = Some(StateChangeCause::EmergencyProfile);
        let again = world.poll_with(request).await.unwrap();
        assert_ne!(again, EimPackage::EuiccPackageRequest(package));
        assert_eq!(world.state(&id).await, "switching");
        // Without a word the pause ends by itself.
        world.turn_with_error(EuiccPackageErrorCode::EcallActive).await;
        assert!(world.is_idle().await);
        world.clock.advance(Duration::from_secs(600));
        world.turn().await;
        assert_eq!(world.state(&id).await, "confirming");
    });
}

fn what_the_euicc_refuses_leaves_the_old_profile_on() {
    block_on(async {
        for (results, reason) in [
            (enabled(EnableProfileResult::DisallowedByPolicy), "enable: disallowedByPolicy (3)"),
            (enabled(EnableProfileResult::RollbackNotAvailable), "enable: rollbackNotAvailable (20)"),
            (enabled(EnableProfileResult::Other(42)), "enable: code 42"),
        ] {
            let world = World::new().await;
            let (id, _) = world.switching(World::switch(OldProfile::Keep)).await;
            world.turn_saying(&results).await;
            let state = world.operation(&id).await.state;
            assert_eq!(state.reason().map(ToString::to_string).as_deref(), Some(reason));
            assert_eq!(world.profiles().await, [(iccid(1), true), (iccid(2), false)]);
        }
        // A profile that may not be deleted is a remnant, and the switch is done all the same.
        let world = World::new().await;
        let old = OldProfile::DeleteAfter(HOLD);
        let (id, _) = world.switching(World::switch(old)).await;
        world.turn().await;
        world.turn().await;
        world.clock.advance(HOLD);
        end_what_is_due(&world.eim, 10).await.unwrap();
        world.turn_saying(&[EuiccResultData::Delete(DeleteProfileResult::ReturnFallbackProfile)]).await;
        let state = world.operation(&id).await.state;
        assert_eq!((state.name().as_str(), state.from()), ("done_with_remnant", Some(&iccid(1))));
    });
}

fn a_deadline_makes_a_switch_overdue_and_nothing_else() {
    block_on(async {
        let world = World::new().await;
        let (id, _) = world.switching(World::switch(OldProfile::Keep)).await;
        let before = world.operation(&id).await.state;
        world.clock.advance(Duration::from_secs(3600));
        end_what_is_due(&world.eim, 10).await.unwrap();
        let overdue = world.operation(&id).await;
        assert_eq!((overdue.state, overdue.overdue_since), (before, Some(world.clock.now())));
        assert!(world.told(&id).await.contains(&"operation.overdue"));
        // Once is enough, and what comes late counts.
        world.clock.advance(Duration::from_secs(36_000));
        end_what_is_due(&world.eim, 10).await.unwrap();
        let told = world.told(&id).await;
        assert_eq!(told.iter().filter(|name| **name == "operation.overdue").count(), 1);
        world.turn().await;
        assert_eq!(world.operation(&id).await.overdue_since, None);
        world.turn().await;
        assert_eq!(world.state(&id).await, "done");
    });
}

fn a_device_that_falls_back_is_looked_at_before_anything_else() {
    block_on(async {
        let world = World::new().await;
        let (id, _) = world.switching(World::switch(OldProfile::DeleteAfter(HOLD))).await;
        world.turn().await;
        world.turn().await;
        assert_eq!(world.state(&id).await, "holding_old");
        for (_, enabled) in &mut world.card.lock().unwrap().profiles {
            *enabled = !*enabled;
        }
        let mut request = GetEimPackageRequest::new(super::world::eid().to_bcd());
        request.notify_state_change = true;
        request.state_change_cause = Some(StateChangeCause::Fallback);
        world.poll_with(request).await.unwrap();
        assert!(
            world.eim.store.eim_euicc(&super::world::eid()).await.unwrap().unwrap().stale_since.is_some()
        );
        world.turn().await;
        assert_eq!(world.state(&id).await, "rolled_back");
        assert_eq!(world.profiles().await, [(iccid(1), true), (iccid(2), false)]);
    });
}

fn a_switch_to_what_is_installed_needs_no_download() {
    block_on(async {
        let world = World::new().await;
        world.card.lock().unwrap().profiles.push((iccid(2), false));
        let task = |to| Task::Switch {
            to: SwitchTarget::Installed(to),
            rollback: Rollback::NotGranted,
            old: OldProfile::Keep,
        };
        let id = world.ask(task(iccid(2))).await;
        for expected in ["enabling", "confirming", "done"] {
            world.turn().await;
            assert_eq!(world.state(&id).await, expected);
        }
        // What the last list does not show is told before it begins.
        let refused = world.request(OperationRequest::new(task(iccid(3)))).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("is not on the eUICC")));
        // Again: it is enabled already, and nothing is asked of the eUICC but its list.
        let id = world.ask(task(iccid(2))).await;
        world.turn().await;
        assert_eq!(world.state(&id).await, "done");
    });
}
