//! `/v1/audit`: who did what to which identifier.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{Audit, Caller};
use super::page::{invalid, limit, page, query};
use super::{ProblemDocument, json};
use crate::admin::AuditSelection;
use crate::domain::AuditEntry;
use crate::http::problem::{Problem, ProblemKind};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditParameters {
    /// Entries about this identifier: an ICCID, a batch, an identity …
    subject: Option<String>,
    /// Entries of this person, operator, identity or manufacturer.
    actor: Option<String>,
    /// Entries behind this number.
    after: Option<i64>,
    /// So many at most: 1 to 1000.
    limit: Option<u32>,
}

/// An entry. `sha256` covers it and the entry before it.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct EntryView {
    /// Its place in the chain, from 1.
    number: i64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// The same in milliseconds since 1970, as it is hashed.
    at_ms: i64,
    /// `person`, `operator`, `identity`, `manufacturer` or `server`.
    actor_kind: String,
    /// Who.
    actor: String,
    /// What: `noun.verb`.
    action: String,
    /// The kind of identifier.
    subject_kind: String,
    /// The identifier.
    subject: String,
    /// `done` or `refused`.
    outcome: String,
    /// More of it.
    detail: String,
    /// Values of persons.
    personal: Vec<PersonalView>,
    /// In hexadecimal digits.
    sha256: String,
}

/// A value of a person; value and salt are null once they are erased.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditPersonal)]
struct PersonalView {
    /// `address` or `msisdn`.
    kind: String,
    /// The value.
    value: Option<String>,
    /// In hexadecimal digits.
    salt: Option<String>,
    /// Of salt and value, in hexadecimal digits.
    sha256: String,
}

/// A page of entries.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what page.rs writes")]
struct AuditPage {
    items: Vec<EntryView>,
    /// The number that the next page begins behind; null on the last one.
    next: Option<String>,
}

fn view(entry: &AuditEntry) -> EntryView {
    let personal = entry.personal.iter().map(|one| PersonalView {
        kind: one.kind.clone(),
        value: one.opened.as_ref().map(|personal| personal.value.clone()),
        salt: one.opened.as_ref().map(|personal| hex::encode(personal.salt)),
        sha256: hex::encode(one.digest),
    });
    EntryView {
        number: entry.number,
        at: entry.at.to_string(),
        at_ms: entry.at.as_millis(),
        actor_kind: entry.actor_kind.clone(),
        actor: entry.actor.clone(),
        action: entry.action.clone(),
        subject_kind: entry.subject_kind.clone(),
        subject: entry.subject.clone(),
        outcome: entry.outcome.clone(),
        detail: entry.detail.clone(),
        personal: personal.collect(),
        sha256: hex::encode(entry.digest),
    }
}

/// Entries of the audit, as they happened.
#[utoipa::path(
    get, path = "/v1/audit", operation_id = "list_audit", tag = "audit", params(AuditParameters),
    security(("token" = ["audit"]), ("certificate" = ["audit"])),
    responses(
        (status = 200, description = "A page", body = AuditPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(caller: Caller<Audit>, uri: Uri) -> Result<Response, Problem> {
    let AuditParameters { subject, actor, after, limit: asked } = query(&uri)?;
    let limit = limit(asked)?;
    let selection = AuditSelection { subject, actor };
    let found = caller.services().administration.audit_entries(
        &selection,
        after.unwrap_or_default(),
        limit.saturating_add(1),
    );
    let found = found.await.map_err(|error| Problem::internal(&error))?;
    Ok(page(&uri, limit, found, |entry| entry.number.to_string(), view))
}

/// An entry of the audit.
#[utoipa::path(
    get, path = "/v1/audit/{number}", operation_id = "show_audit", tag = "audit",
    params(("number" = i64, Path, description = "Its place in the chain")),
    security(("token" = ["audit"]), ("certificate" = ["audit"])),
    responses(
        (status = 200, description = "The entry", body = EntryView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(
    caller: Caller<Audit>,
    number: Result<Path<i64>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(number) = number.map_err(|_| invalid("number: expected an integer"))?;
    let found = caller.services().administration.audit_entry(number).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    let entry = found.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    Ok(json(StatusCode::OK, &view(&entry)))
}
