//! ES9+.HandleNotification (SGP.22 5.6.4, 3.5; SGP.23 4.3.15): always 204, and what becomes of the order.

use simyard::domain::{RunTimeState, State};
use simyard::env::Rng;
use simyard::ident::Iccid;
use simyard::pki::test_pki::{Fault, Kind};

use crate::server::euicc::{SMDP_OID, flipped, nested, octets, otpk};
use crate::server::{Euicc, NOW, Offer, OrderOptions, Ordered, PKI, TestServer};

crate::tests!(
    each_reason_of_a_failed_installation_has_its_consequence,
    a_success_installs_and_every_later_result_changes_nothing,
    notifications_tell_the_run_time_state_by_their_numbers,
    what_nobody_vouches_for_is_refused_and_changes_nothing,
    a_notification_under_another_key_of_its_euicc_is_believed_by_its_chain,
    what_is_refused_is_kept_with_its_reason,
    a_result_may_come_late_and_after_the_session,
    a_store_that_fails_asks_for_the_notification_again,
);

/// An order that is downloaded, and the session of its package.
pub fn downloaded(server: &TestServer, euicc: &Euicc) -> (Ordered, Offer) {
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(euicc, Some(&order.matching_id)).unwrap();
    server.package(euicc, &offer, &otpk(1), None).unwrap();
    assert_eq!(server.state(&order.iccid), "Downloaded");
    (order, offer)
}

fn run_time(server: &TestServer, iccid: &Iccid) -> Option<RunTimeState> {
    match server.stored(iccid).state {
        State::Installed(installation) => installation.run_time,
        other => panic!("{other:?}"),
    }
}

/// Temporary errors leave the order downloadable, all others end it (3.1.5).
fn each_reason_of_a_failed_installation_has_its_consequence() {
    let server = TestServer::start();
    server.ingest("acme", "iot", 20);
    let euicc = Euicc::new(0);
    for reason in (1..=17).chain([23, 26, 127, 4_000_000_000]) {
        let (order, offer) = downloaded(&server, &euicc);
        let result = euicc.result(&octets(&offer.transaction_id), &order.iccid, reason, Some(reason));
        assert_eq!(server.notify(&result), 204);
        if [10, 11].contains(&reason) {
            assert_eq!(server.state(&order.iccid), "Downloaded", "errorReason {reason}");
            let retry = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
            server.package(&euicc, &retry, &otpk(1), None).unwrap();
            let success = euicc.result(&octets(&retry.transaction_id), &order.iccid, 900 + reason, None);
            assert_eq!(server.notify(&success), 204);
            assert_eq!(server.state(&order.iccid), "Installed");
        } else {
            assert_eq!(server.state(&order.iccid), format!("Error Installation({reason})"));
            let refused = server.authenticate(&euicc, Some(&order.matching_id));
            assert_eq!(refused.unwrap_err(), "8.2.6/3.8", "errorReason {reason}");
        }
        let over = server.cancel(&euicc, &offer.transaction_id, 1);
        assert_eq!(over.unwrap_err(), "8.10.1/3.9", "a result ends the session");
    }
}

fn a_success_installs_and_every_later_result_changes_nothing() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let (order, offer) = downloaded(&server, &euicc);
    let id = octets(&offer.transaction_id);
    let success = euicc.result(&id, &order.iccid, 1, None);
    for _ in 0..3 {
        assert_eq!(server.notify(&success), 204);
        assert_eq!(server.state(&order.iccid), "Installed");
        assert_eq!(server.notifications(&order.iccid), 1);
    }
    let installed = server.stored(&order.iccid);
    // The same result signed anew, and results that contradict it.
    for result in [
        euicc.result(&id, &order.iccid, 1, None),
        euicc.result(&id, &order.iccid, 2, Some(2)),
        euicc.result(&id, &order.iccid, 3, Some(11)),
    ] {
        assert_eq!(server.notify(&result), 204);
        assert_eq!(server.stored(&order.iccid).state, installed.state);
    }
    // Out of order: an error that is permanent, and then the success. The eUICC holds the profile: its word counts.
    let (order, offer) = downloaded(&server, &euicc);
    let id = octets(&offer.transaction_id);
    assert_eq!(server.notify(&euicc.result(&id, &order.iccid, 8, Some(12))), 204);
    assert_eq!(server.state(&order.iccid), "Error Installation(12)");
    assert_eq!(server.notify(&euicc.result(&id, &order.iccid, 7, None)), 204);
    assert_eq!(server.state(&order.iccid), "Installed");
}

