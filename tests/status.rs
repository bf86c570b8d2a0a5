//! The status codes: every error of the nine functions, the pair that the standard gives it (SGP.22 5.2.6, 5.3, 5.6), and
//! its integer in the ASN.1 binding (annex H). The whole table stands in `testvectors/sgp22/errors.md`; every error has a
//! recorded example (`tests/examples.rs`), or it is listed here why it has none.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::Path;

use simyard::crypto::ecdsa::{EcdsaError, SigningKey};
use simyard::domain::{Ineligible, ProfileType, Refusal, StateName, System};
use simyard::ident::{Eid, Iccid, MatchingId, ServerAddress, TransactionId};
use simyard::pki::{Certificate, CertificateError};
use simyard::profile::bind::BindError;
use simyard::profile::metadata::InvalidMetadata;
use simyard::smdp::authenticate_client::AuthenticateClientError as Authenticate;
use simyard::smdp::cancel_order::CancelOrderError as CancelOrder;
use simyard::smdp::cancel_session::CancelSessionError as CancelSession;
use simyard::smdp::catalogue::PackageError;
use simyard::smdp::confirm_order::ConfirmOrderError as Confirm;
use simyard::smdp::download_order::DownloadOrderError as Download;
use simyard::smdp::get_bound_profile_package::GetBoundProfilePackageError as Package;
use simyard::smdp::initiate_authentication::InitiateAuthenticationError as Initiate;
use simyard::smdp::release_profile::ReleaseProfileError as Release;
use simyard::smdp::sessions::TooManySessions;
use simyard::smdp::status::{Es9PlusError as _, FunctionError};
use simyard::store::StoreError;
use simyard_asn1::rsp::Version;
use simyard_asn1::rsp::info::EuiccInfo1;
use simyard_asn1::{Decode as _, Oid};

use serde_json::Value;

use crate::examples::{self, FUNCTIONS};
use crate::server::{asn1, iccid};

crate::tests!(
    every_error_has_the_pair_of_the_standard,
    every_error_has_an_example_or_a_reason,
    an_internal_error_keeps_its_cause_to_itself,
);

/// Errors without a recorded example, and why.
const WITHOUT_EXAMPLE: &[(&str, &str, &str)] = &[
    ("initiate_authentication", "Signing", "the library signs with every key that it has loaded"),
    ("authenticate_client", "Signing", "the library signs with every key that it has loaded"),
    ("authenticate_client", "ProfileType", "only settings from which a type was taken lead to it"),
    ("authenticate_client", "Metadata", "only a store whose content was spoilt leads to it"),
    ("authenticate_client", "Race", "the order must change four times while it is read"),
    ("get_bound_profile_package", "Race", "the order must change four times while it is read"),
    ("get_bound_profile_package", "Package", "only a store whose content was spoilt leads to it"),
    ("get_bound_profile_package", "Seal", "only a store whose content was spoilt leads to it"),
    ("get_bound_profile_package", "Agreement", "the library agrees on every point that was read"),
    ("get_bound_profile_package", "Derivation", "the hostId is ours, and fits"),
    ("get_bound_profile_package", "Bind", "every command that we make fits its segment"),
    ("cancel_session", "Race", "the order must change four times while it is read"),
    ("download_order", "Race", "the order must change four times while it is read"),
    ("confirm_order", "Race", "the order must change four times while it is read"),
    ("cancel_order", "Race", "the order must change four times while it is read"),
    ("release_profile", "Race", "the order must change four times while it is read"),
];

/// One function: the file of its errors, and each error.
struct Table {
    file: &'static str,
    rows: Vec<Row>,
}

/// One error: the name of its variant, its pair, and its integer in the ASN.1 binding of ES9+.
struct Row {
    name: String,
    pair: String,
    code: Option<u32>,
}

fn row(error: &(impl FunctionError + Debug), code: Option<u32>) -> Row {
    let text = format!("{error:?}");
    let name = text.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned();
    let (subject, reason) = error.status();
    Row { name, pair: format!("{}/{}", subject.code(), reason.code()), code }
}

/// The errors of a function with their pairs, and in ES9+ their integers.
macro_rules! table {
    ($file:literal: $($error:expr => $pair:literal $($code:literal)?),* $(,)?) => {{
        let mut rows = Vec::new();
        $({
            let error = $error;
            let found = row(&error, table!(@code error $($code)?));
            assert_eq!(found.pair, $pair, "{} {}", $file, found.name);
            rows.push(found);
        })*
        Table { file: $file, rows }
    }};
    (@code $error:ident) => { None };
    (@code $error:ident $code:literal) => {{
        assert_eq!($error.error_code(), $code, "{:?}", $error);
        Some($error.error_code())
    }};
}

