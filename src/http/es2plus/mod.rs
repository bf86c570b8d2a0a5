//! ES2+: operators order profiles (SGP.22 5.3, 6.5.2.1 to 6.5.2.4). Mutual TLS; the certificate says which operator calls.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;

use super::caller::{KnowsOperators, OperatorCaller, Operators};
use super::function;
use crate::smdp::cancel_order::cancel_order;
use crate::smdp::confirm_order::confirm_order;
use crate::smdp::download_order::download_order;
use crate::smdp::orders::Orders;
use crate::smdp::release_profile::release_profile;

#[derive(Clone)]
struct Es2Plus {
    orders: Arc<Orders>,
    operators: Arc<dyn Operators>,
}

impl KnowsOperators for Es2Plus {
    fn operators(&self) -> &Arc<dyn Operators> {
        &self.operators
    }
}

/// The four functions at their paths.
pub fn router(orders: Arc<Orders>, operators: Arc<dyn Operators>) -> Router {
    Router::new()
        .route("/gsma/rsp2/es2plus/downloadOrder", post(download))
        .route("/gsma/rsp2/es2plus/confirmOrder", post(confirm))
        .route("/gsma/rsp2/es2plus/cancelOrder", post(cancel))
        .route("/gsma/rsp2/es2plus/releaseProfile", post(release))
        .with_state(Es2Plus { orders, operators })
}

async fn download(
    caller: OperatorCaller,
    State(es2plus): State<Es2Plus>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    function::answer("downloadOrder", &headers, &body, async |request| {
        download_order(&es2plus.orders, caller.caller(), &request).await
    })
    .await
}

async fn confirm(
    caller: OperatorCaller,
    State(es2plus): State<Es2Plus>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    function::answer("confirmOrder", &headers, &body, async |request| {
        confirm_order(&es2plus.orders, caller.caller(), &request).await
    })
    .await
}

async fn cancel(
    caller: OperatorCaller,
    State(es2plus): State<Es2Plus>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    function::acknowledge("cancelOrder", &headers, &body, async |request| {
        cancel_order(&es2plus.orders, caller.caller(), &request).await
    })
    .await
}

async fn release(
    caller: OperatorCaller,
    State(es2plus): State<Es2Plus>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    function::acknowledge("releaseProfile", &headers, &body, async |request| {
        release_profile(&es2plus.orders, caller.caller(), &request).await
    })
    .await
}
