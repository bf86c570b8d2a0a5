//! Random data for a template, and the manufacturer's file that delivers them. They are of no card.

use std::io::Read;
use std::ops::Range;

use crate::env::Rng;
use crate::ident::{Iccid, Imsi};
use crate::profile::personal_data::{
    Algorithm, Code, CodeName, Codes, FurtherSubscription, KeySet, OtaKeySet, PersonalData, Role,
    Subscription,
};
use crate::profile::plan::{Datum, Requirements, Template};

use super::BenchError;

/// Blocks of numbers: each run takes one, so that a store may see several.
pub(super) const BLOCKS: u32 = 10_000;

/// Data for at most [`super::MAX_ORDERS`] profiles: what the template cannot do without. The numbers of two runs
/// differ, so that a store may see several.
///
/// # Errors
/// [`BenchError::Identifier`] beyond the numbers that there are.
pub fn profiles(template: &Template, count: usize, rng: &Rng) -> Result<Vec<PersonalData>, BenchError> {
    let requirements = template.requirements();
    let block = u32::from_be_bytes(rng.array()) % BLOCKS;
    (0..count).map(|number| profile(template, &requirements, (block, number), rng)).collect()
}

/// The ICCID at a place of a block.
pub(super) fn iccid(block: u32, number: usize) -> Result<Iccid, BenchError> {
    Ok(Iccid::parse(&format!("89882801{block:04}{number:07}"))?)
}

fn profile(
    template: &Template,
    requirements: &Requirements,
    (block, number): (u32, usize),
    rng: &Rng,
) -> Result<PersonalData, BenchError> {
    let subscription = |place: usize| -> Result<_, BenchError> {
        Ok(Subscription::new(Imsi::parse(&format!("9{:03}{block:04}{number:07}", place + 14))?))
    };
    let algorithm = |place: usize| requirements.algorithms.get(place).copied().unwrap_or(Algorithm::Milenage);
    let mut data = PersonalData {
        iccid: iccid(block, number)?,
        home: subscription(0)?,
        keys: KeySet::random(rng, algorithm(0)),
        further: Vec::new(),
        codes: Codes::default(),
        ota: OtaKeySet::drawn(rng, &requirements.ota),
    };
    for place in 1..requirements.algorithms.len() {
        let Some(role) = Role::parse(&format!("imsi{}", place + 1)) else { continue };
        // An entry of a multi-IMSI table may share the keys of the first subscription.
        let keys = template.has(Datum::Key(place)).then(|| KeySet::random(rng, algorithm(place)));
        data.further.push(FurtherSubscription { role, subscription: subscription(place)?, keys });
    }
    for name in &requirements.codes {
        data.codes.set(*name, Code::from_octets(rng.array::<8>().map(|octet| b'0' + octet % 10)));
    }
    if requirements.ota.is_empty() {
        data.ota.clear();
    }
    Ok(data)
}

/// Data as a manufacturer's file for the template that they were drawn for.
#[must_use]
pub fn to_csv(profiles: &[PersonalData], template: &Template) -> String {
    let requirements = template.requirements();
    let mut file = columns(template, &requirements);
    for data in profiles {
        push_row(&mut file, data, template, &requirements);
    }
    file
}

/// The line with the names of the columns, without its end.
fn columns(template: &Template, requirements: &Requirements) -> String {
    let mut columns = vec!["iccid".to_owned()];
    let numbered =
        |name: &str, place: usize| if place == 0 { name.to_owned() } else { format!("{name}{}", place + 1) };
    for (place, algorithm) in requirements.algorithms.iter().enumerate() {
        columns.push(numbered("imsi", place));
        if !template.has(Datum::Key(place)) {
            continue;
        }
        columns.push(numbered("ki", place));
        match algorithm {
            Algorithm::XorTest => {}
            Algorithm::Milenage => columns.push(numbered("opc", place)),
            Algorithm::Tuak128 | Algorithm::Tuak256 => columns.push(numbered("topc", place)),
        }
    }
    columns.extend(requirements.codes.iter().map(|name| CodeName::to_string(name).to_lowercase()));
    let key_names = ["", "kic", "kid", "kik"];
    let key_name = |identifier: u8| key_names.get(usize::from(identifier)).copied().unwrap_or_default();
    columns.extend(
        requirements.ota.iter().map(|(version, identifier)| format!("{}{version}", key_name(*identifier))),
    );
    columns.join(",")
}

