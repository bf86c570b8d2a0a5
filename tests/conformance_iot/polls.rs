//! GetEimPackage and what leaves with it: packages under the eIM's signature, their counters and tokens; and what nobody should
//! send, each with its answer, recorded, changing nothing that is true.

use std::time::Duration;

use simyard::binding::MessageBinding;
use simyard::domain::{OperationId, Task};
use simyard::eim::operations::{OperationRequest, cancel_operation};
use simyard::store::Association;
use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::iot::data::{IpaEuiccData, IpaEuiccDataRequest, IpaEuiccDataResponse, requested};
use simyard_asn1::iot::esipa::{
    EimPackage, EimPackageResult, EsipaRequest, Function, GetEimPackageRequest,
    ProvideEimPackageResultRequest, StateChangeCause,
};
use simyard_asn1::iot::package::EuiccPackageRequest;
use simyard_asn1::iot::result::{EnableProfileResult, EuiccPackageResultDataSigned, EuiccResultData};
use simyard_asn1::iot::trigger::{ProfileDownloadData, ProfileDownloadTriggerRequest};
use simyard_asn1::{Decode as _, Encode as _};

use super::lab::{Answer, OPTIONAL, REQUIRED, provide};
use super::{BINDINGS, Lab};
use crate::eim::world::{
    Delivered, EIM_ID, TOKEN, association, code, eid, iccid, length, person, transaction_of,
};
use crate::server::euicc::flipped;
use crate::server::{PKI, euicc};

crate::tests!(
    polls_are_answered,
    packages_are_signed_under_counter_and_token,
    what_was_executed_before_is_found_out,
    what_nobody_should_send_changes_nothing,
    who_may_not_ask_gets_nothing,
);

fn polls_are_answered() {
    for binding in BINDINGS {
        let lab = Lab::new(binding);
        lab.row("Poll_Nothing", || {
            lab.is_idle();
            let commits = lab.server.smdp().store.commits();
            lab.is_idle();
            assert_eq!(lab.server.smdp().store.commits(), commits);
        });
        lab.row("Poll_Package", || {
            let id = lab.ask(Task::Audit);
            let package = lab.package();
            assert_eq!(lab.package(), package, "the same octets");
            let result = lab.card.borrow_mut().execute(&package);
            lab.answer_euicc(result).acknowledged();
            lab.is_idle();
            assert_eq!(lab.state(&id), "done");
        });
        lab.row("Poll_OneAtATime", || {
            let (first, second) = (lab.ask(Task::Audit), lab.ask(Task::Disable { iccid: iccid(1) }));
            assert_eq!((lab.state(&first).as_str(), lab.state(&second).as_str()), ("checking", "waiting"));
            lab.turn();
            assert_eq!((lab.state(&first).as_str(), lab.state(&second).as_str()), ("done", "acting"));
            lab.turn();
            assert_eq!((lab.state(&second).as_str(), lab.profiles()), ("done", vec![(iccid(1), false)]));
            lab.is_idle();
        });
        lab.row("Poll_Trigger", || {
            let request =
                OperationRequest { activation_code: Some(code()), ..OperationRequest::new(Task::Download) };
            let id = lab.request(&request);
            let polled = lab.poll().package();
            let EimPackage::ProfileDownloadTriggerRequest(octets) = &polled else { panic!("{polled:?}") };
            let trigger = ProfileDownloadTriggerRequest::from_der(octets).unwrap();
            let expected = ProfileDownloadData::ActivationCode("1$smdp.example.com$M-1");
            assert_eq!(trigger.profile_download_data, Some(expected));
            assert!(trigger.eim_transaction_id.is_some());
            assert_eq!((lab.poll().package(), lab.state(&id).as_str()), (polled, "downloading"));
        });
        state_changes(binding);
        let lab = Lab::with(binding, Delivered::Bare);
        lab.row("Poll_DataRequest", || {
            lab.ask(Task::Audit);
            let polled = lab.poll().package();
            let EimPackage::IpaEuiccDataRequest(octets) = &polled else { panic!("{polled:?}") };
            let request = IpaEuiccDataRequest::from_der(octets).unwrap();
            for tag in [requested::EUM_CERTIFICATE, requested::EUICC_CERTIFICATE, requested::EUICC_INFO2] {
                assert!(request.tag_list.contains(&tag), "{tag}");
            }
            assert_eq!(lab.poll().package(), polled);
        });
    }
}

