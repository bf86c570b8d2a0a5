//! Examples of ES9+, in both bindings: the same scenario, once in each.

use std::time::Duration;

use serde_json::{Value, json};
use simyard::binding::MessageBinding;
use simyard::pki::test_pki::{Fault, Kind};
use simyard_asn1::Tag;
use simyard_asn1::tlv::NamedBits;

use super::{Example, Recorder};
use crate::server::euicc::{base64, ci_key, flipped, info1, info2, info2_with, nested, octets, otpk, tlv};
use crate::server::{ADDRESS, Euicc, Initiated, OrderOptions, PKI, TestServer};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// All of them, in one binding.
pub fn examples(binding: MessageBinding) -> Vec<Example> {
    [
        initiate_authentication,
        authenticate_client,
        get_bound_profile_package,
        cancel_session,
        handle_notification,
    ]
    .into_iter()
    .flat_map(|scenario| scenario(binding))
    .collect()
}

/// A server that is the same in every run.
fn server(settings: &str, seed: u64, binding: MessageBinding) -> TestServer {
    let server = TestServer::seeded(settings, seed);
    server.binding.set(binding);
    server
}

fn initiate_authentication(binding: MessageBinding) -> Vec<Example> {
    const FUNCTION: &str = "initiateAuthentication";
    let server = server("[limits]\nsessions = 1\n", 1, binding);
    let examples = Recorder::new(&server, FUNCTION);
    let euicc = Euicc::new(0);
    let ci: &[u8] = ci_key();
    let other: &[u8] = PKI.other_ci.certificate.subject_key_identifier().unwrap();
    let call = |info: Vec<u8>, address: &str| {
        let body = json!({
            "euiccChallenge": base64(&[7; 16]), "euiccInfo1": base64(&info), "smdpAddress": address,
        });
        server.es9plus(FUNCTION, &body)
    };
    let info = |svn, verification: &[u8], signing: &[u8]| info1(svn, &[verification], &[signing]);
    let honest = || info([2, 5, 0], ci, ci);
    examples.success(call(honest(), ADDRESS));
    for (name, info, address) in [
        ("EuiccInfo1", nested(Tag(0xBF20), &[&tlv(Tag(0x82), &[2, 5, 0])]), ADDRESS),
        ("Address", honest(), "other.example.com"),
        ("Version", info([3, 0, 0], ci, ci), ADDRESS),
        ("CiForSigning", info([2, 5, 0], ci, other), ADDRESS),
        ("CiForVerification", info([2, 5, 0], other, ci), ADDRESS),
    ] {
        examples.error(name, call(info, address));
    }
    let order = server.order(OrderOptions::default());
    server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    examples.error("Busy", call(honest(), ADDRESS));
    examples.finish()
}

