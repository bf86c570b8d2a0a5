//! The arrows of the house point down only: the imports of `src/` are read and held against the order of its rooms.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

crate::tests!(
    imports_point_down,
    names_in_lists_over_several_lines_are_read,
    every_room_has_a_level,
    the_wire_crate_knows_nobody,
);

/// The rooms from the roof to the ground. Rooms of one level do not know each other, but for [`NEIGHBOURS`].
const LEVELS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app", "bench", "sim"],
    &["http", "jobs"],
    &["device"],
    &["smdp", "eim", "inventory", "admin"],
    &["store", "client", "profile", "pki"],
    &["binding", "crypto", "domain"],
    &["ident"],
    &["env"],
];

/// Arrows between rooms of one level.
const NEIGHBOURS: &[(&str, &str)] = &[];

/// What the virtual device may use: it speaks to servers over their interfaces.
const DEVICE_MAY: &[&str] = &["client", "binding", "profile", "pki", "crypto", "ident", "env"];

fn level(room: &str) -> Option<usize> {
    LEVELS.iter().position(|rooms| rooms.contains(&room))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The room of a file: the first part of its path below `src/`.
fn room(path: &Path, src: &Path) -> String {
    let first = path.strip_prefix(src).unwrap().iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms named after `crate::` (or `simyard::` in `main.rs`), comments left aside. A list in braces may go over
/// several lines and have lists in it.
fn imports(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut rooms = BTreeSet::new();
    for path in ["crate::", "simyard::"] {
        for (at, _) in code.match_indices(path) {
            let rest = &code[at + path.len()..];
            let names = rest.strip_prefix('{').map_or(vec![rest], heads);
            for name in names {
                let name: String =
                    name.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if level(&name).is_some() {
                    rooms.insert(name);
                }
            }
        }
    }
    rooms
}

/// The members of a list in braces, up to the brace that closes it; commas in inner lists divide nothing.
fn heads(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0_u32, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                found.push(&list[start..at]);
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    found
}

fn names_in_lists_over_several_lines_are_read() {
    let text = "use crate::{\n    env::Rng,\n    store::{\n        Store, smdp,\n    },\n    pki,\n};\n\
                // use crate::cli;\nuse crate::domain::{Order, http};\n";
    let expected: BTreeSet<String> = ["env", "store", "pki", "domain"].map(str::to_owned).into();
    assert_eq!(imports(text), expected);
}

fn imports_point_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 10, "the walk found the sources");
    let mut wrong = Vec::new();
    for file in &files {
        let from = room(file, &src);
        if from == "lib" {
            continue;
        }
        for to in imports(&fs::read_to_string(file).unwrap()) {
            let down = level(&from) < level(&to) || NEIGHBOURS.contains(&(from.as_str(), to.as_str()));
            let allowed = match from.as_str() {
                _ if from == to => true,
                "device" => DEVICE_MAY.contains(&to.as_str()),
                "http" if to == "store" || to == "device" => false,
                _ => down,
            };
            if !allowed {
                wrong.push(format!("{} imports {to}", file.strip_prefix(&src).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that do not point down:\n{}", wrong.join("\n"));
}

fn every_room_has_a_level() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let rooms: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
        .map(|l| l.trim_end_matches(';'))
        .collect();
    assert!(rooms.len() > 10);
    for room in rooms {
        assert!(level(room).is_some(), "{room} has no level");
        assert!(
            lib.contains(&format!("`{room}`]")) || lib.contains(&format!("@{room}`]")),
            "{room} is missing in the map of lib.rs"
        );
    }
}

fn the_wire_crate_knows_nobody() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("asn1/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names: Vec<&str> =
        dependencies.lines().filter_map(|line| line.split_once(" =").map(|l| l.0)).collect();
    assert_eq!(names, ["der", "thiserror"]);
}
