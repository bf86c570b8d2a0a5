//! Certificates of servers and of those that call them: DPauth and DPpb (SGP.22 5.7.13, 5.7.5), TLS (2.6.6).

use simyard_asn1::Oid;

use super::{Anchors, check_extensions, check_leaf, check_role};
use crate::crypto::ecdsa::PublicKey;
use crate::env::Timestamp;
use crate::pki::certificate::Certificate;
use crate::pki::error::{PathError, ServerCertificateError};
use crate::pki::role::Role;

/// A server's certificate whose proof carries its key, its OID and its CI.
#[derive(Clone, Debug)]
struct Server {
    certificate: Certificate,
    key: PublicKey,
    oid: Oid,
    ci_key_identifier: Vec<u8>,
}

macro_rules! server_proof {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Server);

        impl $name {
            /// The certificate.
            #[must_use]
            pub const fn certificate(&self) -> &Certificate {
                &self.0.certificate
            }

            /// The key of the certificate.
            #[must_use]
            pub const fn public_key(&self) -> &PublicKey {
                &self.0.key
            }

            /// The OID of the SM-DP+: registeredID of subjectAltName.
            #[must_use]
            pub const fn oid(&self) -> &Oid {
                &self.0.oid
            }

            /// subjectKeyIdentifier of the CI it lies under.
            #[must_use]
            pub fn ci_key_identifier(&self) -> &[u8] {
                &self.0.ci_key_identifier
            }
        }
    };
}

server_proof!(
    /// Proof that a DPauth certificate lies under a trusted CI.
    VerifiedDpAuth
);
server_proof!(
    /// Proof that a DPpb certificate lies under the CI of a DPauth certificate and names the same SM-DP+.
    VerifiedDpPb
);

impl Anchors {
    fn verify_server(
        &self,
        certificate: &Certificate,
        role: Role,
        now: Timestamp,
    ) -> Result<Server, ServerCertificateError> {
        let ci = self.below_ci(certificate, now)?;
        check_leaf(certificate)?;
        check_role(certificate, role)?;
        check_extensions(certificate)?;
        Ok(Server {
            certificate: certificate.clone(),
            key: *certificate.public_key().map_err(PathError::Key)?,
            oid: certificate.registered_id().ok_or(ServerCertificateError::ObjectIdentifierMissing)?.clone(),
            ci_key_identifier: ci.subject_key_identifier().unwrap_or_default().to_vec(),
        })
    }