fn authenticate_client(binding: MessageBinding) -> Vec<Example> {
    let settings = "[limits]\ndownload_attempts = 1\norder_lifetime_days = 1\n";
    let server = server(settings, 2, binding);
    let examples = Recorder::new(&server, "authenticateClient");
    server.ingest("acme", "test", 1);
    let (euicc, stranger) = (Euicc::new(0), Euicc::new(1));
    let eid = Some(euicc.eid.as_str());
    for (id, eid, hold, profile_type) in [
        ("OPEN", None, false, None),
        ("LINKED", eid, false, None),
        ("HELD", None, true, None),
        ("TRIED", None, false, None),
        ("TEST", None, false, Some("test")),
        ("LARGE", None, false, None),
    ] {
        let options =
            OrderOptions { matching_id: Some(id), eid, hold, profile_type, ..OrderOptions::default() };
        server.order(options);
    }
    let answered = |response: &dyn Fn(&Initiated) -> Vec<u8>| {
        let initiated = server.initiate(&euicc);
        server.authenticate_with(&initiated.transaction_id, &response(&initiated))
    };
    let honest = |initiated: &Initiated| euicc.authentication(&euicc.signed1(initiated, Some("OPEN")));
    examples.success(server.authenticate(&euicc, Some("TRIED")));
    let unknown = honest(&server.initiate(&euicc)).to_der();
    examples.error("UnknownTransaction", server.authenticate_with("00FF", &unknown));
    examples.error("Form", answered(&|_| nested(Tag(0xBF38), &[])));
    examples.error(
        "RefusedByEuicc",
        answered(&|initiated| {
            let id = tlv(Tag(0x80), &octets(&initiated.transaction_id));
            nested(Tag(0xBF38), &[&nested(Tag(0xA1), &[&id, &tlv(Tag::INTEGER, &[2])])])
        }),
    );
    examples.error(
        "OtherTransaction",
        answered(&|initiated| {
            let mut signed1 = euicc.signed1(initiated, Some("OPEN"));
            signed1.transaction_id = flipped(&signed1.transaction_id, 5);
            euicc.authentication(&signed1).to_der()
        }),
    );
    let without = |change: &dyn Fn(&mut crate::server::euicc::Authentication)| {
        answered(&|initiated| {
            let mut parts = honest(initiated);
            change(&mut parts);
            parts.to_der()
        })
    };
    examples.error("EumForm", without(&|parts| parts.eum = vec![0x30, 0x00]));
    let twin = |kind, fault| {
        let twin = PKI.twin(kind, fault).unwrap();
        let euicc = if kind == Kind::Eum { Euicc::of(&PKI.euicc, twin) } else { Euicc::of(twin, &PKI.eum) };
        server.authenticate(&euicc, Some("OPEN"))
    };
    examples.error("Eum", twin(Kind::Eum, Fault::WrongRole));
    examples.error("Eum", twin(Kind::Eum, Fault::Expired));
    examples.error("Eum", twin(Kind::Eum, Fault::UnknownCi));
    examples.error("EuiccForm", without(&|parts| parts.euicc = vec![0x30, 0x00]));
    examples.error("Euicc", twin(Kind::Euicc, Fault::OutsideRange));
    examples.error("Euicc", twin(Kind::Euicc, Fault::Expired));
    examples.error("Signature", without(&|parts| parts.signature1 = flipped(&parts.signature1, 63)));
    examples.error(
        "Challenge",
        answered(&|initiated| {
            let mut signed1 = euicc.signed1(initiated, Some("OPEN"));
            signed1.challenge = flipped(&signed1.challenge, 0);
            euicc.authentication(&signed1).to_der()
        }),
    );
    examples.error("Order", server.authenticate(&euicc, Some("NOBODYS")));
    examples.error("Order", server.authenticate(&stranger, Some("LINKED")));
    examples.error("Order", server.authenticate(&euicc, Some("HELD")));
    examples.error("Order", server.authenticate(&euicc, Some("TRIED")));
    examples.error(
        "NotEligible",
        answered(&|initiated| {
            let mut signed1 = euicc.signed1(initiated, Some("TEST"));
            signed1.info2 = info2(NamedBits(1), &[]);
            euicc.authentication(&signed1).to_der()
        }),
    );
    examples.error(
        "NotEligible",
        answered(&|initiated| {
            let mut signed1 = euicc.signed1(initiated, Some("LARGE"));
            signed1.info2 = info2_with(|info| info.ext_card_resource = &[0x82, 1, 0]);
            euicc.authentication(&signed1).to_der()
        }),
    );
    server.clock.advance(DAY);
    examples.error("Order", server.authenticate(&euicc, Some("OPEN")));
    let initiated = server.initiate(&euicc);
    server.wait(server.smdp().store.clone().close());
    let response = honest(&initiated).to_der();
    examples.error("Store", server.authenticate_with(&initiated.transaction_id, &response));
    server.errors();
    let mut all = examples.finish();

    let server = self::server("[limits]\nguesses_of_euicc_per_hour = 1\n", 6, binding);
    let examples = Recorder::new(&server, "authenticateClient");
    server.authenticate(&euicc, Some("NOBODYS")).unwrap_err();
    examples.error("TooManyGuesses", server.authenticate(&euicc, Some("NOBODYS")));
    all.extend(examples.finish());
    all
}

