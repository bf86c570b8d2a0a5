//! Who calls.
//!
//! A handler takes one of these types as its first argument; there is no other way to reach a service. A caller that
//! cannot be named gets HTTP 403 before its body is read.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::listener::ClientCertificate;
use super::problem::{Problem, ProblemKind};
use crate::domain::{Manufacturer, Operator, ProfileType};
use crate::eim::caller::{ClientAuth, DeviceCaller, Devices, Refusal, Unrecognised};
use crate::ident::Peer;
use crate::pki::tls::PeerIdentity;
use crate::smdp::orders::Caller;

/// An LPA: anybody. What it may do depends on what its eUICC signs; where it calls from, the socket says, never a header.
#[derive(Clone, Copy, Debug)]
pub struct Lpa(Peer);

impl Lpa {
    /// Where it calls from.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Lpa {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<Peer>().copied();
        peer.map(Self).ok_or((StatusCode::INTERNAL_SERVER_ERROR, "the listener does not say who calls"))
    }
}

/// Which client certificate speaks for which operator.
pub trait Operators: Send + Sync {
    /// The operator that this certificate stands for.
    fn operator(&self, identity: &PeerIdentity) -> Option<Operator>;
}

/// An operator, by its client certificate.
#[derive(Clone, Debug)]
pub struct OperatorCaller(Caller);

impl OperatorCaller {
    /// Who it is, and where it calls from.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.0
    }
}

/// State of a router whose callers are operators.
pub trait KnowsOperators {
    /// The operators.
    fn operators(&self) -> &Arc<dyn Operators>;
}

impl<S: KnowsOperators + Sync> FromRequestParts<S> for OperatorCaller {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        identity(parts)?
            .and_then(|identity| state.operators().operator(identity))
            .map(|operator| Self(Caller { operator, peer: parts.extensions.get::<Peer>().copied() }))
            .ok_or((StatusCode::FORBIDDEN, "the client certificate stands for no operator known here"))
    }
}

/// Who the client certificate says that calls; `None` if it cannot be read.
fn identity(parts: &Parts) -> Result<Option<&PeerIdentity>, (StatusCode, &'static str)> {
    let certificate = parts
        .extensions
        .get::<ClientCertificate>()
        .ok_or((StatusCode::UNAUTHORIZED, "a client certificate is needed"))?;
    Ok(certificate.identity())
}

/// A manufacturer, and what it may deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownManufacturer {
    /// Its name.
    pub name: Manufacturer,
    /// The profile types that it may deliver.
    pub profile_types: Vec<ProfileType>,
}

/// Which client certificate speaks for which manufacturer.
pub trait Manufacturers: Send + Sync {
    /// The manufacturer that this certificate stands for.
    fn manufacturer(&self, identity: &PeerIdentity) -> Option<KnownManufacturer>;
}

/// A manufacturer, by its client certificate.
#[derive(Clone, Debug)]
pub struct ManufacturerCaller(KnownManufacturer, Option<Peer>);

impl ManufacturerCaller {
    /// Who it is.
    #[must_use]
    pub const fn manufacturer(&self) -> &KnownManufacturer {
        &self.0
    }

    /// Where it calls from.
    #[must_use]
    pub const fn peer(&self) -> Option<Peer> {
        self.1
    }
}

/// State of a router whose callers are manufacturers.
pub trait KnowsManufacturers {
    /// The manufacturers.
    fn manufacturers(&self) -> &Arc<dyn Manufacturers>;
}

impl<S: KnowsManufacturers + Sync> FromRequestParts<S> for ManufacturerCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        identity(parts)
            .map_err(|(_, message)| Problem::new(ProblemKind::Forbidden).detail(message))?
            .and_then(|identity| state.manufacturers().manufacturer(identity))
            .map(|known| Self(known, parts.extensions.get::<Peer>().copied()))
            .ok_or_else(|| {
                Problem::new(ProblemKind::Forbidden)
                    .detail("the client certificate stands for no manufacturer known here")
            })
    }
}

/// A device, by its client certificate; on a listener that takes callers without one, perhaps nobody in particular.
#[derive(Clone, Debug)]
pub struct Device(DeviceCaller);

impl Device {
    /// Who it is, as far as it is proven.
    #[must_use]
    pub const fn caller(&self) -> &DeviceCaller {
        &self.0
    }
}

/// State of a router whose callers are devices.
pub trait KnowsDevices {
    /// The devices.
    fn devices(&self) -> &Devices;

    /// Whether its listener takes callers without a certificate.
    fn client_auth(&self) -> ClientAuth;
}

impl<S: KnowsDevices + Sync> FromRequestParts<S> for Device {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<Peer>().copied();
        let peer = peer.ok_or((StatusCode::INTERNAL_SERVER_ERROR, "the listener does not say who calls"))?;
        let certificate = parts.extensions.get::<ClientCertificate>();
        let identity = certificate
            .map(|certificate| certificate.identity())
            .map(|identity| identity.ok_or((StatusCode::FORBIDDEN, "the client certificate cannot be read")))
            .transpose()?;
        let caller = state.devices().recognise(state.client_auth(), peer, identity).await;
        caller.map(Self).map_err(|error| match error {
            Unrecognised::Refused(Refusal::NoCertificate) => {
                (StatusCode::UNAUTHORIZED, "a client certificate is needed")
            }
            Unrecognised::Refused(_) => {
                (StatusCode::FORBIDDEN, "the client certificate stands for no device")
            }
            Unrecognised::Store(cause) => {
                tracing::error!(%cause, "the list of devices' certificates could not be read");
                (StatusCode::SERVICE_UNAVAILABLE, "come again")
            }
        })
    }
}

/// The eIM of a device that listens, by its client certificate: the listener's verifier lets in nobody else.
#[derive(Clone, Copy, Debug)]
pub struct EimCaller(());

impl<S: Sync> FromRequestParts<S> for EimCaller {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        identity(parts).map(|_| Self(()))
    }
}
