//! The simulation: stories of some seeds, each with its faults, and that a seed tells its story again.

use std::sync::LazyLock;
use std::time::Duration;

use simyard::domain::Pace;
use simyard::sim::faults::Faults;
use simyard::sim::ground::Ground;
use simyard::sim::report::{Figures, SeedReport};
use simyard::sim::{Fleet, Options, simulate};

use crate::server::log;

crate::tests!(
    everything_holds_on_bad_days,
    without_faults_every_profile_is_enabled,
    a_seed_tells_its_story_again,
    devices_that_fall_silent_leave_the_others_alone,
    an_eim_switches_devices_on_bad_days,
    an_old_profile_is_deleted_in_the_end,
    who_loses_coverage_goes_back,
    a_seed_of_an_eim_tells_its_story_again,
    a_campaign_switches_all_devices_wave_by_wave,
    a_campaign_holds_on_bad_days,
    a_seed_of_a_campaign_tells_its_story_again,
);

const DEVICES: usize = 3;

/// Keys and certificates of all stories.
static GROUND: LazyLock<Ground> = LazyLock::new(|| Ground::new(DEVICES).unwrap());

/// The story of a seed, told on a thread of its own; it fails on what the server logs as an error, too.
fn story(options: &Options, seed: u64) -> SeedReport {
    log::listen();
    let (name, options) = (format!("simulation-{seed}"), options.clone());
    let tell = move || {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(simulate(&GROUND, &options, seed, folder.path())).unwrap()
    };
    let report = std::thread::Builder::new().name(name.clone()).spawn(tell).unwrap().join().unwrap();
    assert_eq!(log::errors_of(&name), [""; 0], "seed {seed}");
    report
}

/// Stories of several seeds, in which everything holds.
fn stories(options: Options, seeds: std::ops::Range<u64>) -> Figures {
    let mut figures = Figures::default();
    for seed in seeds {
        let report = story(&options, seed);
        let told: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "seed {seed} of {DEVICES} devices, {options:?}: {told:#?}");
        figures.add(&report.figures);
    }
    figures
}

fn everything_holds_on_bad_days() {
    let faults = "drop=100,double=100,delay=100,death=100,power-cut=100,silence=0".parse().unwrap();
    let figures = stories(Options { fleet: Fleet::Consumer, faults, profiles: 2, campaign: None }, 1..11);
    for (what, count) in [
        ("lost", figures.dropped),
        ("doubled", figures.doubled),
        ("late", figures.delayed),
        ("deaths", figures.deaths),
        ("power cuts", figures.power_cuts),
        ("no server", figures.unreachable),
    ] {
        assert!(count >= 5, "{what}: {figures:?}");
    }
    assert_eq!((figures.silent, figures.open), (0, 0));
    let not_enabled: u64 = figures.not_enabled.values().sum();
    assert_eq!(figures.enabled + not_enabled, 10 * 2 * DEVICES as u64, "each has one outcome");
    assert!(figures.enabled > not_enabled, "{figures:?}");
}

fn without_faults_every_profile_is_enabled() {
    let figures =
        stories(Options { fleet: Fleet::Consumer, faults: Faults::NONE, profiles: 3, campaign: None }, 1..2);
    assert_eq!(figures.enabled, 3 * DEVICES as u64);
    let faults = [figures.dropped, figures.doubled, figures.delayed, figures.unreachable, figures.deaths];
    assert_eq!(faults, [0; 5]);
    assert!(figures.not_enabled.is_empty() && figures.power_cuts == 0, "{figures:?}");
}

fn a_seed_tells_its_story_again() {
    let faults = Faults { death: 80, power_cut: 80, ..Faults::default() };
    let options = Options { fleet: Fleet::Consumer, faults, profiles: 2, campaign: None };
    let report = story(&options, 7);
    assert_eq!(story(&options, 7), report);
    assert_ne!(story(&options, 8).figures, report.figures);
}

fn devices_that_fall_silent_leave_the_others_alone() {
    let faults = Faults { silence: 100, ..Faults::NONE };
    let figures = stories(Options { fleet: Fleet::Consumer, faults, profiles: 1, campaign: None }, 20..26);
    assert!(figures.silent > 0 && figures.open > 0 && figures.enabled > 0, "{figures:?}");
}

