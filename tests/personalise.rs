//! Templates and what is made from them, held against the slow way back: everything that a card shows of a package is
//! put into one table, and a personalised package shows the template's table with exactly the data in it.

use std::collections::BTreeMap;

use simyard::env::Rng;
use simyard::ident::{Iccid, Imsi};
use simyard::profile::image::{AkaSource, ApplicationKind, Body, NodeId, ProfileImage};
use simyard::profile::personal_data::{
    Algorithm, Code, CodeName, Codes, FurtherSubscription, Key, KeySet, KeyType, OtaKeySet, PersonalData,
    PhoneNumber, Role, Subscription,
};
use simyard::profile::plan::{Datum, PersonaliseError, Personaliser, Template, TemplateError};
use simyard::profile::shipped;
use simyard_asn1::saip::{ElementKind, Package};
use simyard_asn1::{Reader, Tag, Writer};

use crate::profile::published;

crate::tests!(
    a_package_shows_exactly_the_data_and_else_the_template,
    values_longer_than_their_files_make_the_files_longer,
    the_nth_usim_takes_the_nth_subscription,
    keys_of_another_length_are_written,
    data_of_many_shapes_share_one_template,
    what_a_template_has_no_place_for_is_refused,
    what_a_template_has_and_data_do_not_is_refused,
    a_package_that_is_no_template_says_why,
    the_profiles_of_an_operator_show_its_name_and_its_mnc,
    a_published_package_needs_what_its_specification_lists,
);

/// What a card shows: by name, in words or hexadecimal digits.
pub type View = BTreeMap<String, String>;

fn image_of(octets: &[u8]) -> ProfileImage {
    let package = Package::from_der(octets).unwrap_or_else(|error| panic!("{error}"));
    ProfileImage::build_for_any_card(&package).unwrap_or_else(|error| panic!("{error}"))
}

/// Everything that an installed package shows, and what of it is not installed as it stands.
pub fn view(octets: &[u8]) -> View {
    let package = Package::from_der(octets).unwrap();
    let image = image_of(octets);
    let mut view = View::new();
    let mut put =
        |name: String, value: String| assert!(view.insert(name.clone(), value).is_none(), "{name} twice");
    put("header iccid".to_owned(), image.iccid.to_string());
    for (id, node) in image.nodes() {
        let name = path(&image, id);
        let kind = match &node.body {
            Body::Directory(directory) => {
                format!("{:?} {:?}", directory.aid.as_deref(), &*directory.pin_status)
            }
            Body::File(file) => {
                put(format!("{name} content"), hex::encode(&*file.content));
                put(format!("{name} size"), format!("{:?} {}", file.structure, file.size));
                file.special_information.to_string()
            }
            Body::Link(target) => path(&image, *target),
        };
        put(name, format!("{:?} {:?} {} {:?} {kind}", node.fid, node.sfi, node.lcsi, node.security));
        if let Some(directory) = image.directory(id).filter(|_| image.target(id) == id)
            && let simyard::profile::image::PinSet::Own(pins) = &directory.pins
        {
            for pin in pins {
                let name = format!("{} PIN {:02X}", path(&image, id), pin.reference);
                put(format!("{name} value"), hex::encode(&*pin.value));
                put(name, format!("{:?} {} {} {}", pin.unblocking, pin.attributes, pin.attempts, pin.left));
            }
        }
    }
    for puk in &image.puks {
        put(format!("PUK {:02X} value", puk.reference), hex::encode(&*puk.value));
        put(format!("PUK {:02X}", puk.reference), format!("{} {}", puk.attempts, puk.left));
    }
    for (number, application) in image.applications.iter().enumerate() {
        let kind = application.kind;
        if let AkaSource::Own(aka) = &application.aka {
            put(format!("{kind:?} {number} K"), hex::encode(&*aka.key));
            put(format!("{kind:?} {number} OPc"), hex::encode(&*aka.opc));
            let rest =
                (aka.algorithm, aka.options, &*aka.rotation, &*aka.xoring, aka.keccak, aka.counter_max);
            put(
                format!("{kind:?} {number} algorithm"),
                format!("{rest:?} {:?}", (aka.sqn_options, &aka.sqn)),
            );
        }
    }
    for (number, element) in package.elements().iter().enumerate() {
        let header = (element.kind.name(), element.identification(), element.is_mandated());
        put(format!("element {number}"), format!("{header:?}"));
        match element.kind {
            ElementKind::Header => {
                let header = element.profile_header().unwrap();
                let text = format!("{:?} {:?}", header.profile_type, header.mandatory_services);
                put("header".to_owned(), text);
            }
            ElementKind::SecurityDomain => {
                let keys = element.security_domain_keys().unwrap();
                for key in keys {
                    let name = format!("key {} {}", key.version, key.identifier);
                    put(format!("{name} value"), hex::encode(key.data));
                    put(name, key.key_type.to_string());
                }
                // All members but the keys, as they stand.
                let mut body = element.body().unwrap();
                while !body.is_empty() {
                    let tlv = body.read().unwrap();
                    if tlv.tag != Tag::context_constructed(2) {
                        put(format!("security domain {}", tlv.tag), hex::encode(tlv.raw));
                    }
                }
            }
            ElementKind::PinCodes | ElementKind::PukCodes | ElementKind::AkaParameter => {}
            kind if kind.is_file_system() => {}
            _ => put(format!("element {number} octets"), hex::encode(element.tlv.raw)),
        }
    }
    view
}

