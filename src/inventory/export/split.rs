//! Files for the AuC, the OTA platform and the CRM, and the record of who was given what.
//!
//! 1. What is meant is read batch by batch, and written into a file that has no name yet.
//! 2. The file is flushed and gets its name.
//! 3. The delivery is written down, and each subscription marked, some hundred in a commit.
//!
//! So what is marked stands in a file that is there. Interrupted before the end, an export is made again: what was not
//! marked stands in both files, which the other system takes twice and no SIM notices.

use std::path::Path;

use serde::Serialize;

use super::super::transport_keys::KeyUse;
use super::file::PrivateFile;
use super::layout::Layout;
use super::row::{LineWriter, open};
use super::{ExportError, Keys, PAGE, PROFILES_MAX, Progress};
use crate::crypto::seal::Sealer;
use crate::domain::{Action, Actor, AuditSubject, NewAuditEntry, Person, System};
use crate::env::{Clock, Rng};
use crate::ident::{Iccid, counted};
use crate::store::{NewDelivery, Package, StockBatch, StockItem, StockSelection, Store};

/// Profiles that are marked before somebody hears of it.
const MARKED_AT_A_TIME: usize = 5000;

/// Which profiles are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Those of batches.
    Batches(StockSelection),
    /// These.
    Iccids(Vec<Iccid>),
}

/// What becomes of profiles that the system has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// They are left out, and counted.
    LeftOut,
    /// They stand in the file once more.
    Again,
}

/// What an export needs.
pub struct Exporter<'a> {
    /// The store.
    pub store: &'a Store,
    /// Opens what is sealed.
    pub sealer: &'a Sealer,
    /// The time.
    pub clock: &'a Clock,
    /// Identifiers of deliveries, initial blocks.
    pub rng: &'a Rng,
    /// Who exports.
    pub person: &'a Person,
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SplitReport {
    /// By which the delivery is known from now on.
    pub delivery_id: String,
    /// For whom: `auc`, `ota` or `crm`.
    pub system: &'static str,
    /// The layout.
    pub layout: String,
    /// The file's name.
    pub file: String,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Its lines, that of the names aside.
    pub lines: u64,
    /// Subscriptions that stand in it.
    pub subscriptions: u64,
    /// Those that were left out, since the system has them.
    pub delivered_already: u64,
    /// Those that were left out, since they came as ready-made packages and this system's part cannot be read from them.
    pub ready_made: u64,
    /// Those that were left out, since they are retired and their secrets are gone.
    pub retired: u64,
    /// The transport key of its keys.
    pub transport_key: Option<String>,
    /// When, as ISO 8601.
    pub made_at: String,
}

/// What is counted while the file is written.
struct Writing<'a> {
    file: PrivateFile,
    lines: LineWriter<'a>,
    layout: &'a Layout,
    repeated: Repeated,
    count: u64,
    /// In the octets of their headers, in parts that do not grow.
    written: Vec<Vec<[u8; 10]>>,
    subscriptions: u64,
    delivered_already: u64,
    ready_made: u64,
    retired: u64,
}

impl Writing<'_> {
    fn add(
        &mut self,
        sealer: &Sealer,
        item: &StockItem,
        package: Option<&Package>,
    ) -> Result<(), ExportError> {
        let Some(package) = package else {
            self.retired += 1;
            return Ok(());
        };
        if self.repeated == Repeated::LeftOut && item.delivered.has(self.layout.system) {
            self.delivered_already += 1;
            return Ok(());
        }
        let content = open(sealer, &item.iccid, package)?;
        let file = &mut self.file;
        let written = self.lines.lines(item, &content, &mut |line| Ok(file.write(line)?))?;
        let Some(lines) = written else {
            self.ready_made += 1;
            return Ok(());
        };
        self.count += lines;
        self.subscriptions += 1;
        if self.subscriptions > PROFILES_MAX as u64 {
            return Err(ExportError::TooMany);
        }
        let header = item.iccid.to_header();
        match self.written.last_mut().filter(|part| part.len() < MARKED_AT_A_TIME) {
            Some(part) => part.push(header),
            None => {
                let mut part = Vec::with_capacity(MARKED_AT_A_TIME);
                part.push(header);
                self.written.push(part);
            }
        }
        Ok(())
    }
}

