//! The plots of a report.

use crate::plots::{Bars, Lines};
use crate::report::ratios::{self, IMPORT, Of, PEAK, PROCESS, mean, plain};
use crate::report::short;
use crate::results::{Measured, OnInterpreter, Results, Way};
use crate::statistics::median;

/// A plot.
#[derive(Debug)]
pub struct Figure {
    /// The file's name.
    pub file: String,
    /// What is shown.
    pub title: String,
    /// The interpreter that it is of; all, if `None`.
    pub label: Option<String>,
    /// The file.
    pub svg: String,
}

/// All plots for which there are values.
pub fn all(results: &Results) -> Vec<Figure> {
    let mut all = Vec::new();
    all.extend(overview(results));
    all.extend(scale(results, "Time to build an image", "build-time.svg", "seconds", |built| median(&built.seconds)));
    all.extend(scale(results, "Memory to build an image", "build-memory.svg", "MB, peak RSS", |built| {
        median(&built.peak) / 1e6
    }));
    for on in &results.interpreters {
        let rows: Vec<&Measured> = ratios::imports(on).collect();
        all.extend(ways(on, &rows, IMPORT, "Import time", "import"));
        let rows: Vec<&Measured> = on.imports.iter().flatten().collect();
        all.extend(ways(on, &rows, PEAK, "Peak RSS", "peak"));
        let rows: Vec<&Measured> = on.commands.iter().flatten().collect();
        all.extend(ways(on, &rows, PROCESS, "Commands, time from start to end", "commands"));
        all.extend(memory(on));
    }
    all
}

/// Each has its colour in all plots.
const COMPARED: [Way; 6] = [Way::Image, Way::Cds, Way::Zip, Way::Limit, Way::Paused, Way::InPlace];

/// Groups without any value, and colours that no group has, are left out.
fn bars(
    file: String,
    title: String,
    axis: &str,
    label: Option<&str>,
    names: &[String],
    groups: Vec<(String, Vec<Option<f64>>)>,
) -> Option<Figure> {
    let groups: Vec<_> = groups.into_iter().filter(|(_, values)| values.iter().any(Option::is_some)).collect();
    let used = |index: &usize| groups.iter().any(|(_, values)| values[*index].is_some());
    let kept: Vec<usize> = (0..names.len()).filter(used).collect();
    if kept.is_empty() {
        return None;
    }
    let bars = Bars {
        title: title.clone(),
        axis: axis.to_owned(),
        names: kept.iter().map(|&index| (names[index].clone(), index)).collect(),
        groups: groups
            .iter()
            .map(|(label, values)| (label.clone(), kept.iter().map(|&index| values[index]).collect()))
            .collect(),
    };
    Some(Figure { file, title, label: label.map(str::to_owned), svg: bars.svg() })
}

fn titles() -> Vec<String> {
    COMPARED.map(|way| way.title().to_owned()).into()
}

fn overview(results: &Results) -> Option<Figure> {
    let group = |on: &OnInterpreter| {
        let ratio = |way| mean(&ratios::all(on, way, Way::Pyc, IMPORT));
        (short(&on.label), COMPARED.map(ratio).into())
    };
    let title = "Import time, geometric mean over the packages that work this way".to_owned();
    let axis = "relative to .pyc; less is better";
    bars("overview.svg".to_owned(), title, axis, None, &titles(), results.interpreters.iter().map(group).collect())
}

fn ways(on: &OnInterpreter, rows: &[&Measured], of: Of, title: &str, file: &str) -> Option<Figure> {
    let group = |row: &&Measured| (row.name.clone(), COMPARED.map(|way| plain(row, way, Way::Pyc, of)).into());
    let groups = rows.iter().map(group).collect();
    let title = format!("{title}, CPython {}", short(&on.label));
    let axis = "relative to .pyc; less is better";
    bars(format!("{file}-{}.svg", on.label), title, axis, Some(&on.label), &titles(), groups)
}

fn memory(on: &OnInterpreter) -> Option<Figure> {
    let rows = on.memory.as_ref()?;
    let mut counts: Vec<usize> = rows.iter().map(|row| row.processes).collect();
    counts.sort_unstable();
    counts.dedup();
    let mut groups: Vec<(String, Vec<Option<f64>>)> = Vec::new();
    for row in rows {
        if groups.last().is_none_or(|(name, _)| *name != row.name) {
            groups.push((row.name.clone(), vec![None; counts.len()]));
        }
        let column = counts.iter().position(|count| *count == row.processes)?;
        groups.last_mut()?.1[column] = ratios::memory(row, Way::Image, |f| &f.pss);
    }
    let name = |count: &usize| if *count == 1 { "1 process".to_owned() } else { format!("{count} processes") };
    let names: Vec<String> = counts.iter().map(name).collect();
    let title = format!("PSS of a process with the image, CPython {}", short(&on.label));
    let axis = "relative to .pyc, average of the processes; less is better";
    bars(format!("memory-{}.svg", on.label), title, axis, Some(&on.label), &names, groups)
}

fn scale(
    results: &Results,
    title: &str,
    file: &str,
    up: &str,
    of: fn(&crate::results::Built) -> f64,
) -> Option<Figure> {
    let line = |on: &OnInterpreter| {
        let images = &on.scale.as_ref()?.images;
        Some((short(&on.label), images.iter().map(|i| [i.count as f64, of(&i.built)]).collect()))
    };
    let lines: Vec<(String, Vec<[f64; 2]>)> = results.interpreters.iter().filter_map(line).collect();
    let plot = Lines { title: title.to_owned(), across: "modules".to_owned(), up: up.to_owned(), lines };
    let figure = |svg| Figure { file: file.to_owned(), title: title.to_owned(), label: None, svg };
    (!plot.lines.is_empty()).then(|| figure(plot.svg()))
}
