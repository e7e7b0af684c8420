//! The functions that the processor was in: those that the image spends most more time in than the limit, in some package.

use std::collections::{BTreeMap, BTreeSet};

use super::script::Frame;
use crate::results::{Function, Place, Way};

/// How many of a package are kept. They are kept of all packages then: a sum leaves out nothing.
const KEPT: usize = 12;

/// What perf calls a function that it has no name for.
const UNKNOWN: &str = "[unknown]";

/// A function.
pub type Key = (Place, String);

/// Samples by function, of one run.
pub type Counts = BTreeMap<Key, u64>;

/// Samples by function and way, of each run.
#[derive(Debug, Default)]
pub struct Functions {
    samples: BTreeMap<Key, BTreeMap<Way, Vec<u64>>>,
    runs: BTreeMap<Way, usize>,
}

/// The name of the innermost function of a stack, where it has one: files without symbols have none of those that they do not export.
pub fn name(stack: &[Frame]) -> Option<&str> {
    stack.first().map(|leaf| leaf.symbol.as_str()).filter(|name| !name.is_empty() && *name != UNKNOWN)
}

impl Functions {
    /// Adds a run.
    pub fn add(&mut self, way: Way, counts: Counts) {
        let before = self.runs.entry(way).or_default();
        for (key, count) in counts {
            let runs = self.samples.entry(key).or_default().entry(way).or_default();
            runs.resize(*before, 0);
            runs.push(count);
        }
        *before += 1;
    }

    /// Those that the image spends most more samples in than the limit.
    pub fn longest(&self) -> impl Iterator<Item = Key> {
        let all = self.samples.keys().map(|key| self.function(key));
        let more = |function: &Function| function.samples(Way::Image) - function.samples(Way::Limit);
        let mut all: Vec<Function> = all.filter(|function| more(function) > 0.0).collect();
        all.sort_by(|a, b| more(b).total_cmp(&more(a)));
        all.into_iter().take(KEPT).map(|function| (function.place, function.name))
    }

    /// The samples of each of these.
    pub fn of(&self, keys: &BTreeSet<Key>) -> Vec<Function> {
        keys.iter().map(|key| self.function(key)).collect()
    }

    fn function(&self, key: &Key) -> Function {
        let samples = self.samples.get(key);
        let runs = |(&way, &runs): (&Way, &usize)| {
            let mut all = samples.and_then(|samples| samples.get(&way)).cloned().unwrap_or_default();
            all.resize(runs, 0);
            (way, all)
        };
        Function { place: key.0, name: key.1.clone(), ways: self.runs.iter().map(runs).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(place: Place, name: &str) -> Key {
        (place, name.to_owned())
    }

    fn counts(all: &[(Place, &str, u64)]) -> Counts {
        all.iter().map(|&(place, name, count)| (key(place, name), count)).collect()
    }

    #[test]
    fn what_the_image_is_longer_in_comes_in_the_order_of_how_much() {
        let mut functions = Functions::default();
        for (image, limit) in [(9, 5), (6, 5)] {
            let image = [(Place::Faults, "clear", image), (Place::Interpreter, "find", 30), (Place::Loader, "find", 1)];
            functions.add(Way::Image, counts(&image));
            functions.add(Way::Limit, counts(&[(Place::Faults, "clear", limit), (Place::Interpreter, "eval", 7)]));
        }
        // In one run only.
        functions.add(Way::Image, counts(&[(Place::Interpreter, "find", 3), (Place::Interpreter, "eval", 18)]));
        let longest: Vec<Key> = functions.longest().collect();
        assert_eq!(longest, [key(Place::Interpreter, "find"), key(Place::Loader, "find")]);
        let keys = [key(Place::Loader, "find"), key(Place::Interpreter, "eval"), key(Place::Kernel, "other")].into();
        let found = functions.of(&keys);
        let runs = |index: usize| (&found[index].ways[&Way::Image][..], &found[index].ways[&Way::Limit][..]);
        assert_eq!(runs(0), (&[0, 0, 18][..], &[7, 7][..]));
        assert_eq!(runs(1), (&[1, 1, 0][..], &[0, 0][..]));
        assert_eq!(runs(2), (&[0, 0, 0][..], &[0, 0][..]), "in another package");
    }

    #[test]
    fn no_more_than_so_many_are_kept() {
        let mut functions = Functions::default();
        let names: Vec<String> = (0..2 * KEPT).map(|number| format!("f{number}")).collect();
        let all: Vec<_> = names.iter().zip(1..).map(|(name, count)| (Place::Loader, name.as_str(), count)).collect();
        functions.add(Way::Image, counts(&all));
        let found: Vec<Key> = functions.longest().collect();
        assert_eq!((found.len(), found[0].1.as_str()), (KEPT, "f23"));
    }

    #[test]
    fn a_function_without_a_name_is_none() {
        let frame = |symbol: &str| Frame { address: 1, symbol: symbol.to_owned(), object: String::new() };
        assert_eq!(name(&[frame("f"), frame("g")]), Some("f"));
        assert_eq!((name(&[frame("[unknown]"), frame("g")]), name(&[frame("")]), name(&[])), (None, None, None));
    }
}
