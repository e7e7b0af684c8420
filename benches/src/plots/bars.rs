//! Bars in groups: ratios, with a line at 1.

use super::svg::{Anchor, GRID, INK, Key, Level, Svg, WANTED, legend_width, width_of};

/// Bars above this are cut off, and their value is written on them.
const HIGHEST: f64 = 2.5;

/// From the upper edge to the highest value.
const TOP: f64 = 104.0;
/// From the lowest value to the lower edge.
const BOTTOM: f64 = 44.0;
/// From the left edge to the values.
const LEFT: f64 = 62.0;
const HEIGHT: f64 = 440.0;

/// What labels of values that are wanted must be apart.
const APART: f64 = 13.0;

/// A plot of bars.
#[derive(Debug)]
pub struct Bars {
    /// What is shown.
    pub title: String,
    /// The axis of the values.
    pub axis: String,
    /// The bars of each group.
    pub names: Vec<Key>,
    /// Groups: a label, and a value for each name if there is one.
    pub groups: Vec<(String, Vec<Option<Bar>>)>,
    /// What is wanted.
    pub levels: Vec<Level>,
    /// Dots instead of bars: then the axis need not begin at 0.
    pub dots: bool,
}

/// A value, and the ends of its interval if it has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// The value.
    pub value: f64,
    /// Its interval.
    pub interval: Option<[f64; 2]>,
}

/// The axis of the values.
struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    /// Where a value is; at an end if it is outside.
    fn y(&self, value: f64) -> f64 {
        let part = (value.clamp(self.low, self.high) - self.low) / (self.high - self.low);
        HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)
    }
}

impl Bars {
    /// The file.
    pub fn svg(&self) -> String {
        let right = 20.0 + self.levels.iter().map(|level| width_of(&level.said, 11.0)).fold(0.0, f64::max);
        let bars = self.names.len() as f64;
        let group = (bars * 11.0 + 20.0).max(self.longest() * 7.0 + 12.0);
        let width = LEFT + group * self.groups.len() as f64 + right;
        let title = 9.2 * self.title.chars().count() as f64;
        let texts = legend_width(&self.names).max(title).max(width_of(&self.axis, 12.0));
        let width = width.max(texts + 40.0).max(640.0);
        let group = (width - LEFT - right) / self.groups.len().max(1) as f64;
        let scale = self.scale();
        let mut svg = Svg::new(width, HEIGHT, &self.title);
        svg.legend(20.0, 56.0, &self.names);
        svg.text([20.0, 76.0], Anchor::Start, 12.0, &self.axis);

        let mut tick = scale.low;
        while tick <= scale.high + 1e-9 {
            svg.line([LEFT, scale.y(tick), width - right, scale.y(tick)], GRID, 1.0);
            svg.text([LEFT - 8.0, scale.y(tick) + 4.0], Anchor::End, 12.0, &format!("{tick:.2}"));
            tick += scale.step;
        }
        for (index, (label, values)) in self.groups.iter().enumerate() {
            let middle = LEFT + group * (index as f64 + 0.5);
            let bar = ((group - 18.0) / bars).min(26.0);
            if self.dots && index > 0 {
                let x = middle - group / 2.0;
                svg.line([x, TOP, x, HEIGHT - BOTTOM], GRID, 1.0);
            }
            for (number, value) in values.iter().enumerate() {
                let Some(value) = value else { continue };
                let x = middle - bar * bars / 2.0 + bar * number as f64;
                self.value(&mut svg, &scale, [x, bar], *value, &self.names[number].1);
            }
            svg.text([middle, HEIGHT - BOTTOM + 20.0], Anchor::Middle, 12.5, label);
        }
        svg.line([LEFT, scale.y(1.0), width - right, scale.y(1.0)], INK, 1.5);
        svg.line([LEFT, scale.y(scale.low), width - right, scale.y(scale.low)], INK, 1.0);
        self.wanted(&mut svg, &scale, width - right);
        svg.finish()
    }

    /// One value, in a bar's place: `x` and its width.
    fn value(&self, svg: &mut Svg, scale: &Scale, [x, width]: [f64; 2], bar: Bar, colour: &str) {
        let Bar { value, interval } = bar;
        let (middle, y) = (x + width / 2.0, scale.y(value));
        if !self.dots {
            svg.rectangle([x + 0.75, y, width - 1.5, scale.y(scale.low) - y], colour);
        }
        if let Some([low, high]) = interval {
            let ink = if self.dots { colour } else { INK };
            svg.line([middle, scale.y(low), middle, scale.y(high)], ink, 1.0);
        }
        if self.dots {
            svg.dot([middle, y], colour);
        }
        if value > scale.high {
            svg.text([middle, scale.y(scale.high) - 4.0], Anchor::Middle, 10.0, &format!("{value:.1}"));
        }
    }

