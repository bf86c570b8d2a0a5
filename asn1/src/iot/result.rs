//! What an eUICC answers to an eUICC package (ESep, 5.9.1): results under its signature, or why there are none.

use super::configuration::{AddEimCode, EimIdType};
use super::package::{EuiccPackageRequest, SET_DEFAULT_DP_ADDRESS};
use super::{EimTransactionId, MAX_EIMS, MAX_ENTRIES, MAX_OPERATIONS, choice, eim_id, entries, signature};
use crate::rsp::SIGNATURE;
use crate::rsp::card::tag;
use crate::rsp::metadata::ProfileInfo;
use crate::rsp::rules::RulesAuthorisationTable;
use crate::tlv::{Decode, Encode, Error, ErrorKind, Raw, Reader, Tag, Tlv, Writer};

codes! {
    /// EnableProfileResult.
    EnableProfileResult {
        Ok = 0 "ok",
        IccidOrAidNotFound = 1 "iccidOrAidNotFound",
        ProfileNotInDisabledState = 2 "profileNotInDisabledState",
        DisallowedByPolicy = 3 "disallowedByPolicy",
        CatBusy = 5 "catBusy",
        RollbackNotAvailable = 20 "rollbackNotAvailable",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// DisableProfileResult.
    DisableProfileResult {
        Ok = 0 "ok",
        IccidOrAidNotFound = 1 "iccidOrAidNotFound",
        ProfileNotInEnabledState = 2 "profileNotInEnabledState",
        DisallowedByPolicy = 3 "disallowedByPolicy",
        CatBusy = 5 "catBusy",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// DeleteProfileResult.
    DeleteProfileResult {
        Ok = 0 "ok",
        IccidOrAidNotFound = 1 "iccidOrAidNotFound",
        ProfileNotInDisabledState = 2 "profileNotInDisabledState",
        DisallowedByPolicy = 3 "disallowedByPolicy",
        RollbackNotAvailable = 20 "rollbackNotAvailable",
        ReturnFallbackProfile = 21 "returnFallbackProfile",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// ProfileInfoListError.
    ProfileInfoListError {
        IncorrectInputValues = 1 "incorrectInputValues",
        ProfileChangeOngoing = 11 "profileChangeOngoing",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// ConfigureImmediateEnableResult; the answer of ES10b.ConfigureImmediateProfileEnabling has the code 2 beside them.
    ConfigureImmediateEnableResult {
        Ok = 0 "ok",
        InsufficientMemory = 1 "insufficientMemory",
        AssociatedEimAlreadyExists = 2 "associatedEimAlreadyExists",
        CommandError = 7 "commandError",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// RollbackProfileResult.
    RollbackProfileResult { Ok = 0 "ok", UndefinedError = 127 "undefinedError" }
}

codes! {
    /// SetFallbackAttributeResult.
    SetFallbackAttributeResult {
        Ok = 0 "ok",
        IccidOrAidNotFound = 1 "iccidOrAidNotFound",
        FallbackNotAllowed = 2 "fallbackNotAllowed",
        FallbackProfileEnabled = 3 "fallbackProfileEnabled",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// UnsetFallbackAttributeResult.
    UnsetFallbackAttributeResult {
        Ok = 0 "ok",
        NoFallbackAttribute = 2 "noFallbackAttribute",
        FallbackProfileEnabled = 3 "fallbackProfileEnabled",
        CommandError = 7 "commandError",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// SetDefaultDpAddressResult.
    SetDefaultDpAddressResult { Ok = 0 "ok", UndefinedError = 127 "undefinedError" }
}

codes! {
    /// DeleteEimResult. Both `Ok` and `LastEimDeleted` are successes.
    DeleteEimResult {
        Ok = 0 "ok",
        EimNotFound = 1 "eimNotFound",
        LastEimDeleted = 2 "lastEimDeleted",
        CommandError = 7 "commandError",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// UpdateEimResult.
    UpdateEimResult {
        Ok = 0 "ok",
        EimNotFound = 1 "eimNotFound",
        CiPkUnknown = 3 "ciPKUnknown",
        CounterValueOutOfRange = 6 "counterValueOutOfRange",
        CommandError = 7 "commandError",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// ListEimError.
    ListEimError { UndefinedError = 127 "undefinedError" }
}

codes! {
    /// ProcessingTerminated: why the rest of a package was not run.
    ProcessingTerminated {
        ResultSizeOverflow = 1 "resultSizeOverflow",
        UnknownOrDamagedCommand = 2 "unknownOrDamagedCommand",
        Interruption = 3 "interruption",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// EuiccPackageErrorCode: why no operation of a package was run, under the eUICC's signature.
    EuiccPackageErrorCode {
        InvalidEid = 3 "invalidEid",
        ReplayError = 4 "replayError",
        CounterValueOutOfRange = 6 "counterValueOutOfRange",
        SizeOverflow = 15 "sizeOverflow",
        EcallActive = 104 "ecallActive",
        UndefinedError = 127 "undefinedError",
    }
}

codes! {
    /// EuiccPackageUnsignedErrorCode (v1.3).
    EuiccPackageUnsignedErrorCode { SizeOverflow = 15 "sizeOverflow", UndefinedError = 127 "undefinedError" }
}

/// EuiccPackageResult, `BF51`: a CHOICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EuiccPackageResult<'a> {
    /// `A0` euiccPackageResultSigned.
    Signed {
        /// euiccPackageResultDataSigned, signed over as received: see [`super::signed_bytes`].
        data: Raw<'a, EuiccPackageResultDataSigned<'a>>,
        /// `5F37` euiccSignEPR.
        signature: &'a [u8],
    },
    /// `A1` euiccPackageErrorSigned.
    ErrorSigned {
        /// euiccPackageErrorDataSigned, signed over as received: see [`super::signed_bytes`].
        data: Raw<'a, EuiccPackageErrorDataSigned<'a>>,
        /// `5F37` euiccSignEPE.
        signature: &'a [u8],
    },
    /// `A2` euiccPackageErrorUnsigned.
    ErrorUnsigned(EuiccPackageErrorUnsigned<'a>),
}

impl EuiccPackageResult<'_> {
    /// The tag of request and result.
    pub const TAG: Tag = EuiccPackageRequest::TAG;

    /// eimId: of the eIM whose package is answered.
    #[must_use]
    pub const fn eim_id(&self) -> &str {
        match self {
            Self::Signed { data, .. } => data.value.eim_id,
            Self::ErrorSigned { data, .. } => data.value.eim_id,
            Self::ErrorUnsigned(error) => error.eim_id,
        }
    }

    /// eimTransactionId: of the package that is answered.
    #[must_use]
    pub const fn eim_transaction_id(&self) -> Option<EimTransactionId> {
        match self {
            Self::Signed { data, .. } => data.value.eim_transaction_id,
            Self::ErrorSigned { data, .. } => data.value.eim_transaction_id,
            Self::ErrorUnsigned(error) => error.eim_transaction_id,
        }
    }
}

impl<'a> Decode<'a> for EuiccPackageResult<'a> {
    const NAME: &'static str = "EuiccPackageResult";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut choice = reader.expect(EuiccPackageResult::TAG)?.members(Self::NAME);
        let whole = choice.clone();
        let alternative = choice.read()?;
        let members = alternative.members(Self::NAME);
        match alternative.tag {
            Tag(0xA1) => {
                choice.finish()?;
                let (data, signature) = signed(members)?;
                Ok(Self::ErrorSigned { data, signature })
            }
            Tag(0xA2) => {
                choice.finish()?;
                Ok(Self::ErrorUnsigned(EuiccPackageErrorUnsigned::read(members)?))
            }
            Tag(0xA0) => {
                choice.finish()?;
                let (data, signature) = signed(members)?;
                Ok(Self::Signed { data, signature })
            }
            // Simulators were seen to leave the alternative out, or to write a SEQUENCE in its place.
            Tag::SEQUENCE => {
                let (data, signature) = signed(if choice.is_empty() { members } else { whole })?;
                Ok(Self::Signed { data, signature })
            }
            found => Err(alternative.error(ErrorKind::Choice { found }, Self::NAME)),
        }
    }
}

/// Reads signed data and the signature behind them.
fn signed<'a, T: Decode<'a>>(mut members: Reader<'a>) -> Result<(Raw<'a, T>, &'a [u8]), Error> {
    let signed = (Raw::decode(&mut members)?, signature(&mut members)?);
    members.extensions()?;
    Ok(signed)
}

impl Encode for EuiccPackageResult<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |choice| match self {
            Self::Signed { data, signature } => {
                choice.nested(Tag(0xA0), |members| {
                    members.value(data).tlv(SIGNATURE, signature);
                });
            }
            Self::ErrorSigned { data, signature } => {
                choice.nested(Tag(0xA1), |members| {
                    members.value(data).tlv(SIGNATURE, signature);
                });
            }
            Self::ErrorUnsigned(error) => {
                choice.nested(Tag(0xA2), |members| error.write_members(members));
            }
        });
    }
}

/// EuiccPackageResultDataSigned: what euiccSignEPR covers, with the associationToken behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccPackageResultDataSigned<'a> {
    /// `80` eimId.
    pub eim_id: &'a str,
    /// `81` counterValue, of the package.
    pub counter_value: i64,
    /// `82` eimTransactionId, of the package.
    pub eim_transaction_id: Option<EimTransactionId>,
    /// `83` seqNumber: the result's own, by which it is removed from the eUICC.
    pub seq_number: u32,
    /// euiccResult: one for each operation that was run, in their order.
    pub results: Vec<EuiccResultData<'a>>,
}

impl<'a> Decode<'a> for EuiccPackageResultDataSigned<'a> {
    const NAME: &'static str = "EuiccPackageResultDataSigned";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let data = Self {
            eim_id: eim_id(&mut members)?,
            counter_value: members.expect(Tag(0x81))?.integer("counterValue")?,
            eim_transaction_id: EimTransactionId::optional(&mut members, Tag(0x82))?,
            seq_number: members.expect(Tag(0x83))?.unsigned("seqNumber")?,
            results: entries(
                members.expect(Tag::SEQUENCE)?.members("euiccResult"),
                MAX_OPERATIONS,
                EuiccResultData::decode,
            )?,
        };
        members.extensions()?;
        Ok(data)
    }
}

