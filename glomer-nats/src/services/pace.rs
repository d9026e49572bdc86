//! How often, and how long, something is tried again.

use tokio::time::{Duration, Instant, sleep};

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(200);

/// Waits that grow, until there is no time left.
pub(super) struct Pace {
    deadline: Instant,
    next: Duration,
}

impl Pace {
    pub(super) fn until(deadline: Instant) -> Pace {
        Pace {
            deadline,
            next: FIRST,
        }
    }

    /// Waits, and says whether there is time for another attempt.
    pub(super) async fn wait(&mut self) -> bool {
        if Instant::now() + self.next > self.deadline {
            return false;
        }
        sleep(self.next).await;
        self.next = (self.next * 2).min(LONGEST);
        true
    }
}
