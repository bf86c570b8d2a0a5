//! The server is killed before and after each commit, connections are cut at each step: nothing that was answered is
//! lost, and the download completes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use serde_json::{Value, json};
use simyard::device::card::Card;
use simyard::device::lpa::LpaError;
use simyard::ident::Iccid;
use simyard::store::watch::{ChangeKind, CommitPhase};

use crate::postgres;
use crate::server::euicc::{base64, otpk};
use crate::server::{
    ADDRESS, Euicc, Interface, OrderOptions, PROFILE_TYPE, TestServer, download_request, reply,
};

crate::tests!(
    a_server_killed_at_a_commit_of_es2plus_goes_on_from_what_it_answered,
    a_server_killed_at_a_commit_of_es9plus_completes_the_download,
    a_server_killed_where_nothing_is_committed_completes_the_download,
    a_server_on_postgresql_is_killed_at_every_commit_too,
    a_connection_cut_at_any_step_loses_nothing,
    what_the_server_answered_survives_a_restart,
);

const PHASES: [CommitPhase; 2] = [CommitPhase::Before, CommitPhase::After];

impl TestServer {
    /// Calls ES2+ on a server that dies in the call.
    fn killed_in_es2plus(&self, phase: CommitPhase, kind: ChangeKind, function: &str, body: &Value) {
        self.killed_in_call(phase, kind, Interface::Es2Plus, function, body);
    }

    fn killed_in_call(
        &self,
        phase: CommitPhase,
        kind: ChangeKind,
        interface: Interface,
        function: &str,
        body: &Value,
    ) {
        self.deaths.arm(phase, kind);
        let call = self.callers.spawn(reply(self.request(interface, function).body(body.to_string())));
        self.callers.block_on(self.deaths.died());
        self.kill();
        // While the tasks are torn down a caller may hear that the function failed inside; never that it was executed.
        if let Ok(reply) = self.callers.block_on(call).unwrap() {
            assert_eq!(reply.outcome().unwrap_err(), "1.6/4.2", "{function} was answered by a dead server");
        }
        self.errors();
        self.restart();
    }

    /// Downloads from a server that dies on the way.
    fn killed_in_download(
        &self,
        phase: CommitPhase,
        kind: ChangeKind,
        card: Card,
        matching_id: &str,
    ) -> (Card, String) {
        self.deaths.arm(phase, kind);
        let mut lpa = self.lpa(card);
        let request = download_request(matching_id, None);
        let download = self.callers.spawn(async move {
            let outcome = lpa.download(&request, &mut |_, _| {}).await;
            (lpa.into_card().close().unwrap(), outcome)
        });
        self.callers.block_on(self.deaths.died());
        self.kill();
        let (card, outcome) = self.callers.block_on(download).unwrap();
        self.errors();
        let failed_in = match outcome {
            Ok(report) => {
                assert_eq!(report.delivery.kept.len(), 1, "the report waits on the card");
                "ES9+.HandleNotification".to_owned()
            }
            Err(LpaError::Server { function, .. }) => function.to_owned(),
            Err(other) => panic!("{other}"),
        };
        self.restart();
        (card, failed_in)
    }

    /// The order is downloaded and installed by a card.
    fn completes(&self, card: Card, iccid: &Iccid, matching_id: &str) {
        let (card, outcome) = self.download(card, matching_id, None);
        let report = outcome.unwrap();
        assert_eq!(&report.iccid, iccid);
        assert!(report.delivery.kept.is_empty(), "{:?}", report.delivery.kept);
        assert_eq!(self.state(iccid), "Installed");
        assert_eq!(card.state().profiles.len(), 1);
    }
}

fn a_server_killed_at_a_commit_of_es2plus_goes_on_from_what_it_answered() {
    es2plus_survives(&TestServer::start());
}

fn a_server_killed_at_a_commit_of_es9plus_completes_the_download() {
    es9plus_survives(&TestServer::start());
}

fn a_server_on_postgresql_is_killed_at_every_commit_too() {
    let Some(database) = postgres::database() else { return };
    let server = TestServer::with("", Some(database.url()));
    es2plus_survives(&server);
    es9plus_survives(&server);
}

