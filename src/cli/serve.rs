//! `simyard serve`: the server.

use std::path::{Path, PathBuf};

use clap::Args;
use tokio::sync::watch;

use super::output::line;
use crate::app::config::Config;
use crate::app::{App, Sockets};
use crate::env::{Clock, Rng};

/// The settings that are read when `--config` is not given; absent, the defaults hold.
const DEFAULT_FILE: &str = "simyard.toml";

/// Run the server: ES9+ for LPAs, ES2+ for operators, and ESipa for devices if the settings have an eIM.
///
/// Every setting has a default: on a folder that `simyard pki init pki` has filled, `simyard serve` runs without a
/// file. README.md lists the settings.
#[derive(Args)]
pub struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// End when stdin ends too: for a program that starts a server and must not leave it behind.
    #[arg(long)]
    end_with_stdin: bool,
}

/// Which settings a command works with.
#[derive(Args, Clone)]
pub struct ConfigArgs {
    /// The server's settings; paths in it are relative to it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is wrong with the file, with its line.
    pub fn load(&self) -> anyhow::Result<Config> {
        match &self.config {
            Some(path) => Ok(Config::load(path)?),
            None if Path::new(DEFAULT_FILE).exists() => Ok(Config::load(Path::new(DEFAULT_FILE))?),
            None => Ok(Config::parse("", Path::new(DEFAULT_FILE))?),
        }
    }
}

/// Runs the server until it is interrupted.
///
/// # Errors
/// What keeps it from starting.
pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let sockets = Sockets::bind(&config).await?;
    let (es9plus, es2plus) = (sockets.es9plus.local_addr()?, sockets.es2plus.local_addr()?);
    let further: Vec<_> = sockets.further_es9plus.iter().map(|socket| socket.local_addr()).collect();
    let admin_api = sockets.admin_api.as_ref().map(|socket| socket.local_addr()).transpose()?;
    let ingest = sockets.ingest.as_ref().map(|socket| socket.local_addr()).transpose()?;
    let eim: Vec<_> = sockets.eim.iter().map(|socket| socket.local_addr()).collect();
    let admin = sockets.admin.as_ref().map(|socket| socket.local_addr()).transpose()?;
    let app = App::open(&config, sockets, Clock::system(), Rng::system()).await?;
    let addresses: Vec<&str> = config.addresses.iter().map(|address| address.as_str()).collect();
    line(&format!("ES9+ on {es9plus} as {}", addresses.join(", ")));
    for address in further {
        line(&format!("ES9+ on {}", address?));
    }
    line(&format!("ES2+ on {es2plus}"));
    if let Some(admin_api) = admin_api {
        line(&format!("admin API on {admin_api}"));
    }
    if let Some(ingest) = ingest {
        line(&format!("ingestion API on {ingest}"));
    }
    for (address, setting) in eim.into_iter().zip(config.eim.iter().flat_map(|eim| &eim.listeners)) {
        line(&format!("ESipa on {}, client certificate {}", address?, setting.client_auth.as_str()));
    }
    if let Some(admin) = admin {
        line(&format!("metrics and health on http://{admin}"));
    }
    let store = app.smdp.store.clone();
    let (end, ended) = watch::channel(false);
    let server = tokio::spawn(app.run(ended));
    if args.end_with_stdin {
        tokio::select! {
            interrupted = interrupted() => interrupted?,
            () = stdin_ended() => {}
        }
    } else {
        interrupted().await?;
    }
    end.send(true)?;
    server.await?;
    line(&format!("ended after {} commits", store.commits()));
    Ok(())
}

/// Waits until there is nothing more to read from stdin.
async fn stdin_ended() {
    let (end, ended) = tokio::sync::oneshot::channel();
    // A thread of its own, which nobody waits for: a read from stdin cannot be given up.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = end.send(());
    });
    let _ = ended.await;
}

/// Waits for Ctrl-C or a request to terminate.
///
/// # Errors
/// If the system does not deliver signals.
pub async fn interrupted() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
