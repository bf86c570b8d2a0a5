//! The register of eUICCs: what their manufacturers delivered, and when each was seen last.

use std::sync::Arc;

use super::audit::append;
use super::batches::{Batch, Lease};
use super::chunks::{Held, HeldNumber, Holder};
use super::engine::{Row, Statement, set_statement};
use super::labels::{labelled, selected};
use super::set::Set;
use super::writer::ChunkParts;
use super::{Store, StoreError};
use crate::domain::{Architecture, FreedomToSwitch, LabelSelection, NewAuditEntry, Operator, SubClassName};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid};

/// eUICCs of one look at most: a page, and one more that says that another page follows.
pub const EUICCS_MAX: u32 = 1001;

/// One EUM certificate stands once.
pub(super) const KEEP_EUM_CERTIFICATES: Statement = set_statement!(
    [digest text, der octets]
    "INSERT INTO eum_certificate (digest, der) SELECT digest, der FROM change WHERE true \
     ON CONFLICT (digest) DO NOTHING"
);

const INSERT_EUICCS: Statement = set_statement!(
    [eid text, manufacturer text, batch_id text, owner text, sub_class text, architecture bigint, euicc_type text,
     form_factor text, package_version bigint, non_volatile_octets bigint, ci_keys text, eum_certificate text,
     certificate octets, eim_id text, eim_counter bigint, association_token bigint, freedom_to_switch bigint,
     enabled_iccid text, created_at bigint]
    "INSERT INTO euicc (eid, manufacturer, batch_id, owner, sub_class, architecture, euicc_type, form_factor, \
     package_version, non_volatile_octets, ci_keys, eum_certificate, certificate, eim_id, eim_counter, \
     association_token, freedom_to_switch, enabled_iccid, created_at) \
     SELECT eid, manufacturer, batch_id, owner, sub_class, architecture, euicc_type, form_factor, package_version, \
     non_volatile_octets, ci_keys, eum_certificate, certificate, eim_id, eim_counter, association_token, \
     freedom_to_switch, enabled_iccid, created_at FROM change WHERE true"
);

const INSERT_PRELOADED: Statement = set_statement!(
    [iccid text, eid text]
    "INSERT INTO euicc_profile (iccid, eid) SELECT iccid, eid FROM change WHERE true"
);

const HELD_EIDS: Statement = set_statement!(
    [eid text]
    "SELECT euicc.eid, CASE WHEN batch.state = 1 THEN '' ELSE batch.batch_id END AS holder FROM change \
     JOIN euicc ON euicc.eid = change.eid JOIN batch ON batch.batch_id = euicc.batch_id"
);

const HELD_PRELOADED: Statement = set_statement!(
    [iccid text]
    "SELECT euicc_profile.iccid, CASE WHEN batch.state = 1 THEN '' ELSE batch.batch_id END AS holder FROM change \
     JOIN euicc_profile ON euicc_profile.iccid = change.iccid JOIN euicc ON euicc.eid = euicc_profile.eid \
     JOIN batch ON batch.batch_id = euicc.batch_id"
);

const SEEN: Statement = set_statement!(
    [eid text, seen_at bigint]
    "UPDATE euicc SET last_seen_at = change.seen_at FROM change WHERE euicc.eid = change.eid \
     AND (euicc.last_seen_at IS NULL OR euicc.last_seen_at < change.seen_at) RETURNING euicc.eid, 0"
);

/// The columns that [`euicc`] reads, of a batch that is published.
macro_rules! select_euicc {
    ($($condition:expr),+) => {
        concat!(
            "SELECT euicc.eid, euicc.manufacturer, euicc.batch_id, euicc.owner, euicc.sub_class, euicc.architecture, \
             euicc.euicc_type, euicc.form_factor, euicc.package_version, euicc.non_volatile_octets, euicc.ci_keys, \
             euicc.eim_id, euicc.eim_counter, euicc.association_token, euicc.freedom_to_switch, \
             euicc.enabled_iccid, euicc.created_at, euicc.last_seen_at FROM euicc \
             JOIN batch ON batch.batch_id = euicc.batch_id AND batch.state = 1 WHERE ",
            $($condition),+
        )
    };
}

const EUICC: Statement = Statement::common(select_euicc!("euicc.eid = $1"));

const EUICCS: Statement = Statement::common(select_euicc!("euicc.eid > $1 ORDER BY euicc.eid LIMIT $2"));

const EUICCS_LABELLED: Statement =
    Statement::common(select_euicc!("euicc.eid IN (", labelled!(), ") ORDER BY euicc.eid"));

const PRELOADED: Statement =
    Statement::common("SELECT iccid FROM euicc_profile WHERE eid = $1 ORDER BY iccid LIMIT 1000");