fn id() -> TransactionId {
    TransactionId::parse("00FF").unwrap()
}

fn eid() -> Eid {
    Eid::parse("89049032000000000000279973200019").unwrap()
}

fn unreadable() -> simyard_asn1::Error {
    EuiccInfo1::from_der(&[]).unwrap_err()
}

fn ecdsa() -> EcdsaError {
    SigningKey::from_der(&[]).err().unwrap()
}

fn certificate() -> CertificateError {
    Certificate::from_der(&[]).unwrap_err()
}

fn other() -> Oid {
    Oid::parse("2.999.11").unwrap()
}

const STORE: StoreError = StoreError::Closed;

fn every_error_has_the_pair_of_the_standard() {
    // Written as it is found; what is found is asserted row by row.
    tables();
    // The ninth function answers 204, or 503 so that the notification is kept: no pair.
    assert_eq!(variants("handle_notification"), ["Store", "Race"]);
}

fn tables() -> Vec<Table> {
    let (one, typed) = (iccid(1), ProfileType::parse("iot").unwrap());
    let address = ServerAddress::parse("x.example.com").unwrap();
    let available = StateName::Available;
    let tables = vec![
        table!("initiate_authentication":
            Initiate::EuiccInfo1(unreadable()) => "1.6/2.1" 127,
            Initiate::Address(address.to_string()) => "8.8.1/3.8" 1,
            Initiate::Version(Version([3, 0, 0])) => "8.8.3/3.1" 2,
            Initiate::CiForSigning => "8.8.2/3.1" 3,
            Initiate::CiForVerification => "8.8.4/3.7" 3,
            Initiate::Busy(TooManySessions) => "1.2/3.7" 127,
            Initiate::Signing(ecdsa()) => "1.6/4.2" 127,
        ),
        authenticate_client(),
        table!("get_bound_profile_package":
            Package::UnknownTransaction(id()) => "8.10.1/3.9" 95,
            Package::OrderOver(id()) => "8.10.1/3.9" 95,
            Package::Form(unreadable()) => "8.1/6.1" 1,
            Package::RefusedByEuicc(1) => "8.1/6.1" 1,
            Package::OtherTransaction(id()) => "8.10.1/3.9" 95,
            Package::Signature => "8.1/6.1" 1,
            Package::OneTimeKey => "8.1/6.1" 1,
            Package::Expired => "8.8.5/4.10" 6,
            Package::ConfirmationCodeMissing => "8.2.7/2.2" 2,
            Package::ConfirmationCodeRefused => "8.2.7/3.8" 3,
            Package::ConfirmationCodeRetriesExceeded => "8.2.7/6.4" 4,
            Package::TooManyGuesses(guesses()) => "1.2/3.7" 127,
            Package::Race => "1.6/4.2" 127,
            Package::Store(STORE) => "1.6/4.2" 127,
            Package::Package(PackageError::NoTemplate(typed.clone())) => "1.6/4.2" 127,
            Package::Seal(seal()) => "1.6/4.2" 127,
            Package::Agreement(simyard::crypto::ecka::EckaError::Randomness) => "1.6/4.2" 127,
            Package::Derivation(bsp()) => "1.6/4.2" 127,
            Package::Bind(BindError::Segment(bsp())) => "1.6/4.2" 127,
        ),
        table!("cancel_session":
            CancelSession::UnknownTransaction(id()) => "8.10.1/3.9" 1,
            CancelSession::OtherTransaction(id()) => "8.10.1/3.9" 1,
            CancelSession::Form(unreadable()) => "8.1/6.1" 2,
            CancelSession::Signature => "8.1/6.1" 2,
            CancelSession::SmdpOid(other()) => "8.8/3.10" 127,
            CancelSession::Race => "1.6/4.2" 127,
            CancelSession::Store(STORE) => "1.6/4.2" 127,
        ),
        table!("download_order":
            Download::NothingNamed => "1.6/2.3",
            Download::UnknownIccid(one.clone()) => "8.2.1/3.9",
            Download::NotAllowed(one.clone()) => "8.2.1/1.2",
            Download::NotAvailable(one.clone()) => "8.2.1/3.3",
            Download::OtherType { iccid: one.clone(), profile_type: String::new() } => "8.2.5/3.8",
            Download::UnknownType(String::new()) => "8.2.5/3.9",
            Download::TypeNotAllowed(typed.clone()) => "8.2.5/1.2",
            Download::NoneLeft(typed) => "8.2.5/3.7",
            Download::Race(one.clone()) => "1.6/4.2",
            Download::Store(STORE) => "1.6/4.2",
        ),
        table!("confirm_order":
            Confirm::UnknownIccid(one.clone()) => "8.2.1/3.9",
            Confirm::NotAllowed(one.clone()) => "8.2.1/1.2",
            Confirm::NotReserved { iccid: one.clone(), state: available } => "8.2.1/3.3",
            Confirm::NotDelivered { iccid: one.clone(), system: System::Auc } => "8.2.1/3.5",
            Confirm::OtherEid { iccid: one.clone(), given: eid() } => "8.1.1/3.10",
            Confirm::EidMissing(one.clone()) => "8.1.1/2.2",
            Confirm::MatchingIdInUse(MatchingId::parse("A").unwrap()) => "8.2.6/3.3",
            Confirm::SmdsInaccessible(address) => "8.9/5.1",
            Confirm::Race(one.clone()) => "1.6/4.2",
            Confirm::Store(STORE) => "1.6/4.2",
        ),
        table!("cancel_order":
            CancelOrder::StatusMissing => "8.2.1/2.2",
            CancelOrder::UnknownIccid(one.clone()) => "8.2.1/3.9",
            CancelOrder::NotAllowed(one.clone()) => "8.2.1/1.2",
            CancelOrder::NotCancellable { iccid: one.clone(), state: available } => "8.2.1/3.3",
            CancelOrder::OtherMatchingId(one.clone()) => "8.2.6/3.10",
            CancelOrder::OtherEid(one.clone()) => "8.1.1/3.10",
            CancelOrder::Race(one.clone()) => "1.6/4.2",
            CancelOrder::Store(STORE) => "1.6/4.2",
        ),
        table!("release_profile":
            Release::UnknownIccid(one.clone()) => "8.2.1/3.9",
            Release::NotAllowed(one.clone()) => "8.2.1/1.2",
            Release::NotConfirmed { iccid: one.clone(), state: available } => "8.2.1/3.5",
            Release::NotDelivered { iccid: one.clone(), system: System::Auc } => "8.2.1/3.5",
            Release::Race(one) => "1.6/4.2",
            Release::Store(STORE) => "1.6/4.2",
        ),
    ];
    for Table { file, rows } in &tables {
        let written = variants(file);
        assert!(written.len() > 4, "{file}: {written:?}");
        for variant in &written {
            assert!(rows.iter().any(|row| row.name == *variant), "{file}: {variant} has no row");
        }
    }
    tables
}

