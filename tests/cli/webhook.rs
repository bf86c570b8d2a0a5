//! `simyard webhook`: made, listed, tried, rotated, retried and removed.

use simyard::crypto::keyfile::{load_certificates, load_signing_key};
use simyard::pki::tls::TlsIdentity;

use crate::binary::{Place, SETTINGS};
use crate::webhooks::{Answer, Receiver};

crate::tests!(
    webhooks_are_made_tried_and_removed,
    what_happens_reaches_a_receiver_and_one_that_is_gone_is_noticed,
    what_is_no_webhook_is_wrong_usage,
);

/// A receiver with the TLS certificate of the place's own PKI, which names `localhost`.
fn receiver(place: &Place) -> Receiver {
    let chain = load_certificates(&place.path().join("pki/dp-tls.pem")).unwrap();
    let key = load_signing_key(&place.path().join("pki/dp-tls.key.pem")).unwrap();
    Receiver::with(&TlsIdentity::new(chain, key.into()).unwrap())
}

fn webhooks_are_made_tried_and_removed() {
    let place = Place::new();
    place.run("pki init pki --host localhost").ok();
    place.write("simyard.toml", &format!("{SETTINGS}[webhooks]\nprivate_addresses = \"permit\"\n"));
    let receiver = receiver(&place);
    let url = receiver.url();
    assert_eq!(place.run("webhook list").ok(), "");
    let add = format!("webhook add crm {url} --event operation.* --event device.poll_wanted --by anna");
    let run = place.run(&add);
    assert!(run.ok().starts_with("whsec_"), "the secret alone: {run:?}");
    assert!(run.stderr.contains("not shown again"), "{run:?}");
    place.run(&add).failed("there is a webhook crm already");
    let list = place.run("webhook list --json --config simyard.toml").json();
    let webhook = &list["webhooks"][0];
    assert_eq!((&webhook["name"], &webhook["url"]), (&"crm".into(), &url.as_str().into()));
    assert_eq!(webhook["events"], serde_json::json!(["device.poll_wanted", "operation.*"]));
    assert_eq!((&webhook["created_by"], &webhook["waiting"]), (&"anna".into(), &0.into()));
    assert!(!list.to_string().contains("whsec_"), "{list}");
    let text = place.run("webhook list").ok();
    assert!(text.contains("device.poll_wanted operation.*  took nothing yet, 0 wait, 0 given up"), "{text}");

    let taken = place.run("webhook test crm --json").json()["taken"].as_str().unwrap().to_owned();
    let heard = receiver.heard();
    assert_eq!((heard.id.as_str(), heard.event_type().as_str()), (taken.as_str(), "webhook.test"));
    assert_eq!(heard.signatures.len(), 1);
    let rotated = place.run("webhook rotate crm --keep-old 1h --json").json();
    assert!(rotated["secret"].as_str().unwrap().starts_with("whsec_"), "{rotated}");
    assert!(place.run("webhook test crm").ok().contains("crm took msg_"));
    assert_eq!(receiver.heard().signatures.len(), 2);
    receiver.answers(&[Answer::Status(500)]);
    place.run("webhook test crm").failed("the message was not taken: HTTP 500");
    place.run("webhook test none").failed("there is no webhook none");

    assert!(place.run("webhook retry crm").ok().contains("crm is enabled; 0 messages are due at once"));
    assert!(place.run("webhook remove crm").ok().contains("crm is removed"));
    place.run("webhook remove crm").failed("there is no webhook crm");
    assert_eq!(place.run("webhook list").ok(), "");

    // Where settings do not permit it, nothing inside our own network is called.
    place.write("simyard.toml", SETTINGS);
    place.run(&format!("webhook add crm {url}")).ok();
    place.run("webhook test crm").failed("no address of the public Internet");
}

fn what_happens_reaches_a_receiver_and_one_that_is_gone_is_noticed() {
    let place = Place::new();
    place.run("pki init pki --host localhost").ok();
    let settings = SETTINGS.replace("smdp.example.com", "localhost");
    let more = "[webhooks]\nprivate_addresses = \"permit\"\n\
                [eim]\nid = \"eim.test\"\nfqdn = \"localhost\"\nlisten = \"127.0.0.1:0\"\n";
    place.write("simyard.toml", &format!("{settings}{more}"));
    let eid = "89049032000000000000700000004105";
    place.write("euiccs.csv", &format!("eid,architecture,eim_id,counter\n{eid},SGP.32,eim.test,0\n"));
    place.run("ingest euiccs.csv --profile-type iot").ok();
    let receiver = receiver(&place);
    place.run(&format!("webhook add crm {} --event operation.created", receiver.url())).ok();
    assert!(place.run("doctor").stdout.contains("crm, 0 messages wait"));
    let server = place.serve();
    let id = place.run(&format!("operation create {eid} audit")).ok().trim().to_owned();
    let heard = receiver.heard();
    let data = &heard.body()["data"];
    assert_eq!((heard.event_type().as_str(), &data["eid"]), ("operation.created", &eid.into()));
    assert_eq!((&data["operation_id"], &data["kind"]), (&id.into(), &"audit".into()));
    receiver.answers(&[Answer::Status(410)]);
    place.run(&format!("operation create {eid} audit")).ok();
    receiver.heard();
    let mut looks = (0..100).map(|_| place.run("doctor").stdout);
    assert!(looks.any(|doctor| doctor.contains("crm is disabled since")), "its answer was not noticed");
    assert_eq!(server.terminate(), Some(0));
    assert!(place.run("webhook list").ok().contains("disabled"));
}

fn what_is_no_webhook_is_wrong_usage() {
    let place = Place::new();
    for (line, says) in [
        ("webhook add crm http://example.com/hook", "of https"),
        ("webhook add crm https://a:b@example.com/hook", "without user"),
        ("webhook add c/m https://example.com/hook", "letters, digits"),
        ("webhook add crm https://example.com/hook --event order.done", "the type of an event"),
        ("webhook rotate crm --keep-old soon", "expected a number with s, m, h"),
    ] {
        let run = place.run(line);
        assert_eq!(run.code, Some(2), "{line}: {run:?}");
        assert!(run.stderr.contains(says), "{line}: {run:?}");
    }
}
