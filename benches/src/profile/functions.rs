//! The functions that the processor was in: of each package those that the image spends most more time in than the limit.

use std::collections::BTreeMap;

use super::script::Frame;
use crate::results::{Function, Place, Way};

/// How many are kept.
const KEPT: usize = 12;

/// What perf calls a function that it has no name for.
const UNKNOWN: &str = "[unknown]";

/// Samples by function, of one run.
pub type Counts = BTreeMap<(Place, String), u64>;

/// Samples by function, of each run of each way.
#[derive(Debug, Default)]
pub struct Functions(BTreeMap<Way, Vec<Counts>>);

/// The name of the innermost function of a stack, where it has one: files without symbols have none of those that they do not export.
pub fn name(stack: &[Frame]) -> Option<&str> {
    stack.first().map(|leaf| leaf.symbol.as_str()).filter(|name| !name.is_empty() && *name != UNKNOWN)
}

impl Functions {
    /// Adds a run.
    pub fn add(&mut self, way: Way, counts: Counts) {
        self.0.entry(way).or_default().push(counts);
    }

    /// Those that the image spends most more samples in than the limit, the most first.
    pub fn longer(&self) -> Vec<Function> {
        let of = |(place, name): &(Place, String)| {
            let runs = |runs: &Vec<Counts>| {
                let one = |run: &Counts| run.get(&(*place, name.clone())).copied().unwrap_or(0);
                runs.iter().map(one).collect()
            };
            let ways = self.0.iter().map(|(way, all)| (*way, runs(all))).collect();
            Function { name: name.clone(), place: *place, ways }
        };
        let mut seen: Vec<&(Place, String)> = self.0.values().flatten().flat_map(BTreeMap::keys).collect();
        seen.sort();
        seen.dedup();
        let more = |function: &Function| function.samples(Way::Image) - function.samples(Way::Limit);
        let mut all: Vec<Function> = seen.into_iter().map(of).filter(|function| more(function) > 0.0).collect();
        all.sort_by(|a, b| more(b).total_cmp(&more(a)));
        all.truncate(KEPT);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(all: &[(Place, &str, u64)]) -> Counts {
        all.iter().map(|&(place, name, count)| ((place, name.to_owned()), count)).collect()
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
        let found = functions.longer();
        let shown: Vec<_> = found.iter().map(|found| (found.place, found.name.as_str())).collect();
        assert_eq!(shown, [(Place::Interpreter, "find"), (Place::Loader, "find")]);
        assert_eq!(found[0].ways[&Way::Image], [30, 30, 3]);
        assert_eq!((found[0].ways[&Way::Limit].as_slice(), found[0].samples(Way::Image)), (&[0, 0][..], 21.0));
    }

    #[test]
    fn no_more_than_so_many_are_kept() {
        let mut functions = Functions::default();
        let names: Vec<String> = (0..2 * KEPT).map(|number| format!("f{number}")).collect();
        let all: Vec<_> = names.iter().zip(1..).map(|(name, count)| (Place::Loader, name.as_str(), count)).collect();
        functions.add(Way::Image, counts(&all));
        let found = functions.longer();
        assert_eq!((found.len(), found[0].name.as_str()), (KEPT, "f23"));
    }

    #[test]
    fn a_function_without_a_name_is_none() {
        let frame = |symbol: &str| Frame { address: 1, symbol: symbol.to_owned(), object: String::new() };
        assert_eq!(name(&[frame("f"), frame("g")]), Some("f"));
        assert_eq!((name(&[frame("[unknown]"), frame("g")]), name(&[frame("")]), name(&[])), (None, None, None));
    }
}
