//! The admin API: stock, subscriptions, orders, pools, allocations, eUICCs, their operations and campaigns, audit, identities and
//! webhooks, for programs.
//!
//! | file | resource | right |
//! |---|---|---|
//! | [`caller`] | who calls; a handler without a caller reaches no service | |
//! | `page` | pages of a listing | |
//! | `once` | calls under an idempotency key | |
//! | `own` | `/v1/identity`, the caller's own; `/v1/openapi.json` | any |
//! | `orders` | `/v1/orders` | any |
//! | `order_changes` | `/v1/orders/ICCID/release`, `/cancel`, `/reset` | provisioning, admin |
//! | `stock` | `/v1/stock` | any |
//! | `subscriptions` | `/v1/subscriptions` | any |
//! | `subscription_changes` | `/v1/subscriptions/ICCID/release`, `/retire`, `/lost` | provisioning, admin |
//! | `batches` | `/v1/batches` | any |
//! | `pools` | `/v1/pools` | any |
//! | `euiccs` | `/v1/euiccs` | any; Freedom to Switch: provisioning, admin |
//! | `labels` | `/v1/euiccs/EID/labels` | any; to change: fleet, admin |
//! | `allocations` | `/v1/allocations` | any; to take and to give back: provisioning, admin |
//! | `audit` | `/v1/audit` | auditor, admin |
//! | `identities` | `/v1/identities` | admin |
//! | `switch_plan` | `/v1/euiccs/EID/switch-plan` | any |
//! | `eim_keys` | `/v1/eim-keys`, `/v1/euiccs/EID/eim-key` | any; to tell an eUICC of a key: fleet, admin |
//! | `webhooks` | `/v1/webhooks` | admin |
//! | `campaigns` | `/v1/campaigns` | any; to make and to change: fleet, admin |
//! | `operations` | `/v1/operations`, `/v1/euiccs/EID/operations` | any; to create and to cancel: fleet, admin |
//!
//! Every caller is a named identity: by its client certificate, or by a token in the header `Authorization: Bearer`. What is
//! refused is told as a problem document ([`crate::http::problem`]). What the API is, is written down as OpenAPI 3.1,
//! made from the handlers themselves ([`openapi`]); a test keeps the file `openapi/admin.json` fresh.

mod allocations;
mod audit;
mod batches;
pub mod caller;
mod campaigns;
mod eim_keys;
mod euiccs;
mod identities;
mod labels;
mod once;
mod operations;
mod order_changes;
mod orders;
mod own;
mod page;
mod pools;
mod stock;
mod subscription_changes;
mod subscriptions;
mod switch_plan;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Info, License, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::caller::{Api, Services};
use crate::http::problem::{Problem, ProblemKind};

/// The scheme of client certificates in the OpenAPI document.
const CERTIFICATE_SCHEME: &str = "certificate";
/// The scheme of tokens.
const TOKEN_SCHEME: &str = "token";

/// The API at its paths.
pub fn router(services: Services) -> Router {
    let (router, _) = routes_and_document();
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_that_way)
        .with_state(Api::new(Arc::new(services)))
}

/// The OpenAPI 3.1 document.
#[must_use]
pub fn openapi() -> OpenApi {
    routes_and_document().1
}

/// The document as its file has it.
#[must_use]
pub fn openapi_text() -> String {
    // What it is made of has nothing that JSON could not say.
    openapi().to_pretty_json().unwrap_or_default() + "\n"
}

fn routes_and_document() -> (Router<Api>, OpenApi) {
    OpenApiRouter::with_openapi(description())
        .routes(routes!(own::identity))
        .routes(routes!(own::document))
        .routes(routes!(orders::list))
        .routes(routes!(orders::show))
        .routes(routes!(orders::history))
        .routes(routes!(order_changes::release))
        .routes(routes!(order_changes::cancel))
        .routes(routes!(order_changes::reset))
        .routes(routes!(stock::show))
        .routes(routes!(subscriptions::search))
        .routes(routes!(subscriptions::show))
        .routes(routes!(subscriptions::history))
        .routes(routes!(subscription_changes::release))
        .routes(routes!(subscription_changes::retire))
        .routes(routes!(subscription_changes::lost))
        .routes(routes!(batches::list))
        .routes(routes!(batches::show))
        .routes(routes!(pools::list))
        .routes(routes!(pools::show))
        .routes(routes!(euiccs::list))
        .routes(routes!(euiccs::show))
        .routes(routes!(euiccs::set_freedom_to_switch))
        .routes(routes!(labels::show, labels::change))
        .routes(routes!(allocations::list, allocations::make))
        .routes(routes!(allocations::show, allocations::release))
        .routes(routes!(audit::list))
        .routes(routes!(audit::show))
        .routes(routes!(identities::list, identities::add))
        .routes(routes!(identities::show, identities::remove))
        .routes(routes!(identities::rotate))
        .routes(routes!(operations::create, operations::list_of_euicc))
        .routes(routes!(switch_plan::show))
        .routes(routes!(eim_keys::list))
        .routes(routes!(eim_keys::set))
        .routes(routes!(operations::list))
        .routes(routes!(operations::show))
        .routes(routes!(operations::cancel))
        .routes(routes!(campaigns::list, campaigns::create))
        .routes(routes!(campaigns::plan))
        .routes(routes!(campaigns::show))
        .routes(routes!(campaigns::targets))
        .routes(routes!(campaigns::pause))
        .routes(routes!(campaigns::resume))
        .routes(routes!(campaigns::retry))
        .routes(routes!(campaigns::cancel))
        .routes(routes!(webhooks::list, webhooks::add))
        .routes(routes!(webhooks::remove))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::retry))
        .routes(routes!(webhooks::test))
        .split_for_parts()
}

fn description() -> OpenApi {
    let mut info = Info::new("Simyard admin API", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Stock, subscriptions, orders, pools, allocations, eUICCs, operations of eUICCs, campaigns, audit, identities and webhooks. Times are RFC 3339 in UTC. Listings go by pages: the header Link names the \
         next one. What is refused is told as a problem document (RFC 9457)."
            .to_owned(),
    );
    info.license = Some(License::new("Apache-2.0 OR MIT"));
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let token = token.description(Some("A token that `simyard admin add` or POST /v1/identities made."));
    let certificate = SecurityScheme::MutualTls {
        description: Some("A client certificate that an identity is known by.".to_owned()),
        deprecated: None,
        extensions: None,
    };
    let components = ComponentsBuilder::new()
        .security_scheme(TOKEN_SCHEME, SecurityScheme::Http(token.build()))
        .security_scheme(CERTIFICATE_SCHEME, certificate);
    OpenApiBuilder::new().info(info).components(Some(components.build())).build()
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::new(ProblemKind::NotFound).detail(format!("there is no {}", uri.path()))
}

async fn not_that_way() -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed)
}

/// Reads the body of a request.
fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| page::invalid(format!("the body: {error}")))
}

/// A value as JSON.
fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// A problem as the OpenAPI document describes it.
#[derive(utoipa::ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it describes what problem.rs writes")]
struct ProblemDocument {
    /// `urn:simyard:problem:` and a name that does not change.
    #[schema(example = "urn:simyard:problem:not-found")]
    r#type: String,
    /// The same for every problem of the type.
    title: String,
    /// The HTTP status.
    status: u16,
    /// For people.
    detail: Option<String>,
}
