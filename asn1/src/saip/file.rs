//! File system elements and GenericFileManagement: files by template or by command.

use super::{ElementKind, ProfileElement, value_offset};
use crate::oid::Oid;
use crate::tlv::{Error, ErrorKind, Reader, Tag, Tlv};

/// The largest number of parts of one file, and of commands of one list.
pub const MAX_PARTS: usize = 4096;
/// The longest file path in octets: four file identifiers.
pub const MAX_PATH: usize = 8;
/// The longest fillPattern and repeatPattern in octets.
pub const MAX_PATTERN: usize = 200;

/// The largest number of errors that a lenient reading of one element reports.
pub const MAX_ERRORS: usize = 256;

/// createFCP of GenericFileManagement ([APPLICATION 2]).
const CREATE_FCP: Tag = Tag(0x62);

/// The short file identifier as an Fcp gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortFileId {
    /// The empty form: the file has none.
    None,
    /// 1..30, given in the upper five bits.
    Number(u8),
}

/// File control parameters. Absent members leave the template's attributes as they are.
#[derive(Clone, Debug, Default)]
pub struct Fcp<'a> {
    /// Where the Fcp starts in the package.
    pub offset: usize,
    /// Tag 82: file descriptor byte, data coding byte, then the record length in two octets for record files.
    pub file_descriptor: Option<&'a [u8]>,
    /// Tag 83: the file identifier; for an ADF a temporary one, used in paths.
    pub file_id: Option<u16>,
    /// Tag 84: the AID of an ADF.
    pub df_name: Option<&'a [u8]>,
    /// Tag 8A: life cycle status.
    pub lcsi: Option<u8>,
    /// Tag 8B: a record number, or the identifier of an EF.ARR and a record number.
    pub security_attributes: Option<&'a [u8]>,
    /// Tag 80: octets of the file.
    pub ef_file_size: Option<u32>,
    /// Tag C6: the key references of a directory.
    pub pin_status_template: Option<&'a [u8]>,
    /// Tag 88.
    pub short_file_id: Option<ShortFileId>,
    /// Tag A5, C0: 80 high update activity, 40 readable and updatable when deactivated.
    pub special_information: Option<u8>,
    /// Tag A5, C1: once, then its last octet to the end.
    pub fill_pattern: Option<&'a [u8]>,
    /// Tag A5, C2: over and over.
    pub repeat_pattern: Option<&'a [u8]>,
    /// Tag A5, 86: the largest size of a BER-TLV file.
    pub maximum_file_size: Option<u32>,
    /// Tag A5, 84: details of a BER-TLV file.
    pub file_details: Option<u8>,
    /// Tag C7: the path of the file that this one is a link to; empty to take a link of the template back.
    pub link_path: Option<&'a [u8]>,
}

/// What a lenient reading could not read, at most [`MAX_ERRORS`] of it.
#[derive(Default)]
struct Errors(Vec<Error>);

impl Errors {
    fn push(&mut self, error: Error) {
        if self.0.len() < MAX_ERRORS {
            self.0.push(error);
        }
    }

    /// Keeps the error of what could not be read.
    fn note(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.push(error);
        }
    }
}

/// The strict reading: nothing, if anything could not be read.
fn strict<T>((value, errors): (T, Vec<Error>)) -> Result<T, Error> {
    errors.into_iter().next().map_or(Ok(value), Err)
}

/// One to four octets as a number, most significant first.
fn size(tlv: &Tlv<'_>, what: &'static str) -> Result<u32, Error> {
    Ok(tlv.sized(1..=4, what)?.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet)))
}

fn one(tlv: &Tlv<'_>, what: &'static str) -> Result<u8, Error> {
    tlv.array::<1>(what).map(|[octet]| *octet)
}

fn path<'a>(tlv: &Tlv<'a>, what: &'static str) -> Result<&'a [u8], Error> {
    let path = tlv.sized(0..=MAX_PATH, what)?;
    if path.len().is_multiple_of(2) { Ok(path) } else { Err(tlv.error(ErrorKind::Value, what)) }
}

/// Stores a member that may occur once.
fn set<T>(place: &mut Option<T>, value: T, tlv: &Tlv<'_>, what: &'static str) -> Result<(), Error> {
    if place.replace(value).is_some() { Err(tlv.error(ErrorKind::Value, what)) } else { Ok(()) }
}

