//! `simyard order create --csv`: many orders, and a file with a line for each.
//!
//! The file is made of what the store holds when all orders are made, written aside and renamed: a run that is killed
//! leaves none, and the same run again writes it. So are the pictures of --qr, before it.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use simyard_asn1::Oid;

use super::Desk;
use super::create::CreateArgs;
use super::view::View;
use crate::cli::folder::replace_private;
use crate::cli::output::{self, error_line, line};
use crate::cli::qr;
use crate::domain::{Operator, Person, ProfileType};
use crate::env::Rng;
use crate::ident::Eid;
use crate::smdp::manual_order::NewOrder;
use crate::smdp::order_run::{NewRun, RUN_MAX, RunOrder, run_orders};

/// A file of EIDs: 100,000 lines with blanks and comments.
const EIDS_MAX_OCTETS: u64 = 8 << 20;
/// The columns of the file.
const COLUMNS: &str = "order,iccid,eid,matching_id,activation_code,expires_at";

/// What the options come to.
pub(super) struct Many<'a> {
    /// Where the table goes.
    pub(super) csv: &'a Path,
    /// Whose profiles.
    pub(super) owner: Operator,
    /// Their type.
    pub(super) profile_type: ProfileType,
    /// What each order is to be.
    pub(super) order: NewOrder,
    /// Who makes them.
    pub(super) person: Person,
    /// Of the SM-DP+, where activation codes are to name it.
    pub(super) oid: Option<Oid>,
}

pub(super) async fn run(desk: &Desk, args: &CreateArgs, many: Many<'_>) -> anyhow::Result<()> {
    let Many { csv, owner, profile_type, order, person, oid } = many;
    let rng = Rng::system();
    let eids = args.eids.as_deref().map(read_eids).transpose()?.unwrap_or_default();
    let listed = u64::try_from(eids.len()).unwrap_or(u64::MAX);
    let count = args.count.unwrap_or(listed);
    if args.eids.is_some() && count != listed {
        bail!("--count {count}, but the file of --eids has {listed}: leave --count out, or make them equal");
    }
    let run_id = args.run_id.clone().unwrap_or_else(|| hex::encode(rng.array::<8>()));
    check_place(desk, csv, &run_id).await?;
    if args.run_id.is_none() {
        error_line(&format!("run {run_id}: if it is broken off, repeat it with --run-id {run_id}"));
    }
    let new = NewRun { run_id, person, owner, profile_type, count, eids, order };
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(count) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} orders, {per_sec}") {
        bar.set_style(style);
    }
    let made = run_orders(&desk.store, &desk.clock, &rng, &new, |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    let orders = made?;
    if let Some(Some(folder)) = &args.qr {
        draw(desk, &orders, oid.as_ref(), folder)?;
    }
    replace_private(csv, table(desk, &orders, oid.as_ref()).as_bytes())?;
    let cancelled = orders.iter().filter(|order| order.order.is_none()).count();
    if args.common.json {
        output::json(&json!({
            "runId": new.run_id,
            "orders": orders.len(),
            "cancelled": cancelled,
            "csv": csv,
        }));
        return Ok(());
    }
    let made = if orders.len() == 1 { "order" } else { "orders" };
    line(&format!("run {}: {} {made} in {}", new.run_id, orders.len(), csv.display()));
    if cancelled > 0 {
        let were = if cancelled == 1 { "was" } else { "were" };
        line(&format!("{cancelled} of them {were} cancelled since and have the ICCID alone"));
    }
    Ok(())
}

/// Before anything is ordered: the file can be made, and it is no stranger's.
async fn check_place(desk: &Desk, csv: &Path, run_id: &str) -> anyhow::Result<()> {
    if csv.exists() && desk.store.order_run(run_id).await?.is_none() {
        bail!("{} is there already, and not by run {run_id}: name another file", csv.display());
    }
    let folder = csv.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() || csv.file_name().is_none() {
        bail!("{} cannot be made: {} is no folder", csv.display(), folder.display());
    }
    Ok(())
}

/// A picture of each activation code, again for those that are there. An order that was cancelled since loses its own.
fn draw(desk: &Desk, orders: &[RunOrder], oid: Option<&Oid>, folder: &Path) -> anyhow::Result<()> {
    for RunOrder { iccid, order } in orders {
        let view = order.as_ref().map(|order| View::new(desk, order).with_oid(oid));
        match view.and_then(|view| view.activation_code()) {
            Some(code) => qr::write(folder, iccid, &code.to_string())?,
            None => qr::remove(folder, iccid)?,
        }
    }
    Ok(())
}

fn table(desk: &Desk, orders: &[RunOrder], oid: Option<&Oid>) -> String {
    let mut table = format!("{COLUMNS}\n");
    for (number, RunOrder { iccid, order }) in (1_u64..).zip(orders) {
        let view = order.as_ref().map(|order| (order, View::new(desk, order).with_oid(oid)));
        let text = |value: Option<String>| value.unwrap_or_default();
        let fields = [
            number.to_string(),
            iccid.to_string(),
            text(order.as_ref().and_then(|order| order.linked_eid()).map(ToString::to_string)),
            text(order.as_ref().and_then(|order| order.matching_id()).map(ToString::to_string)),
            text(view.and_then(|(_, view)| view.activation_code()).map(|code| code.to_string())),
            text(order.as_ref().and_then(|order| order.expires_at()).map(|at| at.to_string())),
        ];
        table += &fields.join(",");
        table.push('\n');
    }
    table
}

/// The EIDs of a file, one in a line; blank lines and lines that begin with `#` say nothing.
fn read_eids(path: &Path) -> anyhow::Result<Vec<Eid>> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let mut text = String::new();
    let read = file.take(EIDS_MAX_OCTETS + 1).read_to_string(&mut text);
    read.with_context(|| path.display().to_string())?;
    if u64::try_from(text.len()).is_ok_and(|octets| octets > EIDS_MAX_OCTETS) {
        bail!("{} is larger than {EIDS_MAX_OCTETS} octets", path.display());
    }
    let mut eids = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        eids.push(Eid::parse(line).with_context(|| format!("{}: line {number}", path.display()))?);
    }
    if eids.is_empty() {
        bail!("{} has no EID: expected one in a line, at most {RUN_MAX}", path.display());
    }
    Ok(eids)
}