fn notifications_tell_the_run_time_state_by_their_numbers() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let (order, offer) = downloaded(&server, &euicc);
    let iccid = &order.iccid;
    // Before the result: kept, and it says nothing yet that the order could hold.
    assert_eq!(server.notify(&euicc.notification(iccid, 2, 1)), 204);
    assert_eq!(server.state(iccid), "Downloaded");
    let result = euicc.result(&octets(&offer.transaction_id), iccid, 1, None);
    assert_eq!(server.notify(&result), 204);
    assert_eq!(server.state(iccid), "Installed");
    assert_eq!(run_time(&server, iccid), Some(RunTimeState::Enabled));
    for (seq_number, event, expected) in [
        (3, 1, RunTimeState::Enabled),
        (4, 2, RunTimeState::Disabled),
        (6, 1, RunTimeState::Enabled),
        // Late and repeated ones do not turn the clock back.
        (5, 2, RunTimeState::Enabled),
        (4, 2, RunTimeState::Enabled),
        (7, 3, RunTimeState::Deleted),
        (6, 1, RunTimeState::Deleted),
    ] {
        assert_eq!(server.notify(&euicc.notification(iccid, seq_number, event)), 204);
        assert_eq!(run_time(&server, iccid), Some(expected), "number {seq_number}");
    }
    assert_eq!(server.state(iccid), "Installed");
}

fn what_nobody_vouches_for_is_refused_and_changes_nothing() {
    let server = TestServer::start();
    let (euicc, stranger) = (Euicc::new(0), Euicc::new(1));
    let (order, offer) = downloaded(&server, &euicc);
    let id = octets(&offer.transaction_id);
    let iccid = &order.iccid;
    let success = euicc.result(&id, iccid, 1, None);
    let before = server.stored(iccid);
    let length = success.len();
    let mut cases = vec![
        ("an unknown transaction", euicc.result(&flipped(&id, 0), iccid, 1, None)),
        ("a transactionId cut short", euicc.result(&id[..8], iccid, 1, None)),
        ("a changed signature", flipped(&success, length - 1)),
        ("a changed result", flipped(&success, length - 70)),
        ("another eUICC's signature", stranger.result(&id, iccid, 1, None)),
        ("another SM-DP+", euicc.result_of(&id, iccid, 1, None, "2.999.11")),
        ("nothing", Vec::new()),
        ("another message", nested(simyard_asn1::Tag(0xBF21), &[])),
        ("a v3 alternative", nested(simyard_asn1::Tag(0xA1), &[])),
    ];
    for cut in (1..length).step_by(13) {
        cases.push(("cut short", success[..cut].to_vec()));
    }
    let enable = euicc.notification(iccid, 1, 1);
    cases.push(("a changed notification signature", flipped(&enable, 45)));
    for twin in &PKI.twins {
        let (certificate, eum) = match (twin.kind, twin.fault) {
            (Kind::Euicc, Some(Fault::UnknownCi)) => (twin, PKI.twin(Kind::Eum, Fault::UnknownCi).unwrap()),
            (Kind::Euicc, _) => (twin, &PKI.eum),
            _ => continue,
        };
        cases.push(("a wrong twin", Euicc::of(certificate, eum).notification(iccid, 1, 2)));
    }
    for (what, notification) in cases {
        assert_eq!(server.notify(&notification), 204, "{what}");
        assert_eq!(server.stored(iccid), before, "{what}");
        assert_eq!(server.notifications(iccid), 0, "{what}");
    }
    // The key that the package was bound to vouches for its eUICC, whatever became of the chain above it; and the same
    // notification under another chain is no other notification.
    for twin in PKI.twins.iter().filter(|twin| twin.kind == Kind::Eum) {
        assert_eq!(server.notify(&Euicc::of(&PKI.euicc, twin).notification(iccid, 1, 2)), 204);
        assert_eq!(server.notifications(iccid), 1);
    }
    // A result before any package: the session is known, the binding is not.
    let other = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&other.matching_id)).unwrap();
    let result = euicc.result(&octets(&offer.transaction_id), &other.iccid, 1, None);
    assert_eq!(server.notify(&result), 204);
    assert_eq!(server.state(&other.iccid), "Released");
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    // Another genuine eUICC says nothing about this one's profile.
    assert_eq!(server.notify(&success), 204);
    assert_eq!(server.notify(&stranger.notification(iccid, 50, 3)), 204);
    assert_eq!(run_time(&server, iccid), Some(RunTimeState::Disabled), "as its own eUICC said");
    assert_eq!(euicc.result_of(&id, iccid, 1, None, SMDP_OID).len(), length);
}

