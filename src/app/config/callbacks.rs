//! What an `[[operator]]` says of the calls back to it, and `[callbacks]`: how hard it is tried.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::file::{Reader, Text};
use super::{CallbackSetting, ConfigError, FileSetting};
use crate::domain::NotificationPoint;
use crate::jobs::deliver_callbacks::CallbackLimits;
use crate::smdp::handle_download_progress_info::RunTimePoints;

/// The members of an `[[operator]]` that are about calls back to it.
pub(super) struct CallbackMembers {
    pub(super) es2plus_address: Text,
    pub(super) es2plus_ca: Option<Vec<Spanned<String>>>,
    pub(super) notification_points: Option<Spanned<PointsTable>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PointsTable {
    enable: Option<u32>,
    disable: Option<u32>,
    delete: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallbacksTable {
    give_up_after_days: Option<Spanned<u32>>,
    concurrency: Option<Spanned<usize>>,
}

impl Reader<'_> {
    /// How an operator is called back; `None` if it is not. It is trusted under the CAs of `client_ca` unless it names
    /// others.
    pub(super) fn callback(
        &self,
        members: CallbackMembers,
        client_ca: &[FileSetting],
    ) -> Result<Option<CallbackSetting>, ConfigError> {
        let Some(address) = &members.es2plus_address else {
            let ca = members.es2plus_ca.iter().flatten().map(Spanned::span).next();
            let span = ca.or_else(|| members.notification_points.as_ref().map(Spanned::span));
            return match span {
                Some(span) => Err(self.error(
                    Some(span),
                    "operator",
                    "es2plus_address is missing: nobody is called back",
                )),
                None => Ok(None),
            };
        };
        let point = |id: Option<u32>| match id {
            Some(id @ 0..=4) => Err(self.error(
                members.notification_points.as_ref().map(Spanned::span),
                "operator.notification_points",
                format!("{id} is a point of the standard's own: expected a number above 4"),
            )),
            id => Ok(id.map(NotificationPoint::from_id)),
        };
        let points = members.notification_points.as_ref().map(Spanned::get_ref);
        Ok(Some(CallbackSetting {
            address: self.address(address, "operator.es2plus_address")?,
            ca: match members.es2plus_ca {
                Some(_) => self.files(members.es2plus_ca, "operator.es2plus_ca", ""),
                None => client_ca.to_vec(),
            },
            points: RunTimePoints {
                enable: point(points.and_then(|points| points.enable))?,
                disable: point(points.and_then(|points| points.disable))?,
                delete: point(points.and_then(|points| points.delete))?,
            },
        }))
    }

    pub(super) fn callback_limits(&self, table: &CallbacksTable) -> Result<CallbackLimits, ConfigError> {
        let default = CallbackLimits::default();
        let days = self.positive(table.give_up_after_days.as_ref(), "callbacks.give_up_after_days", 7)?;
        Ok(CallbackLimits {
            give_up_after: Duration::from_secs(u64::from(days) * 24 * 3600),
            concurrency: self.positive(
                table.concurrency.as_ref(),
                "callbacks.concurrency",
                default.concurrency,
            )?,
        })
    }
}
