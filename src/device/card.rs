//! The virtual eUICC: what an APDU reaches.
//!
//! [`Card::process`] reads the class and the logical channel, keeps what GET RESPONSE fetches, and hands the command to
//! the application that is selected on the channel: the ISD-R ([`super::isdr`]) or the enabled profile
//! ([`super::uicc`]). Four logical channels; no secure messaging, no proactive commands (a switch of profiles takes
//! effect at once, with or without refreshFlag), no applets.

use std::path::Path;

use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::tlv::{Decode as _, Tag, Writer};

use super::apdu::{ApduError, Command, MAX_RESPONSE_DATA, Response, StatusWord, ins};
use super::authenticate::{OneTimeKey, Session};
use super::es10_client::InstalledProfile;
use super::faults::Faults;
use super::immediate_enable::Installed;
use super::iot_state::IotSettings;
use super::isdr::{Chain, ISD_R_AID};
use super::state::{CardState, CredentialMaterial, Folder, FolderError, Material, Storage};
use super::uicc::{Position, Uicc};
use crate::crypto::ecdsa::{EcdsaError, SigningKey};
use crate::env::{Clock, Rng};
use crate::ident::{Eid, Iccid, InvalidIdentifier};
use crate::pki::{AnchorError, Anchors, Certificate, CertificateError};

/// Logical channels, the basic one included.
pub const CHANNELS: u8 = 4;

