//! `simyard operation`: what is asked of eUICCs in the field, one thing at a time; `simyard switch` asks for all of a switch.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use serde_json::json;
use zeroize::Zeroizing;

use super::hand::HandArgs;
use super::order::parse_duration;
use super::output::{self, error_line, line};
use super::serve::ConfigArgs;
use crate::app::config::Config;
use crate::app::{Stock, open_eim, orders_for_euiccs};
use crate::domain::{Actor, OperationId, OperationStateName, ProfileType, Rollback, Task};
use crate::eim::Eim;
use crate::eim::operations::{
    CodeScope, CreateOperationError, OperationRequest, OperationSelection, cancel_operation,
    create_operation, download_is_under_way, operation, operations,
};
use crate::env::{Clock, Rng};
use crate::ident::{ActivationCode, Eid, Iccid};
use crate::smdp::order_for_euicc::{OrdersForEuiccs, Waiting};
use crate::store::Store;

mod view;

use view::show;
pub(super) use view::{rows, value};

pub(super) use super::common::Common;

/// Ask single operations of eUICCs in the field, and watch them.
///
/// What is asked here waits in the store that the settings name until the device polls the eIM, which is a server on the same
/// store. 'simyard switch' asks for a whole switch.
#[derive(Args)]
pub struct OperationArgs {
    #[command(subcommand)]
    command: OperationCommand,
}

#[derive(Subcommand)]
enum OperationCommand {
    /// Ask an eUICC to download, enable, disable or delete a profile, or to list its profiles.
    Create(Box<CreateArgs>),
    /// List operations, the newest first.
    List(ListArgs),
    /// Show an operation: where it stands, what happened, and what left and came.
    Show(WhichArgs),
    /// End an operation, as long as nothing that changes the eUICC has left.
    Cancel(CancelArgs),
}

/// Where a profile that is downloaded comes from.
#[derive(Args)]
#[command(group = ArgGroup::new("source").args(["activation_code", "profile_type"]))]
pub(super) struct SourceArgs {
    /// The activation code of any SM-DP+: LPA:1$ADDRESS$TOKEN.
    #[arg(long, value_name = "TEXT", value_parser = parse_code)]
    activation_code: Option<ActivationCode>,
    /// The confirmation code that goes with it.
    #[arg(long, value_name = "TEXT", requires = "activation_code")]
    confirmation_code: Option<String>,
    /// Order a profile of this type from our own SM-DP+, for this eUICC alone.
    #[arg(long, value_name = "NAME", value_parser = parse_profile_type)]
    pub(super) profile_type: Option<ProfileType>,
}

impl SourceArgs {
    /// Whether it names a profile to download.
    pub(super) const fn names_one(&self) -> bool {
        self.activation_code.is_some() || self.profile_type.is_some()
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Download a profile; it stays disabled.
    Download,
    /// Enable a profile that is on the eUICC.
    Enable,
    /// Disable the enabled profile.
    Disable,
    /// Delete a disabled profile.
    Delete,
    /// List the profiles.
    Audit,
}

#[derive(Args)]
struct CreateArgs {
    /// The eUICC.
    eid: Eid,
    /// What it is asked.
    #[arg(value_enum)]
    kind: Kind,
    /// The profile to enable, disable or delete.
    #[arg(long, value_name = "DIGITS")]
    iccid: Option<Iccid>,
    #[command(flatten)]
    source: SourceArgs,
    /// Of enable: the device may go back to the profile before by itself.
    #[arg(long)]
    rollback: bool,
    #[command(flatten)]
    asked: AskedArgs,
}

/// What all that is asked for takes.
#[derive(Args)]
pub(super) struct AskedArgs {
    /// Let it begin within this time or never: a number with s, m, h, d or w.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    valid_for: Option<Duration>,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Args)]
struct ListArgs {
    /// Those of this eUICC.
    #[arg(long, value_name = "DIGITS")]
    eid: Option<Eid>,
    /// Those in this state: waiting, downloading, failed …
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<OperationStateName>,
    /// Go on before this number.
    #[arg(long, value_name = "NUMBER")]
    after: Option<i64>,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=999))]
    limit: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(super) struct WhichArgs {
    /// The operation.
    #[arg(value_name = "OPERATION", value_parser = parse_id)]
    operation_id: OperationId,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Args)]
