//! What devices bring: results of eUICC packages in their forms, errors in place of results, data, reports of direct downloads, and
//! notifications.

use simyard::domain::{OperationId, Task};
use simyard::eim::operations::OperationRequest;
use simyard::env::Rng;
use simyard::store::{Forwarded, ForwardedSelection};
use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::data::{IpaCapabilities, IpaEuiccData, IpaEuiccDataErrorCode, IpaEuiccDataResponse};
use simyard_asn1::iot::esipa::{
    EimPackage, EimPackageResult, EimPackageResultErrorCode, EsipaRequest, Function, HandleNotification,
    ProvideEimPackageResultRequest,
};
use simyard_asn1::iot::result::{
    EuiccPackageErrorCode, EuiccPackageErrorUnsigned, EuiccPackageResult, EuiccPackageUnsignedErrorCode,
};
use simyard_asn1::iot::trigger::{
    ProfileDownloadErrorReason, ProfileDownloadTriggerOutcome, ProfileDownloadTriggerResult,
};
use simyard_asn1::rsp::notification::error_reason;
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Encode as _, Reader, Tag};

use super::lab::{Answer, provide};
use super::polls::replayed;
use super::rows::INSTALLATION_ERRORS;
use super::{BINDINGS, Lab};
use crate::eim::relayed::member;
use crate::eim::world::{Delivered, EIM_ID, code, eid, iccid, transaction_of};
use crate::server::euicc::{flipped, info2_with, nested, tlv};
use crate::server::{Euicc, PKI, euicc};

crate::tests!(
    results_are_taken_in_their_forms,
    what_nobody_signed_counts_from_a_proven_device_alone,
    errors_in_place_of_results_end_the_operation,
    data_are_taken_and_their_errors,
    direct_downloads_end_as_the_device_reports,
    notifications_are_kept_for_their_receivers,
    what_is_wrong_with_a_notification_is_kept_for_people,
);

/// Pause that an emergency call makes necessary, and a little more.
const AFTER_A_CALL: std::time::Duration = simyard::eim::engine::ECALL_PAUSE;

/// An audit whose package the device has, and what the eUICC signs.
fn audited(lab: &Lab) -> (OperationId, Vec<u8>) {
    let id = lab.ask(Task::Audit);
    let package = lab.package();
    let result = lab.card.borrow_mut().execute(&package);
    (id, result)
}

/// A result with its data and its signature, each with its tag.
fn parts(result: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let signed = member(result, Tag(0xA0));
    (member(&signed, Tag::SEQUENCE), member(&signed, Tag(0x5F37)))
}

/// r‖s as a SEQUENCE of two INTEGERs.
fn signature_in_der(signature: &[u8]) -> Vec<u8> {
    let integer = |octets: &[u8]| {
        let start = octets.iter().position(|octet| *octet != 0).unwrap();
        let sign = if octets[start] & 0x80 == 0 { &[][..] } else { &[0] };
        tlv(Tag::INTEGER, &[sign, &octets[start..]].concat())
    };
    nested(Tag::SEQUENCE, &[&integer(&signature[..32]), &integer(&signature[32..])])
}

