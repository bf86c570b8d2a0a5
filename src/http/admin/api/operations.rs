//! `/v1/euiccs/EID/operations` and `/v1/operations`: what is asked of eUICCs in the field, and how it goes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use super::caller::{Caller, Look, Operate, Services};
use super::once::once_at;
use super::page::{invalid, limit, page, query};
use super::{ProblemDocument, json, parse};
use crate::admin::identities::Changer;
use crate::domain::{
    OldProfile, OperationId, OperationKind, OperationStateName, Person, ProfileType, Rollback,
    SwitchObstacle, SwitchTarget, Task,
};
use crate::eim::Eim;
use crate::eim::answers::told;
use crate::eim::ecos::{add_eim, list_eims};
use crate::eim::operations::{
    CancelOperationError, CodeScope, CreateOperationError, KeptOperation, OperationRequest,
    OperationSelection, OperationView as Kept, cancel_operation, create_operation, download_is_under_way,
    operation, operations,
};
use crate::http::problem::{Problem, ProblemKind};
use crate::ident::{ActivationCode, Eid, Iccid};
use crate::smdp::manual_order::ManualOrderError;
use crate::smdp::order_for_euicc::{OrdersForEuiccs, Waiting};

/// The longest time for which the profile before a switch is kept before it is deleted, and for which an operation may wait to
/// begin: ten years.
const SECONDS_MAX: u64 = 10 * 366 * 24 * 3600;
/// The longest confirmation code, in octets.
const CONFIRMATION_CODE_MAX: usize = 255;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParameters {
    /// Those in this state, such as `downloading` or `failed`.
    state: Option<String>,
    /// Those before this number.
    after: Option<i64>,
    /// So many at most: 1 to 1000.
    limit: Option<u32>,
}

/// What is asked of an eUICC.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOperation {
    /// `download`, `enable`, `disable`, `delete`, `audit`, `switch`, `configure`, or `move` to another eIM.
    kind: String,
    /// The profile to enable, to disable, to delete, or, if it is on the eUICC, to switch to.
    iccid: Option<String>,
    /// Where the profile to download, or to switch to, is: that of any SM-DP+.
    activation_code: Option<String>,
    /// The confirmation code that goes with it.
    confirmation_code: Option<String>,
    /// In place of an activation code: a profile of this type is ordered from our own SM-DP+ for this eUICC alone.
    profile_type: Option<String>,
    /// Of `enable` and `switch`: whether the device may go back to the profile before by itself; by default of a switch it
    /// may, of enable it may not.
    rollback: Option<bool>,
    /// Of `switch`: delete the profile before so many seconds after the switch was confirmed; by default it is kept, as it is
    /// the way back.
    delete_old_after_s: Option<u64>,
    /// Of `configure`: psmoList (`A0`) or ecoList (`A1`) in DER, in base64. The key of this eIM is not changed by it, and this
    /// eIM is not deleted.
    commands: Option<String>,
    /// Of `move`: EimConfigurationData of the other eIM, or an AddInitialEimRequest of it, in base64; absent, the eUICC must have
    /// the other eIM already. Once the eUICC signed that it has it, an operation `configure` has it delete this eIM.
    configuration: Option<String>,
    /// It does not begin later than in so many seconds; by default it waits as long as it takes.
    valid_for_s: Option<u64>,
}

/// An operation.
#[derive(Serialize, ToSchema)]
#[schema(as = Operation)]
struct OperationView {
    operation_id: String,
    eid: String,
    kind: String,
    /// `waiting`, `checking`, `downloading`, `downloaded`, `enabling`, `switching`, `confirming`, `holding_old`,
    /// `deleting_old`, `acting`; and the ends: `done`, `done_with_remnant`, `rolled_back`, `failed`, `cancelled`, `expired`.
    state: String,
    /// Whether it has ended.
    ended: bool,
    /// Why it ended otherwise than it was meant to: a name for programs, and a text for people.
    reason: Option<String>,
    reason_detail: Option<String>,
    /// The profile that is downloaded or switched to, as far as it is known.
    to_iccid: Option<String>,
    /// The profile that was enabled before.
    from_iccid: Option<String>,
    /// How often the package of the present step was made.
    attempts: u32,
    created_by: String,
    campaign_id: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    changed_at: String,
    #[schema(format = DateTime)]
    valid_until: Option<String>,
    /// Since when the step takes longer than it should; its outcome is not known.
    #[schema(format = DateTime)]
    overdue_since: Option<String>,
}

