//! SecurityDomain, RFM, Application and NonStandard: who they are. Their contents are kept as received; nothing here
//! reads keys or code.

use super::{ElementKind, ProfileElement};
use crate::oid::Oid;
use crate::tlv::{Error, ErrorKind, Tag, Tlv};

/// AIDs in these elements ([APPLICATION 15]).
pub(super) const AID: Tag = Tag(0x4F);
/// The largest number of instances in one application element.
pub(super) const MAX_INSTANCES: usize = 128;

/// Octets of the MACs of keys that do not say it.
const DEFAULT_MAC_LENGTH: u8 = 8;

/// The identities of an element that brings applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationIdentity<'a> {
    /// A security domain, by its instance AID.
    SecurityDomain(&'a [u8]),
    /// A remote file management instance: its AID and its toolkit application references, three octets each.
    Rfm {
        /// The instance AID.
        instance: &'a [u8],
        /// The toolkit application references.
        tars: Vec<&'a [u8; 3]>,
    },
    /// Load packages and instances.
    Application {
        /// The AID of the package that the element loads.
        load_package: Option<&'a [u8]>,
        /// The AIDs of the instances that it makes.
        instances: Vec<&'a [u8]>,
    },
    /// Content that the issuer with this identifier defines.
    NonStandard(Oid),
}

/// A key of a security domain. It has no Debug: the data is a secret.
#[derive(Clone, Copy)]
pub struct SecurityDomainKey<'a> {
    /// 1 to 3: enciphering, integrity, key encryption.
    pub identifier: u8,
    /// The version of the key set.
    pub version: u8,
    /// keyUsageQualifier (GlobalPlatform Card): 18 enciphering, 14 integrity, 48 key encryption, 3C PSK for TLS.
    pub usage: &'a [u8],
    /// keyAccess: 00 for the domain and its applications.
    pub access: u8,
    /// 80 DES, 88 AES, 85 PSK for TLS.
    pub key_type: u8,
    /// Octets of the MACs that are made with it.
    pub mac_length: u8,
    /// The key.
    pub data: &'a [u8],
    /// Where the key starts in the package.
    pub data_offset: usize,
}

pub(super) fn aid<'a>(tlv: &Tlv<'a>, what: &'static str) -> Result<&'a [u8], Error> {
    tlv.sized(5..=16, what)
}

/// The third AID of an ApplicationInstance: load package, class, instance.
fn instance_aid<'a>(tlv: &Tlv<'a>) -> Result<&'a [u8], Error> {
    const WHAT: &str = "ApplicationInstance";
    let mut members = tlv.members(WHAT);
    for _ in 0..2 {
        aid(&members.expect(AID)?, WHAT)?;
    }
    aid(&members.expect(AID)?, WHAT)
}

pub(super) fn octet(tlv: &Tlv<'_>, what: &'static str) -> Result<u8, Error> {
    tlv.array::<1>(what).map(|[octet]| *octet)
}

