//! The file system of the enabled profile: selecting, templates, and which command goes where (TS 102 221 8, 11.1).
//!
//! Supported: SELECT by identifier, path and AID, STATUS, READ and UPDATE of transparent and record files, the five
//! PIN commands, AUTHENTICATE in the 3G context. Not here: SEARCH RECORD, INCREASE, data objects of BER-TLV files,
//! administrative commands, the toolkit.

use std::collections::BTreeSet;

use simyard_asn1::tlv::{Tag, Writer};

use super::apdu::{Command, Response, StatusWord, ins};
use crate::profile::image::{Body, Directory, Node, NodeId, ProfileImage, Structure};

/// Identifier of the master file.
const MF: u16 = 0x3F00;
/// Identifier that stands for the application that is selected on the channel.
const CURRENT_ADF: u16 = 0x7FFF;
/// Data coding octet of a file descriptor (TS 102 221 11.1.1.4.3).
const DATA_CODING: u8 = 0x21;

/// Where a logical channel stands in the file system.
#[derive(Clone, Copy)]
pub(super) struct Position {
    /// The current directory.
    pub(super) directory: NodeId,
    /// The current file in it.
    pub(super) file: Option<NodeId>,
    /// The record pointer of the current file, from 1; 0 is before the first.
    pub(super) record: u8,
    /// The directory of the application that was selected on the channel.
    pub(super) application: Option<NodeId>,
}

impl Default for Position {
    fn default() -> Self {
        Self { directory: NodeId::MF, file: None, record: 0, application: None }
    }
}

/// A running profile.
pub(super) struct Uicc {
    pub(super) image: ProfileImage,
    /// The PINs that were verified since power-up: by the directory that owns them and their reference.
    pub(super) verified: BTreeSet<(NodeId, u8)>,
    /// Whether the image holds what storage does not.
    pub(super) changed: bool,
}

impl Uicc {
    /// Starts a profile: no PIN is verified.
    pub(super) const fn new(image: ProfileImage) -> Self {
        Self { image, verified: BTreeSet::new(), changed: false }
    }

    /// Answers a command to the file system; `proprietary` tells its class.
    pub(super) fn command(
        &mut self,
        position: &mut Position,
        command: &Command<'_>,
        proprietary: bool,
    ) -> Response {
        match (proprietary, command.ins) {
            (false, ins::SELECT) => self.select(position, command).into(),
            (true, ins::STATUS) => self.status(position, command).into(),
            (false, ins::READ_BINARY) => self.read_binary(position, command).into(),
            (false, ins::UPDATE_BINARY) => self.update_binary(position, command).into(),
            (false, ins::READ_RECORD) => self.read_record(position, command).into(),
            (false, ins::UPDATE_RECORD) => self.update_record(position, command).into(),
            (false, ins::VERIFY_PIN) => self.verify_pin(position, command).into(),
            (false, ins::CHANGE_PIN) => self.change_pin(position, command).into(),
            (false, ins::DISABLE_PIN) => self.disable_pin(position, command).into(),
            (false, ins::ENABLE_PIN) => self.enable_pin(position, command).into(),
            (false, ins::UNBLOCK_PIN) => self.unblock_pin(position, command).into(),
            (false, ins::AUTHENTICATE) => self.authenticate(position, command).into(),
            _ => StatusWord::UNKNOWN_INSTRUCTION.into(),
        }
    }

    /// SELECT of an application by AID, whole or its first octets.
    pub(super) fn select_application(&mut self, aid: &[u8]) -> Result<(Position, Vec<u8>), StatusWord> {
        let directory = self.image.directory_by_aid(aid).ok_or(StatusWord::FILE_NOT_FOUND)?;
        let position = Position { directory, application: Some(directory), ..Position::default() };
        Ok((position, self.template(directory)))
    }

    /// SELECT by identifier or path (TS 102 221 11.1.1).
    fn select(&self, position: &mut Position, command: &Command<'_>) -> Result<Vec<u8>, StatusWord> {
        let wants_template = match command.p2 {
            0x04 => true,
            0x0C => false,
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        };
        let found = match command.p1 {
            0x00 => match identifiers(command.data)?.as_slice() {
                [] => Some(NodeId::MF),
                [fid] => self.by_identifier(position, *fid),
                _ => return Err(StatusWord::WRONG_LENGTH),
            },
            0x03 if command.data.is_empty() => self.image.node(position.directory).map(|node| node.parent),
            0x08 => self.by_path(position, NodeId::MF, &identifiers(command.data)?),
            0x09 => self.by_path(position, position.directory, &identifiers(command.data)?),
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        };
        let found = found.ok_or(StatusWord::FILE_NOT_FOUND)?;
        self.stand_on(position, found);
        Ok(if wants_template { self.template(found) } else { Vec::new() })
    }

    /// Makes a file or directory the current one. The last application stays known until another is selected.
    fn stand_on(&self, position: &mut Position, id: NodeId) {
        if self.image.directory(id).is_some() {
            *position = Position {
                directory: self.image.target(id),
                application: position.application,
                ..Position::default()
            };
        } else {
            let parent = self.image.node(id).map_or(NodeId::MF, |node| node.parent);
            *position =
                Position { directory: parent, file: Some(id), record: 0, application: position.application };
        }
    }

