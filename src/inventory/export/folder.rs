//! The whole stock, or a part of it, as a folder that another platform can read, and that `simyard ingest` takes back.
//!
//! | file | what |
//! |---|---|
//! | `subscriptions-N.jsonl`, `subscriptions-N.csv` | what manufacturers deliver, one pair for each owner and profile type |
//! | `packages-N.der` | ready-made packages, one behind the other; only where keys leave in the clear, since they are full of them |
//! | `states.jsonl` | where each profile stands: state, eUICC, matching identifier, what other systems were given |
//! | `batches.jsonl` | which batch came when, from whom |
//! | `manifest.json`, `manifest.sig` | [`super::manifest`] |
//!
//! The files are written one after the other, the manifest last: a folder without one is half of an export. Of a
//! profile that is retired nothing is left to deliver: it stands in `states.jsonl` alone.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::super::transport_keys::KeyUse;
use super::file::PrivateFile;
use super::manifest::{FileEntry, MANIFEST_VERSION, Manifest, ManifestKey};
use super::row::{Content, code_text, open, quote};
use super::split::{Exporter, all_batches};
use super::{ExportError, Keys, PAGE, Progress};
use crate::crypto::ecdsa::SigningKey;
use crate::domain::{AuditSubject, Standing};
use crate::env::Rng;
use crate::ident::Iccid;
use crate::profile::personal_data::keys::{KIC, KID, KIK};
use crate::profile::personal_data::{Code, CodeName, KeySet, OtaKeySet, PersonalData, Subscription};
use crate::store::{Package, PackageKind, StockBatch, StockItem, StockSelection};

/// Room for a line: a string that grows would leave copies of keys behind.
const LINE: usize = 64 * 1024;

/// One value: the name of its column, where that column stands, and its text.
struct Field {
    /// Place of the subscription or version of the set of keys, and rank beside the others of it.
    order: (u16, u16),
    name: Cow<'static, str>,
    text: Zeroizing<String>,
}

/// What a row says, in the columns that [`crate::profile::personal_csv`] reads.
struct Record<'a> {
    iccid: &'a Iccid,
    keys: &'a Keys<'a>,
    rng: &'a Rng,
    fields: Vec<Field>,
}

impl<'a> Record<'a> {
    fn of(data: &'a PersonalData, keys: &'a Keys<'a>, rng: &'a Rng) -> Result<Self, ExportError> {
        let mut record = Self { iccid: &data.iccid, keys, rng, fields: Vec::with_capacity(32) };
        record.text((0, 0), "iccid", None, data.iccid.as_str());
        record.subscription(1, &data.home, Some(&data.keys))?;
        for (name, code) in data.codes.iter() {
            record.code(name, code);
        }
        for (set, at) in data.ota.iter().zip(300_u16..) {
            record.ota(at, set)?;
        }
        for (further, number) in data.further.iter().zip(2_u16..) {
            record.text((number, 1), "role", Some(number), further.role.as_str());
            record.subscription(number, &further.subscription, further.keys.as_ref())?;
        }
        Ok(record)
    }

    fn text(&mut self, order: (u16, u16), name: &'static str, number: Option<u16>, text: &str) {
        if !text.is_empty() {
            let name = number.map_or(Cow::Borrowed(name), |number| Cow::Owned(format!("{name}{number}")));
            self.fields.push(Field { order, name, text: Zeroizing::new(text.to_owned()) });
        }
    }

    fn key(
        &mut self,
        order: (u16, u16),
        name: &'static str,
        number: Option<u16>,
        key: &[u8],
    ) -> Result<(), ExportError> {
        if key.is_empty() {
            return Ok(());
        }
        let use_ = if matches!(name, "ki" | "opc") { KeyUse::Subscription } else { KeyUse::Ota };
        let text = self.keys.text(use_, key, self.rng).ok_or_else(|| ExportError::Encipher {
            iccid: self.iccid.clone(),
            column: name,
            octets: key.len(),
        })?;
        // The name of a column says that it is enciphered.
        let prefix = if let Keys::Under { .. } = self.keys { "e" } else { "" };
        let number = number.map(|number| number.to_string()).unwrap_or_default();
        let name = Cow::Owned(format!("{prefix}{name}{number}"));
        if !text.is_empty() {
            self.fields.push(Field { order, name, text });
        }
        Ok(())
    }

