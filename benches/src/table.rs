//! The table, and the marks beside ours.

use std::io::{self, Write};

use crate::case::{Case, Role, Target};
use crate::measure::Cost;

/// A case, measured.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Who does what.
    pub case: &'a Case,
    /// What it takes, all told.
    pub cost: Cost,
}

/// Prints the rows as a Markdown table per group, each row but the first as a difference to the first.
/// Returns how often ours is over its target.
///
/// # Errors
/// Where nobody listens.
pub fn print(rows: &[Row<'_>], out: &mut impl Write) -> io::Result<usize> {
    let mut over = 0;
    for group in rows.chunk_by(|a, b| a.case.group == b.case.group) {
        let title = group[0].case.group.to_string();
        line(
            out,
            &title,
            &[
                "Ir",
                "allocs",
                "bytes",
                "clock reads",
                "ns",
                "future B",
                "2 threads",
            ],
            "target",
        )?;
        let rules = ["--:"; 7];
        line(out, "---", &rules, "---")?;
        let base = &group[0].cost;
        let floor = group.iter().find(|row| row.case.role == Role::Floor);
        let floor = floor.map_or(base, |row| &row.cost);
        for Row { case, cost } in group {
            let (name, mark) = match case.role {
                Role::Base => (format!("{} (absolute)", case.name), String::new()),
                Role::Floor => (format!("*{}*", case.name), String::new()),
                Role::Peer => (case.name.to_owned(), String::new()),
                Role::Ours(target) => {
                    let excess = excess(target, &cost.over(floor));
                    over += usize::from(!excess.is_empty());
                    (format!("**{}**", case.name), mark(&excess))
                }
            };
            let shown = if case.role == Role::Base {
                *cost
            } else {
                cost.over(base)
            };
            line(out, &name, &cells(&shown), &mark)?;
        }
        writeln!(out)?;
    }
    Ok(over)
}

/// By how much a cost over the floor is over the target. Instructions may exceed it by 5 %, or by 3:
/// unrelated code moves them by as much.
fn excess(target: Target, cost: &Cost) -> Vec<String> {
    let mut excess = Vec::new();
    let mut compare = |found: f64, limit: f64, slack: f64, unit: &str| {
        if found > limit + slack {
            excess.push(format!("{found:.0} {unit} > {limit:.0}"));
        }
    };
    if let Some(instructions) = cost.instructions {
        let slack = (target.instructions * 0.05).max(3.0);
        compare(instructions.count, target.instructions, slack, "Ir");
        if let Some(limit) = target.clock_reads {
            compare(instructions.clock_reads, limit, ROUNDING, "clock reads");
        }
    }
    compare(
        cost.allocations.count,
        target.allocations,
        ROUNDING,
        "allocs",
    );
    excess
}

fn mark(excess: &[String]) -> String {
    if excess.is_empty() {
        "ok".to_owned()
    } else {
        format!("over: {}", excess.join(", "))
    }
}

fn cells(cost: &Cost) -> [String; 7] {
    let none = || "-".to_owned();
    [
        cost.instructions.map_or_else(none, |i| whole(i.count)),
        number(cost.allocations.count),
        number(cost.allocations.bytes),
        cost.instructions
            .map_or_else(none, |i| number(i.clock_reads)),
        format!("{:.1}", cost.nanoseconds),
        cost.future_size.to_string(),
        cost.threads
            .map_or_else(none, |ratio| format!("{ratio:.2}")),
    ]
}

/// What is counted a thousand times over is off by what happens once.
const ROUNDING: f64 = 0.005;

fn number(value: f64) -> String {
    if (value - value.round()).abs() <= ROUNDING {
        whole(value)
    } else {
        format!("{value:.2}")
    }
}

/// Adding zero takes the sign off a negative one.
fn whole(value: f64) -> String {
    format!("{:.0}", value.round() + 0.0)
}

fn line(
    out: &mut impl Write,
    name: &str,
    cells: &[impl AsRef<str>; 7],
    mark: &str,
) -> io::Result<()> {
    write!(out, "| {name:<42} |")?;
    for cell in cells {
        write!(out, " {:>11} |", cell.as_ref())?;
    }
    writeln!(out, " {mark} |")
}
