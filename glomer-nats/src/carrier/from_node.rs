//! What the node writes.

use std::time::Duration;

use async_nats::message::OutboundMessage;
use async_nats::{HeaderMap, HeaderValue, Subject};
use bytes::Bytes;
use glomer_runtime::Error;
use glomer_runtime::log::excerpt;

use super::message::{self, CARRIER, Envelope};
use super::{Carrier, outbound};
use crate::control::{CLOCK, Drop, Event, Life};
use crate::{BadName, Result};

/// What the header with the clock takes, at most.
const HEADER: usize = 64;

/// How many destinations are known with their subjects.
const KNOWN: usize = 1024;

impl Carrier {
    /// Takes a line of the node.
    pub(crate) fn send(&mut self, now: Duration, line: Bytes) {
        let envelope = match Envelope::read(&line) {
            Ok(envelope) => envelope,
            Err(error) => {
                let why = format!("it is no message: {error}");
                return self.refuse_line(now, &line, &why);
            }
        };
        if envelope.dest == CARRIER {
            return self.started(now, &envelope);
        }
        if let Some(reply) = message::reply_subject(&envelope.dest) {
            let reply = Subject::from(reply);
            if !reply.is_valid() {
                return self.refuse_line(now, &line, "its `dest` is no client of any node");
            }
            let asked = self.waiting.take(&reply);
            let body = line.slice_ref(envelope.body.get().as_bytes());
            if body.len() > self.max_payload {
                let error = Error::crash(self.too_long("its answer", body.len()));
                self.drop_line(now, &line, Drop::TooLong);
                let msg_id = asked.as_ref().and_then(|asked| asked.msg_id.as_deref());
                return self.answer(reply, msg_id, &error);
            }
            if let Some(asked) = asked {
                let took = now.saturating_sub(asked.at);
                self.metrics.handler_time.observe(took.as_secs_f64());
            }
            self.note_sent(now, &line);
            return self.push(outbound(reply, body));
        }
        let subject = match self.subject(&envelope.dest) {
            Ok(subject) => subject,
            Err(error) => {
                let why = format!("its `dest` is for nobody: {error}");
                return self.refuse_line(now, &line, &why);
            }
        };
        if line.len() + HEADER > self.max_payload {
            return self.drop_line(now, &line, Drop::TooLong);
        }
        let headers = self.note_sent(now, &line).map(|clock| {
            let mut headers = HeaderMap::new();
            headers.insert(CLOCK, HeaderValue::from(clock));
            headers
        });
        self.push(OutboundMessage {
            headers,
            ..outbound(subject, line)
        });
    }

    /// Takes the beginning of a line that is longer than can be read.
    pub(crate) fn send_too_long(&mut self, now: Duration, start: &[u8]) {
        self.drop_line(now, start, Drop::TooLong);
    }

    /// Takes the answer to `init`.
    fn started(&mut self, now: Duration, answer: &Envelope<'_>) {
        match answer.kind().as_deref() {
            Some("init_ok") if self.life == Life::Starting => {
                tracing::info!("{} is ready", self.identity.id);
                self.life = Life::Ready;
            }
            Some("init_ok") => {}
            _ => {
                let id = &self.identity.id;
                self.throttle.warn(now, Drop::Down, || {
                    format!(
                        "{id} does not take `init`: {}",
                        excerpt(answer.body.get().as_bytes())
                    )
                });
            }
        }
    }

    /// The subject of whoever is called `dest`.
    fn subject(&mut self, dest: &str) -> Result<Subject, BadName> {
        if let Some(subject) = self.subjects.get(dest) {
            return Ok(subject.clone());
        }
        let subject = Subject::from(self.identity.cluster.node(dest)?);
        if self.subjects.len() >= KNOWN {
            self.subjects.clear();
        }
        self.subjects.insert(dest.to_owned(), subject.clone());
        Ok(subject)
    }

    fn refuse_line(&mut self, now: Duration, line: &[u8], why: &str) {
        let id = &self.identity.id;
        self.metrics.dropped(Drop::Invalid);
        self.throttle.warn(now, Drop::Invalid, || {
            format!(
                "{id} wrote a line that was dropped, since {why}: {}",
                excerpt(line)
            )
        });
    }

    fn drop_line(&mut self, now: Duration, line: &[u8], why: Drop) {
        let text = self.too_long("a line of it", line.len());
        self.metrics.dropped(why);
        self.throttle.warn(now, why, || {
            format!("{text}; it was dropped: {}", excerpt(line))
        });
        if self.journal.is_some() {
            self.clock += 1;
            self.note(now, Event::Dropped { sent: None, why }, line);
        }
    }

    fn too_long(&self, what: &str, length: usize) -> String {
        format!(
            "{what} from {} has {length} bytes, and the server takes {} at most: raise \
             `max_payload` in its configuration, or send less at once",
            self.identity.id, self.max_payload
        )
    }
}
