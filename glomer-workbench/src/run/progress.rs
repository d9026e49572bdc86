//! The live line that shows how a run goes, and what is said above it.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::engine::Status;
use crate::say::tell;

/// A line on standard error that is redrawn, if that is a terminal.
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    /// What the lines begin with that one of several runs tells. The live line is of all runs.
    of: Option<String>,
    /// Operations at an earlier moment, for the rate.
    before: Option<(Instant, u64)>,
    rate: f64,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("quiet", &self.quiet)
            .field("of", &self.of)
            .finish_non_exhaustive()
    }
}

impl Progress {
    /// How often the line is worth redrawing.
    pub const INTERVAL: Duration = Duration::from_millis(200);

    /// Makes a line; a quiet one is never drawn.
    pub fn new(quiet: bool) -> Progress {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{wide_msg}").expect("the template is right"));
        Progress {
            bar,
            quiet,
            of: None,
            before: None,
            rate: 0.0,
        }
    }

    /// What one of the runs tells that go on at once: each of its lines names the seed, above
    /// the line that shows how all of them go.
    #[must_use]
    pub fn of_seed(&self, seed: u64) -> Progress {
        Progress {
            bar: self.bar.clone(),
            quiet: self.quiet,
            of: Some(format!("seed {seed}: ")),
            before: None,
            rate: 0.0,
        }
    }

    /// Whether anyone sees a line that shows how this run goes.
    pub fn is_live(&self) -> bool {
        self.of.is_none() && !self.bar.is_hidden()
    }

    /// Redraws the line.
    pub fn show(&mut self, status: &Status) {
        let ops = status.ok + status.fail + status.info;
        let now = Instant::now();
        let (then, before) = *self.before.get_or_insert((now, ops));
        if now - then >= Duration::from_secs(1) {
            self.rate = (ops - before) as f64 / (now - then).as_secs_f64();
            self.before = Some((now, ops));
        }
        self.bar.set_message(line(status, self.rate));
    }

    /// Shows what is going on instead of a run.
    pub fn then(&self, what: impl Into<Cow<'static, str>>) {
        if self.is_live() {
            self.bar.set_message(what);
        }
    }

    /// Says something that stays on the screen, unless this is quiet.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.insist(text);
        }
    }

    /// Says something that was asked for, or that must be seen.
    pub fn insist(&self, text: &str) {
        let of = self.of.as_deref().unwrap_or_default();
        self.bar.suspend(|| tell(&format_args!("{of}{text}")));
    }

    /// Says what is not right and does not end the run, unless it is one of several: of those,
    /// such things are counted.
    pub fn warn(&self, text: &str) {
        if self.of.is_none() {
            self.insist(text);
        }
    }

    /// Says something that must be seen, if there is anything to say.
    pub fn mention(&self, what: &impl std::fmt::Display) {
        let text = what.to_string();
        if !text.is_empty() {
            self.insist(&text);
        }
    }

    /// Removes the line.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn line(status: &Status, rate: f64) -> String {
    let Status {
        phase,
        left,
        ok,
        fail,
        info,
        messages,
        faults,
    } = status;
    let left = left.map(|left| format!(", {} s left", left.as_secs_f64().ceil()));
    let left = left.unwrap_or_default();
    let faults = match faults.as_slice() {
        [] => String::new(),
        faults => format!(" | {}", faults.join(", ")),
    };
    format!(
        "{phase}{left} | {rate:.0} ops/s | {ok} ok, {fail} fail, {info} info | {messages} messages{faults}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_everything() {
        let status = Status {
            phase: "running",
            left: Some(Duration::from_millis(7_200)),
            ok: 10,
            fail: 2,
            info: 1,
            messages: 99,
            faults: vec!["partition".to_owned(), "slow".to_owned()],
        };
        assert_eq!(
            line(&status, 12.6),
            "running, 8 s left | 13 ops/s | 10 ok, 2 fail, 1 info | 99 messages | partition, slow"
        );
    }
}
