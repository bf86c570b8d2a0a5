//! Examples of ESipa, in both bindings: the same scenario, once in each. Errors go by their names in `src/eim`.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use simyard::binding::MessageBinding;
use simyard::domain::{Rollback, Task};
use simyard::eim::operations::OperationRequest;
use simyard_asn1::iot::data::{IpaEuiccData, IpaEuiccDataResponse};
use simyard_asn1::iot::esipa::{
    EimPackageResult, EimPackageResultErrorCode, EsipaRequest, Function as EsipaFunction,
    GetEimPackageRequest, HandleNotification, ProvideEimPackageResultRequest, StateChangeCause,
};
use simyard_asn1::iot::result::EuiccResultData;
use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::rsp::rules::RulesAuthorisationTable;
use simyard_asn1::{Encode as _, Tag};

use super::{Example, Recorder};
use crate::conformance_iot::downloads::{Begun, Relaying, renamed, ruled};
use crate::conformance_iot::lab::{Answer, Lab, provide};
use crate::eim::relayed::{Met, compact_authentication, member};
use crate::eim::world::{Delivered, code, eid, iccid};
use crate::server::euicc::{SMDP_OID, base64, flipped, info2_with, nested, otpk, tlv};
use crate::server::{Euicc, Offer, PKI, euicc};

/// All of them, in one binding.
pub fn examples(binding: MessageBinding) -> Vec<Example> {
    [
        initiate_authentication,
        get_bound_profile_package,
        authenticate_client,
        handle_notification,
        cancel_session,
        get_eim_package,
        provide_eim_package_result,
    ]
    .into_iter()
    .flat_map(|scenario| scenario(binding))
    .collect()
}

/// An answer as the recorder takes it.
fn outcome(answer: Answer) -> Result<(), String> {
    match answer {
        Answer::Done(_) | Answer::Taken => Ok(()),
        refused => Err(refused.refusal()),
    }
}

fn close(lab: &Lab) {
    lab.server.wait(lab.server.smdp().store.clone().close());
}

fn get_eim_package(binding: MessageBinding) -> Vec<Example> {
    let lab = Lab::seeded(binding, Delivered::WithCertificates, 51);
    let examples = Recorder::new(&lab.server, "getEimPackage");
    examples.error("NoEimPackageAvailable", outcome(lab.poll()));
    lab.card.borrow_mut().profiles.push((iccid(2), false));
    lab.ask(Task::Audit);
    examples.named("listProfileInfo", outcome(lab.poll()));
    lab.turn();
    lab.ask(Task::Enable { iccid: iccid(2), rollback: Rollback::Granted });
    lab.turn();
    examples.named("enable with rollbackFlag", outcome(lab.poll()));
    lab.turn();
    lab.turn();
    lab.ask(Task::Disable { iccid: iccid(2) });
    examples.named("disable", outcome(lab.poll()));
    lab.turn();
    lab.ask(Task::Configure { commands: hex::decode("A102AB00").unwrap() });
    examples.named("listEim", outcome(lab.poll()));
    lab.turn();
    let told = |poll: &mut GetEimPackageRequest| {
        poll.notify_state_change = true;
        poll.state_change_cause = Some(StateChangeCause::Fallback);
        poll.r_plmn = Some([0x62, 0xF2, 0x10]);
    };
    examples.named("a state change is told", outcome(lab.poll_with(told)));
    lab.turn();
    let request = OperationRequest { activation_code: Some(code()), ..OperationRequest::new(Task::Download) };
    lab.request(&request);
    examples.named("a download trigger", outcome(lab.poll()));
    examples.error("InvalidEid", outcome(lab.poll_with(|poll| poll.eid_value = [0xFF; 16])));
    let other = euicc::eid(1).to_bcd();
    examples.error("Refused", outcome(lab.poll_with(|poll| poll.eid_value = other)));
    let empty = match binding {
        MessageBinding::Asn1 => vec![0xBF, 0x4F, 0x00],
        MessageBinding::Json => b"{}".to_vec(),
    };
    let missing = lab.call_with_body(EsipaFunction::GetEimPackage, empty);
    examples.error("missingEid", outcome(missing));
    close(&lab);
    examples.error("Store", outcome(lab.poll()));
    lab.server.errors();
    let mut all = examples.finish();

    let lab = Lab::seeded(binding, Delivered::Bare, 52);
    let examples = Recorder::new(&lab.server, "getEimPackage");
    examples.named("a request for data", outcome(lab.poll()));
    all.extend(examples.finish());
    let lab = Lab::without_euicc(binding);
    let examples = Recorder::new(&lab.server, "getEimPackage");
    examples.error("EidNotFound", outcome(lab.poll()));
    all.extend(examples.finish());
    all
}

