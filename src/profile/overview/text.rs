//! The model as text for people: header, elements, applications, codes, files as a tree, security domains, problems.

use super::plain::{octets, printable, value, wrap};
use super::secret::hidden;
use toml::Value;

use super::{
    Access, AccessRule, Aka, Application, Content, Element, File, Header, Overview, PinSet, Said, access,
    tree_lines,
};

/// Lines of text with one width.
pub(super) struct Page {
    pub(super) lines: Vec<String>,
    width: usize,
}

/// The algorithm with TOPc in place of OPc.
const TUAK: u8 = 2;
/// The narrowest page.
const NARROWEST: usize = 60;
/// Where a text begins that has no room behind its name.
const BELOW: usize = 8;
/// The column in which values of a block begin.
const VALUES: usize = 20;

/// The model as lines of at most `width` characters, where names and numbers leave room for it.
#[must_use]
pub fn render(overview: &Overview, width: usize) -> String {
    let mut page = Page { lines: Vec::new(), width: width.max(NARROWEST) };
    page.line(&format!(
        "Profile package of {} octets in {} elements",
        overview.octets,
        overview.elements.len()
    ));
    if let Some(header) = &overview.header {
        page.header(header);
    }
    page.elements(overview);
    page.applications(overview);
    page.codes(overview);
    page.files(overview);
    page.management(overview);
    page.others(overview);
    page.problems(overview);
    let mut text = page.lines.join("\n");
    text.push('\n');
    text
}

impl Page {
    pub(super) fn line(&mut self, text: &str) {
        self.lines.push(text.trim_end().to_owned());
    }

    pub(super) fn title(&mut self, text: &str) {
        self.line("");
        self.line(text);
    }

    /// A name and its value, which may take several lines.
    pub(super) fn member(&mut self, indent: usize, name: &str, text: &str) {
        let column = VALUES.max(indent + name.chars().count() + 2);
        let start = format!("{:indent$}{name}", "");
        self.hanging(&format!("{start:column$}"), &" ".repeat(column), text);
    }

    /// A text behind `first`, its further lines behind `others`; below `first`, where a word of it has no room there.
    pub(super) fn hanging(&mut self, first: &str, others: &str, text: &str) {
        let room = self.width.saturating_sub(first.chars().count());
        let longest = text.split(' ').map(|word| word.chars().count()).max().unwrap_or_default();
        if longest > room && others.trim().is_empty() && others.len() > BELOW {
            self.line(first);
            let below = " ".repeat(BELOW);
            return self.hanging(&below, &below, text);
        }
        for (number, line) in wrap(text, room).into_iter().enumerate() {
            self.line(&format!("{}{line}", if number == 0 { first } else { others }));
        }
    }

    fn header(&mut self, header: &Header) {
        self.title("Header");
        self.member(2, "format version", &header.version);
        if let Some(profile_type) = &header.profile_type {
            self.member(2, "profile type", &printable(profile_type));
        }
        self.member(2, "ICCID", &header.iccid);
        if let Some(pol) = &header.pol {
            self.member(2, "POL1", pol);
        }
        self.member(2, "services", &or_none(&header.mandatory_services));
        let templates =
            header.mandatory_templates.iter().map(|template| match (template.element, template.version) {
                (Some(element), Some(1)) => element.to_owned(),
                (Some(element), Some(version)) => format!("{element} v{version}"),
                _ => template.identifier.clone(),
            });
        self.member(2, "templates", &or_none(&templates.collect::<Vec<_>>()));
        if !header.mandatory_aids.is_empty() {
            self.member(2, "AIDs", &header.mandatory_aids.join(", "));
        }
        if let Some(parameters) = &header.connectivity_parameters {
            self.member(2, "connectivity", &parameters.text());
        }
    }

