//! The eIM against SGP.32: its functions, what it has eUICCs do and every code that can be answered, over both bindings of ESipa;
//! and the table of their verdicts.
//!
//! The standard's own tests have no public ids, so rows go by names of ours. A row is run by [`Lab::row`] from a test of one of the
//! files beside: its input goes over HTTPS with mutual TLS to a whole server, in the binding of the laboratory, and the exact
//! answer and what the eIM believes afterwards are compared. Every code that a function answered with in such a call is written
//! down too. At the end of a whole run both go into `tests/conformance_iot.md`: never by hand. The run fails where the committed
//! file says something else, and where a row was not run in both bindings without a reason; under `SIMYARD_RECORD=1` the file is
//! written, as it is by the tests of this folder alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use simyard::binding::MessageBinding;
use simyard::binding::esipa::EsipaCode;
use simyard_asn1::iot::esipa::Function;

use crate::conformance::compare;

pub mod brought;
pub mod commands;
pub mod downloads;
pub mod end_to_end;
pub mod lab;
pub mod polls;
mod proxy;
pub mod results;
mod rows;

pub use lab::Lab;
use rows::{groups, never_answered};

crate::tests!(the_table_names_each_row_once,);

/// Both bindings, in the order of the columns.
pub const BINDINGS: [MessageBinding; 2] = [MessageBinding::Asn1, MessageBinding::Json];

/// One section of the table.
struct Group {
    title: &'static str,
    rows: Vec<Row>,
}

/// One row: its name, what it is about, and why it is absent, if it is.
struct Row {
    id: String,
    title: String,
    absent: Option<&'static str>,
}

const fn column(binding: MessageBinding) -> usize {
    match binding {
        MessageBinding::Asn1 => 0,
        MessageBinding::Json => 1,
    }
}

static RUN: Mutex<BTreeSet<(String, usize)>> = Mutex::new(BTreeSet::new());
static ANSWERED: Mutex<BTreeSet<(String, usize)>> = Mutex::new(BTreeSet::new());

/// Runs the steps of a row in one binding; it has passed when they return.
pub fn row(binding: MessageBinding, id: &str, steps: impl FnOnce()) {
    let found = groups().into_iter().flat_map(|group| group.rows).find(|row| row.id == id);
    let row = found.unwrap_or_else(|| panic!("{id} is no row of the table"));
    assert!(row.absent.is_none(), "{id} {} passes: it is absent no more", row.title);
    steps();
    RUN.lock().unwrap_or_else(PoisonError::into_inner).insert((row.id, column(binding)));
}

/// An error of a function, in one word for the table.
fn name_of(code: EsipaCode) -> String {
    format!("{} {code}", code.function().name())
}

/// A function answered with this error.
pub fn answered(binding: MessageBinding, code: EsipaCode) {
    let answer = (name_of(code), column(binding));
    ANSWERED.lock().unwrap_or_else(PoisonError::into_inner).insert(answer);
}

/// Every error that a function can answer with by the standard.
fn errors() -> impl Iterator<Item = EsipaCode> {
    Function::ALL.into_iter().flat_map(EsipaCode::all)
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance_iot.md")
}

/// What a cell says.
fn verdict(found: &BTreeSet<(String, usize)>, of: &str, word: &str, absent: Option<&str>) -> [String; 2] {
    [0, 1].map(|column| match (found.contains(&(of.to_owned(), column)), absent) {
        (true, _) => word.to_owned(),
        (false, Some(reason)) => format!("absent: {reason}"),
        (false, None) => "open".to_owned(),
    })
}

/// The table as this run found it.
fn table() -> String {
    let run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
    let answered = ANSWERED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::from(
        "# Conformance of the eIM\n\nSGP.32 as the last whole test run found it, over both bindings of ESipa. Written by \
         `SIMYARD_RECORD=1 cargo test\n--test it -- conformance_iot`, never by hand. *passed*: a test sent the input of the row \
         over HTTPS with mutual TLS to a whole server,\nand compared the answer and what the eIM believes afterwards. The names \
         of the rows are ours: there are no public ids.\n",
    );
    for group in groups() {
        let _ = write!(text, "\n## {}\n\n| row | what | ASN.1 | JSON |\n|---|---|---|---|\n", group.title);
        for row in group.rows {
            let [asn1, json] = verdict(&run, &row.id, "passed", row.absent);
            let _ = writeln!(text, "| {} | {} | {asn1} | {json} |", row.id, row.title);
        }
    }
    let title = "Errors that functions answer with";
    let _ = write!(text, "\n## {title}\n\n| function | error | ASN.1 | JSON |\n|---|---|---|---|\n");
    for code in errors() {
        let [asn1, json] = verdict(&answered, &name_of(code), "answered", never_answered(code));
        let _ = writeln!(text, "| {} | {code} | {asn1} | {json} |", code.function().name());
    }
    text
}

/// An error that the table calls absent, and that was answered.
fn unexpected() -> Result<(), String> {
    let answered = ANSWERED.lock().unwrap_or_else(PoisonError::into_inner);
    let found = errors().filter(|code| never_answered(*code).is_some()).map(name_of);
    match found.into_iter().find(|name| answered.iter().any(|(answered, _)| answered == name)) {
        Some(name) => Err(format!("{name} is answered: it is absent no more")),
        None => Ok(()),
    }
}

/// Compares the table with the committed one, or writes it. After a part of the tests only what they closed is looked at,
/// unless they closed all of it: the tests of this folder do.
pub fn settle(whole_run: bool) -> Result<(), String> {
    let found = table();
    let open = found.lines().find(|line| line.contains("| open |"));
    if whole_run {
        unexpected()?;
        if let Some(open) = open {
            return Err(format!(
                "no test runs this row, or answers with this error, in both bindings: {open}"
            ));
        }
    }
    compare(&committed(), &found, whole_run || open.is_none())
}

fn the_table_names_each_row_once() {
    let mut ids = BTreeSet::new();
    for row in groups().into_iter().flat_map(|group| group.rows) {
        assert!(!row.title.is_empty() && row.absent.is_none_or(|reason| !reason.is_empty()), "{}", row.id);
        assert!(!format!("{}{}", row.id, row.title).contains('|'), "{}", row.id);
        assert!(ids.insert(row.id.clone()), "{} twice", row.id);
    }
    assert!(ids.len() > 100, "{}", ids.len());
}
