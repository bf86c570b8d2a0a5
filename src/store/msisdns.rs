//! Telephone numbers of subscriptions: each belongs to one profile at a time, whichever of its subscriptions have it.
//!
//! They are kept as digits alone, since `+49…` and `49…` are one number; what was delivered stands with the subscriptions. A
//! retired profile leaves its numbers to others. In a store from before, a number may stand with several profiles: the one with
//! the lowest ICCID has it.

use super::engine::{Statement, set_statement};

pub(super) const INSERT_MSISDNS: Statement = set_statement!(
    [number text, iccid text]
    "INSERT INTO subscription_msisdn (number, iccid) SELECT number, iccid FROM change WHERE true"
);

/// Behind each number the batch that holds it, if that is not published yet.
pub(super) const HELD_MSISDNS: Statement = set_statement!(
    [number text]
    "SELECT subscription_msisdn.number, CASE WHEN batch.state = 1 THEN '' ELSE batch.batch_id END AS holder \
     FROM change JOIN subscription_msisdn ON subscription_msisdn.number = change.number \
     JOIN profile ON profile.iccid = subscription_msisdn.iccid JOIN batch ON batch.batch_id = profile.batch_id"
);

/// Leaves the numbers of profiles to others; `$iccid` is the column of the set that names them.
macro_rules! leave {
    ($iccid:ident, home) => {
        set_statement!(
            [$iccid text]
            "DELETE FROM subscription_msisdn WHERE (number, iccid) IN (SELECT LTRIM(profile.msisdn, '+'), profile.iccid \
             FROM change JOIN profile ON profile.iccid = change.", stringify!($iccid), ") RETURNING number, ''"
        )
    };
    ($iccid:ident, further) => {
        set_statement!(
            [$iccid text]
            "DELETE FROM subscription_msisdn WHERE (number, iccid) IN (SELECT LTRIM(subscription_imsi.msisdn, '+'), \
             subscription_imsi.iccid FROM change JOIN subscription_imsi ON subscription_imsi.iccid = change.",
            stringify!($iccid), " AND subscription_imsi.place > 0) RETURNING number, ''"
        )
    };
}

pub(super) const REMOVE_HOME_MSISDNS: Statement = leave!(number, home);
pub(super) const REMOVE_FURTHER_MSISDNS: Statement = leave!(number, further);
pub(super) const LEAVE_HOME_MSISDNS: Statement = leave!(iccid, home);
pub(super) const LEAVE_FURTHER_MSISDNS: Statement = leave!(iccid, further);

pub(super) const STATEMENTS: &[Statement] = &[
    INSERT_MSISDNS,
    HELD_MSISDNS,
    REMOVE_HOME_MSISDNS,
    REMOVE_FURTHER_MSISDNS,
    LEAVE_HOME_MSISDNS,
    LEAVE_FURTHER_MSISDNS,
];

/// The digits of a number.
pub(super) fn digits(msisdn: &str) -> &str {
    msisdn.trim_start_matches('+')
}