fn short_file_id(tlv: &Tlv<'_>) -> Result<ShortFileId, Error> {
    match tlv.value {
        [] => Ok(ShortFileId::None),
        [octet] if octet & 7 == 0 && matches!(octet >> 3, 1..=30) => Ok(ShortFileId::Number(octet >> 3)),
        _ => Err(tlv.error(ErrorKind::Value, WHAT)),
    }
}

/// What errors about [`Fcp`] are about.
const WHAT: &str = "Fcp";

impl<'a> Fcp<'a> {
    fn read(tlv: &Tlv<'a>, errors: &mut Errors) -> Self {
        let mut fcp = Self { offset: tlv.offset, ..Self::default() };
        let mut members = tlv.members(WHAT);
        while !members.is_empty() {
            match members.read() {
                Ok(tlv) => fcp.member(&tlv, errors),
                Err(error) => {
                    errors.push(error);
                    break;
                }
            }
        }
        fcp
    }

    fn member(&mut self, tlv: &Tlv<'a>, errors: &mut Errors) {
        let result = match tlv.tag.0 {
            0x82 => self.descriptor(tlv),
            0x83 => tlv.array(WHAT).and_then(|id| set(&mut self.file_id, u16::from_be_bytes(*id), tlv, WHAT)),
            0x84 => tlv.sized(5..=16, WHAT).and_then(|aid| set(&mut self.df_name, aid, tlv, WHAT)),
            0x8A => one(tlv, WHAT).and_then(|status| set(&mut self.lcsi, status, tlv, WHAT)),
            0x8B if !matches!(tlv.value.len(), 1 | 3) => Err(tlv.error(ErrorKind::Value, WHAT)),
            0x8B => set(&mut self.security_attributes, tlv.value, tlv, WHAT),
            0x80 => size(tlv, WHAT).and_then(|size| set(&mut self.ef_file_size, size, tlv, WHAT)),
            0xC6 => {
                tlv.sized(1..=64, WHAT).and_then(|keys| set(&mut self.pin_status_template, keys, tlv, WHAT))
            }
            0x88 => short_file_id(tlv).and_then(|id| set(&mut self.short_file_id, id, tlv, WHAT)),
            0xA5 => {
                self.proprietary(tlv.members("proprietaryEFInfo"), errors);
                Ok(())
            }
            0xC7 => path(tlv, WHAT).and_then(|path| set(&mut self.link_path, path, tlv, WHAT)),
            _ => Ok(()),
        };
        errors.note(result);
    }

    fn descriptor(&mut self, tlv: &Tlv<'a>) -> Result<(), Error> {
        let descriptor = tlv.sized(2..=4, WHAT)?;
        if descriptor.len() == 3 {
            return Err(tlv.error(ErrorKind::Value, WHAT));
        }
        set(&mut self.file_descriptor, descriptor, tlv, WHAT)
    }

    fn proprietary(&mut self, mut members: Reader<'a>, errors: &mut Errors) {
        let what = members.what();
        while !members.is_empty() {
            let tlv = match members.read() {
                Ok(tlv) => tlv,
                Err(error) => return errors.push(error),
            };
            let result = match tlv.tag.0 {
                0xC0 => {
                    one(&tlv, what).and_then(|octet| set(&mut self.special_information, octet, &tlv, what))
                }
                0xC1 => tlv
                    .sized(1..=MAX_PATTERN, what)
                    .and_then(|pattern| set(&mut self.fill_pattern, pattern, &tlv, what)),
                0xC2 => tlv
                    .sized(1..=MAX_PATTERN, what)
                    .and_then(|pattern| set(&mut self.repeat_pattern, pattern, &tlv, what)),
                0x86 => size(&tlv, what).and_then(|size| set(&mut self.maximum_file_size, size, &tlv, what)),
                0x84 => one(&tlv, what).and_then(|octet| set(&mut self.file_details, octet, &tlv, what)),
                _ => Ok(()),
            };
            errors.note(result);
        }
        if self.fill_pattern.is_some() && self.repeat_pattern.is_some() {
            errors.push(members.error(ErrorKind::Value));
        }
    }
}

/// Octets to write into a file or to send to an application, and where they stand in the package.
#[derive(Clone, Copy)]
pub struct Fill<'a> {
    /// The octets.
    pub octets: &'a [u8],
    /// Where they start in the package.
    pub offset: usize,
}