/// The end of the line before, and the data as a row.
fn push_row(file: &mut String, data: &PersonalData, template: &Template, requirements: &Requirements) {
    file.push('\n');
    file.push_str(data.iccid.as_str());
    let mut push = |text: &str| {
        file.push(',');
        file.push_str(text);
    };
    for place in 0..data.subscriptions() {
        let Some((subscription, keys)) = data.subscription(place) else { continue };
        push(subscription.imsi.as_str());
        let has_keys = template.has(Datum::Key(place));
        if has_keys {
            push(&hex::encode(keys.key()));
        }
        if has_keys && !keys.opc().is_empty() {
            push(&hex::encode(keys.opc()));
        }
    }
    for name in &requirements.codes {
        let code = data.codes.get(*name).map(|code| String::from_utf8_lossy(code.as_octets()).into_owned());
        push(&code.unwrap_or_default());
    }
    for (version, identifier) in &requirements.ota {
        let set = data.ota.iter().find(|set| set.version == Some(*version));
        push(
            &set.and_then(|set| set.get(*identifier))
                .map(|key| hex::encode(key.as_octets()))
                .unwrap_or_default(),
        );
    }
}

/// A manufacturer's file that is made while it is read, so that no more of it is in memory than its reader asks for.
pub struct Made {
    template: Template,
    requirements: Requirements,
    rng: Rng,
    block: u32,
    /// Of the profiles that are still to be made.
    numbers: Range<usize>,
    text: String,
    /// How much of `text` was read.
    read: usize,
}

impl Made {
    /// A file of those profiles of a block, whose numbers are below ten million.
    #[must_use]
    pub fn new(template: Template, block: u32, numbers: Range<usize>, rng: Rng) -> Self {
        let requirements = template.requirements();
        let text = columns(&template, &requirements);
        Self { template, requirements, rng, block, numbers, text, read: 0 }
    }
}

impl Read for Made {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read == self.text.len() {
            self.text.clear();
            self.read = 0;
            while self.text.len() < buffer.len() {
                let Some(number) = self.numbers.next() else { break };
                let data = profile(&self.template, &self.requirements, (self.block, number), &self.rng);
                let data = data.map_err(std::io::Error::other)?;
                push_row(&mut self.text, &data, &self.template, &self.requirements);
            }
        }
        let count = self.text.as_bytes().get(self.read..).unwrap_or_default().read(buffer)?;
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::Package;

    use super::*;
    use crate::profile::personal_csv::{Rows, Settings};
    use crate::profile::shipped;

    #[test]
    fn the_file_is_one_that_inventory_reads() {
        for shipped in shipped::ALL {
            let octets = shipped.build().unwrap();
            let template = Template::compile(&Package::from_der(&octets).unwrap()).unwrap();
            let rng = Rng::seeded(1);
            let profiles = profiles(&template, 3, &rng).unwrap();
            let file = to_csv(&profiles, &template);
            let settings = Settings::for_stock(Some(template.requirements()), &rng);
            let mut rows = Rows::new(file.as_bytes(), settings).unwrap();
            let mut read = Vec::new();
            while let Some(row) = rows.next_row().unwrap() {
                read.push(row.outcome.ok().unwrap().data);
            }
            for (ours, read) in profiles.iter().zip(&read) {
                let packages = [ours, read].map(|data| template.personalise(data).unwrap());
                assert!(*packages[0] == *packages[1], "{}", shipped.name);
            }
            assert_eq!(read.len(), 3);
        }
    }

    #[test]
    fn a_file_that_is_made_while_it_is_read_is_the_one_that_is_made_before() {
        let octets = shipped::find(shipped::DEFAULT).unwrap().build().unwrap();
        let template = Template::compile(&Package::from_der(&octets).unwrap()).unwrap();
        let requirements = template.requirements();
        let rng = Rng::seeded(1);
        let profile = |number| profile(&template, &requirements, (7, number), &rng).unwrap();
        let file = to_csv(&(0..50).map(profile).collect::<Vec<_>>(), &template);
        for buffer in [1, 100, 5_000, 1 << 20] {
            let mut made = Made::new(template.clone(), 7, 0..50, Rng::seeded(1));
            let (mut read, mut part) = (Vec::new(), vec![0; buffer]);
            loop {
                let count = made.read(&mut part).unwrap();
                if count == 0 {
                    break;
                }
                read.extend_from_slice(&part[..count]);
            }
            assert_eq!(read, file.as_bytes());
        }
    }
}
