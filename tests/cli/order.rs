//! `simyard order`: create, list, show, release, cancel and reset, beside a running server.

use serde_json::{Value, json};

use super::ways;
use crate::binary::{HOST, ICCIDS, Place, SETTINGS, batch};

crate::tests!(
    options_that_do_not_go_together_are_wrong_usage,
    an_order_by_hand_is_downloaded_and_others_are_refused_with_their_codes,
    every_situation_is_prepared_listed_and_shown,
    an_order_says_what_its_package_is_to_be,
    an_order_is_made_in_any_state_that_a_hand_can_make,
    a_history_tells_who_did_what_and_what_followed,
    activation_codes_are_drawn_and_name_the_server,
    orders_are_released_and_cancelled_by_hand,
    an_order_that_is_stuck_is_reset_with_yes_alone,
    many_orders_are_made_once_and_written_whole,
);

const EID: &str = super::EID;
const OTHER_EID: &str = "89049032000000000000279973200117";

/// Profiles enough for these tests.
fn stocked(profiles: usize) -> Place {
    let place = Place::furnished();
    let row = batch().lines().nth(1).unwrap().to_owned();
    let mut rows = batch().lines().next().unwrap().to_owned() + "\n";
    for number in 0..profiles {
        let row = row.replace(ICCIDS[0], &iccid(number));
        rows += &row.replace("901405100000001", &format!("90140{number:010}"));
        rows.push('\n');
    }
    place.write("batch.csv", &rows);
    place.run("ingest batch.csv").ok();
    place
}

fn iccid(number: usize) -> String {
    format!("8988280{number:012}")
}

/// The order that `line` creates, which may be `create` alone.
fn created(place: &Place, line: &str) -> Value {
    place.run(&format!("order {line} --profile-type iot --json")).json()
}