fn state_changes(binding: MessageBinding) {
    let lab = Lab::new(binding);
    lab.is_idle();
    let listed = |poll: Answer| {
        assert!(matches!(poll.package(), EimPackage::EuiccPackageRequest(_)), "a list is asked for");
        lab.turn();
        lab.is_idle();
    };
    for cause in StateChangeCause::NAMED {
        lab.row(&format!("Poll_Cause_{}", cause.code()), || {
            lab.card.borrow_mut().profiles[0].1 ^= true;
            let changed = lab.card.borrow().profiles.clone();
            assert_ne!(lab.profiles(), changed);
            listed(lab.poll_with(|poll| {
                poll.notify_state_change = true;
                poll.state_change_cause = Some(*cause);
            }));
            assert_eq!(lab.profiles(), changed);
        });
    }
    lab.row("Poll_Network", || {
        let poll = |plmn| lab.poll_with(|poll| poll.r_plmn = Some(plmn));
        // The first network is no other one.
        assert_eq!(poll([0x02, 0xF8, 0x10]).refusal(), "noEimPackageAvailable (1)");
        assert_eq!(poll([0x02, 0xF8, 0x10]).refusal(), "noEimPackageAvailable (1)");
        listed(poll([0x62, 0xF2, 0x10]));
        let store = lab.server.smdp().store.clone();
        let euicc = lab.server.wait(store.eim_euicc(&eid())).unwrap().unwrap();
        assert_eq!(euicc.rplmn.as_deref(), Some("62f210"));
    });
}

/// The counter that is recorded.
fn recorded(lab: &Lab) -> i64 {
    let store = lab.server.smdp().store.clone();
    lab.server.wait(store.eim_euicc(&eid())).unwrap().unwrap().association.counter
}

fn counter_of(package: &[u8]) -> i64 {
    EuiccPackageRequest::from_der(package).unwrap().euicc_package_signed.value.counter_value
}

fn packages_are_signed_under_counter_and_token() {
    for binding in BINDINGS {
        let lab = Lab::new(binding);
        lab.row("Package_Token", || {
            let id = lab.ask(Task::Audit);
            let package = lab.package();
            let request = EuiccPackageRequest::from_der(&package).unwrap();
            let message = [request.euicc_package_signed.bytes, &[0x84, 0x02, 0x00, 0x80]].concat();
            let key = PKI.eim_sign.key.signing_key().unwrap();
            let signature = request.eim_signature.try_into().unwrap();
            key.public_key().verify(&message, signature).expect("128, with its sign octet");
            let signed = &request.euicc_package_signed.value;
            assert_eq!((signed.eim_id, signed.eid), (EIM_ID, &eid().to_bcd()));
            assert_eq!(TOKEN, 128);
            lab.turn();
            assert_eq!(lab.state(&id), "done");
        });
        lab.row("Package_Counter", || {
            for expected in 9..12 {
                lab.ask(Task::Audit);
                let package = lab.package();
                assert_eq!((counter_of(&package), recorded(&lab)), (expected, expected));
                lab.turn();
            }
            // A process that dies after it signed, and before anybody fetched: no number is used for two packages.
            lab.ask(Task::Audit);
            lab.server.restart();
            assert_eq!(counter_of(&lab.package()), 12);
            lab.turn();
        });
        lab.row("Package_NoToken", || {
            let without = Association { association_token: None, ..association(100) };
            let store = lab.server.smdp().store.clone();
            lab.server.wait(store.associate(&[without], lab.server.clock.now())).unwrap();
            lab.card.borrow_mut().token = 0;
            let id = lab.ask(Task::Audit);
            let package = lab.package();
            let request = EuiccPackageRequest::from_der(&package).unwrap();
            let message = [request.euicc_package_signed.bytes, &[0x84, 0x01, 0x00]].concat();
            let key = PKI.eim_sign.key.signing_key().unwrap();
            let signature = request.eim_signature.try_into().unwrap();
            key.public_key().verify(&message, signature).unwrap();
            lab.turn();
            assert_eq!(lab.state(&id), "done");
        });
        lab.row("Package_CounterEnd", || {
            let store = lab.server.smdp().store.clone();
            let now = lab.server.clock.now();
            lab.server.wait(store.associate(&[association(0x7F_FFFE)], now)).unwrap();
            lab.card.borrow_mut().token = TOKEN;
            let last = lab.ask(Task::Audit);
            assert_eq!(counter_of(&lab.package()), 0x7F_FFFF);
            lab.turn();
            assert_eq!(lab.state(&last), "done");
            let behind = lab.ask(Task::Audit);
            let state = lab.state(&behind);
            assert!(state.starts_with("failed: counter_used_up: "), "{state}");
            lab.is_idle();
            assert_eq!(recorded(&lab), 0x7F_FFFF);
        });
    }
}

