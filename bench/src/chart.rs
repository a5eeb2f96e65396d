//! The report as a bar chart (SVG): percent of the peak, and speed-up over others.

use std::fmt::Write;

use crate::findings::geometric_mean;
use crate::report::Report;

/// Left end and greatest length of the bars, px.
const LEFT: f64 = 310.0;
const LENGTH: f64 = 400.0;
const ROW: f64 = 20.0;

/// A group of bars under a heading, on a scale of their own.
struct Panel {
    heading: &'static str,
    unit: &'static str,
    /// Names and values.
    bars: Vec<(String, f64)>,
}

/// Draws the chart. Text follows the colour scheme; bars are readable on light and dark.
pub fn svg(report: &Report) -> String {
    let panels = panels(report);
    let rows: usize = panels.iter().map(|panel| panel.bars.len() + 2).sum();
    let (width, height) = (LEFT + LENGTH + 80.0, ROW * (rows as f64 + 1.0));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <style>text {{ fill: #222 }} @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} }} rect {{ fill: #5b74d6 }} .name {{ text-anchor: end }} .heading {{ font-weight: bold }}</style>\n"
    );
    let mut y = ROW;
    for panel in panels {
        let _ = writeln!(
            svg,
            "<text class=\"heading\" x=\"10\" y=\"{y}\">{}</text>",
            panel.heading
        );
        let most = panel.bars.iter().map(|bar| bar.1).fold(1e-9, f64::max);
        for (name, value) in &panel.bars {
            y += ROW;
            let length = LENGTH * value / most;
            let _ = writeln!(
                svg,
                "<text class=\"name\" x=\"{:.0}\" y=\"{y}\">{}</text><rect x=\"{LEFT}\" y=\"{:.0}\" width=\"{length:.1}\" height=\"13\" rx=\"2\"/><text x=\"{:.1}\" y=\"{y}\">{value:.1}{}</text>",
                LEFT - 8.0,
                escaped(name),
                y - 11.0,
                LEFT + length + 6.0,
                panel.unit
            );
        }
        y += 2.0 * ROW;
    }
    svg + "</svg>\n"
}

fn panels(report: &Report) -> Vec<Panel> {
    let mut convolutions = Vec::new();
    let mut steps = Vec::new();
    let mut times = Vec::new();
    for run in &report.runs {
        let environment = &run.environment;
        if let Some(conv) = &run.conv3x3 {
            convolutions.extend([
                (format!("{environment}, forward"), conv.forward_percent),
                (
                    format!("{environment}, input gradient"),
                    conv.input_grad_percent,
                ),
                (
                    format!("{environment}, weight gradient"),
                    conv.weight_grad_percent,
                ),
            ]);
            let all = geometric_mean(conv.speedup_vs_burn.into_iter());
            times.push((format!("{environment}, 3x3 convolution over Burn"), all));
        }
        for (preset, step) in &run.steps {
            steps.push((format!("{environment}, {preset}"), step.percent_of_peak));
            let ratios = [
                ("Burn", step.speedup_vs_burn),
                ("TensorFlow.js", step.speedup_vs_tfjs),
            ];
            times.extend(ratios.into_iter().filter_map(|(name, times)| {
                Some((format!("{environment}, {preset} over {name}"), times?))
            }));
        }
    }
    let panel = |heading, unit, mut bars: Vec<(String, f64)>| {
        bars.retain(|bar| bar.1.is_finite());
        Panel {
            heading,
            unit,
            bars,
        }
    };
    vec![
        panel("3x3 convolutions, % of the peak", "%", convolutions),
        panel("Training step, % of the peak", "%", steps),
        panel("Speed-up", "x", times),
    ]
}

/// Escapes text for SVG.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use crate::report::tests::sample;

    #[test]
    fn svg_has_a_bar_for_every_figure() {
        let svg = super::svg(&sample());
        // Three passes, a step, and two comparisons with Burn.
        assert_eq!(svg.matches("<rect").count(), 6, "{svg}");
        assert!(svg.contains("native-lavapipe, forward") && svg.ends_with("</svg>\n"));
    }
}
