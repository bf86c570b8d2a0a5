//! `simyard order`: orders in the stock of a settings file, made, looked at and mended without a server.
//!
//! | file | what |
//! |---|---|
//! | `create` | one order |
//! | `bulk` | many orders, with a CSV of their activation codes |
//! | `look` | `list` and `show` |
//! | `history` | what happened to it |
//! | `mend` | `release`, `cancel` and `reset` |
//! | `view`, `terms` | an order, and what it asks of its package, for people and as JSON |
//!
//! The rules are those of [`crate::smdp::manual_order`]. A server may run on the same store meanwhile.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use simyard_asn1::Oid;

use super::common::Common;
use super::hand::HandArgs;
use super::serve::ConfigArgs;
use crate::app::config::{Config, ProfileTypeSetting};
use crate::app::{open_store, smdp_oid};
use crate::domain::{Delivered, Order, ProfileType};
use crate::env::{Clock, Timestamp};
use crate::ident::{Iccid, MatchingId};
use crate::smdp::manual_order::{Expiry, Hand};
use crate::store::Store;

mod bulk;
mod create;
mod history;
mod look;
mod mend;
mod terms;
mod view;

/// Prepare, look at and mend orders in the stock, without a server.
///
/// Works on the store that the settings name, with nothing between: who may run it may do with every order what its
/// operator may, and more. A server may run on the same store; it sees each change at once.
#[derive(Args)]
pub struct OrderArgs {
    #[command(subcommand)]
    command: OrderCommand,
}

#[derive(Subcommand)]
enum OrderCommand {
    /// Order a profile, or many, in any situation, and print the activation code.
    Create(Box<create::CreateArgs>),
    /// List orders, a page at a time.
    List(look::ListArgs),
    /// Show all that is known of an order, but for its secrets.
    Show(look::ShowArgs),
    /// Release an order that is Confirmed.
    Release(mend::ReleaseArgs),
    /// Take an order back; the profile returns to the stock, or leaves it for good.
    Cancel(mend::CancelArgs),
    /// Put an order back that is in Error, out of attempts or expired.
    Reset(mend::ResetArgs),
    /// Show what happened to a profile: the life of its order, and who changed orders by hand.
    History(history::HistoryArgs),
}

/// Which order is meant.
#[derive(Args)]
#[command(group = ArgGroup::new("which").args(["iccid", "matching_id"]).required(true))]
struct Which {
    /// The profile.
    #[arg(value_name = "ICCID")]
    iccid: Option<Iccid>,
    /// The order's matching identifier, instead of the profile.
    #[arg(long, value_name = "TEXT")]
    matching_id: Option<MatchingId>,
}

/// What an activation code names.
#[derive(Args)]
struct CodeArgs {
    /// Name the OID of the SM-DP+ in the activation code: an LPA then refuses a server with another one.
    #[arg(long)]
    code_with_oid: bool,
}

impl CodeArgs {
    /// The OID, if the code is to name it.
    fn oid(&self, desk: &Desk) -> anyhow::Result<Option<Oid>> {
        if self.code_with_oid { Ok(smdp_oid(&desk.config)?) } else { Ok(None) }
    }
}

/// How long an order lasts.
#[derive(Args)]
#[command(group = ArgGroup::new("expiry").args(["expires_at", "expires_in", "no_expiry"]))]
struct ExpiryArgs {
    /// Refuse it from then on, past or future, as in 2026-11-22T06:43:00Z.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    expires_at: Option<Timestamp>,
    /// Refuse it after a time: a number with s, m, h, d or w.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires_in: Option<Duration>,
    /// Let it last for ever.
    #[arg(long)]
    no_expiry: bool,
}

impl ExpiryArgs {
    /// What the options say; `None` without any.
    const fn given(&self) -> Option<Expiry> {
        match (self.expires_at, self.expires_in, self.no_expiry) {
            (Some(at), _, _) => Some(Expiry::At(at)),
            (None, Some(duration), _) => Some(Expiry::After(duration)),
            (None, None, true) => Some(Expiry::Never),
            (None, None, false) => None,
        }
    }
}