/// An operation with what happened, and with what eUICCs signed as evidence.
#[derive(Serialize, ToSchema)]
struct ShownOperation {
    #[serde(flatten)]
    operation: OperationView,
    events: Vec<OperationEvent>,
    packages: Vec<PackageView>,
}

/// Something that was told of an operation.
#[derive(Serialize, ToSchema)]
struct OperationEvent {
    /// The type of the webhook message.
    r#type: String,
    #[schema(format = DateTime)]
    at: String,
    data: Value,
}

/// A package that an operation sent to the eUICC, and the answer.
#[derive(Serialize, ToSchema)]
#[schema(as = EimPackage)]
struct PackageView {
    eim_transaction_id: String,
    counter_value: Option<i64>,
    #[schema(format = DateTime)]
    handed_over_at: Option<String>,
    /// EuiccPackageSigned as it was signed, in base64.
    euicc_package_signed: Option<String>,
    /// The first result as it came, in base64; of a signed one it is the eUICC's evidence.
    result: Option<String>,
    /// What the result says, in lines for people.
    told: Vec<String>,
    /// Whether an answer did not verify and was recorded all the same: in builds for laboratories alone.
    unverified: bool,
    /// What came in its place after a rollback.
    rollback_result: Option<String>,
    #[schema(format = DateTime)]
    result_at: Option<String>,
}

/// A page of operations.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what page.rs writes")]
struct OperationPage {
    items: Vec<OperationView>,
    /// The number that the next page begins before; null on the last one.
    next: Option<String>,
}

fn view(kept: &KeptOperation) -> OperationView {
    let operation = &kept.operation;
    let state = &operation.state;
    let iccid = |iccid: Option<&Iccid>| iccid.map(ToString::to_string);
    let named = match &operation.task {
        Task::Enable { iccid, .. }
        | Task::Disable { iccid }
        | Task::Delete { iccid }
        | Task::Switch { to: SwitchTarget::Installed(iccid), .. } => Some(iccid),
        Task::Download
        | Task::Audit
        | Task::Switch { to: SwitchTarget::Downloaded, .. }
        | Task::Configure { .. }
        | Task::Laboratory { .. }
        | Task::Move { .. }
        | Task::RotateKey { .. } => None,
    };
    OperationView {
        operation_id: operation.operation_id.to_string(),
        eid: operation.eid.to_string(),
        kind: operation.task.kind().to_string(),
        state: state.name().as_str().to_owned(),
        ended: state.is_end(),
        reason: state.reason().map(|reason| reason.code.name().to_owned()),
        reason_detail: state.reason().map(|reason| reason.detail.clone()),
        to_iccid: iccid(state.to().or(named)),
        from_iccid: iccid(state.from()),
        attempts: operation.attempts,
        created_by: kept.creator.clone(),
        campaign_id: kept.campaign_id.clone(),
        created_at: operation.created_at.to_string(),
        changed_at: operation.changed_at.to_string(),
        valid_until: operation.valid_until.map(|at| at.to_string()),
        overdue_since: operation.overdue_since.map(|at| at.to_string()),
    }
}

