//! Loading a bound profile package: ES10b.LoadBoundProfilePackage and the ES8+ commands inside it (SGP.22 5.7.6, 5.5).
//!
//! The package comes in parts, each a command of its own, in the order of the standard (2.5.5): `BF36` header with
//! `BF23`; `A0` with ConfigureISDP; the header of `A1`, then each `88`; `A2` whole, if there is one; the header of `A3`,
//! then each `86`. Parts may also come together, but none may be cut. Each step is checked when it comes, and the first
//! that fails ends the load with a signed result that names the command and the reason.

use simyard_asn1::Oid;
use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::rsp::metadata::{
    StoreMetadataRequest, notification_event, profile_class, profile_policy_rule,
};
use simyard_asn1::rsp::notification::{
    FinalResult, NotificationMetadata, ProfileInstallationResult, ProfileInstallationResultData, bpp_command,
    error_reason,
};
use simyard_asn1::rsp::package::{
    BoundProfilePackage, ConfigureIsdpRequest, INSTALL_BOUND_PROFILE_PACKAGE, InitialiseSecureChannelRequest,
    KEY_LEN_AES_128, KEY_TYPE_AES, ReplaceSessionKeysRequest,
};
use simyard_asn1::saip::{EuiccResponse, MAX_PACKAGE, Package, PeStatus, status};
use simyard_asn1::tlv::{Decode, Encode, NamedBits, Reader, Tag, Writer};
use zeroize::Zeroizing;

use super::apdu::StatusWord;
use super::authenticate::{OneTimeKey, Prepared, Session};
use super::card::Card;
use super::immediate_enable::Installed;
use super::notifications::{keep, next_seq_number, notify};
use super::profiles::new_isdp_aid;
use super::state::{CardState, MAX_PROFILES, NotificationRecord, ProfileRecord};
use crate::crypto::bsp::{Bsp, BspError, MAX_PLAINTEXT, MAX_SEGMENT, SessionKeys};
use crate::crypto::ecdsa::PublicKey;
use crate::ident::Eid;
use crate::profile::image::{ProfileImage, Reason};

/// Octets of StoreMetadata at most: an icon and names leave room.
const MAX_METADATA: usize = 8 << 10;
/// Octets of `A3` at most: the largest package that is read, in segments of the largest size as the standard cuts it
/// (2.5.3). What is longer is refused by its header, for want of memory.
const MAX_SEGMENTED_PACKAGE: usize = MAX_PACKAGE.div_ceil(MAX_PLAINTEXT) * MAX_SEGMENT;

/// Where a load failed and why: bppCommandId, errorReason, and what the profile package standard says of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    command: u32,
    reason: u32,
    sima_response: Option<Vec<u8>>,
}

impl Failure {
    const fn new(command: u32, reason: u32) -> Self {
        Self { command, reason, sima_response: None }
    }

    const fn structure(command: u32) -> Self {
        Self::new(command, error_reason::SCP03T_STRUCTURE_ERROR)
    }

    fn segment(command: u32, error: &BspError) -> Self {
        tracing::debug!(%error, command, "segment refused");
        match error {
            BspError::Structure(_) => Self::structure(command),
            BspError::Security(_) => Self::new(command, error_reason::SCP03T_SECURITY_ERROR),
        }
    }
}

/// What comes next.
enum Step {
    /// `A0` with ConfigureISDP.
    Configure,
    /// The header of `A1`.
    MetadataHeader,
    /// `88` TLVs: so many octets are left.
    Metadata(usize),
    /// `A2` with ReplaceSessionKeys, or the header of `A3`.
    KeysOrElements,
    /// The header of `A3`.
    ElementsHeader,
    /// `86` TLVs: so many octets are left.
    Elements(usize),
    /// All is there.
    Complete,
}

