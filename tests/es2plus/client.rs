//! The ES2+ client against servers that are not ours: what it sends, and what it takes for an answer (SGP.22 6.5.2).

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use simyard::binding::RequestHeader;
use simyard::binding::es2plus::{
    CancelOrderRequest, ConfirmOrderRequest, DownloadOrderRequest, ReleaseProfileRequest,
};
use simyard::client::es2plus::Es2PlusClient;
use simyard::client::{ClientError, ConnectTo};
use simyard::env::{Clock, Rng};
use simyard::http::listener::{Listener, ListenerLimits};
use simyard::http::meter::Meter;
use simyard::ident::Iccid;
use simyard::pki::Anchors;
use simyard::pki::tls::{ClientVerifier, ServerVerifier, client_config, server_config};
use tokio::sync::watch;

use crate::harness::block_on;
use crate::server::{ADDRESS, NOW, PKI, tls_identity};

crate::tests!(
    what_is_sent_every_server_reads,
    answers_are_read_with_and_without_the_members_that_may_be_absent,
    what_is_no_answer_is_an_error_that_says_so,
);

/// A server that gives one answer to everything.
#[derive(Default)]
struct Stranger {
    answer: Mutex<(u16, String)>,
    requests: Mutex<Vec<(String, Value)>>,
}

async fn take(
    State(stranger): State<Arc<Stranger>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers["x-admin-protocol"].to_str().unwrap().starts_with("gsma/rsp/v2."));
    let request = serde_json::from_slice(&body).unwrap();
    stranger.requests.lock().unwrap().push((uri.path().to_owned(), request));
    let (status, answer) = stranger.answer.lock().unwrap().clone();
    (StatusCode::from_u16(status).unwrap(), answer)
}

/// Runs a test with a client and a server that it calls.
fn with_stranger<T: Future<Output = ()>>(test: impl FnOnce(Es2PlusClient, Arc<Stranger>) -> T) {
    block_on(async {
        let stranger = Arc::new(Stranger::default());
        let anchors = Arc::new(Anchors::new(vec![PKI.ci.certificate.clone()]).unwrap());
        let clock = Clock::fixed(NOW);
        let clients = ClientVerifier::new(Arc::clone(&anchors), clock.clone());
        let tls = server_config(&tls_identity(&PKI.dp_tls), Some(Arc::new(clients))).unwrap();
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connect_to = ConnectTo { host: ADDRESS.to_owned(), address: socket.local_addr().unwrap() };
        let router = Router::new().fallback(take).with_state(Arc::clone(&stranger));
        let (_end, ended) = watch::channel(false);
        let limits = ListenerLimits::new(64);
        let meter = Arc::new(Meter::new(Clock::fixed(NOW)));
        let listener = Listener { name: "stranger", socket, tls: Some(Arc::new(tls)), router, limits, meter };
        tokio::spawn(listener.serve(ended));
        let verifier = Arc::new(ServerVerifier::new(anchors, clock));
        let tls = client_config(verifier, Some(&tls_identity(&PKI.operator))).unwrap();
        let client = Es2PlusClient::new(tls, ADDRESS.parse().unwrap(), &[connect_to]).unwrap();
        test(client, stranger).await;
    });
}

impl Stranger {
    fn answers(&self, status: u16, answer: impl ToString) {
        *self.answer.lock().unwrap() = (status, answer.to_string());
    }

    fn request(&self) -> (String, Value) {
        self.requests.lock().unwrap().pop().unwrap()
    }
}

fn header() -> RequestHeader {
    RequestHeader {
        function_requester_identifier: "2.999.20".to_owned(),
        function_call_identifier: format!("call-{}", hex::encode(Rng::seeded(4).array::<2>())),
    }
}

fn iccid() -> Iccid {
    Iccid::parse("8988211000000123456").unwrap()
}

fn download() -> DownloadOrderRequest {
    DownloadOrderRequest { header: header(), eid: None, iccid: Some(iccid()), profile_type: None }
}

fn confirm() -> ConfirmOrderRequest {
    ConfirmOrderRequest {
        header: header(),
        iccid: iccid(),
        eid: None,
        matching_id: None,
        confirmation_code: None,
        smds_address: None,
        release_flag: true,
    }
}

fn release() -> ReleaseProfileRequest {
    ReleaseProfileRequest { header: header(), iccid: iccid() }
}

fn success(mut members: Value) -> Value {
    members["header"] = json!({ "functionExecutionStatus": { "status": "Executed-Success" } });
    members
}

