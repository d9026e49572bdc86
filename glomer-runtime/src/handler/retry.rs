//! Trying again what must get through.

use std::future::Future;
use std::time::Duration;

use super::context::Context;
use crate::body::Error;

/// How long to wait between tries: twice as long each time, up to a limit,
/// with jitter, so that nodes that failed together do not try again together.
///
/// ```
/// use std::time::Duration;
/// use glomer_runtime::Backoff;
///
/// let backoff = Backoff::default().first(Duration::from_millis(20)).attempts(5);
/// # let _ = backoff;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempts: Option<u32>,
}

impl Default for Backoff {
    /// 50 ms at first, 2 s at most, without end.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(50),
            max: Duration::from_secs(2),
            attempts: None,
        }
    }
}

impl Backoff {
    /// The longest wait after the first try.
    #[must_use]
    pub fn first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// The longest wait after any try.
    #[must_use]
    pub fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// How often to try in all; at least once.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// The longest wait after try number `attempt`, from 1.
    fn ceiling(&self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.max)
    }
}

impl Context {
    /// Calls `attempt` until it succeeds, or fails in a way that trying again
    /// cannot mend: with a definite error other than
    /// 11 temporarily-unavailable.
    ///
    /// An indefinite error says that the operation *may* have happened, so
    /// what is tried again must do no harm when it happens twice.
    ///
    /// ```
    /// use glomer_runtime::{Backoff, prelude::*};
    ///
    /// #[handler("store")]
    /// async fn store(_: &Shared<()>, cx: &Context, value: u64) -> Result<(), Error> {
    ///     let kv = cx.lin_kv();
    ///     cx.retry(Backoff::default(), || kv.write("value", value)).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the last try.
    pub async fn retry<T, F>(
        &self,
        backoff: Backoff,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut tries = 0;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            tries += 1;
            let hopeless = error.is_definite() && error.code() != 11;
            if hopeless || backoff.attempts.is_some_and(|attempts| tries >= attempts) {
                return Err(error);
            }
            // Half fixed, half random: spread out, but never a busy loop.
            let wait = backoff
                .ceiling(tries)
                .mul_f64(0.5 + self.rng().unit() / 2.0);
            self.sleep(wait).await;
        }
    }
}
