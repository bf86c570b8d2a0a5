//! eUICCs as an EUM delivers them: CSV or JSON lines with named columns.
//!
//! | column | what |
//! |---|---|
//! | `eid` | needed; its check digits are verified |
//! | `type` | the manufacturer's name of the product |
//! | `architecture` | `sgp02`, `sgp22` or `sgp32` |
//! | `saip_version` | the highest version of profile packages that it takes: `3.1` |
//! | `memory` | free non-volatile memory, in octets |
//! | `form_factor` | `MFF2`, `4FF` … |
//! | `eum_certificate`, `euicc_certificate` | PEM, or the base64 of the DER; both or none |
//! | `ci_keys` | subject key identifiers of the CIs that it trusts, in hexadecimal digits with blanks between |
//! | `iccids`, `enabled` | profiles on it, with blanks between; the one of them that is enabled |
//! | `eim_id`, `counter`, `association_token` | SGP.32 alone: its eIM, the counter to begin with, the token if it has one |
//!
//! The certificates are verified up to a CI that is trusted, and name the EID of the row. Without trusted CIs, rows with
//! certificates are refused.

use std::collections::HashMap;
use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::json_lines::{Object, Value};
use super::{FormatError, Options, Row, RowSource};
use crate::domain::Architecture;
use crate::ident::{Eid, Iccid};
use crate::inventory::rows::{Delivered, Heading};
use crate::pki::{Certificate, verify_euicc};
use crate::profile::personal_csv::{delimiter, values};
use crate::profile::personal_row::fault::{masked, masked_number};
use crate::profile::personal_row::{Lines, RowError, RowFault};

/// The longest line, in octets: two certificates and what belongs to them.
const MAX_LINE: usize = 16 * 1024;
/// The most profiles on one eUICC.
const MAX_PROFILES: usize = 64;
/// The most CIs that one eUICC trusts.
const MAX_CI_KEYS: usize = 32;
/// The longest text: type, form factor, eIM.
const MAX_TEXT: usize = 128;

/// What a column gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Eid,
    Type,
    Architecture,
    PackageVersion,
    Memory,
    FormFactor,
    EumCertificate,
    EuiccCertificate,
    CiKeys,
    Iccids,
    Enabled,
    EimId,
    Counter,
    AssociationToken,
}

/// Names of columns, without case, blanks and underscores; the first of each is the one that messages use.
const FIELDS: &[(&str, Field)] = &[
    ("eid", Field::Eid),
    ("euiccid", Field::Eid),
    ("type", Field::Type),
    ("architecture", Field::Architecture),
    ("saipversion", Field::PackageVersion),
    ("memory", Field::Memory),
    ("formfactor", Field::FormFactor),
    ("eumcertificate", Field::EumCertificate),
    ("euicccertificate", Field::EuiccCertificate),
    ("cikeys", Field::CiKeys),
    ("iccids", Field::Iccids),
    ("iccid", Field::Iccids),
    ("enabled", Field::Enabled),
    ("eimid", Field::EimId),
    ("counter", Field::Counter),
    ("associationtoken", Field::AssociationToken),
];

impl Field {
    fn parse(name: &str) -> Option<Self> {
        let plain: String =
            name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
        FIELDS.iter().find(|(known, _)| *known == plain).map(|(_, field)| *field)
    }

    fn name(self) -> &'static str {
        FIELDS.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }
}

/// Whether these columns are those of eUICCs: an EID, and nothing that only subscriptions have.
pub(super) fn is_euicc_layout<'n>(names: impl IntoIterator<Item = &'n str>) -> bool {
    let mut has_eid = false;
    let all = names.into_iter().all(|name| {
        let field = Field::parse(name);
        has_eid |= field == Some(Field::Eid);
        field.is_some()
    });
    all && has_eid
}

/// An eUICC as delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredEuicc {
    /// Its number.
    pub eid: Eid,
    /// The manufacturer's name of the product.
    pub euicc_type: Option<String>,
    /// The standard that it follows, if the row says it.
    pub architecture: Option<Architecture>,
    /// The highest version of profile packages that it takes: major, minor.
    pub package_version: Option<(u8, u8)>,
    /// Free non-volatile memory, in octets.
    pub non_volatile_octets: Option<u64>,
    /// Its form.
    pub form_factor: Option<String>,
    /// The EUM's certificate and its own, verified, in DER.
    pub certificates: Option<[Vec<u8>; 2]>,
    /// Subject key identifiers of the CIs that it trusts; with certificates, that of their CI is among them.
    pub ci_keys: Vec<Vec<u8>>,
    /// Profiles that are on it.
    pub iccids: Vec<Iccid>,
    /// The one of them that is enabled.
    pub enabled: Option<Iccid>,
    /// What belongs to its eIM (SGP.32).
    pub eim: Option<EimData>,
}