impl Encode for EuiccPackageResultDataSigned<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .tlv(Tag(0x80), self.eim_id.as_bytes())
                .integer(Tag(0x81), self.counter_value)
                .optional(Tag(0x82), self.eim_transaction_id.as_ref().map(EimTransactionId::as_octets))
                .integer(Tag(0x83), i64::from(self.seq_number))
                .nested(Tag::SEQUENCE, |list| {
                    for result in &self.results {
                        list.value(result);
                    }
                });
        });
    }
}

/// EuiccPackageErrorDataSigned: what euiccSignEPE covers, with the associationToken behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccPackageErrorDataSigned<'a> {
    /// `80` eimId.
    pub eim_id: &'a str,
    /// `81` counterValue, of the package.
    pub counter_value: i64,
    /// `82` eimTransactionId, of the package.
    pub eim_transaction_id: Option<EimTransactionId>,
    /// euiccPackageErrorCode.
    pub code: EuiccPackageErrorCode,
}

impl<'a> Decode<'a> for EuiccPackageErrorDataSigned<'a> {
    const NAME: &'static str = "EuiccPackageErrorDataSigned";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let data = Self {
            eim_id: eim_id(&mut members)?,
            counter_value: members.expect(Tag(0x81))?.integer("counterValue")?,
            eim_transaction_id: EimTransactionId::optional(&mut members, Tag(0x82))?,
            code: EuiccPackageErrorCode::from_code(
                members.expect(Tag::INTEGER)?.integer("euiccPackageErrorCode")?,
            ),
        };
        members.extensions()?;
        Ok(data)
    }
}