/// A part of the File type.
pub enum FileElement<'a> {
    /// The file of a template that is created by default is not wanted.
    DoNotCreate,
    /// Attributes that differ from the template's.
    Descriptor(Fcp<'a>),
    /// Octets to skip, from the end of what was written last.
    FillOffset(u16),
    /// Octets to write.
    FillContent(Fill<'a>),
    /// A part that this version does not know.
    Unknown(Tlv<'a>),
}

/// One field of a file system element: the parts of one file.
pub struct FileField<'a> {
    /// The number of the field in the element's type: its context tag.
    pub number: u32,
    /// Where the field starts in the package.
    pub offset: usize,
    /// Its parts in order; none for a file with the attributes of the template.
    pub parts: Vec<FileElement<'a>>,
}

impl<'a> FileField<'a> {
    /// The attributes that differ from the template's.
    #[must_use]
    pub fn descriptor(&self) -> Option<&Fcp<'a>> {
        self.parts.iter().find_map(|part| match part {
            FileElement::Descriptor(fcp) => Some(fcp),
            _ => None,
        })
    }

    fn read(tlv: &Tlv<'a>, errors: &mut Errors) -> Self {
        const WHAT: &str = "File";
        let mut members = tlv.members(WHAT);
        let mut parts: Vec<FileElement<'a>> = Vec::new();
        while !members.is_empty() {
            let part = match members.read() {
                Ok(part) if parts.len() < MAX_PARTS => part,
                Ok(part) => {
                    errors.push(part.error(ErrorKind::Value, WHAT));
                    break;
                }
                Err(error) => {
                    errors.push(error);
                    break;
                }
            };
            let read = match part.tag.0 {
                0x80 if parts.is_empty() && members.is_empty() && part.value.is_empty() => {
                    Ok(FileElement::DoNotCreate)
                }
                0xA1 if parts.is_empty() => Ok(FileElement::Descriptor(Fcp::read(&part, errors))),
                0x80 | 0xA1 => Err(part.error(ErrorKind::Value, WHAT)),
                0x82 => offset(&part, WHAT).map(FileElement::FillOffset),
                0x83 => Ok(FileElement::FillContent(fill(&part))),
                _ => Ok(FileElement::Unknown(part)),
            };
            match read {
                Ok(read) => parts.push(read),
                Err(error) => errors.push(error),
            }
        }
        Self { number: tlv.tag.number(), offset: tlv.offset, parts }
    }
}

fn offset(tlv: &Tlv<'_>, what: &'static str) -> Result<u16, Error> {
    u16::try_from(tlv.unsigned(what)?).map_err(|_| tlv.error(ErrorKind::Value, what))
}

const fn fill<'a>(tlv: &Tlv<'a>) -> Fill<'a> {
    Fill { octets: tlv.value, offset: value_offset(tlv) }
}

/// The form that all file system elements share.
pub struct FileSystemElement<'a> {
    /// The identifier of the template.
    pub template: Oid,
    /// Where the identifier stands in the package.
    pub template_offset: usize,
    /// The files that are given, in order.
    pub fields: Vec<FileField<'a>>,
}

