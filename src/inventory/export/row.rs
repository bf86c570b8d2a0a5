//! Lines of a file for another system: what belongs to one profile, column by column.

use simyard_asn1::saip::{self, AkaConfiguration};
use zeroize::Zeroizing;

use super::super::transport_keys::KeyUse;
use super::layout::{Column, Layout};
use super::{ExportError, Keys};
use crate::crypto::seal::Sealer;
use crate::domain::System;
use crate::env::Rng;
use crate::ident::Iccid;
use crate::profile::identity::PackageIdentity;
use crate::profile::personal_data::keys::{KIC, KID, KIK};
use crate::profile::personal_data::{
    Algorithm, Code, CodeName, KeySet, OtaKeySet, PersonalData, Subscription,
};
use crate::store::{Package, PackageKind, StockItem};

/// The longest line, in octets: all columns of a layout with their longest values.
const LINE: usize = 16 * 1024;

/// What belongs to a profile, opened.
pub enum Content {
    /// Personal data.
    Data(Box<PersonalData>),
    /// Of a ready-made package what the AuC needs: its first USIM and that one's keys.
    Ready(Box<(Subscription, KeySet)>),
    /// A ready-made package of which not even that can be read.
    Opaque,
}

/// Opens what belongs to a profile.
///
/// # Errors
/// [`ExportError::Seal`], [`ExportError::Data`].
pub fn open(sealer: &Sealer, iccid: &Iccid, package: &Package) -> Result<Content, ExportError> {
    let opened = sealer.open(&Package::place(iccid), &package.sealed);
    let opened = opened.map_err(|cause| ExportError::Seal { iccid: iccid.clone(), cause })?;
    match package.kind {
        PackageKind::PersonalData => match PersonalData::from_octets(&opened) {
            Ok(data) => Ok(Content::Data(Box::new(data))),
            Err(cause) => Err(ExportError::Data { iccid: iccid.clone(), cause }),
        },
        PackageKind::ReadyMade => {
            Ok(ready(&opened).map_or(Content::Opaque, |content| Content::Ready(Box::new(content))))
        }
    }
}

fn ready(der: &[u8]) -> Option<(Subscription, KeySet)> {
    let package = saip::Package::from_der(der).ok()?;
    let imsi = PackageIdentity::read(&package).ok()?.imsi?;
    for element in package.elements() {
        let Ok(parameter) = element.aka_parameter() else { continue };
        let AkaConfiguration::Algorithm(algorithm) = &parameter.configuration else { continue };
        let kind = Algorithm::of(algorithm.algorithm_id, algorithm.key.len())?;
        let opc = if kind == Algorithm::XorTest { &[] } else { algorithm.opc };
        return Some((Subscription::new(imsi), KeySet::new(kind, algorithm.key, opc)?));
    }
    None
}

/// One subscription of a line for the AuC.
struct OfAuc<'a> {
    place: usize,
    role: &'a str,
    subscription: &'a Subscription,
    keys: &'a KeySet,
}

/// What a line is about beside the profile.
enum About<'a> {
    Auc(OfAuc<'a>),
    Ota(&'a PersonalData, &'a OtaKeySet),
    Crm(&'a PersonalData),
}

/// Writes lines of one layout.
pub struct LineWriter<'a> {
    layout: &'a Layout,
    keys: &'a Keys<'a>,
    rng: &'a Rng,
    line: Zeroizing<String>,
}

impl<'a> LineWriter<'a> {
    /// Of a layout whose keys leave in this way.
    #[must_use]
    pub fn new(layout: &'a Layout, keys: &'a Keys<'a>, rng: &'a Rng) -> Self {
        // Room for all of it: a string that grows would leave copies of keys behind.
        Self { layout, keys, rng, line: Zeroizing::new(String::with_capacity(LINE)) }
    }

    /// The line that names the columns.
    #[must_use]
    pub fn header(&self) -> String {
        let names: Vec<&str> = self.layout.columns.iter().map(|column| column.name()).collect();
        names.join(&self.layout.delimiter.to_string()) + "\n"
    }

