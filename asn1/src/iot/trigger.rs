//! Profile download triggers (SGP.32 3.2.3): what an eIM asks an IPA to download, and how that ended.
//!
//! A trigger is not signed. An activation code with its matching identifier is worth a profile, so what holds one has no
//! `Debug` that shows it.

use core::fmt;

use super::EimTransactionId;
use crate::rsp::MAX_ADDRESS_CHARS;
use crate::rsp::notification::ProfileInstallationResult;
use crate::tlv::{Decode, Encode, Error, ErrorKind, Reader, Tag, Writer};

/// The longest activation code that is read: 255 characters (SGP.22 4.1), with the prefix that some send.
pub const MAX_ACTIVATION_CODE_CHARS: usize = 255 + 4;

/// ProfileDownloadData: where the profile is.
#[derive(Clone, PartialEq, Eq)]
pub enum ProfileDownloadData<'a> {
    /// `80` activationCode: `1$address$matchingId…`, as a rule without `LPA:` before it.
    ActivationCode(&'a str),
    /// `81` contactDefaultSmdp: at the default SM-DP+ of the eUICC.
    ContactDefaultSmdp,
    /// `A2` contactSmds: an SM-DS knows, this one or the root.
    ContactSmds(Option<&'a str>),
}

impl fmt::Debug for ProfileDownloadData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ActivationCode(_) => f.write_str("ActivationCode(…)"),
            Self::ContactDefaultSmdp => f.write_str("ContactDefaultSmdp"),
            Self::ContactSmds(address) => f.debug_tuple("ContactSmds").field(address).finish(),
        }
    }
}

impl<'a> Decode<'a> for ProfileDownloadData<'a> {
    const NAME: &'static str = "ProfileDownloadData";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let alternative = reader.read()?;
        match alternative.tag.0 {
            0x80 => Ok(Self::ActivationCode(alternative.text(MAX_ACTIVATION_CODE_CHARS, "activationCode")?)),
            0x81 => {
                alternative.sized(0..=0, "contactDefaultSmdp")?;
                Ok(Self::ContactDefaultSmdp)
            }
            0xA2 => {
                let mut members = alternative.members("contactSmds");
                let address = match members.optional(Tag(0x80))? {
                    Some(tlv) => Some(tlv.text(MAX_ADDRESS_CHARS, "smdsAddress")?),
                    None => None,
                };
                members.extensions_without(&[Tag(0x80)])?;
                Ok(Self::ContactSmds(address))
            }
            _ => Err(alternative.error(ErrorKind::Choice { found: alternative.tag }, Self::NAME)),
        }
    }
}

impl Encode for ProfileDownloadData<'_> {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::ActivationCode(code) => writer.tlv(Tag(0x80), code.as_bytes()),
            Self::ContactDefaultSmdp => writer.tlv(Tag(0x81), &[]),
            Self::ContactSmds(address) => writer.nested(Tag(0xA2), |members| {
                members.optional(Tag(0x80), address.map(str::as_bytes));
            }),
        };
    }
}

/// ProfileDownloadTriggerRequest, `BF54`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileDownloadTriggerRequest<'a> {
    /// `A0` profileDownloadData; absent where the eIM keeps it for itself (eimDownloadDataHandling).
    pub profile_download_data: Option<ProfileDownloadData<'a>>,
    /// `82` eimTransactionId.
    pub eim_transaction_id: Option<EimTransactionId>,
}

impl ProfileDownloadTriggerRequest<'_> {
    /// The tag of the message, and of its result.
    pub const TAG: Tag = Tag(0xBF54);
}

impl<'a> Decode<'a> for ProfileDownloadTriggerRequest<'a> {
    const NAME: &'static str = "ProfileDownloadTriggerRequest";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(ProfileDownloadTriggerRequest::TAG)?.members(Self::NAME);
        let profile_download_data = match members.optional(Tag(0xA0))? {
            Some(tlv) => {
                let mut choice = tlv.members(ProfileDownloadData::NAME);
                let data = ProfileDownloadData::decode(&mut choice)?;
                choice.finish()?;
                Some(data)
            }
            None => None,
        };
        let eim_transaction_id = EimTransactionId::optional(&mut members, Tag(0x82))?;
        members.extensions_without(&[Tag(0xA0), Tag(0x82)])?;
        Ok(Self { profile_download_data, eim_transaction_id })
    }
}

