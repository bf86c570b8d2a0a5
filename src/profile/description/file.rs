//! Files: attributes and contents, from templates and from commands of GenericFileManagement.
//!
//! A file's octets are written as a run of fillFileContent with fillFileOffset between them, offsets counting from the
//! end of the content before (5.1). A description names the content alone, or the records, and the offsets follow from
//! them: a record may become longer or shorter, and its neighbours stay where they are.

use simyard_asn1::saip::ElementKind;
use simyard_asn1::{Reader, Tag, Tlv, Writer};
use toml::{Table, Value};

use super::error::Problem;
use super::grammar::{FCP, Form, Member};
use super::leaf::{array_of, digits, integer_of, octets_of, text, text_of};
use super::structure::{self, from_hexadecimal, hexadecimal, table_of};
use super::{Context, multi_imsi};
use crate::profile::templates::Template;
use crate::profile::{cap, content};

const NAME: &str = "name";
const CREATE: &str = "create";
const FCP_NAME: &str = "fcp";
const PATH: &str = "path";
const NEW_LIST: &str = "new_list";
/// The content of a file without records, written at once from its start.
const CONTENT: &str = "content";
/// The records of a file, from the first; `{}` for one that is left as it is.
const RECORDS: &str = "records";
/// How records are written.
const LAYOUT: &str = "layout";
/// Any other way of writing: offsets and contents one by one.
const PARTS: &str = "parts";
const SKIP: &str = "skip";
const FILL: &str = "fill";
/// A file's field that the template does not know: its number in brackets.
const BRACKETS: [char; 2] = ['[', ']'];

/// createFCP of GenericFileManagement.
const CREATE_FCP: u32 = 0x62;
/// filePath of GenericFileManagement.
const FILE_PATH: u32 = 0x80;
/// The member of a file, and of a command, that holds attributes.
const FCP_OF_FILE: Member = Member { name: FCP_NAME, tag: 0xA1, form: Form::Record(FCP) };
const FCP_OF_COMMAND: Member = Member { name: FCP_NAME, tag: CREATE_FCP, form: Form::Record(FCP) };
const PATH_OF_COMMAND: Member = Member { name: PATH, tag: FILE_PATH, form: Form::Path };

/// The tags of fillFileOffset and fillFileContent.
#[derive(Clone, Copy)]
struct FillTags {
    skip: u32,
    fill: u32,
}

const IN_FILE: FillTags = FillTags { skip: 0x82, fill: 0x83 };
const IN_COMMANDS: FillTags = FillTags { skip: 0x02, fill: 0x81 };

/// How the records of a file are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// One fillFileContent each, offsets where they are needed.
    Each,
    /// The same with an offset before each but the first, also of nothing.
    ExplicitOffsets,
    /// As the first, but records that touch share one fillFileContent.
    Merged,
    /// One fillFileContent for all, records but the last filled up with FF.
    Joined,
}

const LAYOUTS: [(Layout, &str); 4] = [
    (Layout::Each, "each"),
    (Layout::ExplicitOffsets, "explicit-offsets"),
    (Layout::Merged, "merged"),
    (Layout::Joined, "joined"),
];

/// The file that contents are for.
#[derive(Clone, Copy, Default)]
pub(super) struct Subject<'s> {
    /// The element whose tables name it, and its name there.
    pub named: Option<(ElementKind, &'s str)>,
    /// Octets of a record.
    pub record: Option<usize>,
}

/// One instruction of the run that fills a file.
enum Part<'a> {
    Skip(u64),
    Fill(&'a [u8]),
}

impl Subject<'_> {
    fn value(&self, octets: &[u8]) -> Value {
        let decoded = self.named.and_then(|(kind, name)| match self.record {
            Some(length) => content::decode_record(kind, name, octets, length),
            None => content::decode(kind, name, octets),
        });
        decoded.or_else(|| multi_imsi::read_content(octets)).unwrap_or_else(|| hexadecimal(octets))
    }

    fn octets(&self, value: &Value) -> Result<Vec<u8>, Problem> {
        if let Some(octets) = from_hexadecimal(value) {
            return octets;
        }
        if let Some(octets) = multi_imsi::write_content(value) {
            return octets;
        }
        let Some((kind, name)) = self.named else {
            return Err(Problem::Spelling("{ hex = \"…\" }, for the file is not known by name"));
        };
        Ok(match self.record {
            Some(length) => content::encode_record(kind, name, value, length)?,
            None => content::encode(kind, name, value)?,
        })
    }
}