/// Why keys and certificates make no card.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A certificate cannot be read.
    #[error("{which} certificate of the card: {error}")]
    Certificate {
        /// Which of them.
        which: &'static str,
        /// What is wrong.
        error: CertificateError,
    },
    /// The CI certificates are no anchors.
    #[error(transparent)]
    Anchors(#[from] AnchorError),
    /// The key cannot be used.
    #[error("the card's private key: {0}")]
    Key(#[from] EcdsaError),
    /// No key and no certificate.
    #[error("a card needs a key and certificates under at least one CI")]
    NoCredential,
    /// Certificates of two eUICCs.
    #[error("the eUICC certificates of a card name two EIDs, {first} and {other}; give those of one eUICC")]
    TwoEids {
        /// By the first.
        first: Eid,
        /// By another.
        other: Eid,
    },
    /// The certificate is for another key.
    #[error("the eUICC certificate is not for the card's private key; give the two that were made together")]
    OtherKey,
    /// The certificate's subject names no EID.
    #[error("the eUICC certificate names no EID in its subject: {0}")]
    Eid(#[from] InvalidIdentifier),
    /// The state belongs to another card.
    #[error("the folder is of EID {state}, the eUICC certificate for {certificate}")]
    OtherEid {
        /// By the state.
        state: Eid,
        /// By the certificate.
        certificate: Eid,
    },
}

/// What the card signs with under one CI.
pub(super) struct Credential {
    key: SigningKey,
    pub(super) euicc_certificate: Certificate,
    pub(super) eum_certificate: Certificate,
}

impl Credential {
    fn new(material: &CredentialMaterial) -> Result<Self, CardError> {
        let key = SigningKey::from_der(&material.euicc_key)?;
        let euicc_certificate = read(&material.euicc_certificate, "eUICC")?;
        if !euicc_certificate.is_of(&key) {
            return Err(CardError::OtherKey);
        }
        Ok(Self { key, euicc_certificate, eum_certificate: read(&material.eum_certificate, "EUM")? })
    }

    /// subjectKeyIdentifier of the CI: the issuer of the manufacturer's certificate.
    pub(super) fn ci_key_identifier(&self) -> Option<&[u8]> {
        self.eum_certificate.authority_key_identifier()
    }

    /// Signs; the card's key signs anything, so a failure is a technical problem.
    pub(super) fn sign(&self, message: &[u8]) -> Result<[u8; 64], StatusWord> {
        self.key.sign(message).map_err(|error| {
            tracing::error!(%error, "the card cannot sign");
            StatusWord::TECHNICAL_PROBLEM
        })
    }
}

fn read(der: &[u8], which: &'static str) -> Result<Certificate, CardError> {
    Certificate::from_der(der).map_err(|error| CardError::Certificate { which, error })
}

/// Who the card is and whom it trusts.
pub(super) struct Identity {
    pub(super) eid: Eid,
    /// One for each CI, preferred first; never empty.
    credentials: Vec<Credential>,
    pub(super) anchors: Anchors,
}

impl Identity {
    fn new(material: &Material) -> Result<Self, CardError> {
        let credentials: Vec<Credential> =
            material.credentials.iter().map(Credential::new).collect::<Result<_, _>>()?;
        let eid = |credential: &Credential| {
            Eid::parse(credential.euicc_certificate.serial_number().unwrap_or_default())
        };
        let first = eid(credentials.first().ok_or(CardError::NoCredential)?)?;
        for credential in &credentials {
            let other = eid(credential)?;
            if other != first {
                return Err(CardError::TwoEids { first, other });
            }
        }
        let anchors = material.ci_certificates.iter().map(|der| read(der, "CI")).collect::<Result<_, _>>()?;
        Ok(Self { eid: first, credentials, anchors: Anchors::new(anchors)? })
    }

    /// The CIs under which the card has a certificate, preferred first.
    pub(super) fn signing_keys(&self) -> Vec<&[u8]> {
        self.credentials.iter().filter_map(Credential::ci_key_identifier).collect()
    }

    /// What the card signs with under this CI; under the preferred one if it has nothing under it.
    pub(super) fn credential(&self, ci_key_identifier: &[u8]) -> Result<&Credential, StatusWord> {
        let under = |credential: &&Credential| credential.ci_key_identifier() == Some(ci_key_identifier);
        let found = self.credentials.iter().find(under).or_else(|| self.credentials.first());
        found.ok_or(StatusWord::TECHNICAL_PROBLEM)
    }
}

/// What is selected on a logical channel.
pub(super) enum Selected {
    /// The file system of the enabled profile.
    Uicc(Position),
    /// The ISD-R.
    IsdR,
}

/// An open logical channel.
pub(super) struct Channel {
    pub(super) selected: Selected,
    /// STORE DATA blocks of the command that is being received.
    pub(super) chain: Chain,
    /// What GET RESPONSE fetches.
    pending: Vec<u8>,
}

impl Channel {
    fn new() -> Self {
        Self { selected: Selected::Uicc(Position::default()), chain: Chain::default(), pending: Vec::new() }
    }
}

/// What a card holds.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The EID.
    pub eid: Eid,
    /// defaultDpAddress.
    pub default_dp_address: Option<String>,
    /// Key identifiers of the trusted CIs, preferred first.
    pub trusted_ci_keys: Vec<Vec<u8>>,
    /// Key identifiers of the CIs under which the card has a certificate, preferred first.
    pub signing_ci_keys: Vec<Vec<u8>>,
    /// Octets left for profiles.
    pub free_memory: usize,
    /// The profiles in the order of their installation.
    pub profiles: Vec<InstalledProfile>,
    /// seqNumbers of the notifications that wait.
    pub notifications: Vec<u32>,
    /// The seqNumber of the next notification.
    pub next_seq_number: u32,
}

/// A virtual eUICC.
pub struct Card {
    pub(super) identity: Identity,
    pub(super) state: CardState,
    pub(super) storage: Storage,
    pub(super) session: Session,
    pub(super) kept_key: Option<OneTimeKey>,
    pub(super) uicc: Option<Uicc>,
    /// What the present session has installed.
    pub(super) installed: Option<Installed>,
    pub(super) faults: Faults,
    pub(super) clock: Clock,
    pub(super) rng: Rng,
    channels: [Option<Channel>; CHANNELS as usize],
}

impl Card {
    /// Makes a card and its folder.
    ///
    /// # Errors
    /// [`CardError`], one variant per reason; the folder is left as it was.
    pub fn create(path: &Path, material: &Material, clock: Clock, rng: Rng) -> Result<Self, CardError> {
        Self::create_as(path, material, CardState::new, clock, rng)
    }

    /// As [`Card::create`], a card of SGP.32.
    ///
    /// # Errors
    /// [`CardError`], one variant per reason; the folder is left as it was.
    pub fn create_iot(
        path: &Path,
        material: &Material,
        settings: IotSettings,
        clock: Clock,
        rng: Rng,
    ) -> Result<Self, CardError> {
        Self::create_as(path, material, |eid| CardState::new_iot(eid, settings), clock, rng)
    }

    fn create_as(
        path: &Path,
        material: &Material,
        state: impl FnOnce(Eid) -> CardState,
        clock: Clock,
        rng: Rng,
    ) -> Result<Self, CardError> {
        let identity = Identity::new(material)?;
        let state = state(identity.eid.clone());
        let folder = Folder::create(path, &state, material)?;
        Ok(Self::assemble(identity, state, Storage::Folder(folder), clock, rng))
    }

    /// Opens the card of a folder: as after power-up.
    ///
    /// # Errors
    /// [`CardError`], one variant per reason.
    pub fn open(path: &Path, clock: Clock, rng: Rng) -> Result<Self, CardError> {
        let (folder, state, material) = Folder::open(path)?;
        let identity = Identity::new(&material)?;
        if state.eid != identity.eid {
            return Err(CardError::OtherEid { state: state.eid, certificate: identity.eid });
        }
        let mut card = Self::assemble(identity, state, Storage::Folder(folder), clock, rng);
        card.reset();
        Ok(card)
    }

    /// Makes a card that is gone when it is dropped, for tests and benchmarks.
    ///
    /// # Errors
    /// [`CardError`], one variant per reason.
    pub fn in_memory(material: &Material, clock: Clock, rng: Rng) -> Result<Self, CardError> {
        let identity = Identity::new(material)?;
        let state = CardState::new(identity.eid.clone());
        Ok(Self::assemble(identity, state, Storage::Memory(Default::default()), clock, rng))
    }

    /// As [`Card::in_memory`], a card of SGP.32.
    ///
    /// # Errors
    /// [`CardError`], one variant per reason.
    pub fn in_memory_iot(
        material: &Material,
        settings: IotSettings,
        clock: Clock,
        rng: Rng,
    ) -> Result<Self, CardError> {
        let identity = Identity::new(material)?;
        let state = CardState::new_iot(identity.eid.clone(), settings);
        Ok(Self::assemble(identity, state, Storage::Memory(Default::default()), clock, rng))
    }

    fn assemble(identity: Identity, state: CardState, storage: Storage, clock: Clock, rng: Rng) -> Self {
        let channels = [Some(Channel::new()), None, None, None];
        let session = Session::None;
        Self {
            identity,
            state,
            storage,
            session,
            kept_key: None,
            uicc: None,
            installed: None,
            faults: Faults::default(),
            clock,
            rng,
            channels,
        }
    }

    /// The card with these faults.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// The EID.
    #[must_use]
    pub const fn eid(&self) -> &Eid {
        &self.identity.eid
    }

    /// What the card remembers.
    #[must_use]
    pub const fn state(&self) -> &CardState {
        &self.state
    }

    /// What the card holds, for people who look into it; nothing of it is secret.
    #[must_use]
    pub fn overview(&self) -> Overview {
        let profiles = self.state.profiles.iter().filter_map(|record| {
            let facts = StoreMetadataRequest::from_der(&record.metadata).ok()?;
            Some(InstalledProfile {
                iccid: Iccid::from_bcd(facts.iccid).ok()?,
                isdp_aid: record.isdp_aid.clone(),
                enabled: record.enabled,
                nickname: record.nickname.clone(),
                service_provider_name: facts.service_provider_name.to_owned(),
                profile_name: facts.profile_name.to_owned(),
                profile_class: facts.profile_class,
            })
        });
        Overview {
            eid: self.identity.eid.clone(),
            default_dp_address: self.state.default_dp_address.clone(),
            trusted_ci_keys: self.identity.anchors.key_identifiers().map(<[u8]>::to_vec).collect(),
            signing_ci_keys: self.identity.signing_keys().into_iter().map(<[u8]>::to_vec).collect(),
            free_memory: self.state.free_memory(),
            profiles: profiles.collect(),
            notifications: self.state.notifications.iter().map(|record| record.seq_number).collect(),
            next_seq_number: self.state.next_seq_number,
        }
    }

    /// Power off and on: channels, sessions and presented PINs are gone, what is installed stays.
    pub fn reset(&mut self) {
        self.session = Session::None;
        self.kept_key = None;
        self.installed = None;
        self.channels = [Some(Channel::new()), None, None, None];
        self.start_enabled_profile();
    }

    /// Starts the enabled profile, or stops the last one; nothing of it stays selected.
    pub(super) fn start_enabled_profile(&mut self) {
        self.uicc = None;
        if let Some(iccid) = self.state.enabled().map(|profile| profile.iccid.clone()) {
            match self.storage.load_profile(&iccid) {
                Ok(image) => self.uicc = Some(Uicc::new(image)),
                Err(error) => tracing::error!(%error, "the enabled profile does not start"),
            }
        }
        for channel in self.channels.iter_mut().flatten() {
            if matches!(channel.selected, Selected::Uicc(_)) {
                channel.selected = Selected::Uicc(Position::default());
            }
        }
    }

    /// Writes a changed state to disk, and only then takes it.
    pub(super) fn commit(&mut self, state: CardState) -> Result<(), StatusWord> {
        self.storage.save_state(&state).map_err(|error| {
            tracing::error!(%error, "the card's state cannot be written");
            StatusWord::MEMORY_PROBLEM
        })?;
        self.state = state;
        Ok(())
    }

    /// Answers a command APDU.
    #[must_use]
    pub fn process(&mut self, apdu: &[u8]) -> Vec<u8> {
        let response = match Command::parse(apdu) {
            Ok(command) => self.answer(&command),
            Err(
                ApduError::TooShort | ApduError::Extended | ApduError::Length { .. } | ApduError::NoStatus,
            ) => StatusWord::WRONG_LENGTH.into(),
        };
        response.into_octets()
    }

    fn answer(&mut self, command: &Command<'_>) -> Response {
        let number = match channel_number(command.cla) {
            Ok(number) => number,
            Err(status) => return status.into(),
        };
        // Taken out of its place while it is used: the command may concern the card as a whole.
        let Some(mut channel) = self.channels.get_mut(usize::from(number)).and_then(Option::take) else {
            return StatusWord::CHANNEL_NOT_SUPPORTED.into();
        };
        let response = if command.ins == ins::GET_RESPONSE {
            get_response(&mut channel, command)
        } else {
            channel.pending.clear();
            let response = self.dispatch(&mut channel, command);
            split(&mut channel, response, command.le)
        };
        if let Some(place) = self.channels.get_mut(usize::from(number)) {
            *place = Some(channel);
        }
        if command.ins == ins::MANAGE_CHANNEL && response.status == StatusWord::OK {
            return self.manage_channel(number, command);
        }
        response
    }

    fn dispatch(&mut self, channel: &mut Channel, command: &Command<'_>) -> Response {
        let proprietary = command.cla & 0x80 != 0;
        if !proprietary || command.ins != ins::STORE_DATA {
            channel.chain = Chain::default();
        }
        match (proprietary, command.ins) {
            (false, ins::MANAGE_CHANNEL) | (true, ins::TERMINAL_CAPABILITY | ins::TERMINAL_PROFILE) => {
                StatusWord::OK.into()
            }
            (false, ins::SELECT) if command.p1 == 0x04 => self.select_application(channel, command).into(),
            (true, ins::STORE_DATA) => match channel.selected {
                Selected::IsdR => self.store_data(&mut channel.chain, command).into(),
                Selected::Uicc(_) => StatusWord::UNKNOWN_INSTRUCTION.into(),
            },
            _ => match (&mut channel.selected, &mut self.uicc) {
                (Selected::Uicc(_), Some(uicc)) if uicc.changed => self.after_failed_write(channel, command),
                (Selected::Uicc(position), Some(uicc)) => {
                    let response = uicc.command(position, command, proprietary);
                    match self.keep_changes() {
                        Ok(()) => response,
                        Err(status) => status.into(),
                    }
                }
                (Selected::Uicc(_), None) => without_profile(command.ins).into(),
                (Selected::IsdR, _) if command.ins == ins::STATUS => StatusWord::OK.into(),
                (Selected::IsdR, _) => StatusWord::UNKNOWN_INSTRUCTION.into(),
            },
        }
    }

    /// A command after one whose changes could not be written: nothing is done before they are. Otherwise PINs could
    /// be guessed without end on a full disk, as no attempt would cost anything.
    fn after_failed_write(&mut self, channel: &mut Channel, command: &Command<'_>) -> Response {
        match self.keep_changes() {
            Ok(()) => self.dispatch(channel, command),
            Err(status) => status.into(),
        }
    }

    /// Writes what the device changed in the enabled profile, before the command is answered. What cannot be written
    /// stays marked.
    fn keep_changes(&mut self) -> Result<(), StatusWord> {
        let Some(uicc) = self.uicc.as_mut().filter(|uicc| uicc.changed) else { return Ok(()) };
        if let Some(profile) = self.state.enabled() {
            self.storage.save_profile(&profile.iccid, &uicc.image).map_err(|error| {
                tracing::error!(%error, "the profile's changes cannot be written");
                StatusWord::MEMORY_PROBLEM
            })?;
        }
        uicc.changed = false;
        Ok(())
    }

    /// SELECT by AID, whole or its first octets: the ISD-R, or an application of the enabled profile.
    fn select_application(
        &mut self,
        channel: &mut Channel,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        let wants_data = match command.p2 {
            0x00 | 0x04 => true,
            0x0C => false,
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        };
        if !(5..=16).contains(&command.data.len()) {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let answer = if ISD_R_AID.starts_with(command.data) {
            channel.selected = Selected::IsdR;
            isd_r_template(&self.iot_template())
        } else {
            let uicc = self.uicc.as_mut().ok_or(StatusWord::FILE_NOT_FOUND)?;
            let (position, template) = uicc.select_application(command.data)?;
            channel.selected = Selected::Uicc(position);
            template
        };
        Ok(if wants_data { answer } else { Vec::new() })
    }

    fn manage_channel(&mut self, from: u8, command: &Command<'_>) -> Response {
        match (command.p1, command.p2) {
            (0x00, 0x00) => {
                let Some(free) = (1..CHANNELS).find(|number| self.is_closed(*number)) else {
                    return StatusWord::FUNCTION_NOT_SUPPORTED.into();
                };
                self.open_channel(free);
                Response { data: vec![free], status: StatusWord::OK }
            }
            (0x00, number @ 1..CHANNELS) if self.is_closed(number) => {
                self.open_channel(number);
                StatusWord::OK.into()
            }
            (0x80, number) => {
                let number = if number == 0 { from } else { number };
                if number == 0 {
                    return StatusWord::WRONG_PARAMETERS.into();
                }
                match self.channels.get_mut(usize::from(number)) {
                    Some(place @ Some(_)) => {
                        *place = None;
                        StatusWord::OK.into()
                    }
                    Some(None) | None => StatusWord::CHANNEL_NOT_SUPPORTED.into(),
                }
            }
            _ => StatusWord::WRONG_PARAMETERS.into(),
        }
    }

    fn is_closed(&self, number: u8) -> bool {
        matches!(self.channels.get(usize::from(number)), Some(None))
    }

    fn open_channel(&mut self, number: u8) {
        if let Some(place) = self.channels.get_mut(usize::from(number)) {
            *place = Some(Channel::new());
        }
    }
}

/// The logical channel of a class octet; both interindustry classes and the proprietary ones made after them.
fn channel_number(cla: u8) -> Result<u8, StatusWord> {
    match cla {
        0x00..=0x03 | 0x80..=0x83 => Ok(cla & 0x03),
        0x04..=0x0F | 0x84..=0x8F => Err(StatusWord::SECURE_MESSAGING_NOT_SUPPORTED),
        // Channels 4 to 19, none of which can be open.
        0x40..=0x4F | 0xC0..=0xCF => Err(StatusWord::CHANNEL_NOT_SUPPORTED),
        _ => Err(StatusWord::UNKNOWN_CLASS),
    }
}

/// A card without an enabled profile has a master file without files (SGP.22 2.4.4 leaves it to the eUICC).
const fn without_profile(instruction: u8) -> StatusWord {
    match instruction {
        ins::SELECT => StatusWord::FILE_NOT_FOUND,
        ins::READ_BINARY | ins::READ_RECORD | ins::UPDATE_BINARY | ins::UPDATE_RECORD => StatusWord::NO_EF,
        ins::VERIFY_PIN | ins::AUTHENTICATE => StatusWord::CONDITIONS_NOT_SATISFIED,
        ins::STATUS => StatusWord::OK,
        _ => StatusWord::UNKNOWN_INSTRUCTION,
    }
}

/// FCI of the ISD-R: its AID, `E0` with the version of SGP.22 (SGP.22 5.7.1), and what SGP.32 adds.
fn isd_r_template(iot: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nested(Tag(0x6F), |template| {
        template.tlv(Tag(0x84), &ISD_R_AID).tlv(Tag(0xA5), &[]).nested(Tag(0xE0), |information| {
            information.tlv(Tag(0x82), &super::es10::SVN.0);
        });
        template.raw(iot);
    });
    writer.finish()
}

/// Keeps what exceeds one response for GET RESPONSE.
fn split(channel: &mut Channel, response: Response, le: Option<usize>) -> Response {
    let limit = le.unwrap_or(MAX_RESPONSE_DATA);
    if !response.status.is_ok() || response.data.len() <= limit {
        return response;
    }
    let mut data = response.data;
    channel.pending = data.split_off(limit);
    Response { data, status: StatusWord::more(channel.pending.len()) }
}

fn get_response(channel: &mut Channel, command: &Command<'_>) -> Response {
    if channel.pending.is_empty() {
        return StatusWord::CONDITIONS_NOT_SATISFIED.into();
    }
    let pending = std::mem::take(&mut channel.pending);
    let response = Response { data: pending, status: StatusWord::OK };
    split(channel, response, command.le)
}
