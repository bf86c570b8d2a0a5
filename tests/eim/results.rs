//! Polls and results one by one: what is repeated, what nobody can believe, who may ask and tell, and eUICCs that nobody
//! introduced.

use simyard::domain::{FreedomToSwitch, OldProfile, Task};
use simyard::eim::get_eim_package::{GetEimPackageError, get_eim_package};
use simyard::eim::provide_eim_package_result::{ProvideEimPackageResultError, provide_eim_package_result};
use simyard::eim::refusals::RefusalReason;
use simyard::eim::status::{EsipaCode, EsipaError as _};
use simyard::eim::verify::Unbelieved;
use simyard::env::Rng;
use simyard::ident::Eid;
use simyard::pki::tls::peer_identity;
use simyard::store::CodeScope;
use simyard_asn1::iot::esipa::{
    EimPackage, EimPackageResult, EimPackageResultErrorCode, GetEimPackageRequest,
    ProvideEimPackageResultError as Code, ProvideEimPackageResultRequest, StateChangeCause,
};
use simyard_asn1::iot::result::{
    EnableProfileResult, EuiccPackageErrorCode, EuiccPackageErrorUnsigned, EuiccPackageResult,
    EuiccResultData,
};
use simyard_asn1::iot::{Implicit, data};
use simyard_asn1::{Decode as _, Encode as _};

use super::world::{Delivered, EIM_ID, World, association, eid, iccid, length, peer, transaction_of};
use crate::harness::block_on;
use crate::server::{PKI, euicc};

crate::tests!(
    a_poll_that_is_repeated_gets_the_same_octets_and_writes_nothing,
    a_result_that_is_repeated_is_processed_once,
    what_nobody_can_believe_changes_nothing,
    a_result_for_what_ended_is_kept_and_changes_nothing,
    an_unsigned_error_stops_the_operation,
    errors_that_the_euicc_signs_end_the_operation,
    what_an_ipa_cannot_execute_is_told,
    an_installation_is_heard_of_though_the_next_trigger_is_queued,
    a_switch_that_ends_between_download_and_list_leaves_the_list_in_doubt,
    an_euicc_that_nobody_introduced_is_asked_who_it_is,
    certificates_of_another_euicc_are_refused,
    a_poll_that_tells_of_something_is_written_down_and_followed_by_an_audit,
    who_proves_nothing_gets_and_changes_little,
    a_device_speaks_for_its_own_euicc,
    an_eid_that_nobody_delivered_is_not_found,
    a_result_without_an_eid_is_found_by_its_package,
);

const fn package(octets: Vec<u8>) -> EimPackageResult {
    EimPackageResult::EuiccPackageResult(octets)
}

fn a_poll_that_is_repeated_gets_the_same_octets_and_writes_nothing() {
    block_on(async {
        let world = World::new().await;
        assert!(world.is_idle().await);
        let commits = world.eim.store.commits();
        assert!(world.is_idle().await);
        assert_eq!(world.eim.store.commits(), commits, "an idle poll writes nothing");
        world.ask(Task::Audit).await;
        let first = world.package().await;
        let commits = world.eim.store.commits();
        for _ in 0..3 {
            assert_eq!(world.package().await, first);
        }
        assert_eq!(world.eim.store.commits(), commits);
        // When it polled is noted beside, for the first time without waiting for company.
        assert!(world.eim.contacts.has_first());
        world.eim.contacts.note(&world.eim.store).await.unwrap();
        let euicc = world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap();
        assert_eq!(euicc.last_contact_at, Some(world.clock.now()));
        world.package().await;
        assert!(!world.eim.contacts.has_first(), "from now on it can");
        assert_eq!(world.eim.store.commits(), commits);
    });
}