impl Exporter<'_> {
    /// Writes a file and the record of its delivery.
    ///
    /// # Errors
    /// [`ExportError`]. Unless the file is there, nothing was marked.
    pub async fn split(
        &self,
        chosen: &Chosen,
        layout: &Layout,
        keys: &Keys<'_>,
        repeated: Repeated,
        path: &Path,
        mut progress: impl FnMut(Progress),
    ) -> Result<SplitReport, ExportError> {
        let mut writing = Writing {
            file: PrivateFile::create(path)?,
            lines: LineWriter::new(layout, keys, self.rng),
            layout,
            repeated,
            count: 0,
            written: Vec::new(),
            subscriptions: 0,
            delivered_already: 0,
            ready_made: 0,
            retired: 0,
        };
        // 1. The file without a name.
        if layout.header {
            writing.file.write(writing.lines.header().as_bytes())?;
        }
        match chosen {
            Chosen::Batches(selection) => self.batches(selection, &mut writing, &mut progress).await?,
            Chosen::Iccids(iccids) => self.iccids(iccids, &mut writing, &mut progress).await?,
        }
        let Writing { file, count, written, subscriptions, delivered_already, ready_made, retired, .. } =
            writing;
        if subscriptions == 0 {
            let why = format!(
                "{delivered_already} subscriptions were delivered already, {ready_made} came as ready-made packages, \
                 {retired} are retired"
            );
            return Err(ExportError::Nothing(why));
        }

        // 2. The name.
        let done = file.finish()?;

        // 3. The record.
        let delivery = NewDelivery {
            delivery_id: hex::encode_upper(self.rng.array::<8>()),
            system: layout.system,
            layout: layout.name.clone(),
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            digest: done.sha256,
            key_name: key_of(layout, keys),
            subscriptions,
            lines: count,
            person: self.person.clone(),
            at: self.clock.now(),
        };
        let detail = format!(
            "{} for the {}, {}, SHA-256 {}",
            counted(subscriptions, "subscription"),
            layout.system,
            delivery.file,
            hex::encode(done.sha256)
        );
        let subject = AuditSubject::new("delivery", &delivery.delivery_id);
        self.store.begin_delivery(&delivery, self.audit_entry(subject, detail)).await?;
        let mut marked = 0;
        for part in &written {
            let iccids: Vec<Iccid> =
                part.iter().filter_map(|octets| Iccid::from_header(octets).ok()).collect();
            self.store.mark_delivered(&delivery, &iccids).await?;
            marked += iccids.len() as u64;
            progress(Progress::Marked(marked, subscriptions));
        }
        Ok(SplitReport {
            delivery_id: delivery.delivery_id,
            system: layout.system.name(),
            layout: delivery.layout,
            file: delivery.file,
            sha256: hex::encode(done.sha256),
            lines: count,
            subscriptions,
            delivered_already,
            ready_made,
            retired,
            transport_key: delivery.key_name,
            made_at: delivery.at.to_string(),
        })
    }

    /// What the audit tells of an export.
    pub(super) fn audit_entry(&self, subject: AuditSubject, detail: String) -> NewAuditEntry {
        let actor = Actor::Person(self.person.clone());
        NewAuditEntry::new(self.clock.now(), actor, Action::STOCK_EXPORT, subject).detail(detail)
    }

    async fn batches(
        &self,
        selection: &StockSelection,
        writing: &mut Writing<'_>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), ExportError> {
        let batches = all_batches(self.store, selection).await?;
        let total = batches.iter().map(|batch| batch.profiles).sum();
        let mut read = 0;
        for batch in &batches {
            let mut after = None;
            loop {
                let page = self.store.stock_contents(batch, after.as_ref(), PAGE).await?;
                let Some((last, _)) = page.last() else { break };
                after = Some(last.iccid.clone());
                for (item, package) in &page {
                    writing.add(self.sealer, item, package.as_ref())?;
                }
                read += page.len() as u64;
                progress(Progress::Read(read, total));
            }
        }
        Ok(())
    }

    async fn iccids(
        &self,
        iccids: &[Iccid],
        writing: &mut Writing<'_>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), ExportError> {
        for (read, iccid) in iccids.iter().enumerate() {
            let item = self.store.stock_item(iccid).await?;
            let item = item.ok_or_else(|| ExportError::UnknownIccid(iccid.clone()))?;
            writing.add(self.sealer, &item, self.store.package(iccid).await?.as_ref())?;
            if read % 1000 == 0 {
                progress(Progress::Read(read as u64, iccids.len() as u64));
            }
        }
        Ok(())
    }
}

/// The transport key of a file, as it is kept: its number.
fn key_of(layout: &Layout, keys: &Keys<'_>) -> Option<String> {
    let use_ = if layout.system == System::Ota { KeyUse::Ota } else { KeyUse::Subscription };
    keys.under(use_).filter(|_| layout.has_keys()).map(|key| key.index.to_string())
}

/// The published batches of a selection as they are now: those that come later are not meant.
pub(super) async fn all_batches(
    store: &Store,
    selection: &StockSelection,
) -> Result<Vec<StockBatch>, ExportError> {
    let mut batches: Vec<StockBatch> = Vec::new();
    loop {
        let after = batches.last().map(|batch| batch.batch_id.clone()).unwrap_or_default();
        let page = store.stock_batches(selection, &after, PAGE).await?;
        if page.is_empty() {
            break;
        }
        batches.extend(page);
    }
    if let (StockSelection::Batch(batch_id), []) = (selection, batches.as_slice()) {
        return Err(ExportError::UnknownBatch(batch_id.clone()));
    }
    Ok(batches)
}
