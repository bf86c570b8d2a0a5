//! `simyard admin`: identities of the admin API, made and removed at the command line.

use serde_json::{Value, json};

use crate::binary::{Place, SETTINGS};

crate::tests!(identities_are_made_listed_rotated_and_removed, a_server_says_where_the_admin_api_is,);

fn identities_are_made_listed_rotated_and_removed() {
    let place = Place::furnished();
    let run = place.run("admin add anna --right admin --token --by root");
    let token = run.ok().trim().to_owned();
    assert!(token.starts_with("simyard_") && token.len() == 51, "{token}");
    assert!(run.stderr.contains("not shown again") && !run.stderr.contains(&token), "{}", run.stderr);
    let made = place
        .run("admin add robot --right auditor --certificate pki/operator.pem --config simyard.toml --json");
    assert_eq!(made.json(), json!({ "name": "robot", "token": null }));
    place.run("admin add anna --right auditor --token").failed("there is an identity anna already");
    place
        .run("admin add other --right auditor --certificate pki/operator.pem")
        .failed("has this certificate already");
    place.run("admin add other --right auditor --certificate absent.pem").failed("absent.pem");
    for line in [
        "admin add a/b --right admin --token",
        "admin add x --right root --token",
        "admin add x --right admin",
    ] {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }

    let list = place.run("admin list --json --config simyard.toml").json();
    let identities = list["identities"].as_array().unwrap();
    let told: Vec<[&Value; 4]> = identities
        .iter()
        .map(|one| [&one["name"], &one["right"], &one["credentials"][0]["kind"], &one["created_by"]])
        .collect();
    assert_eq!(told[0].map(|value| value.as_str().unwrap()), ["anna", "admin", "token", "root"]);
    assert_eq!(told[1].map(|value| value.as_str().unwrap())[..3], ["robot", "auditor", "certificate"]);
    assert!(identities[0]["credentials"][0]["last_used_at"].is_null());
    assert!(!list.to_string().contains(&token));
    let text = place.run("admin list --limit 1").ok();
    assert!(text.contains("anna") && text.contains("never used") && !text.contains("robot"), "{text}");
    let text = place.run("admin list --after anna").ok();
    assert!(text.contains("robot") && !text.contains("anna"), "{text}");

    let rotated = place.run("admin rotate anna --token --keep-old 1h --by root --json").json();
    assert_ne!(rotated["token"], token.as_str());
    let list = place.run("admin list --json").json();
    let credentials = list["identities"][0]["credentials"].as_array().unwrap();
    assert_eq!(credentials.len(), 2, "{list}");
    assert!(credentials[0]["ends_at"].is_string() && credentials[1]["ends_at"].is_null(), "{list}");
    place.run("admin rotate robot --certificate pki/device.pem --config simyard.toml").ok();
    place.run("admin rotate nobody --token").failed("there is no identity nobody");

    assert_eq!(place.run("admin remove robot --json --by root").json(), json!({ "removed": "robot" }));
    place.run("admin remove robot --config simyard.toml").failed("there is no identity robot");
    let audit = place.run("audit list --by root --json").json();
    let actions: Vec<&str> =
        audit["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["identity.add", "identity.rotate", "identity.remove"]);
    assert!(!place.run("audit list --json").ok().contains(&token), "no token stands in the audit");
    place.run("audit verify").ok();
}

fn a_server_says_where_the_admin_api_is() {
    let place = Place::furnished();
    place.write("simyard.toml", &format!("{SETTINGS}[admin_api]\nlisten = \"127.0.0.1:0\"\n"));
    let told = place.run("serve --end-with-stdin").ok();
    assert!(told.contains("admin API on 127.0.0.1:"), "{told}");
    for (line, says) in [
        ("listen = \"8446\"", "simyard.toml:16: admin_api"),
        ("client_ca = [\"absent.pem\"]", "absent.pem"),
        ("rights = 1", "unknown field `rights`"),
    ] {
        place.write("simyard.toml", &format!("{SETTINGS}[admin_api]\n{line}\n"));
        place.run("serve --end-with-stdin").failed(says);
    }
}