/// The record length that attributes give; `None` where they give none.
fn record_length(fcp: Option<&Value>) -> Option<usize> {
    let descriptor = fcp?.as_table()?.get("descriptor")?.as_str()?;
    descriptor.split('/').find_map(|part| part.parse().ok())
}

/// The files of a file system element.
pub(super) fn read_files(mut reader: Reader<'_>, context: &Context<'_>) -> Option<Value> {
    let mut files = Vec::new();
    while !reader.is_empty() {
        let tlv = reader.read().ok()?;
        if tlv.tag != Tag::context_constructed(tlv.tag.number()) {
            return None;
        }
        files.push(Value::Table(read_file(&tlv, context)?));
    }
    Some(Value::Array(files))
}

fn read_file(tlv: &Tlv<'_>, context: &Context<'_>) -> Option<Table> {
    let row = context.template.as_ref().and_then(|template| template.row(tlv.tag.number()));
    let name = row.map_or_else(|| format!("[{}]", tlv.tag.number()), |row| row.name.to_owned());
    let mut table = Table::new();
    table.insert(NAME.to_owned(), text(name.as_str()));
    let mut reader = tlv.members("");
    if tlv.value == [0x80, 0x00] {
        table.insert(CREATE.to_owned(), Value::Boolean(false));
        return Some(table);
    }
    let kind = context.template.as_ref().map(|template| template.kind);
    let mut subject = Subject {
        named: kind.zip(row.map(|row| row.name)),
        record: row.and_then(|row| row.record_length).map(usize::from),
    };
    if let Some(fcp) = reader.optional(Tag(FCP_OF_FILE.tag)).ok()? {
        let fcp = structure::read(&FCP_OF_FILE, &fcp, &context.with(subject));
        subject.record = record_length(Some(&fcp)).or(subject.record);
        table.insert(FCP_NAME.to_owned(), fcp);
    }
    let parts = read_parts(&mut reader, IN_FILE)?;
    reader.finish().ok()?;
    describe_parts(&parts, subject, IN_FILE, &mut table)?;
    Some(table)
}

/// The run of fills that comes next.
fn read_parts<'a>(reader: &mut Reader<'a>, tags: FillTags) -> Option<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    while let Some(tag) = reader.peek().filter(|tag| [tags.skip, tags.fill].contains(&tag.0)) {
        let tlv = reader.read().ok()?;
        parts.push(if tag.0 == tags.fill {
            Part::Fill(tlv.value)
        } else {
            Part::Skip(u64::from(tlv.unsigned("fillFileOffset").ok()?))
        });
    }
    Some(parts)
}

/// Puts a run of fills into words, by the simplest way that gives the same run again.
fn describe_parts(parts: &[Part<'_>], subject: Subject<'_>, tags: FillTags, table: &mut Table) -> Option<()> {
    if parts.is_empty() {
        return Some(());
    }
    let mut wanted = Writer::new();
    for part in parts {
        match part {
            Part::Skip(octets) => wanted.integer(Tag(tags.skip), i64::try_from(*octets).ok()?),
            Part::Fill(octets) => wanted.tlv(Tag(tags.fill), octets),
        };
    }
    let wanted = wanted.finish();
    let ways = [
        way_of_content(parts, subject),
        way_of_records(parts, subject),
        way_of_joined_records(parts, subject),
    ];
    for way in ways.into_iter().flatten() {
        for (_, layout) in LAYOUTS {
            let mut attempt = way.clone();
            if attempt.contains_key(RECORDS) && layout != LAYOUTS[0].1 {
                attempt.insert(LAYOUT.to_owned(), text(layout));
            }
            let mut writer = Writer::new();
            if write_parts(&attempt, subject, tags, &mut writer).is_ok() && writer.finish() == wanted {
                table.extend(attempt);
                return Some(());
            }
        }
    }
    let part = |part: &Part<'_>| {
        let (name, value) = match part {
            Part::Skip(octets) => (SKIP, Value::Integer(i64::try_from(*octets).ok()?)),
            Part::Fill(octets) => (FILL, digits(octets)),
        };
        Some(Value::Table(Table::from_iter([(name.to_owned(), value)])))
    };
    let parts: Option<Vec<Value>> = parts.iter().map(part).collect();
    table.insert(PARTS.to_owned(), Value::Array(parts?));
    Some(())
}

