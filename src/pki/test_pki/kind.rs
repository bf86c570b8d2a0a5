//! Which certificates the test PKI has, and what can be wrong with a twin: the names in the description and of the
//! files.

use serde::Deserialize;

/// The certificates of the test PKI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The CI.
    Ci,
    /// The eUICC manufacturer.
    Eum,
    /// The eUICC.
    Euicc,
    /// The SM-DP+ towards the eUICC.
    DpAuth,
    /// The SM-DP+ binding profiles.
    DpPb,
    /// TLS of the SM-DP+.
    DpTls,
    /// An operator's client certificate.
    Operator,
    /// A SIM manufacturer's client certificate.
    Manufacturer,
    /// Root of the eIM's certificates.
    EimCa,
    /// The eIM towards eUICCs.
    EimSign,
    /// TLS of the eIM.
    EimTls,
    /// Root of devices' client certificates.
    DeviceCa,
    /// A device's client certificate.
    Device,
}

impl Kind {
    /// The name in the description and of the files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Eum => "eum",
            Self::Euicc => "euicc",
            Self::DpAuth => "dp-auth",
            Self::DpPb => "dp-pb",
            Self::DpTls => "dp-tls",
            Self::Operator => "operator",
            Self::Manufacturer => "manufacturer",
            Self::EimCa => "eim-ca",
            Self::EimSign => "eim-sign",
            Self::EimTls => "eim-tls",
            Self::DeviceCa => "device-ca",
            Self::Device => "device",
        }
    }
}

/// The one thing that is wrong with a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// notAfter lies in the past.
    Expired,
    /// Issued under another CI.
    UnknownCi,
    /// certificatePolicies names another role.
    WrongRole,
    /// The EID is none that the EUM may issue.
    OutsideRange,
    /// The OID is another than that of DPauth.
    OtherOid,
    /// The dNSName is another host.
    WrongHost,
    /// No issuer is named.
    NoAuthorityKeyIdentifier,
    /// Issued by itself.
    SelfSigned,
    /// The signature does not verify.
    BadSignature,
    /// Issued by the CI that eUICCs trust.
    GsmaCi,
    /// The subject names no EID.
    NoEid,
    /// The EID is another one.
    OtherEid,
    /// Not for clients of TLS.
    NoClientAuth,
}

impl Fault {
    /// The name in the description and of the files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::UnknownCi => "unknown-ci",
            Self::WrongRole => "wrong-role",
            Self::OutsideRange => "outside-range",
            Self::OtherOid => "other-oid",
            Self::WrongHost => "wrong-host",
            Self::NoAuthorityKeyIdentifier => "no-authority-key-identifier",
            Self::SelfSigned => "self-signed",
            Self::BadSignature => "bad-signature",
            Self::GsmaCi => "gsma-ci",
            Self::NoEid => "no-eid",
            Self::OtherEid => "other-eid",
            Self::NoClientAuth => "no-client-auth",
        }
    }
}