/// What is recorded of a function: the name of each error with its pair, and its integer where it was called in the
/// ASN.1 binding too. The sentence for people must be that of the error.
fn recorded(file: &str) -> Vec<(String, String, Option<u32>)> {
    let function = *FUNCTIONS.iter().find(|function| function.file == file).unwrap();
    let text = fs::read_to_string(examples::path(function)).unwrap();
    let examples: Value = serde_json::from_str(&text).unwrap();
    let mut errors = Vec::new();
    for example in examples["examples"].as_array().unwrap() {
        let status = &example["json"]["answer"]["header"]["functionExecutionStatus"];
        if status["status"] != "Failed" {
            continue;
        }
        let name = example["name"].as_str().unwrap().to_owned();
        let data = |member: &str| status["statusCodeData"][member].as_str().unwrap().to_owned();
        assert!(says(&sentence(file, &name), &data("message")), "{file} {name}: {}", data("message"));
        let code = example["asn1"]["answer"].as_str().map(|answer| {
            let answer = hex::decode(answer).unwrap();
            asn1::answer(function.name, &answer).unwrap_err().parse().unwrap()
        });
        errors.push((name, format!("{}/{}", data("subjectCode"), data("reasonCode")), code));
    }
    errors
}

/// The `#[error]` text of a variant, as it is written.
fn sentence(file: &str, variant: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/smdp/{file}.rs"));
    let text = fs::read_to_string(path).unwrap();
    let body = text.split_once("Error {\n").unwrap().1;
    let end = body.match_indices(&format!("    {variant}")).map(|(at, _)| at).find(|at| {
        let rest = &body[at + 4 + variant.len()..];
        rest.starts_with(['(', ',', ' ']) && body[..*at].ends_with('\n')
    });
    let attribute = body[..end.unwrap()].rsplit_once("#[error(").unwrap().1;
    attribute.trim_end().trim_end_matches(")]").trim_matches('"').to_owned()
}