pub(super) struct CancelArgs {
    /// The operation.
    #[arg(value_name = "OPERATION", value_parser = parse_id)]
    operation_id: OperationId,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What a command works with.
pub(super) struct Desk {
    config: Config,
    store: Store,
    pub(super) eim: Eim,
}

impl Desk {
    pub(super) async fn open(config: &ConfigArgs) -> anyhow::Result<Self> {
        let config = config.load()?;
        let (clock, rng) = (Clock::system(), Rng::system());
        let stock = Stock::open(&config, &rng).await?;
        let store = stock.store.clone();
        let eim = open_eim(&config, &stock, &clock, &rng)?;
        let eim = eim.context("there is no eIM: the settings have no [eim]")?;
        Ok(Self { config, store, eim })
    }

    /// Closes the store, however the command ended.
    pub(super) async fn closed(self, outcome: anyhow::Result<()>) -> anyhow::Result<()> {
        self.store.close().await;
        outcome
    }

    /// Asks for it, with an order at our own SM-DP+ if that is wanted. Returns its number.
    pub(super) async fn ask(
        &self,
        eid: &Eid,
        task: Task,
        source: &SourceArgs,
        asked: &AskedArgs,
    ) -> anyhow::Result<OperationId> {
        if task.downloads() != source.names_one() {
            bail!(
                "{} takes {} of --activation-code and --profile-type",
                task.kind(),
                if task.downloads() { "one" } else { "none" }
            );
        }
        let mut request = request(task, source);
        request.valid_until = asked.valid_for.map(|duration| self.eim.clock.now().plus(duration));
        let person = asked.hand.person();
        let orders = self.orders()?;
        let ordered = match &source.profile_type {
            Some(profile_type) => {
                // Whoever downloads at this moment may be using the order that waits.
                let is_in_use = download_is_under_way(&self.eim, eid).await?;
                let waiting = if is_in_use { Waiting::Leave } else { Waiting::Take };
                Some(orders.order(&person, profile_type, eid, waiting).await?)
            }
            None => None,
        };
        if let Some(ordered) = &ordered {
            error_line(&format!("profile {} is ordered for {eid}", ordered.iccid));
            request.activation_code = Some(ordered.code.clone());
            request.code_scope = CodeScope::ThisEuicc;
            request.needed_memory = ordered.needed_memory;
        }
        match create_operation(&self.eim, eid, &request, &Actor::Person(person.clone())).await {
            Ok(created) => Ok(created.operation_id),
            Err(error) => {
                if let Some(ordered) = &ordered {
                    orders.give_back(&person, ordered).await?;
                }
                Err(told(error))
            }
        }
    }

    /// What orders profiles of our own stock.
    pub(super) fn orders(&self) -> anyhow::Result<OrdersForEuiccs> {
        orders_for_euiccs(&self.config, &self.store, &self.eim.clock, &self.eim.rng)?
            .context("the settings name no address of ours")
    }

    /// Shows an operation.
    pub(super) async fn show(&self, id: &OperationId, common: &Common) -> anyhow::Result<()> {
        let found = operation(&self.eim, id).await?.with_context(|| format!("there is no operation {id}"))?;
        if common.json {
            output::json(&view::value_of(&found));
        } else {
            for text in show(&found, self.eim.clock.now()) {
                line(&text);
            }
        }
        Ok(())
    }

