//! eUICC packages (ESep): what an eIM tells an eUICC to do, under the eIM's signature (2.11.1.1, 5.9.1).
//!
//! An operation that is unknown or damaged is kept as received: the eUICC answers the ones before it (4.2).

use super::configuration::EimConfigurationData;
use super::{EimTransactionId, MAX_OPERATIONS, eid, eim_id, entries, signature};
use crate::oid::Oid;
use crate::rsp::card::{ProfileInfoListRequest, tag};
use crate::rsp::{MAX_ADDRESS_CHARS, NUMBER, SIGNATURE};
use crate::tlv::{Decode, Encode, Error, ErrorKind, Raw, Reader, Tag, Tlv, Writer};

/// EuiccPackageRequest, `BF51`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccPackageRequest<'a> {
    /// euiccPackageSigned, signed over as received: see [`super::signed_bytes`].
    pub euicc_package_signed: Raw<'a, EuiccPackageSigned<'a>>,
    /// `5F37` eimSignature.
    pub eim_signature: &'a [u8],
}

impl EuiccPackageRequest<'_> {
    /// The tag of request and result.
    pub const TAG: Tag = Tag(0xBF51);
}

impl<'a> Decode<'a> for EuiccPackageRequest<'a> {
    const NAME: &'static str = "EuiccPackageRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(EuiccPackageRequest::TAG)?.members(Self::NAME);
        let request = Self {
            euicc_package_signed: Raw::decode(&mut members)?,
            eim_signature: signature(&mut members)?,
        };
        members.extensions()?;
        Ok(request)
    }
}

impl Encode for EuiccPackageRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.value(&self.euicc_package_signed).tlv(SIGNATURE, self.eim_signature);
        });
    }
}

/// EuiccPackageSigned: what eimSignature covers, with the associationToken behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccPackageSigned<'a> {
    /// `80` eimId.
    pub eim_id: &'a str,
    /// `5A` eidValue.
    pub eid: &'a [u8; 16],
    /// `81` counterValue: higher than that of every package before.
    pub counter_value: i64,
    /// `82` eimTransactionId.
    pub eim_transaction_id: Option<EimTransactionId>,
    /// The operations.
    pub operations: EuiccPackage<'a>,
}

impl<'a> Decode<'a> for EuiccPackageSigned<'a> {
    const NAME: &'static str = "EuiccPackageSigned";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let signed = Self {
            eim_id: eim_id(&mut members)?,
            eid: eid(&mut members)?,
            counter_value: members.expect(Tag(0x81))?.integer("counterValue")?,
            eim_transaction_id: EimTransactionId::optional(&mut members, Tag(0x82))?,
            operations: EuiccPackage::read(&members.read()?)?,
        };
        members.extensions()?;
        Ok(signed)
    }
}

impl Encode for EuiccPackageSigned<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .tlv(Tag(0x80), self.eim_id.as_bytes())
                .tlv(NUMBER, self.eid)
                .integer(Tag(0x81), self.counter_value)
                .optional(Tag(0x82), self.eim_transaction_id.as_ref().map(EimTransactionId::as_octets));
            self.operations.write(members);
        });
    }
}

/// EuiccPackage: a CHOICE of the two kinds of operation, which no package mixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EuiccPackage<'a> {
    /// `A0` psmoList: operations on profiles.
    Psmo(Vec<Psmo<'a>>),
    /// `A1` ecoList: operations on eIMs.
    Eco(Vec<Eco<'a>>),
}

impl<'a> EuiccPackage<'a> {
    fn read(tlv: &Tlv<'a>) -> Result<Self, Error> {
        match tlv.tag {
            Tag(0xA0) => Ok(Self::Psmo(entries(tlv.members("psmoList"), MAX_OPERATIONS, Psmo::decode)?)),
            Tag(0xA1) => Ok(Self::Eco(entries(tlv.members("ecoList"), MAX_OPERATIONS, Eco::decode)?)),
            found => Err(tlv.error(ErrorKind::Choice { found }, "EuiccPackage")),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Psmo(operations) => writer.nested(Tag(0xA0), |list| {
                operations.iter().for_each(|operation| operation.encode(list));
            }),
            Self::Eco(operations) => writer.nested(Tag(0xA1), |list| {
                operations.iter().for_each(|operation| operation.encode(list));
            }),
        };
    }
}

/// ConfigureImmediateEnable, the PSMO `A7`, and ConfigureImmediateProfileEnablingRequest, `BF59`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigureImmediateEnable<'a> {
    /// `80` immediateEnableFlag: whether profiles may be enabled at once; absent is off.
    pub flag: bool,
    /// `81` defaultSmdpOid.
    pub default_smdp_oid: Option<Oid>,
    /// `82` defaultSmdpAddress.
    pub default_smdp_address: Option<&'a str>,
}

