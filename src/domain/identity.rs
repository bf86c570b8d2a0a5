//! Who may call the admin API, and what each may do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name of an identity, in octets.
const NAME_MAX: usize = 64;

/// The name of an identity: 1 to 64 letters, digits, `.`, `_`, `-` and `@`, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityName(String);

impl IdentityName {
    /// Reads a name; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=NAME_MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@'));
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// What an identity is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Everything.
    Admin,
    /// Looks at stock and orders, and changes them.
    Provisioning,
    /// Looks at everything, and changes nothing.
    Auditor,
    /// Looks at stock and orders, and asks operations of eUICCs in the field.
    Fleet,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Provisioning, Self::Auditor, Self::Fleet];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Provisioning => "provisioning",
            Self::Auditor => "auditor",
            Self::Fleet => "fleet",
        }
    }

    /// Whether who has it may do this.
    #[must_use]
    pub const fn permits(self, permission: Permission) -> bool {
        match (self, permission) {
            (Self::Admin, _)
            | (_, Permission::Look)
            | (Self::Provisioning, Permission::Provision)
            | (Self::Auditor, Permission::Audit)
            | (Self::Fleet, Permission::Operate) => true,
            (Self::Provisioning, Permission::Audit | Permission::Administer | Permission::Operate)
            | (Self::Auditor, Permission::Provision | Permission::Administer | Permission::Operate)
            | (Self::Fleet, Permission::Provision | Permission::Audit | Permission::Administer) => false,
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Right {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let right = Self::ALL.into_iter().find(|right| right.as_str() == text);
        right.ok_or_else(|| "expected admin, provisioning, auditor or fleet".to_owned())
    }
}

/// What a function of the admin API needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// To look at stock and orders.
    Look,
    /// To change them.
    Provision,
    /// To look at the audit.
    Audit,
    /// To look at identities, and to change them.
    Administer,
    /// To ask operations of eUICCs in the field.
    Operate,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Look, Self::Provision, Self::Audit, Self::Administer, Self::Operate];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Provision => "provision",
            Self::Audit => "audit",
            Self::Administer => "administer",
            Self::Operate => "operate",
        }
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: IdentityName,
    /// What it is for.
    pub right: Right,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_permits_what_it_is_for() {
        let permitted = |right: Right| {
            let permitted = Permission::ALL.into_iter().filter(|permission| right.permits(*permission));
            permitted.map(Permission::as_str).collect::<Vec<_>>()
        };
        assert_eq!(permitted(Right::Admin), ["look", "provision", "audit", "administer", "operate"]);
        assert_eq!(permitted(Right::Fleet), ["look", "operate"]);
        assert_eq!(permitted(Right::Provisioning), ["look", "provision"]);
        assert_eq!(permitted(Right::Auditor), ["look", "audit"]);
        for right in Right::ALL {
            assert_eq!(right.as_str().parse(), Ok(right));
        }
        assert!("root".parse::<Right>().is_err());
    }

    #[test]
    fn names_fit_into_addresses_and_logs() {
        for name in ["anna", "a", "4", "erp-2.acme@example.com", &"x".repeat(64)] {
            assert_eq!(IdentityName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", ".", "-a", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert_eq!(IdentityName::parse(name), None, "{name}");
        }
    }
}
