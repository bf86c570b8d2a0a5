//! `[[pool]]`: ranges of numbers for a purpose.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::file::{Reader, Text};
use super::{ConfigError, OperatorSetting};
use crate::domain::{NumberKind, NumberRange, Pool, PoolName};

/// How long a number that was given back is not used, unless a pool says otherwise.
pub(super) const QUARANTINE_DAYS: u32 = 90;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolTable {
    name: Spanned<String>,
    kind: NumberKind,
    operator: Spanned<String>,
    mcc_mnc: Text,
    purpose: Option<String>,
    first: Spanned<String>,
    last: Spanned<String>,
    check_digit: Option<Spanned<bool>>,
    #[serde(default)]
    low_water: u64,
    quarantine_days: Option<u32>,
}

/// Days as a duration.
pub(super) fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 24 * 3600)
}

impl Reader<'_> {
    /// All pools; no two have one name or a number in common, and each has an operator that is known.
    pub(super) fn pools(
        &self,
        tables: &[PoolTable],
        operators: &[OperatorSetting],
    ) -> Result<Vec<Pool>, ConfigError> {
        let mut pools: Vec<Pool> = Vec::new();
        for table in tables {
            let pool = self.pool(table)?;
            let refused = |span, setting, message: String| Err(self.error(Some(span), setting, message));
            if pools.iter().any(|other| other.name == pool.name) {
                return refused(table.name.span(), "pool.name", "another pool has this name".to_owned());
            }
            if !operators.iter().any(|operator| operator.name == pool.operator) {
                let message = "no [[operator]] has this name".to_owned();
                return refused(table.operator.span(), "pool.operator", message);
            }
            let shared =
                pools.iter().find(|other| other.kind == pool.kind && other.range.overlaps(&pool.range));
            if let Some(other) = shared {
                let message = format!("the range has numbers of pool {}: a number has one pool", other.name);
                return refused(table.first.span(), "pool.first", message);
            }
            pools.push(pool);
        }
        Ok(pools)
    }

    fn pool(&self, table: &PoolTable) -> Result<Pool, ConfigError> {
        let luhn = match (table.kind, &table.check_digit) {
            (NumberKind::Iccid, Some(luhn)) => *luhn.get_ref(),
            (NumberKind::Iccid, None) => {
                let message = "check_digit is missing: true if the last digit of these ICCIDs is a check digit, else false";
                return Err(self.error(Some(table.name.span()), "pool", message));
            }
            (NumberKind::Imsi | NumberKind::Msisdn, None) => false,
            (NumberKind::Imsi | NumberKind::Msisdn, Some(luhn)) => {
                let message = "ICCIDs alone have check digits; remove it";
                return Err(self.error(Some(luhn.span()), "pool.check_digit", message));
            }
        };
        let range = NumberRange::new(table.kind, table.first.get_ref(), table.last.get_ref(), luhn);
        let mcc_mnc = table.mcc_mnc.as_ref().map(|code| self.operator_code(table, code)).transpose()?;
        if let (NumberKind::Imsi, None) = (table.kind, &mcc_mnc) {
            let message =
                "mcc_mnc is missing: how many digits of an IMSI are the network's cannot be seen from it";
            return Err(self.error(Some(table.name.span()), "pool", message));
        }
        Ok(Pool {
            name: self.pool_name(&table.name, "pool.name")?,
            kind: table.kind,
            operator: self.operator_name(&table.operator, "pool.operator")?,
            mcc_mnc,
            purpose: table.purpose.clone(),
            range: range
                .map_err(|error| self.error(Some(table.first.span()), "pool.first", error.to_string()))?,
            low_water: table.low_water,
            quarantine: days(table.quarantine_days.unwrap_or(QUARANTINE_DAYS)),
        })
    }

    /// MCC and MNC, with which the IMSIs of a pool begin.
    fn operator_code(&self, table: &PoolTable, code: &Spanned<String>) -> Result<String, ConfigError> {
        let error = |message| Err(self.error(Some(code.span()), "pool.mcc_mnc", message));
        let digits = code.get_ref();
        if !matches!(digits.len(), 5 | 6) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return error("expected 5 or 6 digits");
        }
        let ends = [table.first.get_ref(), table.last.get_ref()];
        if table.kind == NumberKind::Imsi && !ends.into_iter().all(|end| end.starts_with(digits)) {
            return error("the range has IMSIs that do not begin with it");
        }
        Ok(digits.clone())
    }

    /// The name of a pool.
    pub(super) fn pool_name(
        &self,
        value: &Spanned<String>,
        setting: &'static str,
    ) -> Result<PoolName, ConfigError> {
        let message = "expected 1 to 64 small letters, digits, hyphens and dots";
        PoolName::parse(value.get_ref()).ok_or_else(|| self.error(Some(value.span()), setting, message))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::app::config::Config;

    const OPERATOR: &str = "[[operator]]\nname = \"b\"\noid = \"2.1\"\n";
    const GLOBAL: &str = "[[pool]]\nname = \"global\"\nkind = \"imsi\"\noperator = \"b\"\nmcc_mnc = \"90140\"\n\
                          first = \"901405100000000\"\nlast = \"901405100000099\"\n";

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(&format!("{OPERATOR}{text}"), Path::new("simyard.toml"))
    }

    #[test]
    fn a_pool_is_a_range_with_its_rules() {
        let text = "low_water = 20\nquarantine_days = 7\n[[pool]]\nname = \"cards\"\nkind = \"iccid\"\n\
                    operator = \"b\"\npurpose = \"cards of 2026\"\ncheck_digit = true\n\
                    first = \"89882801000000000014\"\nlast = \"89882801000000000113\"";
        let pools = parse(&format!("{GLOBAL}{text}")).unwrap().pools;
        assert_eq!((pools[0].low_water, pools[0].quarantine.as_secs()), (20, 7 * 24 * 3600));
        assert_eq!((pools[0].range.size(), pools[1].range.size()), (100, 11));
        assert!(pools[1].range.has_check_digit() && !pools[0].range.has_check_digit());
        assert_eq!(pools[1].quarantine, days(QUARANTINE_DAYS));
    }

    #[test]
    fn what_is_wrong_with_a_pool_is_told_with_its_line() {
        let other = |name: &str, first: &str| {
            format!("{GLOBAL}{}", GLOBAL.replace("global", name).replace("901405100000000", first))
        };
        for (text, expected) in [
            (other("global", "901405100000050"), "simyard.toml:12: pool.name: another pool has this name"),
            (
                other("y", "901405100000050"),
                "simyard.toml:16: pool.first: the range has numbers of pool global",
            ),
            (GLOBAL.replace("= \"b\"", "= \"c\""), "simyard.toml:7: pool.operator: no [[operator]]"),
            (GLOBAL.replace("\"90140\"", "\"26201\""), "simyard.toml:8: pool.mcc_mnc: the range has IMSIs"),
            (GLOBAL.replace("\"90140\"", "\"9014\""), "simyard.toml:8: pool.mcc_mnc: expected 5 or 6 digits"),
            (GLOBAL.replace("mcc_mnc = \"90140\"\n", ""), "simyard.toml:5: pool: mcc_mnc is missing"),
            (GLOBAL.replace("0099\"", "009X\""), "simyard.toml:9: pool.first: expected 6 to 15"),
            (GLOBAL.replace("\"global\"", "\"Global\""), "simyard.toml:5: pool.name: expected 1 to 64"),
            (format!("{GLOBAL}check_digit = true"), "simyard.toml:11: pool.check_digit: ICCIDs alone"),
            (GLOBAL.replace("\"imsi\"", "\"iccid\""), "simyard.toml:5: pool: check_digit is missing"),
            (GLOBAL.replace("\"imsi\"", "\"imei\""), "unknown variant"),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
