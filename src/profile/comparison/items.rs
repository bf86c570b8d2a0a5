//! What a package has, item by item, with the facts that are compared.

use toml::Value;

use super::{Area, Fact, Item};
use crate::profile::overview::{
    Aka, Application, Command, File, Header, Instance, Key, Overview, Pin, Puk, RemoteFileManagement,
    SecurityDomain, rules_in_short,
};

/// Names of the applications of two packages: the same for those that are pairs, by AID or else by kind and order.
pub(super) fn labels(first: &Overview, second: &Overview) -> (Vec<String>, Vec<String>) {
    let own: Vec<String> = first.applications.iter().map(|application| application.path.clone()).collect();
    let mut pairs: Vec<Option<usize>> = vec![None; second.applications.len()];
    let mut free: Vec<bool> = vec![true; first.applications.len()];
    let mut pair = |fits: &dyn Fn(&Application, &Application) -> bool| {
        for (pair, application) in
            pairs.iter_mut().zip(&second.applications).filter(|(pair, _)| pair.is_none())
        {
            let mut others = free.iter_mut().zip(&first.applications).enumerate();
            if let Some((place, (free, _))) =
                others.find(|(_, (free, other))| **free && fits(other, application))
            {
                (*pair, *free) = (Some(place), false);
            }
        }
    };
    pair(&|one, other| one.kind == other.kind && one.aid.is_some() && one.aid == other.aid);
    pair(&|one, other| one.kind == other.kind);
    let mut taken = own.clone();
    let others = pairs
        .iter()
        .zip(&second.applications)
        .map(|(pair, application)| {
            if let Some(name) = pair.and_then(|place| own.get(place)) {
                return name.clone();
            }
            let numbered = (2..).map(|number| format!("ADF.{} ({number})", application.kind));
            let mut names = std::iter::once(format!("ADF.{}", application.kind)).chain(numbered);
            let name = names.find(|name| !taken.contains(name)).unwrap_or_default();
            taken.push(name.clone());
            name
        })
        .collect();
    (own, others)
}

/// All items of a package. `labels` are the names of its applications.
pub(super) fn all<'a>(overview: &'a Overview, labels: &[String]) -> Vec<Item<'a>> {
    let names = Names { overview, labels };
    let mut items: Vec<Item<'a>> = Vec::new();
    items.extend(overview.header.as_ref().map(header));
    elements(&names, &mut items);
    for (application, label) in overview.applications.iter().zip(labels) {
        items.push(self::application(application, label));
        items.extend(application.aka.as_ref().map(|aka| self::aka(aka, label)));
    }
    for set in &overview.pins {
        let directory = names.path(&set.directory);
        if let Some(other) = &set.shared_with {
            let facts = vec![fact("shared with", text(names.path(other)))];
            items.push(item(Area::Pin, format!("pins {directory}"), format!("PINs of {directory}"), facts));
        }
        items.extend(set.pins.iter().map(|one| pin(one, &directory)));
    }
    items.extend(overview.puks.iter().map(puk));
    items.extend(overview.files.iter().map(|one| file(one, &names)));
    for domain in &overview.security_domains {
        items.push(security_domain(domain));
        items.extend(domain.keys.iter().map(|one| key(one, &domain.instance.aid)));
    }
    items.extend(overview.remote_file_management.iter().map(remote_file_management));
    applets(overview, &mut items);
    for other in &overview.non_standard {
        let subject = format!("content of issuer {}", other.issuer);
        items.push(item(
            Area::Other,
            subject.clone(),
            subject,
            vec![("content".to_owned(), Fact::Secret(&other.content))],
        ));
    }
    for other in &overview.unknown {
        let subject = format!("element with tag {}", other.tag);
        items.push(item(
            Area::Other,
            subject.clone(),
            subject,
            vec![("content".to_owned(), Fact::Secret(&other.content))],
        ));
    }
    number_doubles(&mut items);
    items
}

