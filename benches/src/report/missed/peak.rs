//! What the package with the worst peak of memory has more of with the image, when all is imported.

use crate::report::mappings::{columns, differences};
use crate::report::markdown::{mb, or_dash, signed};
use crate::report::ratios::{self, PEAK, middle};
use crate::report::short;
use crate::report::targets::RESIDENT;
use crate::results::{OnInterpreter, Results, Way};

/// For each interpreter that misses the figure about the peak.
pub fn in_the_way(text: &mut String, results: &Results) {
    let said = "What the package with the worst peak has more of with the image than from `.pyc` files, where the figure is \
                missed: MB that are resident when all is imported, image − .pyc, by what is mapped. The peak is another \
                number: the most that the process ever had, also what it gave back before.";
    let first = ["", "package", "peak: image / .pyc", "peak, .pyc", "peak, image − .pyc"];
    super::table(text, results, said, &columns(first), |on| row(on).into_iter().collect());
}

fn row(on: &OnInterpreter) -> Option<Vec<String>> {
    let ratios = ratios::all(on, Way::Image, Way::Pyc, PEAK);
    let (name, ratio) = RESIDENT.worst(&ratios).filter(|(_, ratio)| *ratio > RESIDENT.wanted())?;
    let memory = on.memory.iter().flatten().find(|row| row.name == name && row.processes == 1)?;
    let parts = differences(memory, Way::Image, |resident| resident.rss)?;
    let peaks = ratios::imports(on).find(|row| row.name == name)?;
    let of = |way| middle(peaks, way, PEAK);
    let more = Some(()).and_then(|()| Some(of(Way::Image)? - of(Way::Pyc)?));
    let mut row = vec![short(&on.label), name.to_owned(), format!("{ratio:.3}"), or_dash(of(Way::Pyc).map(mb))];
    row.push(or_dash(more.map(|more| signed(more, mb))));
    row.extend(parts.into_iter().map(|part| signed(part, mb)));
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::missed::tests::{package, results};
    use crate::results::{Footprint, Memory, Part, Resident};

    fn footprint(values: [f64; 5]) -> Footprint {
        let resident = |mb: f64| Resident { rss: mb * 1e6, pss: 0.0 };
        Footprint { mappings: Part::ALL.into_iter().zip(values.map(resident)).collect(), ..Footprint::default() }
    }

    #[test]
    fn the_worst_package_has_what_it_has_more_of() {
        let imports = |json: f64| {
            let peaks = |image: f64| [(Way::Pyc, 0.0, 0.0, 10e6), (Way::Image, 0.0, 0.0, image * 1e6)];
            Some(vec![package("json", &peaks(json)), package("rich", &peaks(10.8))])
        };
        let ways =
            [(Way::Pyc, footprint([5.0, 0.0, 0.0, 0.0, 4.0])), (Way::Image, footprint([4.5, 0.25, 1.0, 0.5, 4.0]))];
        let row = |name: &str, processes| Memory { name: name.to_owned(), processes, ways: ways.clone().into() };
        let text = |imports, rows| {
            let mut text = String::new();
            in_the_way(&mut text, &results(OnInterpreter { imports, memory: Some(rows), ..OnInterpreter::default() }));
            text
        };
        let line =
            "| 3.11.7 shared | json | 1.200 | 10.0 | +2.00 | −0.50 | +0.25 | +1.00 | +0.50 | +0.00 | +1.25 |\n\n";
        let found = text(imports(12.0), vec![row("rich", 1), row("json", 4), row("json", 1)]);
        assert!(found.ends_with(line) && !found.contains("| rich |"), "{found}");
        // What its memory is of was not read.
        assert_eq!(text(imports(12.0), vec![row("rich", 1), row("json", 4)]), "");
        assert!(text(imports(10.2), vec![row("rich", 1), row("json", 1)]).contains("| rich | 1.080 |"));
    }
}
