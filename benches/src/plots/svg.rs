//! The few elements of SVG that the plots are made of.

use std::fmt::Write;

/// Colours that people tell apart whatever they see of colours (Okabe and Ito).
pub const COLOURS: [&str; 8] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c", "#b8a800"];

/// Text and axes.
pub const INK: &str = "#24292f";
/// Lines that help to read.
pub const GRID: &str = "#d8dee4";

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

    /// A line through points, with a dot at each.
    pub fn path(&mut self, points: &[[f64; 2]], colour: &str) {
        let joined: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            self.body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            joined.join(" ")
        );
        for [x, y] in points {
            let _ = writeln!(self.body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
        }
    }

    /// A text.
    pub fn text(&mut self, [x, y]: [f64; 2], anchor: Anchor, size: f64, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"{INK}\">{}</text>",
            escape(text)
        );
    }

    /// Names of colours in one row, the first at `x`.
    pub fn legend(&mut self, x: f64, y: f64, names: &[(String, usize)]) {
        let mut x = x;
        for (name, number) in names {
            let colour = COLOURS[number % COLOURS.len()];
            self.rectangle([x, y - 10.0, 12.0, 12.0], colour);
            self.text([x + 17.0, y], Anchor::Start, 13.0, name);
            x += 17.0 + 7.3 * name.chars().count() as f64 + 18.0;
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

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_file() {
        let mut svg = Svg::new(10.0, 10.0, "a < b & \"c\"");
        svg.text([1.0, 2.0], Anchor::End, 9.0, "</svg>");
        let text = svg.finish();
        assert_eq!(text.matches("</svg>").count(), 1);
        assert!(text.contains("a &lt; b &amp; &quot;c&quot;"));
    }
}