/// Items of which a package has several get numbers.
fn number_doubles(items: &mut [Item<'_>]) {
    let mut seen: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    for item in items {
        let count = seen.entry(item.key.clone()).or_default();
        *count += 1;
        if *count > 1 {
            item.key = format!("{} #{count}", item.key);
            item.subject = format!("{} ({count})", item.subject);
        }
    }
}

/// Paths with the names that applications have in the comparison.
struct Names<'n, 'a> {
    overview: &'a Overview,
    labels: &'n [String],
}

impl Names<'_, '_> {
    fn application(&self, place: Option<usize>) -> &str {
        place.and_then(|place| self.labels.get(place)).map_or("", String::as_str)
    }

    fn path(&self, path: &str) -> String {
        let applications = self.overview.applications.iter().zip(self.labels);
        let mut found = applications.filter_map(|(application, label)| {
            let rest = path.strip_prefix(&application.path)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{label}{rest}"))
        });
        found.next().unwrap_or_else(|| path.to_owned())
    }
}

fn item(area: Area, key: String, subject: String, facts: Vec<(String, Fact<'_>)>) -> Item<'_> {
    Item { area, key: format!("{area:?} {key}"), subject, facts, stands_alone: true, above: None }
}

fn fact<'a>(member: &str, value: Value) -> (String, Fact<'a>) {
    (member.to_owned(), Fact::Words(value))
}

fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn number(number: impl TryInto<i64>) -> Value {
    Value::Integer(number.try_into().unwrap_or(i64::MAX))
}

fn list<'a>(texts: impl IntoIterator<Item = &'a String>) -> Value {
    Value::Array(texts.into_iter().map(text).collect())
}

/// A fact that may be missing.
fn maybe<'a>(member: &str, value: Option<impl Into<String>>) -> Option<(String, Fact<'a>)> {
    value.map(|value| fact(member, text(value)))
}

fn header(header: &Header) -> Item<'_> {
    let templates: Vec<String> =
        header.mandatory_templates.iter().map(|template| template.identifier.clone()).collect();
    let mut facts = vec![
        fact("format version", text(&header.version)),
        fact("ICCID", text(&header.iccid)),
        fact("services", list(&header.mandatory_services)),
        fact("templates", list(&templates)),
        fact("AIDs", list(&header.mandatory_aids)),
    ];
    facts.extend(maybe("profile type", header.profile_type.as_ref()));
    facts.extend(maybe("POL1", header.pol.as_ref()));
    let connectivity = header.connectivity_parameters.as_ref();
    facts.extend(connectivity.map(|secret| ("connectivity".to_owned(), Fact::Secret(secret))));
    item(Area::Header, String::new(), "header".to_owned(), facts)
}

/// Elements that do the same thing: whether they are mandated, and their templates.
fn elements<'a>(names: &Names<'_, 'a>, items: &mut Vec<Item<'a>>) {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for (place, element) in names.overview.elements.iter().enumerate() {
        let mut subject = element.kind.to_owned();
        let directory = element.directory.as_ref().filter(|_| element.kind == "pinCodes");
        let of = match directory {
            Some(directory) => names.path(directory),
            None => names.application(element.application).to_owned(),
        };
        let aid = names.overview.aid_of(place).unwrap_or_default();
        for word in [&of, aid].into_iter().filter(|word| !word.is_empty()) {
            subject = format!("{subject} of {word}");
        }
        match groups.iter_mut().find(|(other, _)| *other == subject) {
            Some((_, places)) => places.push(place),
            None => groups.push((subject, vec![place])),
        }
    }
    for (subject, places) in groups {
        let of_group = || places.iter().filter_map(|place| names.overview.elements.get(*place));
        let mandated = of_group().filter(|element| element.mandated).count();
        let mandated = match mandated {
            0 => "no",
            all if all == places.len() => "yes",
            _ => "some",
        };
        let mut templates: Vec<String> =
            of_group().filter_map(|element| Some(element.template.as_ref()?.identifier.clone())).collect();
        templates.dedup();
        let mut facts = vec![fact("mandated", text(mandated))];
        facts.extend((!templates.is_empty()).then(|| fact("template", text(templates.join(", ")))));
        // What an element brings is told by itself.
        items.push(Item { stands_alone: false, ..item(Area::Element, subject.clone(), subject, facts) });
    }
}

fn application<'a>(application: &'a Application, label: &str) -> Item<'a> {
    let mut facts = Vec::new();
    facts.extend(maybe("AID", application.aid.as_ref()));
    for (place, cdma) in application.cdma.iter().enumerate() {
        facts.push((format!("CDMA keys {}", place + 1), Fact::Secret(cdma)));
    }
    item(Area::Application, label.to_owned(), label.to_owned(), facts)
}