/// The names or identifiers on the way to a file, with the numbers of applications of one kind.
fn path(image: &ProfileImage, id: NodeId) -> String {
    let node = image.node(id).unwrap();
    let own = match (&node.name, node.fid) {
        (Some(name), _) if !name.starts_with("ADF") => name.to_string(),
        (_, Some(fid)) => format!("{fid:04X}"),
        (name, None) => format!("{name:?}"),
    };
    let application = image.applications.iter().find(|application| application.directory == id);
    let own = application.map_or(own, |application| {
        let number = usim_number(image, application.directory);
        format!("{:?}{number}", application.kind)
    });
    if id == NodeId::MF { own } else { format!("{}/{own}", path(image, node.parent)) }
}

/// The number of an application among those of its kind.
fn usim_number(image: &ProfileImage, directory: NodeId) -> usize {
    let place = image.applications.iter().position(|other| other.directory == directory).unwrap();
    let kind = image.applications[place].kind;
    image.applications[..place].iter().filter(|other| other.kind == kind).count()
}

/// The template's view with these data in it, by the rules of the standards and without the library's plans.
fn expected(template: &[u8], data: &PersonalData) -> View {
    let image = image_of(template);
    let mut view = view(template);
    view.insert("header iccid".to_owned(), data.iccid.to_string());
    view.insert("MF/EF.ICCID content".to_owned(), hex::encode(data.iccid.to_bcd()));
    for (name, value) in view.iter_mut().filter(|(name, _)| name.ends_with(" value")) {
        let code = |reference: &str, of: fn(u8) -> CodeName| {
            let reference = u8::from_str_radix(reference.strip_suffix(" value").unwrap(), 16).unwrap();
            hex::encode(data.codes.get(of(reference)).unwrap().as_octets())
        };
        if let Some((_, reference)) = name.split_once("PIN ") {
            *value = code(reference, CodeName::Pin);
        } else if let Some(reference) = name.strip_prefix("PUK ") {
            *value = code(reference, CodeName::Puk);
        } else if let Some(key) = name.strip_prefix("key ") {
            let mut numbers = key.split(' ').map(|number| number.parse::<u8>().unwrap_or(0));
            let (version, identifier) = (numbers.next().unwrap(), numbers.next().unwrap());
            let set = data.ota.iter().find(|set| set.version.is_none_or(|other| other == version)).unwrap();
            *value = hex::encode(set.get(identifier).unwrap().as_octets());
        }
    }
    for (number, application) in image.applications.iter().enumerate() {
        let place = usim_number(&image, application.directory);
        let (subscription, keys) = data.subscription(place).unwrap();
        if matches!(application.aka, AkaSource::Own(_)) {
            view.insert(format!("{:?} {number} K", application.kind), hex::encode(keys.key()));
            if keys.algorithm() != Algorithm::XorTest {
                view.insert(format!("{:?} {number} OPc", application.kind), hex::encode(keys.opc()));
            }
        }
        let directory = path(&image, application.directory);
        match application.kind {
            ApplicationKind::Usim => usim(&mut view, &directory, subscription),
            ApplicationKind::Isim => isim(&mut view, &directory, subscription),
            ApplicationKind::Csim => {}
        }
    }
    view
}