fn way_of_content(parts: &[Part<'_>], subject: Subject<'_>) -> Option<Table> {
    let ([Part::Fill(octets)], None) = (parts, subject.record) else { return None };
    Some(Table::from_iter([(CONTENT.to_owned(), subject.value(octets))]))
}

/// Every part begins a record; one that is longer goes on in the next.
fn way_of_records(parts: &[Part<'_>], subject: Subject<'_>) -> Option<Table> {
    let length = subject.record.filter(|length| *length > 0)?;
    let mut records: Vec<Value> = Vec::new();
    let mut at = 0_usize;
    for part in parts {
        match part {
            Part::Skip(octets) => at = at.checked_add(usize::try_from(*octets).ok()?)?,
            Part::Fill(octets) => {
                let number = at / length;
                let end = number.checked_add(octets.len().div_ceil(length))?;
                if !at.is_multiple_of(length) || number < records.len() || end > MAX_RECORDS {
                    return None;
                }
                records.resize(number, Value::Table(Table::new()));
                records.extend(octets.chunks(length).map(|record| subject.value(record)));
                at = at.checked_add(octets.len())?;
            }
        }
    }
    Some(Table::from_iter([(RECORDS.to_owned(), Value::Array(records))]))
}

/// One content holds all records; those that are shorter are filled up with FF, the last may end where it ends.
fn way_of_joined_records(parts: &[Part<'_>], subject: Subject<'_>) -> Option<Table> {
    let ([Part::Fill(octets)], Some(length)) = (parts, subject.record.filter(|length| *length > 0)) else {
        return None;
    };
    let short = |record: &[u8]| record.iter().rposition(|octet| *octet != 0xFF).map_or(0, |last| last + 1);
    let record = |record: &[u8]| {
        let trimmed = subject.value(record.get(..short(record)).unwrap_or(record));
        // What can be read only with its filler keeps it.
        if from_hexadecimal(&trimmed).is_some() { subject.value(record) } else { trimmed }
    };
    let last = octets.len().checked_sub(1)? / length;
    let records: Vec<Value> = octets
        .chunks(length)
        .enumerate()
        .map(|(number, octets)| if number == last { subject.value(octets) } else { record(octets) })
        .collect();
    (records.len() <= MAX_RECORDS).then(|| Table::from_iter([(RECORDS.to_owned(), Value::Array(records))]))
}

/// Record numbers are one octet, 1 to 254 (TS 102 221 8.2.2.2).
const MAX_RECORDS: usize = 254;

/// Writes the run of fills that a table describes.
fn write_parts(
    table: &Table,
    subject: Subject<'_>,
    tags: FillTags,
    writer: &mut Writer,
) -> Result<(), Problem> {
    let given: Vec<&str> =
        [CONTENT, RECORDS, PARTS].into_iter().filter(|name| table.contains_key(*name)).collect();
    if let [first, second, ..] = given.as_slice() {
        return Err(Problem::Value(format!("{first} and {second} exclude each other")));
    }
    if let Some(value) = table.get(CONTENT) {
        let octets = subject.octets(value).map_err(|problem| problem.under(CONTENT))?;
        writer.tlv(Tag(tags.fill), &octets);
    }
    if let Some(records) = table.get(RECORDS) {
        write_records(records, table.get(LAYOUT), subject, tags, writer)?;
    }
    if let Some(parts) = table.get(PARTS) {
        for part in array_of(parts).map_err(|problem| problem.under(PARTS))? {
            write_part(part, tags, writer).map_err(|problem| problem.under(PARTS))?;
        }
    }
    Ok(())
}

fn write_part(part: &Value, tags: FillTags, writer: &mut Writer) -> Result<(), Problem> {
    let mut entries = table_of(part)?.iter();
    match (entries.next(), entries.next()) {
        (Some((name, octets)), None) if name == FILL => writer.tlv(Tag(tags.fill), &octets_of(octets)?),
        (Some((name, octets)), None) if name == SKIP => writer.integer(Tag(tags.skip), integer_of(octets)?),
        _ => return Err(Problem::Value(format!("{{ {SKIP} = octets }} or {{ {FILL} = \"…\" }} expected"))),
    };
    Ok(())
}

fn write_records(
    records: &Value,
    layout: Option<&Value>,
    subject: Subject<'_>,
    tags: FillTags,
    writer: &mut Writer,
) -> Result<(), Problem> {
    let all = || Problem::one_of(LAYOUTS.map(|(_, name)| name).join(", ")).under(LAYOUT);
    let layout = match layout {
        None => Layout::Each,
        Some(name) => {
            let name = text_of(name).map_err(|problem| problem.under(LAYOUT))?;
            LAYOUTS.iter().find(|(_, known)| *known == name).ok_or_else(all)?.0
        }
    };
    let length = subject.record.ok_or_else(|| {
        Problem::Value("the file has no records; give its content".to_owned()).under(RECORDS)
    })?;
    let mut cursor = 0_usize;
    // What goes into one fillFileContent.
    let mut fill: Vec<u8> = Vec::new();
    for (number, record) in array_of(records).map_err(|problem| problem.under(RECORDS))?.iter().enumerate() {
        let place = || format!("record {}", number + 1);
        if number >= MAX_RECORDS {
            return Err(Problem::Value(format!("a file has at most {MAX_RECORDS} records")).under(place()));
        }
        let is_left = record.as_table().is_some_and(Table::is_empty);
        if is_left && layout != Layout::Joined {
            continue;
        }
        let octets = subject.octets(record).map_err(|problem| problem.under(place()))?;
        if octets.len() > length {
            let problem = Problem::Value(format!("{} octets, and records have {length}", octets.len()));
            return Err(problem.under(place()));
        }
        let start = number.saturating_mul(length);
        let skip = start.saturating_sub(cursor);
        match layout {
            Layout::Joined => fill.resize(start, 0xFF),
            Layout::Merged if skip == 0 => {}
            Layout::Each | Layout::ExplicitOffsets | Layout::Merged => {
                if !fill.is_empty() {
                    writer.tlv(Tag(tags.fill), &core::mem::take(&mut fill));
                }
                if skip > 0 || (layout == Layout::ExplicitOffsets && number > 0) {
                    writer.integer(Tag(tags.skip), i64::try_from(skip).unwrap_or(i64::MAX));
                }
            }
        }
        cursor = start + octets.len();
        fill.extend(octets);
    }
    if !fill.is_empty() {
        writer.tlv(Tag(tags.fill), &fill);
    }
    Ok(())
}

/// Writes the files of a file system element.
pub(super) fn write_files(value: &Value, context: &Context<'_>, writer: &mut Writer) -> Result<(), Problem> {
    for file in array_of(value)? {
        let table = table_of(file)?;
        let name = table.get(NAME).ok_or(Problem::Missing(NAME)).and_then(text_of)?;
        write_file(name, table, context, writer)
            .and_then(|()| structure::within_package(writer))
            .map_err(|problem| problem.under(name))?;
    }
    Ok(())
}

fn write_file(name: &str, table: &Table, context: &Context<'_>, writer: &mut Writer) -> Result<(), Problem> {
    const KNOWN: [&str; 7] = [NAME, CREATE, FCP_NAME, CONTENT, RECORDS, LAYOUT, PARTS];
    refuse_unknown(table, &KNOWN)?;
    let template = context.template.as_ref();
    let row = template.and_then(|template| template.rows().find(|row| row.name == name));
    let number = name.strip_prefix(BRACKETS[0]).and_then(|name| name.strip_suffix(BRACKETS[1]));
    let number = row.map(|row| row.field).or(number.and_then(|number| number.parse().ok()));
    let number = number.filter(|number| *number < 1 << 14).ok_or_else(|| unknown_file(template))?;
    let mut subject = Subject {
        named: template.map(|template| template.kind).zip(row.map(|row| row.name)),
        record: row.and_then(|row| row.record_length).map(usize::from),
    };
    let mut parts = Writer::new();
    match table.get(CREATE) {
        Some(Value::Boolean(false)) if table.len() == 2 => {
            parts.tlv(Tag(0x80), &[]);
        }
        None => {}
        Some(_) => {
            let problem = "false expected, without anything else; leave it out for a file that is created";
            return Err(Problem::Value(problem.to_owned()).under(CREATE));
        }
    }
    if let Some(fcp) = table.get(FCP_NAME) {
        structure::write(&FCP_OF_FILE, fcp, &context.with(subject), &mut parts)
            .map_err(|problem| problem.under(FCP_NAME))?;
        subject.record = record_length(Some(fcp)).or(subject.record);
    }
    write_parts(table, subject, IN_FILE, &mut parts)?;
    writer.tlv(Tag::context_constructed(number), &parts.finish());
    Ok(())
}

fn unknown_file(template: Option<&Template>) -> Problem {
    let names: Vec<&str> = template.into_iter().flat_map(Template::rows).map(|row| row.name).collect();
    Problem::Value(format!("the template has no such file; it has {}", names.join(", ")))
}

fn refuse_unknown(table: &Table, known: &[&str]) -> Result<(), Problem> {
    match table.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Problem::unknown(name, known)),
        None => Ok(()),
    }
}

/// Where commands of file management stand.
#[derive(Default)]
struct Position {
    directory: Vec<u16>,
    /// The file that is filled next: its path and, if a command created it, its record length.
    file: Vec<u16>,
    record: Option<usize>,
}

impl Position {
    fn go(&mut self, path: &[u16], context: &Context<'_>) {
        self.file = path.to_vec();
        self.record = context.named(path).and_then(|(_, row)| row.record_length).map(usize::from);
        // A path to a file of a template selects the directory around it.
        let is_file = context.named(path).is_some_and(|(_, row)| !row.kind.is_directory());
        self.directory = if is_file {
            path.split_last().map_or_else(Vec::new, |(_, rest)| rest.to_vec())
        } else {
            path.to_vec()
        };
    }

    /// A command creates a file with these attributes.
    fn create(&mut self, fcp: &Value) {
        let fid = fcp.as_table().and_then(|fcp| fcp.get("fileID")).and_then(Value::as_str);
        let fid = fid.and_then(|fid| u16::from_str_radix(fid, 16).ok());
        self.file = self.directory.iter().copied().chain(fid).collect();
        self.record = record_length(Some(fcp));
    }

    fn subject(&self, context: &Context<'_>) -> Subject<'static> {
        let named = context.named(&self.file).map(|(kind, row)| (kind, row.name));
        Subject { named, record: self.record }
    }
}

fn fids(path: &[u8]) -> Vec<u16> {
    path.as_chunks::<2>().0.iter().map(|fid| u16::from_be_bytes(*fid)).collect()
}

/// The commands of GenericFileManagement: where to go, what to create, what to write into it, in one table.
pub(super) fn read_commands(tlv: &Tlv<'_>, context: &Context<'_>) -> Option<Value> {
    let mut lists = tlv.members("");
    let mut commands: Vec<Value> = Vec::new();
    let mut position = Position::default();
    while !lists.is_empty() {
        let mut reader = lists.expect(Tag::SEQUENCE).ok()?.members("");
        let mut is_new = !commands.is_empty();
        while !reader.is_empty() {
            let mut table = Table::new();
            if core::mem::take(&mut is_new) {
                table.insert(NEW_LIST.to_owned(), Value::Boolean(true));
            }
            if let Some(path) = reader.optional(Tag(FILE_PATH)).ok()? {
                table.insert(PATH.to_owned(), structure::read(&PATH_OF_COMMAND, &path, context));
                position.go(&fids(path.value), context);
            }
            if let Some(fcp) = reader.optional(Tag(CREATE_FCP)).ok()? {
                // The name of the file is in the attributes, which may hold a pattern of its content.
                let mut at = Position { directory: position.directory.clone(), ..Position::default() };
                let plain = structure::read(&FCP_OF_COMMAND, &fcp, context);
                at.create(&plain);
                let fcp = structure::read(&FCP_OF_COMMAND, &fcp, &context.with(at.subject(context)));
                position.create(&fcp);
                table.insert(FCP_NAME.to_owned(), fcp);
            }
            let parts = read_parts(&mut reader, IN_COMMANDS)?;
            describe_parts(&parts, position.subject(context), IN_COMMANDS, &mut table)?;
            if table.is_empty() {
                return None;
            }
            commands.push(Value::Table(table));
        }
        if is_new || commands.is_empty() {
            return None;
        }
    }
    Some(Value::Array(commands))
}

pub(super) fn write_commands(value: &Value, context: &Context<'_>) -> Result<Vec<u8>, Problem> {
    const KNOWN: [&str; 7] = [NEW_LIST, PATH, FCP_NAME, CONTENT, RECORDS, LAYOUT, PARTS];
    let mut lists = Writer::new();
    let mut list = Writer::new();
    let mut position = Position::default();
    for (number, command) in (1..).zip(array_of(value)?) {
        let here = |problem: Problem| problem.under(format!("command {number}"));
        let table = table_of(command).map_err(here)?;
        refuse_unknown(table, &KNOWN).map_err(here)?;
        if table.contains_key(NEW_LIST) {
            lists.tlv(Tag::SEQUENCE, &core::mem::take(&mut list).finish());
        }
        if let Some(path) = table.get(PATH) {
            structure::write(&PATH_OF_COMMAND, path, context, &mut list).map_err(here)?;
            position.go(&text_of(path).map_or_else(|_| Vec::new(), fids_of), context);
        }
        if let Some(fcp) = table.get(FCP_NAME) {
            position.create(fcp);
            let context = context.with(position.subject(context));
            structure::write(&FCP_OF_COMMAND, fcp, &context, &mut list).map_err(here)?;
        }
        write_parts(table, position.subject(context), IN_COMMANDS, &mut list)
            .and_then(|()| structure::within_package(&list))
            .and_then(|()| structure::within_package(&lists))
            .map_err(here)?;
    }
    lists.tlv(Tag::SEQUENCE, &list.finish());
    Ok(lists.finish())
}

fn fids_of(path: &str) -> Vec<u16> {
    path.split('/').filter_map(|fid| u16::from_str_radix(fid, 16).ok()).collect()
}

/// A pattern that fills a file: as content where it is one, as octets where it is a mere filler.
pub(super) fn read_pattern(octets: &[u8], context: &Context<'_>) -> Value {
    let is_filler = octets.len() < 3;
    let decoded = context
        .subject
        .named
        .filter(|_| !is_filler)
        .and_then(|(kind, name)| content::decode(kind, name, octets));
    decoded.unwrap_or_else(|| hexadecimal(octets))
}

pub(super) fn write_pattern(value: &Value, context: &Context<'_>) -> Result<Vec<u8>, Problem> {
    context.subject.octets(value)
}

/// A command to an applet.
pub(super) fn read_command(octets: &[u8]) -> Value {
    multi_imsi::read_command(octets).unwrap_or_else(|| digits(octets))
}

pub(super) fn write_command(value: &Value) -> Result<Vec<u8>, Problem> {
    multi_imsi::write_command(value).unwrap_or_else(|| octets_of(value))
}

/// A load file in hexadecimal digits, or by the name of a file.
pub(super) fn write_load_file(value: &Value, context: &Context<'_>) -> Result<Vec<u8>, Problem> {
    let Value::Table(table) = value else { return octets_of(value) };
    refuse_unknown(table, &[super::FILE])?;
    let name = table.get(super::FILE).ok_or(Problem::Missing(super::FILE)).and_then(text_of)?;
    let octets = (context.load)(name).map_err(|error| Problem::Value(error).under(name))?;
    cap::load_file(octets).map_err(|error| Problem::Value(error.to_string()).under(name))
}