    fn elements(&mut self, overview: &Overview) {
        let shown = |place: usize| overview.selected.is_none_or(|selected| selected == place);
        if overview.only_files {
            return;
        }
        self.title("Elements");
        self.line("    #  element               number  mandated  offset  octets  what");
        for (place, element) in overview.elements.iter().enumerate().filter(|(place, _)| shown(*place)) {
            let number = element.identification.map_or("–".to_owned(), |number| number.to_string());
            let mandated = if element.mandated { "yes" } else { "–" };
            let start = format!(
                "  {place:>3}  {:<21} {number:>6}  {mandated:<8}  {:>6}  {:>6}  ",
                element.kind, element.offset, element.octets
            );
            let others = " ".repeat(start.chars().count());
            self.hanging(&start, &others, &what(overview, place, element));
        }
    }

    fn applications(&mut self, overview: &Overview) {
        let shown: Vec<&Application> = overview.applications.iter().filter(|it| overview.shows(it)).collect();
        if !shown.is_empty() {
            self.title("Applications");
        }
        for application in shown {
            let aid = application.aid.as_deref().unwrap_or("without AID");
            self.line(&format!("  {}  {aid}", application.path));
            if let Some(identifier) = &application.temporary_identifier {
                self.member(4, "identifier", &format!("{identifier}, temporary"));
            }
            match &application.aka {
                Some(aka) => self.aka(overview, aka),
                None if overview.selected.is_none() && application.kind != "CSIM" => {
                    self.member(4, "keys", "none")
                }
                None => {}
            }
            for cdma in &application.cdma {
                self.member(4, "CDMA keys", &cdma.text());
            }
        }
    }

    fn aka(&mut self, overview: &Overview, aka: &Aka) {
        if let Some(mapping) = &aka.mapping {
            let with_aid = |it: &&Application| it.aid.as_deref() == Some(&mapping.source);
            let source = overview.applications.iter().find(with_aid).map_or(&mapping.source, |it| &it.path);
            self.member(4, "keys", &format!("those of {source} (options {})", mapping.options));
        }
        if let Some(algorithm) = &aka.algorithm {
            self.member(4, "algorithm", &format!("{}, options {}", algorithm.name, algorithm.options));
            self.member(4, "K", &algorithm.key.text());
            let opc = if algorithm.identifier == TUAK { "TOPc" } else { "OPc" };
            self.member(4, opc, &algorithm.opc.text());
            if let Some(constants) = &algorithm.rotation_constants {
                self.member(4, "r1 to r5", constants);
            }
            if let Some(constants) = &algorithm.xoring_constants {
                self.member(4, "c1 to c5", constants);
            }
            if let Some(maximum) = algorithm.authentication_counter_maximum {
                self.member(4, "authentications", &format!("{maximum} at most"));
            }
            if let Some(number) = algorithm.number_of_keccak {
                self.member(4, "Keccak", &format!("{number} iterations"));
            }
        }
        let sqn = match aka.sqn.as_slice() {
            [one] if one.bytes().all(|digit| digit == b'0') => "starts at 0".to_owned(),
            [one] => format!("starts at {one}"),
            many => format!("starts at {}", many.join(" ")),
        };
        let text = format!(
            "{sqn}, step at most {}, age at most {}, options {}",
            without_zeros(&aka.sqn_delta),
            without_zeros(&aka.sqn_age_limit),
            aka.sqn_options
        );
        self.member(4, "SQN", &text);
    }

    fn codes(&mut self, overview: &Overview) {
        if overview.pins.is_empty() && overview.puks.is_empty() {
            return;
        }
        self.title("PINs and PUKs");
        for set in &overview.pins {
            self.pins(overview, set);
        }
        if !overview.puks.is_empty() {
            self.line("  PUKs");
        }
        for puk in &overview.puks {
            let text =
                format!("{}, {} of {} attempts left", puk.value.text(), puk.attempts_left, puk.attempts);
            self.member(4, &puk.name, &text);
        }
    }

