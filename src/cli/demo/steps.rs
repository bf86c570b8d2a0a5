//! One line a step: what happened, and how long it took.

use std::time::Duration;

use anyhow::ensure;

use crate::cli::output::{Style, error_line, line};
use crate::env::Clock;
use crate::ident::Iccid;

/// The steps of one run.
pub(super) struct Steps {
    clock: Clock,
    style: Style,
    start: Duration,
    checks: usize,
}

impl Steps {
    pub(super) fn new(clock: Clock) -> Self {
        Self { start: clock.monotonic(), clock, style: Style::of_stdout(), checks: 0 }
    }

    /// Something that was done elsewhere, and how long it took.
    pub(super) fn passed(&mut self, name: &str, took: Duration) {
        self.told(name, took, "");
    }

    /// Does a step; its second result is a detail to tell.
    pub(super) fn step<T>(
        &mut self,
        name: &str,
        run: impl FnOnce() -> anyhow::Result<(T, String)>,
    ) -> anyhow::Result<T> {
        let start = self.clock.monotonic();
        let (value, detail) = run().map_err(|error| error.context(name.to_owned()))?;
        self.told(name, self.clock.monotonic().saturating_sub(start), &detail);
        Ok(value)
    }

    /// As [`Steps::step`], for what waits.
    pub(super) async fn step_async<T>(
        &mut self,
        name: &str,
        run: impl Future<Output = anyhow::Result<(T, String)>>,
    ) -> anyhow::Result<T> {
        let start = self.clock.monotonic();
        let (value, detail) = run.await.map_err(|error| error.context(name.to_owned()))?;
        self.told(name, self.clock.monotonic().saturating_sub(start), &detail);
        Ok(value)
    }

    /// Something that must hold.
    pub(super) fn check(
        &mut self,
        name: &str,
        holds: bool,
        detail: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let detail = detail();
        ensure!(holds, "{name}: {detail}");
        self.checks += 1;
        line(&format!("{} {name:<44}{:>12}  {detail}", self.style.good("✓"), self.style.dim("checked")));
        Ok(())
    }

    fn told(&self, name: &str, took: Duration, detail: &str) {
        let took = format!("{:.1} ms", took.as_secs_f64() * 1000.0);
        line(&format!("{} {name:<44}{took:>12}  {}", self.style.good("✓"), self.style.dim(detail)));
    }

    /// The last line of a run that went well.
    pub(super) fn summary(&self, iccid: &Iccid) {
        let took = self.clock.monotonic().saturating_sub(self.start);
        line(&self.style.good(&format!(
            "profile {iccid} ordered, downloaded, installed and enabled in {:.2} s; {} checks held",
            took.as_secs_f64(),
            self.checks
        )));
    }

    /// The last line of a run that did not: on stderr, as every error.
    pub(super) fn failed(error: &anyhow::Error) {
        let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
        error_line(&format!("{} {}", Style::of_stderr().bad("✗"), causes.join(": ")));
    }
}