fn aka<'a>(aka: &'a Aka, label: &str) -> Item<'a> {
    let mut facts = vec![
        fact("SQN options", text(&aka.sqn_options)),
        fact("SQN delta", text(&aka.sqn_delta)),
        fact("SQN age limit", text(&aka.sqn_age_limit)),
        fact("SQN", text(aka.sqn.join(" "))),
    ];
    if let Some(algorithm) = &aka.algorithm {
        facts.push(fact("algorithm", text(&algorithm.name)));
        facts.push(fact("options", text(&algorithm.options)));
        facts.push(("K".to_owned(), Fact::Secret(&algorithm.key)));
        facts.push(("OPc".to_owned(), Fact::Secret(&algorithm.opc)));
        facts.extend(maybe("rotation constants", algorithm.rotation_constants.as_ref()));
        facts.extend(maybe("XOR constants", algorithm.xoring_constants.as_ref()));
        facts.extend(
            algorithm.authentication_counter_maximum.map(|it| fact("authentication counter", number(it))),
        );
        facts.extend(algorithm.number_of_keccak.map(|it| fact("Keccak iterations", number(it))));
    }
    if let Some(mapping) = &aka.mapping {
        facts.push(fact("keys of", text(&mapping.source)));
        facts.push(fact("mapping options", text(&mapping.options)));
    }
    item(Area::Aka, label.to_owned(), format!("keys of {label}"), facts)
}

fn pin<'a>(pin: &'a Pin, directory: &str) -> Item<'a> {
    let mut facts = vec![
        ("value".to_owned(), Fact::Secret(&pin.value)),
        fact("enabled", Value::Boolean(pin.enabled)),
        fact("may be changed", Value::Boolean(pin.may_be_changed)),
        fact("may be disabled", Value::Boolean(pin.may_be_disabled)),
        fact("attempts", number(pin.attempts)),
        fact("attempts left", number(pin.attempts_left)),
    ];
    facts.extend(pin.unblocked_by.map(|reference| fact("unblocked by", number(reference))));
    item(Area::Pin, format!("{directory} {}", pin.reference), format!("{} of {directory}", pin.name), facts)
}

fn puk(puk: &Puk) -> Item<'_> {
    let facts = vec![
        ("value".to_owned(), Fact::Secret(&puk.value)),
        fact("attempts", number(puk.attempts)),
        fact("attempts left", number(puk.attempts_left)),
    ];
    item(Area::Puk, puk.reference.to_string(), puk.name.clone(), facts)
}

fn file<'a>(file: &'a File, names: &Names<'_, '_>) -> Item<'a> {
    let mut facts = vec![
        fact("type", text(file.kind)),
        fact("life cycle", text(&file.life_cycle)),
        fact("shareable", Value::Boolean(file.shareable)),
        fact("high update activity", Value::Boolean(file.high_update_activity)),
        fact("usable when deactivated", Value::Boolean(file.usable_when_deactivated)),
    ];
    // Records say the same as the size.
    match (file.records, file.record_length) {
        (Some(records), Some(length)) => {
            facts.extend([fact("records", number(records)), fact("record length", number(length))]);
        }
        _ => facts.extend(file.size.map(|size| fact("size", number(size)))),
    }
    facts.extend(file.short_file_identifier.map(|sfi| fact("SFI", text(format!("{sfi:02X}")))));
    facts.extend(file.access.as_ref().map(|access| ("access".to_owned(), Fact::Access(access))));
    facts.extend(maybe("PIN status", file.pin_status_template.as_ref()));
    if let Some(link) = &file.link {
        facts.push(fact(
            "link to",
            text(link.target.as_ref().map_or_else(|| link.identifiers.clone(), |it| names.path(it))),
        ));
    }
    if let Some(content) = &file.content {
        facts.extend(content.whole.as_ref().map(|said| ("content".to_owned(), Fact::Said(said))));
        for (place, record) in content.each.iter().enumerate() {
            let rules = if file.name.starts_with("EF.ARR") { rules_in_short(record) } else { None };
            let fact = rules.map_or(Fact::Said(record), |rules| Fact::Words(list(&rules)));
            facts.push((format!("record {}", place + 1), fact));
        }
    }
    let application = names.application(file.application);
    let place = |key: &str| format!("{application} {key}");
    // The directory of an application is the application; the MF is there in any case.
    let above =
        file.pairing_key().rsplit_once('/').map(|(above, _)| format!("{:?} {}", Area::File, place(above)));
    Item { above, ..item(Area::File, place(file.pairing_key()), names.path(&file.path), facts) }
}

