//! The admin API over TLS: who may call what, what is answered, and what a repetition gets.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simyard::admin::identities::{Changer, Identities, NewCredential, REFUSALS_PER_HOUR};
use simyard::domain::{Actor, Identity, IdentityName, Permission, Right};
use simyard::http::admin::api::openapi_text;
use simyard::http::problem::ProblemKind;
use simyard::pki::test_pki::Issued;

use crate::server::{ADDRESS, OrderOptions, PKI, PROFILE_TYPE, TestServer};

pub mod campaigns;
pub mod changes;
pub mod labels;
pub mod operations;
pub mod stock;
pub mod webhooks;

crate::tests!(
    every_route_needs_a_caller_of_the_right_that_it_says,
    the_openapi_document_is_fresh,
    a_client_certificate_is_an_identity,
    tokens_are_rotated_and_end,
    a_call_under_a_key_is_done_once,
    an_interrupted_call_is_not_done_again,
    wrong_tokens_are_not_heard_for_ever,
    identities_are_made_shown_and_removed,
    orders_and_their_history_are_shown,
    batches_are_shown_with_what_was_refused,
    the_audit_is_listed_by_pages,
    what_is_wrong_is_told_as_a_problem,
    the_types_of_problems_stay_as_they_are,
    what_a_right_does_not_permit_stands_in_the_audit,
);

const SETTINGS: &str = "[admin_api]\nlisten = \"127.0.0.1:0\"\nclient_ca = [\"pki/ci.pem\"]\n";

/// An answer: status, headers, body.
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    #[track_caller]
    fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text);
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Status and name of the problem.
    #[track_caller]
    fn problem(&self) -> (u16, String) {
        let document: Value = serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}", self.text));
        assert_eq!(self.headers["content-type"], "application/problem+json", "{document}");
        assert_eq!(document["status"], self.status, "{document}");
        let name = document["type"].as_str().unwrap().strip_prefix("urn:simyard:problem:").unwrap();
        (self.status, name.to_owned())
    }
}

fn problem(status: u16, name: &str) -> (u16, String) {
    (status, name.to_owned())
}

struct Api {
    server: TestServer,
}

impl Api {
    fn start() -> Self {
        Self::with(SETTINGS)
    }

    fn with(settings: &str) -> Self {
        Self { server: TestServer::with(settings, None) }
    }

    fn identities(&self) -> Identities {
        let store = self.server.smdp().store.clone();
        Identities::new(store, self.server.clock.clone(), self.server.rng.clone())
    }

    fn add(&self, name: &str, right: Right, credential: NewCredential) -> Option<String> {
        let changer = Changer { actor: Actor::Server, peer: None };
        let identity = Identity { name: IdentityName::parse(name).unwrap(), right };
        let token = self.server.wait(self.identities().add(&changer, &identity, credential)).unwrap();
        token.map(|token| token.as_str().to_owned())
    }

    /// An identity with a token.
    fn token(&self, name: &str, right: Right) -> String {
        self.add(name, right, NewCredential::Token).unwrap()
    }

    fn request(&self, certificate: Option<&Issued>, method: &str, path: &str) -> reqwest::RequestBuilder {
        let address = self.server.admin_api().unwrap();
        let client = self.server.http(certificate, address);
        let url = format!("https://{ADDRESS}:{}{path}", address.port());
        client.request(method.parse().unwrap(), url)
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.server.callers.block_on(async {
            let answer = request.send().await.unwrap();
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            Answer { status, headers, text: answer.text().await.unwrap() }
        })
    }

