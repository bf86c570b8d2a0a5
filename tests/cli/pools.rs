//! `simyard pool`, `stock allocate` and its like, `operator-key` and `batch generate`: numbers and profiles that are taken,
//! given back and made.

use crate::binary::{ICCIDS, Place, SETTINGS};

crate::tests!(
    numbers_are_drawn_given_back_and_retired,
    profiles_are_set_aside_and_come_back,
    subscriptions_are_made_and_each_is_another,
    what_a_generation_lacks_is_told,
    a_row_has_as_many_imsis_as_its_sub_class,
);

const POOLS: &str = r#"sub_class = "Card Business Brazil"
pools = { iccid = "cards", msisdn = "numbers", home = "home", global = "global" }
quarantine_days = 1
[[pool]]
name = "cards"
kind = "iccid"
operator = "acme"
purpose = "cards of this test"
check_digit = true
first = "89882809000000000016"
last = "89882809000000099992"
low_water = 2000000
[[pool]]
name = "home"
kind = "imsi"
operator = "acme"
mcc_mnc = "72468"
first = "724680000000000"
last = "724680000009999"
[[pool]]
name = "global"
kind = "imsi"
operator = "acme"
mcc_mnc = "90140"
first = "901409000000000"
last = "901409000000002"
quarantine_days = 0
[[pool]]
name = "numbers"
kind = "msisdn"
operator = "acme"
first = "882285000000"
last = "882285009999"
"#;

/// A template with four subscriptions: the table of an applet of Brazil.
const BRAZIL: &str = r#"
[[element]]
kind = "genericFileManagement"
[[element.fileManagementCMD]]
path = "7FD0"
fcp = { descriptor = "transparent", fileID = "6FA0", access = "6F06/3", size = 200, shortEFID = "none" }
[element.fileManagementCMD.content.multi_imsi]
first = 1
retry_seconds = 240
return_hours = 24
entries = [
  { index = 1, imsi = "724680000000001", key = 0, networks = ["724"], role = "home" },
  { index = 2, imsi = "901405100000001", key = 0, rotation_days = 60, role = "global" },
  { index = 3, imsi = "901405100000002", key = 0, rotation_days = 60, role = "global" },
  { index = 4, imsi = "901405100000003", key = 0, rotation_days = 60, role = "global" },
]
"#;

fn place() -> Place {
    let place = Place::new();
    place.write("simyard.toml", &format!("{SETTINGS}{POOLS}"));
    place
}

fn numbers_are_drawn_given_back_and_retired() {
    let place = place();
    let list = place.run("pool list");
    assert_eq!(list.ok().lines().count(), 4, "{}", list.stdout);
    assert!(list.stderr.contains("pool cards has 9999 numbers left, fewer than 2000000"), "{}", list.stderr);
    let all = place.run("pool list --config simyard.toml --json").json();
    assert_eq!((&all[0]["name"], &all[0]["is_low"]), (&"cards".into(), &true.into()));
    assert_eq!((&all[2]["left"], &all[2]["check_digit"]), (&3.into(), &false.into()));

    let doctor = place.run("doctor").stdout;
    assert!(
        doctor.contains("pool cards: 9999 numbers left") && doctor.contains("give it a longer range"),
        "{doctor}"
    );

    let drawn = place.run("pool allocate global --count 2 --id one --for 36h --by someone --json").json();
    assert_eq!(drawn["numbers"], serde_json::json!(["901409000000000", "901409000000001"]));
    assert!(drawn["until"].is_string() && drawn["repeated"] == false, "{drawn}");
    let again = place.run("pool allocate global --count 2 --id one --config simyard.toml");
    assert_eq!(again.ok(), "901409000000000\n901409000000001\n");
    assert!(again.stderr.contains("allocation one, until 20") && again.stderr.contains("drawn before"));
    place.run("pool allocate global --count 2").failed("pool global has not 2 numbers left: 1 are");
    place.run("pool allocate global --count 1 --id one").failed("allocation one stands for another request");
    place.run("pool allocate absent").failed("no [[pool]] is named absent");
    let refused = place.run("pool allocate cards --by identity:erp");
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("not an identity of the admin API"), "{}", refused.stderr);

    place.run("pool release global --number 901409000000000").failed("would be released: --yes does it");
    let released = place.run("pool release global --number 901409000000000 --yes --by x --json").json();
    assert_eq!(released["done"], "released");
    place.run("pool release global --id one --yes").failed("901409000000000 is not in a state");
    let shown = place.run("pool show global --number 901409000000000").ok();
    assert!(shown.contains("quarantined until") && shown.contains("by x at"), "{shown}");
    let shown = place.run("pool show global --number 901409000000001 --json").json();
    assert_eq!((&shown["state"], &shown["allocation_id"]), (&"reserved".into(), &"one".into()));
    assert_eq!(
        place.run("pool show home --number 724680000000005").ok().trim(),
        "724680000000005: nobody ever had it"
    );
    place.run("pool quarantine home --number 724680000000001 --yes --by x --config simyard.toml").ok();
    assert_eq!(place.run("pool quarantine home --id absent --json --yes").code, Some(1), "no number at all");
    let retired =
        place.run("pool retire home --number 724680000000000 --number 724680000000002 --yes --by x").ok();
    assert_eq!(retired.trim(), "2 numbers of pool home retired");
    place
        .run("pool retire home --id absent --json --config simyard.toml")
        .failed("0 numbers of pool home would be");
    assert_eq!(place.run("pool allocate home --count 1").ok().trim(), "724680000000003");
    let shown = place.run("pool show cards --config simyard.toml").ok();
    for text in [
        "cards: iccid of acme",
        "cards of this test",
        "89882809000000000016 to 89882809000000099992, 9999 numbers, with check digit",
        "9999 left, 0 of them given back earlier",
    ] {
        assert!(shown.lines().any(|line| line == text), "{text}: {shown}");
    }
    let shown = place.run("pool show home --json").json();
    assert_eq!((&shown["level"]["retired"], &shown["level"]["allocated"]), (&2.into(), &1.into()));
    let audit = place.run("audit list --json").ok();
    for action in ["pool.allocate", "pool.release", "pool.retire"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
}