/// What security domains and applets have in common.
fn instance(instance: &Instance) -> Vec<(String, Fact<'_>)> {
    let mut facts = vec![
        fact("load package", text(&instance.load_package)),
        fact("class", text(&instance.class)),
        fact("privileges", list(&instance.privileges)),
        fact("life cycle", text(&instance.life_cycle)),
    ];
    facts.extend(maybe("security domain", instance.security_domain.as_ref()));
    facts.extend(maybe("installation parameters", instance.install_parameters.as_ref()));
    facts.extend(maybe("system parameters", instance.system_parameters.as_ref()));
    facts.extend(maybe("toolkit parameters", instance.toolkit.as_ref().map(|toolkit| &toolkit.octets)));
    facts.extend(maybe("access parameters", instance.access_parameters.as_ref()));
    facts.extend(maybe(
        "administrative access parameters",
        instance.administrative_access_parameters.as_ref(),
    ));
    facts.extend(maybe("control reference", instance.control_reference.as_ref()));
    let parameters = instance.applet_parameters.as_ref();
    facts.extend(parameters.map(|secret| ("parameters".to_owned(), Fact::Secret(secret))));
    for (place, one) in instance.process_data.iter().enumerate() {
        command(one, place + 1, &mut facts);
    }
    facts
}

fn command<'a>(command: &'a Command, number: usize, facts: &mut Vec<(String, Fact<'a>)>) {
    facts.extend(command.data.as_ref().map(|secret| (format!("command {number}"), Fact::Secret(secret))));
    facts.extend(command.multi_imsi.as_ref().map(|table| fact("multi-IMSI table", table.clone())));
    for set in command.multi_imsi_keys.iter().flatten() {
        let name = |what: &str| format!("key set {}: {what}", set.reference);
        facts.push(fact(&name("algorithm"), text(&set.algorithm)));
        facts.push((name("K"), Fact::Secret(&set.key)));
        facts.push((name("OPc"), Fact::Secret(&set.opc)));
    }
}

fn security_domain(domain: &SecurityDomain) -> Item<'_> {
    let mut facts = instance(&domain.instance);
    for (place, block) in domain.personalisation.iter().enumerate() {
        facts.push((format!("STORE DATA {}", place + 1), Fact::Secret(block)));
    }
    let open = domain.open_personalisation.as_ref();
    facts.extend(open.map(|secret| ("openPersoData".to_owned(), Fact::Secret(secret))));
    facts.extend(maybe("CAT_TP", domain.cat_tp.as_ref()));
    let aid = domain.instance.aid.clone();
    item(Area::SecurityDomain, aid.clone(), aid, facts)
}

fn key<'a>(key: &'a Key, aid: &str) -> Item<'a> {
    let facts = vec![
        ("value".to_owned(), Fact::Secret(&key.value)),
        fact("type", text(&key.key_type)),
        fact("usage", text(&key.usage)),
        fact("access", text(&key.access)),
        fact("MAC length", number(key.mac_length)),
    ];
    let name = format!("{:02X}/{:02X}", key.version, key.identifier);
    item(Area::Key, format!("{aid} {name}"), format!("key {name} of {aid}"), facts)
}

fn remote_file_management(management: &RemoteFileManagement) -> Item<'_> {
    let mut facts = vec![
        fact("TARs", list(&management.tars)),
        fact("minimum security level", text(&management.minimum_security_level)),
        fact("access domain", text(&management.access_domain)),
        fact("administrative access domain", text(&management.administrative_access_domain)),
    ];
    facts.extend(maybe("security domain", management.security_domain.as_ref()));
    if let Some(adf) = &management.adf {
        facts.push(fact("application", text(&adf.aid)));
        facts.push(fact("application's access domain", text(&adf.access_domain)));
        facts.push(fact(
            "application's administrative access domain",
            text(&adf.administrative_access_domain),
        ));
    }
    let aid = management.aid.clone();
    item(Area::RemoteFileManagement, aid.clone(), aid, facts)
}

fn applets<'a>(overview: &'a Overview, items: &mut Vec<Item<'a>>) {
    for applet in &overview.applets {
        if let Some(package) = &applet.load_package {
            let mut facts =
                vec![fact("octets", number(package.octets)), fact("SHA-256", text(&package.sha256))];
            facts.extend(maybe("security domain", package.security_domain.as_ref()));
            let subject = format!("load package {}", package.aid);
            items.push(item(Area::Applet, subject.clone(), subject, facts));
        }
        for one in &applet.instances {
            let subject = format!("instance {}", one.aid);
            items.push(item(Area::Applet, subject.clone(), subject, instance(one)));
        }
    }
}