impl Encode for EuiccPackageErrorDataSigned<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .tlv(Tag(0x80), self.eim_id.as_bytes())
                .integer(Tag(0x81), self.counter_value)
                .optional(Tag(0x82), self.eim_transaction_id.as_ref().map(EimTransactionId::as_octets))
                .integer(Tag::INTEGER, self.code.code());
        });
    }
}

/// EuiccPackageErrorUnsigned: the eUICC does not know the eIM, or its signature is wrong. Anyone can have written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccPackageErrorUnsigned<'a> {
    /// `80` eimId, of the package; some eUICCs leave it empty.
    pub eim_id: &'a str,
    /// `82` eimTransactionId, of the package.
    pub eim_transaction_id: Option<EimTransactionId>,
    /// `84` associationToken, if the eUICC has one for this eIM.
    pub association_token: Option<i64>,
    /// `8F` euiccPackageUnsignedErrorCode (v1.3).
    pub code: Option<EuiccPackageUnsignedErrorCode>,
}

impl<'a> EuiccPackageErrorUnsigned<'a> {
    fn read(mut members: Reader<'a>) -> Result<Self, Error> {
        let error = Self {
            eim_id: eim_id(&mut members)?,
            eim_transaction_id: EimTransactionId::optional(&mut members, Tag(0x82))?,
            association_token: members
                .optional(Tag(0x84))?
                .map(|tlv| tlv.integer("associationToken"))
                .transpose()?,
            code: members
                .optional(Tag(0x8F))?
                .map(|tlv| tlv.integer("euiccPackageUnsignedErrorCode"))
                .transpose()?
                .map(EuiccPackageUnsignedErrorCode::from_code),
        };
        members.extensions()?;
        Ok(error)
    }

