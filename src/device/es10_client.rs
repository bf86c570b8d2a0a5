//! The LPA's side of ES10: typed calls over APDUs (SGP.22 5.7).
//!
//! Nothing is decided here. Signed objects are handed on as received.

mod iot;

pub use iot::{EuiccCertificates, StoredResult};

use std::io;

use simyard_asn1::Error;
use simyard_asn1::rsp::authentication::{AuthenticateServerRequest, AuthenticateServerResponse};
use simyard_asn1::rsp::card::{
    EuiccConfiguredAddressesResponse, GetEuiccChallengeResponse, GetEuiccDataResponse, NotificationFilter,
    ProfileIdentifier, RetrieveNotificationsListRequest, SwitchProfileRequest, empty_request, read_result,
    tag,
};
use simyard_asn1::rsp::download::{
    CancelSessionRequest, CancelSessionResponse, PrepareDownloadRequest, PrepareDownloadResponse,
};
use simyard_asn1::rsp::metadata::ProfileInfo;
use simyard_asn1::rsp::notification::{NotificationMetadata, PendingNotification};
use simyard_asn1::rsp::package::BoundProfilePackage;
use simyard_asn1::tlv::{Decode, Encode, Reader, Tag, Writer};

use super::apdu::{ApduError, Command, Response, StatusWord, ins};
use super::codes::{authenticate_error_name, download_error_name};
use super::isdr::ISD_R_AID;
use super::transport::{ApduTransport, ExchangeError, exchange};
use crate::ident::{Eid, Iccid, InvalidIdentifier};

/// Data octets of a STORE DATA block: all that a short command takes.
const BLOCK: usize = 255;

/// Why a call of the card failed.
#[derive(Debug, thiserror::Error)]
pub enum Es10Error {
    /// The card cannot be reached.
    #[error("the card cannot be reached: {0}")]
    Transport(#[from] io::Error),
    /// The card's answer is no response APDU.
    #[error("the card's answer is none: {0}")]
    Apdu(#[from] ApduError),
    /// The card refused the command.
    #[error("the card refused {function} with status {status}")]
    Status {
        /// The function or command.
        function: &'static str,
        /// The status word.
        status: StatusWord,
    },
    /// The answer has not the form of the standard.
    #[error("the card's answer to {function} cannot be read: {error}")]
    Answer {
        /// The function.
        function: &'static str,
        /// What is wrong.
        error: Error,
    },
    /// The function answered with an error of its own.
    #[error("{function} failed on the card: {name} ({code})")]
    Function {
        /// The function.
        function: &'static str,
        /// The code of the standard.
        code: u32,
        /// Its name in the standard.
        name: &'static str,
    },
    /// An identifier of the card is none.
    #[error(transparent)]
    Identifier(#[from] InvalidIdentifier),
    /// More response data than any function gives.
    #[error("the card's answer to {0} does not end")]
    TooLong(&'static str),
}

impl From<ExchangeError> for Es10Error {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Transport(error) => Self::Transport(error),
            ExchangeError::Apdu(error) => Self::Apdu(error),
            ExchangeError::Endless => Self::TooLong("GET RESPONSE"),
        }
    }
}

impl Es10Error {
    fn answer(function: &'static str) -> impl Fn(Error) -> Self {
        move |error| Self::Answer { function, error }
    }
}

/// A profile as the card tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledProfile {
    /// ICCID.
    pub iccid: Iccid,
    /// AID of its ISD-P.
    pub isdp_aid: Vec<u8>,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The user's name for it.
    pub nickname: Option<String>,
    /// serviceProviderName.
    pub service_provider_name: String,
    /// profileName.
    pub profile_name: String,
    /// profileClass: one of [`simyard_asn1::rsp::metadata::profile_class`].
    pub profile_class: u32,
}

/// A notification that waits on the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// seqNumber.
    pub seq_number: u32,
    /// The event: one of [`simyard_asn1::rsp::metadata::notification_event`].
    pub event: u32,
    /// Who is to receive it.
    pub address: String,
    /// The profile's ICCID.
    pub iccid: Option<[u8; 10]>,
}

