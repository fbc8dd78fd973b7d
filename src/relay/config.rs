//! Where the relay listens, and the robots that it writes to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::tz::TimeZone;

/// Whose robot it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A custom robot of a DingTalk group.
    DingTalk,
    /// A group robot of WeCom (WeChat Work).
    WeCom,
    /// A custom bot of a Feishu or Lark group.
    Feishu,
}

impl Kind {
    /// All kinds with the names that the configuration uses.
    pub const ALL: [(Kind, &'static str); 3] =
        [(Kind::DingTalk, "dingtalk"), (Kind::WeCom, "wecom"), (Kind::Feishu, "feishu")];

    /// The name that the configuration and the log use.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Kind::DingTalk => "dingtalk",
            Kind::WeCom => "wecom",
            Kind::Feishu => "feishu",
        }
    }
}

/// What our own words of a message are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// All languages with the names that the configuration uses.
    pub const ALL: [(Language, &'static str); 2] = [(Language::English, "en"), (Language::Chinese, "zh")];
}

/// The section `relay` of the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `host:port` to listen on.
    pub listen: String,
    /// File with the token that Alertmanager shows; the relay does not start without one.
    pub token_file: Option<PathBuf>,
    /// PEM file with certificate authorities, besides Mozilla's, that may vouch for robots.
    pub ca_file: Option<PathBuf>,
    /// Zone of the times in messages.
    pub timezone: TimeZone,
    /// The robots; names are unique.
    pub receivers: Vec<Receiver>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: "127.0.0.1:13211".to_owned(),
            token_file: None,
            ca_file: None,
            timezone: TimeZone::UTC,
            receivers: Vec::new(),
        }
    }
}

/// One robot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Last segment of the path that Alertmanager posts to, and a label value.
    pub name: String,
    /// Whose it is.
    pub kind: Kind,
    /// File with the robot's address, which holds its key and so is a secret itself.
    pub url_file: PathBuf,
    /// File with the secret that requests are signed with; WeCom has none.
    pub secret_file: Option<PathBuf>,
    /// What our own words are written in.
    pub language: Language,
    /// A word that the robot asks for in every message.
    pub keyword: Option<String>,
    /// Severity → mobile numbers of those whom a firing alert mentions; DingTalk only.
    pub at_mobiles: BTreeMap<String, Vec<String>>,
}
