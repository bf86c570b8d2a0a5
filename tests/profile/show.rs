//! `simyard profile show`: published packages say what their specification says, and no secret shows by itself.

use serde_json::Value;
use simyard::profile::overview::{FORMAT_VERSION, Overview, Reveal, text};
use simyard::profile::shipped;
use simyard::profile::tree::Tree;
use simyard_asn1::saip::{AkaConfiguration, Package, PinCodes};

use super::{generic, is_5g, multi_imsi, published};

crate::tests!(
    published_packages_say_what_their_specification_says,
    our_profile_is_shown_as_it_was_read_by_people,
    members_of_the_json_form_are_stable,
    no_secret_shows_unless_it_is_revealed,
    what_is_revealed_is_there,
    tables_of_an_applet_are_shown_and_its_keys_are_not,
    two_usims_have_two_names,
    one_element_or_one_file_is_shown,
    broken_packages_are_shown_as_far_as_they_go,
    changed_and_shortened_packages_never_panic,
    lines_fit_the_page,
);

/// The model of as much of a package as can be read.
pub fn overview(octets: &[u8], reveal: Reveal) -> Overview {
    let reading = Package::read_what_can_be(octets);
    let mut overview = Overview::of(&Tree::of(&reading.package), reveal);
    overview.add_unreadable(&reading.problems);
    overview
}

/// The JSON form as the command writes it.
fn json(overview: &Overview) -> Value {
    serde_json::from_str(&serde_json::to_string_pretty(overview).unwrap()).unwrap()
}

/// The file with this path.
fn file<'a>(json: &'a Value, path: &str) -> &'a Value {
    let files = json["files"].as_array().unwrap();
    files.iter().find(|file| file["path"] == path).unwrap_or_else(|| panic!("no {path}"))
}