    /// Verifies the certificate that signs serverSigned1 (5.7.13).
    ///
    /// # Errors
    /// [`ServerCertificateError`] with the first rule in the order of this module.
    pub fn verify_dp_auth(
        &self,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<VerifiedDpAuth, ServerCertificateError> {
        self.verify_server(certificate, Role::DpAuth, now).map(VerifiedDpAuth)
    }

    /// Verifies the certificate that signs smdpSigned2 (5.7.5): the CI and the OID are those of DPauth.
    ///
    /// # Errors
    /// [`ServerCertificateError`] with the first rule in the order of this module.
    pub fn verify_dp_pb(
        &self,
        dp_auth: &VerifiedDpAuth,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<VerifiedDpPb, ServerCertificateError> {
        let server = self.verify_server(certificate, Role::DpPb, now)?;
        if server.ci_key_identifier != dp_auth.ci_key_identifier() {
            return Err(ServerCertificateError::OtherCi);
        }
        if &server.oid != dp_auth.oid() {
            return Err(ServerCertificateError::OtherObjectIdentifier {
                expected: dp_auth.oid().clone(),
                found: server.oid,
            });
        }
        Ok(VerifiedDpPb(server))
    }

    /// Verifies the TLS certificate of an SM-DP+ that was called as `host` (2.6.6). Names are compared without
    /// letter case; there are no wildcards.
    ///
    /// # Errors
    /// [`ServerCertificateError`] with the first rule in the order of this module.
    pub fn verify_dp_tls(
        &self,
        certificate: &Certificate,
        host: &str,
        now: Timestamp,
    ) -> Result<(), ServerCertificateError> {
        self.below_ci(certificate, now)?;
        check_leaf(certificate)?;
        check_role(certificate, Role::DpTls)?;
        check_server(certificate, host)
    }

    /// Verifies the server certificate of an operator, issued by an anchor directly, for this host. It need not name a
    /// role; one that names roles must be for TLS of an SM-DP+.
    ///
    /// # Errors
    /// [`ServerCertificateError`] with the first rule in the order of this module.
    pub fn verify_web_server(
        &self,
        certificate: &Certificate,
        host: &str,
        now: Timestamp,
    ) -> Result<(), ServerCertificateError> {
        self.below_ci(certificate, now)?;
        check_leaf(certificate)?;
        if certificate.has_any_role() {
            check_role(certificate, Role::DpTls)?;
        }
        check_server(certificate, host)
    }

    /// Verifies the client certificate of an operator or of a device, issued by an anchor directly. It need not name
    /// a role; one that names roles must be for TLS of an SM-DP+, so that no eUICC or DPauth key opens a connection.
    ///
    /// # Errors
    /// [`ServerCertificateError`] with the first rule in the order of this module.
    pub fn verify_client(
        &self,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<(), ServerCertificateError> {
        self.below_ci(certificate, now)?;
        check_leaf(certificate)?;
        if certificate.has_any_role() {
            check_role(certificate, Role::DpTls)?;
        }
        if !certificate.is_for_clients() {
            return Err(ServerCertificateError::Purpose("clientAuth"));
        }
        check_extensions(certificate)?;
        certificate.public_key().map_err(PathError::Key)?;
        Ok(())
    }
}

/// What is demanded of a TLS server's certificate beyond its place and role.
fn check_server(certificate: &Certificate, host: &str) -> Result<(), ServerCertificateError> {
    if !certificate.extended_key_usage.is_some_and(|usage| usage.server_auth) {
        return Err(ServerCertificateError::Purpose("serverAuth"));
    }
    check_extensions(certificate)?;
    certificate.public_key().map_err(PathError::Key)?;
    if !certificate.dns_names().iter().any(|name| name.eq_ignore_ascii_case(host)) {
        return Err(ServerCertificateError::HostName {
            host: host.to_owned(),
            names: certificate.dns_names().to_vec(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, NOW, dp_content, key, subject, validity};
    use super::*;
    use crate::pki::issue::{Content, Criticality, ExtensionId, Issuer, TlsSide, issue_root};

    #[test]
    fn dp_certificates_hang_together() {
        let fixture = Fixture::new();
        let auth = fixture.below_ci(&dp_content(Role::DpAuth));
        let auth = fixture.anchors.verify_dp_auth(&auth, NOW).unwrap();
        let pb = fixture.below_ci(&dp_content(Role::DpPb));
        assert_eq!(fixture.anchors.verify_dp_pb(&auth, &pb, NOW).unwrap().oid(), auth.oid());
        let other = dp_content(Role::DpPb).names(&[], Oid::parse("2.999.11").as_ref());
        assert_eq!(
            fixture.anchors.verify_dp_pb(&auth, &fixture.below_ci(&other), NOW).unwrap_err(),
            ServerCertificateError::OtherObjectIdentifier {
                expected: Oid::parse("2.999.10").unwrap(),
                found: Oid::parse("2.999.11").unwrap()
            }
        );
        let nameless = dp_content(Role::DpAuth).without(ExtensionId::SubjectAltName);
        assert_eq!(
            fixture.anchors.verify_dp_auth(&fixture.below_ci(&nameless), NOW).unwrap_err(),
            ServerCertificateError::ObjectIdentifierMissing
        );
        let ci_key = key(&fixture.rng);
        let content =
            Content::new(subject("CI 2"), validity()).signs_certificates_and_lists().authority(None);
        let second = issue_root(&content, &ci_key, &fixture.rng).unwrap();
        let both = Anchors::new(vec![fixture.ci.certificate().clone(), second.clone()]).unwrap();
        let second = Issuer::new(second, ci_key).unwrap();
        let pb = fixture.euicc(&second, &dp_content(Role::DpPb));
        assert_eq!(both.verify_dp_pb(&auth, &pb, NOW).unwrap_err(), ServerCertificateError::OtherCi);
    }

    #[test]
    fn tls_certificates_need_purpose_and_host() {
        let fixture = Fixture::new();
        let hosts = ["smdp.example".to_owned()];
        let right = || dp_content(Role::DpTls).tls(TlsSide::ServerAndClient).names(&hosts, None);
        let verify = |content: Content, host: &str| {
            fixture.anchors.verify_dp_tls(&fixture.below_ci(&content), host, NOW)
        };
        assert_eq!(verify(right(), "SMDP.example"), Ok(()));
        assert!(matches!(verify(right(), "xsmdp.example"), Err(ServerCertificateError::HostName { .. })));
        let client_only = right().tls(TlsSide::Client);
        assert_eq!(
            verify(client_only.clone(), "smdp.example"),
            Err(ServerCertificateError::Purpose("serverAuth"))
        );
        assert_eq!(fixture.anchors.verify_client(&fixture.below_ci(&client_only), NOW), Ok(()));
        let without = right().without(ExtensionId::ExtendedKeyUsage);
        assert_eq!(
            fixture.anchors.verify_client(&fixture.below_ci(&without), NOW),
            Err(ServerCertificateError::Purpose("clientAuth"))
        );
        let role = client_only.role(Role::DpAuth, Criticality::Critical);
        assert!(matches!(
            fixture.anchors.verify_client(&fixture.below_ci(&role), NOW),
            Err(ServerCertificateError::Path(PathError::Role { .. }))
        ));
    }
}