/// One command of GenericFileManagement.
pub enum FileManagementCommand<'a> {
    /// Goes to a directory or file by its path from the MF, which is not written; empty for the MF itself.
    Path(&'a [u8]),
    /// Creates a file in the current directory; what is filled next goes there.
    Create(Box<Fcp<'a>>),
    /// Octets to skip.
    FillOffset(u16),
    /// Octets to write.
    FillContent(Fill<'a>),
    /// A command that this version does not know.
    Unknown(Tlv<'a>),
}

/// The command lists of a GenericFileManagement element; every command with its offset in the package.
pub struct GenericFileManagement<'a> {
    /// The lists in order.
    pub lists: Vec<Vec<(usize, FileManagementCommand<'a>)>>,
}

impl<'a> ProfileElement<'a> {
    /// The element as file system element.
    ///
    /// # Errors
    /// [`Error`] for another element, and for files whose parts do not follow the rules of the File type: doNotCreate
    /// alone, one Fcp in front.
    pub fn file_system(&self) -> Result<FileSystemElement<'a>, Error> {
        strict(self.file_system_leniently()?)
    }

    /// As [`ProfileElement::file_system`], but leaves out what cannot be read: a part of a file, a member of an Fcp.
    /// The errors, in the order of the octets, say what that was; there are at most [`MAX_ERRORS`].
    ///
    /// # Errors
    /// [`Error`] for another element, and for one without template identifier.
    pub fn file_system_leniently(&self) -> Result<(FileSystemElement<'a>, Vec<Error>), Error> {
        let mut body = self.body()?;
        if !self.kind.is_file_system() {
            return Err(self.tlv.error(ErrorKind::Choice { found: self.tlv.tag }, "file system element"));
        }
        let template = body.expect(Tag::context(1))?;
        let oid = Oid::from_content(template.value).ok_or(template.error(ErrorKind::Value, "templateID"))?;
        let mut fields: Vec<FileField<'a>> = Vec::new();
        let mut errors = Errors::default();
        while !body.is_empty() {
            let tlv = body.read()?;
            // The number alone does not make a field: [APPLICATION 3] is not [3].
            if tlv.tag != Tag::context_constructed(tlv.tag.number()) {
                errors.push(tlv.error(ErrorKind::Value, body.what()));
                continue;
            }
            let field = FileField::read(&tlv, &mut errors);
            // Fields stand in the order of their numbers, each at most once.
            if fields.last().is_some_and(|last| last.number >= field.number) {
                errors.push(tlv.error(ErrorKind::Value, body.what()));
            }
            fields.push(field);
        }
        let element = FileSystemElement { template: oid, template_offset: template.offset, fields };
        Ok((element, errors.0))
    }

    /// The element as GenericFileManagement.
    ///
    /// # Errors
    /// [`Error`] for another element and for commands with values that are not allowed.
    pub fn generic_file_management(&self) -> Result<GenericFileManagement<'a>, Error> {
        strict(self.generic_file_management_leniently()?)
    }

    /// As [`ProfileElement::generic_file_management`], but leaves out what cannot be read: a command, a member of an
    /// Fcp. The errors, in the order of the octets, say what that was; there are at most [`MAX_ERRORS`].
    ///
    /// # Errors
    /// [`Error`] for another element, and for one without a list of command lists.
    pub fn generic_file_management_leniently(
        &self,
    ) -> Result<(GenericFileManagement<'a>, Vec<Error>), Error> {
        const WHAT: &str = "FileManagement";
        self.must_be(ElementKind::GenericFileManagement)?;
        let mut body = self.body()?;
        let mut outer = body.expect(Tag::context_constructed(1))?.members(WHAT);
        body.extensions()?;
        let mut lists = Vec::new();
        let mut errors = Errors::default();
        let mut count = 0;
        while !outer.is_empty() {
            let mut members = outer.expect(Tag::SEQUENCE)?.members(WHAT);
            let mut commands = Vec::new();
            while !members.is_empty() {
                let tlv = members.read()?;
                count += 1;
                if count > MAX_PARTS {
                    return Err(tlv.error(ErrorKind::Value, WHAT));
                }
                match command(&tlv, &mut errors) {
                    Ok(command) => commands.push((tlv.offset, command)),
                    Err(error) => errors.push(error),
                }
            }
            lists.push(commands);
        }
        Ok((GenericFileManagement { lists }, errors.0))
    }
}

fn command<'a>(tlv: &Tlv<'a>, errors: &mut Errors) -> Result<FileManagementCommand<'a>, Error> {
    const WHAT: &str = "FileManagement";
    Ok(match tlv.tag {
        Tag(0x80) => FileManagementCommand::Path(path(tlv, WHAT)?),
        CREATE_FCP => FileManagementCommand::Create(Box::new(Fcp::read(tlv, errors))),
        Tag(0x81) => FileManagementCommand::FillContent(fill(tlv)),
        Tag::INTEGER => FileManagementCommand::FillOffset(offset(tlv, WHAT)?),
        _ => FileManagementCommand::Unknown(*tlv),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saip::Package;
    use crate::tlv::Writer;

    fn usim(field: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nested(Tag(0xB3), |w| {
            w.nested(Tag(0xA0), |w| {
                w.integer(Tag(0x81), 3);
            });
            w.tlv(Tag(0x81), &[0x67, 0x81, 0x0F, 0x01, 0x02, 0x04]);
            w.tlv(Tag(0xA3), field);
        });
        writer.finish()
    }

    #[test]
    fn the_file_of_the_reference_is_read() {
        let field = [
            0xA1, 0x0E, 0x82, 0x02, 0x41, 0x21, 0x83, 0x02, 0x6F, 0x07, 0x8B, 0x01, 0x02, 0x80, 0x01, 0x09,
            0x82, 0x01, 0x03, 0x83, 0x01, 0x01,
        ];
        let octets = usim(&field);
        let package = Package::from_der(&octets).unwrap();
        let files = package.elements()[0].file_system().unwrap();
        assert_eq!(files.template.to_string(), "2.23.143.1.2.4");
        let [file] = files.fields.as_slice() else { panic!("one file") };
        let fcp = file.descriptor().unwrap();
        assert_eq!((file.number, fcp.file_id, fcp.ef_file_size), (3, Some(0x6F07), Some(9)));
        assert_eq!((fcp.file_descriptor, fcp.security_attributes), (Some(&[0x41, 0x21][..]), Some(&[2][..])));
        let [_, FileElement::FillOffset(3), FileElement::FillContent(content)] = file.parts.as_slice() else {
            panic!("an offset and content")
        };
        assert_eq!(octets[content.offset], 1);
    }

    #[test]
    fn a_field_is_a_constructed_context_tag() {
        for (lead, fits) in [(0xA3, true), (0x83, false), (0x63, false), (0xE3, false), (0x23, false)] {
            let mut octets = usim(&[]);
            let at = octets.len() - 2;
            octets[at] = lead;
            // Some of them are not DER at all.
            let read = Package::from_der(&octets)
                .and_then(|package| package.elements()[0].file_system().map(|files| files.fields.len()));
            assert_eq!(read.ok(), if fits { Some(1) } else { None }, "{lead:02X}");
        }
    }

    #[test]
    fn parts_that_break_the_rules_of_a_file_are_refused() {
        for field in [
            &[0x80, 0x00, 0x83, 0x01, 0x00][..],
            &[0x83, 0x01, 0x00, 0x80, 0x00],
            &[0x83, 0x01, 0x00, 0xA1, 0x00],
            &[0xA1, 0x00, 0xA1, 0x00],
            &[0x82, 0x03, 0x01, 0x00, 0x00],
            &[0xA1, 0x03, 0x82, 0x01, 0x41],
            &[0xA1, 0x03, 0x83, 0x01, 0x41],
            &[0xA1, 0x03, 0x88, 0x01, 0xFF],
            &[0xA1, 0x04, 0x8B, 0x02, 0x6F, 0x06],
            &[0xA1, 0x06, 0x80, 0x01, 0x01, 0x80, 0x01, 0x01],
            &[0xA1, 0x08, 0xA5, 0x06, 0xC1, 0x01, 0x00, 0xC2, 0x01, 0x00],
        ] {
            let octets = usim(field);
            let package = Package::from_der(&octets).unwrap();
            assert!(package.elements()[0].file_system().is_err(), "{field:02X?}");
        }
    }

    #[test]
    fn unknown_parts_and_attributes_survive() {
        let octets = usim(&[0xA1, 0x03, 0x9A, 0x01, 0x05, 0x8F, 0x01, 0x00]);
        let package = Package::from_der(&octets).unwrap();
        let files = package.elements()[0].file_system().unwrap();
        assert!(matches!(
            files.fields[0].parts.as_slice(),
            [FileElement::Descriptor(_), FileElement::Unknown(tlv)] if tlv.tag == Tag(0x8F)
        ));
        assert_eq!(package.to_der(), octets);
    }

    #[test]
    fn the_command_list_of_the_reference_is_read() {
        let mut writer = Writer::new();
        writer.nested(Tag(0xA1), |w| {
            w.nested(Tag(0xA0), |w| {
                w.integer(Tag(0x81), 3);
            });
            w.nested(Tag(0xA1), |w| {
                w.nested(Tag::SEQUENCE, |w| {
                    w.tlv(Tag(0x80), &[0x7F, 0x10]);
                    w.tlv(Tag(0x62), &[0x83, 0x02, 0x6F, 0x01]);
                    w.integer(Tag::INTEGER, 1).tlv(Tag(0x81), &[1]);
                });
            });
        });
        let octets = writer.finish();
        let package = Package::from_der(&octets).unwrap();
        let management = package.elements()[0].generic_file_management().unwrap();
        let [list] = management.lists.as_slice() else { panic!("one list") };
        assert!(matches!(
            list.as_slice(),
            [
                (_, FileManagementCommand::Path([0x7F, 0x10])),
                (_, FileManagementCommand::Create(fcp)),
                (_, FileManagementCommand::FillOffset(1)),
                (_, FileManagementCommand::FillContent(Fill { octets: [1], .. })),
            ] if fcp.file_id == Some(0x6F01)
        ));
    }
}
