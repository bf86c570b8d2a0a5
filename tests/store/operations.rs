//! Operations of eUICCs in the store: written and read in every state, changed under the version of their eUICC alone, and
//! their packages with counters, signatures and results.

use std::time::Duration;

use simyard::domain::{
    Deadlines, Event, EventKind, ListedProfile, OldProfile, Operation, OperationId, OperationPart,
    OperationState, OperationStateName, Reason, ReasonCode, Rollback, SwitchTarget, Task,
};
use simyard::env::Timestamp;
use simyard::ident::{Eid, TransactionId};
use simyard::store::{
    Association, CodeScope, Constraint, DownloadWay, EimChange, EuiccCertificates, Introduction,
    KeptOperation, NewOperation, NewPackage, OperationSelection, PackageAnswer, PackageCommand,
    PackageOutcome, PackageSignature, Staleness, Store, StoreError, Urgency,
};

use super::{EID, OTHER_EID, eid, iccid, now, on_both};

crate::tests!(
    an_operation_is_written_and_read_in_every_state,
    a_change_of_an_euicc_that_changed_writes_nothing,
    the_key_of_a_call_is_one_operations,
    a_package_is_handed_over_answered_and_rolled_back,
    what_an_euicc_says_is_kept_and_what_it_does_not_say_stays,
    operations_are_listed_and_due,
    polls_are_noted_beside,
);

fn other() -> Eid {
    Eid::parse(OTHER_EID).unwrap()
}

fn id(number: u8) -> OperationId {
    OperationId::parse(&format!("{number:032x}")).unwrap()
}

fn transaction(number: u8) -> TransactionId {
    TransactionId::from_octets(&[number; 16]).unwrap()
}

fn later(secs: u64) -> Timestamp {
    now().plus(Duration::from_secs(secs))
}

async fn associate(store: &Store) {
    let association =
        |eid| Association { eid, counter: 41, association_token: Some(7), download: DownloadWay::Indirect };
    store.associate(&[association(eid()), association(other())], now()).await.unwrap();
}

async fn version(store: &Store) -> i64 {
    store.eim_euicc(&eid()).await.unwrap().unwrap().version
}

async fn change(store: &Store) -> EimChange {
    EimChange::new(eid(), version(store).await, now())
}

async fn write(store: &Store, change: EimChange) -> Result<i64, StoreError> {
    store.change_eim_euicc(change, &Deadlines::default()).await
}

fn operation(number: u8, task: Task) -> Operation {
    Operation::new(id(number), eid(), task, now(), Some(later(1000)))
}

fn new(operation: Operation) -> NewOperation {
    NewOperation {
        operation,
        creator: "somebody".to_owned(),
        call_key: None,
        digest: "d".to_owned(),
        campaign_id: None,
        urgency: Urgency::Usual,
        code_scope: CodeScope::ThisEuicc,
        sealed_activation_code: Some(vec![1, 2]),
        sealed_confirmation_code: Some(vec![3]),
    }
}

async fn read(store: &Store, number: u8) -> KeptOperation {
    store.operation(&id(number)).await.unwrap().unwrap()
}

fn tasks() -> Vec<Task> {
    let (one, two) = (iccid(1), iccid(2));
    let rollback = Rollback::Granted;
    vec![
        Task::Download,
        Task::Enable { iccid: one.clone(), rollback },
        Task::Disable { iccid: one.clone() },
        Task::Delete { iccid: one },
        Task::Audit,
        Task::Switch { to: SwitchTarget::Downloaded, rollback, old: OldProfile::Keep },
        Task::Switch {
            to: SwitchTarget::Installed(two),
            rollback: Rollback::NotGranted,
            old: OldProfile::DeleteAfter(Duration::from_millis(86_400_001)),
        },
        Task::Configure { commands: vec![0xA1, 2, 0xAB, 0] },
        Task::Move { commands: vec![0xA1, 2, 0xAB, 0] },
        Task::RotateKey { commands: vec![0xA1, 2, 0xAA, 0] },
        Task::Laboratory { package: vec![0xBF, 0x51, 0] },
    ]
}

fn states() -> Vec<OperationState> {
    use OperationState as State;
    let (to, from) = (iccid(2), iccid(1));
    let reason = || Reason::new(ReasonCode::Refused, "disallowedByPolicy (3)".to_owned());
    vec![
        State::Waiting,
        State::Checking,
        State::Downloading { from: Some(from.clone()) },
        State::Downloaded { iccid: None, from: None },
        State::Enabling { to: to.clone(), from: None },
        State::Switching { to: to.clone(), from: Some(from.clone()) },
        State::Confirming { to: to.clone(), from: Some(from.clone()) },
        State::HoldingOld { to: to.clone(), from: from.clone(), until: later(5) },
        State::DeletingOld { to: to.clone(), from: from.clone() },
        State::Acting,
        State::Done { iccid: Some(to.clone()) },
        State::DoneWithRemnant { to: to.clone(), remnant: from.clone(), reason: reason() },
        State::RolledBack { to, from: Some(from) },
        State::Failed(reason()),
        State::Cancelled,
        State::Expired,
    ]
}

