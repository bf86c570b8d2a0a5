//! TLS 1.2 and 1.3 over certificates of SGP.22 (2.6.6, 2.6.7): configurations, and verifiers of both sides.
//!
//! The path check that rustls brings refuses every certificate with a critical certificatePolicies extension, also
//! our own, and SGP.22 4.5.2 makes that extension critical. So own certificates go through a resolver, which does not
//! look at them, and the certificates of peers through the checks of [`super::chain`]; handshake signatures are
//! verified with the key that those checks read. Signatures are ECDSA with SHA-256, and all keys of handshakes are on
//! P-256, whatever the curve of the CI above them: TLS 1.3 has brainpool in code points that few speak (RFC 8734), in
//! TLS 1.2 the key exchange would need it too, and no TLS library at hand has it. An eUICC on brainpoolP256r1 does not
//! mind: TLS is the LPA's.
//!
//! Chains are anchor and leaf: certificates that a peer sends beside its own are not looked at.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, Signer, SigningKey as TlsSigningKey, SingleCertAndKey};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, OtherError, ServerConfig, SignatureAlgorithm,
    SignatureScheme,
};
use simyard_asn1::Oid;

use super::certificate::{Certificate, CertificateError, UnusableKey};
use super::chain::Anchors;
use super::error::{ServerCertificateError, cut};
use super::issue::signature_to_der;
use crate::crypto::ecdsa::{Curve, PublicKey, SigningKey};
use crate::env::{Clock, Timestamp};

/// The one signature scheme, under its TLS 1.3 name; in TLS 1.2 it stands for ECDSA with SHA-256.
pub(super) const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
/// The application protocol of all interfaces (SGP.22 6.1).
const HTTP_1_1: &[u8] = b"http/1.1";

/// Why a configuration cannot be built, or a peer's certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// No certificate was given.
    #[error("no TLS certificate: the file holds none")]
    NoCertificate,
    /// A certificate cannot be read.
    #[error("TLS certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The key of the certificate cannot be used.
    #[error("TLS certificate: {0}")]
    Key(#[from] UnusableKey),
    /// The key is on another curve than TLS is spoken on here.
    #[error("TLS certificate: its key is on {0}; TLS needs one on P-256, under any CI")]
    Curve(Curve),
    /// The private key belongs to another certificate.
    #[error(
        "the TLS private key does not belong to the certificate {0:?}: check that both files are of one pair"
    )]
    OtherKey(String),
    /// The peer's certificate breaks a rule.
    #[error("TLS certificate of the peer: {0}")]
    Peer(#[from] ServerCertificateError),
    /// A client's certificate breaks a rule.
    #[error("TLS certificate {} of the client {name:?}: {cause}", hex::encode(fingerprint))]
    Client {
        /// Its SHA-256.
        fingerprint: [u8; 32],
        /// What it calls itself: serialNumber or commonName, which nobody has verified, cut.
        name: String,
        /// The rule.
        cause: ServerCertificateError,
    },
    /// The device that answers is another one than the one that is called.
    #[error("the TLS certificate of {0:?} does not stand for the EID that is called")]
    OtherDevice(String),
    /// The TLS library refuses the settings.
    #[error("TLS settings: {0}")]
    Library(String),
}

impl From<TlsError> for rustls::Error {
    fn from(error: TlsError) -> Self {
        rustls::CertificateError::Other(OtherError(Arc::new(Refused(error)))).into()
    }
}

/// The reason in the shape that survives rustls, which prints the `Debug` form of what it does not know.
#[derive(thiserror::Error)]
#[error("{0}")]
struct Refused(TlsError);

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why the certificate of a peer was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRefusal {
    /// SHA-256 of the certificate, of a client that showed one which can be read.
    pub fingerprint: Option<[u8; 32]>,
    /// What was the matter.
    pub cause: String,
}