fn results_are_taken_in_their_forms() {
    for binding in BINDINGS {
        let lab = Lab::new(binding);
        lab.row("Result_Acknowledged", || {
            let (id, result) = audited(&lab);
            let number = lab.card.borrow().seq_number;
            assert_eq!(lab.answer_euicc(result).acknowledged(), [number]);
            assert_eq!((lab.state(&id).as_str(), lab.profiles()), ("done", vec![(iccid(1), true)]));
        });
        lab.row("Result_Repeated", || {
            let (id, result) = audited(&lab);
            let first = lab.answer_euicc(result.clone()).acknowledged();
            let commits = lab.server.smdp().store.commits();
            assert_eq!(lab.answer_euicc(result).acknowledged(), first);
            assert_eq!((lab.state(&id).as_str(), lab.server.smdp().store.commits()), ("done", commits));
        });
        lab.row("Result_WithNotifications", || {
            let (id, result) = audited(&lab);
            let number = lab.card.borrow().seq_number;
            let own = Euicc::new(0);
            let notifications =
                [own.notification(&iccid(1), 101, 1), vec![0x30, 0x00], own.notification(&iccid(1), 102, 2)];
            let result = EimPackageResult::EprAndNotifications {
                euicc_package_result: result,
                notifications: notifications.to_vec(),
            };
            assert_eq!(lab.answer(result).acknowledged(), [number, 101, 102], "not the one that is none");
            assert_eq!(lab.state(&id), "done");
            assert_eq!(kept(&lab).iter().map(|row| row.seq_number).collect::<Vec<_>>(), [101, 102]);
        });
        lab.row("Result_WithoutEid", || {
            for is_device in [true, false] {
                let (id, result) = audited(&lab);
                let request = EsipaRequest::ProvideEimPackageResult(ProvideEimPackageResultRequest {
                    eid_value: None,
                    eim_package_result: EimPackageResult::EuiccPackageResult(result),
                });
                let answer = if is_device { lab.call(&request) } else { lab.call_as_anybody(&request) };
                assert_eq!((answer.acknowledged().len(), lab.state(&id).as_str()), (1, "done"));
            }
        });
        lab.row("Result_SignatureInDer", || {
            let (id, result) = audited(&lab);
            let (data, signature) = parts(&result);
            let signature = Reader::new(&signature, "signature").read().unwrap().value.to_vec();
            let signature = tlv(Tag(0x5F37), &signature_in_der(&signature));
            let result = nested(Tag(0xBF51), &[&nested(Tag(0xA0), &[&data, &signature])]);
            assert_eq!(lab.answer_euicc(result).acknowledged().len(), 1);
            assert_eq!(lab.state(&id), "done");
        });
        lab.row("Result_WithoutAlternative", || {
            let (id, result) = audited(&lab);
            let (data, signature) = parts(&result);
            let result = nested(Tag(0xBF51), &[&data, &signature]);
            assert_eq!(lab.answer_euicc(result).acknowledged().len(), 1);
            assert_eq!(lab.state(&id), "done");
        });
    }
}

/// euiccPackageErrorUnsigned for a package.
fn unsigned(package: &[u8], code: Option<EuiccPackageUnsignedErrorCode>) -> Vec<u8> {
    EuiccPackageResult::ErrorUnsigned(EuiccPackageErrorUnsigned {
        eim_id: EIM_ID,
        eim_transaction_id: transaction_of(&EimPackage::EuiccPackageRequest(package.to_vec())),
        association_token: None,
        code,
    })
    .to_der()
}

fn what_nobody_signed_counts_from_a_proven_device_alone() {
    for binding in BINDINGS {
        let lab = Lab::new(binding);
        lab.row("Result_Unsigned", || {
            let id = lab.ask(Task::Audit);
            let package = lab.package();
            let transaction = transaction_of(&EimPackage::EuiccPackageRequest(package.clone()));
            for result in [
                EimPackageResult::EuiccPackageResult(unsigned(&package, None)),
                EimPackageResult::ResponseError {
                    eim_transaction_id: transaction,
                    code: EimPackageResultErrorCode::UndefinedError,
                },
            ] {
                let answer = lab.call_as_anybody(&provide(result));
                assert_eq!(answer.refusal(), "undefinedError (127)");
                assert_eq!(lab.state(&id), "checking");
            }
            let result = lab.card.borrow_mut().execute(&package);
            let result = provide(EimPackageResult::EuiccPackageResult(result));
            assert_eq!(lab.call_as_anybody(&result).acknowledged().len(), 1);
            assert_eq!(lab.state(&id), "done");
        });
    }
}

fn errors_in_place_of_results_end_the_operation() {
    for binding in BINDINGS {
        let lab = Lab::new(binding);
        let begun = || {
            let id = lab.ask(Task::Delete { iccid: iccid(3) });
            (id, lab.package())
        };
        for code in EuiccPackageErrorCode::NAMED {
            lab.row(&format!("PackageError_{}", code.code()), || {
                let (id, package) = begun();
                let error = lab.card.borrow().error(&package, *code);
                assert!(lab.answer_euicc(error).acknowledged().is_empty());
                match code {
                    // Executed before, as far as the eIM knows: where no result is kept, the list decides.
                    EuiccPackageErrorCode::ReplayError => {
                        let asked = lab.poll().package();
                        let lost = IpaEuiccDataResponse::Error {
                            eim_transaction_id: transaction_of(&asked),
                            code: IpaEuiccDataErrorCode::UndefinedError,
                        };
                        lab.answer(EimPackageResult::IpaEuiccDataResponse(lost.to_der())).acknowledged();
                        lab.turn();
                        assert_eq!(lab.state(&id), "done");
                    }
                    // Later again, under another counter.
                    EuiccPackageErrorCode::EcallActive => {
                        assert_eq!(lab.state(&id), "acting");
                        lab.is_idle();
                        lab.server.clock.advance(AFTER_A_CALL);
                        lab.turn();
                        assert_eq!(lab.state(&id), "done");
                    }
                    _ => {
                        let expected =
                            format!("failed: not_accepted: the eUICC takes no such package: {code}");
                        assert_eq!(lab.state(&id), expected);
                    }
                }
                lab.is_idle();
            });
        }
        let unsigned_codes = EuiccPackageUnsignedErrorCode::NAMED.iter().map(|code| Some(*code));
        for code in std::iter::once(None).chain(unsigned_codes) {
            let suffix = code.map_or_else(String::new, |code| format!("_{}", code.code()));
            lab.row(&format!("PackageErrorUnsigned{suffix}"), || {
                let (id, package) = begun();
                assert!(lab.answer_euicc(unsigned(&package, code)).acknowledged().is_empty());
                assert!(lab.state(&id).starts_with("failed: not_understood: "), "{}", lab.state(&id));
                lab.is_idle();
            });
        }
        for code in EimPackageResultErrorCode::NAMED {
            lab.row(&format!("ResponseError_{}", code.code()), || {
                let (id, package) = begun();
                let eim_transaction_id = transaction_of(&EimPackage::EuiccPackageRequest(package));
                let error = EimPackageResult::ResponseError { eim_transaction_id, code: *code };
                assert!(lab.answer(error).acknowledged().is_empty());
                let why = format!("the device could not execute the package: {code}");
                assert_eq!(lab.state(&id), format!("failed: not_accepted: {why}"));
                lab.is_idle();
            });
        }
    }
}

