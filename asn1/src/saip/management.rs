//! SecurityDomain, RFM and Application in full: instances, keys' surroundings, access of remote management, code.
//!
//! Parameters that other standards define (GlobalPlatform Card, ETSI TS 102 226) are octets here.

use super::application::{AID, MAX_INSTANCES, aid, octet};
use super::{ElementKind, Fill, ProfileElement, value_offset};
use crate::tlv::{Error, ErrorKind, Reader, Tag, Tlv};

/// The largest number of data blocks that one element gives to an application or security domain.
pub const MAX_BLOCKS: usize = 4096;
/// Operational: the life cycle state of instances that give none.
pub const DEFAULT_LIFE_CYCLE: u8 = 0x07;

/// An application or security domain that is installed. It has no Debug: its data may be secret.
#[derive(Clone)]
pub struct ApplicationInstance<'a> {
    /// The AID of the load package.
    pub load_package: &'a [u8],
    /// The AID of the class in it.
    pub class: &'a [u8],
    /// The AID of the instance.
    pub instance: &'a [u8],
    /// The security domain that it is extradited to; without it, the MNO-SD.
    pub security_domain: Option<&'a [u8]>,
    /// GlobalPlatform privileges, three octets.
    pub privileges: &'a [u8],
    /// GlobalPlatform life cycle state.
    pub life_cycle: u8,
    /// Tag C9: what the application itself is told at installation.
    pub install_parameters: &'a [u8],
    /// Tag EF: what the system is told.
    pub system_parameters: Option<&'a [u8]>,
    /// Tag EA, 80: UICC toolkit application parameters (TS 102 226).
    pub toolkit_parameters: Option<&'a [u8]>,
    /// Tag EA, 81: UICC access parameters.
    pub access_parameters: Option<&'a [u8]>,
    /// Tag EA, 82: UICC administrative access parameters.
    pub administrative_access_parameters: Option<&'a [u8]>,
    /// What is sent to the instance after installation.
    pub process_data: Vec<Fill<'a>>,
    /// Tag B0: control reference template.
    pub control_reference: Option<&'a [u8]>,
}

/// What a SecurityDomain element says, but for its keys. It has no Debug: its data may be secret.
pub struct SecurityDomain<'a> {
    /// The domain itself.
    pub instance: ApplicationInstance<'a>,
    /// sdPersoData: blocks of STORE DATA.
    pub personalisation: Vec<&'a [u8]>,
    /// openPersoData, its members as received.
    pub open_personalisation: Option<&'a [u8]>,
    /// catTpParameters, its members as received.
    pub cat_tp: Option<&'a [u8]>,
}

/// The application that a remote file management instance works in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdfAccess<'a> {
    /// Its AID.
    pub aid: &'a [u8],
    /// Access domain (TS 102 226 8.2.1.3.2.3).
    pub access_domain: &'a [u8],
    /// Administrative access domain.
    pub administrative_access_domain: &'a [u8],
}

/// What an RFM element says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFileManagement<'a> {
    /// The AID of the instance.
    pub instance: &'a [u8],
    /// The security domain whose keys protect it; without it, the MNO-SD.
    pub security_domain: Option<&'a [u8]>,
    /// The toolkit application references.
    pub tars: Vec<&'a [u8; 3]>,
    /// The minimum security level (TS 102 225).
    pub minimum_security_level: &'a [u8],
    /// Access domain for the files of the UICC.
    pub access_domain: &'a [u8],
    /// Administrative access domain for the files of the UICC.
    pub administrative_access_domain: &'a [u8],
    /// The application that is selected when a script begins.
    pub adf: Option<AdfAccess<'a>>,
}

/// A load package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadBlock<'a> {
    /// Its AID.
    pub load_package: &'a [u8],
    /// The security domain that it belongs to; without it, the MNO-SD.
    pub security_domain: Option<&'a [u8]>,
    /// The code.
    pub object: &'a [u8],
}

/// What an Application element says. It has no Debug: its data may be secret.
pub struct Application<'a> {
    /// The package that it loads.
    pub load_block: Option<LoadBlock<'a>>,
    /// The instances that it makes.
    pub instances: Vec<ApplicationInstance<'a>>,
}

fn blocks<'a>(mut members: Reader<'a>) -> Result<Vec<Fill<'a>>, Error> {
    let mut blocks = Vec::new();
    while !members.is_empty() {
        let block = members.expect(Tag::OCTET_STRING)?;
        if blocks.len() == MAX_BLOCKS {
            return Err(block.error(ErrorKind::Value, members.what()));
        }
        blocks.push(Fill { octets: block.value, offset: value_offset(&block) });
    }
    Ok(blocks)
}

