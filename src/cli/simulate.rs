//! `simyard simulate`: the real server in a world in which everything may go wrong, by a seed.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde::Serialize;

use super::folder::{Folder, Keep};
use super::output::{self, Style};
use crate::bench::process;
use crate::domain::Pace;
use crate::env::Clock;
use crate::sim::faults::Faults;
use crate::sim::ground::Ground;
use crate::sim::report::{Figures, SeedReport};
use crate::sim::{DEVICES_MAX, Fleet, Options, simulate};

mod pace;

use pace::PaceArgs;

/// Seeds of one run at most of which each is told by itself.
const TOLD_ONE_BY_ONE: u64 = 20;

/// Simulate a fleet and a server that is killed again and again, and look whether everything holds.
///
/// The server, its store, the messages and the procedures of devices and cards are the real ones; network, power and time are
/// simulated, and the seed decides all of it: the same seed, with the same devices and faults, tells the same story again. When all has
/// come to rest, every card is held against every row of the store. Exit code 1 if something does not hold; the
/// command that tells the story again is printed.
#[derive(Args)]
pub struct SimulateArgs {
    /// Devices, each with a card of its own.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = devices)]
    devices: usize,
    /// Devices with a user, an LPA and SGP.22, or without, with an IPA and SGP.32, which the eIM switches.
    #[arg(long, value_name = "consumer|iot", default_value = "iot", value_parser = fleet)]
    fleet: Fleet,
    /// Profiles that each device is to get, one after the other.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    profiles: u8,
    #[command(flatten)]
    pace: PaceArgs,
    /// The seed.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "seeds")]
    seed: u64,
    /// Many seeds, one after the other; the last one is not among them.
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    seeds: Option<Range<u64>>,
    /// What goes wrong, of a thousand times: drop, double, delay, death (of more than 100 devices the server dies no more
    /// often than of 100), power-cut, silence, card-error, forge, replay; of a thousand switches of iot coverage
    /// and delete-old; `none` sets all to 0.
    #[arg(long, value_name = "NAME=N,…", default_value_t = Faults::default())]
    faults: Faults,
    /// Seeds at a time, each on a thread of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Keep the stores in this folder, which must be empty or absent; otherwise they lie in memory where the system lets them,
    /// and are removed.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

fn devices(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=DEVICES_MAX).contains(number));
    number.ok_or_else(|| format!("a number from 1 to {DEVICES_MAX} is expected"))
}

fn fleet(text: &str) -> Result<Fleet, String> {
    match text {
        "consumer" => Ok(Fleet::Consumer),
        "iot" => Ok(Fleet::Iot),
        _ => Err("consumer or iot is expected".to_owned()),
    }
}

/// As it is read.
const fn fleet_name(fleet: Fleet) -> &'static str {
    match fleet {
        Fleet::Consumer => "consumer",
        Fleet::Iot => "iot",
    }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    range
        .filter(|range| !range.is_empty())
        .ok_or_else(|| format!("{text:?} is not FIRST..END, such as 1..1000"))
}

/// What all seeds came to.
#[derive(Serialize)]
struct Simulation {
    fleet: Fleet,
    devices: usize,
    profiles: u8,
    faults: Faults,
    /// How campaigns begin the switches, as on the command line; `None` if each is begun by itself.
    campaign: Option<String>,
    seeds: u64,
    seconds: f64,
    /// Of all threads; `None` where the system does not tell.
    cpu_seconds: Option<f64>,
    /// The most memory that was held, in octets; `None` where the system does not tell.
    peak_memory: Option<u64>,
    /// Of all seeds together.
    figures: Figures,
    /// Of each seed, where they are few; of those in which something does not hold.
    told: Vec<SeedReport>,
    failed: usize,
}

/// Runs the seeds and prints what they came to.
///
/// # Errors
/// What kept a seed from its end.
pub async fn run(args: SimulateArgs) -> anyhow::Result<ExitCode> {
    tokio::task::spawn_blocking(move || run_blocking(&args)).await?
}