/// Each function of ES2+: the caller heard nothing and repeats its call with the same octets.
fn es2plus_survives(server: &TestServer) {
    let euicc = Euicc::new(0);
    for phase in PHASES {
        let durable = phase == CommitPhase::After;
        // DownloadOrder by type: the same number under the same call identifier, and no second one is used up.
        let order = server.with_header(json!({ "profileType": PROFILE_TYPE }));
        server.killed_in_es2plus(phase, ChangeKind::Take, "downloadOrder", &order);
        let available = server.available();
        let answer = server.es2plus("downloadOrder", order).unwrap();
        let iccid = Iccid::parse(answer["iccid"].as_str().unwrap()).unwrap();
        assert_eq!(server.available(), if durable { available } else { available - 1 }, "{phase:?}");

        // DownloadOrder by ICCID.
        let second = server.any_available();
        let order = server.with_header(json!({ "iccid": second.as_str() }));
        server.killed_in_es2plus(phase, ChangeKind::Save, "downloadOrder", &order);
        assert_eq!(server.state(&second), if durable { "Allocated" } else { "Available" });
        server.es2plus("downloadOrder", order).unwrap();

        // ConfirmOrder: a drawn matching identifier is not drawn again.
        let confirm = server.with_header(json!({ "iccid": iccid.as_str(), "releaseFlag": false }));
        server.killed_in_es2plus(phase, ChangeKind::Save, "confirmOrder", &confirm);
        assert_eq!(server.state(&iccid), if durable { "Confirmed" } else { "Allocated" });
        let drawn = server.stored(&iccid).matching_id().cloned();
        let answer = server.es2plus("confirmOrder", confirm).unwrap();
        let matching_id = answer["matchingId"].as_str().unwrap().to_owned();
        assert!(drawn.is_none_or(|drawn| drawn.as_str() == matching_id));

        // ReleaseProfile.
        let release = server.with_header(json!({ "iccid": iccid.as_str() }));
        server.killed_in_es2plus(phase, ChangeKind::Save, "releaseProfile", &release);
        assert_eq!(server.state(&iccid), if durable { "Released" } else { "Confirmed" });
        server.es2plus("releaseProfile", release).unwrap();
        server.completes(server.card(&euicc), &iccid, &matching_id);

        // CancelOrder: the second call hears that there is no order any more. The profile can be ordered again.
        let body = json!({ "iccid": second.as_str(), "finalProfileStatusIndicator": "Available" });
        let cancel = server.with_header(body);
        server.killed_in_es2plus(phase, ChangeKind::Save, "cancelOrder", &cancel);
        assert_eq!(server.state(&second), if durable { "Available" } else { "Allocated" });
        let repeated = server.es2plus("cancelOrder", cancel).map(drop);
        assert_eq!(repeated, if durable { Err("8.2.1/3.3".to_owned()) } else { Ok(()) });
        let order = server.order(OrderOptions { iccid: Some(&second), ..OrderOptions::default() });
        server.completes(server.card(&euicc), &second, &order.matching_id);
    }
}

