//! Files of the model: attributes, contents in words, and which contents are secret.

use std::collections::HashMap;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use simyard_asn1::saip::ElementKind;

use super::{Access, AccessRule, Application, Content, File, LeftOut, Link, Reveal, Said, Secret, access};
use crate::profile::content;
use crate::profile::description::multi_imsi::read_content;
use crate::profile::multi_imsi;
use crate::profile::templates::FileKind;
use crate::profile::tree::{self, Body, FileId, Initial, Structure, Tree};

/// Files whose contents are keys, or let somebody compute them (TS 31.102 4.2, 4.4; 3GPP2 C.S0065 3). Case, hyphens and
/// underscores do not matter. Keys of home networks (EF.SUCI_Calc_Info) are public.
const SECRET_FILES: [&str; 21] = [
    "EF.Keys",
    "EF.KeysPS",
    "EF.Kc",
    "EF.KcGPRS",
    "EF.EPSNSC",
    "EF.5GS3GPPNSC",
    "EF.5GSN3GPPNSC",
    "EF.5GAUTHKEYS",
    "EF.EAPKEYS",
    "EF.GBABP",
    "EF.MSK",
    "EF.MUK",
    "EF.DCK",
    "EF.HiddenKey",
    // CSIM.
    "EF.SPC",
    "EF.SIPSP",
    "EF.MIPSP",
    "EF.SIPPAPSS",
    "EF.BAKPARA",
    "EF.UPBAKPARA",
    "EF.3GCIK",
];

/// Whether the content of a file is a secret. So is that of a file that no standard names, unless the terminal may read
/// it: operators keep keys in files of their own, which nobody but their applets reads.
fn is_secret(file: &tree::File<'_>, rules: Option<&[AccessRule]>) -> bool {
    let holds = |tag: simyard_asn1::Tag| match &file.body {
        Body::Content(content) => {
            content.octets.windows(2).any(|pair| pair == tag.0.to_be_bytes().split_at(2).1)
        }
        _ => false,
    };
    let plain = |octet: u8| if octet == b'_' { b'-' } else { octet.to_ascii_lowercase() };
    if file.has_standard_name {
        return SECRET_FILES.iter().any(|name| name.bytes().map(plain).eq(file.name.bytes().map(plain)));
    }
    let open = |rule: &AccessRule| {
        let condition = rule.condition.as_str();
        rule.access.iter().any(|access| access == "read")
            && (condition == "always" || condition.starts_with("PIN"))
    };
    // Keys of a multi-IMSI applet do not belong into files; where they are all the same, they are not shown.
    holds(multi_imsi::KEYS) || !rules.is_some_and(|rules| rules.iter().any(open))
}

impl Said {
    /// What the octets of a file, or of a record of it, say.
    fn new(table: ElementKind, name: &str, octets: &[u8], secret: Option<Reveal>) -> Self {
        let hidden = secret == Some(Reveal::Nothing);
        let value = if hidden { None } else { content::decode(table, name, octets) };
        Self { octets: octets.into(), value, secret }
    }

    /// Number of octets.
    #[must_use]
    pub fn length(&self) -> usize {
        self.octets.len()
    }

    /// The octets as a secret, which they are.
    pub(in crate::profile) fn as_secret(&self) -> Option<Secret> {
        self.secret.map(|reveal| Secret::new(&self.octets, reveal))
    }

    /// Whether it is a secret that is not revealed.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.secret == Some(Reveal::Nothing)
    }

    /// The octets, if they may be shown.
    #[must_use]
    pub fn octets(&self) -> Option<&[u8]> {
        if self.is_hidden() { None } else { Some(&self.octets) }
    }

    /// What they say, if they may be shown and there is a decoder.
    #[must_use]
    pub fn value(&self) -> Option<&toml::Value> {
        self.value.as_ref()
    }
}

impl PartialEq for Said {
    fn eq(&self, other: &Self) -> bool {
        *self.octets == *other.octets
    }
}