/// What the eUICC still kept, for the request that asks for it.
fn stored(asked: &EimPackage, results: Vec<&[u8]>) -> EimPackageResult {
    let data = IpaEuiccData {
        euicc_package_results: Some(results),
        eim_transaction_id: transaction_of(asked),
        ..IpaEuiccData::default()
    };
    EimPackageResult::IpaEuiccDataResponse(IpaEuiccDataResponse::Data(Box::new(data)).to_der())
}

/// A package was executed and its result lost: what the eUICC signed, and the request for what it keeps.
pub fn replayed(lab: &Lab) -> (OperationId, Vec<u8>, EimPackage) {
    let wanted = lab.card.borrow().profiles[0].0.clone();
    let id = lab.ask(Task::Disable { iccid: wanted });
    let package = lab.package();
    let lost = lab.card.borrow_mut().execute(&package);
    let replay = lab.card.borrow_mut().execute(&package);
    assert!(lab.answer_euicc(replay).acknowledged().is_empty(), "a signed error has no seqNumber");
    let asked = lab.poll().package();
    assert!(matches!(asked, EimPackage::IpaEuiccDataRequest(_)), "{asked:?}");
    (id, lost, asked)
}

fn what_was_executed_before_is_found_out() {
    for binding in BINDINGS {
        let lab = Lab::new(binding);
        lab.row("Package_Replay", || {
            lab.ask(Task::Audit);
            lab.turn();
            let (id, lost, asked) = replayed(&lab);
            let acknowledged = lab.answer(stored(&asked, vec![&lost])).acknowledged();
            assert_eq!(acknowledged, [lab.card.borrow().seq_number]);
            assert_eq!((lab.state(&id).as_str(), lab.profiles()), ("done", vec![(iccid(1), false)]));
            lab.is_idle();
        });
        let lab = Lab::new(binding);
        lab.row("Package_ReplayLost", || {
            let (id, _, asked) = replayed(&lab);
            assert!(lab.answer(stored(&asked, Vec::new())).acknowledged().is_empty());
            assert_eq!(lab.state(&id), "acting");
            lab.turn();
            assert_eq!((lab.state(&id).as_str(), lab.profiles()), ("done", vec![(iccid(1), false)]));
        });
    }
}

