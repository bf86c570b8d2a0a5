//! What `[eim]` says of time: how long each step of an operation may take before it is overdue, and how soon a device must be
//! expected that nobody wakes.

use std::time::Duration;

use toml::Spanned;

use super::ConfigError;
use super::file::Reader;
use crate::domain::Deadlines;
use crate::eim::POLL_WANTED_AFTER;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// The longest time that can be said: a year, beyond which nobody waits for a device.
const LONGEST: Duration = Duration::from_secs(366 * 24 * HOUR);

/// The members of `[eim]` that say it.
pub(super) struct WaitMembers {
    pub(super) answer_within_hours: Option<Spanned<u32>>,
    pub(super) download_within_hours: Option<Spanned<u32>>,
    pub(super) switch_within_minutes: Option<Spanned<u32>>,
    pub(super) confirm_within_hours: Option<Spanned<u32>>,
    pub(super) poll_wanted_after_minutes: Option<Spanned<u32>>,
}

/// How long the eIM waits for devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitSetting {
    /// How long each step may take before it is overdue.
    pub deadlines: Deadlines,
    /// A device that is not expected within this time may be woken.
    pub poll_wanted_after: Duration,
}

impl Reader<'_> {
    pub(super) fn waits(&self, members: &WaitMembers) -> Result<WaitSetting, ConfigError> {
        let default = Deadlines::default();
        let hours = |value: &Option<Spanned<u32>>, setting, default| {
            self.time(value.as_ref(), setting, HOUR, default)
        };
        let minutes = |value: &Option<Spanned<u32>>, setting, default| {
            self.time(value.as_ref(), setting, MINUTE, default)
        };
        Ok(WaitSetting {
            deadlines: Deadlines {
                answer: hours(&members.answer_within_hours, "eim.answer_within_hours", default.answer)?,
                download: hours(
                    &members.download_within_hours,
                    "eim.download_within_hours",
                    default.download,
                )?,
                switch: minutes(&members.switch_within_minutes, "eim.switch_within_minutes", default.switch)?,
                confirm: hours(&members.confirm_within_hours, "eim.confirm_within_hours", default.confirm)?,
            },
            poll_wanted_after: minutes(
                &members.poll_wanted_after_minutes,
                "eim.poll_wanted_after_minutes",
                POLL_WANTED_AFTER,
            )?,
        })
    }

    /// A time in units of so many seconds: one at least, [`LONGEST`] at most.
    fn time(
        &self,
        value: Option<&Spanned<u32>>,
        setting: &'static str,
        unit: u64,
        default: Duration,
    ) -> Result<Duration, ConfigError> {
        let Some(value) = value else { return Ok(default) };
        let time = Duration::from_secs(u64::from(*value.get_ref()) * unit);
        if time.is_zero() || time > LONGEST {
            let message = format!("expected 1 to {}, a year", LONGEST.as_secs() / unit);
            return Err(self.error(Some(value.span()), setting, message));
        }
        Ok(time)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn parse(members: &str) -> Result<WaitSetting, ConfigError> {
        let config = Config::parse(&format!("[eim]\n{members}"), Path::new("/etc/simyard/simyard.toml"))?;
        Ok(config.eim.unwrap().waits)
    }

    #[test]
    fn each_time_is_read_in_its_unit() {
        let waits = parse("").unwrap();
        assert_eq!(
            (waits.deadlines, waits.poll_wanted_after),
            (Deadlines::default(), Duration::from_secs(900))
        );
        let waits = parse(
            "answer_within_hours = 1\ndownload_within_hours = 2\nswitch_within_minutes = 3\n\
             confirm_within_hours = 4\npoll_wanted_after_minutes = 5\n",
        )
        .unwrap();
        let expected = Deadlines {
            answer: Duration::from_secs(3600),
            download: Duration::from_secs(7200),
            switch: Duration::from_secs(180),
            confirm: Duration::from_secs(14_400),
        };
        assert_eq!((waits.deadlines, waits.poll_wanted_after), (expected, Duration::from_secs(300)));
        assert_eq!(parse("answer_within_hours = 8784").unwrap().deadlines.answer, LONGEST);
    }

    #[test]
    fn no_time_and_more_than_a_year_are_refused() {
        for (member, expected) in [
            ("answer_within_hours = 0", "eim.answer_within_hours: expected 1 to 8784, a year"),
            ("download_within_hours = 8785", "eim.download_within_hours: expected 1 to 8784, a year"),
            ("switch_within_minutes = 0", "eim.switch_within_minutes: expected 1 to 527040, a year"),
            ("confirm_within_hours = 4294967295", "eim.confirm_within_hours: expected 1 to 8784, a year"),
            ("poll_wanted_after_minutes = 0", "eim.poll_wanted_after_minutes: expected 1 to 527040, a year"),
        ] {
            let error = parse(member).unwrap_err().to_string();
            assert!(error.contains(&format!("simyard.toml:2: {expected}")), "{member}: {error}");
        }
    }
}