/// Octets over those of a file, from a place in it.
fn over(view: &mut View, file: &str, at: usize, octets: &[u8]) {
    let content = view.get_mut(&format!("{file} content")).unwrap_or_else(|| panic!("no {file}"));
    content.replace_range(2 * at..2 * (at + octets.len()), &hex::encode(octets));
}

/// Where the first record ends.
fn record_length(view: &View, file: &str) -> usize {
    let size = &view[&format!("{file} size")];
    size.split_once('(').unwrap().1.split_once(')').unwrap().0.parse().unwrap()
}

/// A telephone number in twelve octets.
fn address(number: &PhoneNumber) -> Vec<u8> {
    let mut digits = number.digits().to_owned();
    let length = digits.len().div_ceil(2);
    if digits.len() % 2 == 1 {
        digits.push('F');
    }
    let swapped: String =
        digits.as_bytes().chunks(2).flat_map(|pair| [pair[1], pair[0]]).map(char::from).collect();
    let kind = if number.as_str().starts_with('+') { 0x91 } else { 0x81 };
    let mut octets = vec![u8::try_from(length + 1).unwrap(), kind];
    octets.extend(hex::decode(swapped).unwrap());
    octets.resize(12, 0xFF);
    octets
}

fn usim(view: &mut View, directory: &str, subscription: &Subscription) {
    over(view, &format!("{directory}/EF.IMSI"), 0, &subscription.imsi.to_ef());
    over(view, &format!("{directory}/EF.ACC"), 0, &subscription.acc);
    if let Some(length) = subscription.mnc_length {
        over(view, &format!("{directory}/EF.AD"), 3, &[length]);
    }
    if let Some(name) = &subscription.service_provider_name {
        let mut octets = name.as_bytes().to_vec();
        octets.resize(16, 0xFF);
        over(view, &format!("{directory}/EF.SPN"), 1, &octets);
    }
    if let Some(number) = &subscription.msisdn {
        let file = format!("{directory}/EF.MSISDN");
        let octets = [&address(number)[..], &[0xFF, 0xFF]].concat();
        over(view, &file, record_length(view, &file) - 14, &octets);
    }
    if let Some(number) = &subscription.service_centre {
        let file = format!("{directory}/EF.SMSP");
        let at = record_length(view, &file) - 28;
        // The templates of these tests say nothing else.
        over(view, &file, at, &[0xFD]);
        over(view, &file, at + 13, &address(number));
    }
}

