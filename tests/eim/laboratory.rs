//! A laboratory's hand on the eIM: counters, tokens and packages as it wants them, and what comes back.

use simyard::domain::{Action, OperationId, Task};
use simyard::eim::answers::told;
use simyard::eim::get_eim_package::get_eim_package;
use simyard::eim::laboratory::{
    Believed, Content, Laboratory, LaboratoryError, LaboratoryPackage, believe, hand,
};
use simyard::eim::operations::{cancel_operation, operation};
use simyard::eim::package::{COUNTER_MAX, Signing};
use simyard::eim::provide_eim_package_result::ProvideEimPackageResultError;
use simyard::eim::report::report;
use simyard::ident::{Eid, TransactionId};
use simyard::store::AuditSelection;
use simyard_asn1::iot::data::IpaEuiccDataErrorCode;
use simyard_asn1::iot::data::IpaEuiccDataResponse;
use simyard_asn1::iot::esipa::{
    EimPackage, EimPackageResult, EimPackageResultErrorCode, GetEimPackageRequest,
};
use simyard_asn1::iot::package::EuiccPackageRequest;
use simyard_asn1::iot::result::{
    EnableProfileResult, EuiccPackageErrorCode, EuiccPackageErrorUnsigned, EuiccPackageResult,
    EuiccResultData,
};
use simyard_asn1::{Decode as _, Encode as _, Tag};
use zeroize::Zeroizing;

use super::world::{World, eid, iccid, person};
use crate::harness::block_on;

crate::tests!(
    an_eim_that_is_no_laboratory_refuses,
    a_counter_that_is_set_back_is_a_replay,
    a_package_is_as_the_laboratory_wants_it,
    an_earlier_package_goes_out_once_more_octet_for_octet,
    what_is_not_signed_is_handed_over_and_answered,
    what_is_enabled_by_hand_is_listed_again,
    nothing_real_is_disturbed,
    what_the_laboratory_does_is_written_down_and_proves_nothing,
    what_does_not_verify_is_refused_but_in_builds_for_laboratories,
);

const DISABLE: &str = "A40C5A0A988812010000000000F1";

async fn laboratory() -> World {
    let mut world = World::new().await;
    world.eim.laboratory = Laboratory::Open;
    world
}

fn commands() -> LaboratoryPackage {
    let octets = [&[0xA0, 14][..], &hex::decode(DISABLE).unwrap()].concat();
    LaboratoryPackage::of(Content::Commands(octets))
}

async fn sent(world: &World, package: &LaboratoryPackage) -> OperationId {
    hand(&world.eim, &eid(), package, &person()).await.unwrap()
}

/// What came back to the last package of an operation, in words.
async fn came(world: &World, id: &OperationId) -> String {
    let packages = world.eim.store.packages_of_operation(id).await.unwrap();
    told(packages.last().unwrap().result.as_ref().unwrap()).join("; ")
}

fn an_eim_that_is_no_laboratory_refuses() {
    block_on(async {
        let mut world = World::new().await;
        let refused = hand(&world.eim, &eid(), &commands(), &person()).await;
        assert!(matches!(refused, Err(LaboratoryError::Closed)));
        let refused = believe(&world.eim, &eid(), &Believed::default(), &person()).await;
        assert!(matches!(refused, Err(LaboratoryError::Closed)));
        // Closed again, what waits does not leave, and can be ended.
        world.eim.laboratory = Laboratory::Open;
        let id = sent(&world, &commands()).await;
        world.eim.laboratory = Laboratory::Closed;
        assert!(world.is_idle().await);
        cancel_operation(&world.eim, &id, &person()).await.unwrap();
        assert_eq!(world.state(&id).await, "cancelled");
        let stranger = Eid::parse("89049032000000000000279973200027").unwrap();
        world.eim.laboratory = Laboratory::Open;
        let refused = hand(&world.eim, &stranger, &commands(), &person()).await;
        assert!(matches!(refused, Err(LaboratoryError::NotAssociated(_))));
    });
}