impl Step {
    const fn command(&self) -> u32 {
        match self {
            Self::Configure => bpp_command::CONFIGURE_ISDP,
            Self::MetadataHeader | Self::Metadata(_) => bpp_command::STORE_METADATA,
            Self::KeysOrElements | Self::ElementsHeader | Self::Elements(_) | Self::Complete => {
                bpp_command::LOAD_PROFILE_ELEMENTS
            }
        }
    }
}

/// A load on its way.
pub(super) struct Load {
    step: Step,
    bsp: Bsp,
    /// Octets of `BF36` that have not come.
    left: usize,
    metadata: Vec<u8>,
    package: Zeroizing<Vec<u8>>,
}

/// Tag and value length at the start of `octets`, and what follows the header; the value may be incomplete.
fn header(octets: &[u8]) -> Option<(Tag, usize, &[u8])> {
    let (tag, rest) = match octets {
        [first, second, rest @ ..] if first & 0x1F == 0x1F => {
            (Tag(u32::from(*first) << 8 | u32::from(*second)), rest)
        }
        [first, rest @ ..] => (Tag(u32::from(*first)), rest),
        [] => return None,
    };
    let (length, rest) = match rest {
        [length @ 0x00..=0x7F, rest @ ..] => (usize::from(*length), rest),
        [0x81, length @ 0x80..=0xFF, rest @ ..] => (usize::from(*length), rest),
        [0x82, high @ 1..=0xFF, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
        [0x83, high @ 1..=0xFF, middle, low, rest @ ..] => {
            (usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low), rest)
        }
        _ => return None,
    };
    Some((tag, length, rest))
}

/// The whole TLV at the start of `octets`, and what follows it.
fn whole(octets: &[u8], tag: Tag, command: u32) -> Result<(&[u8], &[u8]), Failure> {
    let mut reader = Reader::new(octets, "segment");
    let tlv = reader.expect(tag).map_err(|_| Failure::structure(command))?;
    Ok(octets.split_at_checked(tlv.raw.len()).unwrap_or((octets, &[])))
}