fn shown(found: &Kept) -> ShownOperation {
    let base64 = |octets: &Vec<u8>| STANDARD.encode(octets);
    let events = found.events.iter().map(|event| OperationEvent {
        r#type: event.kind.map(|kind| kind.name().to_owned()).unwrap_or_default(),
        at: event.at.to_string(),
        data: serde_json::from_str(&event.data).unwrap_or_default(),
    });
    let packages = found.packages.iter().map(|one| PackageView {
        eim_transaction_id: one.package.transaction_id.to_string(),
        counter_value: one.package.counter,
        handed_over_at: one.handed_over_at.map(|at| at.to_string()),
        euicc_package_signed: one.package.content.as_ref().map(base64),
        result: one.result.as_ref().map(base64),
        told: one.result.as_deref().map(told).unwrap_or_default(),
        unverified: one.unverified,
        rollback_result: one.rollback_result.as_ref().map(base64),
        result_at: one.result_at.map(|at| at.to_string()),
    });
    ShownOperation { operation: view(&found.kept), events: events.collect(), packages: packages.collect() }
}

/// Ask an operation of an eUICC.
#[utoipa::path(
    post, path = "/v1/euiccs/{eid}/operations", operation_id = "create_operation", tag = "operations",
    request_body = NewOperation,
    params(
        ("eid" = String, Path, description = "32 digits"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repetition under it gets the first answer")
    ),
    security(("token" = ["operate"]), ("certificate" = ["operate"])),
    responses(
        (status = 202, description = "It is under way, at Location", body = OperationView),
        (status = "default", description = "A problem; `obstacles` says what stands in the way of a switch", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn create(
    caller: Caller<Operate>,
    Path(named): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let new: NewOperation = match parse(&body) {
        Ok(new) => new,
        Err(problem) => return problem.into_response(),
    };
    let (services, changer, person) = (caller.services().clone(), caller.changer(), caller.person());
    let call = async move {
        let eid = eid(&named)?;
        let made = make(&services, &changer, &person, &eid, new).await?;
        Ok((StatusCode::ACCEPTED, serde_json::to_value(view(&made)).unwrap_or_default()))
    };
    once_at(&caller, &uri, &headers, &body, location, call).await
}

/// Octets of a member in base64; what they hold is read where they are used.
fn octets(text: Option<&str>, name: &str) -> Result<Option<Vec<u8>>, Problem> {
    let decoded = text.map(|text| STANDARD.decode(text)).transpose();
    decoded.map_err(|_| invalid(format!("{name}: expected base64")))
}

/// Where an operation is watched.
fn location(answer: &Value) -> Option<String> {
    Some(format!("/v1/operations/{}", answer.get("operation_id")?.as_str()?))
}

/// Operations of an eUICC, the newest first.
#[utoipa::path(
    get, path = "/v1/euiccs/{eid}/operations", operation_id = "list_operations_of_euicc", tag = "operations",
    params(("eid" = String, Path, description = "32 digits"), ListParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "A page", body = OperationPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list_of_euicc(
    caller: Caller<Look>,
    Path(named): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    listed(caller.services(), Some(eid(&named)?), &uri).await
}

/// Operations, the newest first.
#[utoipa::path(
    get, path = "/v1/operations", operation_id = "list_operations", tag = "operations", params(ListParameters),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "A page", body = OperationPage),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(caller: Caller<Look>, uri: Uri) -> Result<Response, Problem> {
    listed(caller.services(), None, &uri).await
}

/// An operation: where it stands, what happened, and what the eUICC signed.
#[utoipa::path(
    get, path = "/v1/operations/{operation_id}", operation_id = "show_operation", tag = "operations",
    params(("operation_id" = String, Path, description = "32 hexadecimal digits")),
    security(("token" = ["look"]), ("certificate" = ["look"])),
    responses(
        (status = 200, description = "The operation", body = ShownOperation),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn show(caller: Caller<Look>, Path(named): Path<String>) -> Result<Response, Problem> {
    let found = find(eim(caller.services())?, &operation_id(&named)?).await?;
    Ok(json(StatusCode::OK, &shown(&found)))
}

/// End an operation, as long as nothing that changes the eUICC has left.
#[utoipa::path(
    post, path = "/v1/operations/{operation_id}/cancel", operation_id = "cancel_operation", tag = "operations",
    params(("operation_id" = String, Path, description = "32 hexadecimal digits")),
    security(("token" = ["operate"]), ("certificate" = ["operate"])),
    responses(
        (status = 200, description = "It ended, or ends as soon as the eUICC answered", body = ShownOperation),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(super) async fn cancel(caller: Caller<Operate>, Path(named): Path<String>) -> Result<Response, Problem> {
    let (eim, id) = (eim(caller.services())?, operation_id(&named)?);
    cancel_operation(eim, &id, &caller.changer().actor).await.map_err(not_cancelled)?;
    Ok(json(StatusCode::OK, &shown(&find(eim, &id).await?)))
}

async fn listed(services: &Services, eid: Option<Eid>, uri: &Uri) -> Result<Response, Problem> {
    let ListParameters { state, after, limit: asked } = query(uri)?;
    let limit = limit(asked)?;
    let state = state.as_deref().map(state_name).transpose()?;
    let selection = OperationSelection { eid, state };
    let found = operations(eim(services)?, &selection, after, limit.saturating_add(1)).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    Ok(page(uri, limit, found, |kept| kept.number.to_string(), view))
}

/// Makes what is asked for, with an order at our own SM-DP+ if that is wanted.
async fn make(
    services: &Services,
    changer: &Changer,
    person: &Person,
    eid: &Eid,
    new: NewOperation,
) -> Result<KeptOperation, Problem> {
    let eim = eim(services)?;
    let mut request = request(&new, eim)?;
    let ordered = match &new.profile_type {
        None => None,
        Some(named) => {
            let profile_type =
                ProfileType::parse(named).ok_or_else(|| invalid("profile_type: expected a name"))?;
            // Whoever downloads at this moment may be using the order that waits.
            let is_in_use =
                download_is_under_way(eim, eid).await.map_err(|error| Problem::internal(&error))?;
            let waiting = if is_in_use { Waiting::Leave } else { Waiting::Take };
            let ordered = orders(services)?.order(person, &profile_type, eid, waiting).await;
            Some(ordered.map_err(not_ordered)?)
        }
    };
    if let Some(ordered) = &ordered {
        request.activation_code = Some(ordered.code.clone());
        request.code_scope = CodeScope::ThisEuicc;
        request.needed_memory = ordered.needed_memory;
    }
    match create_operation(eim, eid, &request, &changer.actor).await {
        Ok(created) => Ok(find(eim, &created.operation_id).await?.kept),
        Err(error) => {
            if let Some(ordered) = &ordered
                && let Err(error) = orders(services)?.give_back(person, ordered).await
            {
                tracing::warn!(iccid = %ordered.iccid, %error, "an order that nobody uses could not be taken back");
            }
            Err(not_created(error))
        }
    }
}

fn request(new: &NewOperation, eim: &Eim) -> Result<OperationRequest, Problem> {
    let kind = OperationKind::parse(&new.kind)
        .filter(|kind| !matches!(kind, OperationKind::Laboratory | OperationKind::RotateKey));
    let kind = kind.ok_or_else(|| {
        invalid("kind: expected one of download, enable, disable, delete, audit, switch, configure and move")
    })?;
    let task = task(new, kind)?;
    let codes = [new.activation_code.is_some(), new.profile_type.is_some()];
    match (task.downloads(), codes) {
        (true, [true, false] | [false, true]) | (false, [false, false]) => {}
        (true, _) => return Err(invalid("give either activation_code or profile_type")),
        (false, _) => {
            return Err(invalid("activation_code, profile_type: nothing is downloaded by this operation"));
        }
    }
    let mut request = OperationRequest::new(task);
    if let Some(text) = &new.activation_code {
        let code = ActivationCode::parse(text).map_err(|_| {
            // The text is a secret: the answer does not repeat it.
            invalid("activation_code: expected LPA:1$<SM-DP+ address>$<token>[$<SM-DP+ OID>[$1]]")
        })?;
        request.activation_code = Some(code);
    }
    if let Some(code) = &new.confirmation_code {
        if new.activation_code.is_none() || !(1..=CONFIRMATION_CODE_MAX).contains(&code.len()) {
            return Err(invalid("confirmation_code: expected 1 to 255 octets, beside an activation_code"));
        }
        request.confirmation_code = Some(Zeroizing::new(code.clone()));
    }
    if let Some(seconds) = new.valid_for_s {
        request.valid_until = Some(eim.clock.now().plus(seconds_of("valid_for_s", seconds)?));
    }
    Ok(request)
}

fn task(new: &NewOperation, kind: OperationKind) -> Result<Task, Problem> {
    let iccid = new
        .iccid
        .as_deref()
        .map(|text| Iccid::parse(text).map_err(|error| invalid(format!("iccid: {error}"))));
    let iccid = iccid.transpose()?;
    let needed = || iccid.clone().ok_or_else(|| invalid(format!("iccid: {kind} needs one")));
    let rollback = |default: bool| match new.rollback.unwrap_or(default) {
        true => Rollback::Granted,
        false => Rollback::NotGranted,
    };
    let task = match kind {
        OperationKind::Download => Task::Download,
        OperationKind::Enable => Task::Enable { iccid: needed()?, rollback: rollback(false) },
        OperationKind::Disable => Task::Disable { iccid: needed()? },
        OperationKind::Delete => Task::Delete { iccid: needed()? },
        OperationKind::Audit => Task::Audit,
        OperationKind::Switch => Task::Switch {
            to: iccid.clone().map_or(SwitchTarget::Downloaded, SwitchTarget::Installed),
            rollback: rollback(true),
            old: match new.delete_old_after_s {
                None => OldProfile::Keep,
                Some(seconds) => OldProfile::DeleteAfter(seconds_of("delete_old_after_s", seconds)?),
            },
        },
        OperationKind::Configure => {
            let commands = octets(new.commands.as_deref(), "commands")?;
            Task::Configure { commands: commands.ok_or_else(|| invalid("commands: configure needs them"))? }
        }
        OperationKind::Move => {
            let other = octets(new.configuration.as_deref(), "configuration")?;
            let commands = other.map_or_else(|| Ok(list_eims()), |other| add_eim(&other));
            Task::Move { commands: commands.map_err(|why| invalid(format!("configuration: {why}")))? }
        }
        OperationKind::Laboratory | OperationKind::RotateKey => {
            return Err(invalid(format!("kind: {kind} is not asked for here")));
        }
    };
    let is_download_or_audit = matches!(kind, OperationKind::Download | OperationKind::Audit);
    let can_roll_back = matches!(kind, OperationKind::Enable | OperationKind::Switch);
    if is_download_or_audit && new.iccid.is_some() {
        return Err(invalid(format!("iccid: {kind} takes none")));
    }
    if !can_roll_back && new.rollback.is_some() {
        return Err(invalid(format!("rollback: {kind} takes none")));
    }
    if kind != OperationKind::Switch && new.delete_old_after_s.is_some() {
        return Err(invalid("delete_old_after_s: only a switch takes it"));
    }
    Ok(task)
}

fn seconds_of(name: &str, seconds: u64) -> Result<Duration, Problem> {
    match seconds {
        1..=SECONDS_MAX => Ok(Duration::from_secs(seconds)),
        _ => Err(invalid(format!("{name}: expected 1 to {SECONDS_MAX}"))),
    }
}

pub(super) fn eid(text: &str) -> Result<Eid, Problem> {
    Eid::parse(text).map_err(|error| invalid(format!("eid: {error}")))
}

fn operation_id(text: &str) -> Result<OperationId, Problem> {
    OperationId::parse(text).ok_or_else(|| invalid("operation_id: expected 32 hexadecimal digits"))
}

fn state_name(text: &str) -> Result<OperationStateName, Problem> {
    OperationStateName::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| {
        let names: Vec<&str> = OperationStateName::ALL.iter().map(|name| name.as_str()).collect();
        invalid(format!("state: expected one of {}", names.join(", ")))
    })
}

/// The eIM of this server.
pub(super) fn eim(services: &Services) -> Result<&Arc<Eim>, Problem> {
    let absent =
        || Problem::new(ProblemKind::NotFound).detail("this server has no eIM: its settings have no [eim]");
    services.eim.as_ref().ok_or_else(absent)
}

fn orders(services: &Services) -> Result<&OrdersForEuiccs, Problem> {
    let absent = || {
        Problem::new(ProblemKind::NotPossible).detail("this server has no address: its settings name none")
    };
    services.orders_for_euiccs.as_ref().ok_or_else(absent)
}

async fn find(eim: &Eim, id: &OperationId) -> Result<Kept, Problem> {
    let found = operation(eim, id).await.map_err(|error| Problem::internal(&error))?;
    found.ok_or_else(|| Problem::new(ProblemKind::NotFound).detail(format!("there is no operation {id}")))
}

pub(super) fn not_created(error: CreateOperationError) -> Problem {
    let detail = error.to_string();
    match error {
        CreateOperationError::NotEligible(obstacles) => {
            let obstacle =
                |one: &SwitchObstacle| serde_json::json!({ "name": one.name(), "detail": one.to_string() });
            Problem::new(ProblemKind::NotPossible)
                .detail(detail)
                .member("obstacles", obstacles.iter().map(obstacle).collect())
        }
        CreateOperationError::NotAssociated(_)
        | CreateOperationError::Left(..)
        | CreateOperationError::OwnEim(_)
        | CreateOperationError::TooMany => Problem::new(ProblemKind::NotPossible).detail(detail),
        CreateOperationError::OtherOperation(_) => Problem::new(ProblemKind::KeyReused).detail(detail),
        CreateOperationError::Key
        | CreateOperationError::CodeMissing
        | CreateOperationError::CodeNotAsked
        | CreateOperationError::Expired(_)
        | CreateOperationError::Commands(_) => invalid(detail),
        CreateOperationError::Race => Problem::new(ProblemKind::Busy).detail(detail).retry_after_s(1),
        CreateOperationError::Seal(_) | CreateOperationError::Store(_) => Problem::internal(&error),
    }
}

fn not_cancelled(error: CancelOperationError) -> Problem {
    let detail = error.to_string();
    match error {
        CancelOperationError::Unknown(_) => Problem::new(ProblemKind::NotFound).detail(detail),
        CancelOperationError::Ended(_) | CancelOperationError::TooLate(_) => {
            Problem::new(ProblemKind::NotPossible).detail(detail)
        }
        CancelOperationError::Race => Problem::new(ProblemKind::Busy).detail(detail).retry_after_s(1),
        CancelOperationError::Store(_) => Problem::internal(&error),
    }
}

fn not_ordered(error: ManualOrderError) -> Problem {
    let detail = error.to_string();
    match error {
        ManualOrderError::NoneLeft(_) => Problem::new(ProblemKind::Exhausted).detail(detail),
        ManualOrderError::UnknownType(_) | ManualOrderError::SeveralOwners { .. } => {
            invalid(format!("profile_type: {detail}"))
        }
        ManualOrderError::State { .. }
        | ManualOrderError::NotDelivered { .. }
        | ManualOrderError::UnknownIccid(_)
        | ManualOrderError::EidMissing
        | ManualOrderError::MatchingIdInUse(_)
        | ManualOrderError::AttemptsBeforeRelease => Problem::new(ProblemKind::NotPossible).detail(detail),
        ManualOrderError::Race => Problem::new(ProblemKind::Busy).detail(detail).retry_after_s(1),
        ManualOrderError::Store(cause) => Problem::internal(&cause),
    }
}
