//! The settings: whether they can be read, and what they mean for the world.

use super::Report;
use crate::app::config::Config;
use crate::cli::serve::ConfigArgs;
use crate::domain::Mode;

const GROUP: &str = "settings";

/// Reads the settings; without them nothing else can be looked at.
pub(super) fn check(args: &ConfigArgs, report: &mut Report) -> Option<Config> {
    let config = match args.load() {
        Ok(config) => config,
        Err(error) => {
            report.bad(GROUP, format!("{error:#}"), "mend the line; README.md lists the settings");
            return None;
        }
    };
    let addresses: Vec<&str> = config.addresses.iter().map(|address| address.as_str()).collect();
    report.good(
        GROUP,
        format!(
            "read: {}, {} operators, {} profile types",
            addresses.join(", "),
            config.operators.len(),
            config.profile_types.len()
        ),
    );
    match config.mode {
        Mode::Production => report.good(GROUP, "mode production: test profiles are refused"),
        Mode::Test => report.warning(
            GROUP,
            "mode test: profiles whose keys everybody has come in and go out",
            "leave the setting out on a server for people",
        ),
    }
    if config.operators.is_empty() {
        report.warning(GROUP, "no [[operator]]: nobody can order over ES2+", "name one with its certificate");
    }
    if config.profile_types.is_empty() {
        report.warning(GROUP, "no [[profile_type]]: nothing can be ordered", "name one with its owner");
    }
    Some(config)
}