    /// The file that an identifier means here: below the current directory, beside it, above it (TS 102 221 8.4.1).
    fn by_identifier(&self, position: &Position, fid: u16) -> Option<NodeId> {
        match fid {
            MF => return Some(NodeId::MF),
            CURRENT_ADF => return position.application,
            _ => {}
        }
        let here = self.image.node(position.directory)?;
        let itself = (here.fid == Some(fid)).then_some(position.directory);
        self.child(position.directory, fid).or(itself).or_else(|| {
            // Of what is beside only directories can be selected, and the directory above itself.
            let above = self.image.node(here.parent)?;
            let beside = self.child(here.parent, fid).filter(|id| self.image.directory(*id).is_some());
            beside.or((above.fid == Some(fid)).then_some(here.parent))
        })
    }

    /// A child by its identifier. Directories of applications are reached by AID alone: their identifiers hold in the
    /// package only.
    fn child(&self, directory: NodeId, fid: u16) -> Option<NodeId> {
        let found = self.image.child(directory, fid)?;
        let is_application = self.image.directory(found).is_some_and(|directory| directory.aid.is_some());
        (!is_application).then_some(found)
    }

    fn by_path(&self, position: &Position, from: NodeId, path: &[u16]) -> Option<NodeId> {
        let (from, rest) = match path {
            [CURRENT_ADF, rest @ ..] => (position.application?, rest),
            [] => return None,
            rest => (from, rest),
        };
        rest.iter().try_fold(from, |directory, fid| self.child(directory, *fid))
    }

    /// STATUS (TS 102 221 11.1.2): the template of the current directory, or the AID of the application.
    fn status(&self, position: &Position, command: &Command<'_>) -> Result<Vec<u8>, StatusWord> {
        match (command.p1, command.p2) {
            (0x00..=0x02, 0x00) => Ok(self.template(position.directory)),
            (0x00..=0x02, 0x01) => {
                let adf = position.application.and_then(|adf| self.image.directory(adf));
                let aid = adf.and_then(|adf| adf.aid.as_deref()).unwrap_or_default();
                let mut writer = Writer::new();
                writer.tlv(Tag(0x84), aid);
                Ok(writer.finish())
            }
            (0x00..=0x02, 0x0C) => Ok(Vec::new()),
            _ => Err(StatusWord::WRONG_PARAMETERS),
        }
    }

    /// FCP template, `62` (TS 102 221 11.1.1.3).
    fn template(&self, id: NodeId) -> Vec<u8> {
        let Some(node) = self.image.node(id) else { return Vec::new() };
        let target = self.image.node(self.image.target(id)).unwrap_or(node);
        let mut writer = Writer::new();
        writer.nested(Tag(0x62), |template| {
            match &target.body {
                Body::Directory(directory) => self.directory_members(template, id, node, directory),
                Body::File(file) => {
                    let mut descriptor = match file.structure {
                        Structure::Transparent => vec![0x41, DATA_CODING],
                        Structure::LinearFixed(_) => vec![0x42, DATA_CODING],
                        Structure::Cyclic(_) => vec![0x46, DATA_CODING],
                        Structure::BerTlv => vec![0x79, DATA_CODING],
                    };
                    if let (Some(length), Some(records)) = (file.record_length(), file.records()) {
                        descriptor.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
                        descriptor.push(u8::try_from(records).unwrap_or(u8::MAX));
                    }
                    let size = u16::try_from(file.size).unwrap_or(u16::MAX).to_be_bytes();
                    template.tlv(Tag(0x82), &descriptor);
                    write_identifier(template, node);
                    template.tlv(Tag(0xA5), &[0xC0, 0x01, file.special_information]);
                    write_state_and_security(template, target);
                    template.tlv(Tag(0x80), &size);
                    match node.sfi {
                        Some(sfi) => template.tlv(Tag(0x88), &[sfi << 3]),
                        None => template.tlv(Tag(0x88), &[]),
                    };
                }
                // A link leads to no other link.
                Body::Link(_) => {}
            }
        });
        writer.finish()
    }

    fn directory_members(&self, template: &mut Writer, id: NodeId, node: &Node, directory: &Directory) {
        template.tlv(Tag(0x82), &[0x78, DATA_CODING]);
        match (&directory.aid, id) {
            (Some(aid), _) => {
                template.tlv(Tag(0x84), aid);
            }
            (None, NodeId::MF) => {
                template.tlv(Tag(0x83), &MF.to_be_bytes());
            }
            (None, _) => write_identifier(template, node),
        }
        write_state_and_security(template, node);
        let mut enabled = 0_u8;
        for (place, reference) in directory.pin_status.iter().take(8).enumerate() {
            if self.image.pin(id, *reference).is_some_and(|pin| pin.is_enabled()) {
                enabled |= 0x80 >> place;
            }
        }
        template.nested(Tag(0xC6), |status| {
            status.tlv(Tag(0x90), &[enabled]);
            for reference in directory.pin_status.iter() {
                status.tlv(Tag(0x83), &[*reference]);
            }
        });
    }
}

fn write_identifier(template: &mut Writer, node: &Node) {
    if let Some(fid) = node.fid {
        template.tlv(Tag(0x83), &fid.to_be_bytes());
    }
}

fn write_state_and_security(template: &mut Writer, node: &Node) {
    template.tlv(Tag(0x8A), &[node.lcsi]);
    if let Some(security) = node.security {
        let [high, low] = security.file.to_be_bytes();
        template.tlv(Tag(0x8B), &[high, low, security.record]);
    }
}

/// File identifiers one after the other.
fn identifiers(data: &[u8]) -> Result<Vec<u16>, StatusWord> {
    let (pairs, rest) = data.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(StatusWord::WRONG_LENGTH);
    }
    Ok(pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
}