    /// Ends an operation.
    pub(super) async fn cancel(&self, args: &CancelArgs) -> anyhow::Result<()> {
        cancel_operation(&self.eim, &args.operation_id, &Actor::Person(args.hand.person())).await?;
        if args.common.json {
            return self.show(&args.operation_id, &args.common).await;
        }
        line(&format!("{} is cancelled", args.operation_id));
        Ok(())
    }
}

/// What stands in the way of a switch, each in a line of its own.
fn told(error: CreateOperationError) -> anyhow::Error {
    match error {
        CreateOperationError::NotEligible(obstacles) => {
            let lines: Vec<String> = obstacles.iter().map(|one| format!("\n  {one}")).collect();
            anyhow::anyhow!("it is not possible:{}", lines.concat())
        }
        other => other.into(),
    }
}

/// What is asked for, but for an order at our own SM-DP+.
pub(super) fn request(task: Task, source: &SourceArgs) -> OperationRequest {
    let mut request = OperationRequest::new(task);
    request.activation_code.clone_from(&source.activation_code);
    request.confirmation_code = source.confirmation_code.clone().map(Zeroizing::new);
    request
}

/// Runs `simyard operation`.
///
/// # Errors
/// Settings or a store that cannot be used, and what the eUICC or the operation does not allow; nothing was changed then.
pub async fn run(args: OperationArgs) -> anyhow::Result<()> {
    let common = match &args.command {
        OperationCommand::Create(args) => &args.asked.common,
        OperationCommand::List(args) => &args.common,
        OperationCommand::Show(args) => &args.common,
        OperationCommand::Cancel(args) => &args.common,
    };
    let desk = Desk::open(&common.config).await?;
    let outcome = match &args.command {
        OperationCommand::Create(args) => create(&desk, args).await,
        OperationCommand::List(args) => list(&desk, args).await,
        OperationCommand::Show(args) => desk.show(&args.operation_id, &args.common).await,
        OperationCommand::Cancel(args) => desk.cancel(args).await,
    };
    desk.closed(outcome).await
}

async fn create(desk: &Desk, args: &CreateArgs) -> anyhow::Result<()> {
    let needed = || args.iccid.clone().context("name the profile: --iccid");
    let task = match args.kind {
        Kind::Download => Task::Download,
        Kind::Enable => Task::Enable {
            iccid: needed()?,
            rollback: if args.rollback { Rollback::Granted } else { Rollback::NotGranted },
        },
        Kind::Disable => Task::Disable { iccid: needed()? },
        Kind::Delete => Task::Delete { iccid: needed()? },
        Kind::Audit => Task::Audit,
    };
    if matches!(args.kind, Kind::Download | Kind::Audit) && args.iccid.is_some() {
        bail!("{} takes no --iccid", task.kind());
    }
    if !matches!(args.kind, Kind::Enable) && args.rollback {
        bail!("--rollback goes with enable");
    }
    let id = desk.ask(&args.eid, task, &args.source, &args.asked).await?;
    asked(desk, &id, &args.asked.common).await
}

/// Says which number an operation has that was asked for; the number alone goes to stdout.
pub(super) async fn asked(desk: &Desk, id: &OperationId, common: &Common) -> anyhow::Result<()> {
    if common.json {
        return desk.show(id, common).await;
    }
    error_line("it waits for the device; 'simyard operation show' says how it goes:");
    line(&id.to_string());
    Ok(())
}

async fn list(desk: &Desk, args: &ListArgs) -> anyhow::Result<()> {
    // One more than is told says whether there are more.
    let selection = OperationSelection { eid: args.eid.clone(), state: args.state };
    let mut found = operations(&desk.eim, &selection, args.after, args.limit.saturating_add(1)).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(|kept| kept.number);
    if args.common.json {
        let all: Vec<_> = found.iter().map(value).collect();
        output::json(&json!({ "operations": all, "next": next }));
        return Ok(());
    }
    for text in rows(&found) {
        line(&text);
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --after {next}"));
    }
    Ok(())
}

pub(super) fn parse_id(text: &str) -> Result<OperationId, String> {
    OperationId::parse(text).ok_or_else(|| "expected the 32 hexadecimal digits of an operation".to_owned())
}

fn parse_state(text: &str) -> Result<OperationStateName, String> {
    OperationStateName::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| {
        let names: Vec<&str> = OperationStateName::ALL.iter().map(|name| name.as_str()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// The text is a secret: errors do not repeat it.
fn parse_code(text: &str) -> Result<ActivationCode, String> {
    ActivationCode::parse(text)
        .map_err(|_| "expected LPA:1$<SM-DP+ address>$<token>[$<SM-DP+ OID>[$1]]".to_owned())
}

fn parse_profile_type(text: &str) -> Result<ProfileType, String> {
    ProfileType::parse(text).ok_or_else(|| "expected the name of a profile type".to_owned())
}