/// The eUICC may have a certificate under another CI, or a new one: then the attached chain vouches for it.
fn a_notification_under_another_key_of_its_euicc_is_believed_by_its_chain() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let (order, offer) = downloaded(&server, &euicc);
    assert_eq!(server.notify(&euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None)), 204);
    let issued = PKI.eum_issuer().unwrap().issue_euicc(&euicc.eid, &Rng::seeded(99), NOW).unwrap();
    let renewed = Euicc::of(&issued, &PKI.eum);
    assert_ne!(renewed.certificate, euicc.certificate);
    // Bit 0, install, says nothing about the run-time state, and is kept as the others are.
    for (seq_number, event, expected) in [
        (2, 0, None),
        (3, 1, Some(RunTimeState::Enabled)),
        (4, 2, Some(RunTimeState::Disabled)),
        (5, 3, Some(RunTimeState::Deleted)),
    ] {
        assert_eq!(server.notify(&renewed.notification(&order.iccid, seq_number, event)), 204);
        assert_eq!(run_time(&server, &order.iccid), expected);
    }
    assert_eq!(server.notifications(&order.iccid), 5);
    assert_eq!(server.state(&order.iccid), "Installed");
}

fn what_is_refused_is_kept_with_its_reason() {
    let server = TestServer::start();
    let (euicc, stranger) = (Euicc::new(0), Euicc::new(1));
    let (order, offer) = downloaded(&server, &euicc);
    let (id, iccid) = (octets(&offer.transaction_id), &order.iccid);
    let success = euicc.result(&id, iccid, 1, None);
    let last = success.len() - 1;
    let store = server.smdp().store.clone();
    let newest = || server.wait(store.refused_notifications(0, 1)).unwrap().remove(0);
    let unknown = server.any_available();
    for (notification, reason) in [
        (euicc.result(&flipped(&id, 0), iccid, 1, None), "no package was bound in transaction"),
        (flipped(&success, last), "signature does not verify"),
        (euicc.result_of(&id, iccid, 1, None, "2.999.11"), "it names another SM-DP+: 2.999.11"),
        (vec![0x30, 0x00], "it cannot be read"),
        (euicc.notification(&unknown, 2, 1), "nothing was ever bound for the profile"),
        (stranger.notification(iccid, 2, 1), "has no part in the order of that profile"),
        (vec![0x30; 20_000], "it cannot be read"),
    ] {
        assert_eq!(server.notify(&notification), 204);
        let refused = newest();
        assert!(refused.reason.contains(reason), "{reason}: {}", refused.reason);
        assert_eq!(refused.octets, notification.len() as u64);
        assert!(notification.starts_with(&refused.raw) && !refused.raw.is_empty());
        assert_eq!((refused.peer.as_str(), refused.repetitions), ("127.0.0.1", 0));
    }
    let before = newest();
    server.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(server.notify(&vec![0x30; 20_000]), 204);
    let again = newest();
    assert_eq!((again.number, again.repetitions), (before.number, 1));
    assert_eq!(again.repeated_at, Some(server.clock.now()));
    assert_eq!(server.notify(&success), 204);
    assert_eq!(newest(), again, "what is believed is not refused");
    assert_eq!(server.state(iccid), "Installed");
}

fn a_result_may_come_late_and_after_the_session() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let (order, offer) = downloaded(&server, &euicc);
    let id = octets(&offer.transaction_id);
    server.clock.advance(std::time::Duration::from_secs(30 * 24 * 3600));
    server.restart();
    assert_eq!(server.notify(&euicc.result(&id, &order.iccid, 1, None)), 204);
    assert_eq!(server.state(&order.iccid), "Installed");
    // After CancelSession with a reason that leaves the order.
    let (order, offer) = downloaded(&server, &euicc);
    server.cancel(&euicc, &offer.transaction_id, 2).unwrap();
    let result = euicc.result(&octets(&offer.transaction_id), &order.iccid, 2, None);
    assert_eq!(server.notify(&result), 204);
    assert_eq!(server.state(&order.iccid), "Installed");
}

fn a_store_that_fails_asks_for_the_notification_again() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let (order, offer) = downloaded(&server, &euicc);
    let success = euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None);
    let store = server.smdp().store.clone();
    server.wait(store.close());
    assert_eq!(server.notify(&success), 503);
    assert_eq!(server.errors().len(), 1, "and it is logged");
    server.restart();
    assert_eq!(server.notify(&success), 204);
    assert_eq!(server.state(&order.iccid), "Installed");
}
