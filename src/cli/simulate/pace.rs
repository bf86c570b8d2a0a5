//! The pace of campaigns that a simulation begins switches with.

use std::time::Duration;

use clap::Args;

use crate::cli::campaign::{parse_rate, parse_share};
use crate::cli::order::parse_duration;
use crate::domain::Pace;

/// Targets under way at a time at most.
const AT_MOST: u32 = 500;
/// How long a switch may wait for its device to call.
const VALIDITY: Duration = Duration::from_secs(4 * 3600);

#[derive(Args)]
pub(super) struct PaceArgs {
    /// Switches are begun by a campaign of the whole fleet, not one by one: it goes in waves, and stops when too much fails.
    #[arg(long)]
    campaign: bool,
    /// How much of the fleet the waves of the campaign up to each comprise.
    #[arg(
        long,
        value_name = "PERCENT,…",
        value_delimiter = ',',
        default_value = "1%,10%,100%",
        value_parser = parse_share,
        requires = "campaign"
    )]
    waves: Vec<u16>,
    /// So many of its switches begin in a time: a number, a slash, and s, m, h or d.
    #[arg(long, value_name = "NUMBER/UNIT", default_value = "3600/h", value_parser = parse_rate, requires = "campaign")]
    rate: u32,
    /// So much of a wave may fail, roll back or expire before the campaign stops by itself, until a person lets it go on.
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = parse_share, requires = "campaign")]
    failure_budget: u16,
    /// A wave of which nearly all ended is watched so long before the next one begins.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_duration, requires = "campaign")]
    soak: Duration,
}

impl PaceArgs {
    /// The pace, if campaigns are wanted.
    pub(super) fn pace(&self) -> Option<Pace> {
        self.campaign.then(|| Pace {
            shares: self.waves.clone(),
            per_hour: self.rate,
            at_most: AT_MOST,
            failure_budget: self.failure_budget,
            soak: self.soak,
            validity: Some(VALIDITY),
        })
    }
}

/// A pace as it is read, with a blank before it.
pub(super) fn options(pace: &Pace) -> String {
    let percent = |share: &u16| format!("{}.{}%", share / 10, share % 10);
    let waves: Vec<String> = pace.shares.iter().map(percent).collect();
    format!(
        " --campaign --waves {} --rate {}/h --failure-budget {} --soak {}s",
        waves.join(","),
        pace.per_hour,
        percent(&pace.failure_budget),
        pace.soak.as_secs()
    )
}