    fn write_members(&self, members: &mut Writer) {
        members
            .tlv(Tag(0x80), self.eim_id.as_bytes())
            .optional(Tag(0x82), self.eim_transaction_id.as_ref().map(EimTransactionId::as_octets));
        if let Some(token) = self.association_token {
            members.integer(Tag(0x84), token);
        }
        if let Some(code) = self.code {
            members.integer(Tag(0x8F), code.code());
        }
    }
}

/// What addEim gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddEimResult {
    /// `84` associationToken: the eIM was added and has this token.
    AssociationToken(i64),
    /// addEimResultCode; [`AddEimCode::Ok`] where no token was asked for.
    Code(AddEimCode),
}

/// An entry of what listEim gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EimIdInfo<'a> {
    /// `80` eimId.
    pub eim_id: &'a str,
    /// `82` eimIdType.
    pub eim_id_type: Option<EimIdType>,
}

impl<'a> Decode<'a> for EimIdInfo<'a> {
    const NAME: &'static str = "EimIdInfo";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(Tag::SEQUENCE)?.members(Self::NAME);
        let info = Self {
            eim_id: eim_id(&mut members)?,
            eim_id_type: members
                .optional(Tag(0x82))?
                .map(|tlv| tlv.integer("eimIdType"))
                .transpose()?
                .map(EimIdType::from_code),
        };
        members.extensions()?;
        Ok(info)
    }
}

impl Encode for EimIdInfo<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Tag::SEQUENCE, |members| {
            members.tlv(Tag(0x80), self.eim_id.as_bytes());
            if let Some(kind) = self.eim_id_type {
                members.integer(Tag(0x82), kind.code());
            }
        });
    }
}

