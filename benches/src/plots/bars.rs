//! Bars in groups: ratios, with a line at 1.

use super::svg::{Anchor, COLOURS, GRID, INK, Svg};

/// Bars above this are cut off, and their value is written on them.
const HIGHEST: f64 = 2.5;

/// A plot of bars.
#[derive(Debug)]
pub struct Bars {
    /// What is shown.
    pub title: String,
    /// The axis of the values.
    pub axis: String,
    /// The bars of each group: a name, and the number of a colour that it has in all plots.
    pub names: Vec<(String, usize)>,
    /// Groups: a label, and a value for each name if there is one.
    pub groups: Vec<(String, Vec<Option<f64>>)>,
}

impl Bars {
    /// The file.
    pub fn svg(&self) -> String {
        let (left, top, bottom, height) = (62.0, 104.0, 44.0, 440.0);
        let bars = self.names.len() as f64;
        let group = (bars * 16.0 + 22.0).max(self.longest() * 7.0 + 12.0);
        let width = (left + group * self.groups.len() as f64 + 20.0).max(640.0);
        let group = (width - left - 20.0) / self.groups.len().max(1) as f64;
        let mut svg = Svg::new(width, height, &self.title);
        svg.legend(20.0, 56.0, &self.names);
        svg.text([20.0, 76.0], Anchor::Start, 12.0, &self.axis);

        let values = self.groups.iter().flat_map(|(_, values)| values.iter().flatten());
        let most = values.fold(1.1_f64, |most, &value| most.max(value)).min(HIGHEST);
        let step = if most > 1.3 { 0.5 } else { 0.25 };
        let most = (most / step).ceil() * step;
        let y = |value: f64| height - bottom - value.min(most) / most * (height - bottom - top);
        let mut tick = 0.0;
        while tick <= most + 1e-9 {
            svg.line([left, y(tick), width - 20.0, y(tick)], GRID, 1.0);
            svg.text([left - 8.0, y(tick) + 4.0], Anchor::End, 12.0, &format!("{tick:.2}"));
            tick += step;
        }
        for (index, (label, values)) in self.groups.iter().enumerate() {
            let middle = left + group * (index as f64 + 0.5);
            let bar = ((group - 18.0) / bars).min(26.0);
            for (number, value) in values.iter().enumerate() {
                let Some(value) = *value else { continue };
                let x = middle - bar * bars / 2.0 + bar * number as f64;
                let colour = COLOURS[self.names[number].1 % COLOURS.len()];
                svg.rectangle([x + 0.75, y(value), bar - 1.5, y(0.0) - y(value)], colour);
                if value > most {
                    svg.text([x + bar / 2.0, y(most) - 4.0], Anchor::Middle, 10.0, &format!("{value:.1}"));
                }
            }
            svg.text([middle, height - bottom + 20.0], Anchor::Middle, 12.5, label);
        }
        svg.line([left, y(1.0), width - 20.0, y(1.0)], INK, 1.5);
        svg.line([left, y(0.0), width - 20.0, y(0.0)], INK, 1.0);
        svg.finish()
    }

    fn longest(&self) -> f64 {
        self.groups.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_bar_and_large_ones_say_how_large() {
        let bars = Bars {
            title: "t".to_owned(),
            axis: "ratio".to_owned(),
            names: vec![("one".to_owned(), 0), ("two".to_owned(), 3)],
            groups: vec![("a".to_owned(), vec![Some(0.5), None]), ("b".to_owned(), vec![Some(7.25), Some(1.0)])],
        };
        let svg = bars.svg();
        // The background, two in the legend, three bars.
        assert_eq!(svg.matches("<rect").count(), 6);
        assert!(svg.contains(">7.2<") || svg.contains(">7.3<"), "{svg}");
    }
}
