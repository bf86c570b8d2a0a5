//! `GET /metrics` and `GET /health`: a server counts what happened, and says nothing of whom it happened to.

use simyard::domain::ProfileEvent;
use simyard::ident::ServerAddress;
use simyard::store::NewForwarded;

use crate::server::euicc::{octets, otpk};
use crate::server::{Euicc, Interface, OrderOptions, TestServer};

crate::tests!(
    metrics_count_calls_sessions_guesses_downloads_and_certificates,
    pools_say_what_is_left_of_them,
    notifications_of_devices_are_counted_by_state,
    labels_hold_nothing_that_a_caller_sent,
    health_is_that_of_the_store,
    without_a_setting_there_is_no_such_interface,
);

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

fn get(server: &TestServer, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", server.admin().unwrap());
    // The address in the URL is where it connects; plain HTTP needs no TLS of the client's.
    let client = server.http(None, server.admin().unwrap());
    server.callers.block_on(async {
        let response = client.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    })
}

/// The value of a metric with these labels, written as they stand in the text.
fn value(text: &str, metric: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {metric} in\n{text}")).parse().unwrap()
}

fn metrics_count_calls_sessions_guesses_downloads_and_certificates() {
    let server = TestServer::with(&format!("{ADMIN}[limits]\nguesses_of_euicc_per_hour = 1\n"), None);
    let (euicc, guesser) = (Euicc::new(0), Euicc::new(1));
    let order = server.order(OrderOptions::default());
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), None).unwrap();
    let (_, text) = get(&server, "/metrics");
    assert_eq!(value(&text, "simyard_sessions_open"), 1.0);
    assert!(value(&text, "simyard_kept_packages_bytes") > 1000.0);
    server.notify(&euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None));
    server.authenticate(&guesser, Some("GUESS")).unwrap_err();
    server.authenticate(&guesser, Some("GUESS")).unwrap_err();
    server.post(Interface::Es9Plus, "cancelSession", "[]");
    server.post(Interface::Es9Plus, "noFunction", "{}");
    server.post(Interface::Es9Plus, "cancelSession", vec![b' '; 300_000]);

    let (status, text) = get(&server, "/metrics");
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "OpenMetrics text");
    let call = |function: &str, http: u16, subject: &str, reason: &str| {
        value(
            &text,
            &format!(
                "simyard_calls_total{{interface=\"es9plus\",function=\"{function}\",http=\"{http}\",\
                 subject=\"{subject}\",reason=\"{reason}\"}}"
            ),
        )
    };
    assert_eq!(call("initiateAuthentication", 200, "", ""), 3.0);
    assert_eq!(call("authenticateClient", 200, "", ""), 1.0);
    assert_eq!(call("authenticateClient", 200, "8.2.6", "3.8"), 1.0);
    assert_eq!(call("authenticateClient", 200, "1.2", "3.7"), 1.0);
    assert_eq!(call("handleNotification", 204, "", ""), 1.0);
    assert_eq!(call("cancelSession", 400, "1.3.1", "2.1"), 1.0);
    assert_eq!(call("", 404, "", ""), 1.0);
    assert_eq!(call("", 413, "", ""), 1.0);
    for (metric, expected) in [
        ("simyard_sessions_open", 0.0),
        ("simyard_sessions_displaced_total", 0.0),
        ("simyard_kept_packages_bytes", 0.0),
        ("simyard_guesses_limited_total{guesser=\"euicc\"}", 1.0),
        ("simyard_guesses_limited_total{guesser=\"peer\"}", 0.0),
        ("simyard_downloads_total{result=\"bound\"}", 1.0),
        ("simyard_downloads_total{result=\"installed\"}", 1.0),
        ("simyard_downloads_total{result=\"failed\"}", 0.0),
        ("simyard_connections_cut_total{interface=\"es9plus\",cause=\"body\"}", 1.0),
        ("simyard_connections_open{interface=\"admin\"}", 1.0),
        (
            "simyard_call_duration_seconds_count{interface=\"es9plus\",function=\"getBoundProfilePackage\"}",
            1.0,
        ),
    ] {
        assert_eq!(value(&text, metric), expected, "{metric}");
    }
    assert!(value(&text, "simyard_store_commits_total") >= 5.0);
    for certificate in ["dp_auth", "dp_pb", "es9plus", "es2plus"] {
        let metric = format!("simyard_certificate_days_left{{certificate=\"{certificate}\",number=\"0\"}}");
        assert!(value(&text, &metric) > 300.0, "{certificate}");
    }
    // After its end a certificate has less than no days left.
    server.clock.advance(std::time::Duration::from_secs(20 * 365 * 24 * 3600));
    let (_, text) = get(&server, "/metrics");
    assert!(value(&text, "simyard_certificate_days_left{certificate=\"dp_auth\",number=\"0\"}") < 0.0);
}

