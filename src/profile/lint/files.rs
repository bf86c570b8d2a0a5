//! Attributes of files and directories, and links.

use std::collections::BTreeMap;

use simyard_asn1::Tlv;
use simyard_asn1::saip::{ElementKind, Fcp};

use super::{Lint, Rule, raw};
use crate::profile::templates::{DefaultContent, FileKind};
use crate::profile::tree::{Body, Content, File, FileId, Initial, Structure};

/// Identifiers with a meaning of their own: MF, the current application, reserved (TS 102 221 8.2).
const RESERVED: [u16; 4] = [0x3F00, 0x3FFF, 0x7FFF, 0xFFFF];
/// The data coding byte of all files of a profile.
const DATA_CODING: u8 = 0x21;
/// The version of which eUICCs may want efFileSize in two octets.
const TWO_OCTETS: (u8, u8) = (2, 0);
/// Bits of special file information that have a meaning.
const SPECIAL_INFORMATION: u8 = 0xC0;

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    raw_files(lint);
    let tree = lint.tree;
    for (id, file) in tree.files() {
        if let Some(fcp) = &file.fcp {
            attributes(lint, id, file, fcp);
            if let Some(row) = file.row {
                let given = fcp.file_id.zip(row.fid);
                if let Some((given, fid)) = given.filter(|(given, fid)| given != fid) {
                    let message = format!("{given:04X}, the template has {fid:04X}");
                    lint.file(Rule::FileIdOfTemplate, id, message);
                }
            }
        }
        if let Some(fid) = file.fid.filter(|fid| RESERVED.contains(fid) && file.kind != FileKind::Mf)
            && file.parent.is_some()
            && !is_mf_by_management(lint, file)
        {
            lint.file(Rule::FileIdReserved, id, format!("{fid:04X} is reserved"));
        }
        match &file.body {
            Body::Directory(directory) => short_ids(lint, &directory.children),
            Body::Content(content) => contents(lint, id, file, content),
            Body::Link { path, target } => link(lint, id, file, path, *target),
        }
    }
}

/// Whether a file is the MF as a command creates it.
fn is_mf_by_management(lint: &Lint<'_, '_>, file: &File<'_>) -> bool {
    file.fid == Some(0x3F00)
        && file.element == 1
        && raw::element(lint.package, 1)
            .is_some_and(|element| element.kind == ElementKind::GenericFileManagement)
}

/// What has to be said of the octets of a file's field or command.
fn raw_files(lint: &mut Lint<'_, '_>) {
    let by_offset: BTreeMap<usize, FileId> = lint.tree.files().map(|(id, file)| (file.offset, id)).collect();
    let package = lint.package;
    for (place, element) in package.elements().iter().enumerate() {
        if element.kind.is_file_system() {
            for field in raw::members(&element.tlv).skip(2) {
                let file = by_offset.get(&field.offset).copied();
                parts(lint, place, element.kind, &field);
                if let Some(fcp) = raw::member(&field, 0xA1) {
                    raw_fcp(lint, place, file, &fcp);
                }
            }
        } else if element.kind == ElementKind::GenericFileManagement {
            let Some(lists) = raw::member(&element.tlv, 0xA1) else { continue };
            for command in raw::members(&lists).flat_map(|list| raw::members(&list).collect::<Vec<_>>()) {
                if command.tag.0 == 0x62 {
                    let file = by_offset.get(&command.offset).copied();
                    raw_fcp(lint, place, file, &command);
                }
            }
            beside_directory(lint, place, &lists);
        }
    }
}

/// The parts of a File: doNotCreate alone, one fileDescriptor in front.
fn parts(lint: &mut Lint<'_, '_>, place: usize, kind: ElementKind, field: &Tlv<'_>) {
    let tags: Vec<u32> = raw::members(field).map(|part| part.tag.0).collect();
    let do_not_create = tags.iter().position(|tag| *tag == 0x80);
    let descriptor = tags.iter().rposition(|tag| *tag == 0xA1).filter(|position| *position > 0);
    let wrong = match (do_not_create, descriptor) {
        (Some(position), _) if tags.len() > 1 => Some((position, "doNotCreate is not alone")),
        (_, Some(position)) => Some((position, "fileDescriptor is not the first part")),
        _ => None,
    };
    if let Some((position, message)) = wrong {
        let offset = raw::members(field).nth(position).map_or(field.offset, |part| part.offset);
        lint.at(Rule::FileParts, place, offset, message);
    } else if do_not_create.is_some() && kind == ElementKind::Mf {
        let message = format!("file [{}]", field.tag.number());
        lint.at(Rule::FileDoNotCreateMf, place, field.offset, message);
    }
}

