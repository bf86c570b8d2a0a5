//! Operations as people ask for them: once for each key, one after the other, ended in time, and not beyond the counter.

use std::time::Duration;

use simyard::domain::{Actor, FreedomToSwitch, OldProfile, Rollback, SwitchObstacle, Task};
use simyard::eim::operations::{
    CancelOperationError, CreateOperationError, OperationRequest, WAITING_MAX, cancel_operation,
    create_operation, end_what_is_due, operation, plan,
};
use simyard::eim::package::COUNTER_MAX;
use simyard::store::Introduction;
use simyard_asn1::iot::esipa::GetEimPackageRequest;
use simyard_asn1::rsp::info::IotSpecificInfo;

use super::world::{Delivered, World, association, code, eid, iccid, person};
use crate::harness::block_on;
use crate::server::euicc::info2_with;

crate::tests!(
    the_same_key_is_the_same_operation,
    operations_of_one_euicc_go_one_after_the_other,
    so_many_operations_may_wait,
    an_operation_is_ended_before_its_package_left_and_not_after,
    an_operation_that_did_not_begin_in_time_expires,
    what_cannot_be_asked_is_refused,
    a_switch_has_conditions,
    a_counter_that_is_used_up_ends_operations_until_the_euicc_is_associated_anew,
    what_was_done_is_in_the_audit,
    simple_operations_end_with_what_the_euicc_signs,
);

fn the_same_key_is_the_same_operation() {
    block_on(async {
        let world = World::new().await;
        let keyed =
            |key: &str, task| OperationRequest { key: Some(key.to_owned()), ..OperationRequest::new(task) };
        let create = async |request: OperationRequest, actor: Actor| {
            create_operation(&world.eim, &eid(), &request, &actor).await
        };
        let first = create(keyed("k", Task::Audit), person()).await.unwrap();
        let again = create(keyed("k", Task::Audit), person()).await.unwrap();
        assert_eq!((again.operation_id, first.is_new, again.is_new), (first.operation_id, true, false));
        let disable = Task::Disable { iccid: iccid(1) };
        let refused = create(keyed("k", disable.clone()), person()).await;
        assert!(matches!(refused, Err(CreateOperationError::OtherOperation(id)) if id == first.operation_id));
        // Another caller's key is another one.
        let other = create(keyed("k", disable), Actor::Server).await.unwrap();
        assert!(other.is_new && other.operation_id != first.operation_id);
        let both = tokio::join!(
            create(keyed("race", Task::Audit), person()),
            create(keyed("race", Task::Audit), person())
        );
        let (one, two) = (both.0.unwrap(), both.1.unwrap());
        assert!(one.operation_id == two.operation_id && one.is_new != two.is_new);
    });
}

fn operations_of_one_euicc_go_one_after_the_other() {
    block_on(async {
        let world = World::new().await;
        let first = world.ask(Task::Audit).await;
        let second = world.ask(Task::Disable { iccid: iccid(1) }).await;
        assert_eq!(world.state(&second).await, "waiting");
        // What a device tells comes before what waits.
        let mut request = GetEimPackageRequest::new(eid().to_bcd());
        world.package().await;
        world.turn().await;
        assert_eq!((world.state(&first).await, world.state(&second).await), ("done", "acting"));
        let third = world.ask(Task::Audit).await;
        request.notify_state_change = true;
        world.poll_with(request).await.unwrap();
        world.turn().await;
        assert_eq!((world.state(&second).await, world.state(&third).await), ("done", "waiting"));
        world.turn().await;
        assert_eq!(world.state(&third).await, "checking");
        world.turn().await;
        assert_eq!(world.state(&third).await, "done");
        assert!(world.is_idle().await);
    });
}

fn so_many_operations_may_wait() {
    block_on(async {
        let world = World::new().await;
        for _ in 0..=WAITING_MAX {
            world.ask(Task::Audit).await;
        }
        let refused = world.request(OperationRequest::new(Task::Audit)).await;
        assert!(matches!(refused, Err(CreateOperationError::TooMany)));
    });
}

