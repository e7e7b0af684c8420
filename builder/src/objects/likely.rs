//! How likely each module is to be imported by a program, judged by who imports it: what is likely lies together.
//!
//! Only the order of objects depends on this. The model: a program imports any package with a small probability, modules in it
//! with a smaller one, and most of what a module's body imports with it. What one package imports from many of its modules is
//! no more likely for that: of importers that lie in the same package, the likeliest counts.

use crate::share::{Constants, Node, NodeId};
use cds_layout::cpython::Opcodes;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// `co_flags` of functions, unlike modules and classes (`Include/cpython/code.h`).
pub const CO_OPTIMIZED: i32 = 1;

/// That a program imports a package, or a module that is in none, for its own sake.
const BY_ITSELF: f64 = 0.02;

/// That it imports a module of a package so.
const WITHIN: f64 = 0.002;

/// That a start imports what `site` looks for by name (`Lib/site.py`).
const BY_SITE: f64 = 0.9;

/// That what a body imports is imported whenever it runs.
const BY_ANOTHER: f64 = 0.9;

/// Chains of imports are short. Packages that import each other make each other likelier with every round, and are seldom.
const ROUNDS: usize = 12;

/// Whether a module belongs to tests: programs do not import it.
pub fn is_test(name: &str) -> bool {
    name.split('.').any(|part| matches!(part, "test" | "tests") || part.starts_with("test_"))
}

/// By unit, the probability that a program imports it; 0 for tests.
pub fn likely(constants: &Constants, opcodes: &Opcodes, names: &[String]) -> Vec<f64> {
    let known = Names::new(names);
    let imported: Vec<Vec<u32>> = (0..constants.modules.len())
        .into_par_iter()
        .map(|unit| imported_by(constants, opcodes, &known, unit, &names[unit]))
        .collect();
    let alone = |name: &String| match name.as_str() {
        "sitecustomize" | "usercustomize" => BY_SITE,
        name if is_test(name) => 0.0,
        name if name.contains('.') => WITHIN,
        _ => BY_ITSELF,
    };
    let tops = tops(names);
    let importers = importers(&imported, &tops);
    let mut probable: Vec<f64> = names.iter().map(alone).collect();
    for _ in 0..ROUNDS {
        let next = names.iter().zip(&importers).enumerate().map(|(unit, (name, importers))| {
            let mut own = alone(name);
            let mut not = 1.0;
            for importers in importers.chunk_by(|(a, _), (b, _)| a == b) {
                let likeliest = importers.iter().map(|(_, other)| probable[*other as usize]).fold(0.0, f64::max);
                if importers[0].0 == tops[unit] {
                    own = own.max(BY_ANOTHER * likeliest);
                } else {
                    not *= 1.0 - BY_ANOTHER * likeliest;
                }
            }
            1.0 - (1.0 - own) * not
        });
        probable = next.collect();
    }
    probable
}

/// By unit, a number of the package that it lies in, whatever is in between.
fn tops(names: &[String]) -> Vec<u32> {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut number = |name| {
        let next = numbers.len() as u32;
        *numbers.entry(name).or_insert(next)
    };
    names.iter().map(|name| number(name.split('.').next().unwrap_or_default())).collect()
}

/// By unit, the units that import it, those of each package together.
fn importers(imported: &[Vec<u32>], tops: &[u32]) -> Vec<Vec<(u32, u32)>> {
    let mut importers = vec![Vec::new(); imported.len()];
    for (unit, imported) in (0..).zip(imported) {
        for &other in imported.iter().filter(|other| **other != unit) {
            importers[other as usize].push((tops[unit as usize], unit));
        }
    }
    importers.par_iter_mut().for_each(|list| list.sort_unstable());
    importers
}

/// By node, how many units are expected to use it in one process.
pub fn users(constants: &Constants, likely: &[f64]) -> Vec<f64> {
    let mut users = vec![0.0; constants.len()];
    for (module, likely) in constants.modules.iter().zip(likely) {
        module.used.iter().for_each(|id| users[id.0 as usize] += likely);
    }
    users
}

/// Expected numbers of users as steps that objects are sorted by, 0 for none: twice as many is one step more, so coarse that
/// modules of one package mostly are on the same.
pub fn level(users: f64) -> u8 {
    // The exponent, which is the same on every machine.
    let exponent = (users.to_bits() >> 52) as i64 - 1023;
    if users <= 0.0 { 0 } else { (64 + exponent).clamp(1, 128) as u8 }
}

