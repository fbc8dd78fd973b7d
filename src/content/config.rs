//! The section `content` of the configuration.

use std::path::PathBuf;

/// Whose content is captured; nobody's by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// Names of sources all of whose requests are captured; `*` is all sources.
    pub gateways: Vec<String>,
    /// Names of consumers whose requests are captured whichever source they come by.
    pub consumers: Vec<String>,
}

impl Capture {
    /// Whether nobody's is.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.gateways.is_empty() && self.consumers.is_empty()
    }

    /// Whether some request through this source may be captured.
    #[must_use]
    pub fn may_cover(&self, gateway: &str) -> bool {
        !self.consumers.is_empty() || self.covers(gateway, "")
    }

    /// Whether a request of this consumer, as the log names it, through this source is captured.
    #[must_use]
    pub fn covers(&self, gateway: &str, consumer: &str) -> bool {
        let has = |list: &[String], name: &str| list.iter().any(|known| known == name);
        has(&self.gateways, "*")
            || has(&self.gateways, gateway)
            || (!consumer.is_empty() && has(&self.consumers, consumer))
    }
}

/// A kind of text that is blotted out before anything is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// E-mail addresses.
    Email,
    /// Telephone numbers.
    Phone,
    /// Numbers of payment cards that pass Luhn's check.
    Card,
    /// Keys and tokens of services.
    Key,
}

impl Pattern {
    /// All of them with the names that configuration, marks and counters use.
    pub const ALL: [(Pattern, &'static str); 4] =
        [(Pattern::Email, "email"), (Pattern::Phone, "phone"), (Pattern::Card, "card"), (Pattern::Key, "key")];

    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        Pattern::ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }
}

/// A user's own regular expression of what is blotted out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPattern {
    /// Its name in marks and counters: letters, digits, `_` and `-`.
    pub name: String,
    /// In the syntax of the `regex` crate; checked when the configuration is read.
    pub regex: String,
}

/// The section `content`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whose content is captured.
    pub capture: Capture,
    /// What is blotted out.
    pub redact: Vec<Pattern>,
    /// What else is.
    pub redact_patterns: Vec<OwnPattern>,
    /// Bytes of text of one conversation that are kept; the rest is cut off, which is marked.
    pub max_size: u64,
    /// File of the key under which content is encrypted; `None`: it is not.
    pub encryption_key_file: Option<PathBuf>,
    /// Whether the search index, which is never encrypted, is kept also where content is.
    pub index_encrypted: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            capture: Capture::default(),
            redact: Pattern::ALL.map(|(pattern, _)| pattern).to_vec(),
            redact_patterns: Vec::new(),
            max_size: 1 << 20,
            encryption_key_file: None,
            index_encrypted: false,
        }
    }
}
