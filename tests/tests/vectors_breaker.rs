//! The vectors about circuits and windows, every one of them asserted or listed with a reason.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a vector that cannot be read is a failed test; any moment will do to start from"
)]

use std::num::{NonZeroU16, NonZeroU32};
use std::time::{Duration, Instant};

use buttress_breaker::{
    Admission, Circuit, CircuitOpen, CircuitState, Counts, Policy, SlowCalls, Window,
};
use buttress_core::{Kind, Outcome, Ratio};
use buttress_tests::{Verdict, suite};
use serde_json::Value;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn resilience4j_breaker() {
    const ONE_FAILURE: &str =
        "one failed probe opens ours again: theirs waits for all and takes a rate";
    const STUCK: &str = "ours leases the probes, for half a minute at least, and not the state";
    let listed = [
        ("half_open_75pct_failure_reopens", ONE_FAILURE),
        ("half_open_ignored_error_releases_permit", ONE_FAILURE),
        ("half_open_stuck_times_out_to_open", STUCK),
        ("half_open_stuck_times_out_to_closed", STUCK),
        ("defaults", "another project's defaults"),
    ];
    suite("resilience4j_breaker", &listed, |_, vector| {
        let config = &vector["config"];
        if vector["input"].is_object() {
            return ours_by_default(&vector["expected"]);
        }
        let open_wait = millis(&config["open_wait_ms"]).unwrap_or(SECOND);
        let policy = windowed(config)
            .failure_rate(percent(&config["failure_rate_threshold_pct"]))
            .minimum_calls(count(&config["minimum_calls"]))
            .open_wait(open_wait, open_wait)
            .slow_calls(slow_calls(config).map(|(time, rate)| SlowCalls::new(time, rate)));
        let policy = match config["half_open_permits"].as_u64() {
            Some(_) => policy.probes(count(&config["half_open_permits"])),
            None => policy,
        };
        run(policy, vector)
    });
}

#[test]
fn sliding_windows() {
    suite("sliding_windows", &[], |_, vector| {
        // A call is slow if it is called so.
        let slow = SlowCalls::counted(Duration::ZERO);
        run(windowed(&vector["config"]).slow_calls(Some(slow)), vector)
    });
}

#[test]
fn linkerd_breaker() {
    let listed = [(
        "consecutive_only_probe_is_lenient_to_429",
        "throttling says nothing of an upstream: ours gives the probe's place to the next call",
    )];
    suite("linkerd_breaker", &listed, |_, vector| {
        let config = &vector["config"];
        let seconds = |key: &str| config[key].as_u64().map(Duration::from_secs);
        let failures = config["max_consecutive_failures"].as_u64().unwrap_or(2);
        let policy = Policy::DEFAULT
            .consecutive_failures(NonZeroU32::new(u32::try_from(failures).unwrap()))
            .failure_rate(None)
            .open_wait(
                seconds("base_backoff_s").unwrap_or(SECOND),
                seconds("max_backoff_s").unwrap_or(SECOND),
            )
            .single_credential(config["policy"] == "unified");
        run(policy, vector)
    });
}

// ===== reading =====

fn millis(value: &Value) -> Option<Duration> {
    value.as_u64().map(Duration::from_millis)
}

fn percent(value: &Value) -> Option<Ratio> {
    value
        .as_f64()
        .map(|part| Ratio::try_new(part / 100.0).unwrap())
}

fn count(value: &Value) -> NonZeroU32 {
    NonZeroU32::new(u32::try_from(value.as_u64().unwrap()).unwrap()).unwrap()
}

fn slow_calls(config: &Value) -> Option<(Duration, Ratio)> {
    let longer_than = millis(&config["slow_call_duration_ms"])?;
    let rate = percent(&config["slow_call_rate_threshold_pct"])?;
    Some((longer_than, rate))
}

/// Counts in that window, and never opens.
fn windowed(config: &Value) -> Policy {
    let size = |key: &str| config[key].as_u64();
    let time = size("window_s").or(size("seconds")).or(size("sampling_s"));
    let calls = size("window_size").or(size("size"));
    let window = match (time, calls) {
        (Some(seconds), None) => Window::Time(Duration::from_secs(seconds)),
        (None, Some(calls)) => {
            Window::Calls(NonZeroU16::new(u16::try_from(calls).unwrap()).unwrap())
        }
        other => panic!("no window, or two: {other:?}"),
    };
    Policy::DEFAULT
        .consecutive_failures(None)
        .failure_rate(None)
        .minimum_calls(NonZeroU32::MAX)
        .window(window)
}

