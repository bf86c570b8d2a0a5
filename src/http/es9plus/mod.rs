//! ES9+: LPAs fetch profiles (SGP.22 5.6), in the JSON binding (6.5.2.6 to 6.5.2.10), each function at a path of its own,
//! and in the ASN.1 binding ([`asn1`]). TLS with a server certificate only.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;

use super::caller::Lpa;
use super::function;
use crate::smdp::Smdp;
use crate::smdp::authenticate_client::authenticate_client;
use crate::smdp::cancel_session::cancel_session;
use crate::smdp::get_bound_profile_package::get_bound_profile_package;
use crate::smdp::handle_notification::handle_notification;
use crate::smdp::identity::OfferedCis;
use crate::smdp::initiate_authentication::initiate_authentication;

mod asn1;

/// What the handlers of a listener have in common.
struct Served {
    smdp: Arc<Smdp>,
    offered: OfferedCis,
}

/// The five functions at their paths, and all of them at the one of the ASN.1 binding, for a listener that offers these
/// CIs.
pub fn router(smdp: Arc<Smdp>, offered: OfferedCis) -> Router {
    Router::new()
        .route("/gsma/rsp2/es9plus/initiateAuthentication", post(initiate))
        .route("/gsma/rsp2/es9plus/authenticateClient", post(authenticate))
        .route("/gsma/rsp2/es9plus/getBoundProfilePackage", post(get_package))
        .route("/gsma/rsp2/es9plus/handleNotification", post(notify))
        .route("/gsma/rsp2/es9plus/cancelSession", post(cancel))
        .route("/gsma/rsp2/asn1", post(asn1::call))
        .with_state(Arc::new(Served { smdp, offered }))
}

async fn initiate(
    caller: Lpa,
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    function::answer("initiateAuthentication", &headers, &body, async |request| {
        initiate_authentication(&served.smdp, caller.peer(), &served.offered, &request)
    })
    .await
}

async fn authenticate(
    caller: Lpa,
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    function::answer("authenticateClient", &headers, &body, async |request| {
        authenticate_client(&served.smdp, caller.peer(), &request).await
    })
    .await
}

async fn get_package(
    caller: Lpa,
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    function::answer("getBoundProfilePackage", &headers, &body, async |request| {
        get_bound_profile_package(&served.smdp, caller.peer(), &request).await
    })
    .await
}

async fn notify(caller: Lpa, State(served): State<Arc<Served>>, headers: HeaderMap, body: Bytes) -> Response {
    function::notify("handleNotification", &headers, &body, async |request| {
        handle_notification(&served.smdp, caller.peer(), &request).await
    })
    .await
}

async fn cancel(_: Lpa, State(served): State<Arc<Served>>, headers: HeaderMap, body: Bytes) -> Response {
    function::acknowledge("cancelSession", &headers, &body, async |request| {
        cancel_session(&served.smdp, &request).await
    })
    .await
}
