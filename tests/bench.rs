//! `simyard bench`: runs of a few downloads. No figure is judged.

use std::path::Path;
use std::process::{Command, Output};

use crate::harness;

crate::tests!(
    a_run_prints_every_figure_for_people,
    a_run_prints_every_figure_as_json,
    a_store_in_memory_is_refused,
    a_folder_with_something_in_it_is_refused,
    numbers_out_of_range_are_wrong_usage,
    deliveries_and_allocation_are_measured_and_nothing_given_twice,
);

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simyard")).args(["bench", "download"]).args(arguments).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// A folder on a disk: the system's temporary one may lie in memory.
fn on_disk() -> tempfile::TempDir {
    tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// Whether the folder of the build is on a disk; a run is refused elsewhere.
fn can_run(what: &str) -> bool {
    let kind = simyard::bench::medium::file_system(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let volatile = kind.as_deref().is_some_and(simyard::bench::medium::is_volatile);
    if volatile {
        harness::left_out(what, "the build lies in memory, where the benchmark refuses to run");
    }
    !volatile
}

fn a_run_prints_every_figure_for_people() {
    if !can_run("simyard bench download") {
        return;
    }
    let folder = on_disk();
    let dir = folder.path().join("new");
    let small = ["--downloads", "4", "--concurrency", "1,2", "--orders", "4"];
    let output = bench(&[&small[..], &["--dir", dir.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    for name in [
        "1 at a time: 4 in ",
        "2 at a time: 4 in ",
        "on a schedule: 4 in ",
        "a connection for each call: 4 in ",
        "ES9+.InitiateAuthentication",
        "ES9+.AuthenticateClient",
        "ES9+.GetBoundProfilePackage",
        "ES9+.HandleNotification",
        "CPU time of the server",
        "bound",
        "file system",
        "commits",
        "handshakes alone",
    ] {
        assert!(told.lines().any(|line| line.starts_with(name)), "{name} is missing in\n{told}");
    }
    assert!(told.contains("synchronous=FULL"), "{told}");
    assert!(dir.join("simyard.db").exists(), "a folder that was named stays");
}

fn a_run_prints_every_figure_as_json() {
    if !can_run("simyard bench download --json") {
        return;
    }
    let folder = on_disk();
    let dir = folder.path().to_str().unwrap();
    let small = ["--downloads", "4", "--concurrency", "1,2", "--orders", "100"];
    let output = bench(&[&small[..], &["--store", "sqlite:x.db", "--json", "--dir", dir]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(figures["orders"], 100);
    assert!(figures["bound_ms"].as_f64().unwrap() > 0.0, "{figures}");
    let runs = figures["runs"].as_array().unwrap();
    assert_eq!((&runs[0]["concurrency"], &runs[1]["concurrency"]), (&1.into(), &2.into()));
    assert_eq!(figures["new_connections"]["concurrency"], 2);
    assert_eq!(figures["handshakes"]["handshakes"], 4);
    for run in runs.iter().chain([&figures["on_schedule"], &figures["new_connections"]]) {
        assert_eq!(run["downloads"], 4);
        assert_eq!(run["functions"].as_array().unwrap().len(), 4);
        for name in ["downloads_per_second", "package_octets", "commits_per_download"] {
            assert!(run[name].as_f64().unwrap() > 0.0, "{name} in {figures}");
        }
        // Each download is three changes; some share a commit.
        assert!(run["commits_per_download"].as_f64().unwrap() <= 3.0, "{figures}");
    }
    assert!(folder.path().join("x.db").exists());
}

fn a_store_in_memory_is_refused() {
    let shared_memory = Path::new("/dev/shm");
    let kind = simyard::bench::medium::file_system(shared_memory);
    if !kind.as_deref().is_some_and(simyard::bench::medium::is_volatile) {
        return harness::left_out("refusal of a store in memory", "/dev/shm is no tmpfs here");
    }
    let folder = tempfile::tempdir_in(shared_memory).unwrap();
    let output = bench(&["--downloads", "4", "--dir", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("in memory") && told.contains("--dir"), "{told}");
    assert!(output.stdout.is_empty());
}

fn a_folder_with_something_in_it_is_refused() {
    let folder = on_disk();
    std::fs::write(folder.path().join("thing"), "x").unwrap();
    let output = bench(&["--downloads", "4", "--dir", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is not empty"));
}

fn numbers_out_of_range_are_wrong_usage() {
    for arguments in
        [["--downloads", "0"], ["--downloads", "10001"], ["--concurrency", "8,0"], ["--concurrency", "x"]]
    {
        let output = bench(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("a number from 1 to"), "{arguments:?}");
    }
    let many = ["--downloads", "10000", "--concurrency", "1,1,1,1,1,1,1,1"];
    let output = bench(&many);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("that is 110000 downloads"), "{}", text(&output.stderr));
}

fn deliveries_and_allocation_are_measured_and_nothing_given_twice() {
    if !can_run("simyard bench inventory") {
        return;
    }
    let folder = on_disk();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_simyard"));
        command
            .args(["bench", "inventory", "--rows", "2000", "--allocations", "60"])
            .args(arguments)
            .output()
            .unwrap()
    };
    let dir = folder.path().join("new");
    let output = run(&["--callers", "4", "--json", "--store", "sqlite:x.db", "--dir", dir.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(figures["store"]["engine"], "SQLite");
    let ingestion = &figures["ingestion"];
    assert_eq!(ingestion["rows"], 2000);
    for calls in [&ingestion["alone"], &ingestion["beside"]] {
        assert!(calls["look_ups"]["calls"].as_u64().unwrap() > 0, "{figures}");
        assert_eq!(calls["look_ups"]["calls"], calls["orders"]["calls"]);
    }
    assert!(figures["ingestion_by_bulk"].as_f64().unwrap() > 0.0, "{figures}");
    let allocation = &figures["allocation"];
    for kind in ["numbers", "subscriptions"] {
        assert_eq!(
            (&allocation[kind]["calls"], &allocation[kind]["duplicates"]),
            (&60.into(), &0.into()),
            "{figures}"
        );
        assert!(allocation[kind]["commits"].as_u64().unwrap() <= 60, "{figures}");
    }
    let downloads = &figures["downloads"];
    assert_eq!(downloads["rows"], 2000);
    for (when, most) in [("alone", 10..=10), ("beside", 1..=10)] {
        let measured = &downloads[when];
        assert!(most.contains(&measured["downloads"].as_u64().unwrap()), "{figures}");
        assert_eq!(measured["functions"].as_array().unwrap().len(), 4);
        assert!(measured["together"]["p99_ms"].as_f64().unwrap() > 0.0, "{figures}");
    }
    assert!(dir.join("x.db").exists());
    let told = text(&run(&[]).stdout);
    for name in [
        "delivery: 2000 rows in",
        "peak of memory: ",
        "look-ups alone: ",
        "orders alone: 10, ",
        "look-ups beside the delivery: ",
        "orders beside the delivery: ",
        "numbers, 16 callers: 60 in",
        "subscriptions, 16 callers: 60 in",
        "bulk insert: ",
        "ingestion API: 2000 rows in",
        "downloads alone: 10, p50 ",
        "downloads beside the delivery: ",
    ] {
        assert!(told.lines().any(|line| line.starts_with(name)), "{name} is missing in\n{told}");
    }
    if let Some(database) = crate::postgres::database() {
        let simyard::store::StoreUrl::Postgres(url) = database.url() else { panic!("PostgreSQL") };
        let output = run(&["--store", &url]);
        // A server for tests may not flush; then the figures would be of no use, and are refused.
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success() || told.contains("do not survive a power cut"), "{told}");
    }
}