fn isim(view: &mut View, directory: &str, subscription: &Subscription) {
    let imsi = subscription.imsi.as_str();
    let (mcc, mnc) = (&imsi[..3], &imsi[3..3 + usize::from(subscription.mnc_length.unwrap_or(2))]);
    let derived = format!("ims.mnc{mnc:0>3}.mcc{mcc}.3gppnetwork.org");
    let private = subscription.private_identity.clone().unwrap_or_else(|| format!("{imsi}@{derived}"));
    let domain = subscription.private_identity.as_ref().map_or(derived.clone(), |text| {
        text.rsplit_once('@').map_or(derived.clone(), |(_, domain)| domain.to_owned())
    });
    let mut public = subscription.public_identities.clone();
    if public.is_empty() {
        public.push(format!("sip:{imsi}@{derived}"));
    }
    let object = |text: &str, least: usize| {
        let mut writer = Writer::new();
        writer.tlv(Tag(0x80), text.as_bytes());
        let mut octets = writer.finish();
        octets.resize(least.max(octets.len()), 0xFF);
        octets
    };
    for (name, text) in [("EF.IMPI", &private), ("EF.Domain", &domain)] {
        let content = view.get_mut(&format!("{directory}/{name} content")).unwrap();
        let octets = object(text, content.len() / 2);
        *content = hex::encode(&octets);
        view.insert(format!("{directory}/{name} size"), format!("Transparent {}", octets.len()));
    }
    let file = format!("{directory}/EF.IMPU");
    let length = record_length(view, &file);
    let old = hex::decode(&view[&format!("{file} content")]).unwrap();
    let longest = public.iter().map(|text| object(text, 0).len()).max().unwrap().max(length);
    let mut content = Vec::new();
    for (number, record) in old.chunks(length).enumerate() {
        let mut octets = public.get(number).map_or(record.to_vec(), |text| object(text, 0));
        octets.resize(longest, 0xFF);
        content.extend(octets);
    }
    view.insert(format!("{file} size"), format!("LinearFixed({longest}) {}", content.len()));
    view.insert(format!("{file} content"), hex::encode(content));
}

/// A number from 0 to `below` - 1.
fn number(rng: &Rng, below: u64) -> u64 {
    u64::from_be_bytes(rng.array()) % below
}

/// Random data for a template: what it needs, and of what it may have now and then something.
pub fn random_data(template: &Template, rng: &Rng) -> PersonalData {
    let requirements = template.requirements();
    let chance = || number(rng, 2) == 0;
    let subscription = |place: usize| {
        let digits = 6 + usize::try_from(number(rng, 10)).unwrap();
        let imsi = format!("{:015}", number(rng, 1_000_000_000_000_000));
        let mut one = Subscription::new(Imsi::parse(&imsi[15 - digits..]).unwrap());
        let phone = |least: u64, most: u64| {
            let digits: String =
                (0..least + number(rng, most - least + 1)).map(|_| number(rng, 10).to_string()).collect();
            PhoneNumber::parse(&format!("{}{digits}", if chance() { "+" } else { "" })).unwrap()
        };
        if chance() {
            one.acc = rng.array();
        }
        if chance() {
            one.mnc_length = Some(if chance() { 2 } else { 3 });
        }
        if template.has(Datum::Msisdn(place)) && chance() {
            one.msisdn = Some(phone(5, 15));
        }
        if template.has(Datum::ServiceCentre(place)) && chance() {
            one.service_centre = Some(phone(3, 20));
        }
        if chance() {
            let letters = usize::try_from(1 + number(rng, 16)).unwrap();
            one.service_provider_name = Some("Simple name of an operator"[..letters].to_owned());
        }
        let text = |start: &str, most: u64| {
            format!("{start}{}@a.example", "x".repeat(usize::try_from(number(rng, most)).unwrap()))
        };
        if template.has(Datum::PrivateIdentity(place)) {
            if chance() {
                one.private_identity = Some(text("p", 200));
            }
            let records =
                (0..).take_while(|record| template.has(Datum::PublicIdentity(place, *record))).count();
            let used = number(rng, u64::try_from(records).unwrap() + 1);
            one.public_identities =
                (0..used).map(|_| text("sip:u", if chance() { 30 } else { 200 })).collect();
        }
        one
    };
    let mut data = PersonalData {
        iccid: Iccid::parse(&format!("8988{:015}", number(rng, 1_000_000_000_000_000))).unwrap(),
        home: subscription(0),
        keys: KeySet::random(rng, requirements.algorithms[0]),
        further: Vec::new(),
        codes: Codes::default(),
        ota: Vec::new(),
    };
    for (place, algorithm) in requirements.algorithms.iter().enumerate().skip(1) {
        data.further.push(FurtherSubscription {
            role: Role::parse(&format!("role-{place}")).unwrap(),
            subscription: subscription(place),
            keys: Some(KeySet::random(rng, *algorithm)),
        });
    }
    for name in requirements.codes {
        data.codes.set(name, Code::from_octets(rng.array()));
    }
    for (version, identifier) in requirements.ota {
        let key = Key::random(rng, if chance() { 16 } else { 24 });
        match data.ota.iter_mut().find(|set| set.version == Some(version)) {
            Some(set) => set.set(identifier, key),
            None => {
                let mut set = OtaKeySet::new(Some(version), None);
                set.set(identifier, key);
                data.ota.push(set);
            }
        }
    }
    data
}