/// What a profile management command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileAction {
    /// ES10c.EnableProfile.
    Enable,
    /// ES10c.DisableProfile.
    Disable,
    /// ES10c.DeleteProfile.
    Delete,
}

impl ProfileAction {
    const fn tag(self) -> Tag {
        match self {
            Self::Enable => tag::ENABLE_PROFILE,
            Self::Disable => tag::DISABLE_PROFILE,
            Self::Delete => tag::DELETE_PROFILE,
        }
    }

    const fn function(self) -> &'static str {
        match self {
            Self::Enable => "EnableProfile",
            Self::Disable => "DisableProfile",
            Self::Delete => "DeleteProfile",
        }
    }

    const fn code_name(self, code: u32) -> &'static str {
        match (code, self) {
            (1, _) => "iccidOrAidNotFound",
            (2, Self::Disable) => "profileNotInEnabledState",
            (2, Self::Enable | Self::Delete) => "profileNotInDisabledState",
            (3, _) => "disallowedByPolicy",
            (4, _) => "wrongProfileReenabling",
            (5, _) => "catBusy",
            _ => "undefinedError",
        }
    }
}

/// A card with the ISD-R selected on a logical channel of its own.
#[derive(Debug)]
pub struct Es10Client<T> {
    transport: T,
    channel: u8,
}

impl<T: ApduTransport> Es10Client<T> {
    /// Says what the terminal can (local profile assistant in the device), opens a channel, selects the ISD-R on it.
    ///
    /// # Errors
    /// [`Es10Error`], also where the card is no eUICC.
    pub fn open(transport: T) -> Result<Self, Es10Error> {
        /// TERMINAL CAPABILITY with additional interfaces and the support of an LPA (TS 102 221 11.1.19).
        const CAPABILITY: &[u8] = &[0xA9, 0x08, 0x81, 0x00, 0x82, 0x01, 0x01, 0x83, 0x01, 0x07];
        let mut client = Self { transport, channel: 0 };
        let command = |cla, ins, p1, p2, data, le| Command { cla, ins, p1, p2, data, le };
        // Cards of before this command refuse it and work all the same.
        client.exchange(&command(0x80, ins::TERMINAL_CAPABILITY, 0, 0, CAPABILITY, None))?;
        let opened = client.exchange(&command(0x00, ins::MANAGE_CHANNEL, 0, 0, &[], Some(1)))?;
        let refused = |function, status| Es10Error::Status { function, status };
        match opened.data.as_slice() {
            [channel] if opened.status.is_ok() => client.channel = *channel,
            _ => return Err(refused("MANAGE CHANNEL", opened.status)),
        }
        let select = command(client.channel, ins::SELECT, 0x04, 0x00, &ISD_R_AID, Some(256));
        let selected = client.exchange(&select)?;
        if !selected.status.is_ok() {
            return Err(refused("SELECT of the ISD-R", selected.status));
        }
        Ok(client)
    }