impl<'a> ProfileElement<'a> {
    /// The keys of a security domain, one entry per component.
    ///
    /// # Errors
    /// [`Error`] for another element, and for a list that is not coded as the module says.
    pub fn security_domain_keys(&self) -> Result<Vec<SecurityDomainKey<'a>>, Error> {
        const WHAT: &str = "KeyObject";
        self.must_be(ElementKind::SecurityDomain)?;
        let mut body = self.body()?;
        body.expect(Tag::context_constructed(1))?;
        let mut keys = Vec::new();
        let Some(list) = body.optional(Tag::context_constructed(2))? else { return Ok(keys) };
        let mut objects = list.members(WHAT);
        while !objects.is_empty() {
            let mut object = objects.expect(Tag::SEQUENCE)?.members(WHAT);
            // keyUsageQualifier, keyAccess, identifier, version, counter, components: in this order.
            let usage = object.expect(Tag(0x95))?.value;
            let access = object.optional(Tag(0x96))?.map(|tlv| octet(&tlv, WHAT)).transpose()?.unwrap_or(0);
            let identifier = octet(&object.expect(Tag(0x82))?, WHAT)?;
            let version = octet(&object.expect(Tag(0x83))?, WHAT)?;
            object.optional(Tag(0x85))?;
            let mut components = object.expect(Tag::SEQUENCE)?.members(WHAT);
            while !components.is_empty() {
                let mut component = components.expect(Tag::SEQUENCE)?.members(WHAT);
                let key_type = octet(&component.expect(Tag(0x80))?, WHAT)?;
                let data = component.expect(Tag(0x86))?;
                let mac_length = component.optional(Tag(0x87))?.map(|tlv| octet(&tlv, WHAT)).transpose()?;
                component.extensions()?;
                if keys.len() == MAX_INSTANCES {
                    return Err(data.error(ErrorKind::Value, WHAT));
                }
                let data_offset = super::value_offset(&data);
                keys.push(SecurityDomainKey {
                    identifier,
                    version,
                    usage,
                    access,
                    key_type,
                    mac_length: mac_length.unwrap_or(DEFAULT_MAC_LENGTH),
                    data: data.value,
                    data_offset,
                });
            }
        }
        Ok(keys)
    }

    /// The identities of an element that brings applications; `None` for all other elements.
    ///
    /// # Errors
    /// [`Error`] where the identities are missing or have a length that is not allowed.
    pub fn application_identity(&self) -> Result<Option<ApplicationIdentity<'a>>, Error> {
        let mut body = self.body()?;
        let what = body.what();
        Ok(Some(match self.kind {
            ElementKind::SecurityDomain => {
                let instance = body.expect(Tag::context_constructed(1))?;
                ApplicationIdentity::SecurityDomain(instance_aid(&instance)?)
            }
            ElementKind::Rfm => {
                let instance = aid(&body.expect(AID)?, what)?;
                body.optional(AID)?;
                let list = body.expect(Tag::context_constructed(0))?;
                let mut members = list.members(what);
                let mut tars = Vec::new();
                while !members.is_empty() {
                    let tar = members.expect(Tag::OCTET_STRING)?;
                    if tars.len() == MAX_INSTANCES {
                        return Err(tar.error(ErrorKind::Value, what));
                    }
                    tars.push(tar.array(what)?);
                }
                ApplicationIdentity::Rfm { instance, tars }
            }
            ElementKind::Application => {
                let block = body.optional(Tag::context_constructed(1))?;
                let load_package =
                    block.map(|block| aid(&block.members(what).expect(AID)?, what)).transpose()?;
                let mut instances = Vec::new();
                if let Some(list) = body.optional(Tag::context_constructed(2))? {
                    let mut members = list.members(what);
                    while !members.is_empty() {
                        let instance = members.expect(Tag::SEQUENCE)?;
                        if instances.len() == MAX_INSTANCES {
                            return Err(instance.error(ErrorKind::Value, what));
                        }
                        instances.push(instance_aid(&instance)?);
                    }
                }
                ApplicationIdentity::Application { load_package, instances }
            }
            ElementKind::NonStandard => {
                let issuer = body.expect(Tag::context(1))?;
                let oid = Oid::from_content(issuer.value).ok_or(issuer.error(ErrorKind::Value, what))?;
                ApplicationIdentity::NonStandard(oid)
            }
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saip::Package;
    use crate::tlv::Writer;

    #[test]
    fn the_issuer_of_a_non_standard_element_is_named() {
        let mut writer = Writer::new();
        writer.nested(Tag(0xA9), |w| {
            w.nested(Tag(0xA0), |w| {
                w.integer(Tag(0x81), 9);
            });
            w.tlv(Tag(0x81), Oid::parse("2.999.1").unwrap().as_content()).tlv(Tag(0x82), &[1, 2, 3]);
        });
        let octets = writer.finish();
        let package = Package::from_der(&octets).unwrap();
        let identity = package.elements()[0].application_identity().unwrap();
        assert_eq!(identity, Some(ApplicationIdentity::NonStandard(Oid::parse("2.999.1").unwrap())));
        assert_eq!(package.to_der(), octets);
    }
}