impl Load {
    /// InitialiseSecureChannel (5.5.1): `BF36` header and `BF23`. Gives what follows them in the same part.
    fn begin<'a>(
        prepared: &Prepared,
        one_time: &OneTimeKey,
        eid: &Eid,
        part: &'a [u8],
    ) -> Result<(Self, &'a [u8]), Failure> {
        const COMMAND: u32 = bpp_command::INITIALISE_SECURE_CHANNEL;
        let fail = |reason| Failure::new(COMMAND, reason);
        let incorrect = || fail(error_reason::INCORRECT_INPUT_VALUES);
        let (tag, length, rest) = header(part).ok_or_else(incorrect)?;
        if tag != BoundProfilePackage::TAG {
            return Err(incorrect());
        }
        let (first, rest) =
            whole(rest, InitialiseSecureChannelRequest::TAG, COMMAND).map_err(|_| incorrect())?;
        let request = InitialiseSecureChannelRequest::from_der(first).map_err(|_| incorrect())?;
        prepared
            .dp_pb
            .public_key()
            .verify(&request.signed_octets(one_time.public().as_point()), request.smdp_sign)
            .map_err(|_| fail(error_reason::INVALID_SIGNATURE))?;
        if request.remote_op_id != INSTALL_BOUND_PROFILE_PACKAGE {
            return Err(fail(error_reason::UNSUPPORTED_REMOTE_OPERATION_TYPE));
        }
        if request.transaction_id != prepared.authenticated.transaction_id {
            return Err(fail(error_reason::INVALID_TRANSACTION_ID));
        }
        let template = &request.control_ref_template;
        if template.key_type != [KEY_TYPE_AES] || template.key_len != [KEY_LEN_AES_128] {
            return Err(fail(error_reason::UNSUPPORTED_CRT_VALUES));
        }
        let peer =
            PublicKey::from_point(one_time.public().curve(), request.smdp_otpk).map_err(|_| incorrect())?;
        let secret = one_time.key().and_then(|key| key.agree(&peer)).map_err(|_| incorrect())?;
        let keys = SessionKeys::derive(&secret, template.host_id, eid).map_err(|_| incorrect())?;
        let left = length.checked_sub(first.len()).ok_or_else(incorrect)?;
        let load = Self {
            step: Step::Configure,
            bsp: Bsp::new(&keys),
            left,
            metadata: Vec::new(),
            package: Zeroizing::new(Vec::new()),
        };
        Ok((load, rest))
    }

    /// Takes one part. Everything in it must be complete.
    fn accept(&mut self, state: &CardState, mut part: &[u8]) -> Result<(), Failure> {
        while !part.is_empty() {
            let before = part.len();
            part = self.item(state, part)?;
            let taken = before - part.len();
            self.left =
                self.left.checked_sub(taken).ok_or_else(|| Failure::structure(self.step.command()))?;
        }
        if matches!(self.step, Step::Complete) && self.left != 0 {
            return Err(Failure::structure(self.step.command()));
        }
        Ok(())
    }

    /// Takes the next item of a part and gives what follows it.
    fn item<'a>(&mut self, state: &CardState, part: &'a [u8]) -> Result<&'a [u8], Failure> {
        let command = self.step.command();
        match self.step {
            Step::Configure => {
                let (item, rest) = whole(part, Tag(0xA0), command)?;
                self.configure_isdp(item)?;
                self.step = Step::MetadataHeader;
                Ok(rest)
            }
            Step::MetadataHeader => {
                let (length, rest) = self.sequence_header(part, Tag(0xA1))?;
                if length > MAX_METADATA {
                    return Err(Failure::new(command, error_reason::INCORRECT_INPUT_VALUES));
                }
                self.step = Step::Metadata(length);
                Ok(rest)
            }
            Step::Metadata(left) => {
                let (item, rest) = whole(part, Tag(0x88), command)?;
                let data =
                    self.bsp.open_authenticated(item).map_err(|error| Failure::segment(command, &error))?;
                self.metadata.extend_from_slice(data);
                let left = left.checked_sub(item.len()).ok_or_else(|| Failure::structure(command))?;
                self.step = Step::Metadata(left);
                if left == 0 {
                    store_metadata(state, &self.metadata)?;
                    self.step = Step::KeysOrElements;
                }
                Ok(rest)
            }
            Step::KeysOrElements if part.first() == Some(&0xA2) => {
                let (item, rest) = whole(part, Tag(0xA2), bpp_command::REPLACE_SESSION_KEYS)?;
                self.replace_session_keys(item)?;
                self.step = Step::ElementsHeader;
                Ok(rest)
            }
            Step::KeysOrElements | Step::ElementsHeader => {
                let (length, rest) = self.sequence_header(part, Tag(0xA3))?;
                if part.len() - rest.len() + length != self.left {
                    return Err(Failure::structure(command));
                }
                if length > state.free_memory().min(MAX_SEGMENTED_PACKAGE) {
                    return Err(Failure::new(command, error_reason::INSUFFICIENT_MEMORY));
                }
                // All room at once: a buffer that grows leaves copies of keys behind. Bounded by the card's memory.
                self.package = Zeroizing::new(Vec::with_capacity(length));
                self.step = Step::Elements(length);
                Ok(rest)
            }
            Step::Elements(left) => {
                let (item, rest) = whole(part, Tag(0x86), command)?;
                let plain =
                    self.bsp.open_encrypted(item).map_err(|error| Failure::segment(command, &error))?;
                if self.package.len() + plain.len() > MAX_PACKAGE {
                    return Err(Failure::new(command, error_reason::INSUFFICIENT_MEMORY));
                }
                self.package.extend_from_slice(&plain);
                let left = left.checked_sub(item.len()).ok_or_else(|| Failure::structure(command))?;
                self.step = if left == 0 { Step::Complete } else { Step::Elements(left) };
                Ok(rest)
            }
            Step::Complete => Err(Failure::structure(command)),
        }
    }

    /// The header of a sequence whose segments come one by one.
    fn sequence_header<'a>(&self, part: &'a [u8], expected: Tag) -> Result<(usize, &'a [u8]), Failure> {
        let structure = || Failure::structure(self.step.command());
        match header(part) {
            Some((tag, length, rest)) if tag == expected && (1..=self.left).contains(&length) => {
                Ok((length, rest))
            }
            Some(_) | None => Err(structure()),
        }
    }

    /// The plaintext of the `87` TLVs of a sequence.
    fn open_sequence(&mut self, sequence: &[u8], command: u32) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let structure = |_| Failure::structure(command);
        let value = Reader::new(sequence, "sequenceOf87").read().map_err(structure)?.value;
        let segments = BoundProfilePackage::segments(value, Tag(0x87)).map_err(structure)?;
        // The plaintext is shorter than its segments; they have come already, so their length is bounded.
        let mut plain = Zeroizing::new(Vec::with_capacity(value.len()));
        if segments.is_empty() {
            return Err(Failure::structure(command));
        }
        for segment in segments {
            let opened =
                self.bsp.open_encrypted(segment).map_err(|error| Failure::segment(command, &error))?;
            plain.extend_from_slice(&opened);
        }
        Ok(plain)
    }

    /// ConfigureISDP (5.5.2).
    fn configure_isdp(&mut self, sequence: &[u8]) -> Result<(), Failure> {
        const COMMAND: u32 = bpp_command::CONFIGURE_ISDP;
        let plain = self.open_sequence(sequence, COMMAND)?;
        ConfigureIsdpRequest::from_der(&plain)
            .map(|_| ())
            .map_err(|_| Failure::new(COMMAND, error_reason::INCORRECT_INPUT_VALUES))
    }

    /// ReplaceSessionKeys (5.5.4).
    fn replace_session_keys(&mut self, sequence: &[u8]) -> Result<(), Failure> {
        const COMMAND: u32 = bpp_command::REPLACE_SESSION_KEYS;
        let plain = self.open_sequence(sequence, COMMAND)?;
        let request = ReplaceSessionKeysRequest::from_der(&plain)
            .map_err(|_| Failure::new(COMMAND, error_reason::INCORRECT_INPUT_VALUES))?;
        self.bsp.replace_keys(&SessionKeys {
            initial_chain: *request.initial_mac_chaining_value,
            s_enc: *request.ppk_enc,
            s_mac: *request.ppk_cmac,
        });
        Ok(())
    }
}