impl Serialize for Said {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("Said", 4)?;
        members.serialize_field("length", &self.length())?;
        if self.secret.is_some() {
            members.serialize_field("secret", &true)?;
        }
        if let Some(octets) = self.octets() {
            members.serialize_field("octets", &hex::encode_upper(octets))?;
        }
        if let Some(value) = &self.value {
            members.serialize_field("decoded", value)?;
        }
        members.end()
    }
}

/// The files of a tree in the order in which people read them: a directory, its files, its directories.
pub(super) struct Walk<'t, 'a> {
    tree: &'t Tree<'a>,
    applications: &'t [Application],
    reveal: Reveal,
    files: Vec<File>,
    /// How often a key came already.
    keys: HashMap<(Option<usize>, String), usize>,
}

/// All files of a tree.
pub(super) fn all(tree: &Tree<'_>, applications: &[Application], reveal: Reveal) -> Vec<File> {
    let mut walk = Walk { tree, applications, reveal, files: Vec::new(), keys: HashMap::new() };
    walk.add(FileId::MF, 0, "");
    // Files whose directory does not exist.
    for (id, file) in tree.files() {
        if file.parent.is_none() && id != FileId::MF {
            walk.add(id, 0, "?");
        }
    }
    walk.files
}

/// The path of a file, with the names of its application.
pub(super) fn path(tree: &Tree<'_>, applications: &[Application], id: FileId) -> String {
    let path = tree.path(id);
    let application = tree.application_of(id).and_then(|place| applications.get(place));
    match (application, path.split_once('/')) {
        (Some(application), Some((_, rest))) => format!("{}/{rest}", application.path),
        (Some(application), None) => application.path.clone(),
        (None, _) => path,
    }
}

/// The name of a kind of file.
pub(super) const fn kind_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Mf => "MF",
        FileKind::Df => "DF",
        FileKind::Adf => "ADF",
        FileKind::Transparent => "transparent",
        FileKind::LinearFixed => "linear fixed",
        FileKind::Cyclic => "cyclic",
        FileKind::BerTlv => "BER-TLV",
        FileKind::Unknown => "unknown",
    }
}

impl Walk<'_, '_> {
    fn add(&mut self, id: FileId, depth: usize, above: &str) {
        let Some(file) = self.tree.file(id) else { return };
        let key = self.key(id, file, above);
        let model = self.file(id, file, depth, key.clone());
        self.files.push(model);
        let Body::Directory(directory) = &file.body else { return };
        let is_directory =
            |id: &FileId| self.tree.file(*id).is_some_and(|file| matches!(file.body, Body::Directory(_)));
        let (directories, files): (Vec<FileId>, Vec<FileId>) =
            directory.children.iter().copied().partition(is_directory);
        for child in files.into_iter().chain(directories) {
            self.add(child, depth + 1, &key);
        }
    }

    /// What pairs a file with the same file of another package: the identifiers below the application or the MF.
    fn key(&mut self, id: FileId, file: &tree::File<'_>, above: &str) -> String {
        let application = self.tree.application_of(id);
        if matches!(file.kind, FileKind::Adf | FileKind::Mf) {
            return String::new();
        }
        let by_name = file.row.is_some_and(|row| row.kind == FileKind::Unknown);
        let own = match file.fid {
            Some(fid) if !by_name => format!("{above}/{fid:04X}"),
            _ => format!("{above}/{}", file.name),
        };
        let count = self.keys.entry((application, own.clone())).or_default();
        *count += 1;
        if *count > 1 { format!("{own}#{count}") } else { own }
    }