impl CertificateRefusal {
    /// What a failed handshake says of the peer's certificate, or that it showed none; `None` if it failed otherwise.
    #[must_use]
    pub fn of(error: &rustls::Error) -> Option<Self> {
        match error {
            // What was said here, without what rustls puts around it.
            rustls::Error::InvalidCertificate(rustls::CertificateError::Other(OtherError(cause))) => {
                let fingerprint = match cause.downcast_ref::<Refused>() {
                    Some(Refused(TlsError::Client { fingerprint, .. })) => Some(*fingerprint),
                    Some(_) | None => None,
                };
                Some(Self { fingerprint, cause: cause.to_string() })
            }
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                Some(Self { fingerprint: None, cause: error.to_string() })
            }
            _ => None,
        }
    }
}

/// A certificate with its chain, leaf first, and the private key of the leaf.
#[derive(Clone, Debug)]
pub struct TlsIdentity(Arc<CertifiedKey>);

impl TlsIdentity {
    /// Takes certificates in DER, leaf first, and the key of the leaf. Trust is not checked: it is the peer's affair.
    ///
    /// # Errors
    /// [`TlsError`] if the leaf cannot be read, is not on P-256, or the key belongs to another one.
    pub fn new(chain: Vec<Vec<u8>>, key: Arc<SigningKey>) -> Result<Self, TlsError> {
        let leaf = Certificate::from_der(chain.first().ok_or(TlsError::NoCertificate)?)?;
        if handshake_key(&leaf)? != key.public_key() {
            return Err(TlsError::OtherKey(leaf.common_name().unwrap_or_default().to_owned()));
        }
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        Ok(Self(Arc::new(CertifiedKey::new(chain, Arc::new(HandshakeKey(key))))))
    }

    /// The pair in the shape that a resolver hands to rustls.
    #[must_use]
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}

/// The key of a certificate, on the one curve of handshakes.
fn handshake_key(leaf: &Certificate) -> Result<&PublicKey, TlsError> {
    let key = leaf.public_key()?;
    match key.curve() {
        Curve::P256 => Ok(key),
        curve @ Curve::BrainpoolP256r1 => Err(TlsError::Curve(curve)),
    }
}

/// Our signing key in the shape that rustls asks for.
#[derive(Clone, Debug)]
struct HandshakeKey(Arc<SigningKey>);

impl TlsSigningKey for HandshakeKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SCHEME).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for HandshakeKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let signature = self.0.sign(message).map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(signature_to_der(&signature))
    }

    fn scheme(&self) -> SignatureScheme {
        SCHEME
    }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A server for HTTP/1.1 over TLS 1.2 and 1.3. With `client`, callers must present a certificate that it accepts
/// (ES2+); without, none is asked for, as some LPAs stumble over the request (ES9+).
///
/// # Errors
/// [`TlsError::Library`] if rustls refuses the settings.
pub fn server_config(
    identity: &TlsIdentity,
    client: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Library(error.to_string()))?;
    let resolver = Arc::new(SingleCertAndKey::from(identity.certified_key()));
    let mut config = match client {
        Some(verifier) => {
            let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver);
            // A resumed session would skip the check of a certificate that expired meanwhile.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config
        }
        None => builder.with_no_client_auth().with_cert_resolver(resolver),
    };
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}

/// A client for HTTP/1.1 over TLS 1.2 and 1.3 that trusts what `verifier` accepts, with a certificate of its own
/// where the server asks for one.
///
/// # Errors
/// [`TlsError::Library`] if rustls refuses the settings.
pub fn client_config(
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<&TlsIdentity>,
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Library(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key())))
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(32);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}

/// What every verifier of ours has alike: the handshake is signed with the key of the certificate, in the one scheme.
macro_rules! handshake_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &rustls::pki_types::CertificateDer<'_>,
            dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            $crate::pki::tls::verify_handshake(message, cert, dss)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &rustls::pki_types::CertificateDer<'_>,
            dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            $crate::pki::tls::verify_handshake(message, cert, dss)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            vec![$crate::pki::tls::SCHEME]
        }
    };
}
pub(super) use handshake_signatures;