fn a_counter_that_is_set_back_is_a_replay() {
    block_on(async {
        let world = laboratory().await;
        let set = async |next| {
            let believed = Believed { next_counter: Some(next), token: None };
            believe(&world.eim, &eid(), &believed, &person()).await.unwrap();
        };
        set(7).await;
        let id = sent(&world, &commands()).await;
        world.turn().await;
        assert_eq!(came(&world, &id).await, "signed error replayError (4) to counter 7 of eim.example.com");
        assert_eq!(world.state(&id).await, "done");
        // At its end: one more package, and then none.
        set(COUNTER_MAX).await;
        let id = world.ask(Task::Audit).await;
        assert_eq!(counter(&world.package().await), COUNTER_MAX);
        world.turn().await;
        assert_eq!(world.state(&id).await, "done");
        let id = world.ask(Task::Audit).await;
        assert_eq!(world.operation(&id).await.state.reason().unwrap().code.name(), "counter_used_up");
        // Another token is signed with.
        let believed = Believed { next_counter: Some(50), token: Some(None) };
        believe(&world.eim, &eid(), &believed, &person()).await.unwrap();
        let euicc = world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap();
        assert_eq!((euicc.association.counter, euicc.association.association_token), (49, None));
    });
}

fn counter(package: &[u8]) -> i64 {
    EuiccPackageRequest::from_der(package).unwrap().euicc_package_signed.value.counter_value
}

fn a_package_is_as_the_laboratory_wants_it() {
    block_on(async {
        let world = laboratory().await;
        let other = Eid::parse("89049032000000000000279973200027").unwrap();
        let transaction_id = TransactionId::from_octets(&[1, 2, 3]).unwrap();
        let wanted = LaboratoryPackage {
            eim_id: Some("another".to_owned()),
            eid_value: Some(other.clone()),
            counter: Some(COUNTER_MAX + 1),
            transaction_id: Some(transaction_id.clone()),
            token: Some(5),
            signing: Signing::Broken,
            ..commands()
        };
        let id = sent(&world, &wanted).await;
        let package = world.package().await;
        let read = EuiccPackageRequest::from_der(&package).unwrap();
        let signed = &read.euicc_package_signed.value;
        assert_eq!(
            (signed.eim_id, signed.eid, signed.counter_value),
            ("another", &other.to_bcd(), COUNTER_MAX + 1)
        );
        assert_eq!(signed.eim_transaction_id.unwrap().as_octets(), [1, 2, 3]);
        let key = crate::server::PKI.eim_sign.key.signing_key().unwrap();
        let message = [read.euicc_package_signed.bytes, &[0x84, 1, 5]].concat();
        let mut signature: [u8; 64] = read.eim_signature.try_into().unwrap();
        assert!(key.public_key().verify(&message, &signature).is_err());
        signature[63] ^= 1;
        key.public_key().verify(&message, &signature).unwrap();
        assert_eq!(world.package().await, package, "repeated, a poll gets the same octets");
        let error = EuiccPackageResult::ErrorUnsigned(EuiccPackageErrorUnsigned {
            eim_id: "another",
            eim_transaction_id: signed.eim_transaction_id,
            association_token: None,
            code: None,
        });
        // Nobody signed it: a device must have proved who it is.
        let answer = EimPackageResult::EuiccPackageResult(error.to_der());
        let refused = world.answer_as(&world.anybody().await, answer.clone()).await;
        assert!(matches!(refused, Err(ProvideEimPackageResultError::Unproven)));
        world.answer(answer).await.unwrap();
        assert_eq!(
            (world.state(&id).await, came(&world, &id).await.as_str()),
            ("done", "unsigned error to another")
        );
        // A counter that no eUICC must take is not ours from then on.
        let audit = world.ask(Task::Audit).await;
        assert_eq!(counter(&world.package().await), 8);
        world.turn().await;
        assert_eq!(world.state(&audit).await, "done");
        // One that it takes is.
        let id = sent(&world, &LaboratoryPackage { counter: Some(100), ..commands() }).await;
        world.turn_with_error(EuiccPackageErrorCode::InvalidEid).await;
        assert_eq!(world.state(&id).await, "done");
        world.ask(Task::Audit).await;
        assert_eq!(counter(&world.package().await), 101);
    });
}