/// Each function of ES9+ that commits: the LPA starts anew with the same card.
fn es9plus_survives(server: &TestServer) {
    let euicc = Euicc::new(0);
    for phase in PHASES {
        let durable = phase == CommitPhase::After;
        for (kind, function, states) in [
            (ChangeKind::CountDownload, "ES9+.AuthenticateClient", ["Released", "Released"]),
            (ChangeKind::Bind, "ES9+.GetBoundProfilePackage", ["Released", "Downloaded"]),
        ] {
            let order = server.order(OrderOptions::default());
            let card = server.card(&euicc);
            let (card, failed_in) = server.killed_in_download(phase, kind, card, &order.matching_id);
            assert_eq!(failed_in, function);
            assert_eq!(server.state(&order.iccid), states[usize::from(durable)], "{function} {phase:?}");
            let counted = u32::from(kind == ChangeKind::Bind || durable);
            assert_eq!(server.stored(&order.iccid).attempts().download, counted, "{function} {phase:?}");
            server.completes(card, &order.iccid, &order.matching_id);
        }

        // HandleNotification: the card keeps its report until a server has taken it, once or twice.
        let order = server.order(OrderOptions::default());
        let card = server.card(&euicc);
        let (card, failed_in) =
            server.killed_in_download(phase, ChangeKind::Record, card, &order.matching_id);
        assert_eq!(failed_in, "ES9+.HandleNotification");
        assert_eq!(server.state(&order.iccid), if durable { "Installed" } else { "Downloaded" });
        let mut lpa = server.lpa(card);
        let delivery = server.callers.block_on(lpa.deliver(None, &mut |_, _| {})).unwrap();
        assert_eq!((delivery.sent.len(), delivery.kept.len()), (1, 0));
        assert_eq!(server.state(&order.iccid), "Installed");
        assert_eq!(server.notifications(&order.iccid), 1, "kept once");

        // CancelSession with a terminal reason: the order is over when it is durable, and lives on when it is not.
        let order = server.order(OrderOptions::default());
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        let id = crate::server::euicc::octets(&offer.transaction_id);
        let cancellation = euicc.cancellation(&id, crate::server::euicc::SMDP_OID, 0);
        let body = json!({
            "transactionId": offer.transaction_id,
            "cancelSessionResponse": base64(&cancellation),
        });
        server.killed_in_call(phase, ChangeKind::Save, Interface::Es9Plus, "cancelSession", &body);
        assert_eq!(server.es9plus("cancelSession", &body).unwrap_err(), "8.10.1/3.9");
        if durable {
            assert_eq!(server.state(&order.iccid), "Error Cancelled(0)");
            let next = server.order(OrderOptions::default());
            server.completes(server.card(&euicc), &next.iccid, &next.matching_id);
        } else {
            assert_eq!(server.state(&order.iccid), "Released");
            server.completes(server.card(&euicc), &order.iccid, &order.matching_id);
        }
        // The stock holds ten: what both rounds need.
        server.ingest(crate::server::OPERATOR, PROFILE_TYPE, 5);
    }
}

fn a_server_killed_where_nothing_is_committed_completes_the_download() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);

    // InitiateAuthentication, killed before the call and behind it.
    let order = server.order(OrderOptions::default());
    server.deaths.committed();
    server.kill();
    server.restart();
    let initiated = server.initiate(&euicc);
    assert_eq!(server.deaths.committed(), [], "a session is nothing durable");
    server.restart();
    let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
    let lost = server.authenticate_with(&initiated.transaction_id, &response);
    assert_eq!(lost.unwrap_err(), "8.10.1/3.9", "the session is gone with the server");
    assert_eq!(server.stored(&order.iccid).attempts().download, 0);
    server.completes(server.card(&euicc), &order.iccid, &order.matching_id);

    // CancelSession with reason postponed, behind a package that was handed over.
    let order = server.order(OrderOptions::default());
    for killed_first in [true, false] {
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        server.package(&euicc, &offer, &otpk(1), None).unwrap();
        server.deaths.committed();
        if killed_first {
            server.restart();
        }
        let cancelled = server.cancel(&euicc, &offer.transaction_id, 1).map(drop);
        assert_eq!(cancelled, if killed_first { Err("8.10.1/3.9".to_owned()) } else { Ok(()) });
        // Nothing but what people are told of it.
        assert_eq!(server.deaths.committed(), if killed_first { vec![] } else { vec![ChangeKind::Fail] });
        server.restart();
        assert_eq!(server.state(&order.iccid), "Downloaded");
    }
    server.completes(server.card(&euicc), &order.iccid, &order.matching_id);
}