fn a_result_that_is_repeated_is_processed_once() {
    block_on(async {
        let world = World::new().await;
        let id = world.ask(Task::Audit).await;
        let asked = world.package().await;
        let result = world.card.lock().unwrap().execute(&asked);
        let first = world.answer(package(result.clone())).await.unwrap();
        assert_eq!(world.state(&id).await, "done");
        let commits = world.eim.store.commits();
        assert_eq!(world.answer(package(result)).await.unwrap(), first);
        assert_eq!(world.eim.store.commits(), commits);
    });
}

fn what_nobody_can_believe_changes_nothing() {
    block_on(async {
        let world = World::new().await;
        let (id, asked) = world.switching(World::switch(OldProfile::Keep)).await;
        let done = [EuiccResultData::Enable(EnableProfileResult::Ok)];
        let right = world.card.lock().unwrap().say(&asked, &done);
        let said = || {
            let EuiccPackageResult::Signed { data, .. } = EuiccPackageResult::from_der(&right).unwrap()
            else {
                panic!("signed")
            };
            data.value
        };
        let signed = |change: &dyn Fn(&mut simyard_asn1::iot::result::EuiccPackageResultDataSigned<'_>)| {
            let mut data = said();
            change(&mut data);
            world.card.lock().unwrap().sign_results(&data.to_der())
        };
        let mut forged = right.clone();
        *forged.last_mut().unwrap() ^= 1;
        let other_token = {
            let mut card = world.card.lock().unwrap();
            card.token = 0;
            let forged = card.sign_results(&said().to_der());
            card.token = super::world::TOKEN;
            forged
        };
        let table = [
            ("a changed signature", forged, "its signature does not verify"),
            ("another token", other_token, "its signature does not verify"),
            ("another eIM", signed(&|data| data.eim_id = "another"), "another eIM"),
            ("a skipped counter", signed(&|data| data.counter_value += 1), "its counterValue is"),
            (
                "an unknown package",
                signed(&|data| {
                    data.eim_transaction_id = simyard_asn1::iot::EimTransactionId::from_octets(&[9; 16]);
                }),
                "no such package was made for this eUICC",
            ),
            ("no result at all", vec![0xBF, 0x51, 0x02, 0xA5, 0x00], "it cannot be read"),
        ];
        let commits = world.eim.store.commits();
        let count = table.len();
        for (what, octets, why) in table {
            let refused = world.answer(package(octets)).await.unwrap_err();
            assert!(refused.to_string().contains(why), "{what}: {refused}");
            let undefined = EsipaCode::ProvideEimPackageResult(Code::UndefinedError);
            assert_eq!(refused.code(), undefined, "{what}");
            assert_eq!(world.state(&id).await, "switching", "{what}");
        }
        assert_eq!(world.eim.store.commits(), commits);
        assert_eq!(world.devices.refusals().count(RefusalReason::Unbelieved), count as u64);
        // The right one still counts.
        world.answer(package(right)).await.unwrap();
        assert_eq!(world.state(&id).await, "confirming");
    });
}

fn a_result_for_what_ended_is_kept_and_changes_nothing() {
    block_on(async {
        let world = World::new().await;
        let id = world.ask(Task::Audit).await;
        let asked = world.package().await;
        simyard::eim::operations::cancel_operation(&world.eim, &id, &super::world::person()).await.unwrap();
        assert!(world.is_idle().await);
        let result = world.card.lock().unwrap().execute(&asked);
        assert_eq!(world.answer(package(result.clone())).await.unwrap().len(), 1, "it is acknowledged");
        assert_eq!(world.state(&id).await, "cancelled");
        let kept = world.eim.store.packages_of_operation(&id).await.unwrap();
        assert_eq!(kept.first().and_then(|package| package.result.as_ref()), Some(&result));
        // What it says is true all the same.
        assert_eq!(world.profiles().await, [(iccid(1), true)]);
    });
}