fn raw_fcp(lint: &mut Lint<'_, '_>, place: usize, file: Option<FileId>, fcp: &Tlv<'_>) {
    let version = lint.tree.header().map(|header| (header.major_version, header.minor_version));
    let wants_two_octets = version == Some(TWO_OCTETS);
    let mut tell = |rule, offset, message: String| match file {
        Some(file) => lint.file_at(rule, file, offset, message),
        None => lint.at(rule, place, offset, message),
    };
    if let Some(descriptor) = raw::member(fcp, 0x82)
        && let Some(coding) = descriptor.value.get(1).filter(|coding| **coding != DATA_CODING)
    {
        let message = format!("data coding byte {coding:02X}, expected {DATA_CODING:02X}");
        tell(Rule::FileDataCoding, descriptor.offset, message);
    }
    if let Some(size) = raw::member(fcp, 0x80)
        && let [0, _, ..] = size.value
        && !(wants_two_octets && size.value.len() == 2)
    {
        tell(
            Rule::FileSizeEncoding,
            size.offset,
            format!("{}, the first is 00", raw::octets(size.value.len())),
        );
    }
    let others: Vec<Tlv<'_>> =
        raw::members(fcp).filter(|member| [0x8C, 0x8D, 0xAB].contains(&member.tag.0)).collect();
    if let Some(other) = others.first() {
        let reference = raw::member(fcp, 0x8B).is_some();
        if reference || others.len() > 1 {
            tell(Rule::AccessTwoForms, other.offset, format!("{} beside another form", other.tag));
        }
    }
}

/// createFCP stays in the directory where it is: a file that follows a new directory without a path goes beside it.
fn beside_directory(lint: &mut Lint<'_, '_>, place: usize, lists: &Tlv<'_>) {
    let mut after_directory = None;
    for command in raw::members(lists).flat_map(|list| raw::members(&list).collect::<Vec<_>>()) {
        match command.tag.0 {
            0x80 => after_directory = None,
            0x62 => {
                let descriptor = raw::member(&command, 0x82).and_then(|it| it.value.first().copied());
                let fid = raw::member(&command, 0x83).map(|fid| raw::hex(fid.value)).unwrap_or_default();
                let is_directory = descriptor.is_some_and(|byte| byte & 0xBF == 0x38);
                if is_directory {
                    after_directory = Some(fid);
                } else if let Some(directory) = after_directory.take() {
                    let message = format!("file {fid} is created beside directory {directory}");
                    lint.at(Rule::ManagementBesideDirectory, place, command.offset, message);
                }
            }
            _ => {}
        }
    }
}

fn attributes(lint: &mut Lint<'_, '_>, id: FileId, file: &File<'_>, fcp: &Fcp<'_>) {
    let is_directory = file.kind.is_directory();
    if is_directory && let Some(size) = fcp.ef_file_size {
        lint.file(Rule::FileSizeOfDirectory, id, raw::octets(size));
    }
    if !is_directory && fcp.pin_status_template.is_some() {
        lint.file(Rule::FilePinStatusOfFile, id, "C6 in the Fcp");
    }
    if file.kind != FileKind::Adf && fcp.df_name.is_some() {
        lint.file(Rule::FileAidOfOther, id, "84 in the Fcp");
    }
    match file.lcsi {
        // 01 creation, 03 initialisation, 0C to 0F terminated: nobody can use the file.
        0x04 | 0x05 => {}
        0x01 | 0x03 | 0x0C..=0x0F => {
            lint.file(Rule::FileLifeCycle, id, format!("status {:02X}: the file cannot be used", file.lcsi));
        }
        other => lint.file(Rule::FileLifeCycle, id, format!("status {other:02X} is none")),
    }
    if let Some(information) = fcp.special_information.filter(|it| it & !SPECIAL_INFORMATION != 0) {
        lint.file(Rule::FileSpecialInformation, id, format!("{information:02X}"));
    }
    if file.kind != FileKind::BerTlv
        && let Some(size) = fcp.maximum_file_size
    {
        lint.file(Rule::FileBerTlvSize, id, raw::octets(size));
    }
    let byte = fcp.file_descriptor.and_then(<[u8]>::first).copied();
    if let Some(byte) = byte.filter(|byte| byte & 0x40 == 0 && file.row.is_some()) {
        lint.file(Rule::FileNotShareable, id, format!("file descriptor byte {byte:02X}"));
    }
}

