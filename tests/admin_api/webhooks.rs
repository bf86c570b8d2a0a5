//! Webhooks over the admin API: made, listed, rotated, retried and removed.

use serde_json::json;
use simyard::domain::Right;

use super::{Api, problem};

crate::tests!(webhooks_are_made_listed_rotated_and_removed, what_is_no_webhook_is_told_as_a_problem);

fn webhooks_are_made_listed_rotated_and_removed() {
    let api = Api::start();
    let token = api.token("root", Right::Admin);
    let new = json!({ "name": "crm", "url": "https://crm.example.com/hook", "events": ["operation.*", "device.poll_wanted"] });
    let made = api.post(&token, "/v1/webhooks", &new, Some("1"));
    assert_eq!(made.status, 201, "{}", made.text);
    let secret = made.ok()["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"), "{secret}");
    assert_eq!(api.post(&token, "/v1/webhooks", &new, Some("1")).ok()["secret"], secret.as_str());
    assert_eq!(api.post(&token, "/v1/webhooks", &new, None).problem(), problem(409, "in-use"));
    let second = json!({ "name": "gateway", "url": "https://sms.example.com/" });
    api.post(&token, "/v1/webhooks", &second, None).ok();
    let page = api.get(&token, "/v1/webhooks?limit=1");
    assert_eq!(page.headers["link"], "</v1/webhooks?limit=1&after=crm>; rel=\"next\"");
    assert!(!page.text.contains("whsec_"), "{}", page.text);
    let page = page.ok();
    let webhook = &page["items"][0];
    assert_eq!(webhook["events"], json!(["device.poll_wanted", "operation.*"]));
    assert_eq!((&webhook["created_by"], &webhook["waiting"]), (&json!("root"), &json!(0)));
    assert!(webhook["disabled_at"].is_null() && webhook["last_answer"].is_null(), "{webhook}");
    let rest = api.get(&token, "/v1/webhooks?after=crm").ok();
    assert_eq!((&rest["items"][0]["name"], &rest["items"][0]["events"]), (&json!("gateway"), &json!(["*"])));
    let rotated = api.post(&token, "/v1/webhooks/crm/rotate", &json!({ "keep_old_s": 3600 }), None).ok();
    assert!(rotated["secret"].as_str().is_some_and(|new| new != secret), "{rotated}");
    assert_eq!(api.call(&token, "POST", "/v1/webhooks/crm/retry", None, None).ok(), json!({ "retried": 0 }));
    let told = api.call(&token, "POST", "/v1/webhooks/crm/test", None, Some("2"));
    assert_eq!(told.status, 202, "{}", told.text);
    let message_id = told.ok()["message_id"].as_str().unwrap().to_owned();
    assert!(message_id.starts_with("msg_"), "{message_id}");
    let again = api.call(&token, "POST", "/v1/webhooks/crm/test", None, Some("2"));
    assert_eq!(again.ok(), told.ok(), "one message for one key");
    assert_eq!(api.delete(&token, "/v1/webhooks/crm").status, 204);
    for (method, path, body) in [
        ("DELETE", "/v1/webhooks/crm", None),
        ("POST", "/v1/webhooks/crm/retry", None),
        ("POST", "/v1/webhooks/crm/test", None),
        ("POST", "/v1/webhooks/crm/rotate", Some(json!({}))),
    ] {
        let answer = api.call(&token, method, path, body.as_ref(), None);
        assert_eq!(answer.problem(), problem(404, "not-found"), "{method} {path}");
    }
}

fn what_is_no_webhook_is_told_as_a_problem() {
    let api = Api::start();
    let token = api.token("root", Right::Admin);
    let url = "https://crm.example.com/hook";
    let many: Vec<&str> = vec!["operation.done"; 101];
    for new in [
        json!({ "name": "c m", "url": url }),
        json!({ "name": "crm", "url": "http://crm.example.com/hook" }),
        json!({ "name": "crm", "url": url, "events": ["order.done"] }),
        json!({ "name": "crm", "url": url, "events": many }),
        json!({ "name": "crm", "url": url, "secret": "whsec_bWluZQ==" }),
        json!({ "name": "crm" }),
    ] {
        let answer = api.post(&token, "/v1/webhooks", &new, None);
        assert_eq!(answer.problem(), problem(400, "invalid-parameter"), "{new}");
    }
    api.post(&token, "/v1/webhooks", &json!({ "name": "crm", "url": url }), None).ok();
    let long = json!({ "keep_old_s": 31 * 24 * 3600 });
    let answer = api.post(&token, "/v1/webhooks/crm/rotate", &long, None);
    assert_eq!(answer.problem(), problem(400, "invalid-parameter"));
    assert_eq!(api.get(&token, "/v1/webhooks?limit=0").problem(), problem(400, "invalid-parameter"));
}