/// What the eUICC would sign for the package of an operation that has the counter `counter`.
fn data(id: &[u8], counter: i64) -> EuiccPackageResultDataSigned<'static> {
    EuiccPackageResultDataSigned {
        eim_id: EIM_ID,
        counter_value: counter,
        eim_transaction_id: EimTransactionId::from_octets(id),
        seq_number: 90,
        results: vec![EuiccResultData::Enable(EnableProfileResult::Ok)],
    }
}

fn what_nobody_should_send_changes_nothing() {
    for binding in BINDINGS {
        let lab = Lab::new(binding);
        lab.ask(Task::Audit);
        let earlier = {
            let package = lab.package();
            let result = lab.card.borrow_mut().execute(&package);
            lab.answer_euicc(result.clone()).acknowledged();
            result
        };
        let id = lab.ask(Task::Enable { iccid: iccid(1), rollback: simyard::domain::Rollback::NotGranted });
        lab.row("Bad_NotHandedOver", || {
            let store = lab.server.smdp().store.clone();
            let waiting = lab.server.wait(store.outstanding_package(&eid())).unwrap().unwrap().package;
            let guessed = data(waiting.transaction_id.as_octets(), waiting.counter.unwrap()).to_der();
            let guessed = lab.card.borrow().sign_results(&guessed);
            assert_eq!(lab.answer_euicc(guessed).refusal(), "undefinedError (127)");
            assert_eq!(lab.state(&id), "checking");
        });
        let package = lab.package();
        let transaction = transaction_of(&EimPackage::EuiccPackageRequest(package.clone())).unwrap();
        let counter = counter_of(&package);
        let refused = |result: Vec<u8>| {
            let commits = lab.server.smdp().store.commits();
            assert_eq!(lab.answer_euicc(result).refusal(), "undefinedError (127)");
            assert_eq!(lab.state(&id), "checking");
            assert_eq!(lab.server.smdp().store.commits(), commits);
        };
        let sign = |data: &EuiccPackageResultDataSigned<'_>| lab.card.borrow().sign_results(&data.to_der());
        lab.row("Bad_ForgedResult", || {
            let right = sign(&data(transaction.as_octets(), counter));
            refused(flipped(&right, right.len() - 1));
        });
        lab.row("Bad_OtherToken", || {
            lab.card.borrow_mut().token = TOKEN - 1;
            let other = sign(&data(transaction.as_octets(), counter));
            lab.card.borrow_mut().token = TOKEN;
            refused(other);
        });
        lab.row("Bad_UnknownEim", || {
            let other =
                EuiccPackageResultDataSigned { eim_id: "another", ..data(transaction.as_octets(), counter) };
            refused(sign(&other));
        });
        lab.row("Bad_SkippedCounter", || {
            refused(sign(&data(transaction.as_octets(), counter + 1)));
            let nameless =
                EuiccPackageResultDataSigned { eim_transaction_id: None, ..data(&[1], counter + 1) };
            refused(sign(&nameless));
        });
        lab.row("Bad_UnknownPackage", || refused(sign(&data(&[9; 16], counter))));
        lab.row("Bad_ReplayedResult", || {
            let commits = lab.server.smdp().store.commits();
            assert_eq!(lab.answer_euicc(earlier.clone()).acknowledged().len(), 1, "the device may forget it");
            assert_eq!((lab.state(&id).as_str(), lab.package()), ("checking", package.clone()));
            assert_eq!(lab.server.smdp().store.commits(), commits);
        });
        unasked(&lab);
        assert!(lab.refusals().iter().any(|reason| reason == "unbelieved"));
    }
}

