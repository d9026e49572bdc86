//! Waking up on time.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};

pub(super) use system::Alarm;

/// Linux waits for events in whole milliseconds, rounded up, which is late by half a
/// millisecond on average. So time comes as an event, too.
#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::{AsFd, AsRawFd};

    use mio::Interest;
    use mio::unix::SourceFd;
    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

    use super::{Duration, Registry, Token, io};

    /// Ends a wait for events at a given time.
    pub(crate) struct Alarm {
        timer: TimerFd,
    }

    impl Alarm {
        /// An alarm whose events have this token.
        ///
        /// # Errors
        /// If the system has no timers left.
        pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Alarm> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            let fd = timer.as_fd().as_raw_fd();
            registry.register(&mut SourceFd(&fd), token, Interest::READABLE)?;
            Ok(Alarm { timer })
        }

        /// Sets the alarm; gives the timeout to poll with. An earlier setting is forgotten.
        ///
        /// # Errors
        /// If the system refuses the time.
        pub(crate) fn set(&self, after: Duration) -> io::Result<Option<Duration>> {
            if after.is_zero() {
                // To a timer, zero means never.
                return Ok(Some(after));
            }
            let once = Expiration::OneShot(TimeSpec::from_duration(after));
            self.timer.set(once, TimerSetTimeFlags::empty())?;
            Ok(None)
        }
    }
}

/// Elsewhere timeouts are exact.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Duration, Registry, Token, io};

    /// Ends a wait for events at a given time.
    pub(crate) struct Alarm;

    impl Alarm {
        /// An alarm, which needs no events here.
        ///
        /// # Errors
        /// None here.
        pub(crate) fn new(_: &Registry, _: Token) -> io::Result<Alarm> {
            Ok(Alarm)
        }

        /// Sets the alarm; gives the timeout to poll with. An earlier setting is forgotten.
        ///
        /// # Errors
        /// None here.
        pub(crate) fn set(&self, after: Duration) -> io::Result<Option<Duration>> {
            Ok(Some(after))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};

    /// A wait that the alarm does not end would never end.
    #[test]
    fn ends_a_wait_each_time_it_is_set() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(8);
        let alarm = Alarm::new(poll.registry(), Token(7)).unwrap();
        for micros in [0, 1, 300, 300] {
            let timeout = alarm.set(Duration::from_micros(micros)).unwrap();
            poll.poll(&mut events, timeout).unwrap();
            assert!(events.iter().all(|event| event.token() == Token(7)));
        }
    }

    #[test]
    fn the_last_setting_counts() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(8);
        let alarm = Alarm::new(poll.registry(), Token(7)).unwrap();
        let hour = Duration::from_secs(3_600);
        alarm.set(hour).unwrap();
        let timeout = alarm.set(Duration::from_micros(1)).unwrap();
        poll.poll(&mut events, timeout).unwrap();
        assert!(
            alarm
                .set(hour)
                .unwrap()
                .is_none_or(|timeout| timeout == hour)
        );
    }
}