fn provide_eim_package_result(binding: MessageBinding) -> Vec<Example> {
    let lab = Lab::seeded(binding, Delivered::WithCertificates, 54);
    let examples = Recorder::new(&lab.server, "provideEimPackageResult");
    let of = |eid_value, eim_package_result| {
        let request = ProvideEimPackageResultRequest { eid_value, eim_package_result };
        EsipaRequest::ProvideEimPackageResult(request)
    };
    let none = || EimPackageResult::ResponseError {
        eim_transaction_id: None,
        code: EimPackageResultErrorCode::UndefinedError,
    };
    let euicc_package = EimPackageResult::EuiccPackageResult;
    lab.ask(Task::Audit);
    let package = lab.package();
    let result = lab.card.borrow_mut().execute(&package);
    let forged = flipped(&result, result.len() - 1);
    examples.error("Unbelieved", outcome(lab.answer_euicc(forged)));
    examples.error("Unproven", outcome(lab.call_as_anybody(&provide(none()))));
    examples.error("InvalidEid", outcome(lab.call(&of(Some([0xFF; 16]), none()))));
    examples.error("MissingEid", outcome(lab.call_as_anybody(&of(None, none()))));
    let other = of(Some(euicc::eid(1).to_bcd()), euicc_package(result.clone()));
    examples.error("Refused", outcome(lab.call(&other)));
    examples.named("an eUICC package result", outcome(lab.answer_euicc(result.clone())));
    examples.named("the same again", outcome(lab.answer_euicc(result.clone())));
    let data = IpaEuiccData { euicc_info2: Some(&[0xBF, 0x22, 0x00]), ..IpaEuiccData::default() };
    let data = IpaEuiccDataResponse::Data(Box::new(data)).to_der();
    examples.named("data", outcome(lab.answer(EimPackageResult::IpaEuiccDataResponse(data))));
    close(&lab);
    examples.error("Store", outcome(lab.answer_euicc(result.clone())));
    lab.server.errors();
    let mut all = examples.finish();

    let lab = Lab::without_euicc(binding);
    let examples = Recorder::new(&lab.server, "provideEimPackageResult");
    examples.error("EidNotFound", outcome(lab.answer_euicc(result)));
    all.extend(examples.finish());
    all
}

fn handle_notification(binding: MessageBinding) -> Vec<Example> {
    let lab = Lab::seeded(binding, Delivered::WithCertificates, 56);
    let examples = Recorder::new(&lab.server, "handleNotification");
    let own = Euicc::new(0);
    lab.is_idle();
    examples.named("enabled", outcome(lab.notify(&own.notification(&iccid(1), 2, 1))));
    let failed = own.result(&[1; 16], &iccid(2), 3, Some(12));
    examples.named("an installation that failed", outcome(lab.notify(&failed)));
    examples.named("one that nobody can read", outcome(lab.notify(&[0x30, 0x00])));
    let result = ProvideEimPackageResultRequest {
        eid_value: Some(eid().to_bcd()),
        eim_package_result: EimPackageResult::EuiccPackageResult(vec![0xBF, 0x51, 0x00]),
    };
    let result = EsipaRequest::HandleNotification(HandleNotification::ProvideEimPackageResult(result));
    examples.named("a result", outcome(lab.call(&result)));
    close(&lab);
    examples.error("Store", outcome(lab.notify(&own.notification(&iccid(1), 4, 2))));
    lab.server.errors();
    examples.finish()
}