impl<'a> ConfigureImmediateEnable<'a> {
    /// Reads the members, whatever tag they stand in.
    ///
    /// # Errors
    /// [`Error`] at the first member that does not fit.
    pub fn read(tlv: &Tlv<'a>) -> Result<Self, Error> {
        let mut members = tlv.members("ConfigureImmediateEnable");
        let flag = members.optional(Tag(0x80))?.is_some();
        let default_smdp_oid = match members.optional(Tag(0x81))? {
            Some(oid) => {
                Some(Oid::from_content(oid.value).ok_or(oid.error(ErrorKind::Value, "defaultSmdpOid"))?)
            }
            None => None,
        };
        let default_smdp_address = match members.optional(Tag(0x82))? {
            Some(tlv) => Some(tlv.text(MAX_ADDRESS_CHARS, "defaultSmdpAddress")?),
            None => None,
        };
        members.extensions()?;
        Ok(Self { flag, default_smdp_oid, default_smdp_address })
    }

    /// Writes the value under `tag`.
    pub fn write(&self, writer: &mut Writer, tag: Tag) {
        writer.nested(tag, |members| {
            members
                .optional(Tag(0x80), self.flag.then_some(&[]))
                .optional(Tag(0x81), self.default_smdp_oid.as_ref().map(Oid::as_content))
                .optional(Tag(0x82), self.default_smdp_address.map(str::as_bytes));
        });
    }
}

/// The tag of SetDefaultDpAddress, PSMO and ES10b function alike.
pub(super) const SET_DEFAULT_DP_ADDRESS: Tag = Tag(0xBF65);

/// A profile state management operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Psmo<'a> {
    /// `A3` enable.
    Enable {
        /// `5A` iccid.
        iccid: &'a [u8; 10],
        /// `05` rollbackFlag: the IPA may go back to the profile that was enabled before.
        rollback: bool,
    },
    /// `A4` disable.
    Disable {
        /// `5A` iccid.
        iccid: &'a [u8; 10],
    },
    /// `A5` delete.
    Delete {
        /// `5A` iccid.
        iccid: &'a [u8; 10],
    },
    /// `BF2D` listProfileInfo.
    ListProfileInfo(ProfileInfoListRequest<'a>),
    /// `A6` getRAT.
    GetRat,
    /// `A7` configureImmediateEnable.
    ConfigureImmediateEnable(ConfigureImmediateEnable<'a>),
    /// `A8` setFallbackAttribute (v1.1).
    SetFallbackAttribute {
        /// `5A` iccid.
        iccid: &'a [u8; 10],
    },
    /// `A9` unsetFallbackAttribute (v1.1).
    UnsetFallbackAttribute,
    /// `BF65` setDefaultDpAddress (v1.1).
    SetDefaultDpAddress {
        /// `80` defaultDpAddress.
        address: &'a str,
    },
    /// An operation of a later version, or a damaged one, as received.
    Unknown(&'a [u8]),
}

impl Psmo<'_> {
    /// The name in the standard, and of what is unknown that it is.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Enable { .. } => "enable",
            Self::Disable { .. } => "disable",
            Self::Delete { .. } => "delete",
            Self::ListProfileInfo(_) => "listProfileInfo",
            Self::GetRat => "getRAT",
            Self::ConfigureImmediateEnable(_) => "configureImmediateEnable",
            Self::SetFallbackAttribute { .. } => "setFallbackAttribute",
            Self::UnsetFallbackAttribute => "unsetFallbackAttribute",
            Self::SetDefaultDpAddress { .. } => "setDefaultDpAddress",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Reads the iccid that an operation consists of.
fn iccid<'a>(members: &mut Reader<'a>) -> Result<&'a [u8; 10], Error> {
    members.expect(NUMBER)?.array("iccid")
}

fn known_psmo<'a>(tlv: &Tlv<'a>) -> Result<Psmo<'a>, Error> {
    let mut members = tlv.members("Psmo");
    let operation = match tlv.tag {
        Tag(0xA3) => {
            Psmo::Enable { iccid: iccid(&mut members)?, rollback: members.optional(Tag::NULL)?.is_some() }
        }
        Tag(0xA4) => Psmo::Disable { iccid: iccid(&mut members)? },
        Tag(0xA5) => Psmo::Delete { iccid: iccid(&mut members)? },
        Tag(0xA6) => Psmo::GetRat,
        Tag(0xA7) => return Ok(Psmo::ConfigureImmediateEnable(ConfigureImmediateEnable::read(tlv)?)),
        Tag(0xA8) => Psmo::SetFallbackAttribute { iccid: iccid(&mut members)? },
        Tag(0xA9) => Psmo::UnsetFallbackAttribute,
        tag::GET_PROFILES_INFO => {
            return Ok(Psmo::ListProfileInfo(ProfileInfoListRequest::from_der(tlv.raw)?));
        }
        SET_DEFAULT_DP_ADDRESS => Psmo::SetDefaultDpAddress {
            address: members.expect(Tag(0x80))?.text(MAX_ADDRESS_CHARS, "defaultDpAddress")?,
        },
        found => return Err(tlv.error(ErrorKind::Choice { found }, "Psmo")),
    };
    members.extensions()?;
    Ok(operation)
}

