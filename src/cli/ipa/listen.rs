//! `simyard ipa listen`: a device that its eIM reaches, and brings packages to (SGP.32 3.1.1.2, 5.14.4).
//!
//! One package is executed at a time; some more wait, and what comes beyond them is told to come again. A result that nobody
//! acknowledged in the time that the settings give its delivery is brought to the eIM as after a poll. What happened to the
//! card without the eIM is told by a poll: nothing else can tell it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use rustls::server::danger::ClientCertVerifier;
use simyard_asn1::iot::esipa::TransferEimPackageRequest;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::{DeviceArgs, Memory, OF_EIM, Step, Transport, Trust, print, round, words_of};
use crate::cli::output::{error_line, line};
use crate::device::ipa::{Executed, Injection, Ipa, Then, TlsTrust, caller};
use crate::env::Clock;
use crate::http::ipa::{Transfer, router};
use crate::http::listener::{Listener, ListenerLimits};
use crate::http::meter::Meter;
use crate::pki::Certificate;
use crate::pki::pinned::{admit_below, admit_certificate, admit_key};
use crate::pki::tls::server_config;

/// Connections at a time: one eIM calls.
const CONNECTIONS: usize = 16;
/// Packages that wait while one is executed.
const WAITING_MAX: usize = 4;

#[derive(Args)]
pub(super) struct ListenArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// Where to listen.
    #[arg(long, value_name = "ADDR:PORT")]
    address: SocketAddr,
}

/// Runs `simyard ipa listen`.
pub(super) async fn run(args: &ListenArgs) -> anyhow::Result<()> {
    let device = &args.device;
    let mut ipa = device.ipa(Injection::Https)?;
    let admitted = admitted(device, &mut ipa)?;
    let identity = device
        .identity()?
        .context("a device that listens needs a certificate: give --certificate FILE and --key FILE")?;
    let socket = TcpListener::bind(args.address).await.with_context(|| {
        format!(
            "cannot listen on {}: give --address an address of this machine and a free port",
            args.address
        )
    })?;
    let bound = socket.local_addr()?;
    let (calls, mut waiting) = mpsc::channel(WAITING_MAX);
    let listener = Listener {
        name: "ipa",
        socket,
        tls: Some(Arc::new(server_config(&identity, Some(admitted))?)),
        router: router(calls),
        limits: ListenerLimits::new(CONNECTIONS),
        meter: Arc::new(Meter::new(Clock::system())),
    };
    let (_end, ends) = watch::channel(false);
    tokio::spawn(listener.serve(ends));
    let memory = Memory::of(device);
    ipa.set_state_change(memory.read());
    line(&format!("listening on {bound} for packages of {}", device.eim));
    let acknowledged_within = Duration::from_secs(device.rollback_after);
    let mut listening = Listening {
        ipa,
        memory,
        as_json: device.json,
        acknowledged_within,
        clock: Clock::system(),
        due: None,
    };
    listening.begin().await;
    listening.serve(&mut waiting).await;
    Ok(())
}

/// Who may bring packages: the eIM, as the eUICC was told of it.
fn admitted(device: &DeviceArgs, ipa: &mut Ipa<Transport>) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let card = ipa.card();
    let told = caller(card, &device.eim)?;
    if told.as_ref().and_then(|eim| eim.injects) == Some(false) {
        bail!(
            "the eUICC was told that {} brings no packages by itself (eimSupportedProtocol without injectHttps); \
             'simyard eim configuration --inject' says otherwise, or poll: 'simyard ipa run'",
            device.eim
        );
    }
    let called = device.eim.to_string();
    let name = told.and_then(|eim| eim.fqdn).unwrap_or(called);
    // A port is no part of what a certificate names.
    let name = name.split_once(':').map_or(name.as_str(), |(host, _)| host);
    let clock = Clock::system();
    match device.trust(card)? {
        Trust::Told(TlsTrust::Key(der)) => admit_key(&der).context(OF_EIM),
        Trust::Told(TlsTrust::Certificate(der)) => admit_certificate(&der, name, clock).context(OF_EIM),
        Trust::Below(authorities) => {
            let read: Result<Vec<_>, _> = authorities.iter().map(|der| Certificate::from_der(der)).collect();
            Ok(admit_below(read?, name, clock)?)
        }
    }
}