fn optional_aid<'a>(members: &mut Reader<'a>, what: &'static str) -> Result<Option<&'a [u8]>, Error> {
    members.optional(AID)?.map(|tlv| aid(&tlv, what)).transpose()
}

fn instance<'a>(tlv: &Tlv<'a>) -> Result<ApplicationInstance<'a>, Error> {
    const WHAT: &str = "ApplicationInstance";
    let mut members = tlv.members(WHAT);
    let load_package = aid(&members.expect(AID)?, WHAT)?;
    let class = aid(&members.expect(AID)?, WHAT)?;
    let instance = aid(&members.expect(AID)?, WHAT)?;
    let security_domain = optional_aid(&mut members, WHAT)?;
    let privileges = members.expect(Tag::context(2))?.value;
    let life_cycle = members.optional(Tag::context(3))?.map(|tlv| octet(&tlv, WHAT)).transpose()?;
    let install_parameters = members.expect(Tag(0xC9))?.value;
    let system_parameters = members.optional(Tag(0xEF))?.map(|tlv| tlv.value);
    let mut uicc = [None; 3];
    if let Some(parameters) = members.optional(Tag(0xEA))? {
        let mut members = parameters.members(WHAT);
        for (number, place) in (0..).zip(&mut uicc) {
            *place = members.optional(Tag::context(number))?.map(|tlv| tlv.value);
        }
        members.extensions()?;
    }
    let [toolkit_parameters, access_parameters, administrative_access_parameters] = uicc;
    let process_data = members.optional(Tag::SEQUENCE)?.map(|list| blocks(list.members(WHAT)));
    let control_reference = members.optional(Tag(0xB0))?.map(|tlv| tlv.value);
    members.extensions()?;
    Ok(ApplicationInstance {
        load_package,
        class,
        instance,
        security_domain,
        privileges,
        life_cycle: life_cycle.unwrap_or(DEFAULT_LIFE_CYCLE),
        install_parameters,
        system_parameters,
        toolkit_parameters,
        access_parameters,
        administrative_access_parameters,
        process_data: process_data.transpose()?.unwrap_or_default(),
        control_reference,
    })
}

