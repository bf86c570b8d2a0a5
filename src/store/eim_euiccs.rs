//! eUICCs that are associated with our eIM: counters and tokens, what is known of each, and when each polled.
//!
//! The row of an eUICC is the root of all that belongs to it: its operations, packages and profiles change under its
//! `version` alone ([`Store::change_eim_euicc`]). When it polled is noted beside, without raising it.

use super::eim_packages::{EimPackage, package, package_columns};
use super::engine::{Row, Statement, set_statement};
use super::set::{Set, set_row};
use super::{Store, StoreError, audit};
use crate::domain::{ListedProfile, NewAuditEntry};
use crate::env::Timestamp;
use crate::ident::{Eid, Iccid};

/// eUICCs of one look at most: a page, and one more that says that another page follows.
pub const EIM_EUICCS_MAX: u32 = 1001;
/// Milliseconds between polls that count as two: an IPA that has something to do asks again at once.
macro_rules! apart_ms {
    () => {
        "60000"
    };
}

macro_rules! select_euicc {
    ($rest:literal) => {
        concat!(
            "SELECT eim_euicc.eid, eim_euicc.version, eim_euicc.associated_at, eim_euicc.counter, \
             eim_euicc.association_token AS token, eim_euicc.indirect_download, eum_certificate.der AS eum_certificate, \
             eim_euicc.certificate, eim_euicc.euicc_info1, eim_euicc.euicc_info2, eim_euicc.ipa_capabilities, \
             eim_euicc.device_info, eim_euicc.rules_authorisation_table, eim_euicc.introductions, \
             eim_euicc.stale_since, eim_euicc.listed_at, eim_euicc.rplmn, eim_euicc.last_contact_at, \
             eim_euicc.previous_contact_at, eim_euicc.signing_key, eim_euicc.left_at FROM eim_euicc \
             LEFT JOIN eum_certificate ON eum_certificate.digest = eim_euicc.eum_certificate WHERE ",
            $rest
        )
    };
}

const EUICC: Statement = Statement::common(select_euicc!("eim_euicc.eid = $1"));

const EUICCS: Statement =
    Statement::common(select_euicc!("eim_euicc.eid > $1 ORDER BY eim_euicc.eid LIMIT $2"));

/// All that a poll asks for, in one look.
const POLL: Statement = Statement::common(concat!(
    "SELECT eim_euicc.version, eim_euicc.counter AS last_counter, eim_euicc.association_token AS token, \
     eim_euicc.introductions, eim_euicc.rplmn, eim_euicc.last_contact_at, eim_euicc.signing_key, CAST(CASE WHEN eim_euicc.certificate IS NULL THEN 0 ELSE 1 END AS BIGINT) AS known, ",
    package_columns!(),
    " FROM eim_euicc LEFT JOIN eim_package ON eim_package.eid = eim_euicc.eid AND eim_package.ended_at IS NULL \
     WHERE eim_euicc.eid = $1"
));

/// A new association begins with its own counter; what waits for the eUICC stays. One that comes back was given our first key.
const ASSOCIATE: Statement = set_statement!(
    [eid text, counter bigint, token bigint, indirect_download bigint, associated_at bigint]
    "INSERT INTO eim_euicc (eid, version, association, associated_at, counter, association_token, indirect_download, \
     eum_certificate, certificate) \
     SELECT change.eid, 0, 1, change.associated_at, change.counter, change.token, change.indirect_download, \
     euicc.eum_certificate, euicc.certificate FROM change LEFT JOIN euicc ON euicc.eid = change.eid WHERE true \
     ON CONFLICT (eid) DO UPDATE SET version = eim_euicc.version + 1, association = eim_euicc.association + 1, \
     associated_at = excluded.associated_at, counter = excluded.counter, \
     association_token = excluded.association_token, indirect_download = excluded.indirect_download, \
     signing_key = CASE WHEN eim_euicc.left_at IS NULL THEN eim_euicc.signing_key ELSE NULL END, left_at = NULL \
     RETURNING eid, version"
);

/// What a manufacturer delivered with an eUICC; an association that is there stays.
const ASSOCIATE_DELIVERED: Statement = Statement::common(
    "INSERT INTO eim_euicc (eid, version, association, associated_at, counter, association_token, indirect_download, \
     eum_certificate, certificate) \
     SELECT euicc.eid, 0, 1, CAST($3 AS BIGINT), euicc.eim_counter, euicc.association_token, CAST($4 AS BIGINT), \
     euicc.eum_certificate, euicc.certificate FROM euicc \
     JOIN batch ON batch.batch_id = euicc.batch_id AND batch.state = 1 \
     WHERE euicc.eid = $1 AND euicc.eim_id = $2 AND euicc.eim_counter IS NOT NULL \
     ON CONFLICT (eid) DO NOTHING RETURNING eid",
);

