//! ES2+.HandleDownloadProgressInfo (SGP.22 5.3.5): what operators are told, in which order, and that it survives.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use simyard::domain::Operator;
use simyard::ident::Iccid;
use simyard::store::watch::{ChangeKind, CommitPhase};
use simyard::store::{Callback, CallbackSelection};
use simyard_asn1::tlv::NamedBits;

use crate::conformance::sequence;
use crate::postgres;
use crate::server::euicc::{base64, from_base64, hash_cc, info2, octets, otpk};
use crate::server::operator::{Answer, OperatorServer, summary};
use crate::server::{Euicc, Interface, OPERATOR, OrderOptions, Ordered, PROFILE_TYPE, TestServer, reply};

crate::tests!(
    an_operator_is_told_of_a_download_at_each_point,
    each_failure_is_told_with_its_pair,
    each_reason_of_a_cancelled_session_is_told_with_its_pair,
    what_an_lpa_repeats_is_told_once,
    an_operator_without_an_address_is_told_nothing,
    the_life_of_a_profile_is_told_to_who_wants_to_hear_it,
    what_an_operator_does_not_take_is_told_again_in_order,
    an_operator_that_does_not_answer_holds_up_no_other,
    an_operator_is_given_up_and_tried_again_by_hand,
    an_operator_under_another_authority_is_told_nothing,
    what_is_told_survives_a_server_that_is_killed_at_any_commit,
    a_server_killed_before_it_heard_the_answer_tells_it_again,
    a_server_that_ends_gives_back_what_is_under_way,
    two_servers_on_postgresql_tell_everything_once_and_in_order,
);

/// A server that tells [`OPERATOR`], and that operator.
fn told() -> (TestServer, OperatorServer) {
    let operator = OperatorServer::start();
    (TestServer::calling_back(&[(OPERATOR, &operator.address())], "", None), operator)
}

/// What waits in the store.
fn waiting(server: &TestServer) -> Vec<Callback> {
    let store = server.smdp().store.clone();
    server.wait(store.callbacks(&CallbackSelection::default(), 0, 1000)).unwrap()
}

impl TestServer {
    /// Waits until the store says so of what waits.
    fn until(&self, done: impl Fn(&[Callback]) -> bool) -> Vec<Callback> {
        let store = self.smdp().store.clone();
        let waited = async {
            loop {
                let all = store.callbacks(&CallbackSelection::default(), 0, 1000).await.unwrap();
                if done(&all) {
                    return all;
                }
                tokio::task::yield_now().await;
            }
        };
        let waited = self.wait(async { tokio::time::timeout(Duration::from_secs(30), waited).await });
        waited.unwrap_or_else(|_| panic!("it never came to that: {:#?}", waiting(self)))
    }