/// Where it is not part of the SIM, nobody puts it there.
const SWITCH_FREEDOM: Statement = Statement::common(
    "UPDATE euicc SET freedom_to_switch = $1 WHERE eid = $2 AND freedom_to_switch <> $3 RETURNING eid",
);

pub(super) const STATEMENTS: &[Statement] = &[
    SWITCH_FREEDOM,
    KEEP_EUM_CERTIFICATES,
    INSERT_EUICCS,
    INSERT_PRELOADED,
    HELD_EIDS,
    HELD_PRELOADED,
    SEEN,
    EUICC,
    EUICCS,
    EUICCS_LABELLED,
    PRELOADED,
];

/// What the eIM of an eUICC must know of it (SGP.32 2.11.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EimAssociation {
    /// eimId.
    pub eim_id: String,
    /// counterValue to begin with.
    pub counter: i64,
    /// associationToken, if it was drawn.
    pub association_token: Option<i64>,
}

/// What a manufacturer says of an eUICC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccFacts {
    /// Its number.
    pub eid: Eid,
    /// The standard that it follows.
    pub architecture: Architecture,
    /// The manufacturer's name of the product.
    pub euicc_type: Option<String>,
    /// Its form.
    pub form_factor: Option<String>,
    /// The highest version of profile packages that it takes: major, minor.
    pub package_version: Option<(u8, u8)>,
    /// Free non-volatile memory, in octets.
    pub non_volatile_octets: Option<i64>,
    /// Subject key identifiers of the CIs that it trusts, in hexadecimal digits with blanks between.
    pub ci_keys: String,
    /// What belongs to its eIM.
    pub eim: Option<EimAssociation>,
    /// Freedom to Switch, as it is now.
    pub freedom_to_switch: FreedomToSwitch,
    /// The profile that is enabled on it, as far as it is known.
    pub enabled: Option<Iccid>,
}

/// An eUICC of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEuicc {
    /// What is said of it.
    pub facts: EuiccFacts,
    /// The EUM's certificate with its digest, and its own, in DER.
    pub certificates: Option<(EumCertificate, Vec<u8>)>,
    /// Profiles that are on it; each is on one eUICC alone.
    pub preloaded: Vec<Iccid>,
}

/// An EUM certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EumCertificate {
    /// Its SHA-256, in hexadecimal digits.
    pub digest: String,
    /// The certificate.
    pub der: Vec<u8>,
}

/// An eUICC of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Euicc {
    /// What is said of it.
    pub facts: EuiccFacts,
    /// Who delivered it.
    pub manufacturer: String,
    /// In which batch.
    pub batch_id: String,
    /// Whose it is.
    pub owner: Operator,
    /// What kind of SIM it is.
    pub sub_class: Option<SubClassName>,
    /// When it came.
    pub created_at: Timestamp,
    /// When it was heard of last; what was heard in the last minute before a crash may be missing.
    pub last_seen_at: Option<Timestamp>,
}

struct Added {
    batch: Batch,
    euiccs: Arc<Vec<NewEuicc>>,
}

impl ChunkParts for Added {
    fn sets(&self) -> Vec<(&'static Statement, Set<'_>)> {
        let mut issuers: Vec<&EumCertificate> =
            self.euiccs.iter().filter_map(|euicc| Some(&euicc.certificates.as_ref()?.0)).collect();
        issuers.sort_by(|one, other| one.digest.cmp(&other.digest));
        issuers.dedup();
        let issuers =
            issuers.into_iter().map(|issuer| [issuer.digest.as_str().into(), issuer.der.as_slice().into()]);
        let euiccs = self.euiccs.iter().map(|euicc| {
            let EuiccFacts { eim, .. } = &euicc.facts;
            let facts = &euicc.facts;
            [
                facts.eid.as_str().into(),
                self.batch.manufacturer.as_str().into(),
                self.batch.batch_id.as_str().into(),
                self.batch.owner.as_str().into(),
                self.batch.sub_class.as_ref().map(SubClassName::as_str).into(),
                architecture_code(facts.architecture).into(),
                facts.euicc_type.as_deref().into(),
                facts.form_factor.as_deref().into(),
                facts.package_version.map(|(major, minor)| i64::from(major) << 8 | i64::from(minor)).into(),
                facts.non_volatile_octets.into(),
                facts.ci_keys.as_str().into(),
                euicc.certificates.as_ref().map(|(issuer, _)| issuer.digest.as_str()).into(),
                euicc.certificates.as_ref().map(|(_, own)| own.as_slice()).into(),
                eim.as_ref().map(|eim| eim.eim_id.as_str()).into(),
                eim.as_ref().map(|eim| eim.counter).into(),
                eim.as_ref().and_then(|eim| eim.association_token).into(),
                freedom_code(facts.freedom_to_switch).into(),
                facts.enabled.as_ref().map(Iccid::as_str).into(),
                self.batch.received_at.as_millis().into(),
            ]
        });
        let names = [
            "eid",
            "manufacturer",
            "batch_id",
            "owner",
            "sub_class",
            "architecture",
            "euicc_type",
            "form_factor",
            "package_version",
            "non_volatile_octets",
            "ci_keys",
            "eum_certificate",
            "certificate",
            "eim_id",
            "eim_counter",
            "association_token",
            "freedom_to_switch",
            "enabled_iccid",
            "created_at",
        ];
        let preloaded = self.euiccs.iter().flat_map(|euicc| {
            euicc.preloaded.iter().map(|iccid| [iccid.as_str().into(), euicc.facts.eid.as_str().into()])
        });
        vec![
            (&KEEP_EUM_CERTIFICATES, Set::rows_of(["digest", "der"], issuers)),
            (&INSERT_EUICCS, Set::rows_of(names, euiccs)),
            (&INSERT_PRELOADED, Set::rows_of(["iccid", "eid"], preloaded)),
        ]
    }
}

