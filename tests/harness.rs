//! Runs the tests, says what was left out on this machine, and finds the material that tests read.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use libtest_mimic::{Arguments, Trial};

/// One test: its path and what it runs.
pub struct Test {
    pub name: &'static str,
    pub run: fn(),
}

/// Lists the tests of a file: functions without arguments that panic when they fail.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub const TESTS: &[$crate::harness::Test] = &[
            $($crate::harness::Test { name: concat!(module_path!(), "::", stringify!($name)), run: $name }),*
        ];
    };
}

static LEFT_OUT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Says that the calling test, or a part of it, cannot run here. Under `SIMYARD_TEST_ALL=1` that fails the test.
pub fn left_out(what: &str, why: &str) {
    assert!(std::env::var_os("SIMYARD_TEST_ALL").is_none(), "{what} left out under SIMYARD_TEST_ALL: {why}");
    // The handle itself: the test harness swallows what `eprintln!` prints in passing tests.
    let _ = writeln!(std::io::stderr(), "left out: {what}: {why}");
    LEFT_OUT.lock().unwrap().push(what.to_owned());
}

/// The folder of published vectors: `SIMYARD_VECTORS`, or `../shared/vectors` beside the project. The calling test is
/// left out where it is absent.
pub fn vectors(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SIMYARD_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    left_out(
        what,
        &format!("no published vectors at {}; SIMYARD_VECTORS names another folder", folder.display()),
    );
    None
}

/// Runs a future to its end on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Runs all tests that the arguments select.
pub fn run(files: &[&[Test]]) -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = files
        .iter()
        .flat_map(|tests| tests.iter())
        .map(|test| {
            let run = test.run;
            Trial::test(test.name.trim_start_matches("it::"), move || {
                run();
                Ok(())
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    let recording = std::env::var_os("SIMYARD_RECORD").is_some();
    let settled = if arguments.list || (conclusion.has_failed() && !recording) {
        Ok(())
    } else {
        let whole_run = conclusion.num_filtered_out == 0 && conclusion.num_ignored == 0;
        crate::conformance::settle(whole_run).and(crate::conformance_iot::settle(whole_run))
    };
    let left_out = LEFT_OUT.lock().unwrap();
    let mut kinds = BTreeMap::<&str, usize>::new();
    for what in left_out.iter() {
        *kinds.entry(what).or_default() += 1;
    }
    let kinds: Vec<_> = kinds.into_iter().map(|(what, times)| format!("{what} ({times})")).collect();
    let colon = if kinds.is_empty() { "" } else { ": " };
    let _ = writeln!(std::io::stderr(), "{} left out{colon}{}", left_out.len(), kinds.join(", "));
    if let Err(difference) = settled {
        let _ = writeln!(std::io::stderr(), "{difference}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