    fn file(&self, id: FileId, file: &tree::File<'_>, depth: usize, key: String) -> File {
        let access = self.access(id, file);
        let rules = access.as_ref().and_then(|access| access.rules.as_deref());
        let secret = is_secret(file, rules).then_some(self.reveal);
        let mut model = File {
            path: path(self.tree, self.applications, id),
            name: file.name.clone(),
            depth,
            application: self.tree.application_of(id),
            identifier: file.fid.filter(|_| file.kind != FileKind::Adf).map(|fid| format!("{fid:04X}")),
            kind: kind_name(file.kind),
            size: None,
            records: None,
            record_length: None,
            short_file_identifier: file.sfi,
            life_cycle: super::words::life_cycle(file.lcsi),
            shareable: is_shareable(file),
            high_update_activity: file.special_information & 0x80 != 0,
            usable_when_deactivated: file.special_information & 0x40 != 0,
            access,
            link: None,
            aid: None,
            pin_status_template: None,
            content: None,
            listed: file.is_listed,
            element: file.element,
            offset: file.offset,
            key,
        };
        match &file.body {
            Body::Directory(directory) => {
                model.aid = directory.aid.map(hex::encode_upper);
                model.pin_status_template = directory.pin_status.map(hex::encode_upper);
            }
            Body::Link { path: identifiers, target } => {
                model.link = Some(Link {
                    identifiers: identifiers.iter().map(|fid| format!("{fid:04X}")).collect(),
                    target: target.map(|target| path(self.tree, self.applications, target)),
                });
            }
            Body::Content(content) => {
                model.size = Some(content.size);
                model.record_length = content.record_length();
                model.records = content.record_length().and_then(|length| content.size.checked_div(length));
                model.content =
                    Some(multi_imsi_table(file, content).unwrap_or_else(|| said(file, content, secret)));
            }
        }
        model
    }

    fn access(&self, id: FileId, file: &tree::File<'_>) -> Option<Access> {
        let reference = file.security?;
        let record = self.tree.access_rule(id).map(|(_, record)| record);
        let is_directory = file.kind.is_directory();
        let end = |record: &[u8]| record.iter().rposition(|octet| *octet != 0xFF).map_or(0, |last| last + 1);
        Some(Access {
            file: format!("{:04X}", reference.file),
            record: reference.record,
            rules: record.and_then(|record| access::rules(record, is_directory)),
            octets: record.map(|record| record.get(..end(record)).unwrap_or_default().to_vec()),
        })
    }
}

/// Bit 7 of the file descriptor byte (TS 102 221 11.1.1.4.3); files of templates are shareable.
fn is_shareable(file: &tree::File<'_>) -> bool {
    let descriptor = file.fcp.as_ref().and_then(|fcp| fcp.file_descriptor).and_then(<[u8]>::first);
    descriptor.is_none_or(|octet| octet & 0x40 != 0)
}

fn said(file: &tree::File<'_>, content: &tree::Content<'_>, secret: Option<Reveal>) -> Content {
    let mut written_by: Vec<usize> = content.writes.iter().map(|write| write.element).collect();
    written_by.dedup();
    let origin = match (content.writes.is_empty(), content.initial) {
        (false, _) => "package",
        (true, Initial::Pattern) => "pattern",
        (true, Initial::Template) => "template",
        (true, Initial::Filler) => "none",
    };
    let one = |octets: &[u8]| Said::new(file.table, &file.name, octets, secret);
    let has_records = !matches!(content.structure, Structure::Transparent | Structure::BerTlv);
    Content {
        origin,
        written_by,
        whole: (!has_records).then(|| one(&content.octets)),
        each: content.records().map(one).collect(),
    }
}

/// The table of a multi-IMSI applet, which holds no keys.
fn multi_imsi_table(file: &tree::File<'_>, content: &tree::Content<'_>) -> Option<Content> {
    if file.has_standard_name {
        return None;
    }
    let value = Some(read_content(&content.octets)?);
    let mut model = said(file, content, None);
    model.whole = Some(Said { octets: content.octets.clone(), value, secret: None });
    Some(model)
}

/// The files that the package does not want.
pub(super) fn left_out(tree: &Tree<'_>) -> Vec<LeftOut> {
    let application = |element: usize| tree.elements().get(element).and_then(|element| element.application);
    tree.left_out()
        .iter()
        .map(|file| LeftOut {
            name: file.row.name,
            application: application(file.element),
            element: file.element,
        })
        .collect()
}