const CONTACTS: Statement = set_statement!(
    [eid text, seen_at bigint]
    "UPDATE eim_euicc SET previous_contact_at = CASE WHEN change.seen_at - eim_euicc.last_contact_at >= ",
    apart_ms!(),
    " THEN eim_euicc.last_contact_at ELSE eim_euicc.previous_contact_at END, last_contact_at = change.seen_at \
     FROM change WHERE eim_euicc.eid = change.eid \
     AND (eim_euicc.last_contact_at IS NULL OR eim_euicc.last_contact_at < change.seen_at) \
     RETURNING eim_euicc.eid, 0"
);

const PROFILES: Statement = Statement::common(
    "SELECT iccid, enabled, fallback, name FROM euicc_profile_state WHERE eid = $1 ORDER BY iccid LIMIT 1000",
);

pub(super) const HOLD: Statement = set_statement!(
    [eid text, version bigint, counter bigint, stale bigint, stale_since bigint, listed_at bigint, digest text,
     certificate octets, euicc_info1 octets, euicc_info2 octets, ipa_capabilities octets, device_info octets,
     rules_authorisation_table octets, introductions bigint, rplmn text, signing_key text, left_at bigint]
    "UPDATE eim_euicc SET version = eim_euicc.version + 1, counter = COALESCE(change.counter, eim_euicc.counter), \
     stale_since = CASE WHEN change.stale = 1 THEN change.stale_since ELSE eim_euicc.stale_since END, \
     listed_at = COALESCE(change.listed_at, eim_euicc.listed_at), \
     eum_certificate = COALESCE(change.digest, eim_euicc.eum_certificate), \
     certificate = COALESCE(change.certificate, eim_euicc.certificate), \
     euicc_info1 = COALESCE(change.euicc_info1, eim_euicc.euicc_info1), \
     euicc_info2 = COALESCE(change.euicc_info2, eim_euicc.euicc_info2), \
     ipa_capabilities = COALESCE(change.ipa_capabilities, eim_euicc.ipa_capabilities), \
     device_info = COALESCE(change.device_info, eim_euicc.device_info), \
     rules_authorisation_table = COALESCE(change.rules_authorisation_table, eim_euicc.rules_authorisation_table), \
     introductions = eim_euicc.introductions + change.introductions, \
     rplmn = COALESCE(change.rplmn, eim_euicc.rplmn), \
     signing_key = COALESCE(change.signing_key, eim_euicc.signing_key), \
     left_at = COALESCE(change.left_at, eim_euicc.left_at) \
     FROM change WHERE eim_euicc.eid = change.eid AND eim_euicc.version = change.version \
     RETURNING eim_euicc.eid, eim_euicc.version"
);

/// What nobody said otherwise of was given the first key.
const PIN_KEY: Statement = Statement::common(
    "UPDATE eim_euicc SET signing_key = $1 WHERE signing_key IS NULL AND left_at IS NULL RETURNING eid",
);

const COUNT_KEYS: Statement = Statement::common(
    "SELECT signing_key, COUNT(*) AS euiccs FROM eim_euicc WHERE left_at IS NULL GROUP BY signing_key ORDER BY signing_key",
);

pub(super) const FORGET_PROFILES: Statement = set_statement!(
    [eid text]
    "DELETE FROM euicc_profile_state WHERE eid IN (SELECT change.eid FROM change) RETURNING eid, enabled"
);

pub(super) const INSERT_PROFILES: Statement = set_statement!(
    [eid text, iccid text, enabled bigint, fallback bigint, name text]
    "INSERT INTO euicc_profile_state (eid, iccid, enabled, fallback, name) \
     SELECT eid, iccid, enabled, fallback, name FROM change WHERE true \
     ON CONFLICT (eid, iccid) DO NOTHING"
);

pub(super) const STATEMENTS: &[Statement] = &[
    EUICC,
    EUICCS,
    POLL,
    ASSOCIATE,
    ASSOCIATE_DELIVERED,
    CONTACTS,
    PROFILES,
    HOLD,
    PIN_KEY,
    COUNT_KEYS,
    FORGET_PROFILES,
    INSERT_PROFILES,
];