fn an_operation_is_written_and_read_in_every_state() {
    on_both(|store, _| async move {
        associate(&store).await;
        for (number, task) in (1..).zip(tasks()) {
            let new = new(operation(number, task));
            let creation = EimChange { new_operations: vec![new.clone()], ..change(&store).await };
            write(&store, creation).await.unwrap();
            let kept = read(&store, number).await;
            assert_eq!((&kept.operation, kept.creator.as_str()), (&new.operation, "somebody"));
            assert_eq!(kept.sealed_activation_code, Some(vec![1, 2]));
            assert_eq!(kept.code_scope, CodeScope::ThisEuicc);
        }
        let kept = read(&store, 6).await;
        for (attempts, state) in (3..).zip(states()) {
            let next = Operation {
                state,
                attempts,
                changed_at: later(u64::from(attempts)),
                overdue_since: Some(later(77)),
                ..kept.operation.clone()
            };
            let step = EimChange { operations: vec![next.clone()], ..change(&store).await };
            write(&store, step).await.unwrap();
            let read = read(&store, 6).await;
            assert_eq!(read.operation, next);
            // Codes are of no more use behind the end.
            let codes = (read.sealed_activation_code, read.sealed_confirmation_code);
            let expected = if next.state.is_end() { (None, None) } else { (Some(vec![1, 2]), Some(vec![3])) };
            assert_eq!(codes, expected, "{}", next.state.name());
        }
    });
}

fn a_change_of_an_euicc_that_changed_writes_nothing() {
    on_both(|store, _| async move {
        associate(&store).await;
        let whole = EimChange {
            counter: Some(42),
            staleness: Staleness::Since(now()),
            profiles: Some(vec![ListedProfile {
                iccid: iccid(1),
                enabled: true,
                fallback: false,
                name: None,
            }]),
            new_operations: vec![new(operation(1, Task::Audit))],
            package: Some(package(1, Some(42))),
            events: vec![created()],
            ..change(&store).await
        };
        // Two of a kind: one of them is late, whichever comes first.
        let second = EimChange {
            new_operations: vec![new(operation(2, Task::Audit))],
            package: Some(package(2, Some(43))),
            counter: Some(43),
            ..whole.clone()
        };
        let deadlines = Deadlines::default();
        let (first, second) = tokio::join!(
            store.change_eim_euicc(whole.clone(), &deadlines),
            store.change_eim_euicc(second, &deadlines)
        );
        assert_eq!(first.unwrap(), 1);
        assert!(matches!(second, Err(StoreError::Conflict)));
        assert!(store.operation(&id(2)).await.unwrap().is_none());
        assert!(store.eim_package(&transaction(2)).await.unwrap().is_none());
        let euicc = store.eim_euicc(&eid()).await.unwrap().unwrap();
        assert_eq!((euicc.association.counter, euicc.version), (42, 1));
        assert_eq!(store.events_of_operation(&id(1), 0, 10).await.unwrap().len(), 1);
        // One that the engine refuses changes nothing either: the counter was used.
        let again = EimChange {
            ended: Some((transaction(1), PackageOutcome::Withdrawn)),
            package: Some(package(3, Some(42))),
            ..change(&store).await
        };
        assert!(write(&store, again).await.is_err());
        assert!(store.outstanding_package(&eid()).await.unwrap().is_some());
        assert_eq!(version(&store).await, 1);
    });
}

fn created() -> Event {
    let operation = OperationPart {
        operation_id: id(1),
        kind: simyard::domain::OperationKind::Audit,
        state: OperationStateName::Waiting,
        reason: None,
    };
    Event { operation: Some(operation), ..Event::of_device(EventKind::OperationCreated, eid(), now()) }
}

