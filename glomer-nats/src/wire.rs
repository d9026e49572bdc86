//! The side of a carrier that is turned to NATS.

use std::future::{pending, poll_fn};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::time::{sleep_until, timeout};

use crate::Result;
use crate::carrier::{Carrier, Identity, Order};

/// How long others have to object before a node starts.
const SETTLE: Duration = Duration::from_millis(250);

/// How many messages are taken before others have their turn.
const BATCH: usize = 1024;

/// How long it may take to get the last messages, and to publish them.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The subscriptions of a carrier, and what it publishes.
pub(crate) struct Wire {
    client: Client,
    node: Subscriber,
    /// Whether it takes nothing more for the node.
    hung_up: bool,
    control: Subscriber,
    /// What carriers say to all.
    presence: Subscriber,
    /// What they answer this one.
    inbox: Subscriber,
    inbox_subject: String,
    state: State,
    settles: Option<Instant>,
    /// When the carrier's time is zero.
    start: Instant,
}

enum News {
    Node(Message),
    Control(Message),
    Presence(Message),
    CanPublish,
    Due,
}

impl Wire {
    /// Subscribes, and says who is there.
    ///
    /// # Errors
    /// If the connection is closed.
    pub(crate) async fn open(client: Client, identity: &Identity) -> Result<Self> {
        let Identity { cluster, id, .. } = identity;
        let inbox_subject = client.new_inbox();
        Ok(Self {
            node: client.subscribe(cluster.node(id.as_str())?).await?,
            control: client.subscribe(cluster.control(id)).await?,
            presence: client.subscribe(cluster.presence()).await?,
            inbox: client.subscribe(inbox_subject.clone()).await?,
            inbox_subject,
            client,
            hung_up: false,
            // So that it says who is there as soon as it looks.
            state: State::Pending,
            settles: None,
            start: Instant::now(),
        })
    }

    /// The time for the carrier.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// When it is this time for the carrier; what is centuries away never comes.
    pub(crate) fn at(&self, time: Duration) -> Option<Instant> {
        self.start.checked_add(time)
    }

    /// Waits until something comes, can be published or is due, and takes it to the carrier.
    ///
    /// Nothing is lost if it is dropped while it waits.
    ///
    /// # Errors
    /// If the carrier has to go, or the connection is closed for good.
    pub(crate) async fn turn(&mut self, carrier: &mut Carrier) -> Result<Option<Order>> {
        self.look_at_connection(carrier).await?;
        let news = self.news(carrier).await?;
        let now = self.now();
        let order = match news {
            News::Node(message) => {
                carrier.receive(now, message);
                let mut room = BATCH;
                while room > 0
                    && !carrier.is_backed_up()
                    && let Some(Some(message)) = self.node.next().now_or_never()
                {
                    carrier.receive(now, message);
                    room -= 1;
                }
                None
            }
            News::Control(message) => carrier.ask(now, message),
            News::Presence(message) => {
                carrier.meet(message)?;
                None
            }
            News::CanPublish => None,
            News::Due => {
                if self.settles.take_if(|at| *at <= Instant::now()).is_some() {
                    carrier.settle();
                }
                carrier.tick(now)
            }
        };
        self.publish(carrier)?;
        Ok(order)
    }

    /// Publishes what can be published at once.
    ///
    /// # Errors
    /// If the connection is closed for good.
    pub(crate) fn publish(&mut self, carrier: &mut Carrier) -> Result<()> {
        if self.client.connection_state() != State::Connected {
            carrier.drop_unsent(self.now());
            return Ok(());
        }
        // Who cannot is woken by `news`, which asks again.
        let mut cx = Context::from_waker(Waker::noop());
        while carrier.has_unsent()
            && let Poll::Ready(ready) = self.client.poll_ready_unpin(&mut cx)
        {
            ready?;
            if let Some(message) = carrier.next_unsent()
                && let Err(error) = self.client.start_send_unpin(message)
            {
                tracing::warn!("a message was dropped: {error}");
            }
        }
        Ok(())
    }

    async fn news(&mut self, carrier: &Carrier) -> Result<News> {
        let due = carrier.deadline().and_then(|due| self.at(due));
        let due = due.into_iter().chain(self.settles).min();
        // Whose answers cannot be sent is not asked.
        let takes = !self.hung_up && !carrier.is_backed_up();
        let client = &mut self.client;
        let news = tokio::select! {
            message = self.control.next() => message.map(News::Control),
            message = self.presence.next() => message.map(News::Presence),
            message = self.inbox.next() => message.map(News::Presence),
            message = self.node.next(), if takes => message.map(News::Node),
            ready = poll_fn(|cx| client.poll_ready_unpin(cx)), if carrier.has_unsent() => {
                ready?;
                Some(News::CanPublish)
            }
            () = at(due) => Some(News::Due),
        };
        news.ok_or_else(|| "the connection to NATS is closed".into())
    }

    /// Says who is there whenever the connection is there again.
    async fn look_at_connection(&mut self, carrier: &mut Carrier) -> Result<()> {
        let state = self.client.connection_state();
        let was = std::mem::replace(&mut self.state, state.clone());
        if state == State::Connected && was != State::Connected {
            carrier.set_max_payload(self.client.max_payload());
            let hello = carrier.hello(&self.inbox_subject);
            self.client.send(hello).await?;
            self.settles = Some(Instant::now() + SETTLE);
        }
        Ok(())
    }

    /// Takes what the server has for the node already, and then nothing more.
    pub(crate) async fn hang_up(&mut self, carrier: &mut Carrier) -> Result<()> {
        self.hung_up = true;
        // What comes from the server comes in order: what is before a message to oneself was
        // there before it was sent. (To unsubscribe first would drop what is on its way.)
        let last = self.inbox_subject.clone();
        self.client.publish(last, Bytes::new()).await?;
        let rest = async {
            while let Some(message) = tokio::select! {
                biased;
                message = self.node.next() => message,
                // Others say who they are there.
                said = self.inbox.next() => said.filter(|said| !said.payload.is_empty()),
            } {
                if message.subject.as_str() != self.inbox_subject {
                    carrier.receive(self.start.elapsed(), message);
                }
            }
            self.node.drain().await?;
            while let Some(message) = self.node.next().await {
                carrier.receive(self.start.elapsed(), message);
            }
            Ok(())
        };
        // Without a connection it does not end.
        timeout(LAST_WORDS, rest).await.unwrap_or(Ok(()))
    }

    /// Publishes what is left, and waits until the server has it.
    pub(crate) async fn close(mut self, carrier: &mut Carrier) {
        let now = self.now();
        let last = async {
            while self.client.connection_state() == State::Connected
                && let Some(message) = carrier.next_unsent()
            {
                self.client.send(message).await.ok()?;
            }
            carrier.drop_unsent(now);
            self.client.flush().await.ok()
        };
        if timeout(LAST_WORDS, last).await.is_err() {
            tracing::warn!("not all could be published before the end");
        }
    }
}

/// Waits until this time, or forever.
pub(crate) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => pending().await,
    }
}