/// What the eIM of an eUICC must know of it (SGP.32 2.11.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EimData {
    /// eimId.
    pub eim_id: String,
    /// counterValue to begin with.
    pub counter: u64,
    /// associationToken, if it was drawn.
    pub association_token: Option<u64>,
}

/// Reads the first line of a CSV, or makes ready to read JSON lines.
pub(super) fn open<'a, R: Read + 'a>(
    input: R,
    options: &'a Options,
) -> Result<(Heading, Box<dyn RowSource + 'a>), FormatError> {
    let mut lines = Lines::up_to(MAX_LINE, input);
    let first = loop {
        let line = lines.next_line()?.ok_or(FormatError::Empty)?;
        if !line.is_blank() {
            break line;
        }
    };
    let number = first.number;
    let text = first.octets.and_then(|octets| std::str::from_utf8(octets).ok());
    let text = text.ok_or(FormatError::EuiccColumns("no list of column names in UTF-8"))?;
    let (form, waiting) = if text.starts_with('{') {
        (Form::Json, Some((number, text.to_owned())))
    } else {
        let delimiter = delimiter(text);
        let mut columns = Vec::new();
        for name in values(text, delimiter) {
            if options.passed_over.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                columns.push(None);
                continue;
            }
            let field = Field::parse(name).ok_or(FormatError::EuiccColumns(
                "expected names of columns, and found one that is none of eid, type, architecture, saip_version, memory, \
                 form_factor, eum_certificate, euicc_certificate, ci_keys, iccids, enabled, eim_id, counter, \
                 association_token",
            ))?;
            if columns.contains(&Some(field)) {
                return Err(FormatError::EuiccColumns("a column stands twice"));
            }
            columns.push(Some(field));
        }
        if !columns.contains(&Some(Field::Eid)) {
            return Err(FormatError::EuiccColumns("no column eid"));
        }
        (Form::Csv { delimiter, columns }, None)
    };
    let euiccs = Euiccs { lines, form, waiting, options, eids: HashMap::new(), iccids: HashMap::new() };
    Ok((Heading::default(), Box::new(euiccs)))
}

enum Form {
    Csv { delimiter: char, columns: Vec<Option<Field>> },
    Json,
}

struct Euiccs<'a, R> {
    lines: Lines<R>,
    form: Form,
    /// A line that was read and is none of names.
    waiting: Option<(usize, String)>,
    options: &'a Options,
    /// Numbers of the rows so far, with their lines.
    eids: HashMap<[u8; 16], usize>,
    iccids: HashMap<[u8; 10], usize>,
}

impl<R: Read> RowSource for Euiccs<'_, R> {
    fn next_row(&mut self) -> std::io::Result<Option<Row>> {
        let longest = self.lines.longest();
        let (line, outcome) = if let Some((line, text)) = self.waiting.take() {
            (line, read(&self.form, self.options, line, &text))
        } else {
            loop {
                let Some(line) = self.lines.next_line()? else { return Ok(None) };
                if line.is_blank() {
                    continue;
                }
                let number = line.number;
                let text = line.text(longest).map_err(|error| vec![error]);
                break (number, text.and_then(|text| read(&self.form, self.options, number, text)));
            }
        };
        let outcome = outcome.and_then(|euicc| {
            let errors = self.repeated(line, &euicc);
            if errors.is_empty() { Ok(Delivered::Euicc(Box::new(euicc))) } else { Err(errors) }
        });
        Ok(Some(Row { line, outcome }))
    }
}

impl<R> Euiccs<'_, R> {
    /// Numbers that stood in an earlier row, or twice in this one; of a row that is refused, none is kept.
    fn repeated(&mut self, line: usize, euicc: &DeliveredEuicc) -> Vec<RowError> {
        let mut errors = Vec::new();
        let mut refuse = |field: Field, number: &str, earlier: usize| {
            let (column, value) = (Some(field.name().into()), Some(masked_number(number)));
            errors.push(RowError { line, column, value, fault: RowFault::Repeated(earlier) });
        };
        if let Some(earlier) = self.eids.get(&euicc.eid.to_bcd()) {
            refuse(Field::Eid, euicc.eid.as_str(), *earlier);
        }
        for (place, iccid) in euicc.iccids.iter().enumerate() {
            let in_row = euicc.iccids.iter().take(place).any(|other| other == iccid).then_some(line);
            if let Some(earlier) = in_row.or_else(|| self.iccids.get(&iccid.to_bcd()).copied()) {
                refuse(Field::Iccids, iccid.as_str(), earlier);
            }
        }
        if errors.is_empty() {
            self.eids.insert(euicc.eid.to_bcd(), line);
            self.iccids.extend(euicc.iccids.iter().map(|iccid| (iccid.to_bcd(), line)));
        }
        errors
    }
}