fn a_connection_cut_at_any_step_loses_nothing() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    for cut in [Cut::InTheRequest, Cut::BeforeTheAnswer] {
        // ES2+: the operator repeats its calls.
        let order = server.with_header(json!({ "profileType": PROFILE_TYPE }));
        server.cut(cut, Interface::Es2Plus, "downloadOrder", &order);
        let answer = server.es2plus("downloadOrder", order).unwrap();
        let iccid = Iccid::parse(answer["iccid"].as_str().unwrap()).unwrap();
        let confirm = server.with_header(json!({ "iccid": iccid.as_str(), "releaseFlag": false }));
        server.cut(cut, Interface::Es2Plus, "confirmOrder", &confirm);
        let answer = server.es2plus("confirmOrder", confirm).unwrap();
        let matching_id = answer["matchingId"].as_str().unwrap();
        let release = server.with_header(json!({ "iccid": iccid.as_str() }));
        server.cut(cut, Interface::Es2Plus, "releaseProfile", &release);
        server.es2plus("releaseProfile", release).unwrap();

        // ES9+: each call is cut in a session of its own, and then made; the next session goes one step further.
        server.cut(cut, Interface::Es9Plus, "initiateAuthentication", &euicc.initiation());
        let initiated = server.initiate(&euicc);
        let response = euicc.authentication(&euicc.signed1(&initiated, Some(matching_id))).to_der();
        let id = &initiated.transaction_id;
        let body = json!({ "transactionId": id, "authenticateServerResponse": base64(&response) });
        server.cut(cut, Interface::Es9Plus, "authenticateClient", &body);
        let offer = server.authenticate_with(id, &response).unwrap();
        let octets = crate::server::euicc::octets(id);
        let response = euicc.preparation(&offer, &octets, &otpk(1), None);
        let body = json!({ "transactionId": id, "prepareDownloadResponse": base64(&response) });
        server.cut(cut, Interface::Es9Plus, "getBoundProfilePackage", &body);
        server.package_with(id, &response).unwrap();
        let result = euicc.result(&octets, &iccid, 1, Some(11));
        let body = json!({ "pendingNotification": base64(&result) });
        server.cut(cut, Interface::Es9Plus, "handleNotification", &body);
        assert_eq!(server.notify(&result), 204);
        let offer = server.authenticate(&euicc, Some(matching_id)).unwrap();
        let cancellation =
            euicc.cancellation(&crate::server::euicc::octets(&offer.transaction_id), "2.999.10", 1);
        let body = json!({
            "transactionId": offer.transaction_id,
            "cancelSessionResponse": base64(&cancellation),
        });
        server.cut(cut, Interface::Es9Plus, "cancelSession", &body);
        assert_eq!(server.state(&iccid), "Downloaded", "an interruption and a postponement end nothing");
        server.completes(server.card(&euicc), &iccid, matching_id);

        // CancelOrder.
        let order = server.order(OrderOptions::default());
        let cancel = server.with_header(json!({
            "iccid": order.iccid.as_str(),
            "matchingId": order.matching_id,
            "finalProfileStatusIndicator": "Available",
        }));
        server.cut(cut, Interface::Es2Plus, "cancelOrder", &cancel);
        let repeated = server.es2plus("cancelOrder", cancel);
        assert!(repeated.as_ref().is_ok() || repeated.as_ref().unwrap_err() == "8.2.1/3.3", "{repeated:?}");
        assert_eq!(server.state(&order.iccid), "Available");
    }
}

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    InTheRequest,
    BeforeTheAnswer,
}

impl TestServer {
    /// Sends a request, or the first half of it, and closes the connection without reading.
    fn cut(&self, cut: Cut, interface: Interface, function: &str, body: &Value) {
        let body = body.to_string();
        let sent = match cut {
            Cut::InTheRequest => &body[..body.len() / 2],
            Cut::BeforeTheAnswer => &body[..],
        };
        let name = match interface {
            Interface::Es9Plus => "es9plus",
            Interface::Es2Plus => "es2plus",
        };
        let tls = Arc::new(self.tls(interface));
        let host = rustls_pki_types::ServerName::try_from(ADDRESS).unwrap();
        let connection = rustls::ClientConnection::new(tls, host).unwrap();
        let socket = TcpStream::connect(self.socket(interface)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let head = format!(
            "POST /gsma/rsp2/{name}/{function} HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Type: application/json\r\n\
             X-Admin-Protocol: gsma/rsp/v2.2.0\r\nContent-Length: {}\r\n\r\n{sent}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.flush().unwrap();
        stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
        // The server notices and closes its side, behind the call that it gave up; what it still says is not heard.
        let _ = stream.sock.read_to_end(&mut Vec::new());
    }
}

fn what_the_server_answered_survives_a_restart() {
    let server = TestServer::with("[limits]\ndownload_attempts = 3\n", None);
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions { code: Some("1234"), ..OrderOptions::default() });
    for attempt in 1..=3 {
        let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        let wrong = server.package(&euicc, &offer, &otpk(1), Some("4321")).unwrap_err();
        assert_eq!(wrong, "8.2.7/3.8");
        server.restart();
        let attempts = server.stored(&order.iccid).attempts();
        assert_eq!((attempts.download, attempts.confirmation), (attempt, attempt));
    }
    assert_eq!(server.authenticate(&euicc, Some(&order.matching_id)).unwrap_err(), "8.8.5/6.4");
    server.restart();
    assert_eq!(server.state(&order.iccid), "Error DownloadAttempts");
}
