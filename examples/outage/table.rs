//! What was counted, for the terminal.

use std::time::Duration;

use buttress_testkit::outage::{Run, Second};

use crate::Trial;
use crate::clients::CLIENTS;

pub(crate) const INTRODUCTION: &str = "\
For a minute 1,000 calls a second, whether or not anything comes back, to an upstream that can answer 1,200
of them and whose queue holds 2,000. Each attempt may take 1 s. The trouble starts in second 10.

  load       calls to the upstream, as a multiple of the calls offered: in the worst second, on average
             during the trouble, and on average after it
  goodput    callers who got their answer, as a share of the calls offered, during the trouble and after it;
             it exceeds 100 % where calls from before are answered late
  recovers   how long after the trouble the last call came that was lost";

const HEAD: &str = "
                            calls     calls |  load                | goodput         |
                          offered  upstream | worst  during  after |  during   after |
";

/// A line for each client.
pub(crate) fn table(trial: &Trial) -> String {
    let mut text = format!("{}{HEAD}", trial.name);
    for (client, run) in CLIENTS.iter().zip(&trial.runs) {
        let total: Second = run.seconds().iter().sum();
        let during: Second = run.during().iter().sum();
        let after: Second = run.after().iter().sum();
        text += &format!(
            "  {:<22} {:>8} {:>9} | {:>5.2} {:>7.2} {:>6.2} | {:>6.1}% {:>6.1}% | {}\n",
            client.name,
            total.offered,
            total.upstream,
            run.worst_amplification(),
            during.amplification(),
            after.amplification(),
            percent(during),
            percent(after),
            recovery(run),
        );
    }
    text
}

/// In words, how long it took.
pub(crate) fn recovery(run: &Run) -> String {
    match run.recovered_after() {
        None => "never recovers".to_owned(),
        Some(Duration::ZERO) => "recovers at once".to_owned(),
        Some(time) => format!("recovers after {} s", time.as_secs()),
    }
}

fn percent(seconds: Second) -> f64 {
    100.0 * seconds.success()
}
