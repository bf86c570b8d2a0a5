//! The subcommands of `simyard`, one file each.
//!
//! Results go to stdout, as JSON where `--json` asks for it; progress, logs and errors go to stderr. Exit codes: 0 done,
//! 1 failed, 2 wrong usage.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod admin;
pub mod allocation;
pub mod audit;
pub mod batch;
pub mod bench;
pub mod callbacks;
pub mod campaign;
pub mod card;
mod common;
pub mod demo;
pub mod doctor;
pub mod eim;
pub mod es2plus;
pub mod export;
mod folder;
mod hand;
pub mod ingest;
pub mod ipa;
pub mod log;
pub mod lpa;
pub mod notifications;
pub mod operation;
pub mod operator_key;
pub mod order;
pub mod output;
pub mod pki;
pub mod pool;
pub mod profile;
pub mod qr;
pub mod serve;
pub mod simulate;
pub mod stock;
pub mod sub_class;
pub mod switch;
pub mod transport_key;
pub mod webhook;

/// A yard for SIMs: subscriptions in, profiles out to eUICCs.
///
/// `simyard demo` shows all of it on this machine. `simyard pki init pki` and `simyard serve` start a server with test
/// certificates; `simyard ingest`, `simyard es2plus` and `simyard lpa` bring a subscription from a manufacturer's file
/// onto a virtual card made by `simyard card new`.
#[derive(Parser)]
#[command(name = "simyard", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Log more to stderr: once for requests, twice for details. `RUST_LOG` overrides it.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show a whole download on this machine: server, operator, LPA and eUICC over the real interfaces.
    Demo(demo::DemoArgs),
    /// Run the server: ES9+ for LPAs, ES2+ for operators, ESipa for devices.
    Serve(serve::ServeArgs),
    /// Look after settings, store, keys, certificates and stock of a server.
    Doctor(doctor::DoctorArgs),
    /// Take a manufacturer's batch into the stock.
    Ingest(ingest::IngestArgs),
    /// Write what a manufacturer makes a delivery from, or make one here.
    Batch(Box<batch::BatchArgs>),
    /// Look after the keys under which keys travel to and from manufacturers and operators' systems.
    TransportKey(Box<transport_key::TransportKeyArgs>),
    /// Show the stock, find profiles, take them out and back, and bring all of it elsewhere.
    Stock(stock::StockArgs),
    /// Write files for the AuC, the OTA platform and the CRM.
    Export(Box<export::ExportArgs>),
    /// Order profiles as an operator.
    Es2plus(Box<es2plus::Es2PlusArgs>),
    /// Look at the calls back to operators that wait.
    Callbacks(Box<callbacks::CallbacksArgs>),
    /// Switch a device in the field to another operator's profile, and watch how it goes.
    Switch(Box<switch::SwitchArgs>),
    /// Ask one thing of many eUICCs, in waves and at a pace.
    Campaign(campaign::CampaignArgs),
    /// Ask single operations of eUICCs in the field, and watch them.
    Operation(Box<operation::OperationArgs>),
    /// Tell other systems of what happens, over HTTPS.
    Webhook(Box<webhook::WebhookArgs>),
    /// Prepare, look at and mend orders in the stock, without a server.
    Order(Box<order::OrderArgs>),
    /// Make, list, rotate and remove the identities that may call the admin API.
    Admin(Box<admin::AdminArgs>),
    /// Look at the audit: who did what to which identifier, when and from where.
    Audit(Box<audit::AuditArgs>),
    /// Bring OP of operators, from which OPc of subscriptions is made.
    OperatorKey(operator_key::OperatorKeyArgs),
    /// Look at the pools of numbers, draw from them, give back and retire.
    Pool(pool::PoolArgs),
    /// Look at the kinds of SIMs: form factors, eUICC, IMSIs.
    SubClass(sub_class::SubClassArgs),
    /// Look after the eIM: its devices' certificates, and what was refused on ESipa.
    Eim(Box<eim::EimArgs>),
    /// Look at notifications that were refused.
    Notifications(notifications::NotificationsArgs),
    /// Read, build, check, compare and personalise profile packages.
    Profile(profile::ProfileArgs),
    /// Make certificates for tests, and for devices.
    Pki(pki::PkiArgs),
    /// Make, show and serve virtual eUICCs.
    Card(card::CardArgs),
    /// Download and manage profiles on a card, as an LPA does.
    Lpa(Box<lpa::LpaArgs>),
    /// Simulate a fleet and a server that is killed again and again, and look whether everything holds.
    Simulate(simulate::SimulateArgs),
    /// Poll an eIM and do what it asks, on a card, as an IPA does.
    Ipa(ipa::IpaArgs),
    /// Measure the server, and the making of profile packages, on this machine.
    Bench(bench::BenchArgs),
}

impl Cli {
    /// What is logged unless `RUST_LOG` says otherwise.
    #[must_use]
    pub fn default_log_filter(&self) -> &'static str {
        match (self.verbose, &self.command) {
            (0, Command::Serve(_)) => "simyard=info,error",
            (0, _) => "error",
            (1, _) => "simyard=info,warn",
            (_, _) => "simyard=debug,info",
        }
    }
}

/// Runs a subcommand.
///
/// # Errors
/// What the subcommand could not do; the text is for people.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::Doctor(args) => doctor::run(args).await,
        Command::Ingest(args) => ingest::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::Batch(args) => batch::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::TransportKey(args) => transport_key::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::Stock(args) => stock::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::Export(args) => export::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::Es2plus(args) => es2plus::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::Callbacks(args) => callbacks::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::Switch(args) => switch::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::Campaign(args) => campaign::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::Operation(args) => operation::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::Webhook(args) => webhook::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::Order(args) => order::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::Admin(args) => admin::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::Audit(args) => audit::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::OperatorKey(args) => operator_key::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::Pool(args) => pool::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::SubClass(args) => sub_class::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Eim(args) => eim::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::Notifications(args) => notifications::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::Profile(args) => profile::run(args),
        Command::Pki(args) => pki::run(args).map(|()| ExitCode::SUCCESS),
        Command::Card(args) => card::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::Lpa(args) => lpa::run(*args).await.map(|()| ExitCode::SUCCESS),
        Command::Simulate(args) => simulate::run(args).await,
        Command::Ipa(args) => ipa::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::Bench(args) => bench::run(args).await.map(|()| ExitCode::SUCCESS),
    }
}