    fn call(&self, token: &str, method: &str, path: &str, body: Option<&Value>, key: Option<&str>) -> Answer {
        let mut request = self.request(None, method, path).header("authorization", format!("Bearer {token}"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request)
    }

    fn get(&self, token: &str, path: &str) -> Answer {
        self.call(token, "GET", path, None, None)
    }

    fn post(&self, token: &str, path: &str, body: &Value, key: Option<&str>) -> Answer {
        self.call(token, "POST", path, Some(body), key)
    }

    fn delete(&self, token: &str, path: &str) -> Answer {
        self.call(token, "DELETE", path, None, None)
    }
}

/// All operations of the document: method, path with something in place of each parameter, and the permission that it says.
fn operations() -> Vec<(String, String, Permission)> {
    let document: Value = serde_json::from_str(&openapi_text()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let words = |scheme: usize, name: &str| operation["security"][scheme][name][0].clone();
            assert_eq!(words(0, "token"), words(1, "certificate"), "{method} {path}");
            let word = words(0, "token");
            let permission = Permission::ALL.into_iter().find(|permission| word == permission.as_str());
            let permission = permission.unwrap_or_else(|| panic!("{method} {path} says {word}"));
            let path = path
                .replace("{iccid}", "89882119999999999991")
                .replace("{batch_id}", "ABC")
                .replace("{allocation_id}", "none")
                .replace("{eid}", "89049032999999999999999999999999")
                .replace("{name}", "nobody")
                .replace("{number}", "999999")
                .replace("{operation_id}", "00000000000000000000000000000000")
                .replace("{campaign_id}", "00000000000000000000000000000000");
            assert!(!path.contains('{'), "{path}");
            operations.push((method.to_uppercase(), path, permission));
        }
    }
    operations
}

fn every_route_needs_a_caller_of_the_right_that_it_says() {
    let api = Api::start();
    let tokens = Right::ALL.map(|right| (right, api.token(right.as_str(), right)));
    let operations = operations();
    assert!(operations.len() >= 24, "{operations:?}");
    let mut permissions = BTreeSet::new();
    for (method, path, permission) in &operations {
        let what = format!("{method} {path}");
        let nobody = api.send(api.request(None, method, path));
        assert_eq!(nobody.problem(), problem(401, "unauthenticated"), "{what}");
        assert_eq!(nobody.headers["www-authenticate"], "Bearer", "{what}");
        let (_, right) = &tokens[0];
        let wrong = format!("{}x", &right[..right.len() - 1]);
        for wrong in ["", "x", &wrong] {
            let answer = api.call(wrong, method, path, None, None);
            assert_eq!(answer.problem(), problem(401, "unauthenticated"), "{what} {wrong:?}");
        }
        for (right, token) in &tokens {
            let answer = api.call(token, method, path, None, None);
            if right.permits(*permission) {
                assert!(![401, 403, 500].contains(&answer.status), "{what} as {right}: {}", answer.text);
            } else {
                assert_eq!(answer.problem(), problem(403, "forbidden"), "{what} as {right}");
            }
        }
        permissions.insert(permission.as_str());
    }
    assert_eq!(permissions.len(), Permission::ALL.len(), "{permissions:?}");
}

fn the_openapi_document_is_fresh() {
    let fresh = openapi_text();
    let document: Value = serde_json::from_str(&fresh).unwrap();
    assert_eq!(document["openapi"].as_str().unwrap().split('.').take(2).collect::<Vec<_>>(), ["3", "1"]);
    let committed = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/admin.json");
    if std::fs::read_to_string(&committed).unwrap_or_default() != fresh {
        let new = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("admin.json");
        std::fs::write(&new, fresh).unwrap();
        panic!("openapi/admin.json is not what the code says: take {}", new.display());
    }
}

fn a_client_certificate_is_an_identity() {
    let api = Api::start();
    let fingerprint = PKI.operator.certificate.fingerprint();
    api.add("robot", Right::Auditor, NewCredential::Certificate(fingerprint));
    let ask = |certificate: &Issued, token: Option<&str>| {
        let mut request = api.request(Some(certificate), "GET", "/v1/identity");
        if let Some(token) = token {
            request = request.header("authorization", format!("bearer {token}"));
        }
        api.send(request)
    };
    assert_eq!(ask(&PKI.operator, None).ok(), json!({ "name": "robot", "right": "auditor" }));
    assert_eq!(ask(&PKI.manufacturer, None).problem(), problem(401, "unauthenticated"), "known to nobody");
    // Whoever shows a token is judged by the token.
    let token = api.token("anna", Right::Admin);
    assert_eq!(ask(&PKI.operator, Some(&token)).ok()["name"], "anna");
    assert_eq!(ask(&PKI.operator, Some("wrong")).status, 401);
    let again =
        json!({ "name": "other", "right": "auditor", "certificate_sha256": hex::encode(fingerprint) });
    assert_eq!(api.post(&token, "/v1/identities", &again, None).problem(), problem(409, "in-use"));
    assert_eq!(api.get(&token, "/v1/identities/other").status, 404, "nothing of it was made");
}