    fn pins(&mut self, overview: &Overview, set: &PinSet) {
        if let Some(other) = &set.shared_with {
            return self.line(&format!("  {}: those of {other}", set.directory));
        }
        self.line(&format!("  {}", set.directory));
        for pin in &set.pins {
            let mut words = vec![
                pin.value.text(),
                if pin.enabled { "enabled" } else { "disabled" }.to_owned(),
                format!("{} of {} attempts left", pin.attempts_left, pin.attempts),
            ];
            if let Some(reference) = pin.unblocked_by {
                let puk = overview.puks.iter().find(|puk| puk.reference == reference);
                let name = puk.map_or_else(|| super::words::puk(reference), |puk| puk.name.clone());
                words.push(format!("unblocked by {name}"));
            }
            for (may, what) in [(pin.may_be_changed, "changed"), (pin.may_be_disabled, "disabled")] {
                if !may {
                    words.push(format!("cannot be {what}"));
                }
            }
            self.member(4, &pin.name, &words.join(", "));
        }
    }

    fn files(&mut self, overview: &Overview) {
        let files: Vec<&File> = overview.files.iter().collect();
        if files.is_empty() {
            return;
        }
        self.title("Files");
        let branches = tree_lines::branches(&files);
        let name_width = |(file, branch): (&&File, &tree_lines::Branch)| {
            branch.file.chars().count() + file.name.chars().count()
        };
        let column = files.iter().zip(&branches).map(name_width).max().unwrap_or_default().min(40);
        for (file, branch) in files.iter().zip(&branches) {
            let name = format!("{}{}", branch.file, file.name);
            let identifier = file.identifier.as_ref().filter(|identifier| **identifier != file.name);
            let start = format!("  {name:column$}  {:4}  ", identifier.map_or("", String::as_str));
            let below = format!("  {}   ", branch.below);
            self.hanging(&start, &below, &attributes(file));
            if let Some(content) = &file.content {
                self.content(&below, file, content, overview.only_files);
            }
        }
        if !overview.files_left_out.is_empty() {
            let names: Vec<&str> = overview.files_left_out.iter().map(|file| file.name).collect();
            self.member(2, "not created", &names.join(", "));
        }
    }

    fn content(&mut self, below: &str, file: &File, content: &Content, in_full: bool) {
        if let Some(whole) = &content.whole
            && let Some(text) = said(whole, file, content, in_full)
        {
            self.hanging(below, below, &text);
        }
        // Records that say the same are told together.
        let texts: Vec<Option<String>> =
            content.each.iter().map(|record| said(record, file, content, in_full)).collect();
        let mut first = 0;
        for run in texts.chunk_by(|one, other| one == other) {
            let numbers = match run.len() {
                1 => format!("{}", first + 1),
                more => format!("{}–{}", first + 1, first + more),
            };
            first += run.len();
            match run.first() {
                Some(Some(text)) => {
                    let start = format!("{below}{numbers}: ");
                    let others = format!("{below}{:1$}", "", numbers.chars().count() + 2);
                    self.hanging(&start, &others, text);
                }
                Some(None) if texts.len() > run.len() => self.line(&format!("{below}{numbers}: empty")),
                _ => {}
            }
        }
    }

    fn problems(&mut self, overview: &Overview) {
        if overview.problems.is_empty() {
            return;
        }
        self.title("What could not be read");
        for problem in &overview.problems {
            let element = problem.element.map_or(String::new(), |element| format!(", element {element}"));
            let path = problem.path.as_ref().map_or(String::new(), |path| format!(" ({path})"));
            let start = format!("  octet {}{element}{path}: ", problem.offset);
            self.hanging(&start, "    ", &printable(&problem.message));
        }
    }
}

