//! The ingestion API as manufacturers use it: real TLS, real bodies, and what becomes of those that do not come to their end.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::Frame;
use serde_json::{Value, json};
use simyard::domain::{Architecture, FreedomToSwitch};
use simyard::env::Timestamp;
use simyard::ident::{Eid, Iccid};
use simyard::pki::test_pki::{Issued, Kind};
use simyard::store::AuditSelection;
use simyard_asn1::Oid;

use crate::server::{ADDRESS, NOW, PKI, TestServer};

crate::tests!(
    a_delivery_is_taken_once_and_its_receipt_stays,
    rows_that_are_refused_are_told_and_nothing_is_taken_unless_asked_for,
    a_manufacturer_sees_and_delivers_what_is_its_own_alone,
    a_body_that_does_not_come_to_its_end_leaves_nothing_behind,
    of_two_deliveries_at_once_with_a_number_in_common_one_wins_whole,
    what_cannot_be_a_delivery_is_a_problem_of_its_own_kind,
    euiccs_come_into_the_register_and_no_number_of_them_twice,
);

const SETTINGS: &str = r#"
[ingest]
listen = "127.0.0.1:0"
[[manufacturer]]
name = "sims"
oid = "2.999.30"
profile_types = ["iot"]
[[manufacturer]]
name = "chips"
oid = "2.999.31"
profile_types = ["iot", "beta-iot", "chips"]
[[profile_type]]
name = "chips"
owner = "acme"
template = "none"
sub_class = "Chip Industrial"
"#;

const HEADER: &str = "iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1";

fn row(number: usize) -> String {
    format!(
        "8988211{number:012},90140{number:010},{number:032x},{number:032x},1234,12345678,5678,87654321,11223344"
    )
}

fn file(numbers: impl IntoIterator<Item = usize>) -> String {
    let mut file = HEADER.to_owned();
    for number in numbers {
        file.push('\n');
        file += &row(number);
    }
    file
}

fn iccid(number: usize) -> Iccid {
    Iccid::parse(&format!("8988211{number:012}")).unwrap()
}

/// A client certificate of another manufacturer.
fn manufacturer(oid: &str, server: &TestServer) -> Issued {
    PKI.ci_issuer().unwrap().issue_operator("other", &Oid::parse(oid).unwrap(), &server.rng, NOW).unwrap()
}

/// How many profiles are in the stock.
fn profiles(server: &TestServer) -> u64 {
    let store = server.smdp().store.clone();
    let counts = server.wait(async { store.counts().await.unwrap() });
    counts.iter().map(|count| count.profiles).sum()
}

struct Api<'s> {
    server: &'s TestServer,
    address: SocketAddr,
    client: reqwest::Client,
}

/// An answer: HTTP status and document.
type Answer = (u16, Value);

impl<'s> Api<'s> {
    fn of(server: &'s TestServer) -> Self {
        Self::of_manufacturer(server, &PKI.manufacturer)
    }

    fn of_manufacturer(server: &'s TestServer, identity: &Issued) -> Self {
        let address = server.ingest_api().unwrap();
        Self { server, address, client: server.http(Some(identity), address) }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{ADDRESS}:{}{path}", self.address.port())
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.server.callers.block_on(answer(request))
    }

    fn put(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.send(self.client.put(self.url(path)).body(body))
    }

    fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.url(path)))
    }
}

/// A body that fails behind its first piece.
struct CutOff(Option<Bytes>);