/// Answers and profiles that nobody waits for.
fn unasked(lab: &Lab) {
    lab.row("Bad_EndedOperation", || {
        lab.turn();
        let id = lab.ask(Task::Audit);
        let package = lab.package();
        lab.server.wait(cancel_operation(&lab.server.eim(), &id, &person())).unwrap();
        lab.is_idle();
        let result = lab.card.borrow_mut().execute(&package);
        assert_eq!(lab.answer_euicc(result.clone()).acknowledged().len(), 1);
        assert_eq!(lab.state(&id), "cancelled");
        let store = lab.server.smdp().store.clone();
        let kept = lab.server.wait(store.packages_of_operation(&id)).unwrap();
        assert_eq!(kept[0].result.as_ref(), Some(&result));
    });
    lab.row("Bad_UnknownProfile", || {
        // The device reports an installation that nobody asked for.
        let id = lab.ask(Task::Audit);
        let package = lab.package();
        let known = lab.profiles();
        let pir = lab.card.borrow_mut().installation_result(&iccid(9));
        let octets = [&[0xBF, 0x54][..], &length(pir.len()), &pir].concat();
        let told = lab.answer(EimPackageResult::ProfileDownloadTriggerResult(octets));
        assert!(told.acknowledged().is_empty());
        assert_eq!((lab.state(&id).as_str(), lab.profiles()), ("checking", known));
        assert_eq!(lab.package(), package);
        // The eUICC lists it: that is so, and no order of ours.
        lab.card.borrow_mut().profiles.push((iccid(9), false));
        lab.turn();
        assert_eq!(lab.state(&id), "done");
        assert_eq!(lab.profiles(), lab.card.borrow().profiles);
        let store = lab.server.smdp().store.clone();
        assert_eq!(lab.server.wait(store.order(&iccid(9))).unwrap().map(|order| order.iccid), None);
    });
}

fn who_may_not_ask_gets_nothing() {
    for binding in BINDINGS {
        let lab = Lab::without_euicc(binding);
        lab.row("Bad_UnknownEuicc", || {
            assert_eq!(lab.poll().refusal(), "eidNotFound (2)");
            let result = lab.card.borrow().sign_results(&data(&[9; 16], 8).to_der());
            assert_eq!(lab.answer_euicc(result).refusal(), "eidNotFound (2)");
        });
        let lab = Lab::new(binding);
        let other = euicc::eid(1).to_bcd();
        lab.row("Bad_OtherEid", || {
            assert_eq!(lab.poll_with(|poll| poll.eid_value = other).refusal(), "eidNotFound (2)");
            let request = |eid_value| {
                let result = lab.card.borrow().sign_results(&data(&[9; 16], 8).to_der());
                EsipaRequest::ProvideEimPackageResult(ProvideEimPackageResultRequest {
                    eid_value,
                    eim_package_result: EimPackageResult::EuiccPackageResult(result),
                })
            };
            assert_eq!(lab.call(&request(Some(other))).refusal(), "eidNotFound (2)");
        });
        forms(&lab);
        callers(&lab);
        let refusals = lab.refusals();
        for expected in ["other_eid", "handshake", "too_many_polls"] {
            assert!(refusals.iter().any(|reason| reason == expected), "{expected}: {refusals:?}");
        }
    }
}