fn an_eim_switches_devices_on_bad_days() {
    let faults = "drop=80,double=80,delay=60,death=250,power-cut=40,silence=0,coverage=300,card-error=40,forge=60,replay=60";
    let faults = faults.parse().unwrap();
    let figures = stories(Options { fleet: Fleet::Iot, faults, profiles: 2, campaign: None }, 1..5);
    for (what, count) in [
        ("lost", figures.dropped),
        ("doubled", figures.doubled),
        ("deaths", figures.deaths),
        ("power cuts", figures.power_cuts),
        ("forged", figures.forged),
        ("replayed", figures.replayed),
        ("errors of cards", figures.card_errors.values().sum()),
    ] {
        assert!(count >= 5, "{what}: {figures:?}");
    }
    assert_eq!(figures.switches.values().sum::<u64>(), 4 * DEVICES as u64, "each ended: {figures:?}");
    assert!(figures.switches.get("done").is_some_and(|count| *count > 0), "{figures:?}");
}

fn an_old_profile_is_deleted_in_the_end() {
    let faults = Faults { delete_old: 1000, ..Faults::NONE };
    let figures = stories(Options { fleet: Fleet::Iot, faults, profiles: 2, campaign: None }, 1..2);
    assert_eq!(figures.switches, [("done".to_owned(), DEVICES as u64)].into(), "{figures:?}");
    assert!(figures.switch_times.percentile(1) >= Some(300), "the old one is held: {figures:?}");
}

fn who_loses_coverage_goes_back() {
    let faults = Faults { coverage: 1000, ..Faults::NONE };
    let figures = stories(Options { fleet: Fleet::Iot, faults, profiles: 2, campaign: None }, 1..2);
    assert_eq!(figures.switches, [("rolled_back".to_owned(), DEVICES as u64)].into(), "{figures:?}");
}

fn a_seed_of_an_eim_tells_its_story_again() {
    let faults = Faults { death: 40, power_cut: 40, ..Faults::default() };
    let options = Options { fleet: Fleet::Iot, faults, profiles: 2, campaign: None };
    let report = story(&options, 5);
    assert_eq!(story(&options, 5), report);
}

/// One target first, then the others.
fn pace(failure_budget: u16) -> Option<Pace> {
    Some(Pace {
        shares: vec![100, 1000],
        per_hour: 3600,
        at_most: 10,
        failure_budget,
        soak: Duration::from_secs(600),
        validity: Some(Duration::from_secs(4 * 3600)),
    })
}

fn a_campaign_switches_all_devices_wave_by_wave() {
    let options = Options { fleet: Fleet::Iot, faults: Faults::NONE, profiles: 3, campaign: pace(0) };
    let figures = stories(options, 1..2);
    assert_eq!(figures.switches, [("done".to_owned(), 2 * DEVICES as u64)].into(), "{figures:?}");
    assert_eq!(figures.targets, [("done".to_owned(), 2 * DEVICES as u64)].into(), "{figures:?}");
    assert_eq!((&figures.campaigns, figures.resumed), (&[("done".to_owned(), 2)].into(), 0), "{figures:?}");
    assert!(figures.campaign_times.percentile(1) >= Some(600), "it soaks: {figures:?}");
    assert!(figures.rows_of_switches > figures.changes_of_switches, "{figures:?}");
}

fn a_campaign_holds_on_bad_days() {
    let faults = "drop=80,double=80,delay=60,death=250,power-cut=40,silence=5,coverage=300,card-error=40,forge=60,replay=60";
    let faults = faults.parse().unwrap();
    let figures = stories(Options { fleet: Fleet::Iot, faults, profiles: 2, campaign: pace(100) }, 1..5);
    assert_eq!(figures.campaigns.values().sum::<u64>(), 4, "{figures:?}");
    assert_eq!(figures.targets.values().sum::<u64>(), 4 * DEVICES as u64, "{figures:?}");
    assert!(figures.resumed > 0, "one goes back in the first wave: {figures:?}");
    assert!(figures.deaths > 20 && figures.targets.contains_key("done"), "{figures:?}");
}

fn a_seed_of_a_campaign_tells_its_story_again() {
    let faults = Faults { death: 100, power_cut: 40, ..Faults::default() };
    let options = Options { fleet: Fleet::Iot, faults, profiles: 2, campaign: pace(100) };
    let report = story(&options, 5);
    assert_eq!(story(&options, 5), report);
}