fn published_packages_say_what_their_specification_says() {
    for (name, octets) in published() {
        let shown = json(&overview(&octets, Reveal::Secrets));
        assert!(shown["problems"].as_array().unwrap().is_empty(), "{name}: {}", shown["problems"]);
        assert_eq!(shown["octets"], octets.len(), "{name}");
        let header = &shown["header"];
        assert_eq!(header["iccid"], "89000123456789012341", "{name}");
        assert_eq!(header["version"], if is_5g(&name) { "2.3" } else { "2.1" }, "{name}");
        assert_eq!(header["profile_type"], "GSMA Generic eUICC Test Profile", "{name}");

        let applications = shown["applications"].as_array().unwrap();
        let kinds: Vec<&str> = applications.iter().map(|one| one["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["USIM", "CSIM", "ISIM"], "{name}");
        assert_eq!(applications[0]["aid"], "A0000000871002FF49FF0589", "{name}");
        assert_eq!(applications[0]["temporary_identifier"], "7FD0", "{name}");
        for application in [&applications[0], &applications[2]] {
            let algorithm = &application["aka"]["algorithm"];
            assert_eq!(algorithm["identifier"], 3, "{name}");
            assert_eq!(algorithm["options"], "02", "{name}");
            assert_eq!(algorithm["key"]["value"], "000102030405060708090A0B0C0D0E0F", "{name}");
            assert_eq!(application["aka"]["sqn_delta"], "000010000000", "{name}");
            assert_eq!(application["aka"]["sqn"].as_array().unwrap().len(), 1, "{name}");
        }

        let pins = shown["pins"].as_array().unwrap();
        let directories: Vec<&str> = pins.iter().map(|set| set["directory"].as_str().unwrap()).collect();
        assert_eq!(directories, ["MF", "MF/DF.TELECOM", "ADF.USIM", "ADF.CSIM", "ADF.ISIM"], "{name}");
        let digits = |set: usize, pin: usize| pins[set]["pins"][pin]["value"]["value"].as_str().unwrap();
        assert_eq!([digits(0, 0), digits(0, 1), digits(0, 2)], ["0000", "55555555", "66666666"], "{name}");
        assert_eq!(pins[0]["pins"][0]["enabled"], false, "{name}");
        assert!((1..5).all(|set| digits(set, 0) == "9999"), "{name}");
        assert_eq!(shown["puks"][0]["value"]["value"], "11111111", "{name}");
        assert_eq!(shown["puks"][1]["value"]["value"], "22222222", "{name}");

        let whole = |path: &str| file(&shown, path)["content"]["whole"]["decoded"].clone();
        assert_eq!(whole("ADF.USIM/EF.IMSI"), "001010123456063", "{name}");
        assert_eq!(whole("MF/EF.ICCID"), "89000123456789012341", "{name}");
        assert_eq!(whole("ADF.USIM/EF.SPN")["name"], "GSMA_TEST", "{name}");
        assert_eq!(whole("ADF.USIM/EF.AD")["mode"], "type approval", "{name}");
        let directory = &file(&shown, "MF/EF.DIR")["content"]["records"];
        assert_eq!(directory[0]["decoded"]["aid"], "A0000000871002FF49FF0589", "{name}");
        let link = &file(&shown, "MF/DF.TELECOM/EF.MSISDN")["link"];
        assert_eq!(link["target"], "ADF.USIM/EF.MSISDN", "{name}");
        let access = &file(&shown, "ADF.USIM/EF.IMSI")["access"];
        assert_eq!(
            (&access["file"], &access["rules"][0]["condition"]),
            (&"6F06".into(), &"PIN1".into()),
            "{name}"
        );

        let domain = &shown["security_domains"][0];
        assert_eq!(domain["aid"], "A000000151000000", "{name}");
        let keys: Vec<(u64, u64, &str)> = domain["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| {
                let number = |member: &str| key[member].as_u64().unwrap();
                (number("version"), number("identifier"), key["type"].as_str().unwrap())
            })
            .collect();
        let expected =
            [(1, 1, "DES"), (1, 2, "DES"), (1, 3, "DES"), (2, 1, "AES"), (2, 2, "AES"), (2, 3, "AES")];
        assert_eq!(keys, expected, "{name}");
        let tars: Vec<&Value> =
            shown["remote_file_management"].as_array().unwrap().iter().map(|one| &one["tars"][0]).collect();
        assert_eq!(tars, ["B00120", "B00140", "B00141", "B00142"], "{name}");
        let level =
            if name.contains("v1") || name.contains("v2") || name.contains("v3") { "06" } else { "02" };
        assert_eq!(shown["remote_file_management"][0]["minimum_security_level"], level, "{name}");
    }
}

fn our_profile_is_shown_as_it_was_read_by_people() {
    let page = text::render(&overview(&generic(), Reveal::Nothing), 110);
    insta::assert_snapshot!("our_profile", page);
}

/// All members of a JSON value by path; entries of lists have no number.
fn members(value: &Value, path: &str, found: &mut std::collections::BTreeSet<String>) {
    match value {
        // What decoders say is a matter of `profile::content`.
        Value::Object(_) if path.ends_with(".decoded") || path.ends_with(".multi_imsi") => {}
        Value::Object(inner) => {
            for (name, value) in inner {
                let path = format!("{path}.{name}");
                members(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                members(entry, path, found);
            }
        }
        _ => {}
    }
}

fn members_of_the_json_form_are_stable() {
    assert_eq!(FORMAT_VERSION, 1);
    let mut found = std::collections::BTreeSet::new();
    let packages = published().into_iter().map(|(_, octets)| octets);
    let packages = packages.chain(shipped::ALL.iter().map(|shipped| shipped.build().unwrap().to_vec()));
    let mut is_complete = false;
    for octets in packages {
        is_complete = true;
        for reveal in [Reveal::Nothing, Reveal::Secrets] {
            members(&json(&overview(&octets, reveal)), "", &mut found);
        }
        let broken = &octets[..octets.len() - 20];
        members(&json(&overview(broken, Reveal::Nothing)), "", &mut found);
    }
    let has_published = !published().is_empty();
    if is_complete && has_published {
        let list: Vec<String> = found.into_iter().collect();
        insta::assert_snapshot!("members_of_the_json_form", list.join("\n"));
    }
}

/// Where the secrets of a package stand: offset and length.
fn places_of_secrets(octets: &[u8]) -> Vec<(usize, usize)> {
    let package = Package::from_der(octets).unwrap();
    let mut places = Vec::new();
    for element in package.elements() {
        if let Ok(aka) = element.aka_parameter()
            && let AkaConfiguration::Algorithm(own) = aka.configuration
        {
            places.extend([(own.key_offset, own.key.len()), (own.opc_offset, own.opc.len())]);
        }
        if let Ok(PinCodes::Pins(pins)) = element.pin_codes() {
            places.extend(pins.iter().map(|pin| (pin.value_offset, 8)));
        }
        places.extend(element.puk_codes().iter().flatten().map(|puk| (puk.value_offset, 8)));
        let keys = element.security_domain_keys();
        places.extend(keys.iter().flatten().map(|key| (key.data_offset, key.data.len())));
        if element.kind == simyard_asn1::saip::ElementKind::CdmaParameter {
            // Every member behind the header is a key.
            let mut members = element.body().unwrap();
            while let Ok(member) = members.read() {
                places.push((member.offset + member.raw.len() - member.value.len(), member.value.len()));
            }
        }
    }
    let tree = Tree::of(&package);
    for name in ["EF.Keys", "EF.KeysPS", "EF.Kc", "EF.KcGPRS", "EF.EPSNSC", "EF.5GAUTHKEYS", "EF.SPC"] {
        for (id, _) in tree.files().filter(|(_, file)| file.name == name) {
            let writes = tree.content(id).map(|content| content.writes.clone()).unwrap_or_default();
            // Contents of a few octets occur by chance.
            places.extend(
                writes
                    .iter()
                    .map(|it| (it.fill.offset, it.fill.octets.len()))
                    .filter(|(_, length)| *length >= 4),
            );
        }
    }
    places
}

/// The package with secrets that occur nowhere else: digits where digits are wanted.
fn with_marked_secrets(mut octets: Vec<u8>) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut secrets = Vec::new();
    for (number, (offset, length)) in places_of_secrets(&octets).into_iter().enumerate() {
        let place = &mut octets[offset..offset + length];
        if length == 8 && place.iter().all(|octet| octet.is_ascii_digit() || *octet == 0xFF) {
            place.copy_from_slice(format!("8{:03}{:04}", number % 1000, 9173 - number).as_bytes());
        } else {
            let digest = number * 37;
            for (position, octet) in place.iter_mut().enumerate() {
                *octet =
                    u8::try_from((digest + position * position * 13 + position * 101 + 0x5A) % 251).unwrap();
            }
        }
        secrets.push(place.to_vec());
    }
    (octets, secrets)
}

/// The ways in which a secret could be written.
fn forms(secret: &[u8]) -> Vec<String> {
    let swapped: Vec<u8> = secret.iter().map(|octet| octet.rotate_left(4)).collect();
    let list: Vec<String> = secret.iter().map(u8::to_string).collect();
    let mut forms = vec![
        hex::encode(secret),
        hex::encode_upper(secret),
        hex::encode(&swapped),
        hex::encode_upper(&swapped),
        hex::encode_upper(&secret[..secret.len().min(6)]),
        list.join(","),
        list.join(", "),
    ];
    forms.extend(std::str::from_utf8(secret).ok().filter(|text| text.len() > 3).map(str::to_owned));
    forms
}

fn no_secret_shows_unless_it_is_revealed() {
    let shipped = shipped::ALL.iter().map(|one| (one.name.to_owned(), one.build().unwrap().to_vec()));
    for (name, octets) in published().into_iter().chain(shipped) {
        let (octets, secrets) = with_marked_secrets(octets);
        assert!(secrets.len() >= 8, "{name}: {}", secrets.len());
        let model = overview(&octets, Reveal::Nothing);
        let everything = format!("{}\n{}", text::render(&model, 100), serde_json::to_string(&model).unwrap());
        for secret in &secrets {
            for form in forms(secret) {
                assert!(!everything.contains(&form), "{name}: {form}");
            }
        }
        // The same search finds all of them once they are revealed.
        let model = overview(&octets, Reveal::Secrets);
        let revealed =
            format!("{}\n{}", text::render(&model, 10_000), serde_json::to_string(&model).unwrap());
        for secret in &secrets {
            assert!(
                forms(secret).iter().any(|form| revealed.contains(form)),
                "{name}: {}",
                hex::encode(secret)
            );
        }
    }
}

fn what_is_revealed_is_there() {
    let octets = generic();
    let page = text::render(&overview(&octets, Reveal::Secrets), 100);
    assert!(!page.contains("••••"), "{page}");
    let page = text::render(&overview(&octets, Reveal::Nothing), 100);
    assert!(page.contains("K               •••• (16 octets)"), "{page}");
}

fn tables_of_an_applet_are_shown_and_its_keys_are_not() {
    const KEY: &str = "465B5CE8B199B49FAA5F0A2EE238A6BC";
    let keys = format!(
        r#"{{ multi_imsi_keys = [{{ reference = 1, algorithm = "milenage", key = "{KEY}", opc = "{KEY}" }}] }}"#
    );
    let other = format!("\"80E2900010{KEY}\"");
    let table = multi_imsi::TABLE;
    let applet = multi_imsi::applet(&format!("{{ multi_imsi = {table} }}, {keys}, {other}"));
    // A file with a table, and one with keys that a terminal could even read.
    let file = multi_imsi::file(&format!("{{ multi_imsi = {table} }}"));
    let with_keys = multi_imsi::file(&format!("{{ hex = \"FF4B10{KEY}\" }}"))
        .replace("6FA0", "6FA1")
        .replace("6F06/3", "6F06/10");
    let octets = multi_imsi::with(&(file + &with_keys + &applet));
    let model = overview(&octets, Reveal::Nothing);
    let page = text::render(&model, 100);
    for words in
        ["imsi: 901405100000001", "multi-IMSI table", "key set 1", "Milenage", "TARs            B30001"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let everything = format!("{page}{}", serde_json::to_string(&model).unwrap());
    assert!(!everything.contains(&KEY[..12]), "{everything}");
    let shown = json(&overview(&octets, Reveal::Secrets));
    assert_eq!(
        shown["applets"][0]["instances"][0]["process_data"][1]["multi_imsi_keys"][0]["key"]["value"],
        KEY
    );
    assert_eq!(file_content(&shown, "ADF.USIM/6FA0")["decoded"]["multi_imsi"]["first"], 1);
    assert!(file_content(&shown, "ADF.USIM/6FA1")["octets"].as_str().unwrap().contains(KEY));
}

/// The content of the file with this path.
fn file_content<'a>(json: &'a Value, path: &str) -> &'a Value {
    &file(json, path)["content"]["whole"]
}