fn an_earlier_package_goes_out_once_more_octet_for_octet() {
    block_on(async {
        let world = laboratory().await;
        let first = world.ask(Task::Audit).await;
        let octets = world.package().await;
        world.turn().await;
        let kept = operation(&world.eim, &first).await.unwrap().unwrap().packages.remove(0);
        let id = kept.package.transaction_id.clone();
        let again = sent(&world, &LaboratoryPackage::of(Content::Repeated(id))).await;
        assert_eq!(world.package().await, octets);
        world.turn().await;
        assert!(came(&world, &again).await.starts_with("signed error replayError (4)"));
        let after = operation(&world.eim, &first).await.unwrap().unwrap().packages.remove(0);
        assert_eq!((world.state(&first).await, after), ("done", kept), "what was before is as it was");
        let nothing = Content::Repeated(TransactionId::from_octets(&[9; 16]).unwrap());
        let refused = hand(&world.eim, &eid(), &LaboratoryPackage::of(nothing), &person()).await;
        assert!(matches!(refused, Err(LaboratoryError::NothingToRepeat(_))));
    });
}

fn what_is_not_signed_is_handed_over_and_answered() {
    block_on(async {
        let world = laboratory().await;
        let request = Content::DataRequest(vec![Tag(0x5A), Tag(0xBF20)]);
        let id = sent(&world, &LaboratoryPackage::of(request)).await;
        let nobody = world.anybody().await;
        let poll = GetEimPackageRequest::new(eid().to_bcd());
        assert!(get_eim_package(&world.eim, &nobody, &poll).await.is_err(), "a device proves who it is");
        let EimPackage::IpaEuiccDataRequest(octets) = world.poll().await.unwrap() else {
            panic!("a request")
        };
        assert!(hex::encode_upper(&octets).contains("5C035ABF20"), "{octets:02X?}");
        // An error of another package changes nothing.
        let error = |id: Option<&[u8]>| {
            let eim_transaction_id = id.and_then(simyard_asn1::iot::EimTransactionId::from_octets);
            let code = IpaEuiccDataErrorCode::IncorrectTagList;
            let response = IpaEuiccDataResponse::Error { eim_transaction_id, code };
            EimPackageResult::IpaEuiccDataResponse(response.to_der())
        };
        world.answer(error(Some(&[7, 7]))).await.unwrap();
        assert_eq!(world.state(&id).await, "acting");
        world.answer(error(None)).await.unwrap();
        assert_eq!(came(&world, &id).await, "error of data: incorrectTagList (1)");
        // A trigger lies sealed.
        let trigger = hex::decode("BF5415A00980073124732E78244D82080102030405060708").unwrap();
        let id = sent(&world, &LaboratoryPackage::of(Content::Whole(Zeroizing::new(trigger.clone())))).await;
        let kept = world.eim.store.operation(&id).await.unwrap().unwrap();
        assert_eq!(kept.operation.task, Task::Laboratory { package: Vec::new() });
        assert_eq!(world.poll().await.unwrap(), EimPackage::ProfileDownloadTriggerRequest(trigger));
        let code = EimPackageResultErrorCode::InvalidPackageFormat;
        world.answer(EimPackageResult::ResponseError { eim_transaction_id: None, code }).await.unwrap();
        assert_eq!(came(&world, &id).await, "error of the IPA: invalidPackageFormat (1)");
        for octets in [&[][..], &[0x30, 0], &[0xBF, 0x53, 0], &[0xBF, 0x51, 0, 0]] {
            let whole = Content::Whole(Zeroizing::new(octets.to_vec()));
            let refused = hand(&world.eim, &eid(), &LaboratoryPackage::of(whole), &person()).await;
            assert!(matches!(refused, Err(LaboratoryError::Content { .. })), "{octets:02X?}");
        }
        let long = [&[0xBF, 0x52, 0x82, 0x40, 0][..], &[0; 0x4000]].concat();
        let whole = Content::Whole(Zeroizing::new(long));
        let refused = hand(&world.eim, &eid(), &LaboratoryPackage::of(whole), &person()).await;
        assert!(matches!(refused, Err(LaboratoryError::TooLong(0x4005))));
    });
}