fn pools_say_what_is_left_of_them() {
    let pool = "[[pool]]\nname = \"imsi\"\nkind = \"imsi\"\noperator = \"acme\"\nmcc_mnc = \"90140\"\nfirst = \"901409000000001\"\n\
                last = \"901409000000010\"\nlow_water = 11\n";
    let server = TestServer::with(&format!("{ADMIN}{pool}"), None);
    let (_, text) = get(&server, "/metrics");
    assert_eq!(value(&text, "simyard_pool_numbers_left{pool=\"imsi\"}"), 10.0);
    assert_eq!(value(&text, "simyard_pool_low_water{pool=\"imsi\"}"), 11.0);
}

fn notifications_of_devices_are_counted_by_state() {
    let server = TestServer::with(ADMIN, None);
    let metric = |name: &str, state: &str| {
        let (_, text) = get(&server, "/metrics");
        value(&text, &format!("simyard_forwarded_notifications{name}{{state=\"{state}\"}}"))
    };
    assert_eq!((metric("", "waiting"), metric("", "given_up")), (0.0, 0.0));
    assert_eq!(metric("_oldest_age_seconds", "waiting"), 0.0);
    let at = server.clock.now();
    let new = NewForwarded {
        eid: Euicc::new(0).eid,
        seq_number: 1,
        address: ServerAddress::parse("smdp.example.com").unwrap(),
        event: ProfileEvent::Install,
        iccid: None,
        signed: vec![1],
        raw: vec![1],
        at,
        due_at: at,
    };
    let store = server.smdp().store.clone();
    server.wait(store.forward_notification(new)).unwrap();
    server.clock.advance(std::time::Duration::from_secs(100));
    assert_eq!((metric("", "waiting"), metric("", "given_up")), (1.0, 0.0));
    assert_eq!(metric("_oldest_age_seconds", "waiting"), 100.0);
}

fn labels_hold_nothing_that_a_caller_sent() {
    let server = TestServer::with(ADMIN, None);
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions { code: Some("4815162342"), ..OrderOptions::default() });
    let offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
    server.package(&euicc, &offer, &otpk(1), Some("4815162342")).unwrap();
    server.authenticate(&euicc, Some("GUESSED-ID")).unwrap_err();
    server.post(Interface::Es9Plus, "strangePath", "{}");
    let (_, text) = get(&server, "/metrics");
    for secret in [
        euicc.eid.as_str(),
        order.iccid.as_str(),
        &order.matching_id,
        "4815162342",
        &offer.transaction_id,
        "GUESSED-ID",
        "strangePath",
        "127.0.0.1",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}

fn health_is_that_of_the_store() {
    let server = TestServer::with(ADMIN, None);
    assert_eq!(get(&server, "/health"), (200, "ok\n".to_owned()));
    let store = server.smdp().store.clone();
    server.wait(store.close());
    let (status, text) = get(&server, "/health");
    assert_eq!((status, text.as_str()), (503, "the store does not answer\n"));
    assert_eq!(get(&server, "/").0, 404);
}

fn without_a_setting_there_is_no_such_interface() {
    assert!(TestServer::start().admin().is_none());
}