fn templates() -> Vec<(String, Vec<u8>)> {
    let mut templates = published();
    templates.push(("ours".to_owned(), crate::profile::generic()));
    templates.push(("two USIMs".to_owned(), two_usims()));
    templates.extend(shipped::ALL.iter().map(|shipped| (shipped.name.to_owned(), shipped.build().unwrap())));
    templates
}

fn compile(octets: &[u8]) -> Result<Template, TemplateError> {
    Template::compile(&Package::from_der(octets).unwrap())
}

/// Our own profile with a second USIM behind the first one: its elements once more, with other numbers and identifiers.
fn two_usims() -> Vec<u8> {
    let octets = crate::profile::generic();
    let package = Package::from_der(&octets).unwrap();
    let mut out = Vec::new();
    for element in package.elements() {
        if element.kind == ElementKind::SecurityDomain {
            for kind in
                [ElementKind::Usim, ElementKind::OptUsim, ElementKind::PinCodes, ElementKind::AkaParameter]
            {
                // Of the PINs the last ones: those of the USIM.
                let first = package.elements().iter().rfind(|element| element.kind == kind).unwrap();
                let number = u8::try_from(first.identification().unwrap()).unwrap();
                let mut copy = first.tlv.raw.to_vec();
                let at = copy.windows(3).position(|octets| octets == [0x81, 0x01, number]).unwrap();
                copy[at + 2] = number + 100;
                let adf = copy.windows(4).position(|octets| octets == [0x83, 0x02, 0x7F, 0xD0]);
                if let Some(at) = adf {
                    copy[at + 3] = 0xD1;
                    // The last octet of the AID.
                    copy[at + 4 + 2 + 15] = 1;
                }
                out.extend(copy);
            }
        }
        out.extend(element.tlv.raw);
    }
    out
}

fn assert_shows(name: &str, template: &Template, octets: &[u8], data: &PersonalData) {
    let (shown, expected) = (view(octets), expected(template.octets(), data));
    for key in expected.keys().chain(shown.keys()) {
        assert_eq!(shown.get(key), expected.get(key), "{name}: {key}");
    }
}