fn the_key_of_a_call_is_one_operations() {
    on_both(|store, _| async move {
        associate(&store).await;
        let keyed = |number, creator: &str| NewOperation {
            call_key: Some("call".to_owned()),
            creator: creator.to_owned(),
            ..new(operation(number, Task::Audit))
        };
        let creation = EimChange { new_operations: vec![keyed(1, "one")], ..change(&store).await };
        write(&store, creation).await.unwrap();
        let creation = EimChange { new_operations: vec![keyed(2, "two")], ..change(&store).await };
        write(&store, creation).await.unwrap();
        let again = EimChange { new_operations: vec![keyed(3, "one")], ..change(&store).await };
        let refused = write(&store, again).await;
        assert!(matches!(refused, Err(StoreError::InUse(Constraint::OperationCall))), "{refused:?}");
        let found = store.operation_of_call("one", "call").await.unwrap().unwrap();
        assert_eq!(found.operation.operation_id, id(1));
        assert!(store.operation_of_call("three", "call").await.unwrap().is_none());
    });
}

fn package(number: u8, counter: Option<i64>) -> NewPackage {
    NewPackage {
        operation_id: id(1),
        command: PackageCommand::Enable,
        transaction_id: transaction(number),
        counter,
        content: Some(vec![0x30, 1, number]),
        created_at: now(),
        due_at: now(),
    }
}

fn a_package_is_handed_over_answered_and_rolled_back() {
    on_both(|store, _| async move {
        associate(&store).await;
        let poll = async || store.poll(&eid()).await.unwrap().unwrap();
        assert_eq!(poll().await.package, None);
        let queued = EimChange { package: Some(package(1, Some(42))), ..change(&store).await };
        write(&store, queued).await.unwrap();
        let waiting = poll().await.package.unwrap();
        assert_eq!((&waiting.package, &waiting.signed), (&package(1, Some(42)), &None));
        assert_eq!(poll().await.association_token, Some(7));
        let signed = PackageSignature { association_token: Some(7), signature: vec![5; 64] };
        let leave = |signed| Some((transaction(1), Some(signed)));
        write(&store, EimChange { handed_over: leave(signed.clone()), ..change(&store).await })
            .await
            .unwrap();
        // Only the first signature counts.
        let second = PackageSignature { association_token: None, signature: vec![6; 64] };
        write(&store, EimChange { handed_over: leave(second), ..change(&store).await }).await.unwrap();
        let left = poll().await.package.unwrap();
        assert_eq!((left.signed, left.handed_over_at), (Some(signed), Some(now())));
        let answer = |result: Option<u8>, rollback: Option<u8>| PackageAnswer {
            transaction_id: transaction(1),
            result: result.map(|octet| vec![octet]),
            rollback_result: rollback.map(|octet| vec![octet]),
            unverified: false,
        };
        let answered = EimChange {
            ended: Some((transaction(1), PackageOutcome::Answered)),
            result: Some(answer(Some(1), None)),
            package: Some(package(2, None)),
            ..change(&store).await
        };
        write(&store, answered).await.unwrap();
        assert_eq!(store.outstanding_package(&eid()).await.unwrap().unwrap().package, package(2, None));
        let late = EimChange { result: Some(answer(Some(2), Some(3))), ..change(&store).await };
        write(&store, late).await.unwrap();
        let kept = store.eim_package_of_counter(&eid(), 42).await.unwrap().unwrap();
        assert_eq!((kept.result, kept.rollback_result), (Some(vec![1]), Some(vec![3])));
        assert_eq!(kept.ended, Some((now(), PackageOutcome::Answered)));
        let of_operation = store.packages_of_operation(&id(1)).await.unwrap();
        assert_eq!(of_operation.len(), 2);
        assert!(store.eim_package_of_counter(&other(), 42).await.unwrap().is_none());
    });
}