impl<'a> Decode<'a> for Psmo<'a> {
    const NAME: &'static str = "Psmo";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let tlv = reader.read()?;
        Ok(known_psmo(&tlv).unwrap_or(Self::Unknown(tlv.raw)))
    }
}

impl Encode for Psmo<'_> {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Enable { iccid, rollback } => writer.nested(Tag(0xA3), |members| {
                members.tlv(NUMBER, *iccid).optional(Tag::NULL, rollback.then_some(&[]));
            }),
            Self::Disable { iccid } => writer.nested(Tag(0xA4), |members| {
                members.tlv(NUMBER, *iccid);
            }),
            Self::Delete { iccid } => writer.nested(Tag(0xA5), |members| {
                members.tlv(NUMBER, *iccid);
            }),
            Self::ListProfileInfo(request) => writer.value(request),
            Self::GetRat => writer.tlv(Tag(0xA6), &[]),
            Self::ConfigureImmediateEnable(configuration) => {
                configuration.write(writer, Tag(0xA7));
                writer
            }
            Self::SetFallbackAttribute { iccid } => writer.nested(Tag(0xA8), |members| {
                members.tlv(NUMBER, *iccid);
            }),
            Self::UnsetFallbackAttribute => writer.tlv(Tag(0xA9), &[]),
            Self::SetDefaultDpAddress { address } => writer.nested(SET_DEFAULT_DP_ADDRESS, |members| {
                members.tlv(Tag(0x80), address.as_bytes());
            }),
            Self::Unknown(octets) => writer.raw(octets),
        };
    }
}

/// An eIM configuration operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eco<'a> {
    /// `A8` addEim.
    AddEim(Box<EimConfigurationData<'a>>),
    /// `A9` deleteEim.
    DeleteEim {
        /// `80` eimId.
        eim_id: &'a str,
    },
    /// `AA` updateEim: eimId, and what changes.
    UpdateEim(Box<EimConfigurationData<'a>>),
    /// `AB` listEim.
    ListEim,
    /// An operation of a later version, or a damaged one, as received.
    Unknown(&'a [u8]),
}

impl Eco<'_> {
    /// The name in the standard, and of what is unknown that it is.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AddEim(_) => "addEim",
            Self::DeleteEim { .. } => "deleteEim",
            Self::UpdateEim(_) => "updateEim",
            Self::ListEim => "listEim",
            Self::Unknown(_) => "unknown",
        }
    }
}

fn known_eco<'a>(tlv: &Tlv<'a>) -> Result<Eco<'a>, Error> {
    let mut members = tlv.members("Eco");
    let operation = match tlv.tag {
        Tag(0xA8) => return Ok(Eco::AddEim(Box::new(EimConfigurationData::read(tlv)?))),
        Tag(0xA9) => Eco::DeleteEim { eim_id: eim_id(&mut members)? },
        Tag(0xAA) => return Ok(Eco::UpdateEim(Box::new(EimConfigurationData::read(tlv)?))),
        Tag(0xAB) => Eco::ListEim,
        found => return Err(tlv.error(ErrorKind::Choice { found }, "Eco")),
    };
    members.extensions()?;
    Ok(operation)
}

impl<'a> Decode<'a> for Eco<'a> {
    const NAME: &'static str = "Eco";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let tlv = reader.read()?;
        Ok(known_eco(&tlv).unwrap_or(Self::Unknown(tlv.raw)))
    }
}

impl Encode for Eco<'_> {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::AddEim(eim) => eim.write(writer, Tag(0xA8)),
            Self::DeleteEim { eim_id } => {
                writer.nested(Tag(0xA9), |members| {
                    members.tlv(Tag(0x80), eim_id.as_bytes());
                });
            }
            Self::UpdateEim(eim) => eim.write(writer, Tag(0xAA)),
            Self::ListEim => {
                writer.tlv(Tag(0xAB), &[]);
            }
            Self::Unknown(octets) => {
                writer.raw(octets);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_or_damaged_is_kept_as_received() {
        for octets in [
            // A tag of a later version, an enable without ICCID, one with an ICCID of nine octets, an address too long.
            &[0xAC, 0x02, 0x80, 0x00][..],
            &[0xA3, 0x00],
            &[0xA3, 0x0B, 0x5A, 0x09, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            &[0x84, 0x01, 0x00],
            &[0xBF, 0x2D, 0x02, 0xA0, 0x00],
        ] {
            assert_eq!(Psmo::from_der(octets), Ok(Psmo::Unknown(octets)));
            assert_eq!(Psmo::Unknown(octets).to_der(), octets);
        }
        for octets in [&[0xA3, 0x00][..], &[0xA8, 0x00], &[0xA9, 0x02, 0x81, 0x00]] {
            assert_eq!(Eco::from_der(octets), Ok(Eco::Unknown(octets)));
        }
    }
}