/// EuiccResultData: what became of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EuiccResultData<'a> {
    /// `83` enableResult.
    Enable(EnableProfileResult),
    /// `84` disableResult.
    Disable(DisableProfileResult),
    /// `85` deleteResult.
    Delete(DeleteProfileResult),
    /// `BF2D` listProfileInfoResult.
    ListProfileInfo(Result<Vec<ProfileInfo<'a>>, ProfileInfoListError>),
    /// `A6` getRATResult.
    GetRat(RulesAuthorisationTable<'a>),
    /// `87` configureImmediateEnableResult.
    ConfigureImmediateEnable(ConfigureImmediateEnableResult),
    /// `A8` addEimResult.
    AddEim(AddEimResult),
    /// `89` deleteEimResult.
    DeleteEim(DeleteEimResult),
    /// `8A` updateEimResult.
    UpdateEim(UpdateEimResult),
    /// `AB` listEimResult.
    ListEim(Result<Vec<EimIdInfo<'a>>, ListEimError>),
    /// `8C` rollbackResult: the IPA went back to the profile that was enabled before; the answer to no operation.
    Rollback(RollbackProfileResult),
    /// `8D` setFallbackAttributeResult.
    SetFallbackAttribute(SetFallbackAttributeResult),
    /// `8E` unsetFallbackAttributeResult.
    UnsetFallbackAttribute(UnsetFallbackAttributeResult),
    /// `BF65` setDefaultDpAddressResult.
    SetDefaultDpAddress(SetDefaultDpAddressResult),
    /// `02` processingTerminated: the rest of the package was not run.
    ProcessingTerminated(ProcessingTerminated),
    /// The result of an operation of a later version, as received.
    Unknown(&'a [u8]),
}

impl EuiccResultData<'_> {
    /// Whether the operation did what it should, so that the next one was run. The result of an unknown operation is
    /// no success.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        match self {
            Self::Enable(EnableProfileResult::Ok)
            | Self::Disable(DisableProfileResult::Ok)
            | Self::Delete(DeleteProfileResult::Ok)
            | Self::ListProfileInfo(Ok(_))
            | Self::GetRat(_)
            | Self::ConfigureImmediateEnable(ConfigureImmediateEnableResult::Ok)
            | Self::AddEim(AddEimResult::AssociationToken(_) | AddEimResult::Code(AddEimCode::Ok))
            | Self::DeleteEim(DeleteEimResult::Ok | DeleteEimResult::LastEimDeleted)
            | Self::UpdateEim(UpdateEimResult::Ok)
            | Self::ListEim(Ok(_))
            | Self::Rollback(RollbackProfileResult::Ok)
            | Self::SetFallbackAttribute(SetFallbackAttributeResult::Ok)
            | Self::UnsetFallbackAttribute(UnsetFallbackAttributeResult::Ok)
            | Self::SetDefaultDpAddress(SetDefaultDpAddressResult::Ok) => true,
            Self::Enable(_)
            | Self::Disable(_)
            | Self::Delete(_)
            | Self::ListProfileInfo(Err(_))
            | Self::ConfigureImmediateEnable(_)
            | Self::AddEim(AddEimResult::Code(_))
            | Self::DeleteEim(_)
            | Self::UpdateEim(_)
            | Self::ListEim(Err(_))
            | Self::Rollback(_)
            | Self::SetFallbackAttribute(_)
            | Self::UnsetFallbackAttribute(_)
            | Self::SetDefaultDpAddress(_)
            | Self::ProcessingTerminated(_)
            | Self::Unknown(_) => false,
        }
    }
}