fn run_blocking(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    let folder = match &args.dir {
        Some(dir) => Folder::new("simulation", Some(dir), Keep::IfNamed)?,
        None => Folder::in_memory("simulation")?,
    };
    let pace = args.pace.pace();
    if let Some(pace) = &pace {
        pace.check()?;
        if args.fleet == Fleet::Consumer {
            bail!("--campaign goes with --fleet iot: nobody asks phones for a switch");
        }
    }
    let start = clock.monotonic();
    let cpu = || process::cpu_time(std::process::id());
    let cpu_before = cpu();
    let ground = Ground::new(args.devices)?;
    let reports = Stories { args, pace: pace.as_ref(), ground: &ground, folder: folder.path() }.tell()?;
    let seconds = clock.monotonic().saturating_sub(start).as_secs_f64();
    let mut figures = Figures::default();
    reports.iter().for_each(|report| figures.add(&report.figures));
    let seeds = u64::try_from(reports.len())?;
    let failed = reports.iter().filter(|report| !report.violations.is_empty()).count();
    let told = reports.into_iter().filter(|report| seeds <= TOLD_ONE_BY_ONE || !report.violations.is_empty());
    let simulation = Simulation {
        fleet: args.fleet,
        devices: args.devices,
        profiles: args.profiles,
        faults: args.faults,
        campaign: pace.as_ref().map(pace::options),
        seeds,
        seconds,
        cpu_seconds: cpu().zip(cpu_before).map(|(now, before)| now.saturating_sub(before).as_secs_f64()),
        peak_memory: process::peak_memory(std::process::id()),
        figures,
        told: told.collect(),
        failed,
    };
    if args.json {
        output::json(&serde_json::to_value(&simulation)?);
    } else {
        simulation.print();
    }
    for report in simulation.told.iter().filter(|report| !report.violations.is_empty()) {
        output::error_line(&format!("again: {}", simulation.command(report.seed)));
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The stories of all seeds.
struct Stories<'a> {
    args: &'a SimulateArgs,
    pace: Option<&'a Pace>,
    ground: &'a Ground,
    folder: &'a Path,
}

impl Stories<'_> {
    /// Tells all of them, in the order of the seeds.
    fn tell(&self) -> anyhow::Result<Vec<SeedReport>> {
        let seeds = self.args.seeds.clone().unwrap_or(self.args.seed..self.args.seed.saturating_add(1));
        let (left, told) = (Mutex::new(seeds), Mutex::new(Vec::new()));
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || -> anyhow::Result<()> {
            while let Some(seed) = next() {
                let report = self.one(seed).with_context(|| format!("seed {seed}"))?;
                told.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.args.threads).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
        })?;
        let mut told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
        told.sort_by_key(|report| report.seed);
        Ok(told)
    }

    fn one(&self, seed: u64) -> anyhow::Result<SeedReport> {
        let folder = self.folder.join(format!("seed-{seed}"));
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options = Options {
            fleet: self.args.fleet,
            faults: self.args.faults,
            profiles: usize::from(self.args.profiles),
            campaign: self.pace.cloned(),
        };
        let report = runtime.block_on(simulate(self.ground, &options, seed, &folder))?;
        if self.args.dir.is_none() {
            std::fs::remove_dir_all(&folder)?;
        }
        Ok(report)
    }
}

impl Simulation {
    /// The command that tells the story of a seed again.
    fn command(&self, seed: u64) -> String {
        let Self { devices, profiles, faults, .. } = self;
        let (fleet, campaign) = (fleet_name(self.fleet), self.campaign.as_deref().unwrap_or_default());
        format!(
            "simyard simulate --fleet {fleet} --devices {devices} --profiles {profiles}{campaign} --faults {faults} --seed {seed}"
        )
    }

    fn print(&self) {
        let style = Style::of_stdout();
        for report in &self.told {
            let verdict = match report.violations.len() {
                0 => style.good("holds"),
                count => style.bad(&format!("{count} violations")),
            };
            output::line(&format!("seed {}: {verdict}, {}", report.seed, outline(&report.figures)));
            for violation in &report.violations {
                output::line(&format!("  {violation}"));
            }
        }
        let figures = &self.figures;
        output::line(&format!(
            "{} seeds of {} devices in {:.1} s{}{}",
            self.seeds,
            self.devices,
            self.seconds,
            self.cpu_seconds.map_or_else(String::new, |cpu| format!(", {cpu:.1} s of CPU time")),
            self.peak_memory.map_or_else(String::new, |octets| format!(", {} MiB at most", octets >> 20)),
        ));
        output::line(&format!(
            "messages: {} requests, {} lost, {} doubled, {} late, {} found no server",
            figures.calls, figures.dropped, figures.doubled, figures.delayed, figures.unreachable
        ));
        output::line(&format!(
            "deaths of the server: {}; power cuts: {}; devices that fell silent: {}",
            figures.deaths, figures.power_cuts, figures.silent
        ));
        output::line(&format!(
            "profiles enabled: {}; left open by silence: {}",
            figures.enabled, figures.open
        ));
        output::line(&format!(
            "requests forged: {}, replayed: {}; errors of cards: {}",
            figures.forged,
            figures.replayed,
            figures.card_errors.values().sum::<u64>()
        ));
        for (answer, count) in &figures.card_errors {
            output::line(&format!("  {answer}: {count}"));
        }
        of_campaigns(figures);
        for (state, count) in &figures.switches {
            output::line(&format!("switches that ended as {state}: {count}"));
        }
        if let Some(line) = of_switches(figures) {
            output::line(&line);
        }
        for (why, count) in &figures.not_enabled {
            output::line(&format!("not enabled: {count}, {why}"));
        }
        let verdict = match self.failed {
            0 => style.good("everything holds"),
            count => style.bad(&format!("{count} seeds in which something does not hold")),
        };
        output::line(&verdict);
    }
}

