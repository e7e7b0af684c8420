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
    let tops = known.tops(names);
    probable(alone(names, &tops), &imported, &tops)
}

/// By unit, the probability that a program imports it for its own sake.
fn alone(names: &[String], tops: &[u32]) -> Vec<f64> {
    let alone = |(name, unit): (&String, u32)| match name.as_str() {
        "sitecustomize" | "usercustomize" => BY_SITE,
        name if is_test(name) => 0.0,
        _ if tops[unit as usize] == unit => BY_ITSELF,
        _ => WITHIN,
    };
    names.iter().zip(0..).map(alone).collect()
}

/// Probabilities from those that units have without being imported by others (`alone`), from what each of them imports and from the
/// package that it lies in.
fn probable(alone: Vec<f64>, imported: &[Vec<u32>], tops: &[u32]) -> Vec<f64> {
    let importers = importers(imported, tops);
    let mut probable = alone.clone();
    for _ in 0..ROUNDS {
        let next = alone.iter().zip(&importers).enumerate().map(|(unit, (alone, importers))| {
            let mut own = *alone;
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
pub fn expected_users(constants: &Constants, likely: &[f64]) -> Vec<f64> {
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
    /// By package, what lies in it: the last part of the name, and the unit.
    packages: HashMap<&'a str, Vec<(&'a str, u32)>>,
}

impl<'a> Names<'a> {
    fn new(names: &'a [String]) -> Self {
        let mut packages = HashMap::<_, Vec<_>>::new();
        for (name, unit) in names.iter().zip(0..) {
            if let Some((package, last)) = name.rsplit_once('.') {
                packages.entry(package).or_default().push((last, unit));
            }
        }
        Names { units: names.iter().map(String::as_str).zip(0..).collect(), packages }
    }

    /// The module and the packages around it, which come with it; the outermost first. Packages without a file of their own are
    /// none of the units.
    fn with_packages(&self, name: &str) -> impl Iterator<Item = u32> {
        let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
        ends.filter_map(|end| self.units.get(&name[..end]).copied())
    }

    /// What lies in a package and has one of these names there.
    fn inside(&self, package: &str, names: &HashSet<&str>) -> impl Iterator<Item = u32> {
        let inside = self.packages.get(package).into_iter().flatten();
        inside.filter(|(last, _)| names.contains(last)).map(|(_, unit)| *unit)
    }

    /// By unit, the outermost package that it lies in, and has a unit: itself, if there is none.
    fn tops(&self, names: &[String]) -> Vec<u32> {
        let top = |(name, unit): (&String, u32)| self.with_packages(name).next().unwrap_or(unit);
        names.iter().zip(0..).map(top).collect()
    }
}

/// What the body of a module, or of a class in it, imports.
#[derive(Default)]
struct Imports<'a> {
    /// Of `import` and `from` statements, dots left out.
    modules: Vec<&'a str>,
    /// All names that it uses: submodules may be among them.
    names: HashSet<&'a str>,
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
            found.extend(names.inside(&full, &imports.names));
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
    out.modules.sort_unstable();
    out.modules.dedup();
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

    /// Probabilities of modules with these names, which import each other so.
    fn judged(modules: &[(&str, &[u32])]) -> Vec<f64> {
        let names: Vec<String> = modules.iter().map(|(name, _)| (*name).to_owned()).collect();
        let imported: Vec<Vec<u32>> = modules.iter().map(|(_, imported)| imported.to_vec()).collect();
        let tops = Names::new(&names).tops(&names);
        probable(alone(&names, &tops), &imported, &tops)
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn many_modules_of_one_package_are_one_importer_and_two_packages_are_two() {
        let many: Vec<String> = (0..10).map(|number| format!("large.m{number}")).collect();
        let mut modules: Vec<(&str, &[u32])> = vec![("by_many", &[]), ("by_one", &[]), ("by_two", &[])];
        modules.extend([("large", &[][..]), ("one", &[1, 2]), ("two", &[2])]);
        modules.extend(many.iter().map(|name| (name.as_str(), &[0][..])));
        let judged = judged(&modules);
        let not = |p: f64| 1.0 - p;
        let expected = |importers: &[f64]| importers.iter().fold(not(BY_ITSELF), |all, p| all * not(BY_ANOTHER * p));
        assert!(near(not(judged[0]), expected(&[WITHIN])), "{judged:?}");
        assert!(near(not(judged[1]), expected(&[BY_ITSELF])), "{judged:?}");
        assert!(near(not(judged[2]), expected(&[BY_ITSELF, BY_ITSELF])), "{judged:?}");
    }

    #[test]
    fn within_a_package_the_likeliest_counts_and_nobody_makes_itself_likely() {
        let modules: [(&str, &[u32]); 5] =
            [("ring", &[1]), ("ring.a", &[0, 2]), ("ring.b", &[0, 1, 2]), ("test_it", &[4]), ("it", &[])];
        let judged = judged(&modules);
        let expected = [BY_ITSELF, BY_ANOTHER * BY_ITSELF, BY_ANOTHER * BY_ANOTHER * BY_ITSELF, 0.0, BY_ITSELF];
        assert!(judged.iter().zip(expected).all(|(judged, expected)| near(*judged, expected)), "{judged:?}");
    }

    #[test]
    fn packages_without_a_file_of_their_own_keep_nothing_together() {
        let names = ["space.a", "space.a.x", "space.b", "other", "other.deep.y"].map(str::to_owned);
        let tops = Names::new(&names).tops(&names);
        assert_eq!(tops, [0, 0, 2, 3, 3]);
        assert_eq!(alone(&names, &tops), [BY_ITSELF, WITHIN, BY_ITSELF, BY_ITSELF, WITHIN]);
    }

    #[test]
    fn names_that_a_body_uses_may_be_modules_of_a_package() {
        let names = ["p", "p.a", "p.b", "p.b.a", "q.a"].map(str::to_owned);
        let known = Names::new(&names);
        let inside =
            |package, used: &[&str]| known.inside(package, &used.iter().copied().collect()).collect::<Vec<_>>();
        assert_eq!(inside("p", &["a", "c"]), [1]);
        assert_eq!(inside("p", &["a", "b"]), [1, 2]);
        assert_eq!(inside("p.b", &["a"]), [3]);
        assert_eq!(inside("q", &["a"]), [4], "a package without a file of its own");
        assert_eq!(inside("p.a", &["a"]), [0; 0]);
        assert_eq!(known.with_packages("p.b.a").collect::<Vec<_>>(), [0, 2, 3]);
        assert_eq!(known.with_packages("q.a").collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn tests_are_told_by_their_names() {
        assert!(is_test("test.test_json") && is_test("a.tests.b") && is_test("numpy.test_x"));
        assert!(!is_test("testing") && !is_test("attest.x") && !is_test("unittest"));
    }
}
