//! How all of the command connects to NATS.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr};

use crate::Result;

/// The oldest server that keeps what it has acknowledged when it crashes.
const OLDEST: (i64, i64, i64) = (2, 10, 23);

/// How many messages wait to be read off a subscription, at most; the server's next are
/// dropped, and told.
const UNREAD: usize = 4096;

/// What to look at when the two sides cannot agree on TLS.
const TLS: &str = "look at --tls-ca, --tls-cert, --tls-key and --tls-first";

/// Which server to use, and who one is to it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerArgs {
    /// The NATS server (nats://127.0.0.1:4222 unless given); several URLs of one cluster are
    /// separated by commas
    #[arg(long, value_name = "URL", env = "NATS_URL", value_delimiter = ',')]
    server: Vec<ServerAddr>,

    /// A file with credentials (a JWT and its seed), as `nsc` writes them
    #[arg(long, value_name = "FILE", env = "NATS_CREDS")]
    pub(crate) creds: Option<PathBuf>,

    /// A file with the seed of an nkey
    #[arg(long, value_name = "FILE", env = "NATS_NKEY", conflicts_with = "creds")]
    pub(crate) nkey: Option<PathBuf>,

    /// A user's name; the password comes from the environment, or both from the URL
    #[arg(long, value_name = "NAME", env = "NATS_USER", requires = "password", conflicts_with_all = ["creds", "nkey"])]
    pub(crate) user: Option<String>,

    /// The user's password; better as NATS_PASSWORD, since others see the arguments of a process
    #[arg(
        long,
        value_name = "TEXT",
        env = "NATS_PASSWORD",
        hide_env_values = true
    )]
    pub(crate) password: Option<String>,

    /// A file with the certificates of authorities to trust beside the system's; asks for TLS
    #[arg(long, value_name = "FILE", env = "NATS_CA")]
    pub(crate) tls_ca: Option<PathBuf>,

    /// A file with one's own certificate, for servers that ask for it
    #[arg(long, value_name = "FILE", env = "NATS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// A file with its key
    #[arg(long, value_name = "FILE", env = "NATS_KEY", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Shake hands before the server says anything (its `handshake_first`)
    #[arg(long)]
    pub(crate) tls_first: bool,
}

impl ServerArgs {
    /// Connects. The connection comes back by itself when it is lost; both is told in the log.
    ///
    /// The server shows `name` to who asks about its connections.
    ///
    /// # Errors
    /// If there is no such server, it does not let one in, or it is too old.
    pub(crate) async fn connect(&self, name: impl ToString) -> Result<Client> {
        let was_there = AtomicBool::new(false);
        let options = self
            .options()
            .await?
            .name(name)
            .subscription_capacity(UNREAD)
            .reconnect_delay_callback(delay)
            .event_callback(move |event| {
                told(&event, &was_there);
                async {}
            });
        let client = options
            .connect(&*self.servers())
            .await
            .map_err(|error| self.no_connection(&error))?;
        let (major, minor, patch) = OLDEST;
        if !client.is_server_compatible(major, minor, patch) {
            return Err(format!(
                "the server at {} is nats-server {}, and the oldest that will do is \
                 {major}.{minor}.{patch}: older ones lose acknowledged data when they crash, or \
                 answer JetStream in a form that is read no more. Install a newer one, from \
                 https://github.com/nats-io/nats-server/releases",
                self.urls(),
                client.server_info().version,
            )
            .into());
        }
        Ok(client)
    }

    /// Whether one is named.
    pub(crate) fn is_given(&self) -> bool {
        !self.server.is_empty()
    }

    /// Names one.
    pub(crate) fn use_server(&mut self, server: ServerAddr) {
        self.server = vec![server];
    }

    fn servers(&self) -> Cow<'_, [ServerAddr]> {
        if self.is_given() {
            Cow::from(&self.server)
        } else {
            let here = "nats://127.0.0.1:4222".parse();
            Cow::from(vec![here.expect("it is a URL")])
        }
    }

    async fn options(&self) -> Result<ConnectOptions> {
        let mut options = ConnectOptions::new();
        if let Some(file) = &self.creds {
            options = options
                .credentials_file(file)
                .await
                .map_err(|error| format!("--creds {}: {error}", file.display()))?;
        }
        if let Some(file) = &self.nkey {
            let seed = std::fs::read_to_string(file)
                .map_err(|error| format!("--nkey {}: {error}", file.display()))?;
            options = options.nkey(seed.trim().to_owned());
        }
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            options = options.user_and_password(user.clone(), password.clone());
        }
        if let Some(file) = &self.tls_ca {
            options = options
                .add_root_certificates(file.clone())
                .require_tls(true);
        }
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        if self.tls_first {
            options = options.tls_first();
        }
        Ok(options)
    }

    /// The URLs, without what is secret in them.
    pub(crate) fn urls(&self) -> String {
        let urls: Vec<String> = self
            .servers()
            .iter()
            .map(|server| format!("{}://{}:{}", server.scheme(), server.host(), server.port()))
            .collect();
        urls.join(",")
    }

    fn no_connection(&self, error: &async_nats::ConnectError) -> String {
        use async_nats::ConnectErrorKind as Kind;
        let way = match error.kind() {
            Kind::Authentication | Kind::AuthorizationViolation => {
                "give --creds, --nkey, or --user with NATS_PASSWORD, as the server's configuration \
                 has them"
            }
            Kind::Tls => TLS,
            // A certificate that is not trusted is told as an error of the stream.
            _ if error.to_string().contains("certificate") => TLS,
            _ => {
                "start one (`nats-server -js`), or name another with --server; `glomer-nats up` \
                 starts one by itself"
            }
        };
        format!(
            "no connection to a NATS server at {}: {error}; {way}",
            self.urls()
        )
    }
}

/// How long to wait before so many attempts to come back are followed by another.
fn delay(attempts: usize) -> Duration {
    let doubled = attempts.min(10) as u32;
    (Duration::from_millis(10) * 2_u32.pow(doubled)).min(Duration::from_secs(1))
}

/// Tells what happens to a connection, which was there before or not.
fn told(event: &Event, was_there: &AtomicBool) {
    match event {
        Event::Connected if was_there.swap(true, Ordering::Relaxed) => {
            tracing::info!("connected to NATS again");
        }
        Event::Connected => tracing::debug!("connected to NATS"),
        Event::Disconnected => tracing::warn!("the connection to NATS is lost; trying again"),
        Event::SlowConsumer(_) => {
            tracing::warn!("messages came faster than they could be taken, and some were dropped");
        }
        // Among them each attempt to come back that fails.
        Event::ClientError(error) => tracing::debug!("NATS: {error}"),
        // Whoever closed it knows.
        Event::Closed => {}
        other => tracing::warn!("NATS: {other}"),
    }
}