/// StoreMetadata (5.5.3): what the card checks before the package itself comes.
fn store_metadata(state: &CardState, metadata: &[u8]) -> Result<(), Failure> {
    let fail = |reason| Failure::new(bpp_command::STORE_METADATA, reason);
    let facts =
        StoreMetadataRequest::from_der(metadata).map_err(|_| fail(error_reason::INCORRECT_INPUT_VALUES))?;
    if state.profile(facts.iccid).is_some() {
        return Err(fail(error_reason::ICCID_ALREADY_EXISTS));
    }
    // Test profiles are supported (rspCapability says so), so every class of the standard is.
    if ![profile_class::TEST, profile_class::PROVISIONING, profile_class::OPERATIONAL]
        .contains(&facts.profile_class)
    {
        return Err(fail(error_reason::UNSUPPORTED_PROFILE_CLASS));
    }
    let rules = facts.profile_policy_rules;
    let others = state.profiles.iter().any(|profile| !profile.is_test());
    let without_owner = rules.0 != 0 && facts.profile_owner.is_none();
    if without_owner || (rules.has(profile_policy_rule::PPR1) && others) {
        return Err(fail(error_reason::PPR_NOT_ALLOWED));
    }
    if state.profiles.len() >= MAX_PROFILES {
        return Err(fail(error_reason::INSUFFICIENT_MEMORY));
    }
    Ok(())
}

