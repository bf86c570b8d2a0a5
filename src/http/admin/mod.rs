//! The interface for the machine's own: is the server well, and what has it done?
//!
//! It speaks plain HTTP and knows no users; what protects it is that it listens on the loopback alone, which the settings
//! make sure of. What it tells holds no secret and no identifier of a card or profile. Who wants it elsewhere puts a proxy
//! with TLS and users in front, or a collector beside it.

pub mod api;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::meter::{self, Meter, Untold};
use crate::eim::forward;
use crate::inventory::pools::Pools;
use crate::inventory::stock::{self, LowWater};
use crate::smdp::Smdp;

#[derive(Clone)]
struct Admin {
    meter: Arc<Meter>,
    smdp: Arc<Smdp>,
    marks: Arc<[LowWater]>,
    pools: Pools,
}

/// `GET /metrics`, `GET /health`.
///
/// `marks` say when a profile type runs low; pools say it themselves.
pub fn router(meter: Arc<Meter>, smdp: Arc<Smdp>, marks: Vec<LowWater>, pools: Pools) -> Router {
    Router::new().route("/metrics", get(metrics)).route("/health", get(health)).with_state(Admin {
        meter,
        smdp,
        marks: marks.into(),
        pools,
    })
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let now = admin.smdp.clock.now();
    match admin.smdp.callback_counts().await {
        Ok(counts) => admin.meter.callbacks(counts.into_iter().map(|count| Untold {
            operator: count.operator,
            state: if count.given_up { "given_up" } else { "waiting" },
            callbacks: count.callbacks,
            oldest_age_s: now.as_secs().saturating_sub(count.oldest.as_secs()),
        })),
        // The other metrics are wanted most when the store fails.
        Err(error) => tracing::warn!(%error, "callbacks cannot be counted"),
    }
    match forward::untold(&admin.smdp.store).await {
        Ok(counts) => admin.meter.forwarded(&counts, now),
        Err(error) => tracing::warn!(%error, "notifications of devices cannot be counted"),
    }
    match stock::overview(&admin.smdp.store, &admin.marks).await {
        Ok(overview) => admin.meter.stock(&overview, &admin.marks),
        Err(error) => tracing::warn!(%error, "the stock cannot be counted"),
    }
    match admin.pools.levels().await {
        Ok(levels) => admin.meter.pools(&levels),
        Err(error) => tracing::warn!(%error, "the pools cannot be counted"),
    }
    match admin.meter.text() {
        Ok(text) => ([(CONTENT_TYPE, meter::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// 200 if the store answers, 503 if not: without it no function succeeds.
async fn health(State(admin): State<Admin>) -> Response {
    match admin.smdp.check_store().await {
        Ok(()) => "ok\n".into_response(),
        Err(error) => {
            tracing::warn!(%error, "the store does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n").into_response()
        }
    }
}