/// What a device tells of an eUICC with these certificates.
fn introduction(euicc: &[u8], info2: &[u8]) -> EimPackageResult {
    let data = IpaEuiccData {
        euicc_info2: Some(info2),
        eum_certificate: Some(Implicit::from_der(PKI.eum.certificate.der()).unwrap()),
        euicc_certificate: Some(Implicit::from_der(euicc).unwrap()),
        ipa_capabilities: Some(IpaCapabilities {
            ipa_features: NamedBits::bit(0),
            ipa_supported_protocols: None,
            extensions: &[],
        }),
        ..IpaEuiccData::default()
    };
    EimPackageResult::IpaEuiccDataResponse(IpaEuiccDataResponse::Data(Box::new(data)).to_der())
}

fn data_are_taken_and_their_errors() {
    let info2 = info2_with(|_| {});
    for binding in BINDINGS {
        let lab = Lab::with(binding, Delivered::Bare);
        let known = || {
            let store = lab.server.smdp().store.clone();
            lab.server.wait(store.eim_euicc(&eid())).unwrap().unwrap()
        };
        let id = lab.ask(Task::Audit);
        lab.poll().package();
        lab.row("Data_OtherCertificate", || {
            let issuer = PKI.eum_issuer().unwrap();
            let now = lab.server.clock.now();
            let other = issuer.issue_euicc(&euicc::eid(1), &Rng::seeded(9), now).unwrap();
            let answer = lab.answer(introduction(other.certificate.der(), &info2));
            assert_eq!(answer.refusal(), "undefinedError (127)");
            assert_eq!((known().certificates, known().introduction.euicc_info2), (None, None));
        });
        lab.row("Data_Introduction", || {
            let answer = lab.answer(introduction(PKI.euicc.certificate.der(), &info2));
            assert!(answer.acknowledged().is_empty());
            assert_eq!(known().certificates.unwrap().own, PKI.euicc.certificate.der());
            assert_eq!(known().introduction.euicc_info2.as_ref(), Some(&info2));
            assert!(known().introduction.ipa_capabilities.is_some());
            lab.turn();
            assert_eq!(lab.state(&id), "done");
        });
        lab.row("Data_StoredResults", || {
            let (id, lost, asked) = replayed(&lab);
            let data = IpaEuiccData {
                euicc_package_results: Some(vec![&lost]),
                eim_transaction_id: transaction_of(&asked),
                ..IpaEuiccData::default()
            };
            let data = IpaEuiccDataResponse::Data(Box::new(data)).to_der();
            let number = lab.card.borrow().seq_number;
            assert_eq!(lab.answer(EimPackageResult::IpaEuiccDataResponse(data)).acknowledged(), [number]);
            assert_eq!(lab.state(&id), "done");
        });
        for code in IpaEuiccDataErrorCode::NAMED {
            lab.row(&format!("DataError_{}", code.code()), || {
                let (id, _, asked) = replayed(&lab);
                let eim_transaction_id = transaction_of(&asked);
                let error = IpaEuiccDataResponse::Error { eim_transaction_id, code: *code }.to_der();
                assert!(lab.answer(EimPackageResult::IpaEuiccDataResponse(error)).acknowledged().is_empty());
                if *code == IpaEuiccDataErrorCode::EcallActive {
                    lab.is_idle();
                    lab.server.clock.advance(AFTER_A_CALL);
                }
                // The list says what became of the package, or another one is executed.
                lab.turn();
                assert_eq!((lab.state(&id).as_str(), lab.profiles()), ("done", vec![(iccid(1), false)]));
            });
        }
    }
}