fn profiles_are_set_aside_and_come_back() {
    let place = Place::new();
    let settings = format!("{SETTINGS}quarantine_days = 0\n");
    place.write("simyard.toml", &settings);
    place.write("batch.csv", &crate::binary::batch());
    place.run("ingest batch.csv --profile-type iot").ok();
    let taken = place.run("stock allocate --profile-type iot --count 1 --id one --by someone --json").json();
    assert_eq!(taken["iccids"], serde_json::json!([ICCIDS[0]]));
    let again = place.run("stock allocate --profile-type iot --id one --config simyard.toml");
    assert_eq!(again.ok().trim(), ICCIDS[0]);
    assert!(again.stderr.contains("allocation one, taken before"), "{}", again.stderr);
    let reserved = place.run(
        "stock reserve --profile-type iot --for 2h --count 1 --id two --by x --json --config simyard.toml",
    );
    assert!(reserved.json()["until"].is_string());
    place
        .run("stock allocate --profile-type iot --count 2")
        .failed("acme has not 2 profiles of type iot in stock");
    place.run("stock allocate --profile-type absent").failed("no [[profile_type]] absent");

    place.run(&format!("stock release {}", ICCIDS[0])).failed("1 profile would be taken back: --yes does it");
    let back = place.run("stock release --id one --yes --by x --json --config simyard.toml").json();
    assert_eq!((&back[0]["iccid"], &back[0]["state"]), (&ICCIDS[0].into(), &"quarantined".into()));
    // Its quarantine of no day is over: whoever needs it finds it.
    assert_eq!(place.run("stock allocate --profile-type iot --count 2 --id three").ok().lines().count(), 2);
    place
        .run(&format!("stock lost {} --yes --by x --json --config simyard.toml", ICCIDS[0]))
        .failed("the profile is not on an eUICC");
    place.run("stock lost --id three").failed("2 profiles would be declared lost");
    place.run("stock retire --id three").failed("2 profiles would be retired, and their keys wiped");
    let retired = place.run("stock retire --id two --yes --by someone --config simyard.toml").ok();
    assert_eq!(retired.trim(), format!("{} retired", ICCIDS[1]));
    place.run(&format!("stock retire {} --yes --json", ICCIDS[1])).failed("takes no Retire");
    place.run("stock release 89882801000000000099 --yes").failed("is not in the stock");
    let history = place.run(&format!("order history {}", ICCIDS[1])).ok();
    assert!(history.contains("retire") && history.contains("someone"), "{history}");
    let audit = place.run("audit list --json").ok();
    for action in ["stock.allocate", "stock.reserve", "stock.release", "stock.retire"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
}

fn subscriptions_are_made_and_each_is_another() {
    let place = place();
    place.run("profile template test-milenage -o base.toml").ok();
    let base = std::fs::read_to_string(place.path().join("base.toml")).unwrap();
    let (front, end) = base.rsplit_once("[[element]]").unwrap();
    place.write("brazil.toml", &format!("{front}{BRAZIL}\n[[element]]{end}"));
    place.write(
        "simyard.toml",
        &format!("{SETTINGS}template = \"brazil.toml\"\n{POOLS}").replace("000002\"\nquar", "009999\"\nquar"),
    );
    place.write("op.txt", "00112233445566778899aabbccddeef0\n");
    assert_eq!(place.run("operator-key list").ok(), "");
    place.run("batch generate --profile-type iot --count 3").failed("operator acme has no OP");
    place.run("operator-key import op.txt --operator acme --by someone --config simyard.toml").ok();
    place.run("operator-key import op.txt --operator acme").failed("has an OP already");
    let keys = place.run("operator-key list --json --config simyard.toml").json();
    assert_eq!((&keys[0]["operator"], &keys[0]["by"]), (&"acme".into(), &"someone".into()));

    let line = "batch generate --profile-type iot --count 700 --batch-id B-1";
    let made = place.run(&format!("{line} --by someone --json --config simyard.toml")).json();
    assert_eq!((&made["profiles"], &made["sub_class"]), (&700.into(), &"Card Business Brazil".into()));
    assert_eq!(made["first_iccid"], "89882809000000000016");
    assert_eq!(made["repeated"], false);
    let again = place.run(line).ok();
    assert!(again.contains("700 subscriptions of type iot made before"), "{again}");
    place.run("batch generate --profile-type iot --count 5 --batch-id B-1").failed("nothing was taken");
    let levels = place.run("pool list --json").json();
    let level = |at: usize| &levels[at]["level"];
    assert_eq!((&level(0)["allocated"], &level(1)["allocated"]), (&700.into(), &700.into()), "{levels}");
    assert_eq!((&level(2)["allocated"], &level(3)["allocated"]), (&2100.into(), &700.into()), "{levels}");
    for at in 0..4 {
        assert_eq!(level(at)["reserved"], 0, "{levels}");
    }
    place
        .run("pool release cards --number 89882809000000000016 --yes")
        .failed("belongs to a profile of the stock");
    assert_eq!(place.run("stock allocate --profile-type iot --count 700").ok().lines().count(), 700);
    let made = place.run("batch generate --profile-type iot --count 1").ok();
    assert!(made.contains("1 subscription of type iot made"), "{made}");
}

fn what_a_generation_lacks_is_told() {
    let place = Place::new();
    place.write("op.txt", "00112233445566778899aabbccddeef0");
    let with = |members: &str| place.write("simyard.toml", &format!("{SETTINGS}{members}"));
    let generate = || place.run("batch generate --profile-type iot --count 2");
    with("");
    generate().failed("profile type iot has no sub_class");
    with("sub_class = \"Chip Industrial\"\n");
    generate().failed("profile type iot has no pool of ICCIDs");
    with(&POOLS.replace("Card Business Brazil", "Chip Industrial").replace("home = \"home\", ", ""));
    generate().failed("the settings have no [[pool]] imsi-global");
    place.run("batch generate --profile-type other --count 1").failed("no [[profile_type]] other");
    with(POOLS);
    place.run("operator-key import op.txt --operator other").failed("no [[operator]] other");
    place.run("operator-key import absent.txt --operator acme").failed("absent.txt");
    place.write("bad.txt", "00112233445566778899aabbccddee");
    let refused = place.run("operator-key import bad.txt --operator acme");
    refused.failed("OP has 32 hexadecimal digits");
    assert!(!refused.stderr.contains("001122"), "{}", refused.stderr);
    place.run("operator-key import op.txt --operator acme").ok();
    generate().failed("subscriptions of sub-class Card Business Brazil do not fit the template");
    place.run("batch generate --profile-type iot --count 0").failed("0 subscriptions: 1 to");
    // Nothing was drawn for what could not be made.
    for pool in place.run("pool list --json").json().as_array().unwrap() {
        assert_eq!(pool["level"]["reserved"], 0, "{pool}");
    }
}

fn a_row_has_as_many_imsis_as_its_sub_class() {
    let place = Place::new();
    place.write("batch.csv", &crate::binary::batch());
    place.write("simyard.toml", &format!("{SETTINGS}sub_class = \"Card Business China+\"\n"));
    let refused = place.run("ingest batch.csv --profile-type iot");
    refused.failed("line 2, imsi: 1 IMSIs, expected 2");
    let cards = "[[pool]]\nname = \"cards\"\nkind = \"iccid\"\noperator = \"acme\"\ncheck_digit = true\n\
                 first = \"89882802000000000013\"\nlast = \"89882802000000000997\"\n";
    place.write("simyard.toml", &format!("{SETTINGS}sub_class = \"Card Business\"\n{cards}"));
    place.run("ingest batch.csv --profile-type iot").failed("lies in the range of no issuer");
    place.write("simyard.toml", &format!("{SETTINGS}sub_class = \"Card Business\"\n"));
    let receipt = place.run("ingest batch.csv --profile-type iot --json").json();
    assert_eq!((&receipt["profiles"], &receipt["sub_class"]), (&3.into(), &"Card Business".into()));
}