fn read(form: &Form, options: &Options, line: usize, text: &str) -> Result<DeliveredEuicc, Vec<RowError>> {
    let refused = |fault| vec![RowError::new(line, None, fault)];
    match form {
        Form::Csv { delimiter, columns } => {
            let values: Vec<&str> = values(text, *delimiter).collect();
            let (expected, found) = (columns.len(), values.len());
            if expected != found {
                return Err(refused(RowFault::Values { expected, found }));
            }
            let named = columns.iter().zip(values).filter_map(|(field, value)| Some(((*field)?, value)));
            Reading { line, values: named.collect(), options, errors: Vec::new() }.finish()
        }
        Form::Json => {
            let object = Object::read(text).ok_or_else(|| refused(RowFault::NotObject))?;
            let mut numbers = Vec::new();
            for (_, value) in &object.members {
                numbers.push(match value {
                    Value::Number(number) => Some(number.to_string()),
                    _ => value.text().map(str::to_owned),
                });
            }
            let mut named: Vec<(Field, &str)> = Vec::new();
            for (at, ((name, _), value)) in object.members.iter().zip(&numbers).enumerate() {
                if options.passed_over.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                    continue;
                }
                let unknown = || RowFault::Other(format!("member {} is no column of eUICCs", at + 1));
                let field = Field::parse(name).ok_or_else(|| refused(unknown()))?;
                if named.iter().any(|(other, _)| *other == field) {
                    let column = Some(field.name().into());
                    return Err(vec![RowError::new(line, column, RowFault::RepeatedMember)]);
                }
                named.push((field, value.as_deref().ok_or_else(|| refused(RowFault::NotObject))?));
            }
            Reading { line, values: named, options, errors: Vec::new() }.finish()
        }
    }
}

/// One row.
struct Reading<'a> {
    line: usize,
    values: Vec<(Field, &'a str)>,
    options: &'a Options,
    errors: Vec<RowError>,
}