fn tokens_are_rotated_and_end() {
    let api = Api::start();
    let first = api.token("anna", Right::Admin);
    let rotate = |token: &str, body: Value| api.post(token, "/v1/identities/anna/rotate", &body, None);
    let token_of = |answer: Answer| answer.ok()["token"].as_str().unwrap().to_owned();
    api.server.clock.advance(std::time::Duration::from_secs(1));
    let second = token_of(rotate(&first, json!({ "keep_old_s": 60 })));
    let works = |token: &str| api.get(token, "/v1/identity").status == 200;
    assert!(works(&first) && works(&second));
    let shown = api.get(&second, "/v1/identities/anna").ok();
    let credentials = shown["credentials"].as_array().unwrap();
    assert_eq!(credentials.len(), 2, "{shown}");
    assert!(credentials[0]["ends_at"].is_string() && credentials[1]["ends_at"].is_null(), "{shown}");
    assert!(credentials.iter().all(|one| one["last_used_at"].is_string()), "{shown}");
    api.server.clock.advance(std::time::Duration::from_secs(61));
    assert!(!works(&first) && works(&second));
    let third = token_of(rotate(&second, json!({})));
    assert!(!works(&second) && works(&third), "at once");
    assert_eq!(api.get(&third, "/v1/identities/anna").ok()["credentials"].as_array().unwrap().len(), 1);
    assert_eq!(rotate(&third, json!({ "keep_old_s": 90 * 24 * 3600 + 1 })).status, 400);
    assert_eq!(
        api.post(&third, "/v1/identities/nobody/rotate", &json!({}), None).problem(),
        problem(404, "not-found")
    );
}

/// The octets of the store's files.
fn stored(api: &Api) -> Vec<u8> {
    let folder = api.server.folder();
    let files = ["simyard.db", "simyard.db-wal"].map(|name| std::fs::read(folder.join(name)));
    files.into_iter().flatten().flatten().collect()
}

fn a_call_under_a_key_is_done_once() {
    let api = Api::start();
    let admin = api.token("anna", Right::Admin);
    let new = |name: &str| json!({ "name": name, "right": "auditor" });
    let post = |token: &str, name: &str, key: &str| api.post(token, "/v1/identities", &new(name), Some(key));
    let first = post(&admin, "bert", "key-1");
    assert_eq!(first.status, 201, "{}", first.text);
    let again = post(&admin, "bert", "key-1");
    assert_eq!((again.status, &again.text), (201, &first.text), "the same token");
    assert_eq!(post(&admin, "carl", "key-1").problem(), problem(422, "key-reused"));
    assert_eq!(post(&admin, "bert", "key-2").problem(), problem(409, "in-use"));
    // What was refused did nothing: its key is free.
    assert_eq!(post(&admin, "carl", "key-2").status, 201);
    // Keys are the caller's own.
    let other = api.token("other", Right::Admin);
    assert_eq!(post(&other, "dora", "key-1").status, 201);
    for wrong in ["", "a b", &"x".repeat(256)] {
        assert_eq!(post(&admin, "emil", wrong).problem(), problem(400, "invalid-parameter"), "{wrong:?}");
    }
    // Neither tokens nor answers lie open.
    let token = first.ok()["token"].as_str().unwrap().to_owned();
    let octets = stored(&api);
    assert!(octets.windows(4).any(|four| four == b"bert"), "the files were read");
    assert!(!octets.windows(token.len()).any(|some| some == token.as_bytes()));
    // A day later the key is forgotten.
    api.server.clock.advance(std::time::Duration::from_secs(24 * 3600));
    assert_eq!(post(&admin, "bert", "key-1").problem(), problem(409, "in-use"));
}