    /// Closes the channel and gives the way to the card back.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn close(mut self) -> Result<T, Es10Error> {
        let close =
            Command { cla: 0x00, ins: ins::MANAGE_CHANNEL, p1: 0x80, p2: self.channel, data: &[], le: None };
        self.exchange(&close)?;
        Ok(self.transport)
    }

    /// Sends one command and fetches all of its response.
    fn exchange(&mut self, command: &Command<'_>) -> Result<Response, Es10Error> {
        Ok(exchange(&mut self.transport, command)?)
    }

    /// Sends one command of ES10 in blocks of STORE DATA (5.7.2) and returns the response data.
    fn call(&mut self, function: &'static str, request: &[u8]) -> Result<Vec<u8>, Es10Error> {
        let blocks = request.chunks(BLOCK);
        let last = blocks.len().saturating_sub(1);
        let mut answer = Vec::new();
        for (number, block) in blocks.enumerate() {
            let command = Command {
                cla: 0x80 | self.channel,
                ins: ins::STORE_DATA,
                p1: if number == last { 0x91 } else { 0x11 },
                // The counter is one octet and starts again after FF.
                p2: number.to_le_bytes()[0],
                data: block,
                le: None,
            };
            let response = self.exchange(&command)?;
            if !response.status.is_ok() {
                return Err(Es10Error::Status { function, status: response.status });
            }
            answer = response.data;
        }
        Ok(answer)
    }

    /// ES10c.GetEID.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn get_eid(&mut self) -> Result<Eid, Es10Error> {
        const FUNCTION: &str = "GetEID";
        let mut request = Writer::new();
        request.nested(tag::GET_EID, |members| {
            members.tlv(Tag(0x5C), &[0x5A]);
        });
        let answer = self.call(FUNCTION, &request.finish())?;
        let response = GetEuiccDataResponse::from_der(&answer).map_err(Es10Error::answer(FUNCTION))?;
        Ok(Eid::from_bcd(response.eid)?)
    }

    /// ES10b.GetEUICCInfo: EUICCInfo1 as DER.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn get_euicc_info1(&mut self) -> Result<Vec<u8>, Es10Error> {
        self.call("GetEUICCInfo", &empty_request(tag::GET_EUICC_INFO1))
    }

    /// ES10b.GetEUICCInfo: EUICCInfo2 as DER.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn get_euicc_info2(&mut self) -> Result<Vec<u8>, Es10Error> {
        self.call("GetEUICCInfo", &empty_request(tag::GET_EUICC_INFO2))
    }

    /// ES10b.GetEUICCChallenge: opens a session.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn get_euicc_challenge(&mut self) -> Result<[u8; 16], Es10Error> {
        const FUNCTION: &str = "GetEUICCChallenge";
        let answer = self.call(FUNCTION, &empty_request(tag::GET_EUICC_CHALLENGE))?;
        let response = GetEuiccChallengeResponse::from_der(&answer).map_err(Es10Error::answer(FUNCTION))?;
        Ok(*response.euicc_challenge)
    }

    /// ES10a.GetEuiccConfiguredAddresses: default SM-DP+ and root SM-DS.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn get_configured_addresses(&mut self) -> Result<(Option<String>, String), Es10Error> {
        const FUNCTION: &str = "GetEuiccConfiguredAddresses";
        let answer = self.call(FUNCTION, &empty_request(tag::GET_EUICC_CONFIGURED_ADDRESSES))?;
        let response =
            EuiccConfiguredAddressesResponse::from_der(&answer).map_err(Es10Error::answer(FUNCTION))?;
        Ok((response.default_dp_address.map(str::to_owned), response.root_ds_address.to_owned()))
    }

    /// ES10b.AuthenticateServer: AuthenticateServerResponse as DER, if the card accepts the server.
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's AuthenticateErrorCode, and the others.
    pub fn authenticate_server(
        &mut self,
        request: &AuthenticateServerRequest<'_>,
    ) -> Result<Vec<u8>, Es10Error> {
        const FUNCTION: &str = "AuthenticateServer";
        let answer = self.call(FUNCTION, &request.to_der())?;
        match AuthenticateServerResponse::from_der(&answer).map_err(Es10Error::answer(FUNCTION))? {
            AuthenticateServerResponse::Ok(_) => Ok(answer),
            AuthenticateServerResponse::Error(error) => Err(Es10Error::Function {
                function: FUNCTION,
                code: error.code,
                name: authenticate_error_name(error.code),
            }),
        }
    }

    /// ES10b.PrepareDownload: PrepareDownloadResponse as DER, if the card agrees.
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's DownloadErrorCode, and the others.
    pub fn prepare_download(&mut self, request: &PrepareDownloadRequest<'_>) -> Result<Vec<u8>, Es10Error> {
        const FUNCTION: &str = "PrepareDownload";
        let answer = self.call(FUNCTION, &request.to_der())?;
        match PrepareDownloadResponse::from_der(&answer).map_err(Es10Error::answer(FUNCTION))? {
            PrepareDownloadResponse::Ok { .. } => Ok(answer),
            PrepareDownloadResponse::Error { code, .. } => {
                Err(Es10Error::Function { function: FUNCTION, code, name: download_error_name(code) })
            }
        }
    }

    /// ES10b.LoadBoundProfilePackage in the parts of 2.5.5: ProfileInstallationResult as DER, which comes at the end
    /// or as soon as the card gives up.
    ///
    /// # Errors
    /// [`Es10Error`]; a package that cannot be cut into its parts is [`Es10Error::Answer`].
    pub fn load_bound_profile_package(&mut self, package: &[u8]) -> Result<Vec<u8>, Es10Error> {
        const FUNCTION: &str = "LoadBoundProfilePackage";
        for part in parts(package).map_err(Es10Error::answer(FUNCTION))? {
            let answer = self.call(FUNCTION, part)?;
            if !answer.is_empty() {
                return Ok(answer);
            }
        }
        Err(Es10Error::Status { function: FUNCTION, status: StatusWord::OK })
    }

    /// ES10b.CancelSession: CancelSessionResponse as DER.
    ///
    /// # Errors
    /// [`Es10Error::Function`] if the card has no such session, and the others.
    pub fn cancel_session(&mut self, transaction_id: &[u8], reason: u32) -> Result<Vec<u8>, Es10Error> {
        const FUNCTION: &str = "CancelSession";
        let answer = self.call(FUNCTION, &CancelSessionRequest { transaction_id, reason }.to_der())?;
        match CancelSessionResponse::from_der(&answer).map_err(Es10Error::answer(FUNCTION))? {
            CancelSessionResponse::Ok { .. } => Ok(answer),
            CancelSessionResponse::Error(code) => Err(Es10Error::Function {
                function: FUNCTION,
                code,
                name: if code == 5 { "invalidTransactionId" } else { "undefinedError" },
            }),
        }
    }

    /// ES10c.GetProfilesInfo.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn get_profiles_info(&mut self) -> Result<Vec<InstalledProfile>, Es10Error> {
        const FUNCTION: &str = "GetProfilesInfo";
        let answer = self.call(FUNCTION, &empty_request(tag::GET_PROFILES_INFO))?;
        let entries = list(&answer, tag::GET_PROFILES_INFO, FUNCTION)?;
        let mut profiles = Vec::new();
        for entry in entries {
            let info = ProfileInfo::from_der(entry).map_err(Es10Error::answer(FUNCTION))?;
            let Some(iccid) = info.iccid else { continue };
            profiles.push(InstalledProfile {
                iccid: Iccid::from_bcd(iccid)?,
                isdp_aid: info.isdp_aid.unwrap_or_default().to_vec(),
                enabled: info.profile_state == Some(1),
                nickname: info.nickname.map(str::to_owned),
                service_provider_name: info.service_provider_name.unwrap_or_default().to_owned(),
                profile_name: info.profile_name.unwrap_or_default().to_owned(),
                profile_class: info.profile_class.unwrap_or(2),
            });
        }
        Ok(profiles)
    }

    /// ES10c.EnableProfile, DisableProfile or DeleteProfile of the profile with this ICCID.
    ///
    /// # Errors
    /// [`Es10Error::Function`] with the card's result, and the others.
    pub fn manage_profile(&mut self, action: ProfileAction, iccid: &Iccid) -> Result<(), Es10Error> {
        let octets = iccid.to_bcd();
        let profile = ProfileIdentifier::Iccid(&octets);
        let request = match action {
            ProfileAction::Enable | ProfileAction::Disable => {
                SwitchProfileRequest { profile, refresh: true }.to_der(action.tag())
            }
            ProfileAction::Delete => {
                let mut writer = Writer::new();
                writer.nested(tag::DELETE_PROFILE, |members| profile.encode(members));
                writer.finish()
            }
        };
        let answer = self.call(action.function(), &request)?;
        match read_result(action.tag(), &answer).map_err(Es10Error::answer(action.function()))? {
            0 => Ok(()),
            code => {
                Err(Es10Error::Function { function: action.function(), code, name: action.code_name(code) })
            }
        }
    }

    /// ES10b.ListNotification, in rising order of seqNumber.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn list_notifications(&mut self) -> Result<Vec<Pending>, Es10Error> {
        const FUNCTION: &str = "ListNotification";
        let answer = self.call(FUNCTION, &empty_request(tag::LIST_NOTIFICATION))?;
        let mut pending = Vec::new();
        for entry in list(&answer, tag::LIST_NOTIFICATION, FUNCTION)? {
            let metadata = NotificationMetadata::from_der(entry).map_err(Es10Error::answer(FUNCTION))?;
            pending.push(Pending {
                seq_number: metadata.seq_number,
                event: metadata.operation.0.trailing_zeros(),
                address: metadata.address.to_owned(),
                iccid: metadata.iccid.copied(),
            });
        }
        pending.sort_by_key(|entry| entry.seq_number);
        Ok(pending)
    }

    /// ES10b.RetrieveNotificationsList: the PendingNotification with this seqNumber as DER.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn retrieve_notification(&mut self, seq_number: u32) -> Result<Option<Vec<u8>>, Es10Error> {
        const FUNCTION: &str = "RetrieveNotificationsList";
        let filter = NotificationFilter::SeqNumber(seq_number);
        let answer = self.call(FUNCTION, &RetrieveNotificationsListRequest { filter }.to_der())?;
        let entries = list(&answer, tag::RETRIEVE_NOTIFICATIONS_LIST, FUNCTION)?;
        let Some(entry) = entries.first() else { return Ok(None) };
        PendingNotification::from_der(entry).map_err(Es10Error::answer(FUNCTION))?;
        Ok(Some(entry.to_vec()))
    }

    /// ES10b.RemoveNotificationFromList.
    ///
    /// # Errors
    /// [`Es10Error`].
    pub fn remove_notification(&mut self, seq_number: u32) -> Result<(), Es10Error> {
        const FUNCTION: &str = "RemoveNotificationFromList";
        let mut request = Writer::new();
        request.nested(tag::REMOVE_NOTIFICATION_FROM_LIST, |members| {
            members.integer(Tag(0x80), i64::from(seq_number));
        });
        let answer = self.call(FUNCTION, &request.finish())?;
        match read_result(tag::REMOVE_NOTIFICATION_FROM_LIST, &answer).map_err(Es10Error::answer(FUNCTION))? {
            // Nothing to delete is as good.
            0 | 1 => Ok(()),
            code => Err(Es10Error::Function { function: FUNCTION, code, name: "undefinedError" }),
        }
    }
}

