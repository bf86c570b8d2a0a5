//! From rows to profiles that can be stored: checked, sealed, in pieces of the size of a chunk.
//!
//! This is where the processor works, so it has a thread of its own; the pieces go to [`super::ingest`] over a channel that
//! holds two of them, so that a file of any size takes the memory of some chunks.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use simyard_asn1::saip;
use tokio::sync::{mpsc, oneshot};

use super::formats::DeliveredEuicc;
use super::goods::Goods;
use super::receipt::Refusal;
use super::rows::{Delivered, DeliveredRow, Heading, ReadError, Sink, Source};
use super::sub_class::SubClass;
use crate::crypto::hash::{Sha256Stream, sha256};
use crate::crypto::seal::{SealError, Sealer};
use crate::domain::{FreedomToSwitch, Mode};
use crate::profile::identity::{PackageIdentity, PackageImsi};
use crate::profile::needs::needs;
use crate::profile::personal_data::{HOME, PersonalData};
use crate::profile::plan::{Personaliser, Template};
use crate::profile::test_profile;
use crate::store::{
    BatchKind, EimAssociation, EuiccFacts, EumCertificate, NewEuicc, NewImsi, NewProfile, Package,
    PackageKind, ROWS_MAX,
};

/// The largest file.
pub const MAX_FILE_OCTETS: u64 = 2 << 30;
/// The most rows in one delivery: their numbers are remembered while it is read.
pub const MAX_ROWS: u64 = 2_000_000;
/// The largest ready-made package.
pub const MAX_PACKAGE_OCTETS: usize = 1024 * 1024;

/// Why a row that names an eUICC is refused: whatever is in stock may be ordered, and a second card would have its numbers and
/// keys.
const ON_EUICC: &str = "the row names an eUICC that has the profile: profiles in stock are to be downloaded, and this one \
                        would be there twice. Deliver the eUICC, with the ICCID among its iccids, in the form euiccs; or \
                        pass over the column (--pass-over eid) if the profile is not on it";

/// What is done with the rows of a delivery whose heading was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// They are prepared.
    Rows,
    /// The delivery was taken before: only its digest is of interest.
    Digest,
}

/// What comes out of the thread, in this order.
pub enum Piece {
    /// The heading, and where to say what is wanted.
    Heading(Heading, oneshot::Sender<Wanted>),
    /// Some rows.
    Rows(Rows),
    /// The end: how the reading ended, and the digest of the file.
    End(Result<(), PrepareError>, [u8; 32]),
}

/// Some rows: what can be stored, with the line of each, and what is refused.
pub struct Rows {
    /// To be stored.
    pub goods: Goods,
    /// Their lines.
    pub lines: Vec<usize>,
    /// Everything that is wrong with the others.
    pub refusals: Vec<Refusal>,
    /// How many others there are.
    pub refused: u64,
}

impl Rows {
    /// Rows in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::try_from(self.goods.len()).unwrap_or(u64::MAX).saturating_add(self.refused)
    }
}

/// Why a delivery cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The secrets could not be sealed.
    #[error("the secrets could not be sealed: {0}")]
    Seal(#[from] SealError),
}

/// What rows are prepared with.
pub struct Preparation {
    /// Seals what is secret.
    pub sealer: Sealer,
    /// Whether test profiles are taken.
    pub mode: Mode,
    /// What the profile type makes packages from: rows that do not fit it are refused. `None` where that shows later.
    pub template: Option<Template>,
    /// What eUICCs are of which the row says no more.
    pub sub_class: Option<Arc<SubClass>>,
}

impl Preparation {
    /// Reads `input` to its end on this thread and sends the pieces. Nobody who listens any more is no error.
    pub fn run(self, input: impl Read, source: Box<dyn Source>, to: &mpsc::Sender<Piece>) {
        let mut input =
            Hashing { input: input.take(MAX_FILE_OCTETS + 1), digest: Sha256Stream::new(), octets: 0 };
        let mut desk = Desk {
            personaliser: self.template.as_ref().map(Personaliser::new),
            preparation: &self,
            to,
            kind: BatchKind::Subscriptions,
            profiles: Vec::new(),
            euiccs: Vec::new(),
            lines: Vec::new(),
            refusals: Vec::new(),
            refused: 0,
            count: 0,
            announced: None,
            failed: None,
            wanted: Wanted::Rows,
        };
        let read = source.read(&mut input, &mut desk);
        let outcome = desk.finish(read);
        let outcome = outcome.and_then(|()| {
            if to.is_closed() {
                return Ok(());
            }
            // What the source left behind belongs to the file.
            std::io::copy(&mut input, &mut std::io::sink())
                .map(drop)
                .map_err(|error| ReadError::Read(error).into())
        });
        // The listener may have gone away.
        let _ = to.blocking_send(Piece::End(outcome, input.digest.finish()));
    }
}