fn a_package_shows_exactly_the_data_and_else_the_template() {
    for (name, octets) in templates() {
        let template = compile(&octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        for seed in 0..24 {
            let data = random_data(&template, &Rng::seeded(seed));
            // As it comes from the store.
            let data = PersonalData::from_octets(&data.to_octets()).unwrap_or_else(|error| panic!("{error}"));
            let package =
                template.personalise(&data).unwrap_or_else(|error| panic!("{name} {seed}: {error}"));
            assert_shows(&format!("{name} {seed}"), &template, &package, &data);
        }
    }
}

fn values_longer_than_their_files_make_the_files_longer() {
    for (name, octets) in published() {
        let template = compile(&octets).unwrap();
        let mut data = random_data(&template, &Rng::seeded(1));
        for length in [20, 29, 30, 31, 60, 62, 63, 100, 125, 126, 127, 128, 240] {
            let text = "i".repeat(length);
            data.home.private_identity = Some(format!("{text}@x"));
            data.home.public_identities = vec!["sip:a@b".to_owned(), text];
            let package = template.personalise(&data).unwrap();
            assert_shows(&format!("{name} {length}"), &template, &package, &data);
        }
    }
}

fn the_nth_usim_takes_the_nth_subscription() {
    let template = compile(&two_usims()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(template.requirements().algorithms, [Algorithm::Milenage; 2]);
    let mut data = random_data(&template, &Rng::seeded(3));
    let shows = |data: &PersonalData| {
        let image = image_of(&template.personalise(data).unwrap());
        [0, 1].map(|place| {
            let directory = image.applications[place].directory;
            let imsi = &image.file(image.child_by_name(directory, "EF.IMSI").unwrap()).unwrap().content;
            (Imsi::from_ef(imsi[..].try_into().unwrap()).unwrap(), image.aka(place).unwrap().key.to_vec())
        })
    };
    let [home, second] = shows(&data);
    assert_eq!(home, (data.home.imsi.clone(), data.keys.key().to_vec()));
    let further = data.further[0].clone();
    assert_eq!(second, (further.subscription.imsi, further.keys.unwrap().key().to_vec()));
    // Without keys of its own it is used with those of the home subscription.
    data.further[0].keys = None;
    assert_eq!(shows(&data)[1].1, data.keys.key());

    data.further.clear();
    let error = template.personalise(&data).err().unwrap();
    assert_eq!(error, PersonaliseError::Subscriptions { expected: 2, found: 1 });
    let text = "the template is for 2 subscriptions (one for each USIM and entry of a multi-IMSI table), the data have 1";
    assert_eq!(error.to_string(), text);
}

fn keys_of_another_length_are_written() {
    let template = crate::profile::ours();
    let mut data = random_data(&template, &Rng::seeded(5));
    for length in [16, 24, 32] {
        let mut set = OtaKeySet::new(None, Some(KeyType::Aes));
        for identifier in 1..=3 {
            set.set(identifier, Key::random(&Rng::seeded(9), length));
        }
        data.ota = vec![set];
        let package = template.personalise(&data).unwrap();
        assert_shows(&length.to_string(), &template, &package, &data);
    }
    let mut set = data.ota[0].clone();
    set.set(2, Key::from_slice(&[1; 15]).unwrap());
    data.ota = vec![set.clone()];
    let datum = Datum::OtaKey { version: 1, identifier: 2 };
    let error = PersonaliseError::KeyType { datum, expected: KeyType::Aes };
    assert_eq!(template.personalise(&data).err(), Some(error));
    set.key_type = Some(KeyType::Des);
    data.ota = vec![set];
    let datum = Datum::OtaKey { version: 1, identifier: 1 };
    let error = PersonaliseError::KeyType { datum, expected: KeyType::Aes };
    assert_eq!(template.personalise(&data).err(), Some(error));
}

fn data_of_many_shapes_share_one_template() {
    let template = crate::profile::ours();
    let mut personaliser = Personaliser::new(&template);
    let mut package = zeroize::Zeroizing::new(Vec::new());
    // More shapes than are kept, in turns, and each twice in a row.
    for seed in 0..60 {
        let data = random_data(&template, &Rng::seeded(seed % 20));
        for _ in 0..2 {
            personaliser.personalise(&data, &mut package).unwrap();
            assert_eq!(*package, *template.personalise(&data).unwrap(), "{seed}");
        }
    }
    // What is refused leaves the last package as it was.
    let before = package.clone();
    let mut data = random_data(&template, &Rng::seeded(1));
    data.codes.set(CodeName::Pin(0x0B), Code::from_octets([1; 8]));
    assert!(personaliser.personalise(&data, &mut package).is_err());
    assert_eq!(*package, *before);
}

fn what_a_template_has_no_place_for_is_refused() {
    let template = crate::profile::ours();
    let fresh = || {
        let mut data = random_data(&template, &Rng::seeded(8));
        data.home = Subscription::new(data.home.imsi.clone());
        data
    };
    let refused = |change: &dyn Fn(&mut PersonalData)| {
        let mut data = fresh();
        change(&mut data);
        let error = template.personalise(&data).err().unwrap();
        (error.to_string(), error.column().unwrap())
    };
    let no_place = |what: &str| format!("the data have {what}, but the template has no place for it");
    let told = |text: String, column: &str| (text, column.to_owned());
    assert!(template.personalise(&fresh()).is_ok());
    assert_eq!(
        refused(&|data| data.codes.set(CodeName::adm(2).unwrap(), Code::from_octets([1; 8]))),
        told(no_place("ADM2"), "adm2")
    );
    assert_eq!(
        refused(&|data| data.home.private_identity = Some("a@b".to_owned())),
        told(no_place("EF.IMPI"), "impi")
    );
    assert_eq!(
        refused(&|data| data.home.public_identities = vec!["sip:a@b".to_owned()]),
        told(no_place("record 1 of EF.IMPU"), "impu")
    );
    assert_eq!(
        refused(&|data| data.ota[0].set(4, Key::from_slice(&[1; 16]).unwrap())),
        told(no_place("key 4 of key set 1"), "key 4 of set 1")
    );
    assert_eq!(
        refused(&|data| data.ota.push(OtaKeySet::random(&Rng::seeded(1)))),
        told("the data have two sets of keys for key 1 of key set 1".to_owned(), "kic1")
    );
    assert_eq!(
        refused(&|data| data.keys = KeySet::random(&Rng::seeded(1), Algorithm::Tuak256)),
        told(
            "the template's K is for milenage, the data's for tuak256: use a template for this algorithm"
                .to_owned(),
            "ki"
        )
    );
    let Some((_, ts48)) = published().pop() else { return };
    let template = compile(&ts48).unwrap();
    let mut data = random_data(&template, &Rng::seeded(8));
    data.ota = vec![OtaKeySet::random(&Rng::seeded(1))];
    let error = template.personalise(&data).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the data have OTA keys without a version, but the template has 2 key sets"
    );
    let mut data = random_data(&template, &Rng::seeded(8));
    data.home.public_identities = (0..4).map(|number| format!("sip:{number}@b")).collect();
    assert_eq!(
        template.personalise(&data).err(),
        Some(PersonaliseError::NoPlace(Datum::PublicIdentity(0, 3)))
    );
}

fn what_a_template_has_and_data_do_not_is_refused() {
    for (name, octets) in templates() {
        let template = compile(&octets).unwrap();
        let data = random_data(&template, &Rng::seeded(8));
        for left_out in template.requirements().codes {
            let mut without = data.clone();
            without.codes = Codes::default();
            for (code, value) in data.codes.iter().filter(|(code, _)| *code != left_out) {
                without.codes.set(code, value.clone());
            }
            let error = template.personalise(&without).err().unwrap();
            assert_eq!(error, PersonaliseError::NoDatum(Datum::Code(left_out)), "{name}");
            let text = format!(
                "the template has {left_out}, but the data do not: every package would have the template's"
            );
            assert_eq!(error.to_string(), text);
        }
        let mut without = data.clone();
        let set = without.ota.pop().unwrap();
        let datum = Datum::OtaKey { version: set.version.unwrap(), identifier: 1 };
        assert_eq!(template.personalise(&without).err(), Some(PersonaliseError::NoDatum(datum)), "{name}");
    }
}

/// Our own profile, changed by a function.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Result<Template, TemplateError> {
    let mut octets = crate::profile::generic();
    change(&mut octets);
    compile(&octets)
}

