//! The sequences of SGP.23 (4.3.1 to 4.3.17) against our server, and the table of their verdicts.
//!
//! A sequence is run by [`sequence`] from a test of the file of its function: its input goes over HTTPS, and the exact
//! answer and the order's state afterwards are compared. What was run, and every pair of codes that a function answered
//! with in any test, goes into `tests/conformance.md` at the end of a whole run: never by hand. The run fails where the
//! committed file says something else; under `SIMYARD_RECORD=1` the file is written.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use simyard::ident::Iccid;

use crate::server::TestServer;

pub mod authenticate_client;
pub mod brainpool;
pub mod cancel_session;
pub mod es2plus;
pub mod es8plus;
pub mod get_bound_profile_package;
pub mod handle_notification;
pub mod initiate_authentication;
mod rows;
pub mod tls;

use rows::{GROUPS, PAIRS};

crate::tests!(the_table_names_each_row_once,);

/// One section of the table.
struct Group {
    title: &'static str,
    rows: &'static [Row],
}

/// A sequence: its id in SGP.23, its title in short, and why it is absent, if it is.
type Row = (&'static str, &'static str, Option<&'static str>);

/// The pairs that a function can answer with by the standard, each with the reason if nothing here does.
type Pairs = (&'static str, &'static [(&'static str, Option<&'static str>)]);

static RUN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
static ANSWERED: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());

fn rows() -> impl Iterator<Item = &'static Row> {
    GROUPS.iter().flat_map(|group| group.rows)
}

/// Runs the steps of a sequence; it has passed when they return.
pub fn sequence(id: &'static str, steps: impl FnOnce()) {
    let row = rows().find(|(known, ..)| *known == id);
    let (_, title, absent) = row.unwrap_or_else(|| panic!("{id} is no row of the table"));
    assert!(absent.is_none(), "{id} {title} passes: it is absent no more");
    steps();
    RUN.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
}

/// A function answered with this pair of codes, or with this integer.
pub fn answered(function: &str, code: &str) {
    let answer = (function.to_owned(), code.to_owned());
    ANSWERED.lock().unwrap_or_else(PoisonError::into_inner).insert(answer);
}

/// What a sequence expects: this answer, and the order in this state afterwards.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(
    server: &TestServer,
    answer: Result<T, String>,
    pair: &str,
    order: &Iccid,
    state: &str,
) {
    assert_eq!(answer.unwrap_err(), pair);
    assert_eq!(server.state(order), state);
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance.md")
}

/// The table as this run found it.
fn table() -> String {
    let run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
    let answered = ANSWERED.lock().unwrap_or_else(PoisonError::into_inner);
    let verdict = |passed: bool, absent: Option<&str>| match (passed, absent) {
        (true, _) => "passed".to_owned(),
        (false, Some(reason)) => format!("absent: {reason}"),
        (false, None) => "open".to_owned(),
    };
    let mut text = String::from(
        "# Conformance\n\nThe sequences of SGP.23 and the codes of SGP.22, as the last whole test run found them. Written by \
         `SIMYARD_RECORD=1 cargo test`\n(`tests/conformance.rs`), never by hand. *passed*: a test sent the input of the \
         sequence over HTTPS and compared the answer and\nthe order's state afterwards. ES2+, ES8+ and TLS have no public \
         ids: they go by names.\n",
    );
    for group in GROUPS {
        let _ = write!(text, "\n## {}\n\n| id | title | verdict |\n|---|---|---|\n", group.title);
        for (id, title, absent) in group.rows {
            let _ = writeln!(text, "| {id} | {title} | {} |", verdict(run.contains(id), *absent));
        }
    }
    let title = "Pairs and integers that functions answer with";
    let _ = write!(text, "\n## {title}\n\n| function | code | verdict |\n|---|---|---|\n");
    for (function, pairs) in PAIRS {
        for (pair, absent) in *pairs {
            let answer = ((*function).to_owned(), (*pair).to_owned());
            let verdict = verdict(answered.contains(&answer), *absent);
            let _ = writeln!(text, "| {function} | {pair} | {} |", verdict.replace("passed", "answered"));
        }
    }
    text
}

/// An answer that the table calls absent.
fn unexpected() -> Result<(), String> {
    let answered = ANSWERED.lock().unwrap_or_else(PoisonError::into_inner);
    for (function, pairs) in PAIRS {
        let absent = pairs.iter().filter(|(_, absent)| absent.is_some());
        for (pair, _) in absent {
            if answered.contains(&((*function).to_owned(), (*pair).to_owned())) {
                return Err(format!("{function} answers with {pair}: it is absent no more"));
            }
        }
    }
    Ok(())
}

/// Compares the table with the committed one, or writes it. After a part of the tests only what they closed is looked
/// at.
pub fn settle(whole_run: bool) -> Result<(), String> {
    if whole_run {
        unexpected()?;
    }
    compare(&committed(), &table(), whole_run)
}

/// Compares a table with the committed one, or writes it; after a part of the tests only the rows that they closed.
pub fn compare(path: &Path, found: &str, whole_run: bool) -> Result<(), String> {
    let known = std::fs::read_to_string(path).unwrap_or_default();
    if !whole_run {
        let lines: BTreeSet<&str> = known.lines().collect();
        let closed = found.lines().filter(|line| line.ends_with("| passed |"));
        return match closed.into_iter().find(|line| !lines.contains(line)) {
            Some(line) => Err(format!("{} does not say: {line}", path.display())),
            None => Ok(()),
        };
    }
    if known == found {
        return Ok(());
    }
    if std::env::var_os("SIMYARD_RECORD").is_some() {
        return std::fs::write(path, found).map_err(|error| format!("{}: {error}", path.display()));
    }
    let line = |(number, (known, found)): (usize, (&str, &str))| {
        format!("line {}: committed {known:?}, found {found:?}", number + 1)
    };
    let lines = known.lines().chain(std::iter::repeat("")).zip(found.lines()).enumerate();
    let differences: Vec<String> =
        lines.filter(|(_, (known, found))| known != found).take(10).map(line).collect();
    Err(format!(
        "{} is not what was found; SIMYARD_RECORD=1 writes it\n{}",
        path.display(),
        differences.join("\n")
    ))
}

fn the_table_names_each_row_once() {
    let mut ids = BTreeSet::new();
    for (id, title, absent) in rows() {
        assert!(ids.insert(id), "{id} twice");
        assert!(!title.is_empty() && absent.is_none_or(|reason| !reason.is_empty()), "{id}");
        assert!(!format!("{id}{title}").contains('|'), "{id}");
    }
    assert!(ids.len() > 150, "{}", ids.len());
}
