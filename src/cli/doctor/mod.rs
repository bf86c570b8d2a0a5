//! `simyard doctor`: is everything there that a server needs, and what is to be done where it is not?
//!
//! One line for each finding. Nothing is made, changed or migrated, no address is called, and no secret is shown.
//!
//! | file | checks |
//! |---|---|
//! | `settings` | the settings and the mode |
//! | `store` | the store, its schema, the sealing key, the clock |
//! | `certificates` | CIs, the server's certificates and keys, TLS names |
//! | `eim` | how devices prove who they are to the eIM |
//! | `callbacks` | what operators have not been told yet |
//! | `forwarded` | notifications of devices that their receivers have not got yet |
//! | `stock` | profiles that can be ordered, numbers that pools can give |

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::output::{self, Style, line};
use super::serve::ConfigArgs;
use crate::env::Clock;

mod callbacks;
mod certificates;
mod eim;
mod forwarded;
mod settings;
mod stock;
mod store;
mod webhooks;

/// Look after a server's settings, store, keys, certificates and stock.
///
/// Exit code 0 if all is well or only to be watched, 1 if something has to be done before the server can work.
#[derive(Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Warning,
    Bad,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// One finding.
struct Finding {
    group: &'static str,
    verdict: Verdict,
    text: String,
    /// What to do.
    advice: Option<String>,
}

/// All findings, in the order of the checks.
#[derive(Default)]
struct Report(Vec<Finding>);

impl Report {
    fn good(&mut self, group: &'static str, text: impl Into<String>) {
        self.0.push(Finding { group, verdict: Verdict::Good, text: text.into(), advice: None });
    }

    fn warning(&mut self, group: &'static str, text: impl Into<String>, advice: impl Into<String>) {
        let advice = Some(advice.into());
        self.0.push(Finding { group, verdict: Verdict::Warning, text: text.into(), advice });
    }

    fn bad(&mut self, group: &'static str, text: impl Into<String>, advice: impl Into<String>) {
        let advice = Some(advice.into());
        self.0.push(Finding { group, verdict: Verdict::Bad, text: text.into(), advice });
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|finding| finding.verdict == verdict).count()
    }

    fn print(&self) {
        let style = Style::of_stdout();
        for Finding { group, verdict, text, advice } in &self.0 {
            let word = format!("{:<8}", verdict.word());
            let word = match verdict {
                Verdict::Good => style.good(&word),
                Verdict::Warning | Verdict::Bad => style.bad(&word),
            };
            let advice = advice.as_ref().map(|advice| format!(": {advice}")).unwrap_or_default();
            line(&format!("{word} {group:<13} {text}{advice}"));
        }
        let (warnings, bad) = (self.count(Verdict::Warning), self.count(Verdict::Bad));
        line(&format!("{} findings, {warnings} to be watched, {bad} to be mended", self.0.len()));
    }

    fn to_json(&self) -> Value {
        let findings = self.0.iter().map(|finding| {
            json!({
                "group": finding.group,
                "verdict": finding.verdict.word(),
                "text": finding.text,
                "advice": finding.advice,
            })
        });
        json!({
            "version": 1,
            "good": self.count(Verdict::Bad) == 0,
            "findings": findings.collect::<Vec<Value>>(),
        })
    }
}

/// Runs all checks and prints what they found.
///
/// # Errors
/// None: what is wrong is a finding.
pub async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    let mut report = Report::default();
    if let Some(config) = settings::check(&args.config, &mut report) {
        certificates::check(&config, clock.now(), &mut report);
        eim::check(&config, clock.now(), &mut report);
        if let Some(store) = store::check(&config, &clock, &mut report).await {
            stock::check(&config, &store, &mut report).await;
            stock::pools(&config, &store, &clock, &mut report).await;
            callbacks::check(&store, clock.now(), &mut report).await;
            if config.eim.is_some() {
                forwarded::check(&store, clock.now(), &mut report).await;
            }
            webhooks::check(&store, &mut report).await;
            eim::keys(&config, &store, &mut report).await;
            eim::listening(&config, &store, &mut report).await;
            store.close().await;
        }
    }
    if args.json {
        output::json(&report.to_json());
    } else {
        report.print();
    }
    Ok(if report.count(Verdict::Bad) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