/// Probabilities as such steps. Above one half, half as improbable is one step more: nearly every program imports `functools`, and
/// most of those that an environment is made for import its largest package, but that is not the same.
pub fn probability_level(probability: f64) -> u8 {
    const HALF: u8 = 63;
    if probability <= 0.5 { level(probability) } else { 2 * HALF - level(1.0 - probability) }
}

/// Modules by name, and which of them have others in them.
struct Names<'a> {
    units: HashMap<&'a str, u32>,
    packages: HashSet<&'a str>,
}

impl<'a> Names<'a> {
    fn new(names: &'a [String]) -> Self {
        let packages = names.iter().filter_map(|name| Some(name.rsplit_once('.')?.0)).collect();
        Names { units: names.iter().map(String::as_str).zip(0..).collect(), packages }
    }

    /// The module and the packages around it, which come with it.
    fn with_packages(&self, name: &str) -> impl Iterator<Item = u32> {
        let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
        ends.filter_map(|end| self.units.get(&name[..end]).copied())
    }
}

/// What the body of a module, or of a class in it, imports.
#[derive(Default)]
struct Imports<'a> {
    /// Of `import` and `from` statements, dots left out.
    modules: Vec<&'a str>,
    /// All names that it uses: submodules may be among them.
    names: Vec<&'a str>,
}

/// The units that come with a unit, each once.
fn imported_by(constants: &Constants, opcodes: &Opcodes, names: &Names<'_>, unit: usize, name: &str) -> Vec<u32> {
    let imports = imports(constants, opcodes, constants.modules[unit].root);
    let mut found: Vec<u32> = names.with_packages(name).collect();
    let mut full = String::new();
    let parent = name.rsplit_once('.').map_or("", |(parent, _)| parent);
    for module in imports.modules {
        // As it stands; relative to the package that the module lies in, and to the module if it is a package.
        for around in ["", parent, name] {
            full.clear();
            full.extend([around, if around.is_empty() || module.is_empty() { "" } else { "." }, module]);
            found.extend(names.with_packages(&full));
            if names.packages.contains(full.as_str()) {
                let len = full.len();
                for inner in &imports.names {
                    full.truncate(len);
                    full.extend([".", inner]);
                    found.extend(names.units.get(full.as_str()));
                }
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found.retain(|&other| other as usize != unit);
    found
}

fn imports<'a>(constants: &'a Constants, opcodes: &Opcodes, root: Option<NodeId>) -> Imports<'a> {
    let mut out = Imports::default();
    let mut todo: Vec<NodeId> = root.into_iter().collect();
    let mut visited = HashSet::new();
    while let Some(id) = todo.pop() {
        if !visited.insert(id) {
            continue;
        }
        let Node::Code(number) = constants.node(id) else { continue };
        let code = &constants.codes[*number as usize];
        if code.flags & CO_OPTIMIZED != 0 {
            continue;
        }
        let text = |&name: &NodeId| str::from_utf8(&constants.node(name).as_str()?.data).ok();
        let names = constants.node(code.names).items();
        out.names.extend(names.iter().filter_map(text));
        let mut extended = 0;
        for unit in code.bytecode.chunks_exact(2) {
            let argument = extended << 8 | usize::from(unit[1]);
            extended = if unit[0] == opcodes.extended_arg { argument } else { 0 };
            if unit[0] == opcodes.import_name {
                // The interpreter's own empty string is what `from . import` names.
                let name = names.get(argument >> opcodes.import_name_shift);
                out.modules.extend(name.map(|name| text(name).unwrap_or_default()));
            }
        }
        todo.extend(constants.node(code.consts).items());
    }
    for list in [&mut out.modules, &mut out.names] {
        list.sort_unstable();
        list.dedup();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_rise_with_the_probability() {
        assert_eq!((level(0.0), level(1.0), level(2.5)), (0, 64, 65));
        assert!(level(1e-30) == 1 && level(WITHIN) > 1 && level(WITHIN) < level(BY_ITSELF));
        let levels = [0.0, 0.1, 0.5, 0.6, 0.76, 0.99, 1.0].map(probability_level);
        assert!(levels.is_sorted() && levels[0] == 0 && levels[2..] == [63, 64, 65, 69, 126], "{levels:?}");
    }

    #[test]
    fn tests_are_told_by_their_names() {
        assert!(is_test("test.test_json") && is_test("a.tests.b") && is_test("numpy.test_x"));
        assert!(!is_test("testing") && !is_test("attest.x") && !is_test("unittest"));
    }
}
