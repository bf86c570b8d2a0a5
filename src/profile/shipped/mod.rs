//! The templates that Simyard brings, as descriptions: what they hold is in the TOML files beside this one.
//!
//! All are of version 2.3 of the package format and use the first versions of the file system templates, which every
//! eUICC in the field knows. DF.5GS is not mandated: an eUICC that does not know it leaves it out. Access rules are
//! those of the templates: each EF.ARR holds rules 1 to 14 in this order (TCA Profile Package 9.9). Whatever belongs to
//! one subscription is a placeholder: numbers of the test network 001-01, keys and codes of zeros.

use super::description::{self, DescriptionError};

/// A template that Simyard brings.
#[derive(Debug)]
pub struct Shipped {
    /// Its name in settings and commands.
    pub name: &'static str,
    /// What it is for.
    pub title: &'static str,
    /// Its description ([`super::description`]).
    pub description: &'static str,
}

/// All of them.
pub const ALL: &[Shipped] = &[
    Shipped {
        name: "consumer",
        title: "phones: 2G to 5G, USIM and ISIM",
        description: include_str!("consumer.toml"),
    },
    Shipped {
        name: "iot",
        title: "machines: LTE-M, NB-IoT, LTE and 5G; one USIM",
        description: include_str!("iot.toml"),
    },
    Shipped {
        name: "bootstrap",
        title: "the first profile of a device: small, data alone",
        description: include_str!("bootstrap.toml"),
    },
    Shipped {
        name: "test-milenage",
        title: "test networks, Milenage",
        description: include_str!("test-milenage.toml"),
    },
    Shipped { name: "test-tuak", title: "test networks, TUAK", description: include_str!("test-tuak.toml") },
];

/// The template of profile types whose settings name none.
pub const DEFAULT: &str = "iot";

/// The template with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Shipped> {
    ALL.iter().find(|shipped| shipped.name == name)
}

impl Shipped {
    /// The package, with its placeholders.
    ///
    /// # Errors
    /// [`DescriptionError`]; a test shows that there is none.
    pub fn build(&self) -> Result<Vec<u8>, DescriptionError> {
        description::build(self.description, &|name| Err(format!("{name} lies beside no file")))
    }
}

/// The package of [`DEFAULT`], for tests.
#[cfg(test)]
pub(crate) fn generic() -> Vec<u8> {
    static BUILT: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        find(DEFAULT).and_then(|shipped| shipped.build().ok()).unwrap_or_default()
    });
    BUILT.clone()
}

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::Package;

    use super::*;
    use crate::profile::image::ProfileImage;

    #[test]
    fn every_template_can_be_installed() {
        for shipped in ALL {
            let octets = shipped.build().unwrap_or_else(|error| panic!("{}: {error}", shipped.name));
            let package = Package::from_der(&octets).unwrap();
            let installed = ProfileImage::build_for_any_card(&package);
            assert!(installed.is_ok(), "{}: {}", shipped.name, installed.err().unwrap());
        }
    }

    /// What extract writes is what stands here, but for comments: nobody has to guess how a value is spelt.
    #[test]
    fn every_description_is_spelt_as_it_is_extracted() {
        for shipped in ALL {
            let octets = shipped.build().unwrap();
            let extracted = description::extract(&Package::from_der(&octets).unwrap());
            let ours = shipped.description.lines().filter(|line| !line.starts_with('#'));
            for (ours, extracted) in ours.zip(extracted.lines()) {
                assert_eq!(ours, extracted, "{}", shipped.name);
            }
        }
    }
}
