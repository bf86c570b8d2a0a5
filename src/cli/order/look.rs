//! `simyard order list` and `simyard order show`.

use clap::Args;
use serde_json::{Value, json};

use super::create::{parse_operator, parse_profile_type};
use super::view::View;
use super::{CodeArgs, Common, Desk, Which};
use crate::cli::output::{self, error_line, line};
use crate::domain::{Operator, ProfileType, StateName};
use crate::ident::{EidPrefix, Iccid, MatchingId};
use crate::store::{Notification, Selection};

/// List orders by rising ICCID, a page at a time.
///
/// Profiles that nobody ordered are left out, unless --state Available asks for them.
#[derive(Args)]
pub(super) struct ListArgs {
    /// Those in this state: Available, Allocated, Linked, Confirmed, Released, Downloaded, Installed, Error or
    /// Unavailable.
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<StateName>,
    /// Those of this type.
    #[arg(long, value_name = "NAME", value_parser = parse_profile_type)]
    profile_type: Option<ProfileType>,
    /// Those of this operator.
    #[arg(long, value_name = "NAME", value_parser = parse_operator)]
    owner: Option<Operator>,
    /// Those linked or bound to an eUICC whose EID begins so, or is so.
    #[arg(long, value_name = "DIGITS")]
    eid: Option<EidPrefix>,
    /// The one with this matching identifier.
    #[arg(long, value_name = "TEXT")]
    matching_id: Option<MatchingId>,
    /// Go on behind this profile.
    #[arg(long, value_name = "ICCID")]
    after: Option<Iccid>,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=999))]
    limit: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) async fn list(desk: &Desk, args: &ListArgs) -> anyhow::Result<()> {
    let selection = Selection {
        state: args.state,
        profile_type: args.profile_type.clone(),
        owner: args.owner.clone(),
        eid: args.eid.clone(),
        matching_id: args.matching_id.clone(),
    };
    // One more than is told says whether there are more.
    let mut orders =
        desk.store.selected_orders(&selection, args.after.as_ref(), args.limit.saturating_add(1)).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = orders.len() > limit;
    orders.truncate(limit);
    let next = orders.last().filter(|_| is_more).map(|order| order.iccid.clone());
    let failures = match (orders.first(), orders.last()) {
        (Some(first), Some(last)) => desk.store.failures(&first.iccid, &last.iccid).await?,
        _ => Vec::new(),
    };
    let view = |order| View::new(desk, order).with_failure(&failures);
    if args.common.json {
        let orders: Vec<Value> = orders.iter().map(|order| Value::Object(view(order).json())).collect();
        output::json(&json!({ "orders": orders, "next": next }));
        return Ok(());
    }
    for order in &orders {
        line(&view(order).row());
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --after {next}"));
    }
    Ok(())
}

/// Show all that is known of an order, but for its secrets.
#[derive(Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    code: CodeArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) async fn show(desk: &Desk, args: &ShowArgs) -> anyhow::Result<()> {
    let order = desk.find(&args.which).await?;
    let notifications = desk.store.notifications(&order.iccid).await?;
    let failures = desk.store.failures(&order.iccid, &order.iccid).await?;
    let oid = args.code.oid(desk)?;
    let view = View::new(desk, &order).with_oid(oid.as_ref()).with_failure(&failures);
    if args.common.json {
        let mut value = view.json();
        let notifications = notifications.iter().map(|notification| {
            json!({
                "event": format!("{:?}", notification.event),
                "eid": notification.eid,
                "seqNumber": notification.seq_number,
                "receivedAt": notification.received_at.to_string(),
            })
        });
        value.insert("notifications".to_owned(), notifications.collect());
        output::json(&Value::Object(value));
        return Ok(());
    }
    for (name, value) in view.lines() {
        line(&format!("{name:<22}{value}"));
    }
    for Notification { event, eid, seq_number, received_at, .. } in notifications {
        line(&format!("{:<22}{event:?}, number {seq_number} of EID {eid}, {received_at}", "notification"));
    }
    Ok(())
}

pub(super) fn parse_state(text: &str) -> Result<StateName, String> {
    let named = |state: &StateName| state.to_string().eq_ignore_ascii_case(text);
    StateName::ALL.into_iter().find(named).ok_or_else(|| {
        let names = StateName::ALL.map(|state| state.to_string());
        format!("expected one of {}", names.join(", "))
    })
}