/// A download whose trigger the device has.
fn triggered(lab: &Lab) -> (OperationId, EimPackage) {
    let request = OperationRequest { activation_code: Some(code()), ..OperationRequest::new(Task::Download) };
    let id = lab.request(&request);
    let polled = lab.poll().package();
    assert!(matches!(polled, EimPackage::ProfileDownloadTriggerRequest(_)), "{polled:?}");
    (id, polled)
}

/// What the IPA reports of a trigger.
fn report(trigger: &EimPackage, outcome: ProfileDownloadTriggerOutcome<'_>) -> EimPackageResult {
    let result = ProfileDownloadTriggerResult { eim_transaction_id: transaction_of(trigger), outcome };
    EimPackageResult::ProfileDownloadTriggerResult(result.to_der())
}

fn direct_downloads_end_as_the_device_reports() {
    for binding in BINDINGS {
        let lab = Lab::new(binding);
        lab.row("Trigger_Installed", || {
            lab.ask(Task::Audit);
            lab.turn();
            let (id, trigger) = triggered(&lab);
            let pir = lab.card.borrow_mut().installation_result(&iccid(2));
            let outcome = ProfileDownloadTriggerOutcome::InstallationResult(&pir);
            assert!(lab.answer(report(&trigger, outcome.clone())).acknowledged().is_empty());
            assert_eq!(lab.state(&id), "downloaded");
            assert!(lab.answer(report(&trigger, outcome)).acknowledged().is_empty(), "again");
            lab.card.borrow_mut().profiles.push((iccid(2), false));
            lab.turn();
            assert_eq!((lab.state(&id).as_str(), lab.profiles().len()), ("done", 2));
        });
        for reason in ProfileDownloadErrorReason::NAMED {
            lab.row(&format!("Trigger_{}", reason.code()), || {
                let (id, trigger) = triggered(&lab);
                let outcome = ProfileDownloadTriggerOutcome::Error { reason: *reason, error_response: None };
                assert!(lab.answer(report(&trigger, outcome)).acknowledged().is_empty());
                assert_eq!(lab.state(&id), "downloading", "it may go well another time");
                if *reason == ProfileDownloadErrorReason::EcallActive {
                    lab.is_idle();
                    lab.server.clock.advance(AFTER_A_CALL);
                }
                let again = lab.poll().package();
                assert_ne!(transaction_of(&again), transaction_of(&trigger), "a new trigger");
                ends(&lab, &id, &again);
            });
        }
        for reason in INSTALLATION_ERRORS.chain([error_reason::UNKNOWN]) {
            lab.row(&format!("Installation_{reason}"), || {
                let (id, trigger) = triggered(&lab);
                let pir = Euicc::new(0).result(&[1; 16], &iccid(2), 500 + reason, Some(reason));
                let outcome = ProfileDownloadTriggerOutcome::InstallationResult(&pir);
                assert!(lab.answer(report(&trigger, outcome)).acknowledged().is_empty());
                if reason == error_reason::INTERRUPTION {
                    assert_eq!(lab.state(&id), "downloading", "it may go well another time");
                    let again = lab.poll().package();
                    assert_ne!(transaction_of(&again), transaction_of(&trigger));
                    ends(&lab, &id, &again);
                    return;
                }
                let name = error_reason::name(reason).unwrap();
                let why = format!("the eUICC did not install the profile: {name} ({reason}) at command 5");
                assert_eq!(lab.state(&id), format!("failed: download_failed: {why}"));
                lab.is_idle();
                if reason == error_reason::ICCID_ALREADY_EXISTS {
                    was_installed_before(&lab);
                }
            });
        }
    }
}

/// The profile is there, and the list did not show it: an earlier session installed it.
fn was_installed_before(lab: &Lab) {
    let (id, trigger) = triggered(lab);
    let exists = Some(error_reason::ICCID_ALREADY_EXISTS);
    let pir = Euicc::new(0).result(&[1; 16], &iccid(4), 600, exists);
    lab.answer(report(&trigger, ProfileDownloadTriggerOutcome::InstallationResult(&pir))).acknowledged();
    assert_eq!(lab.state(&id), "downloaded");
    lab.card.borrow_mut().profiles.push((iccid(4), false));
    lab.turn();
    assert_eq!(lab.state(&id), "done");
}