/// serverSigned1 that names another server.
fn of_another_server(answer: &Value) -> Value {
    let signed = crate::server::euicc::from_base64(&answer["serverSigned1"]);
    let parts = [Tag(0x80), Tag(0x81), Tag(0x83), Tag(0x84)].map(|tag| match tag {
        Tag(0x83) => tlv(tag, b"other.example.com"),
        _ => member(&signed, tag),
    });
    base64(&tlv(Tag::SEQUENCE, &parts.concat()))
}

fn initiate_authentication(binding: MessageBinding) -> Vec<Example> {
    const FUNCTION: &str = "initiateAuthentication";
    let relaying = Relaying::seeded(binding, 57);
    let examples = Recorder::new(&relaying.lab.server, FUNCTION);
    let begun = relaying.begin_with(None, None, &format!("${SMDP_OID}"));
    let meddled = |with: fn(Value) -> Met| {
        relaying.proxy.meddle(FUNCTION, with);
        outcome(relaying.initiate(&begun))
    };
    let lied = |member: &'static str, value: Value| {
        relaying.proxy.meddle(FUNCTION, move |answer| Met::with(answer, member, value.clone()));
        outcome(relaying.initiate(&begun))
    };
    examples.success(outcome(relaying.initiate(&begun)));
    let unknown = simyard_asn1::iot::EimTransactionId::from_octets(&[9; 16]);
    let unnamed = relaying.initiate_with(&begun, |request| request.eim_transaction_id = unknown);
    examples.error("Trigger", outcome(unnamed));
    let other = Some("other.example.com".to_owned());
    let elsewhere = relaying.initiate_with(&begun, |request| request.smdp_address = other);
    examples.error("OtherAddressAsked", outcome(elsewhere));
    let short = relaying.initiate_with(&begun, |request| request.euicc_info1 = None);
    examples.error("EuiccInfo1Unknown", outcome(short));
    examples.error("Answer", lied("serverSigned1", base64(&[0x30, 0x00])));
    examples.error("Certificate", lied("serverCertificate", base64(&[0x30, 0x00])));
    examples.error("OtherSession", lied("transactionId", json!("00112233445566778899AABBCCDDEEFF")));
    examples.error(
        "OtherAddress",
        meddled(|answer| {
            let signed = of_another_server(&answer);
            Met::with(answer, "serverSigned1", signed)
        }),
    );
    examples.error("OtherOid", lied("serverCertificate", base64(PKI.operator.certificate.der())));
    relaying.proxy.refuse(FUNCTION, "8.8.2", "3.1");
    examples.error("Smdp", outcome(relaying.initiate(&begun)));
    let begun = relaying.begin();
    let nameless = base64(PKI.device.certificate.der());
    relaying.proxy.meddle(FUNCTION, move |answer| Met::with(answer, "serverCertificate", nameless.clone()));
    examples.error("NoOid", outcome(relaying.initiate(&begun)));
    examples.finish()
}

