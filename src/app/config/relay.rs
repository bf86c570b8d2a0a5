//! What `[eim]` says of SM-DP+ servers: whose certificates are trusted beside those under the CIs, how far calls go, and how
//! long notifications are brought.

use std::time::Duration;

use toml::Spanned;

use super::file::Reader;
use super::webhooks::PrivateAddresses;
use super::{ConfigError, FileSetting};
use crate::client::ConnectTo;
use crate::client::reachable::Reach;
use crate::jobs::forward_notifications::ForwardLimits;

/// The members of `[eim]` that say it.
pub(super) struct RelayMembers {
    pub(super) smdp_ca: Vec<Spanned<String>>,
    pub(super) smdp_connect_to: Vec<Spanned<String>>,
    pub(super) private_addresses: PrivateAddresses,
    pub(super) forward_give_up_after_days: Option<Spanned<u32>>,
}

/// How SM-DP+ servers are called for devices.
#[derive(Clone, Debug)]
pub struct RelaySetting {
    /// Certificates of further authorities of SM-DP+ servers.
    pub smdp_ca: Vec<FileSetting>,
    /// Where names that DNS does not know are reached.
    pub connect_to: Vec<ConnectTo>,
    /// How far calls go.
    pub reach: Reach,
    /// How hard receivers of notifications are tried.
    pub forward: ForwardLimits,
}

impl Reader<'_> {
    pub(super) fn relay(&self, members: &RelayMembers) -> Result<RelaySetting, ConfigError> {
        const DAYS: &str = "eim.forward_give_up_after_days";
        let connect_to = members.smdp_connect_to.iter().map(|value| {
            let expected = |error: String| self.error(Some(value.span()), "eim.smdp_connect_to", error);
            value.get_ref().parse::<ConnectTo>().map_err(expected)
        });
        let days = self.positive(members.forward_give_up_after_days.as_ref(), DAYS, 7)?;
        let file = |value| self.file(Some(value), "eim.smdp_ca", "");
        Ok(RelaySetting {
            smdp_ca: members.smdp_ca.iter().map(file).collect(),
            connect_to: connect_to.collect::<Result<_, _>>()?,
            reach: members.private_addresses.into(),
            forward: ForwardLimits {
                give_up_after: Duration::from_secs(u64::from(days) * 24 * 3600),
                ..ForwardLimits::default()
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn parse(members: &str) -> Result<RelaySetting, ConfigError> {
        let config = Config::parse(&format!("[eim]\n{members}"), Path::new("/etc/simyard/simyard.toml"))?;
        Ok(config.eim.unwrap().relay)
    }

    #[test]
    fn nothing_said_is_the_public_internet_under_the_trusted_cis() {
        let relay = parse("").unwrap();
        assert!(relay.smdp_ca.is_empty() && relay.connect_to.is_empty());
        assert_eq!((relay.reach, relay.forward), (Reach::Public, ForwardLimits::default()));
    }

    #[test]
    fn what_is_said_of_servers_is_read() {
        let relay = parse(
            "smdp_ca = [\"other.pem\"]\nsmdp_connect_to = [\"SMDP.other.example=127.0.0.1:8443\"]\n\
             private_addresses = \"permit\"\nforward_give_up_after_days = 2\n",
        )
        .unwrap();
        assert_eq!(relay.smdp_ca[0].path, Path::new("/etc/simyard/other.pem"));
        assert_eq!(relay.connect_to[0].host, "smdp.other.example");
        assert_eq!(relay.reach, Reach::Anywhere);
        assert_eq!(relay.forward.give_up_after, Duration::from_secs(2 * 24 * 3600));
        for (members, expected) in [
            ("smdp_connect_to = [\"x\"]", "simyard.toml:2: eim.smdp_connect_to: \"x\" is not HOST=ADDR:PORT"),
            ("forward_give_up_after_days = 0", "simyard.toml:2: eim.forward_give_up_after_days"),
            ("private_addresses = \"yes\"", "TOML parse error at line 2, column 21"),
        ] {
            let error = parse(members).unwrap_err().to_string();
            assert!(error.contains(expected), "{members}: {error}");
        }
    }
}