/// Ends a download: the trigger cannot be read.
fn ends(lab: &Lab, id: &OperationId, trigger: &EimPackage) {
    let code = EimPackageResultErrorCode::InvalidPackageFormat;
    lab.answer(EimPackageResult::ResponseError { eim_transaction_id: transaction_of(trigger), code })
        .acknowledged();
    assert!(lab.state(id).starts_with("failed: download_failed: "), "{}", lab.state(id));
    // Nobody signed that nothing was installed: the list says so.
    lab.turn();
    lab.is_idle();
}

/// The notifications that are kept for their receivers.
fn kept(lab: &Lab) -> Vec<Forwarded> {
    let store = lab.server.smdp().store.clone();
    lab.server.wait(store.forwarded_notifications(&ForwardedSelection::default(), 0, 1000, true)).unwrap()
}

fn notifications_are_kept_for_their_receivers() {
    for binding in BINDINGS {
        let lab = Lab::new(binding);
        let own = Euicc::new(0);
        lab.is_idle();
        lab.row("Notification_Other", || {
            for (number, event) in [(201, 1), (202, 2), (203, 3)] {
                let notification = own.notification(&iccid(1), number, event);
                assert_eq!(lab.notify(&notification), Answer::Taken);
                assert_eq!(kept(&lab).last().map(|row| row.raw.clone()), Some(notification));
            }
        });
        lab.row("Notification_Repeated", || {
            let notification = own.notification(&iccid(1), 203, 3);
            assert_eq!(lab.notify(&notification), Answer::Taken);
            assert_eq!((kept(&lab).len(), kept(&lab)[2].repetitions), (3, 1));
        });
        lab.row("Notification_Compact", || {
            let whole = own.notification(&iccid(1), 204, 1);
            let (tbs, signature) = (member(&whole, Tag(0xBF2F)), member(&whole, Tag(0x5F37)));
            assert_eq!(lab.notify(&nested(Tag(0xA1), &[&tbs, &signature])), Answer::Taken);
            assert_eq!(kept(&lab).last().map(|row| row.raw.clone()), Some(whole));
        });
        lab.row("Notification_Installed", || {
            lab.ask(Task::Audit);
            lab.turn();
            let (id, _) = triggered(&lab);
            let pir = own.result(&[1; 16], &iccid(2), 205, None);
            assert_eq!(lab.notify(&pir), Answer::Taken);
            assert_eq!((lab.state(&id).as_str(), kept(&lab).len()), ("downloaded", 5));
            lab.card.borrow_mut().profiles.push((iccid(2), false));
            lab.turn();
            assert_eq!(lab.state(&id), "done");
        });
        lab.row("Notification_Result", || {
            let (id, result) = audited(&lab);
            let EsipaRequest::ProvideEimPackageResult(result) =
                provide(EimPackageResult::EuiccPackageResult(result))
            else {
                panic!()
            };
            let request =
                EsipaRequest::HandleNotification(HandleNotification::ProvideEimPackageResult(result));
            assert_eq!((lab.call(&request), lab.state(&id).as_str()), (Answer::Taken, "done"));
        });
    }
}

fn what_is_wrong_with_a_notification_is_kept_for_people() {
    for binding in BINDINGS {
        let lab = Lab::new(binding);
        let refused = || {
            let store = lab.server.smdp().store.clone();
            let all = lab.server.wait(store.refused_notifications(0, 1000)).unwrap();
            all.into_iter().map(|refused| refused.reason).next().unwrap_or_default()
        };
        lab.is_idle();
        lab.row("Notification_Forged", || {
            let pir = Euicc::new(0).result(&[1; 16], &iccid(2), 205, None);
            assert_eq!(lab.notify(&flipped(&pir, pir.len() - 1)), Answer::Taken);
            assert_eq!(refused(), "its signature does not verify");
        });
        lab.row("Notification_OtherDevice", || {
            assert_eq!(lab.notify(&Euicc::new(1).notification(&iccid(1), 3, 1)), Answer::Taken);
            let expected = format!("it is of eUICC {}, brought by the device of {}", euicc::eid(1), eid());
            assert_eq!(refused(), expected);
        });
        lab.row("Notification_Unreadable", || {
            assert_eq!(lab.notify(&[0x30, 0x00]), Answer::Taken);
            assert!(refused().starts_with("it cannot be read: "), "{}", refused());
            let nothing = match binding {
                simyard::binding::MessageBinding::Asn1 => vec![0xBF, 0x3D, 0x00],
                simyard::binding::MessageBinding::Json => b"{}".to_vec(),
            };
            assert_eq!(lab.call_with_body(Function::HandleNotification, nothing), Answer::Taken);
        });
        assert!(kept(&lab).is_empty());
    }
}