fn what_an_euicc_says_is_kept_and_what_it_does_not_say_stays() {
    on_both(|store, _| async move {
        associate(&store).await;
        let listed = |number, enabled| ListedProfile {
            iccid: iccid(number),
            enabled,
            fallback: number == 2,
            name: Some("Acme".to_owned()),
        };
        let certificates = EuiccCertificates { eum: vec![1, 2, 3], own: vec![4] };
        let told = EimChange {
            certificates: Some(certificates.clone()),
            introduction: Introduction { euicc_info2: Some(vec![0xBF, 0x22, 0]), ..Introduction::default() },
            not_introduced: true,
            rplmn: Some("02f810".to_owned()),
            staleness: Staleness::Since(later(3)),
            profiles: Some(vec![listed(1, true), listed(2, false)]),
            ..change(&store).await
        };
        write(&store, told).await.unwrap();
        let euicc = store.eim_euicc(&eid()).await.unwrap().unwrap();
        assert_eq!((euicc.certificates.as_ref(), euicc.introductions), (Some(&certificates), 1));
        assert_eq!((euicc.stale_since, euicc.rplmn.as_deref()), (Some(later(3)), Some("02f810")));
        assert_eq!(euicc.association.download, DownloadWay::Indirect);
        let profiles = store.profiles_of_euicc(&eid()).await.unwrap();
        assert_eq!(profiles, [listed(1, true), listed(2, false)]);
        let later_list = EimChange {
            staleness: Staleness::Listed,
            profiles: Some(vec![listed(2, true)]),
            ..change(&store).await
        };
        write(&store, later_list).await.unwrap();
        let euicc = store.eim_euicc(&eid()).await.unwrap().unwrap();
        assert_eq!((euicc.stale_since, euicc.listed_at), (None, Some(now())));
        assert_eq!(euicc.introduction.euicc_info2, Some(vec![0xBF, 0x22, 0]));
        assert_eq!(euicc.certificates, Some(certificates));
        assert_eq!(store.profiles_of_euicc(&eid()).await.unwrap(), [listed(2, true)]);
        // A new association has its own counter; what is known stays.
        let anew = Association { counter: 0, association_token: None, ..euicc.association };
        store.associate(std::slice::from_ref(&anew), later(9)).await.unwrap();
        let euicc = store.eim_euicc(&eid()).await.unwrap().unwrap();
        assert_eq!((euicc.association, euicc.associated_at), (anew, later(9)));
        assert!(euicc.certificates.is_some() && euicc.version == 3);
    });
}

fn operations_are_listed_and_due() {
    on_both(|store, _| async move {
        associate(&store).await;
        for number in 1..=3 {
            let mut audit = operation(number, Task::Audit);
            if number == 1 {
                audit = audit.transition(simyard::domain::Occurrence::Begun, now()).unwrap().0;
            }
            let urgency = if number == 3 { Urgency::First } else { Urgency::Usual };
            let creation = EimChange {
                new_operations: vec![NewOperation { urgency, ..new(audit) }],
                ..change(&store).await
            };
            write(&store, creation).await.unwrap();
        }
        let ids = |kept: Vec<KeptOperation>| {
            kept.iter().map(|kept| kept.operation.operation_id).collect::<Vec<_>>()
        };
        let of = |eid, state| OperationSelection { eid, state };
        let all = store.operations(&of(None, None), None, 2).await.unwrap();
        let before = all.last().unwrap().number;
        assert_eq!(ids(all), [id(3), id(2)]);
        assert_eq!(ids(store.operations(&of(None, None), Some(before), 2).await.unwrap()), [id(1)]);
        let waiting = Some(OperationStateName::Waiting);
        assert_eq!(ids(store.operations(&of(None, waiting), None, 9).await.unwrap()), [id(3), id(2)]);
        assert_eq!(ids(store.operations(&of(Some(eid()), waiting), None, 9).await.unwrap()), [id(3), id(2)]);
        assert_eq!(ids(store.operations(&of(Some(other()), None), None, 9).await.unwrap()), []);
        assert_eq!(ids(store.operations_under_way(&eid()).await.unwrap()), [id(1), id(2), id(3)]);
        let active = store.active_operation(&eid()).await.unwrap().unwrap();
        assert_eq!(active.operation.operation_id, id(1));
        let next = store.next_operation(&eid()).await.unwrap().unwrap();
        assert_eq!(next.operation.operation_id, id(3), "what a device made necessary comes first");
        assert!(store.operations_due(later(999), 9).await.unwrap().is_empty());
        let due: Vec<_> = store.operations_due(later(1000), 9).await.unwrap();
        assert_eq!(due.len(), 3);
        assert!(due.iter().all(|(_, of)| *of == eid() && of.as_str() == EID));
        // Nobody else may be under way beside it.
        let second = next.operation.transition(simyard::domain::Occurrence::Begun, now()).unwrap().0;
        let beside = EimChange { operations: vec![second], ..change(&store).await };
        assert!(write(&store, beside).await.is_err());
    });
}

fn polls_are_noted_beside() {
    on_both(|store, _| async move {
        associate(&store).await;
        let note = async |secs| store.eim_contacts(&[(eid(), later(secs))]).await.unwrap();
        let contacts = async || {
            let euicc = store.eim_euicc(&eid()).await.unwrap().unwrap();
            assert_eq!(euicc.version, 0);
            (euicc.last_contact_at, euicc.previous_contact_at)
        };
        note(0).await;
        assert_eq!(contacts().await, (Some(later(0)), None));
        note(3600).await;
        note(3605).await;
        note(3601).await;
        assert_eq!(contacts().await, (Some(later(3605)), Some(later(0))));
        let euicc = store.eim_euicc(&eid()).await.unwrap().unwrap();
        assert_eq!(euicc.expected_at(), Some(later(7210)));
    });
}