/// A device that listens.
struct Listening {
    ipa: Ipa<Transport>,
    memory: Memory,
    as_json: bool,
    acknowledged_within: Duration,
    clock: Clock,
    /// When what waits on the card is delivered as after a poll, by the monotonic clock.
    due: Option<Duration>,
}

impl Listening {
    /// What an earlier run left on the card is for the eIM, and what happened meanwhile too.
    async fn begin(&mut self) {
        if self.ipa.state_change().is_some() {
            self.poll().await;
        } else {
            self.deliver().await;
        }
    }

    /// Executes calls until there are no more.
    async fn serve(&mut self, waiting: &mut mpsc::Receiver<Transfer>) {
        loop {
            let call = match self.due {
                None => waiting.recv().await,
                Some(due) => {
                    let left = due.saturating_sub(self.clock.monotonic());
                    match tokio::time::timeout(left, waiting.recv()).await {
                        Ok(call) => call,
                        Err(_) => {
                            self.deliver().await;
                            continue;
                        }
                    }
                }
            };
            let Some(call) = call else { return };
            // Whoever brought it does not wait for it any more, and brings it again.
            if !call.answer.is_closed() {
                self.execute(call).await;
            }
            if self.ipa.state_change().is_some() {
                self.poll().await;
            }
        }
    }

    /// Executes one call, answers it, and does what is to be done behind the answer.
    async fn execute(&mut self, call: Transfer) {
        let Transfer { request, answer } = call;
        let mut steps = Vec::new();
        let taken = match self.ipa.take(&request, &mut |step, took| steps.push((step, took))) {
            Ok(taken) => taken,
            Err(error) => {
                // No answer leaves; what waits does, when there is a way.
                drop(answer);
                self.tell(&steps, Err(error.to_string()));
                self.deliver().await;
                return;
            }
        };
        // An eIM that has gone is no matter: what it did not hear waits on the card.
        let heard = answer.send(taken.answer).is_ok();
        self.tell(&steps, Ok(outcome(&request, taken.executed.as_ref())));
        match taken.then {
            Then::Download(trigger) if heard => {
                let mut steps = Vec::new();
                let downloaded =
                    self.ipa.download_brought(&trigger, &mut |step, took| steps.push((step, took))).await;
                self.tell(&steps, downloaded.as_ref().map(words_of).map_err(ToString::to_string));
            }
            Then::Download(_) | Then::Rest => {}
        }
        self.expect_acknowledgement();
    }

    /// From the first result that waits, the eIM has its time to acknowledge it.
    fn expect_acknowledgement(&mut self) {
        match self.ipa.awaits_acknowledgement() {
            Ok(true) => {
                let due = self.clock.monotonic() + self.acknowledged_within;
                self.due.get_or_insert(due);
            }
            Ok(false) => self.due = None,
            Err(error) => error_line(&error.to_string()),
        }
    }

    /// Brings the eIM what waits on the card.
    async fn deliver(&mut self) {
        let mut steps = Vec::new();
        let delivered = self.ipa.deliver(&mut |step, took| steps.push((step, took))).await;
        self.memory.keep(self.ipa.state_change());
        if !steps.is_empty() || delivered.is_err() {
            self.tell(&steps, delivered.map(|()| ("delivered", None)).map_err(|error| error.to_string()));
        }
        // What still waits has its time again.
        self.due = None;
        self.expect_acknowledgement();
    }

    async fn poll(&mut self) {
        if let Err(error) = round(&mut self.ipa, &self.memory, self.as_json).await
            && !self.as_json
        {
            error_line(&error.to_string());
        }
        self.expect_acknowledgement();
    }

    fn tell(&self, steps: &[Step], outcome: Result<(&str, Option<String>), String>) {
        if let (Err(error), false) = (&outcome, self.as_json) {
            error_line(error);
        }
        print(steps, outcome, self.as_json);
    }
}

/// What became of a call, as it is printed.
fn outcome(
    request: &TransferEimPackageRequest,
    executed: Option<&Executed>,
) -> (&'static str, Option<String>) {
    match (executed, request) {
        (Some(executed), _) => words_of(executed),
        (None, TransferEimPackageRequest::Acknowledgements(_)) => ("acknowledged", None),
        (None, TransferEimPackageRequest::Package(_)) => ("received", None),
    }
}
