//! The plot: a row for each trial, the layer without its budget to the left, with it to the right.

use crate::Trial;
use crate::clients::{WITH_BUDGET, WITHOUT_BUDGET};
use crate::panel::{CALLS, GOODPUT, HEIGHT, OFFERED, Panel, UPSTREAM, WIDTH, text};

const LEFT: f64 = 74.0;
const TOP: f64 = 200.0;
const COLUMN: f64 = WIDTH + 62.0;
const ROW: f64 = HEIGHT + 84.0;

const TITLE: &str = "What a retry budget is for";
const LEAD: &str = "Without it, retries triple the load of an outage, and keep a brown-out alive long \
    after its cause is gone.";
const CONDITIONS: &str = "Simulated: 1,000 calls a second, an upstream that can answer 1,200 of them, \
    up to 3 attempts of 1 s each, backoff from 500 ms with full jitter.";

/// Colours of Okabe and Ito, which the colour-blind can tell apart.
const STYLE: &str = "\
text { font: 13px 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif; fill: #222 }
.title { font-size: 22px; font-weight: bold }
.lead { font-size: 15px }
.head { font-size: 16px; font-weight: bold }
.verdict { font-size: 14px; font-weight: bold; stroke: #fff; stroke-width: 4px; paint-order: stroke }
.small { font-size: 12px; fill: #555 }
.middle { text-anchor: middle }
.end { text-anchor: end }
.trouble { fill: #e8e8e8 }
.grid { fill: none; stroke: #ccc; stroke-width: .7 }
.axis { fill: none; stroke: #555 }
polyline { fill: none; stroke-width: 2.2; stroke-linejoin: round }
polyline.upstream { stroke: #d55e00 }
polyline.goodput { stroke: #0072b2 }
polyline.offered { stroke: #000; stroke-width: 1.5; stroke-dasharray: 5 4 }
polygon.upstream { fill: #d55e00; fill-opacity: .3 }
polygon.goodput { fill: #0072b2; fill-opacity: .2 }
";

/// An SVG of the trials.
pub(crate) fn plot(trials: &[Trial]) -> String {
    let mut drawn = heading();
    let most = most(trials);
    let mut top = TOP;
    for trial in trials {
        drawn += &text("lead", LEFT, top - 24.0, trial.name);
        for (column, client) in [(LEFT, WITHOUT_BUDGET), (LEFT + COLUMN, WITH_BUDGET)] {
            let panel = Panel {
                left: column,
                top,
                most,
            };
            drawn += &panel.draw(&trial.runs[client]);
            let middle = column + WIDTH / 2.0;
            drawn += &text("small middle", middle, top + HEIGHT + 34.0, "seconds");
        }
        drawn += &upwards(22.0, top + HEIGHT / 2.0, "calls per second");
        top += ROW;
    }
    let (width, height) = (LEFT + COLUMN + WIDTH + 24.0, top - ROW + HEIGHT + 48.0);
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' \
         width='{width}' height='{height}'>\n<title>{TITLE}</title>\n\
         <style>\n{STYLE}</style>\n<rect width='{width}' height='{height}' fill='#fff'/>\n\
         {drawn}</svg>\n"
    )
}

/// One scale for all panels, or they could not be compared.
fn most(trials: &[Trial]) -> f64 {
    let shown = trials
        .iter()
        .flat_map(|trial| [&trial.runs[WITHOUT_BUDGET], &trial.runs[WITH_BUDGET]]);
    let seconds = shown.flat_map(|run| run.seconds());
    let most = seconds.map(|second| second.upstream).max().unwrap_or(0);
    (f64::from(most) / CALLS).ceil() * CALLS
}

fn heading() -> String {
    let mut drawn = text("title", LEFT, 36.0, TITLE);
    drawn += &text("lead", LEFT, 60.0, LEAD);
    drawn += &text("small", LEFT, 80.0, CONDITIONS);
    let mut x = LEFT;
    for series in [UPSTREAM, GOODPUT, OFFERED] {
        let (class, to) = (series.class, x + 30.0);
        drawn += &format!("<polyline class='{class}' points='{x},105 {to},105'/>\n");
        drawn += &text("", x + 38.0, 109.5, series.name);
        x += 300.0;
    }
    drawn += &text("head", LEFT, 150.0, "Retries without a budget");
    drawn += &text(
        "head",
        LEFT + COLUMN,
        150.0,
        "The same with the default budget",
    );
    drawn
}

fn upwards(x: f64, y: f64, what: &str) -> String {
    format!("<text class='small middle' transform='translate({x} {y}) rotate(-90)'>{what}</text>\n")
}