impl hyper::body::Body for CutOff {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let failed = || std::io::Error::other("the manufacturer's machine fails");
        Poll::Ready(Some(self.0.take().map(Frame::data).ok_or_else(failed)))
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn kind(answer: &Answer) -> &str {
    answer.1["type"].as_str().and_then(|kind| kind.strip_prefix("urn:simyard:problem:")).unwrap_or("none")
}

fn a_delivery_is_taken_once_and_its_receipt_stays() {
    let server = TestServer::with(SETTINGS, None);
    let api = Api::of(&server);
    let (status, receipt) = api.put("/v1/deliveries/567", file(1..=1200));
    assert_eq!(
        (status, &receipt["profiles"], &receipt["repeated"]),
        (201, &json!(1200), &json!(false)),
        "{receipt}"
    );
    assert_eq!((&receipt["manufacturer"], &receipt["delivery_id"]), (&json!("sims"), &json!("567")));
    assert_eq!(receipt["last_iccid"], iccid(1200).as_str());
    assert_eq!(server.state(&iccid(1200)), "Available");
    let (status, again) = api.put("/v1/deliveries/567", file(1..=1200));
    assert_eq!((status, &again["repeated"], &again["batch_id"]), (200, &json!(true), &receipt["batch_id"]));
    let other = api.put("/v1/deliveries/567", file(1..=1199));
    assert_eq!((other.0, kind(&other)), (409, "delivery-differs"), "{other:?}");
    assert_eq!(api.get("/v1/deliveries/567").1, receipt);
    assert_eq!(profiles(&server), 1210);

    // The audit tells of it once, with the address.
    let about = receipt["batch_id"].as_str().map(str::to_owned);
    let about = AuditSelection { subject: about, actor: Some("sims".to_owned()) };
    let told = server.wait(server.smdp().store.audit_entries(&about, 0, 10)).unwrap();
    let [entry] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((entry.action.as_str(), entry.actor_kind.as_str()), ("batch.publish", "manufacturer"));
    assert!(
        entry.detail.starts_with("delivery \"567\" of sims: 1200 profiles of type iot"),
        "{}",
        entry.detail
    );
    assert_eq!(entry.personal[0].opened.as_ref().unwrap().value, "127.0.0.1");

    // A trial changes nothing, also not the name.
    let (status, tried) = api.put("/v1/deliveries/568?dry_run=true", file(1201..=1203));
    assert_eq!((status, &tried["dry_run"], &tried["profiles"]), (200, &json!(true), &json!(3)));
    assert_eq!(api.get("/v1/deliveries/568").0, 404);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(api.put("/v1/deliveries/568", file(1201..=1203)).0, 201);

    // Page by page.
    let (_, page) = api.get("/v1/deliveries?limit=1");
    assert_eq!(page["deliveries"].as_array().unwrap().len(), 1);
    let after = page["deliveries"][0]["batch_id"].as_str().unwrap();
    let (_, page) = api.get(&format!("/v1/deliveries?limit=1&after={after}"));
    assert_eq!(page["deliveries"][0]["delivery_id"], "568");
}

fn rows_that_are_refused_are_told_and_nothing_is_taken_unless_asked_for() {
    let server = TestServer::with(SETTINGS, None);
    let api = Api::of(&server);
    api.put("/v1/deliveries/1", file(1..=3));
    let mixed = format!("{}\n{}", file([4, 2]), row(5).replace("1234,", "12x4,"));
    let refused = api.put("/v1/deliveries/2", mixed.clone());
    assert_eq!((refused.0, kind(&refused)), (422, "rows-refused"), "{refused:?}");
    let told = refused.1["receipt"]["refusals"].as_array().unwrap();
    let told: Vec<String> = told
        .iter()
        .map(|refusal| format!("{} {} {}", refusal["line"], refusal["field"], refusal["reason"]))
        .collect();
    let expected = [
        "4 \"pin1\" \"a PIN has 4 to 8 decimal digits\"",
        "3 \"iccid\" \"is in the stock already\"",
        "3 \"imsi\" \"is in the stock already\"",
    ];
    assert_eq!(told, expected);
    assert_eq!(refused.1["receipt"]["refusals"][1]["value"], "8988211…002");
    assert_eq!(profiles(&server), 13);
    assert_eq!(api.get("/v1/deliveries/2").0, 404);
    assert_eq!(api.put("/v1/deliveries/2?dry_run=true", mixed.clone()).0, 200);
    assert_eq!(refusals_of(&server, "2"), [refused.1["detail"].as_str().unwrap()], "a trial is none");

    let (status, receipt) = api.put("/v1/deliveries/2?partial=true", mixed);
    assert_eq!((status, &receipt["profiles"], &receipt["refused"]), (201, &json!(1), &json!(2)), "{receipt}");
    assert_eq!(api.get("/v1/deliveries/2").1, receipt);
    let (status, table) = api.get("/v1/deliveries/2/refusals.csv");
    assert_eq!(status, 200);
    assert_eq!(table.as_str().unwrap().lines().count(), 4, "{table}");
    assert_eq!(profiles(&server), 14);
}

/// Why deliveries of a name were refused, as the audit has it.
fn refusals_of(server: &TestServer, called: &str) -> Vec<String> {
    let about = AuditSelection { subject: Some(called.to_owned()), actor: Some("sims".to_owned()) };
    let told = server.wait(server.smdp().store.audit_entries(&about, 0, 10)).unwrap();
    for entry in &told {
        assert_eq!((entry.action.as_str(), entry.outcome.as_str()), ("batch.publish", "refused"));
        assert_eq!((entry.subject_kind.as_str(), entry.personal.len()), ("delivery", 1), "{entry:?}");
    }
    told.into_iter().map(|entry| entry.detail).collect()
}

fn a_manufacturer_sees_and_delivers_what_is_its_own_alone() {
    let server = TestServer::with(SETTINGS, None);
    let sims = Api::of(&server);
    let chips = Api::of_manufacturer(&server, &manufacturer("2.999.31", &server));
    sims.put("/v1/deliveries/1", file(1..=3));
    assert_eq!(kind(&chips.get("/v1/deliveries/1")), "not-found");
    assert_eq!(kind(&chips.get("/v1/deliveries/1/refusals.csv")), "not-found");
    assert_eq!(chips.get("/v1/deliveries").1, json!({ "deliveries": [] }));
    // The same name is another's too, and types are given.
    let (status, receipt) = chips.put("/v1/deliveries/1?profile_type=beta-iot", file(4..=5));
    assert_eq!((status, &receipt["owner"]), (201, &json!("beta")), "{receipt}");
    let others = sims.put("/v1/deliveries/2?profile_type=beta-iot", file(6..=7));
    assert_eq!((others.0, kind(&others)), (403, "forbidden"));
    assert_eq!(others.1["profile_types"], json!(["iot"]));
    assert_eq!(
        refusals_of(&server, "2"),
        ["a profile type that is not this manufacturer's to deliver"],
        "the audit tells of it"
    );
    assert_eq!(kind(&chips.put("/v1/deliveries/2", file(6..=7))), "invalid-parameter");

    // Who is no manufacturer gets nowhere, on any route.
    let strangers = [manufacturer("2.999.99", &server), manufacturer("2.999.20", &server)];
    for stranger in &strangers {
        let api = Api::of_manufacturer(&server, stranger);
        for path in ["/v1/deliveries", "/v1/deliveries/1", "/v1/deliveries/1/refusals.csv"] {
            assert_eq!((api.get(path).0, kind(&api.get(path))), (403, "forbidden"), "{path}");
        }
        assert_eq!(kind(&api.put("/v1/deliveries/9", file(8..=9))), "forbidden");
    }
    let in_tls = |what: &str, identity: Option<&Issued>| {
        let client = server.http(identity, sims.address);
        let sent = server.callers.block_on(client.get(sims.url("/v1/deliveries")).send());
        assert!(sent.is_err(), "{what}");
    };
    in_tls("no certificate", None);
    let twins: Vec<&Issued> = PKI.twins.iter().filter(|twin| twin.kind == Kind::Manufacturer).collect();
    assert_eq!(twins.len(), 5);
    twins.into_iter().for_each(|twin| in_tls(&twin.name(), Some(twin)));
    assert_eq!(profiles(&server), 15);
}

fn a_body_that_does_not_come_to_its_end_leaves_nothing_behind() {
    let server = TestServer::with(SETTINGS, None);
    let api = Api::of(&server);
    // More than one chunk, and then the connection ends.
    let whole = file(1..=1500);
    let (first, _) = whole.split_at(whole.len() * 2 / 3);
    let cut = reqwest::Body::wrap(CutOff(Some(Bytes::copy_from_slice(first.as_bytes()))));
    let sent = server.callers.block_on(api.client.put(api.url("/v1/deliveries/1")).body(cut).send());
    assert!(sent.is_err(), "{sent:?}");
    // The server notices in its own time; the name and all numbers are free again then.
    let taken = (0..200).find_map(|_| {
        let answer = api.put("/v1/deliveries/1", whole.clone());
        if kind(&answer) == "delivery-comes-in" { None } else { Some(answer) }
    });
    let (status, receipt) = taken.expect("the delivery that was cut off is gone");
    assert_eq!((status, &receipt["profiles"]), (201, &json!(1500)), "{receipt}");
    assert_eq!(profiles(&server), 1510);
}

fn of_two_deliveries_at_once_with_a_number_in_common_one_wins_whole() {
    let server = TestServer::with(SETTINGS, None);
    let api = Api::of(&server);
    for round in 0..4 {
        let base = 10_000 * (round + 1);
        // Each has what the other begins with at its own end.
        let (ours, theirs): (Vec<usize>, Vec<usize>) =
            ((base..base + 1100).collect(), (base + 1099..base + 2200).chain([base]).collect());
        let before = profiles(&server);
        let put = |name: String, numbers: Vec<usize>| {
            api.client.put(api.url(&format!("/v1/deliveries/{name}"))).body(file(numbers))
        };
        let (first, second) = (put(format!("a{round}"), ours), put(format!("b{round}"), theirs));
        let both = async { tokio::join!(answer(first), answer(second)) };
        let (first, second) = server.callers.block_on(both);
        let won = [&first, &second].into_iter().filter(|answer| answer.0 == 201).count();
        let lost = [&first, &second].into_iter().filter(|answer| kind(answer) == "rows-refused").count();
        assert_eq!((won, lost), (1, 1), "{first:?} {second:?}");
        let taken = if first.0 == 201 { 1100 } else { 1102 };
        assert_eq!(profiles(&server), before + taken);
    }
}

fn euiccs_come_into_the_register_and_no_number_of_them_twice() {
    let server = TestServer::with(SETTINGS, None);
    let api = Api::of_manufacturer(&server, &manufacturer("2.999.31", &server));
    let eids = [
        "89049032000000000000700000004105",
        "89049032000000000000700000004202",
        "89049032000000000000700000004396",
    ];
    let file = format!(
        "eid,type,architecture,saip_version,memory,form_factor,iccids,enabled,eim_id,counter,association_token\n\
         {},C1,SGP.32,3.1,524288,MFF2,89882807000000000414 89882807000000000422,89882807000000000414,eim.example.com,5,17\n\
         {},C2,sgp22,2.3,262144,4FF,89882807000000000430,,,,\n\
         {},,,,,,,,,,\n",
        eids[0], eids[1], eids[2]
    );
    let (status, receipt) = api.put("/v1/deliveries/e1?profile_type=chips", file.clone());
    assert_eq!((status, &receipt["profiles"]), (201, &json!(3)), "{receipt}");
    assert_eq!(api.put("/v1/deliveries/e1?profile_type=chips", file.clone()).0, 200);
    let store = server.smdp().store.clone();
    let euicc = |eid: &str| {
        let eid = Eid::parse(eid).unwrap();
        server.wait(async { store.euicc(&eid).await.unwrap() })
    };
    let (first, preloaded) = euicc(eids[0]).unwrap();
    assert_eq!((first.facts.architecture, preloaded.len()), (Architecture::Sgp32, 2));
    let eim = first.facts.eim.unwrap();
    assert_eq!((eim.eim_id.as_str(), eim.counter, eim.association_token), ("eim.example.com", 5, Some(17)));
    assert_eq!(first.facts.enabled.unwrap().as_str(), "89882807000000000414");
    // What the row does not say, the sub-class says: published silicon, with Freedom to Switch not in use.
    let (third, _) = euicc(eids[2]).unwrap();
    assert_eq!(third.facts.architecture, Architecture::Sgp02);
    assert_eq!(third.facts.freedom_to_switch, FreedomToSwitch::Inactive);
    assert_eq!(third.last_seen_at, None);

    // No EID and no profile on one comes in twice, whoever delivers it; and a delivery has one kind of rows.
    let refused = api.put(
        "/v1/deliveries/e2?profile_type=chips",
        file.replace(eids[0], "89049032000000000000700000004493"),
    );
    let told = refused.1["receipt"]["refusals"].to_string();
    assert_eq!(kind(&refused), "rows-refused", "{refused:?}");
    assert!(told.contains("\"field\":\"iccids\"") && told.contains("\"field\":\"eid\""), "{told}");
    assert!(euicc("89049032000000000000700000004493").is_none());
    let none = api.put("/v1/deliveries/e3?profile_type=iot", "eid\n89049032000000000000700000004493\n");
    assert!(none.1.to_string().contains("no sub-class of the profile type says it"), "{none:?}");

    // When one was heard of is noted, later times alone.
    let (eid, other) =
        (Eid::parse(eids[2]).unwrap(), Eid::parse("89049032000000000000279973200019").unwrap());
    let seen =
        |secs: i64| [(eid.clone(), Timestamp::from_secs(secs)), (other.clone(), Timestamp::from_secs(secs))];
    for secs in [7, 5] {
        let heard = server.smdp();
        seen(secs).iter().for_each(|(eid, at)| heard.seen.hear(eid, *at));
        server.wait(async { heard.seen.note(&store).await.unwrap() });
    }
    assert_eq!(euicc(eids[2]).unwrap().0.last_seen_at, Some(Timestamp::from_secs(7)));
    assert!(
        euicc("89049032000000000000279973200019").is_none(),
        "who is not in the register does not come in by that"
    );
}

fn what_cannot_be_a_delivery_is_a_problem_of_its_own_kind() {
    let server = TestServer::with(SETTINGS, None);
    let api = Api::of(&server);
    for (path, body, expected) in [
        ("/v1/deliveries/1", String::new(), "invalid-delivery"),
        ("/v1/deliveries/1", "a,b\n1,2\n".to_owned(), "invalid-delivery"),
        ("/v1/deliveries/1?profile_type=none", file([1]), "forbidden"),
        ("/v1/deliveries/1?partial=true&dry_run=true", file([1]), "invalid-parameter"),
        ("/v1/deliveries/1?partial=maybe", file([1]), "invalid-parameter"),
        ("/v1/deliveries/1?unknown=1", file([1]), "invalid-parameter"),
        ("/v1/deliveries/%00", file([1]), "invalid-parameter"),
    ] {
        let answer = api.put(path, body);
        assert_eq!(kind(&answer), expected, "{path}: {answer:?}");
        assert!(!answer.1.to_string().contains("11223344"), "{answer:?}");
    }
    let long = "x".repeat(129);
    assert_eq!(kind(&api.get(&format!("/v1/deliveries/{long}"))), "invalid-parameter");
    assert_eq!(kind(&api.get("/v1/deliveries?limit=0")), "invalid-parameter");
    assert_eq!(kind(&api.get("/v1/deliveries?after=%27")), "invalid-parameter");
    assert_eq!(api.get("/v1/nothing").0, 404);
    assert_eq!(profiles(&server), 10);
}
