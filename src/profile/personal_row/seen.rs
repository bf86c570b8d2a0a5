//! Numbers that stand twice in one file. ICCIDs and IMSIs are kept while it is read: 40 to 70 octets for each row.

use std::collections::HashMap;

use super::columns::{Column, Member};
use super::fault::{RowError, RowFault, masked};
use crate::profile::personal_data::PersonalData;

/// Numbers of the rows so far, with their lines.
#[derive(Default)]
pub struct Seen {
    iccids: HashMap<[u8; 10], u32>,
    imsis: HashMap<[u8; 9], u32>,
}

impl Seen {
    /// Refuses a number that was there before; of a row that is refused, none is kept.
    ///
    /// # Errors
    /// [`RowFault::Repeated`] for each number, with the line that has it.
    pub fn check(&mut self, line: usize, data: &PersonalData) -> Result<(), Vec<RowError>> {
        let earlier = |line: Option<&u32>| line.map(|line| usize::try_from(*line).unwrap_or(usize::MAX));
        let iccid = data.iccid.to_bcd();
        let imsis = (0..data.subscriptions()).filter_map(|place| data.subscription(place));
        let imsis: Vec<[u8; 9]> = imsis.map(|(subscription, _)| subscription.imsi.to_ef()).collect();
        let mut errors = Vec::new();
        let mut refuse = |column: Column, number: &str, earlier: usize| {
            let (column, value) = (Some(column.name()), Some(masked(number)));
            errors.push(RowError { line, column, value, fault: RowFault::Repeated(earlier) });
        };
        if let Some(earlier) = earlier(self.iccids.get(&iccid)) {
            refuse(Column::Iccid, data.iccid.as_str(), earlier);
        }
        for (place, imsi) in imsis.iter().enumerate() {
            let in_row = imsis.iter().take(place).any(|other| other == imsi).then_some(line);
            if let Some(earlier) = in_row.or(earlier(self.imsis.get(imsi))) {
                let number =
                    data.subscription(place).map_or("", |(subscription, _)| subscription.imsi.as_str());
                refuse(Column::Of(place, Member::Imsi), number, earlier);
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.iccids.insert(iccid, line);
        self.imsis.extend(imsis.into_iter().map(|imsi| (imsi, line)));
        Ok(())
    }
}
