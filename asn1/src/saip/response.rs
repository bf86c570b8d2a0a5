//! EUICCResponse: what the eUICC says about the installation, element by element. It is the simaResponse of the
//! ProfileInstallationResult (SGP.22 5.7.8).

use crate::tlv::{Decode, Encode, Error, ErrorKind, Reader, Tag, Writer};

/// The values of PEStatus. ISO status words stand in 24576..=28671 and 36864..=40959, proprietary values above.
pub mod status {
    /// The element is installed.
    pub const OK: u16 = 0;
    /// The element is not supported.
    pub const PE_NOT_SUPPORTED: u16 = 1;
    /// The memory does not work.
    pub const MEMORY_FAILURE: u16 = 2;
    /// The values of the element do not fit together or to what is there.
    pub const BAD_VALUES: u16 = 3;
    /// The memory is full.
    pub const NOT_ENOUGH_MEMORY: u16 = 4;
    /// The element is not coded as the module says.
    pub const INVALID_REQUEST_FORMAT: u16 = 5;
    /// A parameter has a value that is not allowed.
    pub const INVALID_PARAMETER: u16 = 6;
    /// The runtime environment is not supported.
    pub const RUNTIME_NOT_SUPPORTED: u16 = 7;
    /// A library is not there.
    pub const LIB_NOT_SUPPORTED: u16 = 8;
    /// The file system template is not known.
    pub const TEMPLATE_NOT_SUPPORTED: u16 = 9;
    /// A feature is not supported.
    pub const FEATURE_NOT_SUPPORTED: u16 = 10;
    /// A PIN or PUK that is referenced is not there.
    pub const PIN_CODE_MISSING: u16 = 11;
    /// The version of the profile header is not supported.
    pub const UNSUPPORTED_PROFILE_VERSION: u16 = 31;

    /// The name of a value in the module, `None` for status words and proprietary values.
    #[must_use]
    pub const fn name(value: u16) -> Option<&'static str> {
        Some(match value {
            OK => "ok",
            PE_NOT_SUPPORTED => "pe-not-supported",
            MEMORY_FAILURE => "memory-failure",
            BAD_VALUES => "bad-values",
            NOT_ENOUGH_MEMORY => "not-enough-memory",
            INVALID_REQUEST_FORMAT => "invalid-request-format",
            INVALID_PARAMETER => "invalid-parameter",
            RUNTIME_NOT_SUPPORTED => "runtime-not-supported",
            LIB_NOT_SUPPORTED => "lib-not-supported",
            TEMPLATE_NOT_SUPPORTED => "template-not-supported",
            FEATURE_NOT_SUPPORTED => "feature-not-supported",
            PIN_CODE_MISSING => "pin-code-missing",
            UNSUPPORTED_PROFILE_VERSION => "unsupported-profile-version",
            _ => return None,
        })
    }
}

/// The largest number of statuses that is read.
const MAX_STATUSES: usize = super::MAX_ELEMENTS;

/// The result for one element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeStatus {
    /// One of [`status`], a status word or a proprietary value.
    pub status: u16,
    /// The identification of the element.
    pub identification: Option<u16>,
    /// Depends on the status.
    pub additional_information: Option<u8>,
    /// Octets from the start of the element.
    pub offset: Option<u32>,
}

/// The result of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccResponse {
    /// One status per element that is worth mentioning; [`status::OK`] alone for success.
    pub statuses: Vec<PeStatus>,
    /// Whether the installation was given up.
    pub aborted: bool,
    /// 2 to 64 characters for people.
    pub message: Option<String>,
}

impl EuiccResponse {
    /// The response to an installation without errors.
    #[must_use]
    pub fn success() -> Self {
        Self { statuses: vec![PeStatus::default()], aborted: false, message: None }
    }
}

fn unsigned<T: TryFrom<u32>>(reader: &mut Reader<'_>, tag: u32) -> Result<Option<T>, Error> {
    let what = reader.what();
    let Some(tlv) = reader.optional(Tag::context(tag))? else { return Ok(None) };
    T::try_from(tlv.unsigned(what)?).map(Some).map_err(|_| tlv.error(ErrorKind::Value, what))
}

impl<'a> Decode<'a> for PeStatus {
    const NAME: &'static str = "PEStatus";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let missing = members.error(ErrorKind::Missing { expected: Tag::context(0) });
        let status = unsigned(&mut members, 0)?.ok_or(missing)?;
        let identification = unsigned(&mut members, 1)?;
        let additional_information = unsigned(&mut members, 2)?;
        let offset = unsigned(&mut members, 3)?;
        members.extensions()?;
        Ok(Self { status, identification, additional_information, offset })
    }
}

impl Encode for PeStatus {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |w| {
            w.integer(Tag::context(0), i64::from(self.status));
            let members = [
                self.identification.map(i64::from),
                self.additional_information.map(i64::from),
                self.offset.map(i64::from),
            ];
            for (number, member) in (1..).zip(members) {
                if let Some(member) = member {
                    w.integer(Tag::context(number), member);
                }
            }
        });
    }
}

impl<'a> Decode<'a> for EuiccResponse {
    const NAME: &'static str = "EUICCResponse";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let mut list = members.expect(Tag::context_constructed(0))?.members(Self::NAME);
        let mut statuses = Vec::new();
        while !list.is_empty() {
            if statuses.len() == MAX_STATUSES {
                return Err(list.error(ErrorKind::Value));
            }
            statuses.push(PeStatus::decode(&mut list)?);
        }
        let aborted = members.optional(Tag::context(1))?;
        if let Some(aborted) = &aborted {
            aborted.sized(0..=0, Self::NAME)?;
        }
        let message = match members.optional(Tag::context(2))? {
            Some(tlv) => Some(tlv.text(64, Self::NAME)?.to_owned()),
            None => None,
        };
        members.extensions()?;
        Ok(Self { statuses, aborted: aborted.is_some(), message })
    }
}

impl Encode for EuiccResponse {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |w| {
            w.nested(Tag::context_constructed(0), |w| {
                for status in &self.statuses {
                    w.value(status);
                }
            });
            if self.aborted {
                w.tlv(Tag::context(1), &[]);
            }
            w.optional(Tag::context(2), self.message.as_deref().map(str::as_bytes));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_is_the_reference_of_the_standard() {
        let der = EuiccResponse::success().to_der();
        assert_eq!(der, [0x30, 0x07, 0xA0, 0x05, 0x30, 0x03, 0x80, 0x01, 0x00]);
        assert_eq!(EuiccResponse::from_der(&der).unwrap(), EuiccResponse::success());
    }

    #[test]
    fn a_failure_goes_both_ways_and_no_part_of_it_does() {
        let response = EuiccResponse {
            statuses: vec![PeStatus {
                status: status::TEMPLATE_NOT_SUPPORTED,
                identification: Some(300),
                additional_information: Some(0),
                offset: Some(70_000),
            }],
            aborted: true,
            message: Some("no such template".to_owned()),
        };
        let der = response.to_der();
        assert_eq!(EuiccResponse::from_der(&der).unwrap(), response);
        for end in 0..der.len() {
            assert!(EuiccResponse::from_der(&der[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn the_names_are_those_of_the_module() {
        assert_eq!((0..=40_960).filter_map(status::name).count(), 13);
        assert_eq!(status::name(status::PIN_CODE_MISSING), Some("pin-code-missing"));
    }
}