impl<'a> Reading<'a> {
    fn text(&self, field: Field) -> Option<&'a str> {
        let value = self.values.iter().find(|(other, _)| *other == field).map(|(_, text)| *text);
        value.filter(|text| !text.is_empty())
    }

    fn fault(&mut self, field: Field, fault: RowFault) {
        let value = self.text(field).map(masked);
        self.errors.push(RowError { line: self.line, column: Some(field.name().into()), value, fault });
    }

    fn other(&mut self, field: Field, reason: impl Into<String>) {
        self.fault(field, RowFault::Other(reason.into()));
    }

    /// A value that may be absent, of a form that `expected` names.
    fn read<T>(
        &mut self,
        field: Field,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = read(self.text(field)?);
        if value.is_none() {
            self.other(field, expected);
        }
        value
    }

    fn short(&mut self, field: Field) -> Option<String> {
        let fits = |text: &str| text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
        self.read(field, "expected at most 128 octets without control characters", |text| {
            fits(text).then(|| text.to_owned())
        })
    }

    fn finish(mut self) -> Result<DeliveredEuicc, Vec<RowError>> {
        let euicc = self.euicc();
        match euicc {
            Some(euicc) if self.errors.is_empty() => Ok(euicc),
            _ => Err(self.errors),
        }
    }

    fn euicc(&mut self) -> Option<DeliveredEuicc> {
        if self.text(Field::Eid).is_none() {
            self.fault(Field::Eid, RowFault::Empty);
        }
        let eid = self.text(Field::Eid).map(|text| Eid::parse(text).ok().filter(Eid::has_valid_check_digits));
        if eid == Some(None) {
            self.fault(Field::Eid, RowFault::NotEid);
        }
        let eid = eid.flatten();
        let euicc_type = self.short(Field::Type);
        let form_factor = self.short(Field::FormFactor);
        let architecture =
            self.read(Field::Architecture, "expected sgp02, sgp22 or sgp32", Architecture::parse);
        let package_version = self.read(Field::PackageVersion, "expected a version such as 3.1", version);
        let non_volatile_octets =
            self.read(Field::Memory, "expected a number of octets", |text| text.parse().ok());
        let mut ci_keys =
            self.read(Field::CiKeys, "expected hexadecimal digits, two for each octet", |text| {
                let keys = text.split_whitespace().map(|key| hex::decode(key).ok());
                keys.collect::<Option<Vec<_>>>().filter(|keys| keys.len() <= MAX_CI_KEYS)
            });
        let iccids = self.read(Field::Iccids, "expected up to 64 ICCIDs with blanks between", |text| {
            let iccids = text.split_whitespace().map(|iccid| Iccid::parse_notation(iccid).ok());
            iccids.collect::<Option<Vec<_>>>().filter(|iccids| iccids.len() <= MAX_PROFILES)
        });
        let iccids = iccids.unwrap_or_default();
        let enabled = self.read(Field::Enabled, "expected an ICCID", |text| Iccid::parse_notation(text).ok());
        if enabled.as_ref().is_some_and(|enabled| !iccids.contains(enabled)) {
            self.other(Field::Enabled, "not one of the profiles that the row names");
        }
        let eim = self.eim(architecture);
        let eid = eid?;
        let certificates = self.certificates(&eid);
        if let Some((_, ci)) = &certificates
            && !ci_keys.as_ref().is_some_and(|keys| keys.contains(ci))
        {
            if ci_keys.is_some() {
                self.other(Field::CiKeys, "the CI of the certificates is not among them");
            }
            ci_keys.get_or_insert_default().push(ci.clone());
        }
        Some(DeliveredEuicc {
            eid,
            euicc_type,
            architecture,
            package_version,
            non_volatile_octets,
            form_factor,
            certificates: certificates.map(|(certificates, _)| certificates),
            ci_keys: ci_keys.unwrap_or_default(),
            iccids,
            enabled,
            eim,
        })
    }

    fn eim(&mut self, architecture: Option<Architecture>) -> Option<EimData> {
        let fields = [Field::EimId, Field::Counter, Field::AssociationToken];
        let used: Vec<Field> = fields.into_iter().filter(|field| self.text(*field).is_some()).collect();
        let first = *used.first()?;
        if architecture != Some(Architecture::Sgp32) {
            self.other(first, "only an eUICC with architecture sgp32 has an eIM");
        }
        let eim_id = self.short(Field::EimId);
        let counter = self.read(Field::Counter, "expected a number", |text| text.parse().ok());
        let association_token =
            self.read(Field::AssociationToken, "expected a number", |text| text.parse().ok());
        if eim_id.is_none() && !used.contains(&Field::EimId) {
            self.fault(Field::EimId, RowFault::Empty);
        }
        Some(EimData { eim_id: eim_id?, counter: counter.unwrap_or(0), association_token })
    }

    /// The certificates of EUM and eUICC in DER, and the key identifier of their CI.
    fn certificates(&mut self, eid: &Eid) -> Option<([Vec<u8>; 2], Vec<u8>)> {
        let expected = "expected a certificate: PEM, or the base64 of its DER";
        let eum = self.read(Field::EumCertificate, expected, certificate);
        let euicc = self.read(Field::EuiccCertificate, expected, certificate);
        for (one, other) in [
            (Field::EumCertificate, Field::EuiccCertificate),
            (Field::EuiccCertificate, Field::EumCertificate),
        ] {
            if self.text(one).is_some() && self.text(other).is_none() {
                self.fault(other, RowFault::Empty);
            }
        }
        let (eum, euicc) = (eum?, euicc?);
        let Some((anchors, now)) = &self.options.trust else {
            self.other(Field::EumCertificate, "no CI certificates are at hand to verify it under");
            return None;
        };
        let verified = match anchors.verify_eum(&eum, *now) {
            Ok(eum) => eum,
            Err(error) => {
                self.other(Field::EumCertificate, error.to_string());
                return None;
            }
        };
        match verify_euicc(&verified, &euicc, *now) {
            Ok(proof) if proof.eid() == eid => {}
            Ok(_) => {
                self.other(Field::EuiccCertificate, "the certificate is that of another EID");
                return None;
            }
            Err(error) => {
                self.other(Field::EuiccCertificate, error.to_string());
                return None;
            }
        }
        Some(([eum.der().to_vec(), euicc.der().to_vec()], verified.ci_key_identifier().to_vec()))
    }
}

/// A version: `3.1`, or `3.1.0`, of which the last part is nothing to packages.
fn version(text: &str) -> Option<(u8, u8)> {
    let mut parts = text.split('.').map(|part| part.parse::<u8>().ok());
    let (major, minor) = (parts.next()??, parts.next()??);
    parts.all(|part| part.is_some()).then_some((major, minor))
}

/// A certificate, as PEM whose line breaks may be blanks or written out, or as base64.
fn certificate(text: &str) -> Option<Certificate> {
    let der = match text.strip_prefix("-----BEGIN CERTIFICATE-----") {
        Some(rest) => {
            let body = rest.split_once("-----END CERTIFICATE-----")?.0.replace("\\n", " ");
            let body: String = body.split_whitespace().collect();
            let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
            CertificateDer::from_pem_slice(pem.as_bytes()).ok()?.to_vec()
        }
        None => STANDARD.decode(text.split_whitespace().collect::<String>()).ok()?,
    };
    Certificate::from_der(&der).ok()
}