fn an_unsigned_error_stops_the_operation() {
    block_on(async {
        let world = World::new().await;
        let id = world.ask(Task::Audit).await;
        let asked = world.poll().await.unwrap();
        let error = EuiccPackageResult::ErrorUnsigned(EuiccPackageErrorUnsigned {
            eim_id: EIM_ID,
            eim_transaction_id: transaction_of(&asked),
            association_token: None,
            code: None,
        })
        .to_der();
        // Anybody could have written it.
        let anybody = world.anybody().await;
        let refused = world.answer_as(&anybody, package(error.clone())).await;
        assert!(matches!(refused, Err(ProvideEimPackageResultError::Unproven)));
        assert_eq!(world.state(&id).await, "checking");
        assert!(world.answer(package(error)).await.unwrap().is_empty(), "it has no seqNumber");
        let state = world.operation(&id).await.state;
        assert_eq!(state.reason().map(|reason| reason.code.name()), Some("not_understood"));
    });
}

fn errors_that_the_euicc_signs_end_the_operation() {
    block_on(async {
        for (code, says) in [
            (EuiccPackageErrorCode::InvalidEid, "invalidEid (3)"),
            (EuiccPackageErrorCode::CounterValueOutOfRange, "counterValueOutOfRange (6)"),
            (EuiccPackageErrorCode::SizeOverflow, "sizeOverflow (15)"),
            (EuiccPackageErrorCode::UndefinedError, "undefinedError (127)"),
            (EuiccPackageErrorCode::Other(9), "code 9"),
        ] {
            let world = World::new().await;
            let id = world.ask(Task::Disable { iccid: iccid(1) }).await;
            world.turn_with_error(code).await;
            let state = world.operation(&id).await.state;
            let reason = state.reason().unwrap();
            assert_eq!(reason.code.name(), "not_accepted");
            assert!(reason.detail.contains(says), "{reason}");
            assert!(world.is_idle().await);
        }
    });
}

fn what_an_ipa_cannot_execute_is_told() {
    block_on(async {
        let world = World::new().await;
        let id = world.request(World::switch(OldProfile::Keep)).await.unwrap();
        world.turn().await;
        let error = |asked: &EimPackage, code| EimPackageResult::ResponseError {
            eim_transaction_id: transaction_of(asked),
            code,
        };
        let asked = world.poll().await.unwrap();
        world.answer(error(&asked, EimPackageResultErrorCode::UndefinedError)).await.unwrap();
        assert_eq!(world.state(&id).await, "downloading");
        let again = world.poll().await.unwrap();
        assert_ne!(transaction_of(&again), transaction_of(&asked), "a new trigger");
        // Late news of the first one is none of the second.
        world.answer(error(&asked, EimPackageResultErrorCode::InvalidPackageFormat)).await.unwrap();
        assert_eq!(world.state(&id).await, "downloading");
        world.answer(error(&again, EimPackageResultErrorCode::InvalidPackageFormat)).await.unwrap();
        let state = world.operation(&id).await.state;
        assert_eq!(state.reason().map(|reason| reason.code.name()), Some("download_failed"));
        // Nobody signed that nothing was installed: the eUICC is asked.
        world.card.lock().unwrap().profiles.push((iccid(2), false));
        world.turn().await;
        assert_eq!(world.profiles().await, [(iccid(1), true), (iccid(2), false)]);
        assert!(world.is_idle().await);
    });
}

fn a_switch_that_ends_between_download_and_list_leaves_the_list_in_doubt() {
    block_on(async {
        let world = World::new().await;
        let id = world.request(World::switch(OldProfile::Keep)).await.unwrap();
        world.turn().await;
        let pir = world.card.lock().unwrap().installation_result(&iccid(2));
        world.poll().await.unwrap();
        let pir = [&[0xBF, 0x54][..], &length(pir.len()), &pir].concat();
        world.answer(EimPackageResult::ProfileDownloadTriggerResult(pir)).await.unwrap();
        assert_eq!(world.state(&id).await, "downloaded");
        assert_eq!(world.profiles().await, [(iccid(1), true)]);
        let is_stale =
            async || world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap().stale_since.is_some();
        assert!(is_stale().await);

        // The eUICC takes no package for its list: the switch ends, and the eUICC is asked again.
        world.turn_with_error(EuiccPackageErrorCode::InvalidEid).await;
        assert_eq!(world.state(&id).await, "failed");
        assert!(is_stale().await);
        world.card.lock().unwrap().profiles.push((iccid(2), false));
        world.turn().await;
        assert_eq!(world.profiles().await, [(iccid(1), true), (iccid(2), false)]);
        assert!(!is_stale().await);
    });
}