fn an_interrupted_call_is_not_done_again() {
    let api = Api::start();
    let admin = api.token("anna", Right::Admin);
    let body = json!({ "name": "bert", "right": "auditor" });
    let request = format!("POST /v1/identities\n{body}");
    let digest = simyard::crypto::hash::sha256(request.as_bytes());
    let store = api.server.smdp().store.clone();
    let name = IdentityName::parse("anna").unwrap();
    let now = api.server.clock.now();
    api.server.wait(store.begin_call(&name, "key-1", &digest, now)).unwrap();
    let answer = api.post(&admin, "/v1/identities", &body, Some("key-1"));
    assert_eq!(answer.problem(), problem(409, "call-unanswered"));
    assert_eq!(api.get(&admin, "/v1/identities/bert").status, 404);
}

fn wrong_tokens_are_not_heard_for_ever() {
    let api = Api::start();
    let token = api.token("anna", Right::Auditor);
    let right_form = format!("simyard_{}", "A".repeat(43));
    for _ in 0..300 {
        assert_eq!(api.get(&right_form, "/v1/identity").status, 401);
    }
    let refused = api.get(&right_form, "/v1/identity");
    assert_eq!(refused.problem(), problem(429, "too-many-failures"));
    assert!(
        refused.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() <= 12,
        "{:?}",
        refused.headers
    );
    assert_eq!(api.get(&token, "/v1/identity").status, 429, "nobody of this address is heard");
    api.server.clock.advance(std::time::Duration::from_secs(13));
    assert_eq!(api.get(&token, "/v1/identity").status, 200);
}