    fn subscription(
        &mut self,
        number: u16,
        subscription: &Subscription,
        keys: Option<&KeySet>,
    ) -> Result<(), ExportError> {
        let behind = Some(number).filter(|number| *number > 1);
        self.text((number, 0), "imsi", behind, subscription.imsi.as_str());
        if let Some(keys) = keys {
            // The length of K says which of the two it is, and it may leave enciphered.
            let algorithm = keys.algorithm().name();
            self.text((number, 2), "algorithm", behind, algorithm);
            self.key((number, 3), "ki", behind, keys.key())?;
            self.key((number, 4), "opc", behind, keys.opc())?;
        }
        let mnc_length = subscription.mnc_length.map(|length| length.to_string()).unwrap_or_default();
        let impu = subscription.public_identities.join(" ");
        for (rank, name, text) in [
            (5, "acc", hex::encode_upper(subscription.acc).as_str()),
            (6, "mnclength", mnc_length.as_str()),
            (7, "msisdn", subscription.msisdn.as_ref().map(|number| number.as_str()).unwrap_or_default()),
            (
                8,
                "smsp",
                subscription.service_centre.as_ref().map(|number| number.as_str()).unwrap_or_default(),
            ),
            (9, "spn", subscription.service_provider_name.as_deref().unwrap_or_default()),
            (10, "impi", subscription.private_identity.as_deref().unwrap_or_default()),
            (11, "impu", impu.as_str()),
        ] {
            self.text((number, rank), name, behind, text);
        }
        Ok(())
    }

    /// Codes under other key references have no column, and no file brings them.
    fn code(&mut self, name: CodeName, code: &Code) {
        let known = [
            ("pin1", CodeName::PIN1),
            ("puk1", CodeName::PUK1),
            ("pin2", CodeName::PIN2),
            ("puk2", CodeName::PUK2),
        ];
        let text = code_text(code);
        if let Some((rank, (column, _))) = (0..).zip(known).find(|(_, (_, known))| *known == name) {
            self.text((200, rank), column, None, &text);
        }
        if let Some(number) = (1..=10).find(|number| CodeName::adm(*number) == Some(name)) {
            self.text((201, u16::from(number)), "adm", Some(u16::from(number)), &text);
        }
    }

    fn ota(&mut self, at: u16, set: &OtaKeySet) -> Result<(), ExportError> {
        let behind = set.version.map(u16::from);
        if let Some(kind) = set.key_type {
            self.text((at, 0), "otatype", behind, kind.name());
        }
        for (rank, name, identifier) in [(1, "kic", KIC), (2, "kid", KID), (3, "kik", KIK)] {
            if let Some(key) = set.get(identifier) {
                self.key((at, rank), name, behind, key.as_octets())?;
            }
        }
        Ok(())
    }

    /// As one JSON object.
    fn json(&self, line: &mut String) {
        line.clear();
        line.push('{');
        for (at, field) in self.fields.iter().enumerate() {
            if at > 0 {
                line.push(',');
            }
            // Names are plain, values may have quotes: the names of providers.
            let escaped = Zeroizing::new(serde_json::Value::from(field.text.as_str()).to_string());
            line.push('"');
            line.push_str(&field.name);
            line.push_str("\":");
            line.push_str(&escaped);
        }
        line.push_str("}\n");
    }

    /// As values of the columns, in their order.
    fn csv<'c>(&self, columns: impl Iterator<Item = &'c str>, line: &mut String) {
        line.clear();
        for (at, column) in columns.enumerate() {
            if at > 0 {
                line.push(',');
            }
            if let Some(field) = self.fields.iter().find(|field| field.name == column) {
                quote(line, &field.text, ',');
            }
        }
        line.push('\n');
    }
}

/// Where a profile stands, as it is told.
#[derive(Serialize)]
struct StateLine<'a> {
    iccid: &'a Iccid,
    imsi: Option<&'a str>,
    msisdn: Option<&'a str>,
    owner: &'a str,
    profile_type: &'a str,
    sub_class: Option<&'a str>,
    batch_id: &'a str,
    state: String,
    standing: &'static str,
    eid: Option<&'a str>,
    matching_id: Option<&'a str>,
    delivered: Vec<&'static str>,
}

impl<'a> StateLine<'a> {
    fn new(item: &'a StockItem) -> Self {
        Self {
            iccid: &item.iccid,
            imsi: item.imsi.as_ref().map(|imsi| imsi.as_str()),
            msisdn: item.msisdn.as_deref(),
            owner: &item.owner,
            profile_type: &item.profile_type,
            sub_class: item.sub_class.as_deref(),
            batch_id: &item.batch_id,
            state: item.state.to_string(),
            standing: Standing::name(item.standing),
            eid: item.eid.as_deref(),
            matching_id: item.matching_id.as_deref(),
            delivered: item.delivered.iter().map(|system| system.name()).collect(),
        }
    }
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FolderReport {
    /// Profiles of the selection.
    pub profiles: u64,
    /// Subscriptions that stand in the files.
    pub subscriptions: u64,
    /// Ready-made packages that stand in the files.
    pub packages: u64,
    /// Ready-made packages that were left out, since their keys may not leave in the clear.
    pub packages_left_out: u64,
    /// The files, the manifest aside.
    pub files: Vec<FileEntry>,
    /// SHA-256 of the public key that the manifest is signed with, in hexadecimal digits.
    pub signed_by: String,
}

/// The files of one export.
struct Folder<'a> {
    path: &'a Path,
    files: Vec<FileEntry>,
}