/// Verifies the certificates of SM-DP+ servers, for LPAs and ES2+ clients: under a trusted CI, for TLS of an SM-DP+,
/// serverAuth, and with the host that was called among the dNSNames.
#[derive(Debug)]
pub struct ServerVerifier {
    anchors: Arc<Anchors>,
    clock: Clock,
}

impl ServerVerifier {
    /// Trusts what lies under `anchors`, at the time of `clock`.
    #[must_use]
    pub const fn new(anchors: Arc<Anchors>, clock: Clock) -> Self {
        Self { anchors, clock }
    }

    pub(super) fn check(&self, leaf: &[u8], host: &str, now: Timestamp) -> Result<(), TlsError> {
        Ok(self.anchors.verify_dp_tls(&Certificate::from_der(leaf)?, host, now)?)
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, &server_name.to_str(), self.clock.now())?;
        Ok(ServerCertVerified::assertion())
    }

    handshake_signatures!();
}

/// Verifies the certificates of operators and devices: issued by an anchor directly, clientAuth.
#[derive(Debug)]
pub struct ClientVerifier {
    anchors: Arc<Anchors>,
    clock: Clock,
    is_mandatory: bool,
}

impl ClientVerifier {
    /// Trusts what lies under `anchors`, at the time of `clock`.
    #[must_use]
    pub const fn new(anchors: Arc<Anchors>, clock: Clock) -> Self {
        Self { anchors, clock, is_mandatory: true }
    }

    /// Lets in clients without a certificate too, who say otherwise who they are.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { is_mandatory: false, ..self }
    }

    fn check(&self, leaf: &[u8], now: Timestamp) -> Result<(), TlsError> {
        let leaf = Certificate::from_der(leaf)?;
        self.anchors.verify_client(&leaf, now).map_err(|cause| TlsError::Client {
            fingerprint: leaf.fingerprint(),
            name: cut(leaf.serial_number().or(leaf.common_name()).unwrap_or_default()),
            cause,
        })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity, self.clock.now())?;
        Ok(ClientCertVerified::assertion())
    }

    handshake_signatures!();
}

/// Proof of possession: the peer signed the handshake with the key of its certificate.
pub(super) fn verify_handshake(
    message: &[u8],
    leaf: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    if signed.scheme != SCHEME {
        return Err(rustls::PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let certificate = Certificate::from_der(leaf).map_err(TlsError::from)?;
    handshake_key(&certificate)?
        .verify_der(message, signed.signature())
        .map_err(|_| rustls::CertificateError::BadSignature)?;
    Ok(HandshakeSignatureValid::assertion())
}

/// Who a peer is, by its certificate. The TLS handshake has verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// registeredID of subjectAltName: the OID of an operator or server.
    pub oid: Option<Oid>,
    /// SHA-256 over the certificate, for peers without an OID.
    pub fingerprint: [u8; 32],
    /// commonName of the subject, for people.
    pub common_name: Option<String>,
    /// serialNumber of the subject: the EID of a device.
    pub serial_number: Option<String>,
    /// dNSNames of subjectAltName.
    pub dns_names: Vec<String>,
}

/// Reads who a peer is from its leaf certificate in DER.
///
/// # Errors
/// [`CertificateError`] if the octets are no certificate.
pub fn peer_identity(leaf: &[u8]) -> Result<PeerIdentity, CertificateError> {
    let certificate = Certificate::from_der(leaf)?;
    Ok(PeerIdentity {
        oid: certificate.registered_id().cloned(),
        fingerprint: certificate.fingerprint(),
        common_name: certificate.common_name().map(str::to_owned),
        serial_number: certificate.serial_number().map(str::to_owned),
        dns_names: certificate.dns_names().to_vec(),
    })
}