impl<'a> Decode<'a> for EuiccResultData<'a> {
    const NAME: &'static str = "EuiccResultData";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let tlv = reader.read()?;
        let code = || tlv.integer(Self::NAME);
        Ok(match tlv.tag {
            Tag(0x83) => Self::Enable(EnableProfileResult::from_code(code()?)),
            Tag(0x84) => Self::Disable(DisableProfileResult::from_code(code()?)),
            Tag(0x85) => Self::Delete(DeleteProfileResult::from_code(code()?)),
            tag::GET_PROFILES_INFO => Self::ListProfileInfo(profile_list(&tlv)?),
            Tag(0xA6) => Self::GetRat(RulesAuthorisationTable::read(&tlv)?),
            Tag(0x87) => Self::ConfigureImmediateEnable(ConfigureImmediateEnableResult::from_code(code()?)),
            Tag(0xA8) => Self::AddEim(add_eim_result(&tlv)?),
            Tag(0x89) => Self::DeleteEim(DeleteEimResult::from_code(code()?)),
            Tag(0x8A) => Self::UpdateEim(UpdateEimResult::from_code(code()?)),
            Tag(0xAB) => Self::ListEim(eim_list(&tlv)?),
            Tag(0x8C) => Self::Rollback(RollbackProfileResult::from_code(code()?)),
            Tag(0x8D) => Self::SetFallbackAttribute(SetFallbackAttributeResult::from_code(code()?)),
            Tag(0x8E) => Self::UnsetFallbackAttribute(UnsetFallbackAttributeResult::from_code(code()?)),
            SET_DEFAULT_DP_ADDRESS => {
                let mut members = tlv.members("setDefaultDpAddressResult");
                let code = members.expect(Tag(0x80))?.integer("setDefaultDpAddressResult")?;
                members.extensions()?;
                Self::SetDefaultDpAddress(SetDefaultDpAddressResult::from_code(code))
            }
            Tag::INTEGER => Self::ProcessingTerminated(ProcessingTerminated::from_code(code()?)),
            _ => Self::Unknown(tlv.raw),
        })
    }
}

impl Encode for EuiccResultData<'_> {
    fn encode(&self, writer: &mut Writer) {
        let coded = match self {
            Self::Enable(result) => (Tag(0x83), result.code()),
            Self::Disable(result) => (Tag(0x84), result.code()),
            Self::Delete(result) => (Tag(0x85), result.code()),
            Self::ConfigureImmediateEnable(result) => (Tag(0x87), result.code()),
            Self::DeleteEim(result) => (Tag(0x89), result.code()),
            Self::UpdateEim(result) => (Tag(0x8A), result.code()),
            Self::Rollback(result) => (Tag(0x8C), result.code()),
            Self::SetFallbackAttribute(result) => (Tag(0x8D), result.code()),
            Self::UnsetFallbackAttribute(result) => (Tag(0x8E), result.code()),
            Self::ProcessingTerminated(result) => (Tag::INTEGER, result.code()),
            Self::ListProfileInfo(list) => {
                let error = list.as_ref().map_err(|error| error.code());
                return write_list(writer, tag::GET_PROFILES_INFO, error.map(Vec::as_slice));
            }
            Self::GetRat(table) => return table.write(writer, Tag(0xA6)),
            Self::AddEim(result) => {
                writer.nested(Tag(0xA8), |choice| {
                    match result {
                        AddEimResult::AssociationToken(token) => choice.integer(Tag(0x84), *token),
                        AddEimResult::Code(code) => choice.integer(Tag::INTEGER, code.code()),
                    };
                });
                return;
            }
            Self::ListEim(list) => {
                let error = list.as_ref().map_err(|error| error.code());
                return write_list(writer, Tag(0xAB), error.map(Vec::as_slice));
            }
            Self::SetDefaultDpAddress(result) => {
                writer.nested(SET_DEFAULT_DP_ADDRESS, |members| {
                    members.integer(Tag(0x80), result.code());
                });
                return;
            }
            Self::Unknown(octets) => {
                writer.raw(octets);
                return;
            }
        };
        writer.integer(coded.0, coded.1);
    }
}

/// Writes a list under `A0`, or the error under `81`.
fn write_list<T: Encode>(writer: &mut Writer, tag: Tag, list: Result<&[T], i64>) {
    writer.nested(tag, |choice| {
        match list {
            Ok(entries) => choice.nested(Tag(0xA0), |list| {
                entries.iter().for_each(|entry| entry.encode(list));
            }),
            Err(code) => choice.integer(Tag(0x81), code),
        };
    });
}

/// ProfileInfoListResponse, `BF2D`: a list or an error. A SEQUENCE for the list and an INTEGER for the error, without
/// the tags of the alternatives, are read as well.
fn profile_list<'a>(tlv: &Tlv<'a>) -> Result<Result<Vec<ProfileInfo<'a>>, ProfileInfoListError>, Error> {
    const WHAT: &str = "ProfileInfoListResponse";
    let alternative = choice(tlv.members(WHAT))?;
    match alternative.tag {
        Tag(0xA0) | Tag::SEQUENCE => {
            Ok(Ok(entries(alternative.members(WHAT), MAX_ENTRIES, ProfileInfo::decode)?))
        }
        Tag(0x81) | Tag::INTEGER => {
            Ok(Err(ProfileInfoListError::from_code(alternative.integer("profileInfoListError")?)))
        }
        found => Err(alternative.error(ErrorKind::Choice { found }, WHAT)),
    }
}