/// How devices get profiles (indirectProfileDownload of the eIM configuration data).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadWay {
    /// The device goes to the SM-DP+ itself.
    Direct,
    /// The eIM goes there for it.
    Indirect,
}

impl DownloadWay {
    /// Its name, in settings and on screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Indirect => "indirect",
        }
    }

    const fn code(self) -> i64 {
        match self {
            Self::Direct => 0,
            Self::Indirect => 1,
        }
    }
}

/// What an eUICC has of our eIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// The eUICC.
    pub eid: Eid,
    /// The last counterValue that was used; the next one is higher.
    pub counter: i64,
    /// associationToken, if it was drawn.
    pub association_token: Option<i64>,
    /// How profiles are downloaded.
    pub download: DownloadWay,
}

/// What an eUICC and its IPA say of themselves, as it came; what is `None` is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introduction {
    /// EUICCInfo1, `BF20`.
    pub euicc_info1: Option<Vec<u8>>,
    /// EUICCInfo2, `BF22`.
    pub euicc_info2: Option<Vec<u8>>,
    /// The members of IpaCapabilities.
    pub ipa_capabilities: Option<Vec<u8>>,
    /// The members of DeviceInfo.
    pub device_info: Option<Vec<u8>>,
    /// getRATResult, `A6`.
    pub rules_authorisation_table: Option<Vec<u8>>,
}

/// The certificates of an eUICC, in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccCertificates {
    /// CERT.EUM.ECDSA.
    pub eum: Vec<u8>,
    /// CERT.EUICC.ECDSA.
    pub own: Vec<u8>,
}

/// An eUICC that is associated with our eIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EimEuicc {
    /// What it has of our eIM.
    pub association: Association,
    /// Its version as read.
    pub version: i64,
    /// Since when it is associated.
    pub associated_at: Timestamp,
    /// Its certificates; verified when they came, and to be verified again when they are used.
    pub certificates: Option<EuiccCertificates>,
    /// What it and its IPA said of themselves.
    pub introduction: Introduction,
    /// How often it was asked for that in vain.
    pub introductions: u32,
    /// Since when its profiles may be others than the last list says.
    pub stale_since: Option<Timestamp>,
    /// When it listed its profiles.
    pub listed_at: Option<Timestamp>,
    /// The network that its device registered with last, in hexadecimal digits.
    pub rplmn: Option<String>,
    /// When its device polled last; the last minute before a crash may be missing.
    pub last_contact_at: Option<Timestamp>,
    /// When it polled before that.
    pub previous_contact_at: Option<Timestamp>,
    /// SHA-256 of the key of our eIM that it knows, in hexadecimal digits; `None`: the first one of the settings.
    pub signing_key: Option<String>,
    /// When it signed that it deleted our eIM.
    pub left_at: Option<Timestamp>,
}

impl EimEuicc {
    /// When the device is expected: as long after its last poll as that came after the one before.
    #[must_use]
    pub fn expected_at(&self) -> Option<Timestamp> {
        let (last, previous) = (self.last_contact_at?, self.previous_contact_at?);
        let interval = last.as_millis().saturating_sub(previous.as_millis());
        Some(Timestamp::from_millis(last.as_millis().saturating_add(interval)))
    }
}

/// What a poll asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The version of the eUICC as read.
    pub version: i64,
    /// associationToken.
    pub association_token: Option<i64>,
    /// SHA-256 of the key of our eIM that it knows; `None`: the first one.
    pub signing_key: Option<String>,
    /// Whether its certificates are known.
    pub has_certificates: bool,
    /// How often it was asked for them in vain.
    pub introductions: u32,
    /// The network that its device registered with last, in hexadecimal digits.
    pub rplmn: Option<String>,
    /// Whether a poll of its device was written down before.
    pub has_polled: bool,
    /// The outstanding package.
    pub package: Option<EimPackage>,
}

set_row! {
    pub(super) struct HoldRow {
        pub(super) eid: String,
        pub(super) version: i64,
        pub(super) counter: Option<i64>,
        pub(super) stale: i64,
        pub(super) stale_since: Option<i64>,
        pub(super) listed_at: Option<i64>,
        pub(super) digest: Option<String>,
        pub(super) certificate: Option<Vec<u8>>,
        pub(super) euicc_info1: Option<Vec<u8>>,
        pub(super) euicc_info2: Option<Vec<u8>>,
        pub(super) ipa_capabilities: Option<Vec<u8>>,
        pub(super) device_info: Option<Vec<u8>>,
        pub(super) rules_authorisation_table: Option<Vec<u8>>,
        pub(super) introductions: i64,
        pub(super) rplmn: Option<String>,
        pub(super) signing_key: Option<String>,
        pub(super) left_at: Option<i64>,
    }
}

