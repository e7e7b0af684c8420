//! The few elements of SVG that the plots are made of.

use std::fmt::Write;

/// Colours that people tell apart whatever they see of colours (Okabe and Ito).
const COLOURS: [u32; 8] = [0x0072b2, 0xe69f00, 0x009e73, 0xcc79a7, 0x56b4e9, 0xd55e00, 0x8c8c8c, 0xb8a800];

/// Text and axes.
pub const INK: &str = "#24292f";
/// What is wanted.
pub const WANTED: &str = "#b42318";
/// Lines that help to read.
pub const GRID: &str = "#d8dee4";

/// The colour of a number, the same in all plots.
pub fn colour(number: usize) -> String {
    shade(number, 1.0)
}

/// The same, paler: 1 is the whole colour, 0 is white.
pub fn shade(number: usize, strength: f64) -> String {
    let whole = COLOURS[number % COLOURS.len()];
    let part = |shift: u32| 255.0 - (255.0 - f64::from(whole >> shift & 0xff)) * strength;
    format!("#{:02x}{:02x}{:02x}", part(16).round() as u8, part(8).round() as u8, part(0).round() as u8)
}

/// A name in a legend, and its colour.
pub type Key = (String, String);

/// A value that is wanted: a dashed line across a plot, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Where.
    pub value: f64,
    /// What is wanted.
    pub said: String,
}

/// Where a text has its position.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    /// At its beginning.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

/// A picture that is being drawn. Coordinates are pixels from the upper left corner.
#[derive(Debug)]
pub struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    /// An empty one; `title` is also what a screen reader says.
    pub fn new(width: f64, height: f64, title: &str) -> Svg {
        let mut svg = Svg { width, height, body: format!("<title>{}</title>\n", escape(title)) };
        svg.rectangle([0.0, 0.0, width, height], "#ffffff");
        svg.text([20.0, 30.0], Anchor::Start, 17.0, title);
        svg
    }

    /// A filled rectangle: x, y, width, height.
    pub fn rectangle(&mut self, [x, y, w, h]: [f64; 4], colour: &str) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{colour}\"/>"
        );
    }

    /// A line from one point to another.
    pub fn line(&mut self, [x1, y1, x2, y2]: [f64; 4], colour: &str, width: f64) {
        let _ = writeln!(
            self.body,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        );
    }

    /// The same in dashes, thin.
    pub fn dashes(&mut self, [x1, y1, x2, y2]: [f64; 4], colour: &str) {
        let _ = writeln!(
            self.body,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"1.2\" \
             stroke-dasharray=\"6 4\"/>"
        );
    }

    /// A dot.
    pub fn dot(&mut self, [x, y]: [f64; 2], colour: &str) {
        let _ = writeln!(self.body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
    }

    /// A line through points, with a dot at each.
    pub fn path(&mut self, points: &[[f64; 2]], colour: &str) {
        let joined: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            self.body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            joined.join(" ")
        );
        for point in points {
            self.dot(*point, colour);
        }
    }

    /// A text.
    pub fn text(&mut self, at: [f64; 2], anchor: Anchor, size: f64, text: &str) {
        self.coloured(at, anchor, size, text, INK);
    }

    /// A text in a colour.
    pub fn coloured(&mut self, [x, y]: [f64; 2], anchor: Anchor, size: f64, text: &str, colour: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"{colour}\">{}</text>",
            escape(text)
        );
    }

    /// Names of colours in one row, the first at `x`.
    pub fn legend(&mut self, x: f64, y: f64, names: &[Key]) {
        let mut x = x;
        for (name, colour) in names {
            self.rectangle([x, y - 10.0, 12.0, 12.0], colour);
            self.text([x + 17.0, y], Anchor::Start, 13.0, name);
            x += in_legend(name);
        }
    }

    /// The file.
    pub fn finish(self) -> String {
        let Svg { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"system-ui, 'DejaVu Sans', Helvetica, Arial, sans-serif\" role=\"img\">\n{body}</svg>\n"
        )
    }
}

/// The width of a legend.
pub fn legend_width(names: &[Key]) -> f64 {
    names.iter().map(|(name, _)| in_legend(name)).sum()
}

/// Room for a text of this size, about.
pub fn width_of(text: &str, size: f64) -> f64 {
    0.58 * size * text.chars().count() as f64
}

fn in_legend(name: &str) -> f64 {
    17.0 + 7.3 * name.chars().count() as f64 + 18.0
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shade_is_between_the_colour_and_white() {
        assert_eq!((colour(0), colour(8)), ("#0072b2".to_owned(), "#0072b2".to_owned()));
        assert_eq!((shade(1, 1.0), shade(1, 0.0)), ("#e69f00".to_owned(), "#ffffff".to_owned()));
        assert_eq!(shade(1, 0.5), "#f3cf80");
    }

    #[test]
    fn names_cannot_break_the_file() {
        let mut svg = Svg::new(10.0, 10.0, "a < b & \"c\"");
        svg.text([1.0, 2.0], Anchor::End, 9.0, "</svg>");
        let text = svg.finish();
        assert_eq!(text.matches("</svg>").count(), 1);
        assert!(text.contains("a &lt; b &amp; &quot;c&quot;"));
    }
}