fn add_eim_result(tlv: &Tlv<'_>) -> Result<AddEimResult, Error> {
    const WHAT: &str = "addEimResult";
    let alternative = choice(tlv.members(WHAT))?;
    let value = alternative.integer(WHAT)?;
    match alternative.tag {
        Tag(0x84) => Ok(AddEimResult::AssociationToken(value)),
        Tag::INTEGER => Ok(AddEimResult::Code(AddEimCode::from_code(value))),
        found => Err(alternative.error(ErrorKind::Choice { found }, WHAT)),
    }
}

/// ListEimResult, `AB`: a list or an error. A SEQUENCE for the list, and entries without a list around them, are read
/// as well.
fn eim_list<'a>(tlv: &Tlv<'a>) -> Result<Result<Vec<EimIdInfo<'a>>, ListEimError>, Error> {
    const WHAT: &str = "listEimResult";
    let first = tlv.members(WHAT).read()?;
    if first.tag == Tag::SEQUENCE && first.members(WHAT).peek() == Some(Tag(0x80)) {
        return Ok(Ok(entries(tlv.members(WHAT), MAX_EIMS, EimIdInfo::decode)?));
    }
    let alternative = choice(tlv.members(WHAT))?;
    match alternative.tag {
        Tag(0xA0) | Tag::SEQUENCE => Ok(Ok(entries(alternative.members(WHAT), MAX_EIMS, EimIdInfo::decode)?)),
        Tag(0x81) => Ok(Err(ListEimError::from_code(alternative.integer(WHAT)?))),
        found => Err(alternative.error(ErrorKind::Choice { found }, WHAT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_were_seen_in_the_field_are_read_and_not_written() {
        for (seen, written) in [
            ("BF2D0302010B", "BF2D0381010B"),
            ("BF2D023000", "BF2D02A000"),
            ("AB0B3009800465696D31820102", "AB0DA00B3009800465696D31820102"),
            ("AB0D300B3009800465696D31820102", "AB0DA00B3009800465696D31820102"),
        ] {
            let (seen, written) = (octets(seen), octets(written));
            assert_eq!(EuiccResultData::from_der(&seen).unwrap().to_der(), written, "{seen:02X?}");
        }
        let data = "301B800465696D318101018208010203040506070883010730038301005F3704AAAAAAAA";
        let standard = octets(&format!("BF5126A024{data}"));
        for seen in [format!("BF51263024{data}"), format!("BF5124{data}")] {
            assert_eq!(EuiccPackageResult::from_der(&octets(&seen)).unwrap().to_der(), standard);
        }
    }

    fn octets(text: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digit).collect()
    }

    #[test]
    fn codes_of_later_versions_are_kept() {
        let result = EuiccResultData::from_der(&[0x83, 0x01, 0x2A]).unwrap();
        assert_eq!(result, EuiccResultData::Enable(EnableProfileResult::Other(0x2A)));
        assert_eq!(result.to_der(), [0x83, 0x01, 0x2A]);
        let unknown = EuiccResultData::from_der(&[0x9F, 0x30, 0x01, 0x00]).unwrap();
        assert_eq!(unknown, EuiccResultData::Unknown(&[0x9F, 0x30, 0x01, 0x00]));
        assert_eq!(EnableProfileResult::Other(42).to_string(), "code 42");
        assert_eq!(EnableProfileResult::CatBusy.to_string(), "catBusy (5)");
        for code in EuiccPackageErrorCode::NAMED {
            assert_eq!(EuiccPackageErrorCode::from_code(code.code()), *code);
        }
    }
}
