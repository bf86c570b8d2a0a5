//! Who calls the admin API, and what it may do.
//!
//! A handler takes a [`Caller`] of the permission that it needs as its first argument. The services stand behind it: there is
//! no other way to them, so that a handler without a caller does not compile.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};

use crate::admin::Administration;
use crate::admin::identities::{Changer, Unrecognised};
use crate::admin::webhooks::Webhooks;
use crate::domain::{Actor, Delivered, Identity, Permission, Person, ProfileType};
use crate::eim::Eim;
use crate::http::listener::ClientCertificate;
use crate::http::problem::{Problem, ProblemKind};
use crate::ident::Peer;
use crate::inventory::Inventory;
use crate::inventory::allocation::{Allocator, TypeRules};
use crate::inventory::pools::Pools;
use crate::inventory::stock::LowWater;
use crate::smdp::Smdp;
use crate::smdp::order_for_euicc::OrdersForEuiccs;

/// What the API serves.
pub struct Services {
    /// Identities, calls under keys, and the audit.
    pub administration: Administration,
    /// Who is told of what happens.
    pub webhooks: Webhooks,
    /// Orders.
    pub smdp: Arc<Smdp>,
    /// Operations of eUICCs; `None` where there is no eIM.
    pub eim: Option<Arc<Eim>>,
    /// Profiles of our own stock for them; `None` where we have no address.
    pub orders_for_euiccs: Option<OrdersForEuiccs>,
    /// Batches, subscriptions and eUICCs.
    pub inventory: Inventory,
    /// Pools of numbers.
    pub pools: Pools,
    /// Subscriptions set aside.
    pub allocator: Allocator,
    /// What is said of profile types.
    pub types: Vec<TypeRules>,
    /// The systems that must have what belongs to a profile before it is released, by type.
    pub needed: HashMap<ProfileType, Delivered>,
    /// When profile types run low.
    pub marks: Vec<LowWater>,
}

/// The state of the router; what it holds is reached through a [`Caller`] alone.
#[derive(Clone)]
pub(super) struct Api(Arc<Services>);

impl Api {
    pub(super) const fn new(services: Arc<Services>) -> Self {
        Self(services)
    }
}

/// A permission, as a type.
pub(super) trait Permitted {
    const PERMISSION: Permission;
}

macro_rules! permission {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub(super) struct $name;

        impl Permitted for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    };
}

permission!(
    /// To look at stock and orders.
    Look
);
permission!(
    /// To take of the stock and to give back.
    Provision
);
permission!(
    /// To look at the audit.
    Audit
);
permission!(
    /// To look at identities and webhooks, and to change them.
    Administer
);

permission!(
    /// To ask operations of eUICCs in the field.
    Operate
);

/// A named identity that has the permission `P`, and the services that it may use.
pub(super) struct Caller<P> {
    identity: Identity,
    peer: Peer,
    services: Arc<Services>,
    permission: PhantomData<P>,
}

impl<P> Caller<P> {
    /// Who it is.
    pub(super) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The services.
    pub(super) const fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Who it is, where the stock writes down persons.
    pub(super) fn person(&self) -> Person {
        Person::of_identity(&self.identity.name)
    }

    /// What the audit tells of it.
    pub(super) fn changer(&self) -> Changer {
        Changer { actor: Actor::Identity(self.identity.name.clone()), peer: Some(self.peer) }
    }
}

impl<P: Permitted> FromRequestParts<Api> for Caller<P> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, Api(services): &Api) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<Peer>().copied();
        let peer =
            peer.ok_or_else(|| Problem::internal(&"the listener does not say who calls").into_response())?;
        let identity = recognise(parts, services, peer).await.map_err(refused)?;
        if !identity.right.permits(P::PERMISSION) {
            let problem = Problem::new(ProblemKind::Forbidden);
            let (right, needed) = (identity.right, P::PERMISSION.as_str());
            let detail = format!("the right {right} does not permit to {needed}");
            let call = format!("{} {}", parts.method, parts.uri.path());
            services.administration.identities.tell_refused(&identity.name, peer, &detail, &call).await;
            return Err(problem.detail(detail).into_response());
        }
        Ok(Self { identity, peer, services: Arc::clone(services), permission: PhantomData })
    }
}

async fn recognise(parts: &Parts, services: &Services, peer: Peer) -> Result<Identity, Unrecognised> {
    // A header that holds no token is a wrong one, not none.
    let token = parts.headers.get(AUTHORIZATION).map(|value| bearer(value).unwrap_or_default());
    let certificate = parts.extensions.get::<ClientCertificate>();
    let fingerprint = certificate.and_then(|certificate| Some(certificate.identity()?.fingerprint));
    services.administration.identities.recognise(token, fingerprint, peer).await
}

/// The token of a header, whose scheme may be written in any case.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refused(error: Unrecognised) -> Response {
    let detail = error.to_string();
    match error {
        Unrecognised::NothingShown | Unrecognised::Refused => {
            let problem = Problem::new(ProblemKind::Unauthenticated).detail(detail);
            let mut response = problem.into_response();
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        Unrecognised::TooMany(wait) => {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
            Problem::new(ProblemKind::TooManyFailures).detail(detail).retry_after_s(seconds).into_response()
        }
        Unrecognised::Store(cause) => Problem::internal(&cause).into_response(),
    }
}