/// Where rows are prepared, one after the other.
struct Desk<'a> {
    preparation: &'a Preparation,
    personaliser: Option<Personaliser<'a>>,
    to: &'a mpsc::Sender<Piece>,
    kind: BatchKind,
    profiles: Vec<NewProfile>,
    euiccs: Vec<NewEuicc>,
    lines: Vec<usize>,
    refusals: Vec<Refusal>,
    refused: u64,
    count: u64,
    announced: Option<u64>,
    failed: Option<PrepareError>,
    wanted: Wanted,
}

impl Desk<'_> {
    fn send(&mut self) -> ControlFlow<()> {
        let (profiles, euiccs) = (std::mem::take(&mut self.profiles), std::mem::take(&mut self.euiccs));
        let rows = Rows {
            goods: match self.kind {
                BatchKind::Subscriptions => Goods::Profiles(Arc::new(profiles)),
                BatchKind::Euiccs => Goods::Euiccs(Arc::new(euiccs)),
            },
            lines: std::mem::take(&mut self.lines),
            refusals: std::mem::take(&mut self.refusals),
            refused: std::mem::take(&mut self.refused),
        };
        match self.to.blocking_send(Piece::Rows(rows)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn finish(mut self, read: Result<(), ReadError>) -> Result<(), PrepareError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        read?;
        if self.wanted == Wanted::Digest {
            return Ok(());
        }
        if let Some(announced) = self.announced.filter(|announced| *announced != self.count) {
            return Err(ReadError::Quantity { announced, found: self.count }.into());
        }
        // A listener that went away does not need it.
        let _ = self.send();
        Ok(())
    }

    fn refuse(&mut self, refusals: Vec<Refusal>) {
        self.refused += 1;
        self.refusals.extend(refusals);
    }

    /// Makes what is stored of a row; a delivery holds profiles or eUICCs alone.
    fn take(&mut self, line: usize, delivered: Delivered) -> Result<(), Fault> {
        match (delivered, self.kind) {
            (Delivered::Subscription(row), BatchKind::Subscriptions) => {
                if let Some(eid) = &row.eid {
                    return Err(Fault::Refused(vec![Refusal::of_number(
                        line,
                        "eid",
                        eid.as_str(),
                        ON_EUICC,
                    )]));
                }
                let profile = self.of_data(line, &row.data)?;
                self.profiles.push(profile);
            }
            (Delivered::Package(der), BatchKind::Subscriptions) => {
                let profile = self.of_package(line, &der)?;
                self.profiles.push(profile);
            }
            (Delivered::Euicc(euicc), BatchKind::Euiccs) => {
                let euicc = self.of_euicc(line, *euicc)?;
                self.euiccs.push(euicc);
            }
            (Delivered::Subscription(_) | Delivered::Package(_) | Delivered::Euicc(_), _) => {
                return Err(Fault::Refused(vec![Refusal::of_row(line, "profiles and eUICCs come apart")]));
            }
        }
        self.lines.push(line);
        Ok(())
    }

    /// What the row does not say, the sub-class says.
    fn of_euicc(&self, line: usize, euicc: DeliveredEuicc) -> Result<NewEuicc, Fault> {
        let sub_class = self.preparation.sub_class.as_deref();
        let of_sub_class = sub_class.and_then(|sub_class| sub_class.architecture_of(&euicc.eid));
        let Some(architecture) = euicc.architecture.or(of_sub_class) else {
            return Err(Fault::Refused(vec![Refusal {
                line,
                field: Some("architecture".into()),
                value: None,
                reason: "empty, and no sub-class of the profile type says it".to_owned(),
            }]));
        };
        let clamped = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let facts = EuiccFacts {
            eid: euicc.eid,
            architecture,
            euicc_type: euicc.euicc_type,
            form_factor: euicc.form_factor,
            package_version: euicc.package_version,
            non_volatile_octets: euicc.non_volatile_octets.map(clamped),
            ci_keys: euicc.ci_keys.iter().map(hex::encode_upper).collect::<Vec<_>>().join(" "),
            eim: euicc.eim.map(|eim| EimAssociation {
                eim_id: eim.eim_id,
                counter: clamped(eim.counter),
                association_token: eim.association_token.map(clamped),
            }),
            freedom_to_switch: sub_class
                .map_or(FreedomToSwitch::Absent, |sub_class| sub_class.freedom_to_switch),
            enabled: euicc.enabled,
        };
        let certificates = euicc
            .certificates
            .map(|[eum, own]| (EumCertificate { digest: hex::encode(sha256(&eum)), der: eum }, own));
        Ok(NewEuicc { facts, certificates, preloaded: euicc.iccids })
    }

    fn of_data(&mut self, line: usize, data: &PersonalData) -> Result<NewProfile, Fault> {
        if let (Mode::Production, Some(found)) = (self.preparation.mode, test_profile::of_data(data)) {
            let reason = format!("a test profile: {found}; only a server with mode = \"test\" takes it");
            return Err(Fault::Refused(vec![Refusal {
                line,
                field: Some("ki".into()),
                value: None,
                reason,
            }]));
        }
        // What does not fit is told now, not when a device waits for the package.
        if let Some(Err(error)) = self.personaliser.as_mut().map(|personaliser| personaliser.check(data)) {
            let field = error.column().map(Into::into);
            return Err(Fault::Refused(vec![Refusal {
                line,
                field,
                value: None,
                reason: error.to_string(),
            }]));
        }
        let sealed = self.preparation.sealer.seal(&Package::place(&data.iccid), &data.to_octets())?;
        let imsis = (0..data.subscriptions()).filter_map(|place| {
            let (subscription, _) = data.subscription(place)?;
            Some(NewImsi {
                imsi: subscription.imsi.clone(),
                role: data.role(place).to_owned(),
                msisdn: subscription.msisdn.as_ref().map(|number| number.as_str().to_owned()),
            })
        });
        Ok(NewProfile {
            iccid: data.iccid.clone(),
            imsis: imsis.collect(),
            package: Package { kind: PackageKind::PersonalData, sealed, needs: None },
        })
    }

    fn of_package(&self, line: usize, der: &[u8]) -> Result<NewProfile, Fault> {
        let refused = |reason: String| Fault::Refused(vec![Refusal::of_row(line, reason)]);
        if der.len() > MAX_PACKAGE_OCTETS {
            return Err(refused(format!("the package has more than {MAX_PACKAGE_OCTETS} octets")));
        }
        let read = saip::Package::from_der(der)
            .map_err(|error| refused(format!("the package cannot be read: {error}")))?;
        let identity = PackageIdentity::read(&read).map_err(|error| refused(error.to_string()))?;
        if let (Mode::Production, Some(found)) = (self.preparation.mode, test_profile::of_package(&read)) {
            let reason = format!(
                "the package is a test profile: {found}; only a server with mode = \"test\" takes it"
            );
            return Err(refused(reason));
        }
        let sealed = self.preparation.sealer.seal(&Package::place(&identity.iccid), der)?;
        let home = identity.imsi.map(|imsi| (HOME.to_owned(), imsi));
        let further = identity.further_imsis.into_iter().map(|PackageImsi { role, imsi }| (role, imsi));
        let imsis = home.into_iter().chain(further);
        Ok(NewProfile {
            iccid: identity.iccid,
            imsis: imsis.map(|(role, imsi)| NewImsi { imsi, role, msisdn: None }).collect(),
            package: Package { kind: PackageKind::ReadyMade, sealed, needs: needs(&read) },
        })
    }
}

