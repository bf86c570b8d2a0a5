//! Reading and updating the files of the enabled profile (TS 102 221 11.1.3 to 11.1.6).

use super::access::Access;
use super::apdu::{Command, StatusWord};
use super::uicc::{Position, Uicc};
use crate::profile::image::{NodeId, Structure};

/// Octets of response that a command asks for, of those that are there. A number that is asked for and not there is
/// answered with the right one (6Cxx).
fn requested(available: usize, le: Option<usize>) -> Result<usize, StatusWord> {
    match le {
        None | Some(256) => Ok(available.min(256)),
        Some(le) if le <= available => Ok(le),
        Some(_) => Err(StatusWord(0x6C00 | u16::try_from(available.min(255)).unwrap_or(0))),
    }
}

impl Uicc {
    /// The file that a command means: by short identifier, which makes it the current one, or the current one.
    fn addressed(&self, position: &mut Position, sfi: Option<u8>) -> Result<NodeId, StatusWord> {
        let Some(sfi) = sfi else { return position.file.ok_or(StatusWord::NO_EF) };
        let file = self.image.child_by_sfi(position.directory, sfi).ok_or(StatusWord::FILE_NOT_FOUND)?;
        position.file = Some(file);
        position.record = 0;
        Ok(file)
    }

    /// File and offset of READ BINARY and UPDATE BINARY.
    fn binary(&self, position: &mut Position, command: &Command<'_>) -> Result<(NodeId, usize), StatusWord> {
        let (sfi, high) = match command.p1 {
            p1 if p1 & 0xE0 == 0x80 => (Some(p1 & 0x1F), 0),
            p1 if p1 & 0x80 == 0 => (None, p1),
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        };
        let id = self.addressed(position, sfi)?;
        let file = self.image.file(id).ok_or(StatusWord::NO_EF)?;
        if file.structure != Structure::Transparent {
            return Err(StatusWord::INCOMPATIBLE_FILE);
        }
        Ok((id, usize::from(high) << 8 | usize::from(command.p2)))
    }

    pub(super) fn read_binary(
        &self,
        position: &mut Position,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        let (id, offset) = self.binary(position, command)?;
        self.check_access(position, id, Access::Read)?;
        let content = self.image.file(id).ok_or(StatusWord::NO_EF)?.content.get(offset..);
        let content = content.filter(|rest| !rest.is_empty()).ok_or(StatusWord::WRONG_OFFSET)?;
        let length = requested(content.len(), command.le)?;
        Ok(content.iter().take(length).copied().collect())
    }

    pub(super) fn update_binary(
        &mut self,
        position: &mut Position,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        let (id, offset) = self.binary(position, command)?;
        self.check_access(position, id, Access::Update)?;
        let file = self.image.file_mut(id).ok_or(StatusWord::NO_EF)?;
        let place = file.content.get_mut(offset..).ok_or(StatusWord::WRONG_OFFSET)?;
        let place = place.get_mut(..command.data.len()).ok_or(StatusWord::WRONG_LENGTH)?;
        place.copy_from_slice(command.data);
        self.changed = true;
        Ok(Vec::new())
    }

    /// File and record number of READ RECORD and UPDATE RECORD.
    fn addressed_record(
        &self,
        position: &mut Position,
        command: &Command<'_>,
    ) -> Result<(NodeId, u8), StatusWord> {
        let sfi = (command.p2 >> 3 != 0).then_some(command.p2 >> 3);
        let id = self.addressed(position, sfi)?;
        let file = self.image.file(id).ok_or(StatusWord::NO_EF)?;
        let records = file.records().ok_or(StatusWord::INCOMPATIBLE_FILE)?;
        let last = u8::try_from(records).unwrap_or(u8::MAX);
        let cyclic = matches!(file.structure, Structure::Cyclic(_));
        let number = match (command.p2 & 0x07, command.p1) {
            (0x04, 0) => position.record,
            (0x04, number) => number,
            (0x02, 0) if position.record < last => position.record + 1,
            (0x02, 0) if cyclic => 1,
            (0x03, 0) if position.record == 0 || (position.record == 1 && cyclic) => last,
            (0x03, 0) => position.record - 1,
            (0x02, _) => 0,
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        };
        if !(1..=last).contains(&number) {
            return Err(StatusWord::RECORD_NOT_FOUND);
        }
        // Next and previous move the record pointer, absolute access does not.
        if command.p2 & 0x07 != 0x04 {
            position.record = number;
        }
        Ok((id, number))
    }