fn authenticate_client(binding: MessageBinding) -> Vec<Example> {
    const FUNCTION: &str = "authenticateClient";
    let relaying = Relaying::seeded(binding, 58);
    let examples = Recorder::new(&relaying.lab.server, FUNCTION);
    // The eUICC's table allows no profile to forbid anything.
    relaying.lab.ask(Task::Configure { commands: hex::decode("A002A600").unwrap() });
    relaying.lab.turn_saying(&[EuiccResultData::GetRat(RulesAuthorisationTable { rules: Vec::new() })]);
    let begun = relaying.begin();
    let (id, initiated) = relaying.initiated(&begun);
    let whole = relaying.authentication(&initiated);
    let call = |response: Vec<u8>| outcome(relaying.authenticate(&id, response));
    let honest = || call(whole.to_der());
    examples.error("UnknownTransaction", outcome(relaying.authenticate(&[9; 16], whole.to_der())));
    examples.error("Form", call(nested(Tag(0xBF38), &[])));
    examples.error("Incomplete", call(compact_authentication(&whole, &info2_with(|_| {}))));
    let refusal = [&tlv(Tag(0x80), &[1; 16])[..], &tlv(Tag::INTEGER, &[7])].concat();
    examples.error("OtherTransaction", call(nested(Tag(0xBF38), &[&tlv(Tag(0xA1), &refusal)])));
    let mut parts = whole.clone();
    parts.euicc = tlv(Tag::SEQUENCE, &[]);
    examples.error("EuiccForm", call(parts.to_der()));
    let mut parts = whole.clone();
    parts.euicc = Euicc::new(1).certificate;
    examples.error("OtherEuicc", call(parts.to_der()));
    let mut parts = whole.clone();
    parts.signature1 = flipped(&parts.signature1, 40);
    examples.error("Signature", call(parts.to_der()));
    // The SM-DP+ answers the first of them alone; what it said then is said again.
    let first = Arc::new(Mutex::new(Value::Null));
    let said = Arc::clone(&first);
    relaying.proxy.meddle(FUNCTION, move |answer| {
        said.lock().unwrap().clone_from(&answer);
        Met::with(answer, "smdpSigned2", base64(&[0x30, 0x00]))
    });
    examples.error("Answer", honest());
    let again = |member: &'static str, value: Value| {
        let first = first.lock().unwrap().clone();
        relaying.proxy.meddle(FUNCTION, move |_| Met::with(first.clone(), member, value.clone()));
        honest()
    };
    examples.error("OtherSession", again("transactionId", json!("00112233445566778899AABBCCDDEEFF")));
    let metadata = crate::server::euicc::from_base64(&first.lock().unwrap()["profileMetadata"]);
    let numberless =
        StoreMetadataRequest { iccid: &[0xAA; 10], ..simyard_asn1::Decode::from_der(&metadata).unwrap() };
    examples.error("Metadata", again("profileMetadata", base64(&numberless.to_der())));
    examples.error("PolicyRule", again("profileMetadata", ruled(&metadata)));
    let begun = relaying.begin();
    examples.success(success(&relaying, &begun));
    relaying.end(&begun);
    let begun = relaying.begin();
    let (id, initiated) = relaying.initiated(&begun);
    let response = relaying.authentication(&initiated).to_der();
    relaying.proxy.refuse(FUNCTION, "8.2.6", "3.8");
    examples.error("Smdp", outcome(relaying.authenticate(&id, response)));
    let begun = relaying.begin();
    let (id, initiated) = relaying.initiated(&begun);
    let response = relaying.authentication(&initiated).to_der();
    close(&relaying.lab);
    examples.error("Store", outcome(relaying.authenticate(&id, response)));
    relaying.lab.server.errors();
    examples.finish()
}

/// An honest AuthenticateClient.
fn success(relaying: &Relaying, begun: &Begun) -> Result<(), String> {
    let (id, initiated) = relaying.initiated(begun);
    outcome(relaying.authenticate(&id, relaying.authentication(&initiated).to_der()))
}