/// What the settings say of orders.
fn default_expiry(config: &Config) -> Expiry {
    config.order_lifetime_s.map_or(Expiry::Never, |seconds| Expiry::After(Duration::from_secs(seconds)))
}

/// What a command works with.
struct Desk {
    config: Config,
    store: Store,
    clock: Clock,
}

impl Desk {
    async fn open(config: &ConfigArgs) -> anyhow::Result<Self> {
        let config = config.load()?;
        let store = open_store(&config).await?;
        Ok(Self { config, store, clock: Clock::system() })
    }

    /// Whose hand it is: of the one that is named, or of the system's user.
    fn hand(&self, args: &HandArgs) -> Hand {
        Hand { person: args.person(), at: self.clock.now() }
    }

    /// The settings of an order's profile type, where they have it.
    fn profile_type(&self, name: &ProfileType) -> Option<&ProfileTypeSetting> {
        self.config.profile_types.iter().find(|setting| setting.name == *name)
    }

    /// The systems that must have what belongs to profiles of a type before they are released.
    fn needed(&self, name: &ProfileType) -> Delivered {
        self.profile_type(name).map(|setting| setting.requires_delivery).unwrap_or_default()
    }

    async fn find(&self, which: &Which) -> anyhow::Result<Order> {
        let (order, named) = match (&which.iccid, &which.matching_id) {
            (Some(iccid), _) => (self.store.order(iccid).await?, format!("profile {iccid}")),
            (None, Some(id)) => {
                let order = self.store.order_by_matching_id(id).await?;
                (order, format!("an order with matching identifier {id:?}"))
            }
            (None, None) => anyhow::bail!("name an ICCID or a matching identifier"),
        };
        order.ok_or_else(|| anyhow::anyhow!("{named} is not in the stock"))
    }
}

/// Runs `simyard order`.
///
/// # Errors
/// Settings or a store that cannot be used, and what the order's state does not allow; nothing was changed then.
pub async fn run(args: OrderArgs) -> anyhow::Result<()> {
    match args.command {
        OrderCommand::Create(args) => {
            let desk = Desk::open(&args.common.config).await?;
            let outcome = create::run(&desk, &args).await;
            closed(&desk, outcome).await
        }
        OrderCommand::List(args) => {
            let desk = Desk::open(&args.common.config).await?;
            let outcome = look::list(&desk, &args).await;
            closed(&desk, outcome).await
        }
        OrderCommand::Show(args) => {
            let desk = Desk::open(&args.common.config).await?;
            let outcome = look::show(&desk, &args).await;
            closed(&desk, outcome).await
        }
        OrderCommand::Release(args) => {
            let desk = Desk::open(&args.common.config).await?;
            let outcome = mend::release(&desk, &args).await;
            closed(&desk, outcome).await
        }
        OrderCommand::Cancel(args) => {
            let desk = Desk::open(&args.common.config).await?;
            let outcome = mend::cancel(&desk, &args).await;
            closed(&desk, outcome).await
        }
        OrderCommand::Reset(args) => {
            let desk = Desk::open(&args.common.config).await?;
            let outcome = mend::reset(&desk, &args).await;
            closed(&desk, outcome).await
        }
        OrderCommand::History(args) => {
            let desk = Desk::open(&args.common.config).await?;
            let outcome = history::history(&desk, &args).await;
            closed(&desk, outcome).await
        }
    }
}

/// Closes the store, however the command ended.
async fn closed(desk: &Desk, outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    desk.store.close().await;
    outcome
}

/// Reads a time.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected a time as in 2026-11-22T06:43:00Z".to_owned())
}

/// Reads a duration.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];
    let seconds = units.into_iter().find_map(|(unit, seconds)| {
        let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
        Some(u64::from(number).saturating_mul(seconds))
    });
    let seconds = seconds.ok_or_else(|| "expected a number with s, m, h, d or w, as in 36h".to_owned())?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("15m", 900), ("36h", 129_600), ("1d", 86_400)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("2w"), parse_duration("14d"));
        for text in ["", "5", "h", "-1h", "1.5h", "1 h", "99999999999s", "1y"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
