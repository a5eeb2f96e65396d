//! Landmark errors over time as a line chart (SVG), a panel for each data set.

use std::fmt::Write;

use crate::chart::escaped;

/// Size of a panel's plot, and the room around it for numbers and legend, px.
const PLOT: [f64; 2] = [520.0, 220.0];
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const BELOW: f64 = 40.0;
const LEGEND: f64 = 150.0;
/// Blue, orange, green, vermilion, purple: apart for colour-blind readers, on light and dark.
const COLOURS: [&str; 5] = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7"];

/// A line: its name and its points (seconds, error).
pub type Curve = (String, Vec<[f64; 2]>);

/// Draws one panel below the other, each with its heading and its curves. Text follows the colour scheme.
pub fn svg(panels: &[(String, Vec<Curve>)]) -> String {
    let height = TOP + PLOT[1] + BELOW;
    let width = LEFT + PLOT[0] + LEGEND;
    let total = height * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{total}\" viewBox=\"0 0 {width} {total}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <style>text {{ fill: #222 }} @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} }} polyline {{ fill: none; stroke-width: 2 }} .grid {{ stroke: #888; stroke-opacity: 0.4 }} .heading {{ font-weight: bold }}</style>\n"
    );
    for (row, (heading, curves)) in panels.iter().enumerate() {
        panel(&mut svg, row as f64 * height, heading, curves);
    }
    svg + "</svg>\n"
}

/// Draws a panel whose upper edge is at `y`.
fn panel(svg: &mut String, y: f64, heading: &str, curves: &[Curve]) {
    let points = || curves.iter().flat_map(|(_, points)| points);
    let end = points().map(|p| p[0]).fold(f64::EPSILON, f64::max);
    let [low, high] = [
        points().map(|p| p[1]).fold(f64::INFINITY, f64::min),
        points().map(|p| p[1]).fold(f64::EPSILON, f64::max),
    ];
    let room = ((high - low) * 0.1).max(1e-3);
    let [low, high] = [(low - room).max(0.0), high + room];
    let bottom = y + TOP + PLOT[1];
    let at = |seconds: f64, error: f64| {
        [
            LEFT + PLOT[0] * seconds / end,
            bottom - PLOT[1] * (error - low) / (high - low),
        ]
    };
    let _ = writeln!(
        svg,
        "<text class=\"heading\" x=\"{LEFT}\" y=\"{}\">{}: landmark error over seconds of training</text>",
        y + 20.0,
        escaped(heading)
    );
    for i in 0..=4 {
        let share = f64::from(i) / 4.0;
        let error = low + (high - low) * share;
        let [x, line] = at(end * share, error);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{line:.1}\" y2=\"{line:.1}\"/><text text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{error:.3}</text><text text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{:.0} s</text>",
            LEFT + PLOT[0],
            LEFT - 6.0,
            line + 4.0,
            bottom + 18.0,
            end * share
        );
    }
    for (i, (name, points)) in curves.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let line: Vec<String> = points
            .iter()
            .map(|p| {
                let [x, y] = at(p[0], p[1]);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let legend = y + TOP + 18.0 * (i as f64 + 1.0);
        let _ = writeln!(
            svg,
            "<polyline stroke=\"{colour}\" points=\"{}\"/><rect x=\"{}\" y=\"{}\" width=\"14\" height=\"4\" style=\"fill: {colour}\"/><text x=\"{}\" y=\"{legend}\">{}</text>",
            line.join(" "),
            LEFT + PLOT[0] + 12.0,
            legend - 6.0,
            LEFT + PLOT[0] + 32.0,
            escaped(name)
        );
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn svg_draws_every_curve_inside_its_panel() {
        let curve = |name: &str, errors: [f64; 2]| {
            let points = [[10.0, errors[0]], [20.0, errors[1]]];
            (name.to_string(), points.to_vec())
        };
        let curves = vec![curve("a & b", [0.08, 0.06]), curve("c", [0.07, 0.05])];
        let svg = super::svg(&[("hands".into(), curves)]);
        assert_eq!(svg.matches("<polyline").count(), 2, "{svg}");
        assert!(svg.contains("a &amp; b") && svg.contains(">20 s<"));
        let points = svg.split("points=\"").skip(1).flat_map(|part| {
            let list = part.split('"').next().unwrap_or_default();
            list.split([' ', ','])
                .map(|n| n.parse::<f64>().expect("a number"))
        });
        let all: Vec<f64> = points.collect();
        assert_eq!(all.len(), 8);
        for xy in all.chunks(2) {
            assert!((super::LEFT..=super::LEFT + super::PLOT[0]).contains(&xy[0]));
            assert!((super::TOP..=super::TOP + super::PLOT[1]).contains(&xy[1]));
        }
    }
}