fn a_package_that_is_no_template_says_why() {
    let generic = crate::profile::generic();
    let package = Package::from_der(&generic).unwrap();
    let range = |kind| {
        let tlv = package.first(kind).unwrap().tlv;
        tlv.offset..tlv.offset + tlv.raw.len()
    };
    let error = changed(|octets| drop(octets.drain(range(ElementKind::AkaParameter)))).err().unwrap();
    assert_eq!(error, TemplateError::Missing(Datum::Key(0)));
    assert_eq!(error.to_string(), "the template has no place for K; every template needs one");

    // The unblocking reference of PIN1 dangles without the PUKs: the card would refuse it, and so do we.
    let error = changed(|octets| drop(octets.drain(range(ElementKind::PukCodes)))).err();
    assert!(matches!(error, Some(TemplateError::Install(_))));

    // A second security domain with keys.
    let domain = range(ElementKind::SecurityDomain);
    let error = changed(|octets| {
        let mut second = octets[domain.clone()].to_vec();
        let at = second.windows(3).position(|octets| octets[..2] == [0x81, 0x01]).unwrap();
        second[at + 2] = 99;
        octets.splice(domain.end..domain.end, second);
    });
    assert!(matches!(error.err(), Some(TemplateError::FurtherDomain(offset)) if offset > domain.end));

    // Two keys with one identifier; a key of a type that is not known.
    let keys = package.first(ElementKind::SecurityDomain).unwrap().security_domain_keys().unwrap();
    let data = keys[1].data_offset;
    let identifier = generic[..data].windows(3).rposition(|octets| octets == [0x82, 0x01, 0x02]).unwrap();
    assert_eq!(changed(|octets| octets[identifier + 2] = 1).err(), Some(TemplateError::SecondKey(data)));
    let error = changed(|octets| octets[data - 3] = 0x85).err();
    assert_eq!(error, Some(TemplateError::KeyType { offset: data, found: 0x85 }));

    // A command that overwrites EF.IMSI when the USIM is complete.
    let mut writer = Writer::new();
    writer.nested(Tag(0xA1), |w| {
        w.nested(Tag(0xA0), |w| {
            w.integer(Tag(0x81), 77);
        });
        w.nested(Tag(0xA1), |w| {
            w.nested(Tag::SEQUENCE, |w| {
                w.tlv(Tag(0x80), &[0x7F, 0xD0, 0x6F, 0x07]).tlv(Tag(0x81), &[0x08, 0x49]);
            });
        });
    });
    let at = range(ElementKind::SecurityDomain).start;
    let error = changed(|octets| drop(octets.splice(at..at, writer.finish()))).err();
    assert_eq!(error, Some(TemplateError::NotReadBack(Datum::Imsi(0))));
}