fn get_bound_profile_package(binding: MessageBinding) -> Vec<Example> {
    const FUNCTION: &str = "getBoundProfilePackage";
    let relaying = Relaying::seeded(binding, 59);
    let examples = Recorder::new(&relaying.lab.server, FUNCTION);
    let begun = relaying.begin();
    let (id, offer) = relaying.offered(&begun);
    let preparation = relaying.preparation(&offer, None);
    let call = |response: Vec<u8>| outcome(relaying.package(&id, response));
    examples.error("UnknownTransaction", outcome(relaying.package(&[9; 16], preparation.clone())));
    examples.error("Form", call(nested(Tag(0xBF21), &[])));
    let signature = member(&member(&preparation, Tag(0xA0)), Tag(0x5F37));
    let compact = nested(Tag(0xA2), &[&tlv(Tag::SEQUENCE, &[]), &signature]);
    examples.error("Incomplete", call(nested(Tag(0xBF21), &[&compact])));
    let refusal = [&tlv(Tag(0x80), &[1; 16])[..], &tlv(Tag::INTEGER, &[7])].concat();
    examples.error("OtherTransaction", call(nested(Tag(0xBF21), &[&tlv(Tag(0xA1), &refusal)])));
    examples.error("Signature", call(flipped(&preparation, preparation.len() - 20)));
    let bound = Arc::new(Mutex::new(Value::Null));
    let said = Arc::clone(&bound);
    relaying.proxy.meddle(FUNCTION, move |answer| {
        said.lock().unwrap().clone_from(&answer);
        Met::with(answer, "transactionId", json!("00112233445566778899AABBCCDDEEFF"))
    });
    examples.error("OtherSession", call(preparation.clone()));
    let nothing = base64(&[0xBF, 0x36, 0x00]);
    relaying.proxy.meddle(FUNCTION, move |answer| Met::with(answer, "boundProfilePackage", nothing.clone()));
    examples.error("Answer", call(preparation.clone()));
    examples.success(call(preparation));
    // Another one-time key is another request: the SM-DP+ would answer it, and the store is away.
    close(&relaying.lab);
    let bound = bound.lock().unwrap().to_string();
    relaying.proxy.meddle(FUNCTION, move |_| Met::Body(bound.clone().into_bytes()));
    let session = Offer::relayed(&offer);
    examples.error("Store", call(relaying.euicc.preparation(&session, &id, &otpk(2), None)));
    relaying.lab.server.errors();
    let mut all = examples.finish();

    let relaying = Relaying::seeded(binding, 60);
    let examples = Recorder::new(&relaying.lab.server, FUNCTION);
    let begun = relaying.begin();
    relaying.proxy.meddle("authenticateClient", renamed);
    let (id, offer) = relaying.offered(&begun);
    let mismatch = relaying.package(&id, relaying.preparation(&offer, None));
    examples.error("MetadataMismatch", outcome(mismatch));
    let begun = relaying.begin();
    let (id, offer) = relaying.offered(&begun);
    relaying.proxy.refuse(FUNCTION, "8.2.7", "2.2");
    examples.error("Smdp", outcome(relaying.package(&id, relaying.preparation(&offer, None))));
    all.extend(examples.finish());
    all
}

fn cancel_session(binding: MessageBinding) -> Vec<Example> {
    let relaying = Relaying::seeded(binding, 61);
    let examples = Recorder::new(&relaying.lab.server, "cancelSession");
    let begun = relaying.begin();
    let (id, _) = relaying.offered(&begun);
    let postponed = relaying.euicc.cancellation(&id, SMDP_OID, 1);
    let call = |response: Vec<u8>| outcome(relaying.cancel(&id, response));
    examples.error("UnknownTransaction", outcome(relaying.cancel(&[9; 16], postponed.clone())));
    examples.error("Form", call(nested(Tag(0xBF41), &[&nested(Tag(0xA0), &[])])));
    let signature = member(&member(&postponed, Tag(0xA0)), Tag(0x5F37));
    let compact = nested(Tag(0xA2), &[&tlv(Tag::SEQUENCE, &[]), &signature]);
    examples.error("Incomplete", call(nested(Tag(0xBF41), &[&compact])));
    examples.error("OtherTransaction", call(relaying.euicc.cancellation(&[1; 16], SMDP_OID, 1)));
    examples.error("Signature", call(Euicc::new(1).cancellation(&id, SMDP_OID, 1)));
    relaying.proxy.meddle("cancelSession", |_| Met::Status(503));
    examples.error("Smdp", call(postponed));
    relaying.end(&begun);
    let begun = relaying.begin();
    let (id, _) = relaying.offered(&begun);
    let rejected = relaying.euicc.cancellation(&id, SMDP_OID, 0);
    examples.success(outcome(relaying.cancel(&id, rejected)));
    examples.finish()
}