/// Reads the package and builds the profile from it, before anything is said of success.
fn build(metadata: &StoreMetadataRequest<'_>, octets: &[u8]) -> Result<ProfileImage, Failure> {
    let fail = |reason| Failure::new(bpp_command::LOAD_PROFILE_ELEMENTS, reason);
    let refuse =
        |reason, response: EuiccResponse| Failure { sima_response: Some(response.to_der()), ..fail(reason) };
    let package = Package::from_der(octets).map_err(|error| {
        let status = PeStatus {
            status: status::INVALID_REQUEST_FORMAT,
            offset: u32::try_from(error.offset).ok(),
            ..PeStatus::default()
        };
        let response = EuiccResponse { statuses: vec![status], aborted: true, message: None };
        refuse(error_reason::PE_PROCESSING_ERROR, response)
    })?;
    let image = ProfileImage::build(&package).map_err(|error| {
        tracing::debug!(%error, "the package cannot be installed");
        let reason = if error.reason == Reason::IccidMismatch {
            error_reason::DATA_MISMATCH
        } else if error.reason == Reason::Memory {
            error_reason::INSUFFICIENT_MEMORY
        } else {
            error_reason::PE_PROCESSING_ERROR
        };
        refuse(reason, error.response())
    })?;
    if image.iccid.to_bcd() == *metadata.iccid { Ok(image) } else { Err(fail(error_reason::DATA_MISMATCH)) }
}

impl Card {
    /// Takes a part of a bound profile package. Nothing is answered before the last one, or the first that fails.
    pub(super) fn load_bound_profile_package(&mut self, part: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let session = std::mem::replace(&mut self.session, Session::None);
        let starts = part.starts_with(&[0xBF, 0x36]);
        let (prepared, step) = match session {
            Session::Prepared(prepared) if starts => (prepared, None),
            // The LPA begins again.
            Session::Loading(prepared, _) if starts => (prepared, None),
            Session::Loading(prepared, load) => (prepared, Some(load)),
            other @ (Session::None
            | Session::Challenged(_)
            | Session::Authenticated(_)
            | Session::Prepared(_)) => {
                self.session = other;
                let unknown = !starts && !matches!(part.first(), Some(0xA0..=0xA3 | 0x86..=0x88));
                return Err(if unknown {
                    StatusWord::WRONG_DATA
                } else {
                    StatusWord::CONDITIONS_NOT_SATISFIED
                });
            }
        };
        let (load, outcome) = match step {
            Some(mut load) => {
                let outcome = load.accept(&self.state, part);
                (Some(load), outcome)
            }
            None => match self.faults.of_installation() {
                Some(reason) => (None, Err(Failure::new(bpp_command::INITIALISE_SECURE_CHANNEL, reason))),
                None => match self.begin_load(&prepared, part) {
                    Ok((load, outcome)) => (Some(Box::new(load)), outcome),
                    Err(failure) => (None, Err(failure)),
                },
            },
        };
        match (load, outcome) {
            (Some(load), Ok(())) if !matches!(load.step, Step::Complete) => {
                self.session = Session::Loading(prepared, load);
                Ok(Vec::new())
            }
            (Some(load), Ok(())) => self.finish_load(&prepared, &load),
            (load, Err(failure)) => {
                self.report_failure(&prepared, load.as_deref().map(|load| &load.metadata[..]), &failure)
            }
            // Without a load there is a failure.
            (None, Ok(())) => Err(StatusWord::TECHNICAL_PROBLEM),
        }
    }

    fn begin_load(&self, prepared: &Prepared, part: &[u8]) -> Result<(Load, Result<(), Failure>), Failure> {
        let one_time = self.kept_key.as_ref().ok_or_else(|| {
            Failure::new(bpp_command::INITIALISE_SECURE_CHANNEL, error_reason::INCORRECT_INPUT_VALUES)
        })?;
        let (mut load, rest) = Load::begin(prepared, one_time, &self.identity.eid, part)?;
        let outcome = load.accept(&self.state, rest);
        Ok((load, outcome))
    }