fn an_installation_is_heard_of_though_the_next_trigger_is_queued() {
    block_on(async {
        let world = World::new().await;
        let id = world.request(World::switch(OldProfile::Keep)).await.unwrap();
        world.turn().await;
        let pir = world.card.lock().unwrap().installation_result(&iccid(2));
        let pir = [&[0xBF, 0x54][..], &length(pir.len()), &pir].concat();
        let pir = EimPackageResult::ProfileDownloadTriggerResult(pir);
        // Before any trigger has left, it can be of none of this operation.
        world.answer(pir.clone()).await.unwrap();
        assert_eq!(world.state(&id).await, "downloading");
        assert!(world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap().stale_since.is_some());
        let asked = world.poll().await.unwrap();
        let error = EimPackageResult::ResponseError {
            eim_transaction_id: transaction_of(&asked),
            code: EimPackageResultErrorCode::UndefinedError,
        };
        world.answer(error).await.unwrap();
        assert_eq!(world.state(&id).await, "downloading");
        world.answer(pir).await.unwrap();
        assert_eq!(world.state(&id).await, "downloaded");
    });
}

fn introduction() -> Vec<u8> {
    let data = data::IpaEuiccData {
        eum_certificate: Some(Implicit::from_der(PKI.eum.certificate.der()).unwrap()),
        euicc_certificate: Some(Implicit::from_der(PKI.euicc.certificate.der()).unwrap()),
        ..data::IpaEuiccData::default()
    };
    data::IpaEuiccDataResponse::Data(Box::new(data)).to_der()
}

fn an_euicc_that_nobody_introduced_is_asked_who_it_is() {
    block_on(async {
        let world = World::with(Delivered::Bare, FreedomToSwitch::Active).await;
        let id = world.ask(Task::Audit).await;
        let EimPackage::IpaEuiccDataRequest(asked) = world.poll().await.unwrap() else {
            panic!("a question")
        };
        assert_eq!(world.poll().await.unwrap(), EimPackage::IpaEuiccDataRequest(asked));
        let taken = world.answer(EimPackageResult::IpaEuiccDataResponse(introduction())).await.unwrap();
        assert!(taken.is_empty());
        world.turn().await;
        assert_eq!(world.state(&id).await, "done");
        // One that does not answer is asked so often, then its packages go first; nobody believes them yet.
        let world = World::with(Delivered::Bare, FreedomToSwitch::Active).await;
        world.ask(Task::Audit).await;
        for _ in 0..3 {
            assert!(matches!(world.poll().await.unwrap(), EimPackage::IpaEuiccDataRequest(_)));
        }
        let asked = world.package().await;
        let result = world.card.lock().unwrap().execute(&asked);
        let refused = world.answer(package(result)).await;
        let unbelieved = ProvideEimPackageResultError::Unbelieved(Unbelieved::NoCertificate).to_string();
        assert_eq!(refused.unwrap_err().to_string(), unbelieved);
    });
}