impl Encode for ProfileDownloadTriggerRequest<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            if let Some(data) = &self.profile_download_data {
                members.nested(Tag(0xA0), |choice| data.encode(choice));
            }
            members.optional(Tag(0x82), self.eim_transaction_id.as_ref().map(EimTransactionId::as_octets));
        });
    }
}

codes! {
    /// profileDownloadErrorReason: why it did not come to an installation.
    ProfileDownloadErrorReason { EcallActive = 104 "ecallActive", UndefinedError = 127 "undefinedError" }
}

/// How a triggered download ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileDownloadTriggerOutcome<'a> {
    /// `BF37` profileInstallationResult, as received: also that of an installation that failed.
    InstallationResult(&'a [u8]),
    /// `30` profileDownloadError: it did not come to an installation.
    Error {
        /// `80` profileDownloadErrorReason.
        reason: ProfileDownloadErrorReason,
        /// `04` errorResponse: what the failed function had answered.
        error_response: Option<&'a [u8]>,
    },
}

/// ProfileDownloadTriggerResult, `BF54`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileDownloadTriggerResult<'a> {
    /// `82` eimTransactionId.
    pub eim_transaction_id: Option<EimTransactionId>,
    /// profileDownloadTriggerResultData.
    pub outcome: ProfileDownloadTriggerOutcome<'a>,
}

impl ProfileDownloadTriggerResult<'_> {
    /// The tag of the message.
    pub const TAG: Tag = ProfileDownloadTriggerRequest::TAG;
}

impl<'a> Decode<'a> for ProfileDownloadTriggerResult<'a> {
    const NAME: &'static str = "ProfileDownloadTriggerResult";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(ProfileDownloadTriggerResult::TAG)?.members(Self::NAME);
        let eim_transaction_id = EimTransactionId::optional(&mut members, Tag(0x82))?;
        let data = members.read()?;
        let outcome = match data.tag {
            ProfileInstallationResult::TAG => ProfileDownloadTriggerOutcome::InstallationResult(data.raw),
            Tag::SEQUENCE => {
                let mut error = data.members("profileDownloadError");
                let reason = error.expect(Tag(0x80))?.integer("profileDownloadErrorReason")?;
                let reason = ProfileDownloadErrorReason::from_code(reason);
                let error_response = error.optional(Tag::OCTET_STRING)?.map(|tlv| tlv.value);
                error.extensions_without(&[Tag::OCTET_STRING])?;
                ProfileDownloadTriggerOutcome::Error { reason, error_response }
            }
            found => return Err(data.error(ErrorKind::Choice { found }, Self::NAME)),
        };
        members.extensions()?;
        Ok(Self { eim_transaction_id, outcome })
    }
}

