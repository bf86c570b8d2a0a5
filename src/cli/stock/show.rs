//! `simyard stock`: a table.

use clap::Args;

use super::Common;
use crate::app::open_store;
use crate::cli::output::{self, error_line, line};
use crate::domain::Standing;
use crate::inventory::stock::{self, StockOverview};

#[derive(Args)]
pub(super) struct ShowArgs {
    /// Of this profile type alone.
    #[arg(long, value_name = "NAME")]
    profile_type: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(args: &ShowArgs) -> anyhow::Result<()> {
    let config = args.common.config.load()?;
    let store = open_store(&config).await?;
    let overview = stock::overview(&store, &config.low_water_marks()).await;
    store.close().await;
    let mut overview = overview?;
    if let Some(name) = &args.profile_type {
        overview.stock.retain(|line| line.profile_type == *name);
        overview.low.retain(|low| low.profile_type == *name);
    }
    if args.common.json {
        output::json(&serde_json::to_value(&overview)?);
        return Ok(());
    }
    for row in table(&overview) {
        line(row.trim_end());
    }
    for low in &overview.low {
        error_line(&format!(
            "{} of {}: {} available, fewer than {}: ingest or generate another batch",
            low.profile_type, low.owner, low.available, low.low_water
        ));
    }
    Ok(())
}

/// One line for each owner, type and kind of SIM, with a line of names above; standings that nobody has are left out.
fn table(overview: &StockOverview) -> Vec<String> {
    let standings: Vec<Standing> = Standing::ALL
        .into_iter()
        .filter(|standing| {
            *standing == Standing::Available || overview.stock.iter().any(|line| line.of(*standing) > 0)
        })
        .collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let names = ["owner", "profile type", "sub-class", "profiles"].map(str::to_owned);
    rows.push(names.into_iter().chain(standings.iter().map(ToString::to_string)).collect());
    for line in &overview.stock {
        let sub_class = line.sub_class.clone().unwrap_or_else(|| "-".to_owned());
        let head = [line.owner.clone(), line.profile_type.clone(), sub_class, line.profiles.to_string()];
        rows.push(
            head.into_iter().chain(standings.iter().map(|standing| line.of(*standing).to_string())).collect(),
        );
    }
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let cell = |(at, (text, width)): (usize, (&String, &usize))| match at {
        // Names to the left, numbers to the right.
        0..=2 => format!("{text:<width$}  "),
        _ => format!("{text:>width$}  "),
    };
    rows.iter().map(|row| row.iter().zip(&widths).enumerate().map(cell).collect()).collect()
}
