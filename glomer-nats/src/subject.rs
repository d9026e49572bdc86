//! The subjects of a cluster.

use std::fmt;
use std::str::FromStr;

/// How long a name may be, in bytes. The server takes subjects of some thousand.
const LONGEST: usize = 128;

/// A name that a subject can hold as one of its parts: a cluster's, or a node's.
///
/// ```
/// use glomer_nats::Name;
///
/// assert_eq!("n1".parse::<Name>()?.as_str(), "n1");
/// let error = "n.1".parse::<Name>().unwrap_err();
/// assert!(error.to_string().contains("`.`"), "{error}");
/// # Ok::<(), glomer_nats::BadName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is no [`Name`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName {
    text: String,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    Empty,
    Long,
    Holds(char),
}

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text could be a name; what separates the parts of a subject, stands for
    /// others, or ends a line of NATS's protocol, cannot.
    pub(crate) fn check(text: &str) -> Result<(), BadName> {
        let wrong = |c: &char| c.is_whitespace() || c.is_control() || matches!(c, '.' | '*' | '>');
        let why = if text.is_empty() {
            Why::Empty
        } else if text.len() > LONGEST {
            Why::Long
        } else if let Some(found) = text.chars().find(wrong) {
            Why::Holds(found)
        } else {
            return Ok(());
        };
        Err(BadName {
            text: text.chars().take(LONGEST).collect(),
            why,
        })
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::check(text).map(|()| Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, why } = self;
        match why {
            Why::Empty => write!(f, "an empty name cannot be part of a NATS subject")?,
            Why::Long => write!(f, "`{text}…` is longer than {LONGEST} bytes")?,
            Why::Holds(c) => write!(
                f,
                "`{}` cannot be part of a NATS subject, since it holds `{}`",
                text.escape_debug(),
                c.escape_debug()
            )?,
        }
        f.write_str("; choose a name of letters, digits, `-` and `_`")
    }
}

impl std::error::Error for BadName {}

/// A cluster: nodes that know each other by their names, and whose messages others do not see.
///
/// ```
/// use glomer_nats::Cluster;
///
/// let cluster = Cluster::new("shop".parse()?);
/// assert_eq!(cluster.node("n1")?, "glomer.shop.node.n1");
/// # Ok::<(), glomer_nats::BadName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    name: Name,
    /// What the subjects of its nodes begin with.
    nodes: String,
}

impl Cluster {
    /// The cluster of this name.
    pub fn new(name: Name) -> Self {
        let nodes = format!("glomer.{name}.node.");
        Self { name, nodes }
    }

    /// What it is called.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Where messages go that are for `id`: a node, a service, or a client that listens there.
    ///
    /// # Errors
    /// If no subject can hold `id`.
    pub fn node(&self, id: &str) -> Result<String, BadName> {
        Name::check(id)?;
        Ok([&self.nodes, id].concat())
    }

    /// Where the carrier of the node `id` takes requests.
    pub fn control(&self, id: &Name) -> String {
        format!("glomer.{}.control.{id}", self.name)
    }

    /// What the subjects begin with under which a service keeps what it holds.
    pub(crate) fn store(&self, service: &str) -> String {
        format!("glomer.{}.store.{service}", self.name)
    }

    /// Where carriers say who they are, and answer who asks.
    pub fn presence(&self) -> String {
        format!("glomer.{}.presence", self.name)
    }
}