impl Encode for ProfileDownloadTriggerResult<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.optional(Tag(0x82), self.eim_transaction_id.as_ref().map(EimTransactionId::as_octets));
            match &self.outcome {
                ProfileDownloadTriggerOutcome::InstallationResult(result) => members.raw(result),
                ProfileDownloadTriggerOutcome::Error { reason, error_response } => {
                    members.nested(Tag::SEQUENCE, |error| {
                        error.integer(Tag(0x80), reason.code()).optional(Tag::OCTET_STRING, *error_response);
                    })
                }
            };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::{both_ways, der, refused};
    use super::*;

    const ID: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8];

    fn id() -> Option<EimTransactionId> {
        EimTransactionId::from_octets(ID)
    }

    #[test]
    fn triggers_are_read_and_written() {
        let octets = der("BF5415A00980073124732E78244D82080102030405060708");
        let trigger: ProfileDownloadTriggerRequest<'_> = both_ways(&octets);
        assert_eq!(trigger.profile_download_data, Some(ProfileDownloadData::ActivationCode("1$s.x$M")));
        assert_eq!(trigger.eim_transaction_id, id());
        for (text, data) in [
            ("BF5404A0028100", Some(ProfileDownloadData::ContactDefaultSmdp)),
            ("BF5409A007A2058003642E78", Some(ProfileDownloadData::ContactSmds(Some("d.x")))),
            ("BF5404A002A200", Some(ProfileDownloadData::ContactSmds(None))),
            ("BF5400", None),
        ] {
            let octets = der(text);
            let trigger: ProfileDownloadTriggerRequest<'_> = both_ways(&octets);
            assert_eq!((trigger.profile_download_data, trigger.eim_transaction_id), (data, None), "{text}");
        }
    }

    #[test]
    fn an_activation_code_is_not_shown() {
        let octets = der("BF5415A00980073124732E78244D82080102030405060708");
        let text = format!("{:?}", ProfileDownloadTriggerRequest::from_der(&octets).unwrap());
        assert!(text.contains("ActivationCode(…)") && !text.contains("s.x"), "{text}");
    }

    #[test]
    fn a_damaged_trigger_is_refused() {
        refused!(
            ProfileDownloadTriggerRequest<'_>,
            [
                "BF54 02 A000",
                "BF54 05 A0 03 81 01 00",
                "BF54 04 A0 02 8300",
                "BF54 06 A0 04 8100 8100",
                "BF54 05 A0 03 80 01 FF",
                "BF54 02 8200",
                "BF54 13 82 11 0102030405060708090A0B0C0D0E0F1011",
                "BF54 06 82 01 01 82 01 01",
                "BF37 00",
            ]
        );
        let long = [
            &[0xBF, 0x54, 0x82, 0x01, 0x0C, 0xA0, 0x82, 0x01, 0x08, 0x80, 0x82, 0x01, 0x04][..],
            &[b'1'; 260],
        ];
        let error = ProfileDownloadTriggerRequest::from_der(&long.concat()).unwrap_err();
        assert_eq!((error.kind, error.what), (ErrorKind::Value, "activationCode"));
    }

    #[test]
    fn results_are_read_and_written() {
        let octets = der("BF540F82080102030405060708300380017F");
        let result: ProfileDownloadTriggerResult<'_> = both_ways(&octets);
        let expected = ProfileDownloadTriggerOutcome::Error {
            reason: ProfileDownloadErrorReason::UndefinedError,
            error_response: None,
        };
        assert_eq!((result.eim_transaction_id, result.outcome), (id(), expected));
        let octets = der("BF54 0A 30 08 80 01 68 04 03 810104");
        let result: ProfileDownloadTriggerResult<'_> = both_ways(&octets);
        let ProfileDownloadTriggerOutcome::Error { reason, error_response } = result.outcome else {
            panic!()
        };
        assert_eq!(
            (reason, error_response),
            (ProfileDownloadErrorReason::EcallActive, Some(&[0x81, 1, 4][..]))
        );
        // The installation result is carried as it is, whatever it holds.
        let octets = der("BF54 08 BF37 05 A203020100");
        let result: ProfileDownloadTriggerResult<'_> = both_ways(&octets);
        assert_eq!(result.outcome, ProfileDownloadTriggerOutcome::InstallationResult(&octets[3..]));
        refused!(
            ProfileDownloadTriggerResult<'_>,
            ["BF54 00", "BF54 02 3000", "BF54 04 82020102", "BF54 02 A000"]
        );
    }

    #[test]
    fn members_of_later_versions_are_passed_over() {
        let octets = der("BF54 08 A0 02 8100 85 02 0102");
        let trigger = ProfileDownloadTriggerRequest::from_der(&octets).unwrap();
        assert_eq!(trigger.profile_download_data, Some(ProfileDownloadData::ContactDefaultSmdp));
        assert!(ProfileDownloadTriggerResult::from_der(&der("BF54 0A 30 06 80 01 09 85 01 00 8500")).is_ok());
    }
}
