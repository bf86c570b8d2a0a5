//! `[[export_layout]]`: how files for the AuC, the OTA platform and the CRM are written.

use serde::Deserialize;
use toml::Spanned;

use super::ConfigError;
use super::file::{Reader, Text};
use crate::domain::System;
use crate::inventory::export::layout::{COLUMNS_MAX, Column, Layout, NAME_MAX, Notation};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportLayoutTable {
    name: Spanned<String>,
    #[serde(rename = "for")]
    system: System,
    columns: Option<Spanned<Vec<Spanned<String>>>>,
    delimiter: Text,
    header: Option<bool>,
    #[serde(default)]
    iccid: Notation,
    amf: Text,
}

impl Reader<'_> {
    /// The layouts that every server has, and those of the settings; one that has the name of a system takes the place of
    /// the system's own.
    pub(super) fn export_layouts(&self, tables: &[ExportLayoutTable]) -> Result<Vec<Layout>, ConfigError> {
        let mut layouts: Vec<Layout> = Vec::new();
        for table in tables {
            let layout = self.export_layout(table)?;
            if layouts.iter().any(|other| other.name == layout.name) {
                let message = "another layout has this name";
                return Err(self.error(Some(table.name.span()), "export_layout.name", message));
            }
            layouts.push(layout);
        }
        for system in System::ALL {
            if layouts.iter().all(|layout| layout.name != system.name()) {
                layouts.push(Layout::default_for(system));
            }
        }
        Ok(layouts)
    }

    fn export_layout(&self, table: &ExportLayoutTable) -> Result<Layout, ConfigError> {
        let default = Layout::default_for(table.system);
        let name = table.name.get_ref();
        let is_name = (1..=NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
        let of_other = System::parse(name).is_some_and(|system| system != table.system);
        if !is_name || of_other {
            let message = if of_other {
                "this is the name of another system's own layout"
            } else {
                "expected 1 to 64 octets of text"
            };
            return Err(self.error(Some(table.name.span()), "export_layout.name", message));
        }
        let columns = match &table.columns {
            None => default.columns,
            Some(values) if (1..=COLUMNS_MAX).contains(&values.get_ref().len()) => {
                let column = |value| self.export_column(table.system, value);
                values.get_ref().iter().map(column).collect::<Result<_, _>>()?
            }
            Some(values) => {
                return Err(self.error(
                    Some(values.span()),
                    "export_layout.columns",
                    "expected 1 to 64 columns",
                ));
            }
        };
        let delimiter = match &table.delimiter {
            None => default.delimiter,
            Some(value) => match value.get_ref().as_str() {
                "," => ',',
                ";" => ';',
                "|" => '|',
                " " => ' ',
                "\t" => '\t',
                _ => {
                    let message = "expected a comma, a semicolon, a bar, a blank or a tab (\"\\t\")";
                    return Err(self.error(Some(value.span()), "export_layout.delimiter", message));
                }
            },
        };
        let amf = match &table.amf {
            None => default.amf,
            Some(value) if hex::decode(value.get_ref()).is_ok_and(|octets| octets.len() == 2) => {
                value.get_ref().to_ascii_uppercase()
            }
            Some(value) => {
                return Err(self.error(
                    Some(value.span()),
                    "export_layout.amf",
                    "expected four hexadecimal digits",
                ));
            }
        };
        Ok(Layout {
            name: name.clone(),
            system: table.system,
            columns,
            delimiter,
            header: table.header.unwrap_or(default.header),
            notation: table.iccid,
            amf,
        })
    }

    fn export_column(&self, system: System, value: &Spanned<String>) -> Result<Column, ConfigError> {
        let column = Column::parse(value.get_ref()).filter(|column| column.systems().contains(&system));
        column.ok_or_else(|| {
            let message =
                format!("a file for the {system} has no such column: {}", Column::names_for(system));
            self.error(Some(value.span()), "export_layout.columns", message)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/simyard/simyard.toml"))
    }

    #[test]
    fn every_system_has_a_layout_and_settings_add_more() {
        let names = |config: &Config| {
            config.export_layouts.iter().map(|layout| layout.name.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&parse("").unwrap()), "auc ota crm");
        let config = parse(
            "[[export_layout]]\nname = \"vendor\"\nfor = \"auc\"\ncolumns = [\"imsi\", \"ki\"]\ndelimiter = \";\"\n\
             header = false\niccid = \"padded\"\namf = \"b9b9\"\n[[export_layout]]\nname = \"crm\"\nfor = \"crm\"\n\
             iccid = \"swapped\"",
        )
        .unwrap();
        assert_eq!(names(&config), "vendor crm auc ota");
        let vendor = &config.export_layouts[0];
        assert_eq!(vendor.columns, [Column::Imsi, Column::Ki]);
        assert_eq!((vendor.delimiter, vendor.header, vendor.amf.as_str()), (';', false, "B9B9"));
        assert_eq!(
            (vendor.notation, config.export_layouts[1].notation),
            (Notation::Padded, Notation::Swapped)
        );
        for (text, expected) in [
            ("name = \"x\"\nfor = \"hlr\"", "unknown variant `hlr`"),
            ("name = \"\"\nfor = \"auc\"", "simyard.toml:2: export_layout.name: expected 1 to 64"),
            ("name = \"ota\"\nfor = \"auc\"", "another system's own layout"),
            (
                "name = \"x\"\nfor = \"crm\"\ncolumns = [\"ki\"]",
                "simyard.toml:4: export_layout.columns: a file for the CRM",
            ),
            ("name = \"x\"\nfor = \"crm\"\ncolumns = []", "expected 1 to 64 columns"),
            ("name = \"x\"\nfor = \"crm\"\ndelimiter = \"--\"", "expected a comma"),
            ("name = \"x\"\nfor = \"auc\"\namf = \"800\"", "expected four hexadecimal digits"),
            (
                "name = \"x\"\nfor = \"auc\"\n[[export_layout]]\nname = \"x\"\nfor = \"ota\"",
                "simyard.toml:5: export_layout.name: another layout",
            ),
        ] {
            let error = parse(&format!("[[export_layout]]\n{text}")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_profile_type_says_its_mark_and_what_must_be_delivered() {
        let config = parse(
            "[[operator]]\nname = \"b\"\noid = \"2.1\"\n[[profile_type]]\nname = \"a\"\nowner = \"b\"\nlow_water = 50\n\
             requires_delivery = [\"auc\", \"crm\"]",
        )
        .unwrap();
        let marks = config.low_water_marks();
        assert_eq!((marks.len(), marks[0].low_water, marks[0].profile_type.as_str()), (1, 50, "a"));
        let needed: Vec<System> = config.profile_types[0].requires_delivery.iter().collect();
        assert_eq!(needed, [System::Auc, System::Crm]);
    }
}