fn the_profiles_of_an_operator_show_its_name_and_its_mnc() {
    let mut sources = vec![crate::profile::generic()];
    // The name in two pieces, and by a pattern alone as in TS.48.
    let mut pieces = crate::profile::generic();
    let spn = pieces.windows(10).position(|window| window == b"\x83\x11\x01Simyard").unwrap();
    pieces[spn..spn + 19].copy_from_slice(b"\x83\x07\x01Simyar\x83\x08d\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
    sources.push(pieces);
    sources.extend(published().into_iter().map(|(_, octets)| octets));
    for octets in sources {
        let ours = compile(&octets).unwrap_or_else(|error| panic!("{error}"));
        for (name, shown, mnc_length) in
            [("Acme", "Acme", 2), ("A name of 20 letters", "A name of 20 let", 3)]
        {
            let template = ours.with_operator(name, mnc_length).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(template.requirements(), ours.requirements());
            let mut shows = view(ours.octets());
            let mut octets = shown.as_bytes().to_vec();
            octets.resize(16, 0xFF);
            over(&mut shows, "MF/Usim0/EF.SPN", 1, &octets);
            over(&mut shows, "MF/Usim0/EF.AD", 3, &[mnc_length]);
            assert_eq!(view(template.octets()), shows);
        }
    }
}

fn a_published_package_needs_what_its_specification_lists() {
    for (name, octets) in published() {
        let template = compile(&octets).unwrap();
        let requirements = template.requirements();
        assert_eq!(requirements.algorithms, [Algorithm::XorTest], "{name}");
        let codes: Vec<String> = requirements.codes.iter().map(ToString::to_string).collect();
        assert_eq!(codes, ["PIN1", "ADM1", "ADM2", "PIN2", "PUK1", "PUK2"], "{name}");
        assert_eq!(requirements.ota.len(), 6, "{name}");
        assert!(template.has_cdma_keys(), "{name}");
        assert!(
            template.has(Datum::PublicIdentity(0, 2)) && !template.has(Datum::PublicIdentity(0, 3)),
            "{name}"
        );
        // Well formed for the reader, too.
        assert!(Reader::new(template.octets(), "package").read().is_ok(), "{name}");
    }
    assert!(!crate::profile::ours().has_cdma_keys());
}