fn contents(lint: &mut Lint<'_, '_>, id: FileId, file: &File<'_>, content: &Content<'_>) {
    let Some(fcp) = &file.fcp else { return };
    let unit = match content.structure {
        Structure::LinearFixed(length) | Structure::Cyclic(length) => usize::from(length),
        Structure::Transparent => content.size,
        Structure::BerTlv => usize::MAX,
    };
    let pattern = fcp.fill_pattern.or(fcp.repeat_pattern).map_or(0, <[u8]>::len);
    // Of templates that are known by name only, the sizes are not known either.
    let is_sized = fcp.ef_file_size.is_some() || file.row.is_none_or(|row| row.kind != FileKind::Unknown);
    if pattern > unit && is_sized {
        lint.file(Rule::FilePatternTooLong, id, format!("{} for {unit}", raw::octets(pattern)));
    }
    let must_give = file.row.is_some_and(|row| row.content == DefaultContent::MustGive);
    let has_content = !content.writes.is_empty() || content.initial != Initial::Filler;
    if must_give && !has_content && content.structure != Structure::BerTlv {
        lint.file(Rule::FileContentMissing, id, format!("{} of FF", raw::octets(content.size)));
    }
}

fn short_ids(lint: &mut Lint<'_, '_>, children: &[FileId]) {
    let tree = lint.tree;
    let mut seen: BTreeMap<u8, &str> = BTreeMap::new();
    for id in children {
        let Some((file, sfi)) = tree.file(*id).and_then(|file| Some((file, file.sfi?))) else { continue };
        if let Some(other) = seen.get(&sfi) {
            lint.file(Rule::FileShortIdTwice, *id, format!("{other} has {sfi:02X} already"));
        } else {
            seen.insert(sfi, &file.name);
        }
    }
}

fn link(lint: &mut Lint<'_, '_>, id: FileId, file: &File<'_>, path: &[u16], target: Option<FileId>) {
    let tree = lint.tree;
    let text = || path.iter().map(|fid| format!("{fid:04X}")).collect::<String>();
    let Some(target) = target else {
        match tree.find(path) {
            Some(later) if later > id => {
                let name = tree.path(later);
                lint.file(Rule::LinkLater, id, format!("{} is {name}, which is created later", text()));
            }
            _ => lint.file(Rule::LinkTarget, id, format!("no file has the path {}", text())),
        }
        return;
    };
    let Some(other) = tree.file(target) else { return };
    let is_above = file.parent.is_some_and(|parent| tree.ancestors(parent).any(|above| above == target));
    let fits = match file.kind {
        FileKind::Mf | FileKind::Adf => false,
        FileKind::Df => other.kind.is_directory() && !is_above,
        kind => !other.kind.is_directory() && (kind == other.kind || kind == FileKind::Unknown),
    };
    if !fits {
        let message =
            format!("a {} leads to the {} {}", name(file.kind), name(other.kind), tree.path(target));
        lint.file(Rule::LinkKind, id, message);
    }
    let has_attributes = file.fcp.as_ref().is_some_and(|fcp| {
        fcp.ef_file_size.is_some() || fcp.fill_pattern.is_some() || fcp.repeat_pattern.is_some()
    });
    let is_filled = tree.problems().iter().any(|problem| {
        problem.file == Some(id) && matches!(problem.reason, crate::profile::image::Reason::Link)
    });
    if has_attributes || (is_filled && fits) {
        lint.file(Rule::LinkAttributes, id, "size, pattern or content beside linkPath");
    }
}

const fn name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Mf => "MF",
        FileKind::Df => "DF",
        FileKind::Adf => "ADF",
        FileKind::Transparent => "transparent file",
        FileKind::LinearFixed => "linear fixed file",
        FileKind::Cyclic => "cyclic file",
        FileKind::BerTlv => "BER-TLV file",
        FileKind::Unknown => "file",
    }
}
