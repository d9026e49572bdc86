//! What a node has of the set on its disk: at once what was inserted there, and a while later
//! what came from others.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::holdings::{Holdings, StreamId};
use super::timing::KEEP_DELAY;
use glomer_runtime::{Context, Error};

/// The log on the disk. Its entries are the place of values in a stream, if they are in one,
/// and the values.
const LOG: &str = "spread";

type Place = Option<(u32, u32, u64)>;

/// Whether a node has a disk for what it holds, and what it has still to keep there.
#[derive(Default)]
pub(super) struct Kept {
    on_disk: bool,
    /// Streams that have grown, and from where on.
    grown: BTreeMap<usize, u64>,
    /// When that is to be kept.
    due: Option<Duration>,
}

impl Kept {
    /// What was kept, and the values that are in no stream yet.
    pub(super) fn load<T>(cx: &Context, now: Duration) -> Result<(Kept, Holdings<T>, Vec<T>), Error>
    where
        T: Ord + Clone + DeserializeOwned,
    {
        let mut holdings = Holdings::new();
        let mut loose = Vec::new();
        for (_, (place, values)) in cx.disk().entries::<(Place, Vec<T>)>(LOG, ..)? {
            match place {
                Some((owner, run, at)) => {
                    let place = holdings.place(StreamId { owner, run });
                    holdings.extend(place, at, values, now);
                }
                None => loose.extend(values),
            }
        }
        // So far the set is what is in streams.
        loose.retain(|value| holdings.insert(value.clone()));
        let kept = Kept {
            on_disk: true,
            ..Kept::default()
        };
        Ok((kept, holdings, loose))
    }

    /// Keeps a value of this node's own.
    pub(super) fn value<T: Serialize>(&mut self, cx: &Context, value: &T) {
        if self.on_disk {
            cx.disk().append(LOG, &(Place::None, [value]));
            // What this turn sends waits for the disk anyway.
            self.due = Some(cx.now());
        }
    }

    /// Takes note that a stream grew.
    pub(super) fn grew(&mut self, place: usize, from: u64, now: Duration) {
        if self.on_disk {
            self.grown.entry(place).or_insert(from);
            self.due.get_or_insert(now + KEEP_DELAY);
        }
    }

    /// When what streams have grown by is to be kept.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Keeps what streams have grown by, if it is time.
    pub(super) fn streams<T>(&mut self, cx: &Context, holdings: &Holdings<T>)
    where
        T: Serialize,
    {
        if self.due.take_if(|due| *due <= cx.now()).is_none() {
            return;
        }
        for (place, from) in std::mem::take(&mut self.grown) {
            let stream = &holdings.streams()[place];
            let place = Some((stream.id.owner, stream.id.run, from));
            cx.disk().append(LOG, &(place, stream.from(from)));
        }
    }
}
