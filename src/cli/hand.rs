//! Who runs a command that is written down.

use clap::Args;

use crate::admin::identities::Changer;
use crate::domain::{Actor, Person};

/// Who changes something.
#[derive(Args)]
pub(super) struct HandArgs {
    /// Who does it, as it is written down; the system's user if absent.
    #[arg(long, value_name = "NAME", value_parser = parse_person)]
    by: Option<Person>,
}

impl HandArgs {
    /// The one that is named, or the system's user.
    pub(super) fn person(&self) -> Person {
        let user = || {
            let names = ["USER", "LOGNAME", "USERNAME"];
            names.into_iter().find_map(|name| parse_person(&std::env::var(name).ok()?).ok())
        };
        self.by.clone().or_else(user).unwrap_or_else(Person::unknown)
    }

    /// The same, for what is written down in the audit.
    pub(super) fn changer(&self) -> Changer {
        Changer { actor: Actor::Person(self.person()), peer: None }
    }
}

/// Reads a name; that of an identity of the admin API is nobody's here.
pub(super) fn parse_person(text: &str) -> Result<Person, String> {
    let expected = "expected 1 to 128 octets without control characters, not an identity of the admin API";
    Person::parse(text).filter(|person| person.identity().is_none()).ok_or_else(|| expected.to_owned())
}
