//! A model cut down to one element, or to files.

use super::{Application, Overview};

/// There is no such element or file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NothingSelected {
    /// The number is too high.
    #[error("there is no element {wanted}: they are numbered from 0 to {last}")]
    Element {
        /// What was asked for.
        wanted: usize,
        /// The last one.
        last: usize,
    },
    /// No file has the path, name or identifier.
    #[error(
        "no file is named {0}: give a path as it is shown, such as ADF.USIM/EF.IMSI, a name or an identifier"
    )]
    File(String),
}

impl Overview {
    /// Keeps what one element brings or writes. The lists of elements and applications stay whole, so that numbers keep
    /// their meaning.
    ///
    /// # Errors
    /// [`NothingSelected::Element`].
    pub fn only_element(&mut self, wanted: usize) -> Result<(), NothingSelected> {
        if wanted >= self.elements.len() {
            return Err(NothingSelected::Element { wanted, last: self.elements.len().saturating_sub(1) });
        }
        self.selected = Some(wanted);
        if self.elements.get(wanted).is_none_or(|element| element.kind != "header") {
            self.header = None;
        }
        for application in &mut self.applications {
            application.aka.take_if(|aka| aka.element != wanted);
        }
        for set in &mut self.pins {
            set.pins.retain(|pin| pin.element == wanted);
        }
        self.pins.retain(|set| !set.pins.is_empty());
        self.puks.retain(|puk| puk.element == wanted);
        self.files.retain(|file| {
            let writes = file.content.as_ref().is_some_and(|content| content.written_by.contains(&wanted));
            file.element == wanted || writes
        });
        self.files_left_out.retain(|file| file.element == wanted);
        self.security_domains.retain(|domain| domain.element == wanted);
        self.remote_file_management.retain(|management| management.element == wanted);
        self.applets.retain(|applet| applet.element == wanted);
        self.non_standard.retain(|other| other.element == wanted);
        self.unknown.retain(|other| other.element == wanted);
        self.problems.retain(|problem| problem.element == Some(wanted));
        Ok(())
    }

    /// Keeps the files with this path, name or identifier, in full.
    ///
    /// # Errors
    /// [`NothingSelected::File`].
    pub fn only_files(&mut self, wanted: &str) -> Result<(), NothingSelected> {
        let ends = |path: &str| {
            let start = path.len().checked_sub(wanted.len());
            start.is_some_and(|start| {
                path.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(wanted))
                    && (start == 0 || path.as_bytes().get(start - 1) == Some(&b'/'))
            })
        };
        let by_identifier = |identifier: &Option<String>| {
            identifier.as_deref().is_some_and(|identifier| identifier.eq_ignore_ascii_case(wanted))
        };
        let is_wanted = |file: &super::File| ends(&file.path) || by_identifier(&file.identifier);
        if !self.files.iter().any(is_wanted) {
            return Err(NothingSelected::File(wanted.to_owned()));
        }
        self.files.retain(is_wanted);
        let paths: Vec<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        self.problems.retain(|problem| problem.path.as_deref().is_some_and(|path| paths.contains(&path)));
        self.only_files = true;
        self.header = None;
        for application in &mut self.applications {
            application.aka = None;
            application.cdma.clear();
        }
        self.pins.clear();
        self.puks.clear();
        self.files_left_out.clear();
        self.security_domains.clear();
        self.remote_file_management.clear();
        self.applets.clear();
        self.non_standard.clear();
        self.unknown.clear();
        Ok(())
    }

    /// Whether something of an application is left.
    pub(super) fn shows(&self, application: &Application) -> bool {
        let selected = |element| self.selected.is_none_or(|selected| selected == element);
        !self.only_files && (selected(application.element) || application.aka.is_some())
    }
}