fn get_bound_profile_package(binding: MessageBinding) -> Vec<Example> {
    let settings = "[limits]\nconfirmation_attempts = 2\norder_lifetime_days = 1\n";
    let server = server(settings, 3, binding);
    let examples = Recorder::new(&server, "getBoundProfilePackage");
    let euicc = Euicc::new(0);
    let session = |code| {
        let order = server.order(OrderOptions { code, ..OrderOptions::default() });
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        (order, offer)
    };
    let (_, offer) = session(None);
    let id = octets(&offer.transaction_id);
    let honest = euicc.preparation(&offer, &id, &otpk(1), None);
    let call = |response: &[u8]| server.package_with(&offer.transaction_id, response);
    examples.error("UnknownTransaction", server.package_with("00FF", &honest));
    examples.error("Form", call(&nested(Tag(0xBF21), &[])));
    examples.error("OtherTransaction", call(&euicc.preparation(&offer, &flipped(&id, 0), &otpk(1), None)));
    examples.error("Signature", call(&flipped(&honest, honest.len() - 1)));
    let off_the_curve = flipped(&otpk(1), 64);
    examples.error("OneTimeKey", call(&euicc.preparation(&offer, &id, &off_the_curve, None)));
    examples.success(call(&honest));
    let (_, offer) = session(None);
    let code = [&tlv(Tag(0x80), &octets(&offer.transaction_id))[..], &tlv(Tag::INTEGER, &[2])].concat();
    let refused = nested(Tag(0xBF21), &[&nested(Tag(0xA1), &[&code])]);
    examples.error("RefusedByEuicc", server.package_with(&offer.transaction_id, &refused));

    let (order, offer) = session(None);
    let body = json!({
        "iccid": order.iccid.as_str(),
        "matchingId": order.matching_id,
        "finalProfileStatusIndicator": "Available",
    });
    server.es2plus("cancelOrder", body).unwrap();
    examples.error("OrderOver", server.package(&euicc, &offer, &otpk(1), None));

    let (_, offer) = session(Some("1234"));
    let with = |code| server.package(&euicc, &offer, &otpk(1), code);
    examples.error("ConfirmationCodeMissing", with(None));
    examples.error("ConfirmationCodeRefused", with(Some("0000")));
    examples.error("ConfirmationCodeRetriesExceeded", with(Some("1111")));

    let late = server.order(OrderOptions::default());
    server.clock.advance(DAY - Duration::from_secs(1));
    let offer = server.authenticate(&euicc, Some(&late.matching_id)).unwrap();
    server.clock.advance(Duration::from_secs(1));
    examples.error("Expired", server.package(&euicc, &offer, &otpk(1), None));

    let (_, offer) = session(None);
    server.wait(server.smdp().store.clone().close());
    examples.error("Store", server.package(&euicc, &offer, &otpk(1), None));
    server.errors();
    let mut all = examples.finish();

    let server = self::server("[limits]\nguesses_of_euicc_per_hour = 1\n", 7, binding);
    let examples = Recorder::new(&server, "getBoundProfilePackage");
    let order = server.order(OrderOptions { code: Some("1234"), ..OrderOptions::default() });
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), Some("0000")).unwrap_err();
    examples.error("TooManyGuesses", server.package(&euicc, &offer, &otpk(1), Some("1234")));
    all.extend(examples.finish());
    all
}

fn cancel_session(binding: MessageBinding) -> Vec<Example> {
    let server = server("", 4, binding);
    let examples = Recorder::new(&server, "cancelSession");
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let session = || server.authenticate(&euicc, Some(&order.matching_id)).unwrap().transaction_id;
    let transaction_id = session();
    let id = octets(&transaction_id);
    let honest = euicc.cancellation(&id, "2.999.10", 1);
    let call = |response: &[u8]| server.cancel_with(&transaction_id, response);
    examples.error("UnknownTransaction", server.cancel_with("00FF", &honest));
    examples.error("OtherTransaction", call(&euicc.cancellation(&flipped(&id, 1), "2.999.10", 1)));
    let empty = nested(Tag(0xBF41), &[&nested(Tag(0xA0), &[])]);
    examples.error("Form", call(&empty));
    examples.error("Signature", call(&flipped(&honest, honest.len() - 1)));
    examples.error("SmdpOid", call(&euicc.cancellation(&id, "2.999.11", 1)));
    examples.success(call(&honest));
    let transaction_id = session();
    let rejected = euicc.cancellation(&octets(&transaction_id), "2.999.10", 0);
    server.wait(server.smdp().store.clone().close());
    examples.error("Store", server.cancel_with(&transaction_id, &rejected));
    server.errors();
    examples.finish()
}

/// HandleNotification answers 204 whatever comes; only a store that fails has another answer.
fn handle_notification(binding: MessageBinding) -> Vec<Example> {
    let server = server("", 5, binding);
    let examples = Recorder::new(&server, "handleNotification");
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    let id = octets(&offer.transaction_id);
    let status = |status: u16| if status == 204 { Ok(Value::Null) } else { Err(status.to_string()) };
    let failed = euicc.result(&flipped(&id, 0), &order.iccid, 1, Some(12));
    examples.named("an error, of an unknown transaction", status(server.notify(&failed)));
    examples.named("a success", status(server.notify(&euicc.result(&id, &order.iccid, 1, None))));
    examples.named("enabled", status(server.notify(&euicc.notification(&order.iccid, 2, 1))));
    let disabled = euicc.notification(&order.iccid, 3, 2);
    server.wait(server.smdp().store.clone().close());
    examples.error("Store", status(server.notify(&disabled)));
    server.errors();
    examples.finish()
}
