//! The errors of ESipa: each function's, its integer in the ASN.1 binding and its pair in the JSON binding (SGP.32 6.4; of
//! relayed functions SGP.22 5.6); and what leads to them: every error of `src/eim` has a recorded example (`tests/examples.rs`),
//! or it is listed here why it has none. The whole table stands in `testvectors/sgp32/errors.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use simyard::binding::esipa::EsipaCode;
use simyard_asn1::Decode as _;
use simyard_asn1::iot::esipa::{EsipaResponse, Function};

use crate::examples::{self, ESIPA_FUNCTIONS};
use crate::status::variants_of;

crate::tests!(the_table_of_errors_is_the_committed_one);

const RACE: &str = "the eUICC must change four times while it is read";
const SPOILT: &str = "only a store whose content was spoilt leads to it";
/// Errors without a recorded example, and why.
const WITHOUT_EXAMPLE: &[(&str, &str, &str)] = &[
    ("get_eim_package", "Race", RACE),
    ("get_eim_package", "KeyMissing", "a key must be lost from the settings (tests/eim/keys.rs)"),
    ("get_eim_package", "Signing", "the library signs with every key that it has loaded"),
    ("get_eim_package", "Codes", SPOILT),
    ("get_eim_package", "Seal", SPOILT),
    ("provide_eim_package_result", "Race", RACE),
    ("initiate_authentication", "Store", "the trigger is read from the same store before"),
    (
        "initiate_authentication",
        "Taken",
        "an SM-DP+ must repeat the transactionId of another device's session",
    ),
    ("handle_notification", "Full", "hundreds of notifications must wait (tests/eim/notifications.rs)"),
    ("handle_notification", "Race", RACE),
];

/// The errors of a function as they were recorded: the name of each, with its code, or the HTTP status where it has none.
fn recorded(function: examples::Function) -> Vec<(String, String)> {
    let text = fs::read_to_string(examples::path(function)).unwrap();
    let recorded: Value = serde_json::from_str(&text).unwrap();
    let mut errors = Vec::new();
    for example in recorded["examples"].as_array().unwrap() {
        let name = example["name"].as_str().unwrap().to_owned();
        let code = match example["asn1"]["answer"].as_str() {
            Some(answer) => {
                let answer = hex::decode(answer).unwrap();
                let answer = EsipaResponse::from_der(&answer).unwrap();
                EsipaCode::of_response(&answer).map(|code| code.to_string())
            }
            None => Some(format!("HTTP {}", example["asn1"]["status"])).filter(|status| status != "HTTP 204"),
        };
        if let Some(code) = code {
            errors.push((name, code));
        }
    }
    errors
}

/// Every error of `src/eim`, what a device hears of it, and whether an example is recorded.
fn causes() -> String {
    let mut text = String::from(
        "\n## What leads to them\n\nEvery error of the functions in `src/eim`, what the device hears, and whether an example of it \
         is recorded in `esipa`.\n\n| function | error | answer | example |\n|---|---|---|---|\n",
    );
    for function in ESIPA_FUNCTIONS {
        let recorded = recorded(*function);
        for variant in variants_of(&format!("src/eim/{}.rs", function.file)) {
            let reason =
                WITHOUT_EXAMPLE.iter().find(|(file, error, _)| *file == function.file && *error == variant);
            let answers: BTreeSet<&str> =
                recorded.iter().filter(|(name, _)| *name == variant).map(|(_, code)| code.as_str()).collect();
            let answers: Vec<&str> = answers.into_iter().collect();
            let example = match (answers.is_empty(), reason) {
                (false, None) => "recorded".to_owned(),
                (true, Some((.., reason))) => format!("none: {reason}"),
                (false, Some(_)) => {
                    panic!("{} {variant} has an example, and a reason for none", function.file)
                }
                (true, None) => panic!("{} {variant} has neither an example nor a reason", function.file),
            };
            text += &format!("| {} | {variant} | {} | {example} |\n", function.name, answers.join(", "));
        }
    }
    text
}

fn the_table_of_errors_is_the_committed_one() {
    let mut text = String::from(
        "# Errors of ESipa\n\nEvery error that the functions of ESipa answer, its integer in the ASN.1 binding and its pair in the \
         JSON binding (SGP.32 6.4; of\nrelayed functions SGP.22 5.6). HandleNotification answers none. Written by \
         `SIMYARD_RECORD=1 cargo test --test it -- esipa_codes`.\n\n\
         | function | error | ASN.1 | pair |\n|---|---|---|---|\n",
    );
    for function in Function::ALL {
        let mut pairs = BTreeSet::new();
        for code in EsipaCode::all(function) {
            let (subject, reason) = code.status();
            let pair = format!("{}/{}", subject.code(), reason.code());
            let name = code.name().unwrap();
            text += &format!("| {} | {name} | {} | {pair} |\n", function.name(), code.code());
            assert!(pairs.insert(pair), "{name}: a pair stands for one error of a function");
        }
    }
    text += &causes();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testvectors/sgp32/errors.md");
    if std::env::var_os("SIMYARD_RECORD").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "SIMYARD_RECORD=1 writes it");
}