set_row! {
    pub(super) struct ProfileRow {
        eid: String,
        iccid: String,
        enabled: i64,
        fallback: i64,
        name: Option<String>,
    }
}

impl ProfileRow {
    pub(super) fn new(eid: &Eid, profile: ListedProfile) -> Self {
        Self {
            eid: eid.as_str().to_owned(),
            iccid: profile.iccid.as_str().to_owned(),
            enabled: i64::from(profile.enabled),
            fallback: i64::from(profile.fallback),
            name: profile.name,
        }
    }
}

fn euicc(row: &Row) -> Result<EimEuicc, StoreError> {
    let key = row.text("eid")?;
    let corrupt = |column| StoreError::Corrupt { column, key: key.clone() };
    let time = |column| Ok::<_, StoreError>(row.integer_or_null(column)?.map(Timestamp::from_millis));
    Ok(EimEuicc {
        association: Association {
            eid: Eid::parse(&key).map_err(|_| corrupt("eid"))?,
            counter: row.integer("counter")?,
            association_token: row.integer_or_null("token")?,
            download: match row.integer("indirect_download")? {
                0 => DownloadWay::Direct,
                1 => DownloadWay::Indirect,
                _ => return Err(corrupt("indirect_download")),
            },
        },
        version: row.integer("version")?,
        associated_at: Timestamp::from_millis(row.integer("associated_at")?),
        certificates: match (row.octets_or_null("eum_certificate")?, row.octets_or_null("certificate")?) {
            (Some(eum), Some(own)) => Some(EuiccCertificates { eum, own }),
            _ => None,
        },
        introduction: Introduction {
            euicc_info1: row.octets_or_null("euicc_info1")?,
            euicc_info2: row.octets_or_null("euicc_info2")?,
            ipa_capabilities: row.octets_or_null("ipa_capabilities")?,
            device_info: row.octets_or_null("device_info")?,
            rules_authorisation_table: row.octets_or_null("rules_authorisation_table")?,
        },
        introductions: u32::try_from(row.integer("introductions")?).map_err(|_| corrupt("introductions"))?,
        stale_since: time("stale_since")?,
        listed_at: time("listed_at")?,
        rplmn: row.text_or_null("rplmn")?,
        last_contact_at: time("last_contact_at")?,
        previous_contact_at: time("previous_contact_at")?,
        signing_key: row.text_or_null("signing_key")?,
        left_at: time("left_at")?,
    })
}

impl Store {
    /// Associates eUICCs, anew where they are associated already.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails; then none of them is associated.
    pub async fn associate(&self, associations: &[Association], now: Timestamp) -> Result<(), StoreError> {
        self.associate_and_tell(associations, &[], now).await
    }

    /// As [`Store::associate`], with what the audit tells of it.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails; then none of them is associated.
    pub async fn associate_and_tell(
        &self,
        associations: &[Association],
        entries: &[NewAuditEntry],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows = associations.iter().map(|association| {
            [
                association.eid.as_str().into(),
                association.counter.into(),
                association.association_token.into(),
                association.download.code().into(),
                now.as_millis().into(),
            ]
        });
        let names = ["eid", "counter", "token", "indirect_download", "associated_at"];
        let mut writing = self.pools.begin().await?;
        writing.fetch_set(&ASSOCIATE, &Set::rows_of(names, rows)).await?;
        audit::append(&mut writing, entries).await?;
        writing.commit().await
    }