fn an_operation_is_ended_before_its_package_left_and_not_after() {
    block_on(async {
        let world = World::new().await;
        let disable = || Task::Disable { iccid: iccid(1) };
        let cancel = async |id| cancel_operation(&world.eim, &id, &person()).await;
        let (first, second) = (world.ask(disable()).await, world.ask(disable()).await);
        cancel(second).await.unwrap();
        assert_eq!(world.state(&second).await, "cancelled");
        cancel(first).await.unwrap();
        assert!(world.is_idle().await, "its package went with it");
        assert!(matches!(cancel(first).await, Err(CancelOperationError::Ended(_))));
        let third = world.ask(disable()).await;
        world.package().await;
        assert!(matches!(cancel(third).await, Err(CancelOperationError::TooLate(_))));
        world.turn().await;
        assert_eq!(world.state(&third).await, "done");
        let unknown = simyard::domain::OperationId::generate(&world.eim.rng);
        assert!(matches!(cancel(unknown).await, Err(CancelOperationError::Unknown(_))));
    });
}

fn an_operation_that_did_not_begin_in_time_expires() {
    block_on(async {
        let world = World::new().await;
        let until = |secs| Some(world.clock.now().plus(Duration::from_secs(secs)));
        let request = |task, valid_until| OperationRequest { valid_until, ..OperationRequest::new(task) };
        let disable = || Task::Disable { iccid: iccid(1) };
        let active = world.request(request(disable(), until(100))).await.unwrap();
        let waiting = world.request(request(disable(), until(50))).await.unwrap();
        world.clock.advance(Duration::from_secs(50));
        end_what_is_due(&world.eim, 10).await.unwrap();
        assert_eq!((world.state(&waiting).await, world.state(&active).await), ("expired", "acting"));
        world.clock.advance(Duration::from_secs(50));
        end_what_is_due(&world.eim, 10).await.unwrap();
        assert_eq!(world.state(&active).await, "expired");
        assert!(world.is_idle().await);
        // A package that left is waited for.
        let left = world.request(request(disable(), until(100))).await.unwrap();
        world.package().await;
        world.clock.advance(Duration::from_secs(100));
        end_what_is_due(&world.eim, 10).await.unwrap();
        assert_eq!(world.state(&left).await, "acting");
        world.turn().await;
        assert_eq!(world.state(&left).await, "done");
    });
}

fn what_cannot_be_asked_is_refused() {
    block_on(async {
        let world = World::new().await;
        let now = world.clock.now();
        let of = |task| OperationRequest::new(task);
        let coded = |task| OperationRequest { activation_code: Some(code()), ..of(task) };
        let commands = |octets: &[u8]| of(Task::Configure { commands: octets.to_vec() });
        let requests = [
            (of(Task::Download), "needs an activation code"),
            (coded(Task::Audit), "takes an activation code"),
            (OperationRequest { key: Some(String::new()), ..of(Task::Audit) }, "a key has 1 to"),
            (OperationRequest { key: Some("k".repeat(129)), ..of(Task::Audit) }, "a key has 1 to"),
            (OperationRequest { valid_until: Some(now), ..of(Task::Audit) }, "its validity ended"),
            (commands(&[]), "no list of PSMOs or eCOs"),
            (commands(&[0xA1, 0x00]), "there is none"),
            (commands(&[0xA1, 0x02, 0xAF, 0x00]), "unknown or damaged"),
            (commands(&[0xA1; 9000]), "octets, more than"),
        ];
        for (request, says) in requests {
            let refused = world.request(request).await.unwrap_err();
            assert!(refused.to_string().contains(says), "{refused}");
        }
        assert!(world.is_idle().await);
        let list = world.request(commands(&[0xA1, 0x02, 0xAB, 0x00])).await.unwrap();
        world.turn().await;
        assert_eq!(world.state(&list).await, "done");
    });
}

fn a_switch_has_conditions() {
    block_on(async {
        let world = World::with(Delivered::WithCertificates, FreedomToSwitch::Inactive).await;
        let mut request = World::switch(OldProfile::Keep);
        let obstacles = plan(&world.eim, &eid(), &request).await.unwrap();
        let names: Vec<&str> = obstacles.iter().map(simyard::domain::SwitchObstacle::name).collect();
        assert_eq!(names, ["freedom_to_switch_inactive"]);
        let refused = world.request(World::switch(OldProfile::Keep)).await;
        assert!(matches!(refused, Err(CreateOperationError::NotEligible(found)) if found == obstacles));
        // Other operations have none.
        world.ask(Task::Audit).await;
        let world = World::new().await;
        // What is too large for the memory that EUICCInfo2 tells of is not begun.
        let info2 = info2_with(|info| {
            info.ext_card_resource = &[0x82, 2, 0x10, 0];
            info.iot_specific_info = Some(IotSpecificInfo::default());
        });
        world.introduced(Introduction { euicc_info2: Some(info2), ..Introduction::default() }).await;
        request.needed_memory = Some(0x1001);
        let obstacles = plan(&world.eim, &eid(), &request).await.unwrap();
        let names: Vec<&str> = obstacles.iter().map(simyard::domain::SwitchObstacle::name).collect();
        assert_eq!(names, ["memory"]);
        request.needed_memory = Some(1);
        let first = world.request(request).await.unwrap();
        let refused = world.request(World::switch(OldProfile::Keep)).await.unwrap_err();
        assert!(refused.to_string().contains(&first.to_string()), "{refused}");
        let stranger = simyard::ident::Eid::parse("89049032123451234512345678909999").unwrap();
        let refused =
            create_operation(&world.eim, &stranger, &World::switch(OldProfile::Keep), &person()).await;
        let Err(CreateOperationError::NotEligible(found)) = refused else { panic!("{refused:?}") };
        assert_eq!(found.len(), 2);
        let audit = OperationRequest::new(Task::Audit);
        let refused = create_operation(&world.eim, &stranger, &audit, &person()).await;
        assert!(matches!(refused, Err(CreateOperationError::NotAssociated(eid)) if eid == stranger));
    });
}