/// What cannot be read.
fn forms(lab: &Lab) {
    let none = EimPackageResult::ResponseError {
        eim_transaction_id: None,
        code: simyard_asn1::iot::esipa::EimPackageResultErrorCode::UndefinedError,
    };
    lab.row("Bad_InvalidEid", || {
        assert_eq!(lab.poll_with(|poll| poll.eid_value = [0xFF; 16]).refusal(), "invalidEid (3)");
        let request = EsipaRequest::ProvideEimPackageResult(ProvideEimPackageResultRequest {
            eid_value: Some([0xFF; 16]),
            eim_package_result: none.clone(),
        });
        assert_eq!(lab.call(&request).refusal(), "invalidEid (3)");
    });
    let (empty, oversized) = match lab.binding {
        MessageBinding::Asn1 => ("BF4F00", vec![0xBF; 256 * 1024 + 1]),
        MessageBinding::Json => ("7B7D", vec![b' '; 256 * 1024 + 1]),
    };
    lab.row("Bad_MissingEid", || {
        let answer = lab.call_with_body(Function::GetEimPackage, hex::decode(empty).unwrap());
        assert_eq!(answer.refusal(), "missingEid (4)");
        // Nothing says whose it is.
        let request = EsipaRequest::ProvideEimPackageResult(ProvideEimPackageResultRequest {
            eid_value: None,
            eim_package_result: none.clone(),
        });
        assert_eq!(lab.call_as_anybody(&request).refusal(), "missingEid (4)");
    });
    lab.row("Bad_Oversized", || {
        for function in [Function::GetEimPackage, Function::ProvideEimPackageResult] {
            assert_eq!(lab.call_with_body(function, oversized.clone()).refusal(), "HTTP 413");
        }
    });
    lab.row("Bad_NoMessage", || {
        for body in ["", "5B5D", "A202BF39", "BF4E020500", "BF5100"] {
            let answer = lab.call_with_body(Function::GetEimPackage, hex::decode(body).unwrap());
            assert_eq!(answer.refusal(), "HTTP 400", "{body}");
        }
    });
    lab.row("Bad_Unreadable", || {
        for function in [
            Function::InitiateAuthentication,
            Function::AuthenticateClient,
            Function::GetBoundProfilePackage,
            Function::CancelSession,
            Function::ProvideEimPackageResult,
        ] {
            let body = match lab.binding {
                MessageBinding::Asn1 => [&function.tag().0.to_be_bytes()[2..], &[0]].concat(),
                MessageBinding::Json => b"{}".to_vec(),
            };
            assert_eq!(lab.call_with_body(function, body).refusal(), "undefinedError (127)", "{function:?}");
        }
        let body = match lab.binding {
            MessageBinding::Asn1 => hex::decode("BF4F155A1089049032000000000000279973200019820101").unwrap(),
            MessageBinding::Json => {
                br#"{"eidValue":"89049032000000000000279973200019","rPlmn":"YvI="}"#.to_vec()
            }
        };
        assert_eq!(lab.call_with_body(Function::GetEimPackage, body).refusal(), "undefinedError (127)");
    });
    lab.row("Bad_OtherVersion", || {
        let poll = EsipaRequest::GetEimPackage(GetEimPackageRequest::new(eid().to_bcd()));
        assert_eq!(lab.call_in_version(&poll, "gsma/rsp/v1.0.0").refusal(), "undefinedError (127)");
        assert_eq!(lab.call_in_version(&provide(none.clone()), "any").refusal(), "undefinedError (127)");
    });
}

/// Who shows no certificate, or a wrong one.
fn callers(lab: &Lab) {
    let poll = EsipaRequest::GetEimPackage(GetEimPackageRequest::new(eid().to_bcd()));
    lab.row("Bad_NoCertificate", || {
        assert_eq!(lab.call_as(None, REQUIRED, &poll), Answer::NoConnection);
    });
    lab.row("Bad_OtherCa", || {
        for listener in [REQUIRED, OPTIONAL] {
            assert_eq!(lab.call_as(Some(&PKI.operator), listener, &poll), Answer::NoConnection);
        }
    });
    lab.row("Bad_TriggerOfAnybody", || {
        let request =
            OperationRequest { activation_code: Some(code()), ..OperationRequest::new(Task::Download) };
        let id = lab.request(&request);
        assert_eq!(lab.call_as_anybody(&poll).refusal(), "noEimPackageAvailable (1)");
        assert_eq!(lab.state(&id), "downloading");
    });
    lab.row("Bad_TooManyPolls", || {
        lab.server.clock.advance(Duration::from_secs(3 * 3600));
        for _ in 0..3 {
            assert_eq!(lab.call_as_anybody(&poll).refusal(), "noEimPackageAvailable (1)");
        }
        assert_eq!(lab.call_as_anybody(&poll).refusal(), "HTTP 429");
        let polled = lab.poll().package();
        assert!(matches!(polled, EimPackage::ProfileDownloadTriggerRequest(_)), "its own device goes on");
    });
}