    /// Dashed lines, and to the right of them what they say.
    fn wanted(&self, svg: &mut Svg, scale: &Scale, right: f64) {
        let mut levels: Vec<&Level> = self.levels.iter().collect();
        levels.sort_by(|a, b| b.value.total_cmp(&a.value));
        let mut lowest = f64::NEG_INFINITY;
        for Level { value, said } in levels {
            let y = scale.y(*value);
            svg.dashes([LEFT, y, right, y], WANTED);
            let at = (y + 4.0).max(lowest + APART);
            svg.coloured([right + 6.0, at], Anchor::Start, 11.0, said, WANTED);
            lowest = at;
        }
    }

    fn scale(&self) -> Scale {
        let values = || self.groups.iter().flat_map(|(_, values)| values.iter().flatten().map(|bar| bar.value));
        let all = || values().chain(self.levels.iter().map(|level| level.value));
        let most = all().fold(1.1, f64::max).min(HIGHEST);
        let low = if self.dots { all().fold(1.0, f64::min) } else { 0.0 };
        let step = match most - low {
            range if range > 1.3 => 0.5,
            range if range > 0.7 || !self.dots => 0.25,
            _ => 0.1,
        };
        // A value at an end of the axis would be hard to see, and 0.1 is not what it seems to be.
        let (low, most) = ((low / step + 1e-9).floor() * step, (most / step - 1e-9).ceil() * step);
        Scale { low, high: most, step }
    }

    fn longest(&self) -> f64 {
        self.groups.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(first: Option<[f64; 2]>, levels: &[f64]) -> Bars {
        let bar = |value| Some(Bar { value, interval: None });
        let level = |value: &f64| Level { value: *value, said: format!("≤ {value}") };
        Bars {
            title: "t".to_owned(),
            axis: "ratio".to_owned(),
            names: vec![("one".to_owned(), "#000001".to_owned()), ("two".to_owned(), "#000002".to_owned())],
            groups: vec![
                ("a".to_owned(), vec![Some(Bar { value: 0.5, interval: first }), None]),
                ("b".to_owned(), vec![bar(7.25), bar(1.0)]),
            ],
            levels: levels.iter().map(level).collect(),
            dots: false,
        }
    }

    #[test]
    fn every_value_has_a_bar_and_large_ones_say_how_large() {
        let svg = bars(None, &[]).svg();
        // The background, two in the legend, three bars.
        assert_eq!(svg.matches("<rect").count(), 6);
        assert!(svg.contains(">7.2<") || svg.contains(">7.3<"), "{svg}");
        assert!(!svg.contains("stroke-dasharray"), "{svg}");
    }

    #[test]
    fn a_long_axis_has_room() {
        let width = |axis: String| -> f64 {
            let svg = Bars { axis, ..bars(None, &[]) }.svg();
            svg.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        assert_eq!(width("short".to_owned()), 640.0);
        assert!(width("x".repeat(120)) > 120.0 * 6.0);
    }

    #[test]
    fn an_interval_is_one_line_more() {
        let lines = |first| bars(first, &[]).svg().matches("<line").count();
        assert_eq!(lines(Some([0.4, 9.0])), lines(None) + 1);
    }

    #[test]
    fn what_is_wanted_says_so_beside_its_line_and_apart_from_others() {
        let svg = bars(None, &[0.97, 1.02]).svg();
        assert_eq!(svg.matches("stroke-dasharray").count(), 2);
        let y = |said: &str| -> f64 {
            let line = svg.lines().find(|line| line.contains(said)).unwrap();
            line.split("y=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        assert!(y("≤ 0.97") - y("≤ 1.02") >= APART - 0.1, "{svg}");
    }

    #[test]
    fn dots_need_no_axis_from_zero() {
        let mut bars = bars(None, &[0.97]);
        bars.dots = true;
        bars.groups.remove(1);
        let (scale, svg) = (bars.scale(), bars.svg());
        assert!(scale.low > 0.3 && scale.low <= 0.5 && scale.high >= 1.1, "{} {}", scale.low, scale.high);
        assert_eq!((svg.matches("<circle").count(), svg.matches("<rect").count()), (1, 3));
    }
}
