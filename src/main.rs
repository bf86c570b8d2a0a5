//! The command `simyard`: arguments, logging, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use simyard::cli::{Cli, run};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(cli.default_log_filter()));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime could not be started");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            // One line for people; the chain of causes behind it.
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            tracing::error!("{}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}