fn two_usims_have_two_names() {
    let shown = json(&overview(&multi_imsi::with(&multi_imsi::second_usim()), Reveal::Nothing));
    let paths: Vec<&Value> =
        shown["applications"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
    assert_eq!(paths, ["ADF.USIM", "ADF.USIM (2)"]);
    assert_eq!(file(&shown, "ADF.USIM (2)/EF.IMSI")["application"], 1);
    let directories: Vec<&Value> =
        shown["pins"].as_array().unwrap().iter().map(|set| &set["directory"]).collect();
    assert_eq!(directories, ["MF", "ADF.USIM", "ADF.USIM (2)"]);
}

fn one_element_or_one_file_is_shown() {
    let octets = generic();
    let mut model = overview(&octets, Reveal::Nothing);
    let usim = model.elements.iter().position(|element| element.kind == "usim").unwrap();
    model.only_element(usim).unwrap();
    let page = text::render(&model, 100);
    assert!(page.contains("EF.IMSI") && !page.contains("EF.ICCID"), "{page}");
    assert!(model.files.iter().all(|file| file.application == Some(0)));
    assert!(overview(&octets, Reveal::Nothing).only_element(1000).is_err());

    for wanted in ["ADF.USIM/EF.IMSI", "EF.IMSI", "ef.imsi", "6F07", "6f07"] {
        let mut model = overview(&octets, Reveal::Nothing);
        model.only_files(wanted).unwrap();
        assert!(model.files.iter().any(|file| file.path == "ADF.USIM/EF.IMSI"), "{wanted}");
        assert!(text::render(&model, 100).contains(" = 08"), "{wanted}");
    }
    let mut model = overview(&octets, Reveal::Nothing);
    let error = model.only_files("F.IMSI").unwrap_err();
    assert!(error.to_string().contains("F.IMSI"), "{error}");
}

fn broken_packages_are_shown_as_far_as_they_go() {
    let octets = generic();
    let package = Package::from_der(&octets).unwrap();
    let last = package.elements().last().unwrap().tlv.offset;
    // Cut in the middle of an element.
    let model = overview(&octets[..last - 3], Reveal::Nothing);
    assert_eq!(model.elements.len(), package.elements().len() - 2);
    assert_eq!(model.problems.len(), 1);
    assert!(text::render(&model, 100).contains("What could not be read"));
    // Without its MF there is a tree all the same.
    let without: Vec<u8> = package
        .elements()
        .iter()
        .filter(|element| element.kind != simyard_asn1::saip::ElementKind::Mf)
        .flat_map(|element| element.tlv.raw)
        .copied()
        .collect();
    let model = overview(&without, Reveal::Nothing);
    assert!(model.files.iter().any(|file| file.path == "ADF.USIM/EF.IMSI"));
}

fn changed_and_shortened_packages_never_panic() {
    let mut packages: Vec<Vec<u8>> = published().into_iter().map(|(_, octets)| octets).take(1).collect();
    packages.push(generic());
    for octets in packages {
        // Octets all over the package get other values.
        for (number, at) in (0..octets.len()).step_by(173).enumerate() {
            let mut changed = octets.clone();
            changed[at] = changed[at].wrapping_add(u8::try_from(number % 250).unwrap() + 1);
            let model = overview(&changed, Reveal::Nothing);
            assert!(!text::render(&model, 80).is_empty());
            assert!(model.problems.iter().all(|problem| problem.offset <= changed.len()), "{at}");
        }
        let package = Package::from_der(&octets).unwrap();
        for left_out in 0..package.elements().len() {
            let elements = package.elements().iter().enumerate().filter(|(place, _)| *place != left_out);
            let rest: Vec<u8> = elements.flat_map(|(_, element)| element.tlv.raw).copied().collect();
            let model = overview(&rest, Reveal::Nothing);
            assert_eq!(model.elements.len(), package.elements().len() - 1);
            assert!(serde_json::to_string(&model).is_ok());
        }
    }
}

fn lines_fit_the_page() {
    for (name, octets) in published() {
        let model = overview(&octets, Reveal::Nothing);
        for width in [80, 100, 140] {
            for line in text::render(&model, width).lines() {
                assert!(line.chars().count() <= width, "{name} {width}: {line}");
            }
        }
    }
}
