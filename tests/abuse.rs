//! Floods and guesses over the wire: what one caller does to the server, the others do not feel.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;
use simyard::smdp::guesses::Guesser;
use simyard_asn1::Decode as _;
use simyard_asn1::rsp::package::{BoundProfilePackage, InitialiseSecureChannelRequest};

use crate::server::euicc::{base64, from_base64, hash_cc, octets, otpk};
use crate::server::{ADDRESS, Euicc, Initiated, Interface, Offer, OrderOptions, TestServer, reply};

crate::tests!(
    a_flood_of_sessions_displaces_its_own,
    a_download_goes_through_while_others_flood,
    matching_identifiers_are_guessed_so_often_and_no_more,
    confirmation_codes_are_guessed_so_often_and_no_more,
    many_euiccs_of_one_place_guess_no_more_than_its_share,
    nothing_but_a_wrong_guess_counts,
    a_package_that_was_not_kept_is_bound_again,
);

/// Another address of the loopback.
const FLOODER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

fn at(server: &TestServer, peer: IpAddr, function: &str) -> reqwest::RequestBuilder {
    server
        .lpa_at(peer)
        .post(format!("https://{ADDRESS}/gsma/rsp2/es9plus/{function}"))
        .header("Content-Type", "application/json")
}

fn initiate_at(server: &TestServer, peer: IpAddr, euicc: &Euicc) -> Initiated {
    let request = at(server, peer, "initiateAuthentication").body(euicc.initiation().to_string());
    let answer = server.try_send(request).unwrap().outcome().unwrap();
    Initiated {
        transaction_id: answer["transactionId"].as_str().unwrap().to_owned(),
        server_signed1: from_base64(&answer["serverSigned1"]),
    }
}

fn a_flood_of_sessions_displaces_its_own() {
    let server = TestServer::with("[limits]\nsessions = 4\n", None);
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let honest = server.initiate(&euicc);
    let flood: Vec<Initiated> = (0..20)
        .map(|_| {
            server.clock.advance(Duration::from_secs(1));
            initiate_at(&server, FLOODER, &euicc)
        })
        .collect();
    assert_eq!(server.smdp().sessions.len(), 4);
    let respond = |initiated: &Initiated| {
        let response = euicc.authentication(&euicc.signed1(initiated, Some(&order.matching_id))).to_der();
        server.authenticate_with(&initiated.transaction_id, &response)
    };
    for displaced in &flood[..17] {
        assert_eq!(respond(displaced).unwrap_err(), "8.10.1/3.9");
    }
    respond(&honest).unwrap();
    respond(&flood[17]).unwrap();
}

fn a_download_goes_through_while_others_flood() {
    let server = TestServer::with("[limits]\nsessions = 16\n", None);
    let order = server.order(OrderOptions::default());
    let card = server.card(&Euicc::new(1));
    let body = Euicc::new(0).initiation().to_string();
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let (client, body) = (server.lpa_at(FLOODER), body.clone());
            server.callers.spawn(async move {
                loop {
                    let url = format!("https://{ADDRESS}/gsma/rsp2/es9plus/initiateAuthentication");
                    let answer = reply(client.post(url).body(body.clone())).await.unwrap();
                    assert!(answer.outcome().is_ok());
                }
            })
        })
        .collect();
    // The flood has filled every place before the download begins.
    while server.smdp().sessions.len() < 16 {
        server.post(Interface::Es9Plus, "initiateAuthentication", body.clone()).outcome().unwrap();
    }
    let (_, outcome) = server.download(card, &order.matching_id, None);
    outcome.unwrap();
    assert_eq!(server.state(&order.iccid), "Installed");
    assert!(server.smdp().sessions.len() <= 16);
    for flood in floods {
        assert!(!flood.is_finished(), "the flood was answered properly to the end");
        flood.abort();
    }
}

/// The eUICC is refused before anything is looked up, and heard again after its time.
fn matching_identifiers_are_guessed_so_often_and_no_more() {
    let server = TestServer::with("[limits]\nguesses_of_euicc_per_hour = 3\n", None);
    let order = server.order(OrderOptions::default());
    let (guesser, other) = (Euicc::new(0), Euicc::new(1));
    for guess in ["A", "B", "C"] {
        assert_eq!(server.authenticate(&guesser, Some(guess)).unwrap_err(), "8.2.6/3.8");
    }
    assert_eq!(server.authenticate(&guesser, Some("D")).unwrap_err(), "1.2/3.7");
    assert_eq!(server.authenticate(&guesser, Some(&order.matching_id)).unwrap_err(), "1.2/3.7");
    assert_eq!(server.stored(&order.iccid).attempts().download, 0);
    assert!(server.smdp().sessions.is_empty(), "a refusal ends the session");
    // Another eUICC at the same address does not feel it, and the same one is heard later.
    assert_eq!(server.authenticate(&other, Some("E")).unwrap_err(), "8.2.6/3.8");
    server.clock.advance(Duration::from_secs(20 * 60));
    server.authenticate(&guesser, Some(&order.matching_id)).unwrap();
    assert_eq!(server.smdp().guesses.limited(Guesser::Euicc), 2);
}