/// An ICCID of 19 digits goes with its F; what is not said is not there, and no member is null.
fn what_is_sent_every_server_reads() {
    with_stranger(|client, stranger| async move {
        stranger.answers(200, success(json!({ "iccid": "8988211000000123456F", "matchingId": "A" })));
        let sent = |members: Value| {
            let mut all = json!({ "iccid": "8988211000000123456F" });
            all["header"] = serde_json::from_slice(&header().to_members().to_json()).unwrap();
            for (name, value) in members.as_object().unwrap() {
                all[name] = value.clone();
            }
            all
        };
        let path = |function: &str| format!("/gsma/rsp2/es2plus/{function}");
        client.download_order(&download()).await.unwrap();
        assert_eq!(stranger.request(), (path("downloadOrder"), sent(json!({}))));
        client.confirm_order(&confirm()).await.unwrap();
        assert_eq!(stranger.request(), (path("confirmOrder"), sent(json!({ "releaseFlag": true }))));
        client.release_profile(&release()).await.unwrap();
        assert_eq!(stranger.request(), (path("releaseProfile"), sent(json!({}))));
        let cancel = CancelOrderRequest {
            header: header(),
            iccid: iccid(),
            eid: None,
            matching_id: None,
            final_profile_status_indicator: None,
        };
        client.cancel_order(&cancel).await.unwrap();
        assert_eq!(stranger.request(), (path("cancelOrder"), sent(json!({}))));
    });
}

fn answers_are_read_with_and_without_the_members_that_may_be_absent() {
    with_stranger(|client, stranger| async move {
        for sent in ["8988211000000123456", "8988211000000123456F", "8988211000000123456f"] {
            stranger.answers(200, success(json!({ "iccid": sent, "vendor": { "x": [1] } })));
            assert_eq!(client.download_order(&download()).await.unwrap().iccid, iccid(), "{sent}");
        }
        let warned = json!({
            "header": { "functionExecutionStatus": { "status": "Executed-WithWarning" } },
            "iccid": "89882110000001234567",
        });
        stranger.answers(200, warned);
        assert_eq!(client.download_order(&download()).await.unwrap().iccid.as_str(), "89882110000001234567");

        stranger.answers(200, success(json!({ "matchingId": "04386-AGYFT" })));
        let answer = client.confirm_order(&confirm()).await.unwrap();
        assert_eq!(
            (answer.matching_id.as_str(), answer.eid, answer.smdp_address),
            ("04386-AGYFT", None, None)
        );
        let whole = json!({
            "matchingId": "",
            "eid": "89049032000000000000279973200019",
            "smdpAddress": "smdp.example.org",
            "other": null,
        });
        stranger.answers(200, success(whole));
        let answer = client.confirm_order(&confirm()).await.unwrap();
        assert!(answer.matching_id.is_empty() && answer.eid.is_some());
        assert_eq!(answer.smdp_address.unwrap().as_str(), "smdp.example.org");
        stranger.answers(200, success(json!({ "matchingId": "A", "eid": null, "smdpAddress": null })));
        assert!(client.confirm_order(&confirm()).await.unwrap().eid.is_none());
        // The header alone, whatever stands beside it.
        stranger.answers(200, success(json!({ "iccid": "1" })));
        client.release_profile(&release()).await.unwrap();
    });
}

fn what_is_no_answer_is_an_error_that_says_so() {
    with_stranger(|client, stranger| async move {
        let failed = |data: Value| {
            let mut status = json!({ "status": "Failed" });
            if !data.is_null() {
                status["statusCodeData"] = data;
            }
            json!({ "header": { "functionExecutionStatus": status } })
        };
        let whole = json!({ "subjectCode": "8.2.1", "reasonCode": "3.10", "subjectIdentifier": "x",
                            "message": "no" });
        for (data, told) in [
            (whole, "8.2.1/3.10 (x): no"),
            (json!({ "subjectCode": "8.2.1", "reasonCode": "3.9" }), "8.2.1/3.9"),
            (Value::Null, "/"),
        ] {
            stranger.answers(200, failed(data));
            let error = client.release_profile(&release()).await.unwrap_err();
            assert!(
                matches!(&error, ClientError::Function(_)) && error.to_string().contains(told),
                "{error}"
            );
        }
        for (status, answer, told) in [
            (500, String::new(), "HTTP 500"),
            (403, "<html>".to_owned(), "HTTP 403"),
            (204, String::new(), "HTTP 204"),
            (200, String::new(), "no JSON object"),
            (200, "{}".to_owned(), "member header is missing"),
            (200, success(json!({})).to_string(), "member iccid is missing"),
            (200, success(json!({ "iccid": "12" })).to_string(), "member iccid is not"),
        ] {
            stranger.answers(status, &answer);
            let error = client.download_order(&download()).await.unwrap_err().to_string();
            assert!(error.contains(told) && error.contains(ADDRESS), "{error}");
        }
        stranger.answers(200, success(json!({ "iccid": "x".repeat(9 * 1024 * 1024) })));
        let error = client.download_order(&download()).await.unwrap_err();
        assert!(matches!(error, ClientError::TooLarge(_)), "{error}");
    });
}
