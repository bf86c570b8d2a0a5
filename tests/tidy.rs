//! The tree is tidy: what the house rules say of files, and neither compiler nor lints check.

use std::fs;
use std::path::{Path, PathBuf};

crate::tests!(
    every_source_file_is_tidy,
    every_rule_finds_what_it_forbids,
    every_test_file_is_run,
    every_folder_is_in_the_map,
);

/// The longest source file, in lines above its unit tests.
const MAX_LINES: usize = 700;

/// Files that may be longer, because most of them is a table.
const TABLES: &[&str] = &[];

/// Where things may be printed: what runs at a terminal, and what speaks on standard output.
const PRINTING: &[&str] = &["src/main.rs", "src/cli/", "tests/", "fuzz/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All `.rs` files of the repository, by their path from its root.
fn sources() -> Vec<(String, String)> {
    let mut folders: Vec<PathBuf> = ["src", "asn1", "tests", "fuzz"].map(|name| root().join(name)).to_vec();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && !["fuzz/target", "fuzz/corpus", "fuzz/artifacts"].contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Lines above the unit tests at the foot of a file.
fn code_lines(text: &str) -> usize {
    text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text).lines().count()
}

/// What is wrong with a file: one line each, with the file and the line.
fn faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//! ") {
        faults.push(format!("{name}: starts without a //! header that says what the file is"));
    }
    let lines = code_lines(text);
    if lines > MAX_LINES && !TABLES.contains(&name) {
        faults.push(format!("{name}: {lines} lines, at most {MAX_LINES}: split it, or list it as a table"));
    }
    // The parts are joined here, or this file would find itself.
    let machine_paths = ["/home", "/root", "/work", "/Users"].map(|folder| format!("{folder}/"));
    let prints = ["println", "eprintln", "print", "eprint", "dbg"].map(|name| format!("{name}!"));
    for (number, line) in (1..).zip(text.lines()) {
        let mut fault = |what: &str| faults.push(format!("{name}:{number}: {what}"));
        if line.contains('\t') {
            fault("a tab");
        }
        if line.ends_with(|last: char| last.is_whitespace()) {
            fault("blanks at the end");
        }
        if machine_paths.iter().any(|path| line.contains(path)) {
            fault("a path of one machine");
        }
        // With a reason: what would settle it.
        if let Some((_, rest)) = line.split_once(concat!("TO", "DO"))
            && !rest.starts_with(": ")
        {
            fault("an open point without a reason: say after a colon what would settle it");
        }
        let code = line.split("//").next().unwrap_or(line);
        let word = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let printed = prints.iter().any(|print| code.match_indices(print).any(|(at, _)| word(at)));
        if printed && !PRINTING.iter().any(|place| name.starts_with(place)) {
            fault("prints from the library: return it, or log it with tracing");
        }
    }
    faults
}

fn every_source_file_is_tidy() {
    let sources = sources();
    for folder in ["src/", "asn1/src/", "tests/", "fuzz/"] {
        assert!(sources.iter().any(|(name, _)| name.starts_with(folder)), "no file in {folder}");
    }
    let faults: Vec<String> = sources.iter().flat_map(|(name, text)| faults(name, text)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for table in TABLES {
        let lines = sources.iter().find(|(name, _)| name == table).map(|(_, text)| code_lines(text));
        assert!(lines.is_some_and(|lines| lines > MAX_LINES), "{table} needs no exemption any more");
    }
}

fn every_rule_finds_what_it_forbids() {
    let with = |line: &str| format!("//! A file.\n{line}\n");
    let todo = concat!("// TO", "DO");
    for (text, found) in [
        ("fn main() {}\n".to_owned(), "//! header"),
        ("//! A file.\n".repeat(MAX_LINES + 1), "lines, at most"),
        (with("\tlet x = 1;"), "a tab"),
        (with("let x = 1; "), "blanks at the end"),
        (with(&format!("// see {}/someone/x", "/home")), "a path of one machine"),
        (with(todo), "without a reason"),
        (with(&format!("    {}!(\"x\");", "println")), "prints from the library"),
        (with(&format!("    std::{}!(x);", "dbg")), "prints from the library"),
    ] {
        let faults = faults("src/ident/example.rs", &text);
        assert!(matches!(faults.as_slice(), [fault] if fault.contains(found)), "{found}: {faults:?}");
    }
    for fine in
        [format!("{todo}: gone when v3 is modelled"), format!("// {}! is for the command line", "println")]
    {
        assert_eq!(faults("src/ident/example.rs", &with(&fine)), Vec::<String>::new());
    }
    assert_eq!(faults("src/cli/example.rs", &with(&format!("{}!();", "println"))), Vec::<String>::new());
}

fn every_test_file_is_run() {
    let main = fs::read_to_string(root().join("tests/main.rs")).unwrap();
    let mut files = 0;
    for entry in fs::read_dir(root().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "main" || path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        assert!(main.contains(&format!("\nmod {name};")), "tests/{name} is not a module of tests/main.rs");
        let has_tests = fs::read_to_string(&path).unwrap().contains("\ncrate::tests!(");
        assert!(!has_tests || main.contains(&format!(" {name}::TESTS,")), "the tests of {name} are not run");
        files += 1;
    }
    assert!(files > 10, "the walk found the tests");
}

fn every_folder_is_in_the_map() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        if name != "lib" && name != "main" {
            let rows = [format!("//! | [`{name}`] |"), format!("//! | [`mod@{name}`] |")];
            assert!(rows.iter().any(|row| lib.contains(row)), "src/{name} is missing in the map of lib.rs");
            assert!(lib.contains(&format!("\npub mod {name};")), "src/{name} is no module of lib.rs");
        }
    }
}