/// The words, or that there are none.
pub(super) fn or_none(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn without_zeros(digits: &str) -> &str {
    let short = digits.trim_start_matches('0');
    if short.is_empty() { "0" } else { short }
}

/// What an element is about: its template, its application or directory.
fn what(overview: &Overview, place: usize, element: &Element) -> String {
    let mut words = Vec::new();
    if let Some(template) = &element.template {
        words.push(match template.version {
            Some(version) => format!("template v{version}"),
            None => format!("template {}", template.identifier),
        });
    }
    match (&element.application.and_then(|place| overview.application(place)), &element.directory) {
        (_, Some(directory)) if element.kind == "pinCodes" => words.push(directory.clone()),
        (Some(application), _) => words.push(application.path.clone()),
        (None, _) => {}
    }
    words.extend(overview.aid_of(place).map(str::to_owned));
    words.join(", ")
}

/// Type, size, access and whatever is unusual about a file.
fn attributes(file: &File) -> String {
    let mut words = Vec::new();
    if let Some(link) = &file.link {
        return match &link.target {
            Some(target) => format!("link to {target}"),
            None => format!("link to {}, which is not there", link.identifiers),
        };
    }
    match (file.records, file.record_length, file.size) {
        (Some(records), Some(length), _) => words.push(format!("{} {records} × {length}", file.kind)),
        (_, _, Some(size)) => words.push(format!("{} {size}", file.kind)),
        _ => words.extend(file.aid.clone()),
    }
    if let Some(sfi) = file.short_file_identifier {
        words.push(format!("SFI {sfi:02X}"));
    }
    if let Some(access) = file.access.as_ref().filter(|_| file.content.is_some()) {
        words.push(access_in_short(access));
    }
    if file.life_cycle != "activated" {
        words.push(file.life_cycle.clone());
    }
    if !file.shareable {
        words.push("not shareable".to_owned());
    }
    if let Some(content) = &file.content {
        match content.origin {
            "template" => words.push("default".to_owned()),
            "none" => words.push("empty".to_owned()),
            _ if content.whole.iter().chain(&content.each).all(is_empty) => {
                words.push("empty".to_owned());
            }
            _ => {}
        }
    }
    words.join(", ")
}

/// Who may read and update.
fn access_in_short(access: &Access) -> String {
    let Some(rules) = &access.rules else {
        return format!("access as in record {} of {}", access.record, access.file);
    };
    let condition = |wanted: &str| {
        let rule = rules.iter().find(|rule| rule.access.iter().any(|name| name == wanted));
        rule.map_or("never", |rule| rule.condition.as_str())
    };
    let (read, update) = (condition("read"), condition("update"));
    if read == update { format!("read, update {read}") } else { format!("read {read}, update {update}") }
}

fn is_empty(said: &Said) -> bool {
    said.octets().is_some_and(|octets| octets.iter().all(|octet| *octet == 0xFF))
}

/// What a content or record says; nothing, where it is empty or the template's.
fn said(said: &Said, file: &File, content: &Content, in_full: bool) -> Option<String> {
    let Some(known) = said.octets() else {
        // That a secret is the template's default is no secret.
        return (content.origin != "template" && content.origin != "none").then(|| hidden(said.length()));
    };
    if in_full {
        let digits = hex::encode_upper(known);
        return Some(match said.value() {
            Some(words) => format!("{} = {digits}", value(&without_length(words))),
            None => digits,
        });
    }
    if is_empty(said) || content.origin == "template" {
        return None;
    }
    let rules = if file.name.starts_with("EF.ARR") { rules_in_short(said) } else { None };
    Some(match (rules, said.value().map(without_length)) {
        (Some(rules), _) => rules.join("; "),
        // What the decoder calls empty is one octet over and over.
        (None, Some(Value::Table(members))) if members.contains_key("empty") => octets(known),
        (None, Some(words)) => value(&words),
        (None, None) => octets(known),
    })
}

/// The rules of a record of EF.ARR, each as `read, update PIN1`.
pub(in crate::profile) fn rules_in_short(record: &Said) -> Option<Vec<String>> {
    let rules = access::rules(record.octets()?, false)?;
    Some(rules.iter().map(rule).collect())
}

fn rule(rule: &AccessRule) -> String {
    format!("{} {}", rule.access.join(", "), rule.condition)
}

/// A decoded value without its length, which is that of the file.
pub(in crate::profile) fn without_length(words: &Value) -> Value {
    let Value::Table(members) = words else { return words.clone() };
    let mut members = members.clone();
    members.remove("length");
    match members.get("value") {
        Some(only) if members.len() == 1 => only.clone(),
        _ => Value::Table(members),
    }
}
