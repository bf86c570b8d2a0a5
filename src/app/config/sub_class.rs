//! `[[sub_class]]`: changes to the SIM sub-classes that Simyard brings, and others beside them.

use serde::Deserialize;
use toml::Spanned;

use super::ConfigError;
use super::file::{Reader, Text};
use crate::domain::{Architecture, FreedomToSwitch, NumberKind, Pool, SubClassName};
use crate::ident::Eid;
use crate::inventory::sub_class::{
    AppletRules, EidRange, FormFactor, ImsiSlot, SubClass, parse_architecture, shipped,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubClassTable {
    name: Spanned<String>,
    form_factors: Option<Vec<FormFactor>>,
    ruggedised: Option<bool>,
    euicc: Option<bool>,
    architecture: Text,
    eid_range: Option<Vec<EidRangeTable>>,
    freedom_to_switch: Option<FreedomToSwitch>,
    switchable: Option<bool>,
    imsi_slot: Option<Vec<ImsiSlotTable>>,
    applet: Option<AppletTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EidRangeTable {
    first: Spanned<String>,
    last: Spanned<String>,
    architecture: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImsiSlotTable {
    role: String,
    pool: Text,
    count: Option<u32>,
    rotation_days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppletTable {
    #[serde(default)]
    leaves_without_service: bool,
    return_hours: Option<u32>,
    #[serde(default)]
    first_slot_in_mcc: Vec<Spanned<String>>,
}

impl Reader<'_> {
    /// The sub-classes that are shipped, changed as the tables say, and those that the tables add.
    pub(super) fn sub_classes(
        &self,
        tables: Vec<SubClassTable>,
        pools: &[Pool],
    ) -> Result<Vec<SubClass>, ConfigError> {
        let mut all = shipped();
        let mut named: Vec<SubClassName> = Vec::new();
        for table in tables {
            let span = table.name.span();
            let refused = |message: &str| self.error(Some(span.clone()), "sub_class.name", message);
            let name = SubClassName::parse(table.name.get_ref())
                .ok_or_else(|| refused("expected 1 to 128 octets of text"))?;
            if named.contains(&name) {
                return Err(refused("another sub-class of the file has this name"));
            }
            let place = all.iter().position(|sub_class| sub_class.name == name);
            let base = place.and_then(|place| all.get(place).cloned());
            let changed =
                self.sub_class(table, base.unwrap_or_else(|| SubClass::new(name.clone())), pools)?;
            changed
                .check()
                .map_err(|error| self.error(Some(span.clone()), "sub_class", error.to_string()))?;
            match place.and_then(|place| all.get_mut(place)) {
                Some(sub_class) => *sub_class = changed,
                None => all.push(changed),
            }
            named.push(name);
        }
        Ok(all)
    }

    fn sub_class(
        &self,
        table: SubClassTable,
        base: SubClass,
        pools: &[Pool],
    ) -> Result<SubClass, ConfigError> {
        let eid_ranges = match table.eid_range {
            Some(ranges) => ranges.iter().map(|range| self.eid_range(range)).collect::<Result<_, _>>()?,
            None => base.eid_ranges,
        };
        let imsi_slots = match table.imsi_slot {
            Some(slots) => slots.into_iter().map(|slot| self.slot(slot, pools)).collect::<Result<_, _>>()?,
            None => base.imsi_slots,
        };
        let architecture = table.architecture.as_ref().map(|text| self.architecture(text)).transpose()?;
        let applet = table.applet.map(|applet| self.applet(&applet)).transpose()?;
        Ok(SubClass {
            name: base.name,
            form_factors: table.form_factors.unwrap_or(base.form_factors),
            ruggedised: table.ruggedised.unwrap_or(base.ruggedised),
            euicc: table.euicc.unwrap_or(base.euicc),
            architecture: architecture.unwrap_or(base.architecture),
            eid_ranges,
            freedom_to_switch: table.freedom_to_switch.unwrap_or(base.freedom_to_switch),
            switchable: table.switchable.unwrap_or(base.switchable),
            imsi_slots,
            applet: applet.unwrap_or(base.applet),
        })
    }

    fn eid_range(&self, table: &EidRangeTable) -> Result<EidRange, ConfigError> {
        let eid = |value: &Spanned<String>| {
            Eid::parse(value.get_ref())
                .map_err(|error| self.error(Some(value.span()), "sub_class.eid_range", error.to_string()))
        };
        let architecture = self.architecture(&table.architecture)?;
        Ok(EidRange { first: eid(&table.first)?, last: eid(&table.last)?, architecture })
    }

    fn architecture(&self, text: &Spanned<String>) -> Result<Option<Architecture>, ConfigError> {
        parse_architecture(text.get_ref()).ok_or_else(|| {
            let message = "expected none, sgp02, sgp22 or sgp32";
            self.error(Some(text.span()), "sub_class.architecture", message)
        })
    }

    /// A slot of the file draws from a pool of the file.
    fn slot(&self, table: ImsiSlotTable, pools: &[Pool]) -> Result<ImsiSlot, ConfigError> {
        let setting = "sub_class.imsi_slot.pool";
        let pool = match &table.pool {
            Some(value) => {
                let name = self.pool_name(value, setting)?;
                let is_fit = |pool: &Pool| pool.name == name && pool.kind == NumberKind::Imsi;
                if !pools.iter().any(is_fit) {
                    let message = "no [[pool]] of IMSIs has this name";
                    return Err(self.error(Some(value.span()), setting, message));
                }
                Some(name)
            }
            None => None,
        };
        let count = table.count.unwrap_or_else(|| u32::from(pool.is_some()));
        Ok(ImsiSlot { role: table.role, pool, count, rotation_days: table.rotation_days })
    }

    fn applet(&self, table: &AppletTable) -> Result<AppletRules, ConfigError> {
        for code in &table.first_slot_in_mcc {
            if code.get_ref().len() != 3 || !code.get_ref().bytes().all(|digit| digit.is_ascii_digit()) {
                let message = "expected the three digits of a mobile country code";
                return Err(self.error(Some(code.span()), "sub_class.applet.first_slot_in_mcc", message));
            }
        }
        Ok(AppletRules {
            leaves_without_service: table.leaves_without_service,
            return_hours: table.return_hours,
            first_slot_in_mcc: table.first_slot_in_mcc.iter().map(|code| code.get_ref().clone()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::app::config::Config;

    const HEAD: &str = "[[operator]]\nname = \"b\"\noid = \"2.1\"\n\
                        [[pool]]\nname = \"global\"\nkind = \"imsi\"\noperator = \"b\"\nmcc_mnc = \"90140\"\n\
                        first = \"901405100000000\"\nlast = \"901405100000099\"\n";

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(&format!("{HEAD}{text}"), Path::new("simyard.toml"))
    }

    #[test]
    fn what_is_shipped_is_changed_member_by_member_and_others_are_added() {
        assert_eq!(parse("").unwrap().sub_classes, shipped());
        let text = "[[sub_class]]\nname = \"Chip Industrial\"\narchitecture = \"sgp32\"\n\
                    eid_range = [{ first = \"89049032000000000000000000000000\", \
                    last = \"89049032999999999999999999999999\", architecture = \"sgp22\" }]\n\
                    [[sub_class]]\nname = \"Own\"\nform_factors = [\"MFF2\"]\n\
                    imsi_slot = [{ role = \"home\", pool = \"global\" }, { role = \"spare\" }]\n\
                    applet = { return_hours = 12, first_slot_in_mcc = [\"262\"] }";
        let all = parse(text).unwrap().sub_classes;
        let find = |name: &str| all.iter().find(|sub_class| sub_class.name.as_str() == name).unwrap();
        let changed = find("Chip Industrial");
        assert_eq!(changed.architecture, Some(Architecture::Sgp32));
        let eid = Eid::parse("89049032000000000000279973200019").unwrap();
        assert_eq!(changed.architecture_of(&eid), Some(Architecture::Sgp22));
        let shipped = shipped().into_iter().find(|sub_class| sub_class.name == changed.name).unwrap();
        assert_eq!(
            (&changed.form_factors, &changed.imsi_slots),
            (&shipped.form_factors, &shipped.imsi_slots)
        );
        let own = find("Own");
        assert_eq!((all.len(), own.imsis(), own.imsi_slots[1].count), (9, 1, 0));
        assert_eq!(own.applet.first_slot_in_mcc, ["262"]);
    }

    #[test]
    fn what_is_wrong_with_a_sub_class_is_told_with_its_line() {
        let own = "[[sub_class]]\nname = \"Own\"\nform_factors = [\"MFF2\"]\n";
        let eid = "\"89049032000000000000000000000000\"";
        for (text, expected) in [
            (own.to_owned(), "simyard.toml:12: sub_class: the first slot has the role"),
            (
                format!("{own}imsi_slot = [{{ role = \"home\", pool = \"x\" }}]"),
                "simyard.toml:14: sub_class.imsi_slot.pool: no [[pool]] of IMSIs has this name",
            ),
            (own.replace("MFF2", "5FF"), "unknown variant `5FF`"),
            (
                "[[sub_class]]\nname = \"Card Business\"\narchitecture = \"sgp22\"".to_owned(),
                "an eUICC has one of",
            ),
            (
                format!(
                    "[[sub_class]]\nname = \"Card Industrial\"\neid_range = [{{ first = {eid}, last = \"1\", \
                     architecture = \"sgp32\" }}]"
                ),
                "simyard.toml:13: sub_class.eid_range",
            ),
            (
                "[[sub_class]]\nname = \"Card Business\"\n[[sub_class]]\nname = \"Card Business\"".to_owned(),
                "simyard.toml:14: sub_class.name: another sub-class of the file",
            ),
            (
                "[[sub_class]]\nname = \"Card Business\"\napplet = { first_slot_in_mcc = [\"72\"] }"
                    .to_owned(),
                "simyard.toml:13: sub_class.applet.first_slot_in_mcc",
            ),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn a_profile_type_names_sub_class_and_pools() {
        let with =
            |members: &str| parse(&format!("[[profile_type]]\nname = \"a\"\nowner = \"b\"\n{members}"));
        let text = "sub_class = \"Card Industrial\"\npools = { home = \"global\" }\nreusable = true\n\
                    quarantine_days = 3";
        let setting = with(text).unwrap().profile_types.remove(0);
        assert_eq!(setting.sub_class.unwrap().as_str(), "Card Industrial");
        assert_eq!(setting.pools.imsi[0].0, "home");
        assert!(setting.reusable && setting.quarantine.as_secs() == 3 * 24 * 3600);
        let plain = with("").unwrap().profile_types.remove(0);
        assert!(plain.sub_class.is_none() && !plain.reusable && plain.pools.iccid.is_none());
        for (members, expected) in [
            ("sub_class = \"Card\"", "simyard.toml:14: profile_type.sub_class: no sub-class has this name"),
            (
                "pools = { iccid = \"global\" }",
                "simyard.toml:14: profile_type.pools: no [[pool]] of kind iccid",
            ),
        ] {
            let error = with(members).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