struct Looked(Arc<Vec<NewEuicc>>);

impl ChunkParts for Looked {
    fn sets(&self) -> Vec<(&'static Statement, Set<'_>)> {
        let eids = self.0.iter().map(|euicc| euicc.facts.eid.as_str());
        let preloaded = self.0.iter().flat_map(|euicc| &euicc.preloaded).map(Iccid::as_str);
        vec![(&HELD_EIDS, Set::column("eid", eids)), (&HELD_PRELOADED, Set::column("iccid", preloaded))]
    }
}

const fn architecture_code(architecture: Architecture) -> i64 {
    match architecture {
        Architecture::Sgp02 => 2,
        Architecture::Sgp22 => 22,
        Architecture::Sgp32 => 32,
    }
}

const fn freedom_code(freedom: FreedomToSwitch) -> i64 {
    match freedom {
        FreedomToSwitch::Absent => 0,
        FreedomToSwitch::Inactive => 1,
        FreedomToSwitch::Active => 2,
    }
}

fn euicc(row: &Row) -> Result<Euicc, StoreError> {
    let key = row.text("eid")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    let iccid = |text: String| Iccid::parse(&text).map_err(|_| corrupt("enabled_iccid"));
    let version = |value: i64| -> Result<(u8, u8), StoreError> {
        let part = |value: i64| u8::try_from(value).map_err(|_| corrupt("package_version"));
        Ok((part(value >> 8)?, part(value & 0xFF)?))
    };
    let eim = match (row.text_or_null("eim_id")?, row.integer_or_null("eim_counter")?) {
        (Some(eim_id), Some(counter)) => Some(EimAssociation {
            eim_id,
            counter,
            association_token: row.integer_or_null("association_token")?,
        }),
        _ => None,
    };
    let facts = EuiccFacts {
        eid: Eid::parse(&key).map_err(|_| corrupt("eid"))?,
        architecture: match row.integer("architecture")? {
            2 => Architecture::Sgp02,
            22 => Architecture::Sgp22,
            32 => Architecture::Sgp32,
            _ => return Err(corrupt("architecture")),
        },
        euicc_type: row.text_or_null("euicc_type")?,
        form_factor: row.text_or_null("form_factor")?,
        package_version: row.integer_or_null("package_version")?.map(version).transpose()?,
        non_volatile_octets: row.integer_or_null("non_volatile_octets")?,
        ci_keys: row.text_or_null("ci_keys")?.unwrap_or_default(),
        eim,
        freedom_to_switch: match row.integer("freedom_to_switch")? {
            0 => FreedomToSwitch::Absent,
            1 => FreedomToSwitch::Inactive,
            2 => FreedomToSwitch::Active,
            _ => return Err(corrupt("freedom_to_switch")),
        },
        enabled: row.text_or_null("enabled_iccid")?.map(iccid).transpose()?,
    };
    let sub_class = row.text_or_null("sub_class")?;
    Ok(Euicc {
        facts,
        manufacturer: row.text("manufacturer")?,
        batch_id: row.text("batch_id")?,
        owner: Operator::parse(&row.text("owner")?).ok_or_else(|| corrupt("owner"))?,
        sub_class: sub_class
            .map(|name| SubClassName::parse(&name).ok_or_else(|| corrupt("sub_class")))
            .transpose()?,
        created_at: Timestamp::from_millis(row.integer("created_at")?),
        last_seen_at: row.integer_or_null("last_seen_at")?.map(Timestamp::from_millis),
    })
}