fn options_that_do_not_go_together_are_wrong_usage() {
    let place = Place::new();
    for line in [
        "order",
        "order create",
        "order create --profile-type iot --count 2",
        "order create --profile-type iot --csv out.csv",
        "order create --profile-type iot --iccid 89882801000000000014",
        "order create --profile-type iot --run-id x",
        "order create --iccid 89882801000000000014 --count 2 --csv out.csv",
        "order create --profile-type iot --matching-id X --count 2 --csv out.csv",
        "order create --profile-type iot --matching-id X --default-order",
        "order create --profile-type iot --reserve-only --matching-id X",
        "order create --profile-type iot --reserve-only --no-expiry",
        "order create --profile-type iot --expires-in 5",
        "order create --profile-type iot --expires-at tomorrow",
        "order create --profile-type iot --expires-in 5s --no-expiry",
        "order create --profile-type iot --hold --download-attempts-left 0",
        "order create --profile-type iot --state Downloaded",
        "order create --profile-type iot --state Installed",
        "order create --profile-type iot --state Unavailable",
        "order create --profile-type iot --state Released --hold",
        "order create --profile-type iot --error expired",
        "order create --profile-type iot --state Error --error tired",
        "order create --profile-type iot --state Error --error cancelled=x",
        "order history",
        "order list --state Lost",
        "order list --limit 0",
        "order show",
        "order show 89882801000000000014 --matching-id X",
        "order cancel 89882801000000000014 --final-status Gone",
    ] {
        let run = place.run(line);
        assert_eq!(run.code, Some(2), "{line:?}: {run:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{line:?}: {run:?}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "and nothing is left behind");
}

fn an_order_by_hand_is_downloaded_and_others_are_refused_with_their_codes() {
    let place = stocked(13);
    place.run("card new card --pki pki").ok();
    let server = place.serve();
    let (_, device) = ways(&server);
    let download = |options: &str| place.run(&format!("lpa --card card {device} --json download {options}"));
    let code = |order: &Value| order["activationCode"].as_str().unwrap().to_owned();

    let order = created(&place, "create");
    assert!(code(&order).starts_with("LPA:1$smdp.example.com$"), "{order}");
    assert_eq!(download(&code(&order)).json()["iccid"], order["iccid"]);
    let shown = place.run(&format!("order show {} --json", iccid(0))).json();
    assert_eq!((&shown["state"], &shown["eid"]), (&json!("Installed"), &json!(EID)), "{shown}");
    assert_eq!(shown["notifications"][0]["event"], "Install");

    for (options, pair) in [
        ("--expires-at 2020-01-01T00:00:00Z", "8.8.5/4.10"),
        ("--expires-in 0s", "8.8.5/4.10"),
        ("--download-attempts-left 0", "8.8.5/6.4"),
        ("--confirmation-code 0815 --confirmation-attempts-left 0", "8.8.5/6.4"),
        (&*format!("--eid {OTHER_EID}"), "8.1.1/3.8"),
        ("--hold", "8.2/1.2"),
    ] {
        let order = created(&place, &format!("create {options}"));
        let code = code(&order).replace("$$1", "");
        download(&format!("{code} --confirmation-code 0815")).failed(pair);
        // Why did this fail?
        let iccid = order["iccid"].as_str().unwrap();
        let failure = place.run(&format!("order show {iccid} --json")).json()["lastFailure"].clone();
        assert_eq!((&failure["function"], &failure["status"]), (&json!("AuthenticateClient"), &json!(pair)));
        let told = format!("AuthenticateClient {pair}: {}", failure["detail"].as_str().unwrap());
        assert!(place.run(&format!("order show {iccid}")).ok().contains(&told), "{told}");
        let list = place.run("order list").ok();
        assert!(list.lines().any(|line| line.starts_with(iccid) && line.ends_with(&told)), "{list}");
    }
    // By the EID alone; the one with a confirmation code asks for it.
    place
        .run(&format!("order create --profile-type iot --default-order --eid {EID} --confirmation-code 1234"))
        .ok();
    let by_eid = format!("--address {HOST} --confirmation-code");
    download(&format!("{by_eid} 1235")).failed("8.2.7/3.8");
    assert_eq!(download(&format!("{by_eid} 1234")).json()["iccid"], iccid(7));
    // One try left is one try.
    let order = created(&place, "create --confirmation-code 0815 --confirmation-attempts-left 1");
    let code = code(&order).replace("$$1", "");
    download(&format!("{code} --confirmation-code 1")).failed("8.2.7/6.4");
    // Stuck, and put back by hand: the server sees it at once.
    let stuck = place.run(&format!("order reset {} --yes --json", iccid(8))).json();
    assert_eq!((&stuck["state"], &stuck["before"]["state"]), (&json!("Released"), &json!("Error")));
    assert_eq!(stuck["attempts"]["confirmation"], 0);
    download(&format!("{code} --confirmation-code 0815")).ok();
    // Failed by hand.
    for (error, pair) in [("expired", "8.8.5/4.10"), ("cancelled=0", "8.2.6/3.8")] {
        let order = created(&place, &format!("create --state Error --error {error}"));
        download(order["activationCode"].as_str().unwrap()).failed(pair);
    }
    // Under random keys, found by a code that names the server.
    let order = created(&place, "create --key-mode random-keys --code-with-oid");
    assert_eq!(download(order["activationCode"].as_str().unwrap()).json()["iccid"], order["iccid"]);
    assert_eq!(server.terminate(), Some(0));
}

fn every_situation_is_prepared_listed_and_shown() {
    let place = stocked(8);
    let run = place
        .run("order create --iccid 8988280000000000003 --matching-id MINE --confirmation-code 0815 --qr");
    let text = run.ok();
    assert_eq!(text.lines().last(), Some("LPA:1$smdp.example.com$MINE$$1"), "{text}");
    assert!(text.contains('█') && text.contains("8988280000000000003 of type iot: Released"), "{text}");
    assert!(!place.run("order create --profile-type iot").ok().contains('█'), "no code is drawn unasked");

    let order = created(
        &place,
        &format!(
            "create --owner acme --config simyard.toml --eid {EID} --expires-at 2099-01-02T04:04:05+01:00 \
             --download-attempts-left 3 --confirmation-attempts-left 1"
        ),
    );
    assert_eq!((&order["state"], &order["linkedEid"]), (&json!("Released"), &json!(EID)));
    assert_eq!((&order["expiresAt"], &order["expired"]), (&json!("2099-01-02T03:04:05Z"), &json!(false)));
    let attempts = json!({ "download": 7, "downloadLeft": 3, "confirmation": 4, "confirmationLeft": 1 });
    assert_eq!(order["attempts"], attempts);
    let reserved = created(&place, "create --reserve-only");
    assert_eq!((&reserved["state"], &reserved["activationCode"]), (&json!("Allocated"), &Value::Null));
    let held = created(&place, "create --hold --no-expiry");
    assert_eq!((&held["state"], &held["expiresAt"]), (&json!("Confirmed"), &Value::Null));

    // Refused before anything is written.
    for (options, says) in [
        ("--matching-id MINE", "another order has matching identifier MINE"),
        ("--default-order", "found by its EID"),
        ("--download-attempts-left 11", "the settings allow 10"),
        ("--owner beta", "belong to acme"),
    ] {
        place.run(&format!("order create --profile-type iot {options}")).failed(says);
    }
    place.run("order create --profile-type none").failed("no profile of type none");
    place.run("order create --iccid 89882801000000000014").failed("not in the stock");
    place.run(&format!("order create --iccid {}", iccid(3))).failed("is Released; expected Available");
    assert_eq!(created(&place, "create")["iccid"], iccid(5), "the next one is still there");

    // Listed by state, type and EID, a page at a time.
    let listed = |line: &str| {
        let page = place.run(&format!("order {line} --json")).json();
        let orders = page["orders"].as_array().unwrap().clone();
        let iccids: Vec<String> =
            orders.iter().map(|order| order["iccid"].as_str().unwrap().to_owned()).collect();
        (iccids, page["next"].clone())
    };
    let of = |numbers: &[usize]| numbers.iter().map(|number| iccid(*number)).collect::<Vec<_>>();
    assert_eq!(listed("list"), (of(&[0, 1, 2, 3, 4, 5]), Value::Null));
    assert_eq!(listed("list --limit 2 --profile-type iot"), (of(&[0, 1]), json!(iccid(1))));
    assert_eq!(listed(&format!("list --limit 4 --after {}", iccid(1))), (of(&[2, 3, 4, 5]), Value::Null));
    assert_eq!(listed("list --state released"), (of(&[0, 1, 3, 5]), Value::Null));
    assert_eq!(listed("list --state Available --config simyard.toml").0, of(&[6, 7]));
    assert_eq!(listed(&format!("list --eid {EID}")).0, of(&[1]));
    assert_eq!(listed("list --eid 8904903 --owner acme").0, of(&[1]));
    assert_eq!(listed("list --eid 8904904").0, of(&[]));
    assert_eq!(listed("list --owner beta").0, of(&[]));
    assert_eq!(listed("list --matching-id MINE").0, of(&[3]));
    assert_eq!(listed("list --profile-type none").0, of(&[]));
    let run = place.run("order list --limit 1");
    assert_eq!(run.ok().lines().count(), 1);
    assert!(run.stderr.contains(&format!("--after {}", iccid(0))), "{run:?}");

    // Shown, but for the hash of the code.
    let page = place.run("order show --matching-id MINE").ok();
    for words in
        ["Released", "MINE", "LPA:1$smdp.example.com$MINE$$1", "asked for", "0 of 10 downloads", "acme"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let shown = place.run("order show --matching-id MINE --json --config simyard.toml").json();
    assert_eq!((&shown["iccid"], &shown["confirmationCodeRequired"]), (&json!(iccid(3)), &json!(true)));
    let hash = hex::encode(simyard::crypto::hash::code_hash("0815"));
    for text in [page, shown.to_string()] {
        assert!(!text.to_lowercase().contains(&hash) && !text.contains("0815"), "{text}");
    }
    place.run("order show --matching-id NONE").failed("NONE");
    place.run("order show 89882801000000000014").failed("89882801000000000014 is not in the stock");
    place.write("simyard.toml", &format!("store = \"sqlite:absent/x.db\"\n{SETTINGS}"));
    place.run("order list").failed("absent/x.db");
}

/// Of so many octets, with a header that says 64 x 64.
fn icon(octets: usize) -> Vec<u8> {
    let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x40".to_vec();
    image.resize(octets - 12, 7);
    image.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    image
}

fn an_order_says_what_its_package_is_to_be() {
    let place = stocked(6);
    place.write_octets("icon.png", &icon(1024));
    place.write_octets("long.png", &icon(1025));
    place.write(
        "metadata.toml",
        "service_provider_name = \"Acme Lab\"\nicon = \"icon.png\"\nmcc_mnc = \"310260\"\ngid1 = \"0A\"\n\
         policy_rules = [\"ppr1\"]\nnotification_addresses = [\"two.example.com\"]\n\
         notification = [{ address = \"three.example.com\", events = [\"install\"] }]\n\
         service_specific_data = [{ vendor = \"2.999.7\", data = \"800107\", stored = true }]\n\
         ecall_indication = true\nfallback_allowed = true\n",
    );
    let order = created(&place, "create --key-mode random-keys --metadata metadata.toml");
    assert_eq!(order["keyMode"], "random-keys");
    let expected = json!({
        "isOwn": true,
        "serviceProviderName": "Acme Lab",
        "profileName": order["metadata"]["profileName"],
        "profileClass": "operational",
        "icon": { "type": "png", "octets": 1024 },
        "profileOwner": { "mccMnc": "310260", "gid1": "0A", "gid2": null },
        "profilePolicyRules": ["ppr1"],
        "notifications": [
            { "address": "two.example.com", "events": ["enable", "disable", "delete"] },
            { "address": "three.example.com", "events": ["install"] },
        ],
        "ecallIndication": true,
        "fallbackAllowed": true,
        "serviceSpecificData": [{ "vendor": "2.999.7", "data": "800107", "stored": true }],
    });
    assert_eq!(order["metadata"], expected);
    let page = place.run(&format!("order show {}", iccid(0))).ok();
    for words in [
        "random keys",
        "of its own",
        "Acme Lab",
        "png, 1024 octets",
        "310260, gid1 0A",
        "ppr1",
        "for emergency calls",
        "may be the fallback profile",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    // What its type says stays out of it.
    let plain = created(&place, "create");
    assert_eq!((&plain["keyMode"], &plain["metadata"]["isOwn"]), (&json!("session-keys"), &json!(false)));
    assert!(place.run(&format!("order show {}", iccid(1))).ok().contains("session keys, as its type says"));
    let ruled = created(&place, "create --metadata metadata.toml --policy-rules ppr2,ppr-update-control");
    assert_eq!(ruled["metadata"]["profilePolicyRules"], json!(["ppr-update-control", "ppr2"]));
    let unruled = created(&place, "create --metadata metadata.toml --policy-rules none");
    assert_eq!(unruled["metadata"]["profilePolicyRules"], json!([]));

    for (file, says) in [
        ("icon = \"long.png\"\n", "wrong.toml:1: icon: an icon has 1 to 1024 octets"),
        ("icon = \"absent.png\"\n", "wrong.toml:1: icon"),
        ("icon = \"wrong.toml\"\n", "PNG or a JPEG"),
        ("\npolicy_rules = [\"ppr1\"]\n", "wrong.toml:2: policy_rules: policy rules need an owner"),
        ("gid1 = \"01\"\n", "wrong.toml:1: gid1, gid2: a group needs its operator"),
        ("mcc_mnc = \"26201\"\ngid1 = \"xx\"\n", "wrong.toml:2: gid1: expected hexadecimal digits"),
        ("profile_name = \"\"\nnames = 1\n", "unknown field `names`"),
        ("notification = [{ address = \"a\", events = [] }]\n", "at least one event"),
        ("service_specific_data = [{ vendor = \"2.999\", data = \"80\" }]\n", "whole TLVs"),
        ("service_specific_data = [{ vendor = \"x\", data = \"8000\" }]\n", "object identifier"),
    ] {
        place.write("wrong.toml", file);
        place.run("order create --profile-type iot --metadata wrong.toml").failed(says);
    }
    let long = format!("profile_name = \"{}\"\n", "x".repeat(65));
    place.write("wrong.toml", &long);
    let refused = place.run("order create --profile-type iot --metadata wrong.toml");
    refused.failed("wrong.toml:1: profile_name: profile_name may have 64 characters, and has 65");
    place.run("order create --profile-type iot --metadata none.toml").failed("cannot read none.toml");
    place.run("order create --profile-type iot --policy-rules ppr1").failed("need an owner");
    assert_eq!(place.run("order create --profile-type iot --policy-rules ppr3").code, Some(2));
    assert_eq!(place.run("order create --profile-type iot --key-mode none").code, Some(2));
    assert_eq!(created(&place, "create --by somebody")["iccid"], iccid(4), "nothing was ordered meanwhile");

    // Many of them, each with its own number in the metadata.
    let many = "order create --profile-type iot --count 1 --csv out.csv --run-id r --metadata metadata.toml";
    place.run(many).ok();
    let made = place.run(&format!("order show {} --json", iccid(5))).json();
    assert_eq!(made["metadata"], expected);
    place.run(&many.replace(" --metadata metadata.toml", "")).failed("made with other options");
}

fn an_order_is_made_in_any_state_that_a_hand_can_make() {
    let place = stocked(12);
    for (options, state, error) in [
        ("--state Allocated".to_owned(), "Allocated", ""),
        (format!("--state linked --eid {EID}"), "Linked", ""),
        ("--state confirmed".to_owned(), "Confirmed", ""),
        ("--state Released".to_owned(), "Released", ""),
        ("--state Error --error expired".to_owned(), "Error", "it expired"),
        ("--state Error --error download-attempts".to_owned(), "Error", "the download attempts"),
        ("--state Error --error confirmation-attempts".to_owned(), "Error", "the confirmation code attempts"),
        ("--state Error --error not-eligible=memory".to_owned(), "Error", "not eligible"),
        ("--state Error --error cancelled=0".to_owned(), "Error", "endUserRejection (0)"),
        ("--state Error --error installation=12".to_owned(), "Error", "errorReason 12"),
    ] {
        let order = created(&place, &format!("create {options}"));
        assert_eq!(order["state"], state, "{options}");
        assert!(order["error"].as_str().unwrap_or_default().contains(error), "{order}");
    }
    for (options, says) in [
        (format!("--state Allocated --eid {EID}"), "is Linked, not Allocated"),
        ("--state Linked".to_owned(), "has an EID: --eid"),
        ("--state Allocated --matching-id X".to_owned(), "no matching identifier"),
        ("--state Error".to_owned(), "needs a reason"),
        ("--state Released --error expired".to_owned(), "Released is another state"),
        ("--state Confirmed --download-attempts-left 0".to_owned(), "once an order is released"),
    ] {
        place.run(&format!("order create --profile-type iot {options}")).failed(says);
    }
    let refused = place.run("order create --profile-type iot --state installed");
    assert!(refused.stderr.contains("takes an eUICC"), "{refused:?}");
    // One that failed is put back like any other.
    let back = place.run(&format!("order reset {} --yes --json", iccid(4))).json();
    assert_eq!((&back["state"], &back["before"]["state"]), (&json!("Released"), &json!("Error")));
}

fn a_history_tells_who_did_what_and_what_followed() {
    let place = stocked(2);
    place.run("card new card --pki pki").ok();
    let order = created(&place, "create --by Ann --hold --matching-id MINE");
    place.run("order release --matching-id MINE --by Bob").ok();
    let server = place.serve();
    let (_, device) = ways(&server);
    let code = order["activationCode"].as_str().unwrap();
    place.run(&format!("lpa --card card {device} download {code}")).ok();
    let history = place.run("order history --matching-id MINE --json --config simyard.toml").json();
    assert_eq!((&history["iccid"], &history["state"]), (&json!(iccid(0)), &json!("Installed")));
    let events = history["events"].as_array().unwrap();
    let mut names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    // The notification says when it came, the order when it was read.
    names[7..].sort_unstable();
    assert_eq!(
        names,
        [
            "stocked",
            "create",
            "ordered",
            "confirmed",
            "release",
            "released",
            "downloaded",
            "installed",
            "notification"
        ]
    );
    assert_eq!((&events[1]["person"], &events[1]["to"]), (&json!("Ann"), &json!("Confirmed")));
    assert_eq!((&events[4]["person"], &events[4]["from"]), (&json!("Bob"), &json!("Confirmed")));
    assert_eq!(events[2]["person"], Value::Null);
    assert_eq!(server.terminate(), Some(0));

    // Of one that was cancelled the changes by hand are left, in words too, and the system's user has a name.
    created(&place, "create --state Error --error expired");
    place.run(&format!("order reset {} --yes", iccid(1))).ok();
    place.run(&format!("order cancel {} --by Ann", iccid(1))).ok();
    let text = place.run(&format!("order history {}", iccid(1))).ok();
    for words in [
        "create       by ",
        "Available to Error\n",
        "failed 20",
        "cancel       by Ann, Released to Available",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(text.lines().count(), 4, "{text}");
    place.run("order history 89882801000000000014").failed("not in the stock");
}

fn activation_codes_are_drawn_and_name_the_server() {
    let place = stocked(6);
    let read = |name: &str| std::fs::read(place.path().join(name)).unwrap();
    let drawn = |name: &str, code: &str| {
        assert_eq!(read(&format!("{name}.png")), simyard::cli::qr::png(code).unwrap(), "{name}");
        assert_eq!(read(&format!("{name}.svg")), simyard::cli::qr::svg(code).unwrap().as_bytes(), "{name}");
    };
    let order = created(&place, "create --matching-id A --code-with-oid --qr codes");
    assert_eq!(order["activationCode"], "LPA:1$smdp.example.com$A$2.999.10");
    drawn(&format!("codes/{}", iccid(0)), "LPA:1$smdp.example.com$A$2.999.10");
    let order = created(&place, "create --matching-id B --code-with-oid --confirmation-code 1");
    assert_eq!(order["activationCode"], "LPA:1$smdp.example.com$B$2.999.10$1");
    let shown = place.run("order show --matching-id B --code-with-oid --json").json();
    assert_eq!(shown["activationCode"], order["activationCode"]);
    let plain = place.run("order show --matching-id B --json").json();
    assert_eq!(plain["activationCode"], "LPA:1$smdp.example.com$B$$1");
    place.run("order create --profile-type iot --json --qr").failed("draws on the terminal");
    place.run("order create --profile-type iot --count 1 --csv x.csv --qr").failed("draws on the terminal");

    // One for each order of a run, again where they were lost, and none for one that is over.
    let many =
        "order create --profile-type iot --count 2 --csv out.csv --run-id r --qr many/codes --code-with-oid";
    place.run(many).ok();
    let rows = || {
        let table = String::from_utf8(read("out.csv")).unwrap();
        let row = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        table.lines().skip(1).map(row).collect::<Vec<_>>()
    };
    for row in rows() {
        assert!(row[4].ends_with("$2.999.10"), "{row:?}");
        drawn(&format!("many/codes/{}", row[1]), &row[4]);
    }
    let first = rows()[0].clone();
    std::fs::remove_file(place.path().join(format!("many/codes/{}.png", first[1]))).unwrap();
    let second = rows()[1][1].clone();
    place.run(&format!("order cancel {second}")).ok();
    place.run(many).ok();
    drawn(&format!("many/codes/{}", first[1]), &first[4]);
    assert_eq!(std::fs::read_dir(place.path().join("many/codes")).unwrap().count(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = place.path().join(format!("many/codes/{}.svg", first[1]));
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Its certificate is not there.
    std::fs::remove_file(place.path().join("pki/dp-auth.pem")).unwrap();
    place.run("order show --matching-id A --code-with-oid").failed("dp_auth_certificate");
}

fn orders_are_released_and_cancelled_by_hand() {
    let place = stocked(3);
    let held = created(&place, "create --hold --matching-id HELD");
    assert_eq!(held["iccid"], iccid(0));
    let released =
        place.run("order release --matching-id HELD --by somebody --json --config simyard.toml").json();
    assert_eq!((&released["state"], &released["matchingId"]), (&json!("Released"), &json!("HELD")));
    place.run(&format!("order release {}", iccid(0))).failed("is Released; expected Confirmed");
    created(&place, "create --hold");
    assert!(place.run(&format!("order release {}", iccid(1))).ok().contains("Released"));

    let cancelled =
        place.run("order cancel --matching-id HELD --by somebody --json --config simyard.toml").json();
    assert_eq!((&cancelled["state"], &cancelled["matchingId"]), (&json!("Available"), &Value::Null));
    place.run(&format!("order cancel {}", iccid(0))).failed("is Available; expected Allocated");
    let text = place.run(&format!("order cancel {} --final-status Unavailable", iccid(1))).ok();
    assert!(text.contains("Unavailable"), "{text}");
    place.run(&format!("order create --iccid {}", iccid(1))).failed("is Unavailable; expected Available");
}

fn an_order_that_is_stuck_is_reset_with_yes_alone() {
    let place = stocked(2);
    let options = "--matching-id STUCK --expires-at 2020-01-01T00:00:00Z --download-attempts-left 0";
    created(&place, &format!("create {options}"));
    let run = place.run("order reset --matching-id STUCK");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("nothing was changed: --yes does it"), "{run:?}");
    for words in [
        "is Released, expired since 2020-01-01T00:00:00Z, with 10 of 10 downloads",
        "becomes Released, without expiry",
    ] {
        assert!(run.stdout.contains(words), "{words}: {run:?}");
    }
    let shown = || place.run("order show --matching-id STUCK --json").json();
    assert_eq!((&shown()["expired"], &shown()["attempts"]["downloadLeft"]), (&json!(true), &json!(0)));
    let told = place.run("order reset --matching-id STUCK --yes --by somebody --expires-in 2h").ok();
    assert!(told.contains("becomes Released, until 20") && told.contains("done at "), "{told}");
    assert_eq!((&shown()["expired"], &shown()["attempts"]["downloadLeft"]), (&json!(false), &json!(10)));
    let until = shown()["expiresAt"].clone();
    place.run(&format!("order reset {} --yes --config simyard.toml", iccid(0))).ok();
    assert_eq!(shown()["expiresAt"], until, "an expiry that is not past is kept");
    let reset = place.run("order reset --matching-id STUCK --yes --json --no-expiry").json();
    assert_eq!((&reset["expiresAt"], &reset["before"]["expiresAt"]), (&Value::Null, &until));
    let reset = place.run("order reset --matching-id STUCK --yes --json --expires-at 2099-01-01T00:00:00Z");
    assert_eq!(reset.json()["expiresAt"], "2099-01-01T00:00:00Z");
    place.run(&format!("order reset {} --yes", iccid(1))).failed("is Available; expected Error");
}

fn many_orders_are_made_once_and_written_whole() {
    let place = stocked(6);
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap();
    let made =
        place.run("order create --profile-type iot --count 3 --csv out.csv --run-id lab-1 --json").json();
    let expected = json!({ "runId": "lab-1", "orders": 3, "cancelled": 0, "csv": "out.csv" });
    assert_eq!(made, expected);
    let table = read("out.csv");
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0].join(","), "order,iccid,eid,matching_id,activation_code,expires_at");
    assert_eq!(rows.len(), 4, "{table}");
    for (number, row) in rows.iter().enumerate().skip(1) {
        assert_eq!((row[0], row[2], row[5]), (&*number.to_string(), "", ""), "{table}");
        assert_eq!(row[4], format!("LPA:1$smdp.example.com${}", row[3]));
        let shown = place.run(&format!("order show {} --json", row[1])).json();
        assert_eq!((&shown["state"], &shown["matchingId"]), (&json!("Released"), &json!(row[3])));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(place.path().join("out.csv")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "codes are their owner's");
    }
    // The file is lost: the same run writes the same one, and orders nothing.
    std::fs::remove_file(place.path().join("out.csv")).unwrap();
    let again = "order create --profile-type iot --count 3 --csv out.csv --run-id lab-1";
    assert!(place.run(again).ok().contains("run lab-1: 3 orders in out.csv"));
    assert_eq!(read("out.csv"), table);
    place.run(again).ok();
    assert_eq!(read("out.csv"), table);
    place.run(&again.replace("--count 3", "--count 2")).failed("made with other options");
    place
        .run(&again.replace("--count 3", "--count 4").replace("lab-1", "lab-2"))
        .failed("out.csv is there already");
    place.run("order create --profile-type iot --count 4 --csv new.csv").failed("3 are available");
    place.run("order create --profile-type iot --count 1 --csv absent/new.csv").failed("absent is no folder");

    // One for each EID, by default address; a row that was cancelled keeps its ICCID alone.
    place.write("eids.txt", &format!("# of the lab\n{EID}\n\n {OTHER_EID} \n"));
    let by_eid =
        "order create --profile-type iot --eids eids.txt --default-order --csv eids.csv --run-id lab-3";
    place.run(by_eid).ok();
    let table = read("eids.csv");
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!((rows[0][2], rows[1][2], rows.len()), (EID, OTHER_EID, 2), "{table}");
    assert_eq!(rows[1][4], "LPA:1$smdp.example.com$");
    place.run(&format!("order cancel {}", rows[1][1])).ok();
    assert!(place.run(by_eid).ok().contains("1 of them was cancelled since"));
    assert_eq!(read("eids.csv").lines().nth(2), Some(&*format!("2,{},,,,", rows[1][1])));
    place.run(&format!("{by_eid} --count 3")).failed("has 2");
    place.write("eids.txt", &format!("{EID}\n123\n"));
    place.run(by_eid).failed("eids.txt: line 2");
    place.write("eids.txt", "# none\n");
    place.run(by_eid).failed("eids.txt has no EID");
    place.run(&by_eid.replace("eids.txt", "none.txt")).failed("none.txt");
    let drawn = place.run("order create --profile-type iot --count 1 --csv last.csv");
    assert!(drawn.ok().contains("1 order in last.csv") && drawn.stderr.contains("--run-id "), "{drawn:?}");
    let names: Vec<_> =
        std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        names.iter().all(|name| !name.to_string_lossy().contains(".csv.")),
        "nothing lies aside: {names:?}"
    );
}
