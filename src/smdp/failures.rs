//! What went wrong with an order last, for people who ask.
//!
//! It is written where something failed, never where all went well, and beside what the order needs: a store that does
//! not take it changes no answer.

use std::error::Error;

use super::Smdp;
use super::status::FunctionError;
use crate::domain::{LastFailure, Order};
use crate::store::StoreError;

/// Keeps the error that a function answers with.
pub(super) async fn keep(smdp: &Smdp, order: &Order, function: &str, error: &impl FunctionError) {
    let (subject, reason) = error.status();
    let status = format!("{}/{}", subject.code(), reason.code());
    keep_told(smdp, order, function, Some(status), &with_causes(error)).await;
}

/// Keeps what the eUICC or the LPA told, or an error with the pair that was answered.
pub(super) async fn keep_told(
    smdp: &Smdp,
    order: &Order,
    function: &str,
    status: Option<String>,
    detail: &str,
) {
    let failure = LastFailure {
        iccid: order.iccid.clone(),
        number: order.number,
        function: function.to_owned(),
        status,
        detail: LastFailure::bounded(detail),
        at: smdp.clock.now(),
    };
    match smdp.store.keep_failure(&failure).await {
        // The order is another one by now.
        Ok(()) | Err(StoreError::Conflict) => {}
        Err(error) => tracing::warn!(iccid = %order.iccid, %error, "why the order failed could not be kept"),
    }
}

/// The error and what caused it. Errors of ours hold no secrets: they are logged too.
fn with_causes(error: &impl FunctionError) -> String {
    let mut text = error.to_string();
    let mut cause = error.internal_cause();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // Some errors say already what caused them.
        if !text.ends_with(&inner_text) {
            text += &format!(": {inner_text}");
        }
        cause = Error::source(inner);
    }
    text
}
