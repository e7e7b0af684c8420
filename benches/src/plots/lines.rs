//! Lines with logarithmic axes.

use super::svg::{Anchor, GRID, INK, Level, Svg, WANTED, colour, width_of};

/// A plot of lines. All numbers are above zero.
#[derive(Debug)]
pub struct Lines {
    /// What is shown.
    pub title: String,
    /// The horizontal axis.
    pub across: String,
    /// The vertical axis.
    pub up: String,
    /// Lines: a name, and points.
    pub lines: Vec<(String, Vec<[f64; 2]>)>,
    /// What is wanted of the vertical axis.
    pub levels: Vec<Level>,
}

/// Powers of ten that hold all values.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let (low, high) = (low.log10().floor(), high.log10().ceil());
    (low, if high > low { high } else { low + 1.0 })
}

impl Lines {
    /// The file.
    pub fn svg(&self) -> String {
        let (left, right, top, bottom, width, height) = (70.0, 190.0, 70.0, 56.0, 760.0, 420.0);
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let (x0, x1) = range(points().map(|p| p[0]));
        let (y0, y1) = range(points().map(|p| p[1]).chain(self.levels.iter().map(|level| level.value)));
        let at = |[x, y]: [f64; 2]| {
            [
                left + (x.log10() - x0) / (x1 - x0) * (width - left - right),
                height - bottom - (y.log10() - y0) / (y1 - y0) * (height - bottom - top),
            ]
        };
        let mut svg = Svg::new(width, height, &self.title);
        svg.text([20.0, 56.0], Anchor::Start, 12.0, &self.up);
        svg.text([(left + width - right) / 2.0, height - 14.0], Anchor::Middle, 12.0, &self.across);
        for power in x0 as i32..=x1 as i32 {
            let [x, _] = at([10_f64.powi(power), 1.0]);
            svg.line([x, top, x, height - bottom], GRID, 1.0);
            svg.text([x, height - bottom + 18.0], Anchor::Middle, 12.0, &format!("{}", 10_f64.powi(power)));
        }
        for power in y0 as i32..=y1 as i32 {
            let [_, y] = at([1.0, 10_f64.powi(power)]);
            svg.line([left, y, width - right, y], GRID, 1.0);
            svg.text([left - 8.0, y + 4.0], Anchor::End, 12.0, &format!("{}", 10_f64.powi(power)));
        }
        svg.line([left, height - bottom, width - right, height - bottom], INK, 1.0);
        svg.line([left, top, left, height - bottom], INK, 1.0);
        for (number, (name, points)) in self.lines.iter().enumerate() {
            let colour = colour(number);
            svg.path(&points.iter().map(|&point| at(point)).collect::<Vec<_>>(), &colour);
            let y = top + 10.0 + 20.0 * number as f64;
            svg.rectangle([width - right + 16.0, y - 10.0, 12.0, 12.0], &colour);
            svg.text([width - right + 33.0, y], Anchor::Start, 13.0, name);
        }
        for Level { value, said } in &self.levels {
            let [_, y] = at([1.0, *value]);
            svg.dashes([left, y, width - right, y], WANTED);
            // Helping lines do not run through the text.
            svg.rectangle([left + 5.0, y + 3.0, width_of(said, 12.0) + 6.0, 15.0], "#ffffff");
            svg.coloured([left + 8.0, y + 14.0], Anchor::Start, 12.0, said, WANTED);
        }
        svg.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_inside() {
        assert_eq!(range([0.05, 8.0].into_iter()), (-2.0, 1.0));
        assert_eq!(range([100.0].into_iter()), (2.0, 3.0));
        let lines = vec![("a".to_owned(), vec![[10.0, 0.05], [8000.0, 8.0]])];
        let plot =
            Lines { title: "t".to_owned(), across: "x".to_owned(), up: "y".to_owned(), lines, levels: Vec::new() };
        let svg = plot.svg();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains(">0.01<") && svg.contains(">10000<"), "{svg}");
    }

    #[test]
    fn what_is_wanted_is_inside_too() {
        let lines = vec![("a".to_owned(), vec![[10.0, 0.05], [8000.0, 0.5]])];
        let levels = vec![Level { value: 8.0, said: "≤ 8 s".to_owned() }];
        let plot = Lines { title: "t".to_owned(), across: "x".to_owned(), up: "y".to_owned(), lines, levels };
        let svg = plot.svg();
        assert!(
            svg.matches("stroke-dasharray").count() == 1 && svg.contains(">≤ 8 s<") && svg.contains(">10<"),
            "{svg}"
        );
    }
}
