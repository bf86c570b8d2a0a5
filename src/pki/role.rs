//! The roles of certificates by their identifiers in certificatePolicies (SGP.22 4.5.2).

use std::fmt;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The certificate issuer: CERT.CI.
    Ci,
    /// The eUICC manufacturer: CERT.EUM.
    Eum,
    /// The eUICC: CERT.EUICC.
    Euicc,
    /// TLS of an SM-DP+: CERT.DP.TLS.
    DpTls,
    /// Authentication of an SM-DP+: CERT.DPauth.
    DpAuth,
    /// Profile binding of an SM-DP+: CERT.DPpb.
    DpPb,
    /// TLS of an SM-DS: CERT.DS.TLS.
    DsTls,
    /// Authentication of an SM-DS: CERT.DSauth.
    DsAuth,
}

/// The arcs above all role identifiers, 2.23.146.1.2.1, as content octets.
pub(super) const ROLE_ARCS: &[u8] = &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01];

impl Role {
    /// All roles.
    pub const ALL: [Self; 8] =
        [Self::Ci, Self::Eum, Self::Euicc, Self::DpTls, Self::DpAuth, Self::DpPb, Self::DsTls, Self::DsAuth];

    /// The content octets of the policy identifier of variant O, 2.23.146.1.2.1.x.
    #[must_use]
    pub const fn policy(self) -> &'static [u8] {
        match self {
            Self::Ci => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 0],
            Self::Eum => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 2],
            Self::Euicc => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 1],
            Self::DpTls => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 3],
            Self::DpAuth => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 4],
            Self::DpPb => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 5],
            Self::DsTls => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 6],
            Self::DsAuth => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 7],
        }
    }

    /// The content octets of the policy identifier that version 3 gave the same role, with the same chain shape.
    #[must_use]
    pub const fn policy_v3(self) -> &'static [u8] {
        match self {
            Self::Ci => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 0],
            Self::Eum => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 0, 0, 0],
            Self::Euicc => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 0, 0, 0, 0, 0],
            Self::DpTls => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 0, 0, 1, 0],
            Self::DpAuth => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 0, 0, 1, 1],
            Self::DpPb => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 0, 0, 1, 2],
            Self::DsTls => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 0, 0, 2, 0],
            Self::DsAuth => &[0x67, 0x81, 0x12, 0x01, 0x02, 0x01, 0, 0, 2, 1],
        }
    }

    /// The name that the standard gives the role: `eum`, `dp-auth`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Eum => "eum",
            Self::Euicc => "euicc",
            Self::DpTls => "dp-tls",
            Self::DpAuth => "dp-auth",
            Self::DpPb => "dp-pb",
            Self::DsTls => "ds-tls",
            Self::DsAuth => "ds-auth",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use simyard_asn1::Oid;

    use super::*;

    #[test]
    fn every_role_has_the_identifiers_of_the_standard() {
        let table = [
            (Role::Ci, "2.23.146.1.2.1.0", "2.23.146.1.2.1.0"),
            (Role::Eum, "2.23.146.1.2.1.2", "2.23.146.1.2.1.0.0.0"),
            (Role::Euicc, "2.23.146.1.2.1.1", "2.23.146.1.2.1.0.0.0.0.0"),
            (Role::DpTls, "2.23.146.1.2.1.3", "2.23.146.1.2.1.0.0.1.0"),
            (Role::DpAuth, "2.23.146.1.2.1.4", "2.23.146.1.2.1.0.0.1.1"),
            (Role::DpPb, "2.23.146.1.2.1.5", "2.23.146.1.2.1.0.0.1.2"),
            (Role::DsTls, "2.23.146.1.2.1.6", "2.23.146.1.2.1.0.0.2.0"),
            (Role::DsAuth, "2.23.146.1.2.1.7", "2.23.146.1.2.1.0.0.2.1"),
        ];
        assert_eq!(table.map(|row| row.0), Role::ALL);
        for (role, variant_o, v3) in table {
            assert_eq!(Oid::parse(variant_o).unwrap().as_content(), role.policy(), "{role}");
            assert_eq!(Oid::parse(v3).unwrap().as_content(), role.policy_v3(), "{role}");
            assert!(role.policy().starts_with(ROLE_ARCS));
        }
    }
}