/// How campaigns and their targets ended, if there were some.
fn of_campaigns(figures: &Figures) {
    for (state, count) in &figures.campaigns {
        output::line(&format!("campaigns that ended as {state}: {count}"));
    }
    let times = &figures.campaign_times;
    if let (Some(middle), Some(longest)) = (times.percentile(50), times.percentile(100)) {
        output::line(&format!(
            "a campaign: {middle} simulated s in the middle, {longest} s at most; let go on {} times after it had stopped",
            figures.resumed
        ));
    }
    for (state, count) in &figures.targets {
        output::line(&format!("targets that are {state}: {count}"));
    }
}

/// What switches took, if there were some.
#[expect(clippy::cast_precision_loss, reason = "it is read, not counted on")]
fn of_switches(figures: &Figures) -> Option<String> {
    let times = &figures.switch_times;
    let [p50, p99] = [times.percentile(50)?, times.percentile(99)?];
    let per_switch = |count: u64| count as f64 / times.count() as f64;
    Some(format!(
        "a switch: {p50} simulated s in the middle, {p99} s at the 99th percentile; {:.1} commits, {:.1} changes, {:.1} rows \
         written, with all that went on beside them",
        per_switch(figures.commits_of_switches),
        per_switch(figures.changes_of_switches),
        per_switch(figures.rows_of_switches)
    ))
}

/// A story in a line.
fn outline(figures: &Figures) -> String {
    format!(
        "{} events in {} simulated s, {} deaths, {} power cuts, {} profiles enabled, {} commits",
        figures.events,
        figures.simulated_s,
        figures.deaths,
        figures.power_cuts,
        figures.enabled,
        figures.commits
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_is_printed_tells_the_same_story() {
        #[derive(clap::Parser)]
        struct Simyard {
            #[command(flatten)]
            args: SimulateArgs,
        }

        let mut simulation = Simulation {
            fleet: Fleet::Consumer,
            devices: 7,
            profiles: 3,
            faults: "none,drop=5,power-cut=9".parse().unwrap(),
            campaign: None,
            seeds: 1,
            seconds: 0.0,
            cpu_seconds: None,
            peak_memory: None,
            figures: Figures::default(),
            told: Vec::new(),
            failed: 1,
        };
        let again = |simulation: &Simulation| {
            let command = simulation.command(41);
            let words = command.strip_prefix("simyard ").unwrap().split_whitespace();
            <Simyard as clap::Parser>::try_parse_from(words).unwrap().args
        };
        let args = again(&simulation);
        assert_eq!(args.pace.pace(), None);
        assert_eq!((args.devices, args.profiles, args.seed), (7, 3, 41));
        assert_eq!(args.faults, simulation.faults);

        let words =
            "simulate --campaign --waves 2.5%,100% --rate 90/m --failure-budget 7% --soak 2h".split(' ');
        let pace = <Simyard as clap::Parser>::try_parse_from(words).unwrap().args.pace.pace();
        simulation.campaign = pace.as_ref().map(pace::options);
        assert!(pace.is_some() && again(&simulation).pace.pace() == pace, "{:?}", simulation.campaign);
        let alone = <Simyard as clap::Parser>::try_parse_from("simulate --rate 1/h".split(' '));
        assert!(alone.is_err(), "it goes with a campaign");
    }

    #[test]
    fn seeds_are_a_range_with_something_in_it() {
        assert_eq!(seeds("1..3"), Ok(1..3));
        for text in ["", "1", "..", "3..3", "4..3", "a..b", "1..=3"] {
            assert!(seeds(text).is_err(), "{text}");
        }
        assert_eq!((devices("1"), devices("100000")), (Ok(1), Ok(100_000)));
        assert!(devices("0").is_err() && devices("100001").is_err() && devices("x").is_err());
    }
}