    /// Associates an eUICC as its manufacturer delivered it with this eimId; nothing is changed where it is associated
    /// already, or was delivered without that.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn associate_delivered(
        &self,
        eid: &Eid,
        eim_id: &str,
        download: DownloadWay,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let arguments = [eid.as_str().into(), eim_id.into(), now.as_millis().into(), download.code().into()];
        let mut writing = self.pools.begin().await?;
        writing.fetch(&ASSOCIATE_DELIVERED, arguments).await?;
        writing.commit().await
    }

    /// The eUICC of this number; `None` if it is not associated.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn eim_euicc(&self, eid: &Eid) -> Result<Option<EimEuicc>, StoreError> {
        let rows = self.pools.fetch(&EUICC, [eid.as_str().into()]).await?;
        rows.first().map(euicc).transpose()
    }

    /// eUICCs behind `after` in the order of EIDs, at most `limit` (and [`EIM_EUICCS_MAX`]).
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn eim_euiccs(&self, after: &str, limit: u32) -> Result<Vec<EimEuicc>, StoreError> {
        let arguments = [after.into(), i64::from(limit.min(EIM_EUICCS_MAX)).into()];
        let rows = self.pools.fetch(&EUICCS, arguments).await?;
        rows.iter().map(euicc).collect()
    }

    /// Writes down that eUICCs of which nobody said otherwise know this key of our eIM; returns how many.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn pin_signing_key(&self, key: &str, entry: NewAuditEntry) -> Result<usize, StoreError> {
        let mut writing = self.pools.begin().await?;
        let pinned = writing.fetch(&PIN_KEY, [key.into()]).await?.len();
        if pinned > 0 {
            audit::append(&mut writing, &[entry]).await?;
        }
        writing.commit().await?;
        Ok(pinned)
    }

    /// How many eUICCs know which key of our eIM; `None` stands for the first one.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn count_signing_keys(&self) -> Result<Vec<(Option<String>, i64)>, StoreError> {
        let rows = self.pools.fetch(&COUNT_KEYS, []).await?;
        rows.iter().map(|row| Ok((row.text_or_null("signing_key")?, row.integer("euiccs")?))).collect()
    }

    /// What there is for the device of this eUICC, in one look; `None` if the eUICC is not associated.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn poll(&self, eid: &Eid) -> Result<Option<Poll>, StoreError> {
        let rows = self.pools.fetch(&POLL, [eid.as_str().into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let corrupt = |column| StoreError::Corrupt { column, key: eid.to_string() };
        Ok(Some(Poll {
            version: row.integer("version")?,
            association_token: row.integer_or_null("token")?,
            signing_key: row.text_or_null("signing_key")?,
            has_certificates: row.integer("known")? == 1,
            introductions: u32::try_from(row.integer("introductions")?)
                .map_err(|_| corrupt("introductions"))?,
            rplmn: row.text_or_null("rplmn")?,
            has_polled: row.integer_or_null("last_contact_at")?.is_some(),
            package: row.integer_or_null("number")?.map(|_| package(row)).transpose()?,
        }))
    }

    /// Notes when devices polled, in one commit; a time before the one that is known changes nothing, and neither does an
    /// eUICC that is not associated.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn eim_contacts(&self, seen: &[(Eid, Timestamp)]) -> Result<(), StoreError> {
        let rows = seen.iter().map(|(eid, at)| [eid.as_str().into(), at.as_millis().into()]);
        let mut writing = self.pools.begin().await?;
        writing.fetch_set(&CONTACTS, &Set::rows_of(["eid", "seen_at"], rows)).await?;
        writing.commit().await
    }

    /// The profiles of an eUICC as far as its last list and signed results say, a thousand at most.
    ///
    /// # Errors
    /// [`StoreError`] if the engine fails.
    pub async fn profiles_of_euicc(&self, eid: &Eid) -> Result<Vec<ListedProfile>, StoreError> {
        let rows = self.pools.fetch(&PROFILES, [eid.as_str().into()]).await?;
        let listed = |row: &Row| {
            let key = row.text("iccid")?;
            Ok(ListedProfile {
                iccid: Iccid::parse(&key).map_err(|_| StoreError::Corrupt { column: "iccid", key })?,
                enabled: row.integer("enabled")? == 1,
                fallback: row.integer("fallback")? == 1,
                name: row.text_or_null("name")?,
            })
        };
        rows.iter().map(listed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_expected_after_as_long_as_before() {
        let at = |secs| Some(Timestamp::from_secs(secs));
        let mut euicc = EimEuicc {
            association: Association {
                eid: Eid::parse("89049032000000000000279973200019").unwrap(),
                counter: 0,
                association_token: None,
                download: DownloadWay::Direct,
            },
            version: 0,
            associated_at: Timestamp::from_secs(0),
            certificates: None,
            introduction: Introduction::default(),
            introductions: 0,
            stale_since: None,
            listed_at: None,
            rplmn: None,
            last_contact_at: at(5000),
            previous_contact_at: at(1400),
            signing_key: None,
            left_at: None,
        };
        assert_eq!(euicc.expected_at(), at(8600));
        euicc.previous_contact_at = None;
        assert_eq!(euicc.expected_at(), None);
    }
}