    /// Gives `sink` the lines of a profile; how many, or `None` where its content has none for this system.
    ///
    /// # Errors
    /// What `sink` says, and [`ExportError::Encipher`].
    pub fn lines(
        &mut self,
        item: &StockItem,
        content: &Content,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), ExportError>,
    ) -> Result<Option<u64>, ExportError> {
        let mut lines = 0;
        let mut put = |writer: &mut Self, about: About<'_>| {
            writer.write(item, &about)?;
            lines += 1;
            sink(writer.line.as_bytes())
        };
        match (self.layout.system, content) {
            (_, Content::Opaque) | (System::Ota | System::Crm, Content::Ready(_)) => return Ok(None),
            (System::Auc, Content::Data(data)) => {
                for place in 0..data.subscriptions() {
                    let Some((subscription, keys)) = data.subscription(place) else { continue };
                    put(self, About::Auc(OfAuc { place, role: data.role(place), subscription, keys }))?;
                }
            }
            (System::Auc, Content::Ready(ready)) => {
                let (subscription, keys) = &**ready;
                put(self, About::Auc(OfAuc { place: 0, role: "home", subscription, keys }))?;
            }
            (System::Ota, Content::Data(data)) => {
                for set in &data.ota {
                    put(self, About::Ota(data, set))?;
                }
            }
            (System::Crm, Content::Data(data)) => put(self, About::Crm(data))?,
        }
        Ok(Some(lines))
    }

    fn write(&mut self, item: &StockItem, about: &About<'_>) -> Result<(), ExportError> {
        self.line.clear();
        for (at, column) in self.layout.columns.iter().enumerate() {
            if at > 0 {
                self.line.push(self.layout.delimiter);
            }
            let value = self.value(item, about, *column)?;
            quote(&mut self.line, &value, self.layout.delimiter);
        }
        self.line.push('\n');
        Ok(())
    }

    fn value(
        &self,
        item: &StockItem,
        about: &About<'_>,
        column: Column,
    ) -> Result<Zeroizing<String>, ExportError> {
        let use_ = if let About::Ota(..) = about { KeyUse::Ota } else { KeyUse::Subscription };
        let key = |key: Option<&[u8]>| match key {
            None | Some([]) => Ok(Zeroizing::default()),
            Some(key) => self.keys.text(use_, key, self.rng).ok_or_else(|| ExportError::Encipher {
                iccid: item.iccid.clone(),
                column: column.name(),
                octets: key.len(),
            }),
        };
        let home = match about {
            About::Auc(of) => of.subscription,
            About::Ota(data, _) | About::Crm(data) => &data.home,
        };
        let msisdn = home.msisdn.as_ref().map(|number| number.as_str().to_owned());
        let of_auc = if let About::Auc(of) = about { Some(of) } else { None };
        let set = if let About::Ota(_, set) = about { Some(*set) } else { None };
        let ota = |identifier| key(set.and_then(|set| set.get(identifier)).map(|key| key.as_octets()));
        let code = |name| match about {
            About::Crm(data) => data.codes.get(name).map(code_text).unwrap_or_default(),
            About::Auc(_) | About::Ota(..) => Zeroizing::default(),
        };
        let text = match column {
            Column::Iccid => self.layout.notation.text(&item.iccid),
            Column::Imsi => home.imsi.to_string(),
            Column::FurtherImsis => match about {
                About::Auc(_) => String::new(),
                About::Ota(data, _) | About::Crm(data) => {
                    let further = data.further.iter().map(|further| further.subscription.imsi.to_string());
                    further.collect::<Vec<_>>().join(" ")
                }
            },
            Column::Msisdn => match about {
                About::Auc(of) if of.place > 0 => msisdn.unwrap_or_default(),
                _ => msisdn.or_else(|| item.msisdn.clone()).unwrap_or_default(),
            },
            Column::Role => of_auc.map(|of| of.role.to_owned()).unwrap_or_default(),
            Column::Place => of_auc.map(|of| (of.place + 1).to_string()).unwrap_or_default(),
            Column::ProfileType => item.profile_type.clone(),
            Column::SubClass => item.sub_class.clone().unwrap_or_default(),
            Column::BatchId => item.batch_id.clone(),
            Column::Algorithm => of_auc.map(|of| of.keys.algorithm().name().to_owned()).unwrap_or_default(),
            Column::Amf => self.layout.amf.clone(),
            Column::KeyVersion => {
                set.and_then(|set| set.version).map(|version| version.to_string()).unwrap_or_default()
            }
            Column::KeyType => {
                set.and_then(|set| set.key_type).map(|kind| kind.name().to_owned()).unwrap_or_default()
            }
            Column::TransportKey => {
                self.keys.under(use_).map(|key| key.index.to_string()).unwrap_or_default()
            }
            Column::CheckValue => {
                self.keys.under(use_).map(|key| key.check_value.clone()).unwrap_or_default()
            }
            Column::Ki => return key(of_auc.map(|of| of.keys.key())),
            Column::Opc => return key(of_auc.map(|of| of.keys.opc())),
            Column::Kic => return ota(KIC),
            Column::Kid => return ota(KID),
            Column::Kik => return ota(KIK),
            Column::Pin1 => return Ok(code(CodeName::PIN1)),
            Column::Puk1 => return Ok(code(CodeName::PUK1)),
            Column::Pin2 => return Ok(code(CodeName::PIN2)),
            Column::Puk2 => return Ok(code(CodeName::PUK2)),
        };
        Ok(Zeroizing::new(text))
    }
}

/// A code as a file has it: its digits, or its octets where they are none.
#[must_use]
pub fn code_text(code: &Code) -> Zeroizing<String> {
    let octets = code.as_octets();
    let filler = octets.iter().rev().take_while(|octet| **octet == 0xFF).count();
    let digits = octets.get(..octets.len() - filler).unwrap_or_default();
    let is_text = (4..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    Zeroizing::new(if is_text {
        digits.iter().map(|digit| char::from(*digit)).collect()
    } else {
        hex::encode_upper(octets)
    })
}

/// Puts a value into quotes where it needs them (RFC 4180).
pub fn quote(line: &mut String, value: &str, delimiter: char) {
    if !value.contains([delimiter, '"', '\n', '\r']) {
        line.push_str(value);
        return;
    }
    line.push('"');
    for c in value.chars() {
        if c == '"' {
            line.push('"');
        }
        line.push(c);
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_they_are_read() {
        for text in ["1234", "12345678", "0011223344556677", "FFFFFFFFFFFFFFFF"] {
            let code = Code::adm(text).unwrap();
            assert_eq!(*code_text(&code), text);
        }
        assert_eq!(*code_text(&Code::adm("3132333435363738").unwrap()), "12345678", "the same octets");
    }

    #[test]
    fn values_that_need_quotes_have_them() {
        let mut line = String::new();
        for value in ["plain", "a,b", "a\"b", "a;b"] {
            quote(&mut line, value, ',');
            line.push('|');
        }
        assert_eq!(line, "plain|\"a,b\"|\"a\"\"b\"|a;b|");
    }
}