    /// Lets the next attempts come.
    fn later(&self, by: Duration) {
        self.clock.advance(by);
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn an_operator_is_told_of_a_download_at_each_point() {
    sequence("HandleDownloadProgressInfo", told_of_a_download);
}

fn told_of_a_download() {
    let (server, operator) = told();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let (_, outcome) = server.download(server.card(&euicc), &order.matching_id, None);
    outcome.unwrap();
    let told = operator.told_many(3);
    assert_eq!(told.iter().map(summary).collect::<Vec<_>>(), ["1 passed", "3 passed", "4 passed"]);
    let mut calls = Vec::new();
    for told in &told {
        let mut rest = told.clone();
        let rest = rest.as_object_mut().unwrap();
        let header = rest.remove("header").unwrap();
        assert_eq!(header["functionRequesterIdentifier"], "2.999.10");
        calls.push(header["functionCallIdentifier"].as_str().unwrap().to_owned());
        rest.remove("notificationPointId");
        let result = rest.remove("resultData");
        assert_eq!(result.is_some(), told["notificationPointId"] == 4, "{told}");
        if let Some(result) = result {
            assert!(from_base64(&result).starts_with(&[0xBF, 0x27]), "the eUICC's own words");
        }
        let expected = json!({
            "eid": euicc.eid.as_str(),
            "iccid": order.iccid.to_es2plus(),
            "profileType": PROFILE_TYPE,
            "timestamp": "2026-11-22T06:43:00Z",
            "notificationPointStatus": { "status": "Executed-Success" },
        });
        assert_eq!(Value::Object(rest.clone()), expected);
    }
    calls.dedup();
    assert_eq!(calls.len(), 3, "each call has an identifier of its own");
    server.until(<[_]>::is_empty);
    operator.heard_nothing_more();
}

/// The next call is about this order, and says this.
fn hears(operator: &OperatorServer, order: &Ordered, expected: &[&str]) {
    for expected in expected {
        let told = operator.told();
        assert_eq!(told["iccid"], order.iccid.to_es2plus());
        assert_eq!(summary(&told), *expected, "{told}");
    }
}

fn each_failure_is_told_with_its_pair() {
    let operator = OperatorServer::start();
    let limits = "[limits]\ndownload_attempts = 2\nconfirmation_attempts = 2\norder_lifetime_days = 1";
    let server = TestServer::calling_back(&[(OPERATOR, &operator.address())], limits, None);
    let euicc = Euicc::new(0);
    let try_it = |order: &Ordered| server.authenticate(&euicc, Some(&order.matching_id));

    // Download attempts: what comes after the end tells nothing more.
    let order = server.order(OrderOptions::default());
    for expected in [Ok(()), Ok(()), Err("8.8.5/6.4"), Err("8.8.5/6.4")] {
        assert_eq!(try_it(&order).map(drop), expected.map_err(str::to_owned));
    }
    hears(&operator, &order, &["1 passed", "1 passed", "1 8.8.5/6.4"]);

    // Confirmation codes: the last wrong one is told as the end. Repeated, a wrong one is no further guess.
    let order = server.order(OrderOptions { code: Some("42"), ..OrderOptions::default() });
    let offer = try_it(&order).unwrap();
    assert_eq!(server.package(&euicc, &offer, &otpk(1), None).unwrap_err(), "8.2.7/2.2");
    let id = octets(&offer.transaction_id);
    let wrong = euicc.preparation(&offer, &id, &otpk(1), Some(&hash_cc("1", &offer.transaction_id)));
    for _ in 0..2 {
        let refused = server.package_with(&offer.transaction_id, &wrong);
        assert_eq!(refused.unwrap_err(), "8.2.7/3.8");
    }
    let refused = server.package(&euicc, &offer, &otpk(1), Some("2"));
    assert_eq!(refused.unwrap_err(), "8.2.7/6.4");
    hears(&operator, &order, &["1 passed", "2 8.2.7/3.8", "2 8.2.7/6.4"]);

    // Expired, before the session and in it.
    let (early, late) = (server.order(OrderOptions::default()), server.order(OrderOptions::default()));
    let offer = try_it(&late).unwrap();
    hears(&operator, &late, &["1 passed"]);
    let store = server.smdp().store.clone();
    for iccid in [&early.iccid, &late.iccid] {
        let mut order = server.stored(iccid);
        if let simyard::domain::State::Released(release) = &mut order.state {
            release.confirmation.expires_at = Some(server.clock.now());
        }
        server.wait(store.save(order)).unwrap();
    }
    assert_eq!(try_it(&early).unwrap_err(), "8.8.5/4.10");
    hears(&operator, &early, &["1 8.8.5/4.10"]);
    assert_eq!(server.package(&euicc, &offer, &otpk(1), None).unwrap_err(), "8.8.5/4.10");
    hears(&operator, &late, &["3 8.8.5/4.10"]);

    // Results: temporary and permanent, a package again, and the success behind the failure.
    let order = server.order(OrderOptions::default());
    for (reason, expected) in [(10, "4 8.2.10/4.2"), (12, "4 8.2.10/4.2")] {
        let offer = try_it(&order).unwrap();
        server.package(&euicc, &offer, &otpk(1), None).unwrap();
        let result = euicc.result(&octets(&offer.transaction_id), &order.iccid, reason, Some(reason));
        assert_eq!(server.notify(&result), 204);
        hears(&operator, &order, &["1 passed", "3 passed"]);
        let told = operator.told();
        assert_eq!(summary(&told), expected);
        assert!(result.windows(40).any(|part| from_base64(&told["resultData"]).starts_with(part)), "{told}");
    }
    // An eUICC that does not support test profiles.
    let test = server.ingest(OPERATOR, "test", 1).remove(0);
    let order = server.order(OrderOptions { iccid: Some(&test), ..OrderOptions::default() });
    let initiated = server.initiate(&euicc);
    let mut signed = euicc.signed1(&initiated, Some(&order.matching_id));
    signed.info2 = info2(NamedBits(1), &[]);
    let response = euicc.authentication(&signed).to_der();
    let refused = server.authenticate_with(&initiated.transaction_id, &response);
    assert_eq!(refused.unwrap_err(), "8.2.5/4.3");
    hears(&operator, &order, &["1 8.2.5/4.3"]);

    // What finds no order that it could be about, tells nothing.
    assert_eq!(server.authenticate(&euicc, Some("NOBODYS")).unwrap_err(), "8.2.6/3.8");
    let held = server.order(OrderOptions { hold: true, ..OrderOptions::default() });
    assert_eq!(try_it(&held).unwrap_err(), "8.2/1.2");
    let eid = Euicc::new(1).eid;
    let others = server.order(OrderOptions { eid: Some(eid.as_str()), ..OrderOptions::default() });
    assert_eq!(try_it(&others).unwrap_err(), "8.1.1/3.8");
    server.until(<[_]>::is_empty);
    operator.heard_nothing_more();
}

fn each_reason_of_a_cancelled_session_is_told_with_its_pair() {
    let (server, operator) = told();
    server.ingest(OPERATOR, PROFILE_TYPE, 30);
    let euicc = Euicc::new(0);
    for (reason, expected) in [
        (0, Some("4 8.8.5/3.8")),
        (1, None),
        (2, None),
        (3, Some("4 8.2.8/1.2")),
        (4, Some("4 8.2.9/3.11")),
        (5, Some("4 8.2.10/4.2")),
        (16, None),
        (17, Some("4 8.2.13/3.1")),
        (18, Some("4 8.2.13/1.2")),
        (19, Some("4 8.2.13/3.8")),
        (20, Some("4 8.2.13/3.12")),
        (23, Some("4 8.2.14/3.1")),
        (25, Some("4 8.2.9/3.8")),
        (30, Some("4 8.10.3/4.3")),
        (127, Some("4 8/4.2")),
    ] {
        let order = server.order(OrderOptions::default());
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        hears(&operator, &order, &["1 passed"]);
        server.cancel(&euicc, &offer.transaction_id, reason).unwrap();
        assert_eq!(server.cancel(&euicc, &offer.transaction_id, reason).unwrap_err(), "8.10.1/3.9");
        if let Some(expected) = expected {
            hears(&operator, &order, &[expected]);
        }
    }
    server.until(<[_]>::is_empty);
    operator.heard_nothing_more();
}

fn what_an_lpa_repeats_is_told_once() {
    let (server, operator) = told();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let initiated = server.initiate(&euicc);
    let id = initiated.transaction_id.clone();
    let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
    let offers = [0; 3].map(|_| server.authenticate_with(&id, &response).unwrap());
    let response = euicc.preparation(&offers[0], &octets(&id), &otpk(1), None);
    let packages = [0; 3].map(|_| server.package_with(&id, &response).unwrap());
    assert_eq!(packages[0], packages[2]);
    let result = euicc.result(&octets(&id), &order.iccid, 1, None);
    for _ in 0..3 {
        assert_eq!(server.notify(&result), 204);
    }
    hears(&operator, &order, &["1 passed", "3 passed", "4 passed"]);
    server.until(<[_]>::is_empty);
    operator.heard_nothing_more();
}

fn an_operator_without_an_address_is_told_nothing() {
    // No job runs for it: what was written would still stand there.
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    server.download(server.card(&euicc), &order.matching_id, None).1.unwrap();
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.cancel(&euicc, &offer.transaction_id, 0).unwrap();
    assert_eq!(waiting(&server), []);
}

fn the_life_of_a_profile_is_told_to_who_wants_to_hear_it() {
    let operator = OperatorServer::start();
    let members = format!("{}\nnotification_points = {{ enable = 6, delete = 101 }}", operator.address());
    let server = TestServer::calling_back(&[(OPERATOR, &members)], "", None);
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    assert_eq!(server.notify(&euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None)), 204);
    // Enabled, disabled, enabled again and once more the same, deleted.
    for (seq_number, event) in [(2, 1), (3, 2), (4, 1), (4, 1), (5, 3)] {
        assert_eq!(server.notify(&euicc.notification(&order.iccid, seq_number, event)), 204);
    }
    let expected = ["1 passed", "3 passed", "4 passed", "6 passed", "6 passed", "101 passed"];
    hears(&operator, &order, &expected);
    server.until(<[_]>::is_empty);
    operator.heard_nothing_more();
}

fn what_an_operator_does_not_take_is_told_again_in_order() {
    let (server, operator) = told();
    let euicc = Euicc::new(0);
    let failures = [
        (Answer::Status(500), "HTTP 500"),
        (Answer::Failed, "8.2.1/3.9: never heard of it"),
        (Answer::Broken, "localhost"),
        (Answer::Status(404), "HTTP 404"),
    ];
    operator.answers(&[failures[0].0]);
    let order = server.order(OrderOptions::default());
    server.download(server.card(&euicc), &order.matching_id, None).1.unwrap();
    let mut calls = Vec::new();
    for (attempt, (_, answer)) in failures.iter().enumerate() {
        calls.push(operator.told());
        let waiting = server.until(|all| {
            all.len() == 3 && all[0].attempts as usize == attempt + 1 && all[0].leased_until.is_none()
        });
        assert!(waiting[0].last_answer.as_ref().unwrap().contains(answer), "{waiting:#?}");
        let pause = waiting[0].due_at.as_millis() - server.clock.now().as_millis();
        let most = 10_000 << attempt;
        assert!((most / 2..=most).contains(&pause), "attempt {attempt}: {pause}");
        // The others wait for it, untried.
        assert_eq!(waiting[1..].iter().map(|callback| callback.attempts).sum::<u32>(), 0);
        operator.heard_nothing_more();
        let next = failures.get(attempt + 1).map_or(Answer::Header, |failure| failure.0);
        operator.answers(&[next]);
        server.later(Duration::from_secs(160));
    }
    calls.push(operator.told());
    assert!(calls.iter().all(|call| *call == calls[0]), "the same call each time: {calls:#?}");
    hears(&operator, &order, &["3 passed", "4 passed"]);
    server.until(<[_]>::is_empty);
    operator.heard_nothing_more();
}

fn an_operator_that_does_not_answer_holds_up_no_other() {
    let (silent, other) = (OperatorServer::start(), OperatorServer::start());
    let addresses = [silent.address(), other.address()];
    let server = TestServer::calling_back(&[(OPERATOR, &addresses[0]), ("beta", &addresses[1])], "", None);
    let euicc = Euicc::new(0);
    silent.answers(&[Answer::Nothing; 20]);
    for _ in 0..9 {
        let order = server.order(OrderOptions::default());
        server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    }
    // No more than eight at a time.
    silent.told_many(8);
    let iccid = server.ingest("beta", crate::server::OTHERS_TYPE, 1).remove(0);
    let smdp = server.smdp();
    let matching_id = server.wait(order_by_hand(&smdp, &iccid));
    server.authenticate(&euicc, Some(&matching_id)).unwrap();
    let told = other.told();
    assert_eq!(told["iccid"], iccid.to_es2plus());
    assert_eq!(summary(&told), "1 passed");
    let waiting = server.until(|all| all.len() == 9);
    assert!(waiting.iter().all(|callback| callback.operator.as_str() == OPERATOR));
    silent.heard_nothing_more();
}

/// An order of another operator than the one who calls in these tests.
async fn order_by_hand(smdp: &simyard::smdp::Smdp, iccid: &Iccid) -> String {
    use simyard::domain::{CallIdentity, Confirmation, MatchingIdOrigin, NamedBy, ReleaseTime, Reservation};
    use simyard::ident::MatchingId;
    let order = smdp.store.order(iccid).await.unwrap().unwrap();
    let at = smdp.clock.now();
    let call = CallIdentity::new("test", "1");
    let order = order
        .reserve(
            Reservation { call, named_by: NamedBy::Iccid, terms: simyard::domain::Terms::default(), at },
            None,
        )
        .unwrap();
    let order = order.confirm(|reservation, _| Confirmation {
        reservation,
        ordered_eid: None,
        confirmed_eid: None,
        matching_id: MatchingId::parse("BETAS").unwrap(),
        matching_id_origin: MatchingIdOrigin::Operator,
        code_hash: None,
        release_time: ReleaseTime::AtOnce,
        at,
        expires_at: None,
    });
    smdp.store.save(order.unwrap()).await.unwrap();
    "BETAS".to_owned()
}

fn an_operator_is_given_up_and_tried_again_by_hand() {
    let operator = OperatorServer::start();
    let address = operator.address();
    let settings = "[callbacks]\ngive_up_after_days = 2";
    let server = TestServer::calling_back(&[(OPERATOR, &address)], settings, None);
    let euicc = Euicc::new(0);
    operator.answers(&[Answer::Status(503); 2]);
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    operator.told();
    server.until(|all| all.len() == 2 && all[0].attempts == 1 && all[0].leased_until.is_none());
    let store = server.smdp().store.clone();
    let counts = || server.wait(store.callback_counts()).unwrap();
    let count = counts().remove(0);
    assert_eq!((count.operator.as_str(), count.given_up, count.callbacks), (OPERATOR, false, 2));
    let happened_at = count.oldest;
    assert_eq!(happened_at, server.clock.now());

    // Too old: this attempt was the last, and what is behind it is told.
    server.later(2 * DAY);
    hears(&operator, &order, &["1 passed", "3 passed"]);
    let given_up = server.until(|all| all.len() == 1);
    assert_eq!(given_up[0].given_up_at, Some(server.clock.now()));
    assert!(given_up[0].last_answer.as_ref().unwrap().contains("503"));
    let count = counts().remove(0);
    assert_eq!((count.given_up, count.callbacks, count.oldest), (true, 1, happened_at));
    server.later(DAY);
    let selection = CallbackSelection { iccid: Some(order.iccid.clone()), operator: None };
    assert_eq!(server.wait(store.retry_callbacks(&selection, server.clock.now())).unwrap(), 1);
    hears(&operator, &order, &["1 passed"]);
    server.until(<[_]>::is_empty);
    assert_eq!(counts(), []);

    // Dropped, it is not told.
    operator.answers(&[Answer::Status(503)]);
    server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    operator.told();
    server.until(|all| all.len() == 1 && all[0].last_answer.is_some());
    let others = CallbackSelection { operator: Operator::parse("beta"), iccid: None };
    assert_eq!(server.wait(store.drop_callbacks(&others)).unwrap(), 0);
    assert_eq!(server.wait(store.drop_callbacks(&selection)).unwrap(), 1);
    assert_eq!(waiting(&server), []);
}

fn an_operator_under_another_authority_is_told_nothing() {
    let operator = OperatorServer::start();
    let folder = tempfile::tempdir().unwrap();
    let options = simyard::pki::test_pki::TestPkiOptions {
        host_names: vec!["localhost".to_owned()],
        eid: crate::server::euicc::eid(0),
    };
    let other = simyard::pki::test_pki::TestPki::generate(
        &simyard::env::Rng::seeded(77),
        crate::server::NOW,
        &options,
    )
    .unwrap();
    other.write_to(folder.path(), simyard::pki::test_pki::Existing::Replace).unwrap();
    let ca = folder.path().join("ci.pem");
    let members = format!("{}\nes2plus_ca = [\"{}\"]", operator.address(), ca.display());
    let server = TestServer::calling_back(&[(OPERATOR, &members)], "", None);
    let order = server.order(OrderOptions::default());
    server.authenticate(&Euicc::new(0), Some(&order.matching_id)).unwrap();
    let waiting = server.until(|all| all.iter().any(|callback| callback.last_answer.is_some()));
    let answer = waiting[0].last_answer.as_ref().unwrap();
    assert!(answer.contains("invalid peer certificate"), "{answer}");
    operator.heard_nothing_more();
}

fn what_is_told_survives_a_server_that_is_killed_at_any_commit() {
    let (server, operator) = told();
    survives(&server, &operator);
    let Some(database) = postgres::database() else { return };
    let operator = OperatorServer::start();
    let server = TestServer::calling_back(&[(OPERATOR, &operator.address())], "", Some(database.url()));
    survives(&server, &operator);
}

/// A change and what is told of it are one: both are there after the kill, or neither. What was on its way when the server
/// died may be told again, under the same identifier.
fn survives(server: &TestServer, operator: &OperatorServer) {
    let euicc = Euicc::new(0);
    let heard = RefCell::new(HashSet::new());
    let told = |order: &Ordered, expected: &[&str]| {
        server.later(HOUR);
        server.until(<[_]>::is_empty);
        let mut new = operator.told_so_far();
        new.retain(|told| {
            let call = &told["header"]["functionCallIdentifier"];
            heard.borrow_mut().insert(call.as_str().unwrap().to_owned())
        });
        assert!(new.iter().all(|told| told["iccid"] == order.iccid.to_es2plus()), "{new:#?}");
        assert_eq!(new.iter().map(summary).collect::<Vec<_>>(), expected);
    };
    for phase in [CommitPhase::Before, CommitPhase::After] {
        let if_durable = |expected| if phase == CommitPhase::After { vec![expected] } else { Vec::new() };
        // AuthenticateClient.
        let order = server.order(OrderOptions { code: Some("42"), ..OrderOptions::default() });
        let initiated = server.initiate(&euicc);
        let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
        let body = json!({
            "transactionId": initiated.transaction_id,
            "authenticateServerResponse": base64(&response),
        });
        killed(server, phase, ChangeKind::CountDownload, "authenticateClient", &body);
        told(&order, &if_durable("1 passed"));
        // A wrong code, the package, the result, and the end by the user.
        let session = || {
            let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
            let id = octets(&offer.transaction_id);
            (offer, id)
        };
        for (code, kind, expected) in
            [("1", ChangeKind::CountConfirmation, "2 8.2.7/3.8"), ("42", ChangeKind::Bind, "3 passed")]
        {
            let (offer, id) = session();
            let hash = hash_cc(code, &offer.transaction_id);
            let response = euicc.preparation(&offer, &id, &otpk(1), Some(&hash));
            let body = json!({
                "transactionId": offer.transaction_id,
                "prepareDownloadResponse": base64(&response),
            });
            killed(server, phase, kind, "getBoundProfilePackage", &body);
            told(&order, &[vec!["1 passed"], if_durable(expected)].concat());
        }
        let (offer, id) = session();
        server.package(&euicc, &offer, &otpk(1), Some("42")).unwrap();
        let body = json!({
            "transactionId": offer.transaction_id,
            "cancelSessionResponse": base64(&euicc.cancellation(&id, crate::server::euicc::SMDP_OID, 0)),
        });
        killed(server, phase, ChangeKind::Save, "cancelSession", &body);
        told(&order, &[vec!["1 passed", "3 passed"], if_durable("4 8.8.5/3.8")].concat());
        let result = euicc.result(&id, &order.iccid, 1, None);
        let body = json!({ "pendingNotification": base64(&result) });
        killed(server, phase, ChangeKind::Record, "handleNotification", &body);
        told(&order, &if_durable("4 passed"));
        // The LPA tells it again: what was told is not told twice, and what was lost is told now.
        assert_eq!(server.notify(&result), 204);
        told(&order, if phase == CommitPhase::After { &[] } else { &["4 passed"] });
    }
}

/// A call in which the server dies.
fn killed(server: &TestServer, phase: CommitPhase, kind: ChangeKind, function: &str, body: &Value) {
    server.deaths.arm(phase, kind);
    let request = server.request(Interface::Es9Plus, function).body(body.to_string());
    let call = server.callers.spawn(reply(request));
    server.callers.block_on(server.deaths.died());
    server.kill();
    drop(server.callers.block_on(call));
    server.errors();
    server.restart();
}

fn a_server_killed_before_it_heard_the_answer_tells_it_again() {
    let (server, operator) = told();
    let euicc = Euicc::new(0);
    operator.answers(&[Answer::Nothing]);
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    let first = operator.told();
    server.kill();
    server.restart();
    // Who was killed holds it for a while; nobody knows that the operator has it, nor what comes behind it.
    let waiting = server.until(|all| all.len() == 2);
    assert!(waiting[0].leased_until.unwrap() > server.clock.now());
    operator.heard_nothing_more();
    server.later(HOUR);
    assert_eq!(operator.told(), first, "the same call with the same identifier");
    hears(&operator, &order, &["3 passed"]);
    server.until(<[_]>::is_empty);
    operator.heard_nothing_more();
}

fn a_server_that_ends_gives_back_what_is_under_way() {
    let (server, operator) = told();
    operator.answers(&[Answer::Nothing]);
    let order = server.order(OrderOptions::default());
    server.authenticate(&Euicc::new(0), Some(&order.matching_id)).unwrap();
    let first = operator.told();
    server.end();
    server.restart();
    assert_eq!(operator.told(), first, "at once");
    server.until(<[_]>::is_empty);
}

fn two_servers_on_postgresql_tell_everything_once_and_in_order() {
    use simyard::client::es2plus::Es2PlusClient;
    use simyard::jobs::deliver_callbacks::{CallbackLimits, DeliverCallbacks};
    use simyard::store::Store;
    let Some(database) = postgres::database() else { return };
    let operator = OperatorServer::start();
    let server = TestServer::calling_back(&[(OPERATOR, &operator.address())], "", Some(database.url()));
    // The second process: its own connections and its own job. It calls with the certificate of the first.
    let tls = server.callback_tls();
    let address = operator.address().split('"').nth(1).unwrap().parse().unwrap();
    let (end, ended) = tokio::sync::watch::channel(false);
    let store = server.callers.block_on(Store::open(&database.url())).unwrap();
    let job = DeliverCallbacks {
        store: store.clone(),
        clock: server.clock.clone(),
        rng: server.rng.clone(),
        requester: "2.999.10".to_owned(),
        limits: CallbackLimits { concurrency: 2, ..CallbackLimits::default() },
        operators: vec![(Operator::parse(OPERATOR).unwrap(), Es2PlusClient::new(tls, address, &[]).unwrap())],
    };
    let job = server.callers.spawn(job.run(ended));
    server.ingest(OPERATOR, PROFILE_TYPE, 30);
    let euicc = Euicc::new(0);
    let mut expected = Vec::new();
    for _ in 0..20 {
        let order = server.order(OrderOptions::default());
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        server.package(&euicc, &offer, &otpk(1), None).unwrap();
        let number = u32::try_from(expected.len()).unwrap() + 1;
        let result = euicc.result(&octets(&offer.transaction_id), &order.iccid, number, None);
        assert_eq!(server.notify(&result), 204);
        expected.push(order.iccid.to_es2plus());
    }
    let told = operator.told_many(60);
    server.until(<[_]>::is_empty);
    operator.heard_nothing_more();
    for iccid in expected {
        let own = told.iter().filter(|told| told["iccid"] == *iccid);
        assert_eq!(own.map(summary).collect::<Vec<_>>(), ["1 passed", "3 passed", "4 passed"]);
    }
    end.send(true).unwrap();
    server.callers.block_on(job).unwrap();
    server.callers.block_on(store.close());
}