impl<'a> ProfileElement<'a> {
    /// The element as SecurityDomain; its keys are those of [`ProfileElement::security_domain_keys`].
    ///
    /// # Errors
    /// [`Error`] for another element, and for members that are missing or not coded as the module says.
    pub fn security_domain(&self) -> Result<SecurityDomain<'a>, Error> {
        const WHAT: &str = "SecurityDomain";
        self.must_be(ElementKind::SecurityDomain)?;
        let mut body = self.body()?;
        let instance = instance(&body.expect(Tag::context_constructed(1))?)?;
        body.optional(Tag::context_constructed(2))?;
        let personalisation = body.optional(Tag::context_constructed(3))?;
        let open_personalisation = body.optional(Tag::context_constructed(4))?.map(|tlv| tlv.value);
        let cat_tp = body.optional(Tag::context_constructed(5))?.map(|tlv| tlv.value);
        body.extensions()?;
        let personalisation = personalisation.map(|list| blocks(list.members(WHAT))).transpose()?;
        Ok(SecurityDomain {
            instance,
            personalisation: personalisation.into_iter().flatten().map(|block| block.octets).collect(),
            open_personalisation,
            cat_tp,
        })
    }

    /// The element as RFM.
    ///
    /// # Errors
    /// As [`ProfileElement::security_domain`].
    pub fn remote_file_management(&self) -> Result<RemoteFileManagement<'a>, Error> {
        const WHAT: &str = "RFM";
        self.must_be(ElementKind::Rfm)?;
        let mut body = self.body()?;
        let instance = aid(&body.expect(AID)?, WHAT)?;
        let security_domain = optional_aid(&mut body, WHAT)?;
        let mut list = body.expect(Tag::context_constructed(0))?.members(WHAT);
        let mut tars = Vec::new();
        while !list.is_empty() {
            let tar = list.expect(Tag::OCTET_STRING)?;
            if tars.len() == MAX_INSTANCES {
                return Err(tar.error(ErrorKind::Value, WHAT));
            }
            tars.push(tar.array(WHAT)?);
        }
        let minimum_security_level = body.expect(Tag::context(1))?.value;
        let access_domain = body.expect(Tag::OCTET_STRING)?.value;
        let administrative_access_domain = body.expect(Tag::OCTET_STRING)?.value;
        let adf = match body.optional(Tag::SEQUENCE)? {
            Some(access) => {
                let mut members = access.members("ADFRFMAccess");
                let adf = AdfAccess {
                    aid: aid(&members.expect(Tag::context(0))?, WHAT)?,
                    access_domain: members.expect(Tag::context(1))?.value,
                    administrative_access_domain: members.expect(Tag::context(2))?.value,
                };
                members.extensions()?;
                Some(adf)
            }
            None => None,
        };
        body.extensions()?;
        Ok(RemoteFileManagement {
            instance,
            security_domain,
            tars,
            minimum_security_level,
            access_domain,
            administrative_access_domain,
            adf,
        })
    }

    /// The element as Application.
    ///
    /// # Errors
    /// As [`ProfileElement::security_domain`].
    pub fn application(&self) -> Result<Application<'a>, Error> {
        const WHAT: &str = "ApplicationLoadPackage";
        self.must_be(ElementKind::Application)?;
        let mut body = self.body()?;
        let load_block = match body.optional(Tag::context_constructed(1))? {
            Some(block) => {
                let mut members = block.members(WHAT);
                let load_package = aid(&members.expect(AID)?, WHAT)?;
                let security_domain = optional_aid(&mut members, WHAT)?;
                // Limits of memory (C6 to C8) and the hash (C1) stand before the code.
                let mut object = None;
                while !members.is_empty() && object.is_none() {
                    let member = members.read()?;
                    object = (member.tag == Tag(0xC4)).then_some(member.value);
                }
                let missing = block.error(ErrorKind::Missing { expected: Tag(0xC4) }, WHAT);
                Some(LoadBlock { load_package, security_domain, object: object.ok_or(missing)? })
            }
            None => None,
        };
        let mut instances = Vec::new();
        if let Some(list) = body.optional(Tag::context_constructed(2))? {
            let mut members = list.members(WHAT);
            while !members.is_empty() {
                let one = members.expect(Tag::SEQUENCE)?;
                if instances.len() == MAX_INSTANCES {
                    return Err(one.error(ErrorKind::Value, WHAT));
                }
                instances.push(instance(&one)?);
            }
        }
        body.extensions()?;
        Ok(Application { load_block, instances })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saip::Package;

    fn octets(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn wrapped(tag: u8, members: &str) -> Vec<u8> {
        let body = [octets("A0 03 81 01 07"), octets(members)].concat();
        [vec![tag, u8::try_from(body.len()).unwrap()], body].concat()
    }

    const INSTANCE: &str = "4F05A000000001 4F06A00000000102 4F07A0000000010203 8203808000";

    #[test]
    fn a_security_domain_is_read() {
        let members = format!(
            "A1 3A {INSTANCE} 83010F C903810280 EF03C70100 EA06 80010A 82010C 3006 0401AA 0401BB A303 040170 A403 D90101"
        );
        let octets = wrapped(0xA6, &members);
        let package = Package::from_der(&octets).unwrap();
        let domain = package.elements()[0].security_domain().unwrap();
        assert_eq!(domain.instance.instance, [0xA0, 0, 0, 0, 1, 2, 3]);
        assert_eq!((domain.instance.security_domain, domain.instance.life_cycle), (None, 0x0F));
        assert_eq!(domain.instance.toolkit_parameters, Some(&[0x0A][..]));
        assert_eq!(domain.instance.access_parameters, None);
        assert_eq!(domain.instance.administrative_access_parameters, Some(&[0x0C][..]));
        let data: Vec<&[u8]> = domain.instance.process_data.iter().map(|block| block.octets).collect();
        assert_eq!(data, [[0xAA], [0xBB]]);
        assert_eq!(domain.personalisation, [[0x70]]);
        assert_eq!(domain.open_personalisation, Some(&[0xD9, 1, 1][..]));
        assert!(domain.cat_tp.is_none());
        assert!(package.elements()[0].application().is_err());
    }

    #[test]
    fn remote_file_management_is_read() {
        let rest = "A005 0403B00120 810102 040100 040100";
        let octets = wrapped(0xA7, &format!("4F05A000000001 {rest} 300D 8005A000000002 810100 820100"));
        let package = Package::from_der(&octets).unwrap();
        let rfm = package.elements()[0].remote_file_management().unwrap();
        assert_eq!(rfm.tars, [&[0xB0, 0x01, 0x20]]);
        assert_eq!(rfm.minimum_security_level, [2]);
        assert_eq!(rfm.adf.unwrap().aid, [0xA0, 0, 0, 0, 2]);
        assert_eq!(rfm.security_domain, None);
    }

    #[test]
    fn an_application_is_read() {
        let block = "A10F 4F05A000000001 C601FF C4030102 03";
        let instance = format!("{INSTANCE} C900");
        let list = format!("A221 301F {instance}");
        let octets = wrapped(0xA8, &format!("{block} {list}"));
        let package = Package::from_der(&octets).unwrap();
        let application = package.elements()[0].application().unwrap();
        assert_eq!(application.load_block.unwrap().object, [1, 2, 3]);
        assert_eq!(application.instances[0].life_cycle, DEFAULT_LIFE_CYCLE);
    }
}