fn identities_are_made_shown_and_removed() {
    let api = Api::start();
    let admin = api.token("anna", Right::Admin);
    let new = json!({ "name": "bert", "right": "provisioning" });
    let made = api.post(&admin, "/v1/identities", &new, None).ok();
    let bert = made["token"].as_str().unwrap();
    let own = api.get(bert, "/v1/identity").ok();
    assert_eq!(own, json!({ "name": "bert", "right": "provisioning" }));
    let shown = api.get(&admin, "/v1/identities/bert").ok();
    assert_eq!((&shown["created_by"], &shown["right"]), (&json!("anna"), &json!("provisioning")));
    let hash = shown["credentials"][0]["sha256"].as_str().unwrap();
    assert_eq!((hash.len(), &shown["credentials"][0]["kind"]), (8, &json!("token")));
    let page = api.get(&admin, "/v1/identities?limit=1");
    assert_eq!((&page.ok()["items"][0]["name"], &page.ok()["next"]), (&json!("anna"), &json!("anna")));
    assert_eq!(page.headers["link"], "</v1/identities?limit=1&after=anna>; rel=\"next\"");
    let last = api.get(&admin, "/v1/identities?limit=1&after=anna");
    assert_eq!(last.ok()["items"][0]["name"], "bert");
    assert!(last.ok()["next"].is_null() && !last.headers.contains_key("link"));
    assert_eq!(api.delete(&admin, "/v1/identities/bert").status, 204);
    assert_eq!(api.get(bert, "/v1/identity").status, 401);
    assert_eq!(api.delete(&admin, "/v1/identities/bert").problem(), problem(404, "not-found"));
    // The audit tells all of it, with the address.
    let audit = api.get(&admin, "/v1/audit?subject=bert").ok();
    let told: Vec<_> = audit["items"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(told, ["identity.add", "identity.remove"]);
    let entry = &audit["items"][0];
    assert_eq!((&entry["actor_kind"], &entry["actor"]), (&json!("identity"), &json!("anna")));
    assert_eq!(entry["personal"][0]["value"], "127.0.0.1", "{entry}");
    assert_eq!(entry["detail"], "right provisioning, a token");
}

fn orders_and_their_history_are_shown() {
    let api = Api::start();
    let token = api.token("bert", Right::Provisioning);
    let options = OrderOptions { profile_type: Some(PROFILE_TYPE), ..OrderOptions::default() };
    let ordered: Vec<_> = (0..3).map(|_| api.server.order(options)).collect();
    let page = api.get(&token, "/v1/orders?limit=2&state=Released");
    let items = page.ok()["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), 2);
    let link = page.headers["link"].to_str().unwrap();
    let next = link.strip_prefix('<').unwrap().split('>').next().unwrap();
    let rest = api.get(&token, next).ok();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    let listed: BTreeSet<String> = items
        .iter()
        .chain(rest["items"].as_array().unwrap())
        .map(|order| order["iccid"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, ordered.iter().map(|order| order.iccid.to_string()).collect());
    let one = &ordered[0];
    let by_id = api.get(&token, &format!("/v1/orders?matching_id={}", one.matching_id)).ok();
    assert_eq!(by_id["items"][0]["iccid"], one.iccid.as_str());
    let none = api.get(&token, "/v1/orders?owner=beta&profile_type=iot&eid=89").ok();
    assert_eq!(none["items"], json!([]));

    let path = format!("/v1/orders/{}", one.iccid);
    let shown = api.get(&token, &path).ok();
    assert_eq!((&shown["state"], &shown["owner"]), (&json!("Released"), &json!("acme")));
    assert_eq!(shown["matching_id"], one.matching_id.as_str());
    assert!(shown["ordered_at"].is_string() && shown["downloaded_at"].is_null(), "{shown}");
    let history = api.get(&token, &format!("{path}/history")).ok();
    let events: Vec<_> = history["events"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
    assert_eq!(events, ["stocked", "ordered", "confirmed", "released"]);
    assert_eq!(api.get(&token, "/v1/orders/89882119999999999991").problem(), problem(404, "not-found"));
    for path in ["/v1/orders?state=Lost", "/v1/orders?eid=X", "/v1/orders?after=1", "/v1/orders/12"] {
        assert_eq!(api.get(&token, path).problem(), problem(400, "invalid-parameter"), "{path}");
    }
}

fn batches_are_shown_with_what_was_refused() {
    let api = Api::start();
    let token = api.token("carl", Right::Auditor);
    api.server.ingest("acme", PROFILE_TYPE, 3);
    let page = api.get(&token, "/v1/batches").ok();
    let batches = page["items"].as_array().unwrap();
    assert_eq!(batches.len(), 2, "{page}");
    let sizes: Vec<_> = batches.iter().map(|batch| batch["profiles"].as_u64().unwrap()).collect();
    assert_eq!(sizes.iter().sum::<u64>(), 13, "{page}");
    let batch = &batches[0];
    let path = format!("/v1/batches/{}", batch["batch_id"].as_str().unwrap());
    assert_eq!(api.get(&token, &path).ok(), *batch);
    assert_eq!((&batch["owner"], &batch["refusals"]), (&json!("acme"), &json!([])));
    assert_eq!(api.get(&token, "/v1/batches?manufacturer=nobody").ok()["items"], json!([]));
    assert_eq!(api.get(&token, "/v1/batches/ABC").problem(), problem(404, "not-found"));
    assert_eq!(api.get(&token, "/v1/batches/a-b").problem(), problem(400, "invalid-parameter"));
}

fn the_audit_is_listed_by_pages() {
    let api = Api::start();
    let token = api.token("carl", Right::Auditor);
    let options = OrderOptions { profile_type: Some(PROFILE_TYPE), ..OrderOptions::default() };
    let ordered = api.server.order(options);
    let mut path = format!("/v1/audit?subject={}&limit=1", ordered.iccid);
    let mut actions = Vec::new();
    loop {
        let page = api.get(&token, &path);
        let entry = page.ok()["items"][0].clone();
        assert_eq!((&entry["actor_kind"], &entry["actor"]), (&json!("operator"), &json!("acme")));
        actions.push(entry["action"].as_str().unwrap().to_owned());
        let number = entry["number"].as_i64().unwrap();
        assert_eq!(api.get(&token, &format!("/v1/audit/{number}")).ok(), entry);
        let Some(link) = page.headers.get("link") else { break };
        path = link.to_str().unwrap().strip_prefix('<').unwrap().split('>').next().unwrap().to_owned();
    }
    assert_eq!(actions, ["order.create", "order.confirm"]);
    assert_eq!(api.get(&token, "/v1/audit?actor=nobody").ok()["items"], json!([]));
    assert_eq!(api.get(&token, "/v1/audit/999").problem(), problem(404, "not-found"));
    assert_eq!(api.get(&token, "/v1/audit/x").problem(), problem(400, "invalid-parameter"));
}

fn what_is_wrong_is_told_as_a_problem() {
    let api = Api::start();
    let admin = api.token("anna", Right::Admin);
    for path in ["/", "/v1", "/v1/nothing", "/metrics"] {
        assert_eq!(api.get(&admin, path).problem(), problem(404, "not-found"), "{path}");
    }
    assert_eq!(api.delete(&admin, "/v1/audit").problem(), problem(405, "method-not-allowed"));
    for query in ["limit=0", "limit=1001", "limit=x", "after=x", "nothing=1"] {
        let answer = api.get(&admin, &format!("/v1/audit?{query}"));
        assert_eq!(answer.problem(), problem(400, "invalid-parameter"), "{query}");
    }
    for body in [
        json!({}),
        json!([]),
        json!({ "name": "a b", "right": "admin" }),
        json!({ "name": "bert", "right": "root" }),
        json!({ "name": "bert", "right": "admin", "certificate_sha256": "00" }),
        json!({ "name": "bert", "right": "admin", "more": 1 }),
    ] {
        let answer = api.post(&admin, "/v1/identities", &body, None);
        assert_eq!(answer.problem(), problem(400, "invalid-parameter"), "{body}");
    }
    let large = json!({ "name": "x".repeat(300 * 1024), "right": "admin" });
    assert_eq!(api.post(&admin, "/v1/identities", &large, None).status, 413);
    let document = api.get(&admin, "/v1/openapi.json").ok();
    assert_eq!(document["info"]["title"], "Simyard admin API");
    // A store that fails is no caller's business.
    let store = api.server.smdp().store.clone();
    api.server.wait(store.close());
    let answer = api.get(&admin, "/v1/orders");
    assert_eq!(answer.problem(), problem(500, "internal"));
    assert!(!answer.text.contains("closed"), "{}", answer.text);
    assert!(!api.server.errors().is_empty(), "it stands in the log");
}

/// Programs of others know them: one that changes is a break.
fn the_types_of_problems_stay_as_they_are() {
    let mut fresh = String::from(
        "# Problems of the admin API and the ingestion API (RFC 9457)\n\n| type | status | title |\n|---|---|---|\n",
    );
    for kind in ProblemKind::ALL {
        let (name, status, title) = (kind.name(), kind.status().as_u16(), kind.title());
        fresh += &format!("| `urn:simyard:problem:{name}` | {status} | {title} |\n");
    }
    let committed = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/problems.md");
    if std::env::var_os("SIMYARD_RECORD").is_some() {
        std::fs::write(&committed, &fresh).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&committed).unwrap(), fresh, "SIMYARD_RECORD=1 writes it");
}

fn what_a_right_does_not_permit_stands_in_the_audit() {
    let api = Api::start();
    let (auditor, provisioner) = (api.token("carl", Right::Auditor), api.token("bert", Right::Provisioning));
    let wanted = json!({ "pool": "none", "count": 1 });
    assert_eq!(api.post(&auditor, "/v1/allocations", &wanted, None).status, 403);
    assert_eq!(api.get(&provisioner, "/v1/audit?limit=1").status, 403);
    let entries = |actor: &str| {
        let told = api.get(&auditor, &format!("/v1/audit?actor={actor}&limit=1000")).ok();
        told["items"].as_array().unwrap().clone()
    };
    let [entry] = entries("carl").try_into().unwrap();
    let entry: Value = entry;
    assert_eq!((&entry["action"], &entry["outcome"]), (&json!("api.call"), &json!("refused")), "{entry}");
    assert_eq!(entry["detail"], "the right auditor does not permit to provision: POST /v1/allocations");
    assert_eq!(entry["personal"][0]["value"], "127.0.0.1", "{entry}");
    assert_eq!(
        entries("bert")[0]["detail"],
        "the right provisioning does not permit to audit: GET /v1/audit"
    );
    // Who goes on and on fills no audit.
    for _ in 0..REFUSALS_PER_HOUR.get() {
        assert_eq!(api.get(&provisioner, "/v1/audit").status, 403);
    }
    assert_eq!(entries("bert").len(), REFUSALS_PER_HOUR.get() as usize);
}