fn certificates_of_another_euicc_are_refused() {
    block_on(async {
        let world = World::with(Delivered::Bare, FreedomToSwitch::Active).await;
        world.ask(Task::Audit).await;
        world.poll().await.unwrap();
        let other = PKI.eum_issuer().unwrap();
        let other = other.issue_euicc(&euicc::eid(1), &Rng::seeded(9), world.clock.now()).unwrap();
        let data = data::IpaEuiccData {
            eum_certificate: Some(Implicit::from_der(PKI.eum.certificate.der()).unwrap()),
            euicc_certificate: Some(Implicit::from_der(other.certificate.der()).unwrap()),
            ..data::IpaEuiccData::default()
        };
        let data = data::IpaEuiccDataResponse::Data(Box::new(data)).to_der();
        let refused = world.answer(EimPackageResult::IpaEuiccDataResponse(data)).await.unwrap_err();
        assert!(refused.to_string().contains("those of another eUICC"), "{refused}");
        assert_eq!(world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap().certificates, None);
    });
}

fn a_poll_that_tells_of_something_is_written_down_and_followed_by_an_audit() {
    block_on(async {
        let world = World::new().await;
        assert!(world.is_idle().await);
        let poll = |change: fn(&mut GetEimPackageRequest)| {
            let mut request = GetEimPackageRequest::new(eid().to_bcd());
            change(&mut request);
            world.poll_with(request)
        };
        // The first network is no other one.
        let first = poll(|request| request.r_plmn = Some([0x02, 0xF8, 0x10])).await;
        assert!(matches!(first, Err(GetEimPackageError::NoEimPackageAvailable)));
        let commits = world.eim.store.commits();
        let same = poll(|request| request.r_plmn = Some([0x02, 0xF8, 0x10])).await;
        assert!(same.is_err() && world.eim.store.commits() == commits);
        for change in [
            (|request| request.r_plmn = Some([0x62, 0xF2, 0x10])) as fn(&mut GetEimPackageRequest),
            |request| request.notify_state_change = true,
            |request| request.state_change_cause = Some(StateChangeCause::OtherEim),
        ] {
            assert!(
                matches!(poll(change).await, Ok(EimPackage::EuiccPackageRequest(_))),
                "a list is asked for"
            );
            world.turn().await;
            let euicc = world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap();
            assert_eq!((euicc.stale_since, euicc.listed_at), (None, Some(world.clock.now())));
            assert!(world.is_idle().await);
        }
    });
}

fn who_proves_nothing_gets_and_changes_little() {
    block_on(async {
        let world = World::new().await;
        let anybody = world.anybody().await;
        let id = world.request(World::switch(OldProfile::Keep)).await.unwrap();
        // What the eUICC signs counts, whoever brings it.
        let poll =
            async |request: &GetEimPackageRequest| get_eim_package(&world.eim, &anybody, request).await;
        let mut request = GetEimPackageRequest::new(eid().to_bcd());
        let EimPackage::EuiccPackageRequest(asked) = poll(&request).await.unwrap() else {
            panic!("a package")
        };
        let result = world.card.lock().unwrap().execute(&asked);
        world.answer_as(&anybody, package(result)).await.unwrap();
        assert_eq!(world.state(&id).await, "downloading");
        // A trigger has a code that may be anybody's.
        assert!(matches!(poll(&request).await, Err(GetEimPackageError::NoEimPackageAvailable)));
        // What it tells is not heard.
        request.notify_state_change = true;
        assert!(poll(&request).await.is_err());
        assert_eq!(world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap().stale_since, None);
        simyard::eim::operations::cancel_operation(&world.eim, &id, &super::world::person()).await.unwrap();
        // One whose order is linked to the EID may be had.
        let mut linked = World::switch(OldProfile::Keep);
        linked.code_scope = CodeScope::ThisEuicc;
        world.request(linked).await.unwrap();
        world.turn().await;
        request.notify_state_change = false;
        let trigger = poll(&request).await.unwrap();
        assert!(matches!(trigger, EimPackage::ProfileDownloadTriggerRequest(_)));
        let error = EimPackageResult::ResponseError {
            eim_transaction_id: transaction_of(&trigger),
            code: EimPackageResultErrorCode::UndefinedError,
        };
        let refused = world.answer_as(&anybody, error).await;
        assert!(matches!(refused, Err(ProvideEimPackageResultError::Unproven)));
    });
}