/// Whether a text is that sentence with its gaps filled. A transparent error says what it holds.
fn says(sentence: &str, text: &str) -> bool {
    if sentence == "transparent" {
        return true;
    }
    let mut rest = text;
    for part in sentence.split('{') {
        let literal = part.split_once('}').map_or(part, |(_, literal)| literal);
        match rest.split_once(literal) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

fn every_error_has_an_example_or_a_reason() {
    let mut text = String::from(
        "# Errors\n\nEvery error of the functions, the pair that SGP.22 gives it (5.2.6, 5.3, 5.6), its integer in the \
         ASN.1 binding of ES9+ (annex H),\nand whether an example of it is recorded beside this file. Written by \
         `SIMYARD_RECORD=1 cargo test --test it -- status`.\n\n\
         | function | error | pair | ASN.1 | example |\n|---|---|---|---|---|\n",
    );
    for Table { file, rows } in tables() {
        let recorded = recorded(file);
        let mut seen = BTreeSet::new();
        for Row { name, pair, code } in rows {
            let reason = WITHOUT_EXAMPLE.iter().find(|(of, error, _)| *of == file && *error == name);
            let example = recorded.iter().find(|(of, found, _)| *of == name && *found == pair);
            let example = match (example, reason) {
                (Some((.., found)), None) => {
                    assert_eq!(*found, code, "{file} {name}");
                    "recorded".to_owned()
                }
                (None, Some((.., reason))) => format!("none: {reason}"),
                (Some(_), Some(_)) => panic!("{file} {name} has an example, and a reason for none"),
                (None, None) => panic!("{file} {name} {pair} has neither an example nor a reason"),
            };
            let code = code.map_or_else(String::new, |code| code.to_string());
            if seen.insert((name.clone(), pair.clone())) {
                text += &format!("| {file} | {name} | {pair} | {code} | {example} |\n");
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testvectors/sgp22/errors.md");
    if std::env::var_os("SIMYARD_RECORD").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "SIMYARD_RECORD=1 writes it");
}

/// AuthenticateClient: its certificates and orders have kinds of refusals, each with a pair of its own. The refusals of
/// certificates are told apart over the wire, with every wrong twin.
fn authenticate_client() -> Table {
    use crate::server::{Euicc, PKI};
    use simyard::pki::test_pki::{Fault, Kind};
    use simyard::pki::{Anchors, verify_euicc};

    let anchors = Anchors::new(vec![PKI.ci.certificate.clone()]).unwrap();
    let twin = |kind, fault| &PKI.twin(kind, fault).unwrap().certificate;
    let now = crate::server::NOW;
    let eum = |fault| anchors.verify_eum(twin(Kind::Eum, fault), now).unwrap_err();
    let honest = anchors.verify_eum(&PKI.eum.certificate, now).unwrap();
    let euicc = |fault| verify_euicc(&honest, twin(Kind::Euicc, fault), now).unwrap_err();
    assert_eq!(Euicc::new(0).eid, eid());
    let order = || Box::new(stock());
    table!("authenticate_client":
        Authenticate::UnknownTransaction(id()) => "8.10.1/3.9" 10,
        Authenticate::Form(unreadable()) => "8.1/6.1" 5,
        Authenticate::RefusedByEuicc(1) => "8.1/6.1" 5,
        Authenticate::OtherTransaction(id()) => "8.10.1/3.9" 10,
        Authenticate::EumForm(certificate()) => "8.1.2/6.1" 1,
        Authenticate::Eum(eum(Fault::Expired)) => "8.1.2/6.3" 2,
        Authenticate::Eum(eum(Fault::UnknownCi)) => "8.11.1/3.9" 9,
        Authenticate::Eum(eum(Fault::WrongRole)) => "8.1.2/6.1" 1,
        Authenticate::EuiccForm(certificate()) => "8.1.3/6.1" 3,
        Authenticate::Euicc(euicc(Fault::Expired)) => "8.1.3/6.3" 4,
        Authenticate::Euicc(euicc(Fault::UnknownCi)) => "8.1.3/6.1" 3,
        Authenticate::Euicc(euicc(Fault::OutsideRange)) => "8.1.3/6.1" 3,
        Authenticate::Signature => "8.1/6.1" 5,
        Authenticate::Challenge => "8.1/6.1" 5,
        Authenticate::Order(Refusal::MatchingIdRefused) => "8.2.6/3.8" 6,
        Authenticate::Order(Refusal::EidMismatch) => "8.1.1/3.8" 7,
        Authenticate::Order(Refusal::NotReleased(order())) => "8.2/1.2" 127,
        Authenticate::Order(Refusal::Expired(order())) => "8.8.5/4.10" 127,
        Authenticate::Order(Refusal::AttemptsExceeded(order())) => "8.8.5/6.4" 127,
        Authenticate::TooManyGuesses(guesses()) => "1.2/3.7" 127,
        Authenticate::NotEligible(Ineligible::TestProfile) => "8.2.5/4.3" 8,
        Authenticate::NotEligible(Ineligible::Memory { needed: 2, free: 1 }) => "8.1/4.8" 11,
        Authenticate::NotEligible(Ineligible::AdditionalProfile) => "8.1/4.8" 11,
        Authenticate::ProfileType(String::new()) => "1.6/4.2" 127,
        Authenticate::Metadata(InvalidMetadata::Gid) => "1.6/4.2" 127,
        Authenticate::Race => "1.6/4.2" 127,
        Authenticate::Store(STORE) => "1.6/4.2" 127,
        Authenticate::Signing(ecdsa()) => "1.6/4.2" 127,
    )
}

fn guesses() -> simyard::smdp::guesses::TooManyGuesses {
    use simyard::smdp::guesses::{Guesser, TooManyGuesses};
    TooManyGuesses { guesser: Guesser::Euicc, wait: std::time::Duration::from_secs(36) }
}

/// A profile that nobody ordered.
fn stock() -> simyard::domain::Order {
    let server = crate::server::TestServer::start();
    server.stored(&iccid(1))
}

fn seal() -> simyard::crypto::seal::SealError {
    use simyard::crypto::seal::{Sealer, SealingKey};
    let rng = simyard::env::Rng::seeded(1);
    Sealer::new(&SealingKey::generate(&rng), rng).unwrap().open("x", &[]).err().unwrap()
}

fn bsp() -> simyard::crypto::bsp::BspError {
    simyard::crypto::bsp::StructureFault::Form.into()
}

/// The variants of the public error in a file of `src/smdp`, as they are written.
fn variants(file: &str) -> Vec<String> {
    variants_of(&format!("src/smdp/{file}.rs"))
}

/// The variants of the error enum in a source file.
pub fn variants_of(source: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let text = fs::read_to_string(path).unwrap();
    let body = text.split_once("Error {\n").unwrap().1.split_once("\n}\n").unwrap().0;
    body.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned())
        .collect()
}

/// What an operator or an LPA hears of a failing store is that the function failed, not how.
fn an_internal_error_keeps_its_cause_to_itself() {
    use crate::server::{Euicc, Interface, TestServer};
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let initiated = server.initiate(&euicc);
    let response = euicc.authentication(&euicc.signed1(&initiated, Some("X"))).to_der();
    let store = server.smdp().store.clone();
    server.wait(store.close());
    let failed = server.authenticate_with(&initiated.transaction_id, &response);
    assert_eq!(failed.unwrap_err(), "1.6/4.2");
    let iccid: Iccid = iccid(1);
    for (function, body) in [
        ("downloadOrder", serde_json::json!({ "iccid": iccid.as_str() })),
        ("confirmOrder", serde_json::json!({ "iccid": iccid.as_str(), "releaseFlag": true })),
        ("releaseProfile", serde_json::json!({ "iccid": iccid.as_str() })),
        (
            "cancelOrder",
            serde_json::json!({ "iccid": iccid.as_str(), "finalProfileStatusIndicator": "Available" }),
        ),
    ] {
        let reply = server.post(Interface::Es2Plus, function, server.with_header(body).to_string());
        assert_eq!(reply.outcome().unwrap_err(), "1.6/4.2", "{function}");
        let text = String::from_utf8(reply.body).unwrap().to_lowercase();
        assert!(!text.contains("closed") && !text.contains("pool") && !text.contains("sql"), "{text}");
    }
    assert_eq!(server.errors().len(), 5, "each is logged once");
    // The fault was the server's: with the store back, the session goes on.
    assert_eq!(server.smdp().sessions.len(), 1);
}