fn state(name: &str) -> CircuitState {
    match name {
        "CLOSED" | "open" => CircuitState::Closed, // the gate of the latter is open
        "OPEN" | "shut" => CircuitState::Open,
        "HALF_OPEN" | "limited(1)" => CircuitState::HalfOpen,
        "FORCED_OPEN" => CircuitState::ForcedOpen,
        other => panic!("{other} is no state"),
    }
}

/// An outcome, and how long the call took to it.
fn outcome(name: &str, duration: Option<Duration>) -> (Outcome, Option<Duration>) {
    let (name, took) = match name.split_once(':') {
        Some((name, millis)) => (name, Some(Duration::from_millis(millis.parse().unwrap()))),
        None => (name, duration),
    };
    let kind = match name.trim_start_matches("slow_") {
        "success" | "S" | "200" => Kind::Success,
        "error" | "failure" | "E" | "5xx" => Kind::Transient,
        "ignored" => Kind::Invalid,
        "429" => Kind::Throttled,
        other => panic!("{other} is no outcome"),
    };
    let took = match name.starts_with("slow_") {
        true => took.or(Some(SECOND)),
        false => duration,
    };
    (Outcome::new(kind), took)
}

// ===== running =====

/// The circuit, and one that never opens: what an open one has counted is forgotten.
struct Run {
    circuit: Circuit,
    counting: Circuit,
    now: Instant,
    probes: Vec<Admission>,
}

fn run(policy: Policy, vector: &Value) -> Verdict {
    let now = Instant::now();
    let slow = slow_calls(&vector["config"]).map_or(Duration::ZERO, |(longer_than, _)| longer_than);
    let counting = policy
        .consecutive_failures(None)
        .failure_rate(None)
        .slow_calls(Some(SlowCalls::counted(slow)));
    let mut run = Run {
        circuit: Circuit::new(policy, now),
        counting: Circuit::new(counting, now),
        now,
        probes: Vec::new(),
    };
    for step in vector["steps"].as_array().unwrap() {
        run.step(step)
            .map_err(|difference| format!("{difference} at {step}"))?;
        run.compare(step, &vector["config"])
            .map_err(|difference| format!("{difference} at {step}"))?;
    }
    Ok(())
}

impl Run {
    fn step(&mut self, step: &Value) -> Verdict {
        if let Some(pause) = millis(&step["advance_ms"]) {
            self.now += pause;
        }
        if let Some(pause) = step["advance_s"].as_u64() {
            self.now += Duration::from_secs(pause);
        }
        if let Some(calls) = step["record_each_second"].as_u64() {
            for _ in 0..calls {
                self.call("success", None);
                self.now += SECOND;
            }
        }
        if let Some(calls) = step["record"].as_array() {
            calls
                .iter()
                .for_each(|call| self.call(call.as_str().unwrap(), None));
        }
        let (what, duration) = (step["outcome"].as_str(), millis(&step["duration_ms"]));
        match step["do"].as_str() {
            None => what.into_iter().for_each(|name| self.call(name, duration)),
            Some("record") => self.call(what.unwrap(), duration),
            Some("record_many") => {
                let outcomes = step["outcomes"].as_str().unwrap();
                for one in outcomes.split_inclusive(|_: char| true) {
                    self.call(one, None);
                }
            }
            Some("advance_ms") => self.now += millis(&step["by"]).unwrap(),
            Some("expect") => {}
            Some("force_state") => self.force(state(step["state"].as_str().unwrap())),
            Some("wait_probation") => self.half_open(),
            Some("release_permission") => {
                let probe = self.probes.pop().unwrap();
                self.record(probe, &Outcome::new(Kind::Abandoned), None);
            }
            Some("try_acquire") => {
                let admitted = self.admit().map(|probe| self.probes.push(probe)).is_ok();
                if admitted != step["expect"].as_bool().unwrap() {
                    return Err(format!("admitted: {admitted}"));
                }
            }
            Some(outcome) => {
                let times = step["times"].as_u64().unwrap_or(1);
                (0..times).for_each(|_| self.call(outcome, None));
            }
        }
        Ok(())
    }

    fn admit(&mut self) -> Result<Admission, CircuitOpen> {
        self.circuit.admit(self.now, 0.0)
    }

