//! What the parts of a report were measured with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::results::{Builds, Made, OnInterpreter, Results};

/// Says so if figures are of more than one build, or of builds that are not known.
pub fn warning(text: &mut String, results: &Results) {
    let all: BTreeSet<Option<&Made>> = results.interpreters.iter().flat_map(builds).collect();
    if all.len() > 1 {
        *text += "**Not all of this was measured with the same loader:** the section of each interpreter says which parts were \
                  measured with which. Compare only what one loader did.\n\n";
    }
}

/// Of each part that was measured, the builds; `None` if it does not say.
fn builds(on: &OnInterpreter) -> Vec<Option<&Made>> {
    let one = |part: &str| match on.made.get(part) {
        Some(builds) => builds.iter().map(Some).collect(),
        None => vec![None],
    };
    parts(on).into_iter().flat_map(one).collect()
}

/// The names of the parts that there is something of.
fn parts(on: &OnInterpreter) -> Vec<&'static str> {
    let all = [
        ("start", on.start.is_some()),
        ("imports", on.imports.is_some()),
        ("commands", on.commands.is_some()),
        ("memory", on.memory.is_some()),
        ("scale", on.scale.is_some()),
        ("instructions", on.instructions.is_some()),
        ("profile", on.profile.is_some()),
        ("encodings", on.encodings.is_some()),
    ];
    all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

/// What was measured, by parts.
pub fn line(text: &mut String, on: &OnInterpreter) {
    let unknown = Builds::new();
    let mut groups: BTreeMap<&Builds, Vec<&str>> = BTreeMap::new();
    for part in parts(on) {
        groups.entry(on.made.get(part).unwrap_or(&unknown)).or_default().push(part);
    }
    let of = |builds: &Builds| match builds.len() {
        0 => "a version that did not say what it was".to_owned(),
        _ => builds.iter().map(Made::to_string).collect::<Vec<_>>().join(" and "),
    };
    let said: Vec<String> = match groups.len() {
        0 => return,
        1 => groups.keys().map(|builds| of(builds)).collect(),
        _ => groups.iter().map(|(builds, parts)| format!("{} ({})", of(builds), parts.join(", "))).collect(),
    };
    let _ = writeln!(text, "Measured with {}.\n", said.join("; "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    fn on(made: &[(&str, &[u32])]) -> OnInterpreter {
        let build = |&format: &u32| Made { format, loader: "0a".to_owned() };
        let made = made.iter().map(|(part, formats)| ((*part).to_owned(), formats.iter().map(build).collect()));
        OnInterpreter {
            imports: Some(Vec::new()),
            commands: Some(Vec::new()),
            memory: Some(Vec::new()),
            made: made.collect(),
            ..OnInterpreter::default()
        }
    }

    fn said(on: OnInterpreter) -> (String, bool) {
        let (mut text, mut warned) = (String::new(), String::new());
        line(&mut text, &on);
        let machine = Machine { processor: String::new(), processors: 2, kernel: String::new(), load: String::new() };
        warning(&mut warned, &Results { machine, version: String::new(), interpreters: vec![on], pages: None });
        (text, !warned.is_empty())
    }

    #[test]
    fn parts_of_several_builds_are_told_apart() {
        let all = on(&[("imports", &[9]), ("commands", &[9]), ("memory", &[9]), ("pages", &[8])]);
        assert_eq!(said(all), ("Measured with image format 9, loader 0a.\n\n".to_owned(), false));
        let some = said(on(&[("imports", &[8, 9]), ("commands", &[9])]));
        let wanted = "Measured with a version that did not say what it was (memory); image format 8, loader 0a and image \
                      format 9, loader 0a (imports); image format 9, loader 0a (commands).\n\n";
        assert_eq!(some, (wanted.to_owned(), true));
        assert_eq!(said(OnInterpreter::default()), (String::new(), false));
    }
}