fn what_is_enabled_by_hand_is_listed_again() {
    block_on(async {
        let world = laboratory().await;
        let id = sent(&world, &commands()).await;
        let done = [EuiccResultData::Disable(simyard_asn1::iot::result::DisableProfileResult::Ok)];
        if cfg!(not(feature = "laboratory")) {
            let package = world.package().await;
            let mut forged = world.card.lock().unwrap().say(&package, &done);
            *forged.last_mut().unwrap() ^= 1;
            let refused = world.answer(EimPackageResult::EuiccPackageResult(forged)).await;
            assert!(
                matches!(refused, Err(ProvideEimPackageResultError::Unbelieved(_))),
                "as any other answer"
            );
        }
        let numbers = world.turn_saying(&done).await;
        assert!(!numbers.is_empty());
        assert_eq!(world.state(&id).await, "done");
        // The list comes before anything else is done.
        world.card.lock().unwrap().profiles = vec![(iccid(1), false)];
        world.turn().await;
        assert_eq!(world.profiles().await, [(iccid(1), false)]);
        // What was refused changed nothing.
        let id = sent(&world, &commands()).await;
        world.turn_saying(&[EuiccResultData::Enable(EnableProfileResult::CatBusy)]).await;
        assert_eq!(world.state(&id).await, "done");
        assert!(world.is_idle().await);
    });
}

fn nothing_real_is_disturbed() {
    block_on(async {
        let world = laboratory().await;
        let audit = world.ask(Task::Audit).await;
        let refused = hand(&world.eim, &eid(), &commands(), &person()).await;
        assert!(matches!(refused, Err(LaboratoryError::UnderWay(id)) if id == audit));
        world.turn().await;
        // Several of the laboratory's go one after the other; what is asked then comes behind them.
        let first = sent(&world, &commands()).await;
        let second = sent(&world, &commands()).await;
        let audit = world.ask(Task::Audit).await;
        assert_eq!((world.state(&first).await, world.state(&second).await), ("acting", "waiting"));
        world.package().await;
        cancel_operation(&world.eim, &first, &person()).await.expect("it ends although it has left");
        world.turn_with_error(EuiccPackageErrorCode::UndefinedError).await;
        world.turn().await;
        assert_eq!((world.state(&second).await, world.state(&audit).await), ("done", "done"));
    });
}

fn what_the_laboratory_does_is_written_down_and_proves_nothing() {
    block_on(async {
        let world = laboratory().await;
        let believed = Believed { next_counter: Some(12), token: None };
        believe(&world.eim, &eid(), &believed, &person()).await.unwrap();
        let id = sent(&world, &commands()).await;
        world.turn_with_error(EuiccPackageErrorCode::SizeOverflow).await;
        let entries = world.eim.store.audit_entries(&AuditSelection::default(), 0, 100).await.unwrap();
        let details: Vec<&str> = entries
            .iter()
            .filter(|entry| entry.action == Action::EIM_LABORATORY.as_str())
            .map(|entry| entry.detail.as_str())
            .collect();
        assert!(details.iter().any(|detail| detail.contains("next counter 12, token 128")), "{details:?}");
        assert!(details.iter().any(|detail| detail.contains(&id.to_string())), "{details:?}");
        let told = report(&world.eim, &[id]).await.unwrap();
        let [reported] = told.operations.as_slice() else { panic!("one operation") };
        assert_eq!((reported.kind.as_str(), reported.packages.len()), ("laboratory", 0));
    });
}

fn what_does_not_verify_is_refused_but_in_builds_for_laboratories() {
    block_on(async {
        for (open, believed) in
            [(Laboratory::Open, cfg!(feature = "laboratory")), (Laboratory::Closed, false)]
        {
            let mut world = World::new().await;
            world.eim.laboratory = open;
            let id = world.ask(Task::Audit).await;
            let package = world.package().await;
            let mut dummy = world.card.lock().unwrap().list(&package);
            *dummy.last_mut().unwrap() ^= 1;
            let answered = world.answer(EimPackageResult::EuiccPackageResult(dummy.clone())).await;
            let state = if believed { "done" } else { "checking" };
            assert_eq!((answered.is_ok(), world.state(&id).await), (believed, state), "{open:?}");
            let kept = operation(&world.eim, &id).await.unwrap().unwrap().packages.remove(0);
            assert_eq!((kept.unverified, kept.result), (believed, believed.then_some(dummy)));
            let told = report(&world.eim, &[id]).await.unwrap();
            assert_eq!(told.operations[0].packages.len(), usize::from(!believed), "it is no evidence");
            // Another counter is refused in any build.
            if believed {
                let id = world.ask(Task::Audit).await;
                world.package().await;
                let refused = world
                    .answer(EimPackageResult::EuiccPackageResult(world.card.lock().unwrap().list(&package)));
                assert!(refused.await.is_ok(), "it answers the first one, once more");
                assert_eq!(world.state(&id).await, "checking");
            }
        }
    });
}