/// Beside the attempts of each order: who has many matching identifiers has not as many codes.
fn confirmation_codes_are_guessed_so_often_and_no_more() {
    let server = TestServer::with("[limits]\nguesses_of_euicc_per_hour = 3\n", None);
    let euicc = Euicc::new(0);
    let codes = || OrderOptions { code: Some("1234"), ..OrderOptions::default() };
    let orders = [server.order(codes()), server.order(codes())];
    let offers =
        orders.each_ref().map(|order| server.authenticate(&euicc, Some(&order.matching_id)).unwrap());
    let guess = |at: usize, code| server.package(&euicc, &offers[at], &otpk(1), Some(code));
    assert_eq!(guess(0, "1").unwrap_err(), "8.2.7/3.8");
    assert_eq!(guess(0, "2").unwrap_err(), "8.2.7/3.8");
    assert_eq!(guess(1, "3").unwrap_err(), "8.2.7/3.8");
    for at in [0, 1] {
        assert_eq!(guess(at, "1234").unwrap_err(), "1.2/3.7", "the right one is not looked at");
    }
    let counted = orders.each_ref().map(|order| server.stored(&order.iccid).attempts().confirmation);
    assert_eq!(counted, [2, 1], "what is not compared costs the order no attempt");
    // The sessions wait.
    server.clock.advance(Duration::from_secs(20 * 60));
    guess(1, "1234").unwrap();
}

fn many_euiccs_of_one_place_guess_no_more_than_its_share() {
    let server = TestServer::with("[limits]\nguesses_of_peer_per_hour = 4\n", None);
    let order = server.order(OrderOptions::default());
    for number in 0..4 {
        assert_eq!(server.authenticate(&Euicc::new(number), Some("GUESS")).unwrap_err(), "8.2.6/3.8");
    }
    assert_eq!(server.authenticate(&Euicc::new(4), Some("GUESS")).unwrap_err(), "1.2/3.7");
    // From another place the same eUICC is heard.
    let euicc = Euicc::new(4);
    let initiated = initiate_at(&server, FLOODER, &euicc);
    let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
    let body = json!({
        "transactionId": initiated.transaction_id,
        "authenticateServerResponse": base64(&response),
    });
    let request = at(&server, FLOODER, "authenticateClient").body(body.to_string());
    server.try_send(request).unwrap().outcome().unwrap();
    assert_eq!(server.smdp().guesses.limited(Guesser::Peer), 1);
}

/// PrepareDownloadResponse, to be sent again octet by octet: signatures are not repeatable.
fn signed2(euicc: &Euicc, offer: &Offer, code: Option<&str>) -> Vec<u8> {
    let hash_cc = code.map(|code| hash_cc(code, &offer.transaction_id));
    euicc.preparation(offer, &octets(&offer.transaction_id), &otpk(1), hash_cc.as_ref().map(|hash| &hash[..]))
}

/// Downloads, polls without a matching identifier, refusals for other reasons, and the same request again.
fn nothing_but_a_wrong_guess_counts() {
    let settings = "[limits]\nguesses_of_euicc_per_hour = 1\nguesses_of_peer_per_hour = 1\n";
    let server = TestServer::with(settings, None);
    let euicc = Euicc::new(0);
    let held = server.order(OrderOptions { hold: true, ..OrderOptions::default() });
    for _ in 0..3 {
        assert_eq!(server.authenticate(&euicc, Some(&held.matching_id)).unwrap_err(), "8.2/1.2");
        let order = server.order(OrderOptions { code: Some("1234"), ..OrderOptions::default() });
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        assert_eq!(server.package(&euicc, &offer, &otpk(1), None).unwrap_err(), "8.2.7/2.2");
        server.package(&euicc, &offer, &otpk(1), Some("1234")).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(server.authenticate(&Euicc::new(1), None).unwrap_err(), "8.1.1/3.8");
        assert_eq!(server.authenticate(&Euicc::new(1), Some("")).unwrap_err(), "8.1.1/3.8");
    }
    let order = server.order(OrderOptions { code: Some("1234"), ..OrderOptions::default() });
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let wrong = signed2(&euicc, &offer, Some("4321"));
    for _ in 0..3 {
        assert_eq!(server.package_with(&offer.transaction_id, &wrong).unwrap_err(), "8.2.7/3.8");
    }
    assert_eq!(server.stored(&order.iccid).attempts().confirmation, 1);
}

/// The room for packages is bounded; what has gone is made again from the binding that the store keeps: the same keys,
/// so the same segments, under another signature.
fn a_package_that_was_not_kept_is_bound_again() {
    let server = TestServer::with("[limits]\nkept_packages_mib = 0\n", None);
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions { code: Some("1234"), ..OrderOptions::default() });
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let request = signed2(&euicc, &offer, Some("1234"));
    let package = || server.package_with(&offer.transaction_id, &request).unwrap();
    let parts = |octets: &[u8]| {
        let package = BoundProfilePackage::from_der(octets).unwrap();
        let channel = InitialiseSecureChannelRequest::from_der(package.initialise_secure_channel).unwrap();
        (channel.smdp_otpk.to_vec(), package.sequence_of_88.to_vec(), package.sequence_of_86.to_vec())
    };
    let (first, again) = (package(), package());
    assert_eq!(server.smdp().sessions.kept_package_octets(), 0);
    assert_eq!(parts(&first), parts(&again));
    assert_eq!(server.state(&order.iccid), "Downloaded");
    assert_eq!(server.notify(&euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None)), 204);
    assert_eq!(server.state(&order.iccid), "Installed");

    let roomy = TestServer::start();
    let order = roomy.order(OrderOptions::default());
    let offer = roomy.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    let request = signed2(&euicc, &offer, None);
    let package = || roomy.package_with(&offer.transaction_id, &request).unwrap();
    let first = package();
    assert_eq!(roomy.smdp().sessions.kept_package_octets(), first.len());
    assert_eq!(package(), first);
    roomy.cancel(&euicc, &offer.transaction_id, 1).unwrap();
    assert_eq!(roomy.smdp().sessions.kept_package_octets(), 0);
}