fn a_device_speaks_for_its_own_euicc() {
    block_on(async {
        let world = World::new().await;
        world.ask(Task::Audit).await;
        let asked = world.package().await;
        let other = PKI.device_issuer().unwrap();
        let other = other.issue_device(&euicc::eid(3), None, &Rng::seeded(8), world.clock.now()).unwrap();
        let identity = peer_identity(other.certificate.der()).unwrap();
        let required = simyard::eim::caller::ClientAuth::Required;
        let caller = world.devices.recognise(required, peer(), Some(&identity)).await.unwrap();
        let refused = get_eim_package(&world.eim, &caller, &GetEimPackageRequest::new(eid().to_bcd())).await;
        assert!(matches!(refused, Err(GetEimPackageError::Refused(_))));
        let result = world.card.lock().unwrap().execute(&asked);
        let refused = world.answer_as(&caller, package(result)).await;
        assert!(matches!(refused, Err(ProvideEimPackageResultError::Refused(_))));
    });
}

fn an_eid_that_nobody_delivered_is_not_found() {
    block_on(async {
        let world = World::new().await;
        let anybody = world.anybody().await;
        let stranger = Eid::parse("89049032123451234512345678909999").unwrap();
        let request = GetEimPackageRequest::new(stranger.to_bcd());
        let commits = world.eim.store.commits();
        let refused = get_eim_package(&world.eim, &anybody, &request).await;
        assert!(matches!(refused, Err(GetEimPackageError::EidNotFound)));
        let refused = get_eim_package(&world.eim, &anybody, &GetEimPackageRequest::new([0xAA; 16])).await;
        assert!(matches!(refused, Err(GetEimPackageError::InvalidEid)));
        assert_eq!(world.eim.store.commits(), commits);
        let request = ProvideEimPackageResultRequest {
            eid_value: Some(stranger.to_bcd()),
            eim_package_result: EimPackageResult::IpaEuiccDataResponse(introduction()),
        };
        let refused = provide_eim_package_result(&world.eim, &anybody, &request).await;
        assert!(refused.is_err());
        let request = ProvideEimPackageResultRequest { eid_value: Some([0xAA; 16]), ..request };
        let refused = provide_eim_package_result(&world.eim, &anybody, &request).await;
        assert!(matches!(refused, Err(ProvideEimPackageResultError::InvalidEid)));
        // An association by hand is as good as a delivery.
        world.eim.store.associate(&[association(900)], world.clock.now()).await.unwrap();
        world.card.lock().unwrap().counter = 900;
        let id = world.ask(Task::Audit).await;
        world.turn().await;
        assert_eq!(world.state(&id).await, "done");
    });
}

fn a_result_without_an_eid_is_found_by_its_package() {
    block_on(async {
        let world = World::new().await;
        let anybody = world.anybody().await;
        let id = world.ask(Task::Audit).await;
        let asked = world.package().await;
        let result = world.card.lock().unwrap().execute(&asked);
        let nameless =
            |result| ProvideEimPackageResultRequest { eid_value: None, eim_package_result: result };
        let lost = EimPackageResult::ResponseError {
            eim_transaction_id: None,
            code: EimPackageResultErrorCode::UndefinedError,
        };
        let refused = provide_eim_package_result(&world.eim, &anybody, &nameless(lost)).await;
        assert!(matches!(refused, Err(ProvideEimPackageResultError::MissingEid)));
        let introduced = nameless(EimPackageResult::IpaEuiccDataResponse(introduction()));
        provide_eim_package_result(&world.eim, &anybody, &introduced).await.unwrap();
        provide_eim_package_result(&world.eim, &anybody, &nameless(package(result))).await.unwrap();
        assert_eq!(world.state(&id).await, "done");
    });
}