fn a_counter_that_is_used_up_ends_operations_until_the_euicc_is_associated_anew() {
    block_on(async {
        let world = World::new().await;
        let now = world.clock.now();
        world.eim.store.associate(&[association(COUNTER_MAX - 1)], now).await.unwrap();
        world.card.lock().unwrap().counter = COUNTER_MAX - 1;
        let last = world.ask(Task::Audit).await;
        world.turn().await;
        assert_eq!(world.state(&last).await, "done");
        let beyond = world.ask(Task::Enable { iccid: iccid(1), rollback: Rollback::NotGranted }).await;
        let state = world.operation(&beyond).await.state;
        assert_eq!(state.reason().map(|reason| reason.code.name()), Some("counter_used_up"));
        assert!(world.is_idle().await);
        world.eim.store.associate(&[association(0)], now).await.unwrap();
        world.card.lock().unwrap().counter = 0;
        let anew = world.ask(Task::Audit).await;
        world.turn().await;
        assert_eq!(world.state(&anew).await, "done");
    });
}

fn what_was_done_is_in_the_audit() {
    block_on(async {
        let world = World::new().await;
        let id = world.ask(Task::Disable { iccid: iccid(1) }).await;
        cancel_operation(&world.eim, &id, &person()).await.unwrap();
        let selection = simyard::store::AuditSelection::default();
        let entries = world.eim.store.audit_entries(&selection, 0, 100).await.unwrap();
        let actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["operation.create", "operation.cancel"]);
        assert!(entries.iter().all(|entry| entry.subject == eid().as_str()));
        let view = operation(&world.eim, &id).await.unwrap().unwrap();
        assert_eq!((view.kept.creator.as_str(), view.packages.len()), ("person:tester", 1));
        assert_eq!(view.events.len(), 4);
    });
}

fn simple_operations_end_with_what_the_euicc_signs() {
    block_on(async {
        let world = World::new().await;
        let disable = world.ask(Task::Disable { iccid: iccid(1) }).await;
        world.turn().await;
        assert_eq!((world.state(&disable).await, world.profiles().await), ("done", Vec::new()));
        let audit = world.ask(Task::Audit).await;
        world.turn().await;
        assert_eq!(world.state(&audit).await, "done");
        assert_eq!(world.profiles().await, [(iccid(1), false)]);
        let download =
            OperationRequest { activation_code: Some(code()), ..OperationRequest::new(Task::Download) };
        let download = world.request(download).await.unwrap();
        world.download(2).await;
        world.turn().await;
        assert_eq!(world.operation(&download).await.state.to(), Some(&iccid(2)));
        // Nothing is enabled that the device could go back to.
        let with_rollback = Task::Enable { iccid: iccid(2), rollback: Rollback::Granted };
        let refused = world.request(OperationRequest::new(with_rollback)).await;
        let Err(CreateOperationError::NotEligible(obstacles)) = refused else { panic!("{refused:?}") };
        assert_eq!(obstacles, [SwitchObstacle::NothingToRollBackTo]);
        let enable = world.ask(Task::Enable { iccid: iccid(2), rollback: Rollback::NotGranted }).await;
        for _ in 0..3 {
            world.turn().await;
        }
        assert_eq!(world.state(&enable).await, "done");
        let delete = world.ask(Task::Delete { iccid: iccid(1) }).await;
        world.turn().await;
        assert_eq!((world.state(&delete).await, world.profiles().await), ("done", vec![(iccid(2), true)]));
    });
}