    fn record(&mut self, call: Admission, outcome: &Outcome, took: Option<Duration>) {
        self.circuit.record(call, outcome, took, self.now, 0.0);
    }

    /// One call from beginning to end, or the end of one that was admitted before.
    fn call(&mut self, name: &str, duration: Option<Duration>) {
        let (outcome, took) = outcome(name, duration);
        let counted = self.counting.admit(self.now, 0.0).unwrap();
        self.counting.record(counted, &outcome, took, self.now, 0.0);
        let admitted = self.probes.pop().map_or_else(|| self.admit(), Ok);
        if let Ok(call) = admitted {
            self.record(call, &outcome, took);
        }
    }

    /// Leads it there, as far as nobody can tell it to go.
    fn force(&mut self, state: CircuitState) {
        match state {
            CircuitState::ForcedOpen => self.circuit.force_open(),
            CircuitState::Open => self.trip(),
            CircuitState::HalfOpen => self.half_open(),
            other => panic!("nobody forces it {other:?}"),
        }
    }

    fn trip(&mut self) {
        while self.circuit.state() != CircuitState::Open {
            let call = self.probes.pop().map_or_else(|| self.admit(), Ok).unwrap();
            self.record(call, &Outcome::new(Kind::Transient), None);
        }
        self.probes.clear();
    }

    /// Waits, and takes no probe's place.
    fn half_open(&mut self) {
        self.trip();
        self.now += self.circuit.left(self.now).unwrap();
        let probe = self.admit().unwrap();
        self.record(probe, &Outcome::new(Kind::Invalid), None);
    }

    /// All that ours counts, too. It counts neither refusals nor the sum of durations, and slow failures
    /// not beside slow calls.
    fn compare(&self, step: &Value, config: &Value) -> Verdict {
        let wanted = step["state"].as_str().or(step["gate"].as_str());
        // Told where to go, it is half-open when a call has asked.
        if let Some(wanted) = wanted.filter(|_| step["do"] != "force_state").map(state) {
            equal("state", self.circuit.state(), wanted)?;
        }
        let counts = self.counting.counts(self.now);
        let numbers = [
            ("total", counts.calls),
            ("buffered", counts.calls),
            ("throughput", counts.calls),
            ("ok", counts.successes()),
            ("failed", counts.failures),
            ("slow", counts.slow),
        ];
        for (name, ours) in numbers {
            if let Some(wanted) = step[name].as_u64() {
                equal(name, u64::from(ours), wanted)?;
            }
        }
        let minimum = config["minimum_calls"].as_u64().unwrap_or(0);
        let rate = |part: u32| match counts.calls {
            calls if u64::from(calls) < minimum => -1.0,
            calls => 100.0 * f64::from(part) / f64::from(calls),
        };
        let share = |name: &str| match step[name].as_f64() {
            // Some give it in hundredths, one as a share.
            Some(share) if config["sampling_s"].is_u64() => Some(share * 100.0),
            other => other,
        };
        for (name, ours) in [
            ("rate", rate(counts.failures)),
            ("failure_rate", rate(counts.failures)),
            ("slow_rate", rate(counts.slow)),
        ] {
            if share(name).is_some_and(|wanted| (ours - wanted).abs() > 1e-4) {
                return Err(format!("{name} is {ours}"));
            }
        }
        if let Some(wanted) = step["result"].as_str() {
            equal("result", verdict(counts, config), wanted)?;
        }
        Ok(())
    }
}

fn verdict(counts: Counts, config: &Value) -> &'static str {
    let threshold = percent(&config["failure_rate_threshold_pct"]).unwrap();
    if counts.calls < count(&config["minimum_calls"]).get() {
        "BELOW_MINIMUM"
    } else if threshold.is_reached(counts.failures, counts.calls) {
        "EXCEEDED"
    } else {
        "BELOW_THRESHOLDS"
    }
}

fn ours_by_default(expected: &Value) -> Verdict {
    let theirs = Policy::DEFAULT
        .failure_rate(percent(&expected["failure_rate_threshold_pct"]))
        .minimum_calls(count(&expected["minimum_calls"]))
        .probes(count(&expected["half_open_permits"]));
    equal("policy", Policy::DEFAULT, theirs)
}

fn equal<T: Copy + PartialEq + std::fmt::Debug>(what: &str, ours: T, wanted: T) -> Verdict {
    if ours == wanted {
        Ok(())
    } else {
        Err(format!("{what} is {ours:?} and not {wanted:?}"))
    }
}