impl Folder<'_> {
    fn create(&self, name: &str) -> Result<PrivateFile, ExportError> {
        Ok(PrivateFile::create(&self.path.join(name))?)
    }

    /// Keeps a file unless it has no row.
    fn keep(
        &mut self,
        name: &str,
        file: PrivateFile,
        rows: u64,
        of: Option<&StockBatch>,
    ) -> Result<(), ExportError> {
        if rows == 0 {
            return Ok(());
        }
        let written = file.finish()?;
        self.files.push(FileEntry {
            name: name.to_owned(),
            rows,
            octets: written.octets,
            sha256: hex::encode(written.sha256),
            owner: of.map(|batch| batch.owner.clone()),
            profile_type: of.map(|batch| batch.profile_type.clone()),
        });
        Ok(())
    }
}

/// What is counted on the way.
#[derive(Default)]
struct Counted {
    read: u64,
    total: u64,
    subscriptions: u64,
    packages: u64,
    packages_left_out: u64,
}

impl Exporter<'_> {
    /// Writes the folder `path`, which must be there and empty.
    ///
    /// # Errors
    /// [`ExportError`]; what is in the folder then has no manifest.
    pub async fn folder(
        &self,
        selection: &StockSelection,
        keys: &Keys<'_>,
        signer: &SigningKey,
        path: &Path,
        mut progress: impl FnMut(Progress),
    ) -> Result<FolderReport, ExportError> {
        let batches = all_batches(self.store, selection).await?;
        let mut folder = Folder { path, files: Vec::new() };
        // Each profile is read twice: for what its columns are, and once they are known.
        let total = batches.iter().map(|batch| batch.profiles * 2).sum();
        let mut counted = Counted { total, ..Counted::default() };
        let mut states = (folder.create("states.jsonl")?, 0);
        let mut kinds: Vec<(&str, &str)> =
            batches.iter().map(|batch| (batch.owner.as_str(), batch.profile_type.as_str())).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for (number, kind) in (1..).zip(kinds) {
            let own: Vec<&StockBatch> = batches
                .iter()
                .filter(|batch| (batch.owner.as_str(), batch.profile_type.as_str()) == kind)
                .collect();
            let columns = self
                .json_lines(number, &own, keys, &mut folder, &mut states, &mut counted, &mut progress)
                .await?;
            self.csv(number, &own, keys, &columns, &mut folder, &mut counted, &mut progress).await?;
        }
        folder.keep("states.jsonl", states.0, states.1, None)?;
        let mut file = folder.create("batches.jsonl")?;
        for batch in &batches {
            file.write(batch_line(batch).as_bytes())?;
        }
        folder.keep("batches.jsonl", file, batches.len() as u64, None)?;
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            made_at: self.clock.now().to_string(),
            made_by: self.person.to_string(),
            keys: match keys {
                Keys::Under { .. } => "enciphered",
                Keys::Clear => "clear",
                Keys::LeftOut => "left_out",
            }
            .to_owned(),
            transport_keys: [("subscription", KeyUse::Subscription), ("ota", KeyUse::Ota)]
                .into_iter()
                .filter_map(|(name, use_)| Some((name, keys.under(use_)?)))
                .map(|(name, key)| ManifestKey {
                    purpose: name.to_owned(),
                    index: key.index,
                    check_value: key.check_value.clone(),
                })
                .collect(),
            packages_left_out: counted.packages_left_out,
            files: folder.files.clone(),
        };
        // What is whole is in the audit: the manifest, which makes it so, comes last.
        let detail = format!(
            "{} and {}, keys {}",
            crate::ident::counted(counted.subscriptions, "subscription"),
            crate::ident::counted(counted.packages, "package"),
            manifest.keys
        );
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let entry = self.audit_entry(AuditSubject::new("folder", &name), detail);
        self.store.record(vec![entry]).await?;
        let signed_by = manifest.write(path, signer)?;
        Ok(FolderReport {
            profiles: counted.total / 2,
            subscriptions: counted.subscriptions,
            packages: counted.packages,
            packages_left_out: counted.packages_left_out,
            files: folder.files,
            signed_by,
        })
    }

    /// Subscriptions as JSON lines, packages as they are, and where each profile stands. Returns the columns in order.
    #[expect(clippy::too_many_arguments, reason = "what is written into, side by side")]
    async fn json_lines(
        &self,
        number: u32,
        batches: &[&StockBatch],
        keys: &Keys<'_>,
        folder: &mut Folder<'_>,
        states: &mut (PrivateFile, u64),
        counted: &mut Counted,
        progress: &mut impl FnMut(Progress),
    ) -> Result<BTreeSet<((u16, u16), String)>, ExportError> {
        let (name, packages_name) =
            (format!("subscriptions-{number}.jsonl"), format!("packages-{number}.der"));
        let (mut file, mut packages) = (folder.create(&name)?, folder.create(&packages_name)?);
        let (mut rows, mut package_rows) = (0, 0);
        let mut columns = BTreeSet::new();
        let mut line = Zeroizing::new(String::with_capacity(LINE));
        for batch in batches {
            let mut after = None;
            while let Some(page) = self.page(batch, &mut after, counted).await? {
                for (item, package) in &page {
                    let mut state = serde_json::to_string(&StateLine::new(item)).unwrap_or_default();
                    state.push('\n');
                    states.0.write(state.as_bytes())?;
                    states.1 += 1;
                    let Some(package) = package else { continue };
                    if package.kind == PackageKind::ReadyMade {
                        if let Keys::Clear = keys {
                            packages.write(&self.opened(item, package)?)?;
                            package_rows += 1;
                        } else {
                            counted.packages_left_out += 1;
                        }
                        continue;
                    }
                    let Content::Data(data) = open(self.sealer, &item.iccid, package)? else { continue };
                    let record = Record::of(&data, keys, self.rng)?;
                    for field in &record.fields {
                        if !columns.contains(&(field.order, field.name.to_string())) {
                            columns.insert((field.order, field.name.to_string()));
                        }
                    }
                    record.json(&mut line);
                    file.write(line.as_bytes())?;
                    rows += 1;
                }
                progress(Progress::Read(counted.read, counted.total));
            }
        }
        counted.subscriptions += rows;
        counted.packages += package_rows;
        folder.keep(&name, file, rows, batches.first().copied())?;
        folder.keep(&packages_name, packages, package_rows, batches.first().copied())?;
        Ok(columns)
    }

    /// The same as CSV, once it is known which columns there are.
    #[expect(clippy::too_many_arguments, reason = "what is written into, side by side")]
    async fn csv(
        &self,
        number: u32,
        batches: &[&StockBatch],
        keys: &Keys<'_>,
        columns: &BTreeSet<((u16, u16), String)>,
        folder: &mut Folder<'_>,
        counted: &mut Counted,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), ExportError> {
        let name = format!("subscriptions-{number}.csv");
        let mut file = folder.create(&name)?;
        let names: Vec<&str> = columns.iter().map(|(_, name)| name.as_str()).collect();
        file.write(format!("{}\n", names.join(",")).as_bytes())?;
        let mut rows = 0;
        let mut line = Zeroizing::new(String::with_capacity(LINE));
        for batch in batches {
            let mut after = None;
            while let Some(page) = self.page(batch, &mut after, counted).await? {
                for (item, package) in &page {
                    let subscription = |package: &&Package| package.kind == PackageKind::PersonalData;
                    let Some(package) = package.as_ref().filter(subscription) else { continue };
                    let Content::Data(data) = open(self.sealer, &item.iccid, package)? else { continue };
                    Record::of(&data, keys, self.rng)?.csv(names.iter().copied(), &mut line);
                    file.write(line.as_bytes())?;
                    rows += 1;
                }
                progress(Progress::Read(counted.read, counted.total));
            }
        }
        folder.keep(&name, file, rows, batches.first().copied())
    }

    /// The next profiles of a batch with their contents, which are counted as read; `None` behind the last.
    async fn page(
        &self,
        batch: &StockBatch,
        after: &mut Option<Iccid>,
        counted: &mut Counted,
    ) -> Result<Option<Vec<(StockItem, Option<Package>)>>, ExportError> {
        let page = self.store.stock_contents(batch, after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        *after = Some(last.iccid.clone());
        counted.read += page.len() as u64;
        Ok(Some(page))
    }

    fn opened(&self, item: &StockItem, package: &Package) -> Result<Zeroizing<Vec<u8>>, ExportError> {
        let place = Package::place(&item.iccid);
        let opened = self.sealer.open(&place, &package.sealed);
        opened.map_err(|cause| ExportError::Seal { iccid: item.iccid.clone(), cause })
    }
}

fn batch_line(batch: &StockBatch) -> String {
    let line = json!({
        "batch_id": batch.batch_id,
        "owner": batch.owner,
        "profile_type": batch.profile_type,
        "sub_class": batch.sub_class,
        "manufacturer": batch.manufacturer,
        "delivery_id": batch.delivery_id,
        "profiles": batch.profiles,
        "sha256": batch.digest,
        "received_at": batch.received_at.to_string(),
    });
    format!("{line}\n")
}