impl Store {
    /// Puts eUICCs into a batch that comes in, all or none of them, and renews its lease.
    ///
    /// # Errors
    /// As [`Store::add_to_batch`].
    pub async fn add_euiccs_to_batch(
        &self,
        batch: &Batch,
        lease: &Lease,
        euiccs: &Arc<Vec<NewEuicc>>,
    ) -> Result<(), StoreError> {
        let added = Added { batch: batch.clone(), euiccs: Arc::clone(euiccs) };
        self.chunk(batch, lease, Box::new(added)).await.map(drop)
    }

    /// The EIDs of these eUICCs, and the profiles on them, that are held already; renews the lease of the batch.
    ///
    /// # Errors
    /// As [`Store::add_to_batch`].
    pub async fn held_eids(
        &self,
        batch: &Batch,
        lease: &Lease,
        euiccs: &Arc<Vec<NewEuicc>>,
    ) -> Result<Vec<Held>, StoreError> {
        let mut found = self.chunk(batch, lease, Box::new(Looked(Arc::clone(euiccs)))).await?.into_iter();
        let (eids, preloaded) = (found.next().unwrap_or_default(), found.next().unwrap_or_default());
        let mut held = Vec::new();
        for (place, euicc) in euiccs.iter().enumerate() {
            if let Some(by) = eids.get(euicc.facts.eid.as_str()) {
                held.push(Held { place, number: HeldNumber::Eid, by: Holder::new(by) });
            }
            for (of, iccid) in euicc.preloaded.iter().enumerate() {
                if let Some(by) = preloaded.get(iccid.as_str()) {
                    held.push(Held { place, number: HeldNumber::Preloaded(of), by: Holder::new(by) });
                }
            }
        }
        Ok(held)
    }

    /// Notes when eUICCs were heard of, in one commit; a time before the one that is known changes nothing, and neither
    /// does an eUICC that is not in the register.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn euiccs_seen(&self, seen: &[(Eid, Timestamp)]) -> Result<(), StoreError> {
        let rows = seen.iter().map(|(eid, at)| [eid.as_str().into(), at.as_millis().into()]);
        let mut writing = self.pools.begin().await?;
        writing.fetch_set(&SEEN, &Set::rows_of(["eid", "seen_at"], rows)).await?;
        writing.commit().await
    }

    /// Makes Freedom to Switch of an eUICC active or inactive; whether it is part of it.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn set_freedom_to_switch(
        &self,
        eid: &Eid,
        freedom: FreedomToSwitch,
        entry: NewAuditEntry,
    ) -> Result<bool, StoreError> {
        let absent = freedom_code(FreedomToSwitch::Absent).into();
        let arguments = [freedom_code(freedom).into(), eid.as_str().into(), absent];
        let mut writing = self.pools.begin().await?;
        if writing.fetch(&SWITCH_FREEDOM, arguments).await?.is_empty() {
            return Ok(false);
        }
        append(&mut writing, &[entry]).await?;
        writing.commit().await?;
        Ok(true)
    }

    /// The eUICC of this number, with the profiles that were on it when it came; `None` if it is not in the register.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn euicc(&self, eid: &Eid) -> Result<Option<(Euicc, Vec<Iccid>)>, StoreError> {
        let rows = self.pools.fetch(&EUICC, [eid.as_str().into()]).await?;
        let Some(found) = rows.first().map(euicc).transpose()? else { return Ok(None) };
        let rows = self.pools.fetch(&PRELOADED, [eid.as_str().into()]).await?;
        let preloaded = rows.iter().map(|row| {
            let key = row.text("iccid")?;
            Iccid::parse(&key).map_err(|_| StoreError::Corrupt { column: "iccid", key })
        });
        Ok(Some((found, preloaded.collect::<Result<_, _>>()?)))
    }

    /// eUICCs behind `after` in the order of EIDs, at most `limit` (and [`EUICCS_MAX`]).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn euiccs(&self, after: &str, limit: u32) -> Result<Vec<Euicc>, StoreError> {
        let arguments = [after.into(), i64::from(limit.min(EUICCS_MAX)).into()];
        let rows = self.pools.fetch(&EUICCS, arguments).await?;
        rows.iter().map(euicc).collect()
    }

    /// As [`Store::euiccs`], those that have all these labels.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn euiccs_labelled(
        &self,
        selection: &LabelSelection,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Euicc>, StoreError> {
        let rows =
            self.pools.fetch(&EUICCS_LABELLED, selected(selection, after, limit.min(EUICCS_MAX))?).await?;
        rows.iter().map(euicc).collect()
    }
}