impl Sink for Desk<'_> {
    fn heading(&mut self, heading: &Heading) -> ControlFlow<()> {
        self.announced = heading.quantity;
        self.kind = heading.kind();
        let (answer, wanted) = oneshot::channel();
        if self.to.blocking_send(Piece::Heading(heading.clone(), answer)).is_err() {
            return ControlFlow::Break(());
        }
        match wanted.blocking_recv() {
            Ok(Wanted::Rows) => ControlFlow::Continue(()),
            Ok(Wanted::Digest) => {
                self.wanted = Wanted::Digest;
                ControlFlow::Break(())
            }
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn row(&mut self, row: DeliveredRow) -> ControlFlow<()> {
        self.count += 1;
        if self.count > MAX_ROWS {
            self.failed = Some(ReadError::TooManyRows(MAX_ROWS).into());
            return ControlFlow::Break(());
        }
        match row.outcome {
            Err(refusals) => self.refuse(refusals),
            Ok(delivered) => match self.take(row.line, delivered) {
                Ok(()) => {}
                Err(Fault::Refused(refusals)) => self.refuse(refusals),
                Err(Fault::Seal(error)) => {
                    self.failed = Some(error.into());
                    return ControlFlow::Break(());
                }
            },
        }
        let full = self.lines.len() >= ROWS_MAX || self.refusals.len() >= ROWS_MAX;
        if full { self.send() } else { ControlFlow::Continue(()) }
    }
}

enum Fault {
    Refused(Vec<Refusal>),
    Seal(SealError),
}

impl From<SealError> for Fault {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

/// Takes the digest of what passes, and refuses more than there may be.
struct Hashing<R> {
    input: R,
    digest: Sha256Stream,
    octets: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.octets += u64::try_from(count).unwrap_or(u64::MAX);
        if self.octets > MAX_FILE_OCTETS {
            return Err(std::io::Error::other(format!(
                "it has more than {MAX_FILE_OCTETS} octets: divide it"
            )));
        }
        self.digest.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