    /// The package is complete: builds the profile, keeps it with its notifications, and reports success.
    fn finish_load(&mut self, prepared: &Prepared, load: &Load) -> Result<Vec<u8>, StatusWord> {
        let metadata =
            StoreMetadataRequest::from_der(&load.metadata).map_err(|_| StatusWord::TECHNICAL_PROBLEM)?;
        let image = match build(&metadata, &load.package) {
            Ok(image) => image,
            Err(failure) => return self.report_failure(prepared, Some(&load.metadata), &failure),
        };
        let mut state = self.state.clone();
        let aid = new_isdp_aid(&state);
        let response = EuiccResponse { statuses: image.statuses(), aborted: false, message: None }.to_der();
        let result = FinalResult::Success { aid: &aid, sima_response: &response };
        let pending = self.installation_result(&mut state, prepared, Some(metadata.iccid), result)?;
        let told = Some(prepared.authenticated.server_address.as_str());
        let ci_key_identifier = prepared.authenticated.ci_key_identifier.clone();
        let credential = self.identity.credential(&ci_key_identifier)?;
        notify(credential, &mut state, &load.metadata, notification_event::INSTALL, told)?;
        state.profiles.push(ProfileRecord {
            iccid: metadata.iccid.to_vec(),
            isdp_aid: aid.clone(),
            metadata: load.metadata.clone(),
            nickname: None,
            enabled: false,
            size: load.package.len(),
            ci_key_identifier,
        });
        self.storage.save_profile(metadata.iccid, &image).map_err(|error| {
            tracing::error!(%error, "the profile cannot be written");
            StatusWord::MEMORY_PROBLEM
        })?;
        self.commit(state)?;
        self.kept_key = None;
        self.installed = Some(Installed {
            iccid: *metadata.iccid,
            smdp_oid: prepared.dp_pb.oid().clone(),
            server_address: prepared.authenticated.server_address.clone(),
        });
        Ok(pending)
    }

    fn report_failure(
        &mut self,
        prepared: &Prepared,
        metadata: Option<&[u8]>,
        failure: &Failure,
    ) -> Result<Vec<u8>, StatusWord> {
        tracing::debug!(?failure, "profile not installed");
        let iccid = metadata
            .and_then(|metadata| StoreMetadataRequest::from_der(metadata).ok().map(|facts| *facts.iccid));
        let result = FinalResult::Error {
            bpp_command_id: failure.command,
            error_reason: failure.reason,
            sima_response: failure.sima_response.as_deref(),
        };
        let mut state = self.state.clone();
        let pending = self.installation_result(&mut state, prepared, iccid.as_ref(), result)?;
        self.commit(state)?;
        // After a temporary reason the server may offer the same package again.
        if failure.reason != error_reason::INSUFFICIENT_MEMORY {
            self.kept_key = None;
        }
        Ok(pending)
    }

    /// ProfileInstallationResult, signed, kept among the notifications for the SM-DP+ that delivered the package.
    fn installation_result(
        &self,
        state: &mut CardState,
        prepared: &Prepared,
        iccid: Option<&[u8; 10]>,
        final_result: FinalResult<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        let seq_number = next_seq_number(state);
        let smdp_oid: &Oid = prepared.dp_pb.oid();
        let data = ProfileInstallationResultData {
            transaction_id: &prepared.authenticated.transaction_id,
            notification_metadata: NotificationMetadata {
                seq_number,
                operation: NamedBits::bit(notification_event::INSTALL),
                address: &prepared.authenticated.server_address,
                iccid,
            },
            smdp_oid: Some(smdp_oid.clone()),
            final_result,
        }
        .to_der();
        let credential = self.identity.credential(&prepared.authenticated.ci_key_identifier)?;
        let signature = credential.sign(&data)?;
        let mut writer = Writer::new();
        writer.nested(ProfileInstallationResult::TAG, |members| {
            members.raw(&data).tlv(SIGNATURE, &signature);
        });
        let der = writer.finish();
        keep(state, NotificationRecord { seq_number, event: notification_event::INSTALL, der: der.clone() });
        Ok(der)
    }
}
