//! One panel of the plot: a run, with its axes and what there is to say about it.

use buttress_testkit::outage::{LENGTH, Run, Second, Trouble};

use crate::table::recovery;

/// Where a panel is, and how many calls a second its upper edge stands for.
#[derive(Clone, Copy)]
pub(crate) struct Panel {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) most: f64,
}

/// A line of the plot; its class says how it looks.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) class: &'static str,
    of: fn(&Second) -> u32,
}

pub(crate) const UPSTREAM: Series = Series {
    name: "upstream load, with the retries",
    class: "upstream",
    of: |second| second.upstream,
};
pub(crate) const OFFERED: Series = Series {
    name: "offered load",
    class: "offered",
    of: |second| second.offered,
};
pub(crate) const GOODPUT: Series = Series {
    name: "goodput: answers that come in time",
    class: "goodput",
    of: |second| second.goodput,
};

const NOTHING: Series = Series {
    name: "",
    class: "",
    of: |_| 0,
};

pub(crate) const WIDTH: f64 = 410.0;
pub(crate) const HEIGHT: f64 = 190.0;
/// A line across for so many calls a second, and a tick for so many seconds.
pub(crate) const CALLS: f64 = 1_000.0;
const SECONDS: f64 = 10.0;

impl Panel {
    pub(crate) fn draw(self, run: &Run) -> String {
        // What is drawn later lies on top.
        [
            self.trouble(run),
            self.axes(),
            self.between(run, &OFFERED, &UPSTREAM),
            self.between(run, &NOTHING, &GOODPUT),
            self.line(run, &UPSTREAM),
            self.line(run, &GOODPUT),
            self.line(run, &OFFERED),
            self.verdict(run),
        ]
        .concat()
    }

    /// The shaded window.
    fn trouble(self, run: &Run) -> String {
        let during = run.scenario().during();
        let from = self.x(during.start.as_secs_f64());
        let to = self.x(during.end.as_secs_f64());
        let what = match run.scenario().trouble() {
            Trouble::Fails(_) => "upstream down",
            Trouble::Slows(_) => "upstream slow",
        };
        let (top, width) = (self.top, to - from);
        let window = format!(
            "<rect class='trouble' x='{from:.1}' y='{top}' width='{width:.1}' height='{HEIGHT}'/>\n"
        );
        window + &text("small middle", from.midpoint(to), top - 5.0, what)
    }

    fn axes(self) -> String {
        let Self { left, top, most } = self;
        let bottom = top + HEIGHT;
        let mut drawn = String::new();
        for calls in ticks(CALLS, most) {
            let y = self.y(calls);
            drawn += &format!("<path class='grid' d='M{left} {y:.1}h{WIDTH}'/>\n");
            drawn += &text("small end", left - 7.0, y + 4.0, &thousands(calls));
        }
        drawn += &format!("<path class='axis' d='M{left} {bottom}h{WIDTH}'/>\n");
        for second in ticks(SECONDS, LENGTH.as_secs_f64()) {
            let x = self.x(second);
            drawn += &format!("<path class='axis' d='M{x:.1} {bottom}v4'/>\n");
            drawn += &text("small middle", x, bottom + 17.0, &second.to_string());
        }
        drawn
    }

    /// What lies between two lines, in the colour of the upper one.
    fn between(self, run: &Run, lower: &Series, upper: &Series) -> String {
        let there = self.points(run, lower);
        let back: Vec<_> = self.points(run, upper).into_iter().rev().collect();
        format!(
            "<polygon class='{}' points='{} {}'/>\n",
            upper.class,
            there.join(" "),
            back.join(" ")
        )
    }

    fn line(self, run: &Run, series: &Series) -> String {
        let points = self.points(run, series).join(" ");
        format!("<polyline class='{}' points='{points}'/>\n", series.class)
    }

    /// Each second in its middle.
    fn points(self, run: &Run, series: &Series) -> Vec<String> {
        let middles = (0_u32..).map(|second| f64::from(second) + 0.5);
        let points = middles.zip(run.seconds()).map(|(middle, second)| {
            let (x, y) = (self.x(middle), self.y((series.of)(second).into()));
            format!("{x:.1},{y:.1}")
        });
        points.collect()
    }

    /// In words, in the corner that is free.
    fn verdict(self, run: &Run) -> String {
        let right = self.left + WIDTH - 6.0;
        let worst = format!("up to {:.2} × the load", run.worst_amplification());
        text("verdict end", right, self.top + 20.0, &worst)
            + &text("verdict end", right, self.top + 38.0, &recovery(run))
    }

    fn x(self, seconds: f64) -> f64 {
        self.left + WIDTH * seconds / LENGTH.as_secs_f64()
    }

    fn y(self, calls: f64) -> f64 {
        self.top + HEIGHT - HEIGHT * calls / self.most
    }
}

pub(crate) fn text(class: &str, x: f64, y: f64, what: &str) -> String {
    format!("<text class='{class}' x='{x:.1}' y='{y:.1}'>{what}</text>\n")
}

fn ticks(step: f64, last: f64) -> impl Iterator<Item = f64> {
    let all = (0_u32..).map(move |tick| step * f64::from(tick));
    all.take_while(move |tick| *tick <= last)
}

/// A multiple of a thousand, as people write it.
fn thousands(calls: f64) -> String {
    match calls / 1_000.0 {
        none if none < 1.0 => "0".to_owned(),
        thousands => format!("{thousands},000"),
    }
}