/// The entries of a response with `A0` around a list, or the error of one with `81`.
fn list<'a>(answer: &'a [u8], tag: Tag, function: &'static str) -> Result<Vec<&'a [u8]>, Es10Error> {
    let failed = Es10Error::answer(function);
    let mut choice = Reader::new(answer, function).expect(tag).map_err(&failed)?.members(function);
    if let Some(error) = choice.optional(Tag(0x81)).map_err(&failed)? {
        let code = error.unsigned(function).map_err(&failed)?;
        return Err(Es10Error::Function { function, code, name: "undefinedError" });
    }
    let mut entries = choice.expect(Tag(0xA0)).map_err(&failed)?.members(function);
    let mut found = Vec::new();
    while !entries.is_empty() {
        found.push(entries.read().map_err(&failed)?.raw);
    }
    Ok(found)
}

/// Cuts a package into the parts of 2.5.5: each is one command to the card.
///
/// # Errors
/// [`Error`] for octets that are no bound profile package.
pub fn parts(package: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let outer = Reader::new(package, "BoundProfilePackage").expect(BoundProfilePackage::TAG)?;
    let mut members = outer.members("BoundProfilePackage");
    // Where a TLV starts and ends, by its place in the package.
    let slice = |from: usize, to: usize| package.get(from..to).unwrap_or_default();
    let first = members.read()?;
    let mut cut = vec![slice(0, first.offset + first.raw.len())];
    while !members.is_empty() {
        let member = members.read()?;
        let end = member.offset + member.raw.len();
        match member.tag {
            Tag(0xA1 | 0xA3) => {
                let mut segments = member.members("segment");
                cut.push(slice(member.offset, segments.offset()));
                while !segments.is_empty() {
                    let segment = segments.read()?;
                    cut.push(slice(segment.offset, segment.offset + segment.raw.len()));
                }
            }
            _ => cut.push(slice(member.offset, end)),
        }
    }
    Ok(cut)
}