    pub(super) fn read_record(
        &self,
        position: &mut Position,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        let (id, number) = self.addressed_record(position, command)?;
        self.check_access(position, id, Access::Read)?;
        let record = self.image.record(id, number).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        match requested(record.len(), command.le)? {
            length if length == record.len() => Ok(record.to_vec()),
            // A record is read as a whole.
            _ => Err(StatusWord::WRONG_LENGTH),
        }
    }

    pub(super) fn update_record(
        &mut self,
        position: &mut Position,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        let (id, number) = self.addressed_record(position, command)?;
        self.check_access(position, id, Access::Update)?;
        let file = self.image.file_mut(id).ok_or(StatusWord::NO_EF)?;
        let length = file.record_length().ok_or(StatusWord::INCOMPATIBLE_FILE)?;
        if command.data.len() != length {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let start = match file.structure {
            // Of a cyclic file the oldest record alone is updated, and becomes the first.
            Structure::Cyclic(_) if command.p2 & 0x07 == 0x03 => {
                let octets = file.content.len();
                file.content.rotate_right(length.min(octets));
                position.record = 1;
                0
            }
            Structure::Cyclic(_) => return Err(StatusWord::WRONG_PARAMETERS),
            Structure::LinearFixed(_) => usize::from(number - 1) * length,
            Structure::Transparent | Structure::BerTlv => return Err(StatusWord::INCOMPATIBLE_FILE),
        };
        let place = file.content.get_mut(start..start + length).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        place.copy_from_slice(command.data);
        self.changed = true;
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::Package;

    use super::*;
    use crate::profile::image::ProfileImage;
    use crate::profile::shipped::generic;

    /// EF.ARR of our profile made a cyclic file of three records of two octets, with ADM1 verified.
    fn cyclic() -> (Uicc, Position, NodeId) {
        let package = generic();
        let mut image = ProfileImage::build(&Package::from_der(&package).unwrap()).unwrap();
        let rule = image.path(&[0x2F06]).unwrap();
        let id = image.path(&[0x2F05]).unwrap();
        assert_ne!(rule, id);
        let file = image.file_mut(id).unwrap();
        file.structure = Structure::Cyclic(2);
        *file.content.as_vec_mut() = vec![3, 3, 2, 2, 1, 1];
        let mut uicc = Uicc::new(image);
        uicc.verified.extend([(NodeId::MF, 0x01), (NodeId::MF, 0x0A)]);
        (uicc, Position { file: Some(id), ..Position::default() }, id)
    }

    fn command<'a>(p1: u8, p2: u8, data: &'a [u8]) -> Command<'a> {
        Command { cla: 0, ins: 0, p1, p2, data, le: None }
    }

    #[test]
    fn the_oldest_record_of_a_cyclic_file_becomes_the_first() {
        let (mut uicc, mut position, id) = cyclic();
        uicc.update_record(&mut position, &command(0, 0x03, &[4, 4])).unwrap();
        assert_eq!(&uicc.image.file(id).unwrap().content[..], [4, 4, 3, 3, 2, 2]);
        assert_eq!(
            uicc.update_record(&mut position, &command(1, 0x04, &[5, 5])),
            Err(StatusWord::WRONG_PARAMETERS)
        );
        let wrong = uicc.update_record(&mut position, &command(0, 0x03, &[5]));
        assert_eq!(wrong, Err(StatusWord::WRONG_LENGTH));
    }

    #[test]
    fn the_record_pointer_goes_round_a_cyclic_file() {
        let (uicc, mut position, _) = cyclic();
        let mut read = |p1, p2| uicc.read_record(&mut position, &command(p1, p2, &[]));
        assert_eq!(read(0, 0x04), Err(StatusWord::RECORD_NOT_FOUND), "no record is current");
        assert_eq!(read(0, 0x03), Ok(vec![1, 1]), "the one before the first is the last");
        assert_eq!(read(0, 0x02), Ok(vec![3, 3]));
        assert_eq!(read(2, 0x04), Ok(vec![2, 2]));
        assert_eq!(read(0, 0x04), Ok(vec![3, 3]), "absolute access leaves the pointer");
        assert_eq!(read(0, 0x03), Ok(vec![1, 1]));
        assert_eq!(read(4, 0x04), Err(StatusWord::RECORD_NOT_FOUND));
        assert_eq!(read(0, 0x05), Err(StatusWord::WRONG_PARAMETERS));
    }
}
