//! What comes from NATS for the node.

use std::cmp::Reverse;
use std::time::Duration;

use async_nats::{HeaderMap, Message, Subject};
use bytes::Bytes;
use glomer_runtime::Error;
use glomer_runtime::log::excerpt;

use super::Carrier;
use super::faults::Fate;
use super::message::{self, Envelope, Request};
use crate::control::{CLOCK, Drop, Event, Life};

/// How many bytes may wait for a node to read them.
const UNREAD: usize = 32 << 20;

/// A message that takes its time. They are in the order of arrival.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delayed {
    pub(super) due: Duration,
    number: u64,
    pub(super) sent: Option<u64>,
    pub(super) line: Bytes,
}

impl Carrier {
    /// Takes a message for the node.
    pub(crate) fn receive(&mut self, now: Duration, message: Message) {
        match message.reply {
            Some(reply) => self.request(now, reply, &message.payload),
            None => {
                let sent = message.headers.as_ref().and_then(clock_of);
                self.message(now, message.payload, sent);
            }
        }
    }

    /// Takes a request of a client.
    fn request(&mut self, now: Duration, reply: Subject, body: &Bytes) {
        if reply.starts_with('$') || reply.starts_with("glomer.") {
            // The node's answer would be taken for a request there.
            return self.refuse(now, body, "its reply subject is not a client's");
        }
        let request = match Request::read(body) {
            Ok(request) => request,
            Err(error) => {
                self.metrics.dropped(Drop::Invalid);
                return self.answer(reply, None, &error);
            }
        };
        let id = &self.identity.id;
        let unable = if self.life != Life::Ready {
            self.metrics.dropped(Drop::Down);
            format!("{id} does not run now, or has not answered `init` yet; try again")
        } else if self.is_full(body.len()) {
            self.metrics.dropped(Drop::Unread);
            format!("too much waits for {id} to be read; try again")
        } else {
            String::new()
        };
        if !unable.is_empty() {
            let error = Error::temporarily_unavailable(unable);
            return self.answer(reply, request.msg_id(), &error);
        }
        self.last_msg_id += 1;
        let start = self.unread.len();
        request.wrap(
            &reply,
            id.as_str(),
            body,
            self.last_msg_id,
            &mut self.unread,
        );
        self.waiting.add(now, &reply, request.msg_id());
        self.metrics.received.inc();
        if self.journal.is_some() {
            self.clock += 1;
            let line = self.unread[start..].to_vec();
            self.note(now, Event::Received { sent: None }, &line);
        }
        self.unread.push(b'\n');
    }

    /// Takes a message of a node, a service, or a client that listens where nodes do.
    fn message(&mut self, now: Duration, line: Bytes, sent: Option<u64>) {
        let envelope = match Envelope::read(&line) {
            Ok(envelope) => envelope,
            Err(error) => {
                let why = format!(
                    "it is no message ({error}), and without a reply subject no request of a client"
                );
                return self.refuse(now, &line, &why);
            }
        };
        let Envelope { src, dest, .. } = &envelope;
        if dest != self.identity.id.as_str() {
            let why = format!("it is for {dest}");
            return self.refuse(now, &line, &why);
        }
        let is_client = !message::is_service(src)
            && !self.identity.nodes.iter().any(|node| node.as_str() == src);
        match self.links.fate(src, is_client) {
            Fate::Lost(why) => self.lose(now, &line, sent, why),
            Fate::Arrives(after, again) => {
                for after in again.into_iter().chain([after]) {
                    if after.is_zero() {
                        self.deliver(now, &line, sent);
                    } else {
                        self.delay(now, after, line.clone(), sent);
                    }
                }
            }
        }
    }

    fn delay(&mut self, now: Duration, after: Duration, line: Bytes, sent: Option<u64>) {
        if self.is_full(line.len()) {
            return self.lose(now, &line, sent, Drop::Unread);
        }
        self.last_msg_id += 1;
        self.delayed_bytes += line.len();
        self.delayed.push(Reverse(Delayed {
            due: now + after,
            number: self.last_msg_id,
            sent,
            line,
        }));
    }

    fn is_full(&self, more: usize) -> bool {
        self.reading + self.unread.len() + self.delayed_bytes + more > UNREAD
    }

    /// Gives a message to the node.
    pub(super) fn deliver(&mut self, now: Duration, line: &[u8], sent: Option<u64>) {
        if self.life != Life::Ready {
            return self.lose(now, line, sent, Drop::Down);
        }
        if self.is_full(line.len()) {
            let id = &self.identity.id;
            self.throttle.warn(now, Drop::Unread, || {
                format!(
                    "{id} does not read what is for it; {} MiB wait, and what comes now is lost",
                    UNREAD >> 20
                )
            });
            return self.lose(now, line, sent, Drop::Unread);
        }
        message::push_line(line, &mut self.unread);
        self.unread.push(b'\n');
        self.metrics.received.inc();
        if self.journal.is_some() {
            self.clock = self.clock.max(sent.unwrap_or(0)) + 1;
            self.note(now, Event::Received { sent }, line);
        }
    }

    fn lose(&mut self, now: Duration, line: &[u8], sent: Option<u64>, why: Drop) {
        self.metrics.dropped(why);
        if self.journal.is_some() {
            self.clock = self.clock.max(sent.unwrap_or(0)) + 1;
            self.note(now, Event::Dropped { sent, why }, line);
        }
    }

    /// Drops what should not have come.
    fn refuse(&mut self, now: Duration, payload: &[u8], why: &str) {
        self.metrics.dropped(Drop::Invalid);
        self.throttle.warn(now, Drop::Invalid, || {
            format!(
                "a message from NATS was dropped, since {why}: {}",
                excerpt(payload)
            )
        });
    }
}

fn clock_of(headers: &HeaderMap) -> Option<u64> {
    headers.get(CLOCK)?.as_str().parse().ok()
}
