//! The log that a service keeps, as a stream of JetStream.
//!
//! Each key is a subject, of which the stream keeps the last message. An append is a publish
//! with `Nats-Expected-Last-Subject-Sequence`: the stream's leader compares, and its
//! acknowledgement means that a majority of the stream's replicas has the message.

use super::log::{Appended, Log, Record};
use async_nats::jetstream::context::CreateStreamErrorKind;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{
    Config, DirectGetErrorKind, RawMessageErrorKind, StorageType, Stream,
};
use async_nats::jetstream::{self, message::StreamMessage};
use async_nats::jetstream::{Error as JetStreamError, ErrorCode};
use async_nats::{Client, HeaderMap, Request, RequestErrorKind, header};
use glomer_runtime::sim::service::Json;
use std::time::Duration;
use tokio::time::Instant;

use super::pace::Pace;

/// The header that names the change that made the value.
const CHANGE: &str = "Glomer-Change";

/// What the headers of a record take of the server's `max_payload`, and to spare.
const HEADERS: usize = 1024;

/// How long the server has for one request.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who answers when the latest record of a key is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Whoever believes to be the stream's leader.
    Leader,
    /// Any replica of the stream, with what it has.
    AnyReplica,
}

/// A stream as a log.
pub(super) struct JetStreamLog {
    client: Client,
    stream: Stream<()>,
    subject: String,
    read: Read,
}

impl JetStreamLog {
    /// The log whose keys are subjects below `subject`, in a stream that is made when it is not
    /// there yet.
    pub(super) async fn open(
        client: Client,
        name: String,
        subject: String,
        read: Read,
        replicas: Option<usize>,
    ) -> Result<JetStreamLog, String> {
        let mut context = jetstream::new(client.clone());
        context.set_timeout(PATIENCE);
        let config = |replicas| Config {
            name: name.clone(),
            description: Some("kept by glomer-nats services".to_owned()),
            subjects: vec![format!("{subject}.>")],
            max_messages_per_subject: 1,
            storage: StorageType::File,
            num_replicas: replicas,
            allow_direct: read == Read::AnyReplica,
            ..Config::default()
        };
        // A cluster that has just started has no leader yet.
        let mut pace = Pace::until(Instant::now() + START);
        let mut wanted = replicas.unwrap_or(MOST_REPLICAS);
        let mut waits = false;
        let stream = loop {
            let error = match context.get_or_create_stream(config(wanted)).await {
                Ok(stream) => break stream,
                Err(error) => error,
            };
            let is_alone = matches!(
                error.kind(),
                CreateStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED
            );
            if is_alone && replicas.is_none() {
                wanted = 1;
                continue;
            }
            if is_alone {
                return Err(format!(
                    "--replicas {wanted} is for a cluster of servers, and this one is alone: leave \
                     it out, or make it 1"
                ));
            }
            if !waits {
                tracing::warn!("the stream {name} is not there yet, and waited for: {error}");
                waits = true;
            }
            if !pace.wait().await {
                return Err(format!(
                    "the stream {name} cannot be had: {error}. Does the server run with JetStream \
                     (`jetstream {{}}` in its configuration, or `-js`)? In a cluster of servers, a \
                     majority of them must be up, and as many as --replicas says"
                ));
            }
        };
        let has = stream.cached_info().config.num_replicas;
        if let Some(asked) = replicas
            && has != asked
        {
            return Err(format!(
                "the stream {name} is there already, with {has} replicas, and {asked} are asked \
                 for: leave --replicas out, or change it first, by `nats stream edit {name} \
                 --replicas {asked}`"
            ));
        }
        let stream = context.get_stream_no_info(&name).await;
        Ok(JetStreamLog {
            client,
            stream: stream.map_err(|error| error.to_string())?,
            subject,
            read,
        })
    }

    async fn last(&self, subject: &str) -> Result<Option<StreamMessage>, String> {
        match self.read {
            Read::Leader => match self.stream.get_last_raw_message_by_subject(subject).await {
                Ok(message) => Ok(Some(message)),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(error.to_string()),
            },
            Read::AnyReplica => match self.stream.direct_get_last_for_subject(subject).await {
                Ok(message) => Ok(Some(message)),
                Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

/// How long a stream is waited for.
const START: Duration = Duration::from_secs(20);

/// A stream has as many replicas as there are servers for, up to this.
const MOST_REPLICAS: usize = 3;

/// The server's answer to an append while another one to the same key is under way, beside
/// [`ErrorCode::STREAM_WRONG_LAST_SEQUENCE`]; since 2.12.
const WRONG_LAST_SEQUENCE_CONSTANT: u64 = 10_164;

impl Log for JetStreamLog {
    async fn load(&self, key: &str) -> Result<Record, String> {
        let subject = format!("{}.{key}", self.subject);
        let Some(message) = self.last(&subject).await? else {
            return Ok(Record::absent());
        };
        let foreign = |what: &str| {
            let sequence = message.sequence;
            format!("message {sequence} of {subject} is not from a service: {what}")
        };
        let value = match &*message.payload {
            [] => None,
            payload => {
                let text =
                    std::str::from_utf8(payload).map_err(|error| foreign(&error.to_string()))?;
                Some(Json::read(text).map_err(|error| foreign(&error))?)
            }
        };
        let change = message
            .headers
            .get(CHANGE)
            .map_or("", |change| change.as_str());
        Ok(Record {
            sequence: message.sequence,
            value,
            change: change.to_owned(),
        })
    }

    async fn append(&self, key: &str, expected: Option<u64>, record: &Record) -> Appended {
        let mut headers = HeaderMap::new();
        headers.insert(CHANGE, &*record.change);
        if let Some(sequence) = expected {
            headers.insert(
                header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
                sequence.to_string(),
            );
        }
        let value = record.value.as_ref().map_or("", Json::text);
        let request = Request::new()
            .headers(headers)
            .payload(value.to_owned().into())
            .timeout(Some(PATIENCE));
        let subject = format!("{}.{key}", self.subject);
        let answer = match self.client.send_request(subject, request).await {
            Ok(answer) => answer,
            Err(error) => {
                return match error.kind() {
                    RequestErrorKind::NoResponders => {
                        Appended::Refused("the stream has no leader".to_owned())
                    }
                    RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::InvalidSubject => {
                        Appended::Refused(error.to_string())
                    }
                    RequestErrorKind::TimedOut => Appended::Unknown(format!(
                        "the stream did not acknowledge within {PATIENCE:?}"
                    )),
                    RequestErrorKind::Other => Appended::Unknown(error.to_string()),
                };
            }
        };
        match serde_json::from_slice::<Response<PublishAck>>(&answer.payload) {
            Ok(Response::Ok(ack)) => Appended::At(ack.sequence),
            Ok(Response::Err { error }) if is_conflict(&error) => Appended::Conflict,
            Ok(Response::Err { error }) => Appended::Unknown(error.to_string()),
            Err(error) => Appended::Unknown(format!("the stream's answer cannot be read: {error}")),
        }
    }

    fn max_value(&self) -> usize {
        self.client.max_payload().saturating_sub(HEADERS)
    }
}

fn is_conflict(error: &JetStreamError) -> bool {
    let code = error.error_code();
    code == ErrorCode::STREAM_WRONG_LAST_SEQUENCE || code.0 == WRONG_LAST_SEQUENCE_CONSTANT
}
