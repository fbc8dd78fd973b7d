//! Where to listen and who may do what.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What an authenticated user may do; each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// `/metrics` only.
    Metrics,
    /// All pages and reads, no captured content.
    Viewer,
    /// Everything.
    Admin,
}

impl Role {
    /// The name that users see.
    #[must_use]
    pub fn label(self) -> &'static str {
        Role::ALL.into_iter().find(|(role, _)| *role == self).map_or("", |(_, label)| label)
    }

    /// All roles with the names that the configuration uses.
    pub const ALL: [(Role, &'static str); 3] =
        [(Role::Metrics, "metrics"), (Role::Viewer, "viewer"), (Role::Admin, "admin")];
}

/// What stands for the id of a trace in [`Config::trace_url`].
pub const TRACE_ID: &str = "{trace_id}";

/// The section `web` of the configuration, and `listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `host:port` pairs to listen on.
    pub listen: Vec<String>,
    /// A web configuration file of the Prometheus exporter-toolkit: TLS and bcrypt basic auth.
    pub config_file: Option<PathBuf>,
    /// The address that people use, with a path prefix where a proxy adds one; no trailing slash.
    pub external_url: Option<String>,
    /// Host names, besides loopback, that requests may carry.
    pub allowed_hosts: Vec<String>,
    /// User of the web configuration file → role; a user that is not listed is a viewer.
    pub roles: BTreeMap<String, Role>,
    /// A header in which a trusted proxy names the user.
    pub trusted_user_header: Option<String>,
    /// The address at which a trace is shown, with [`TRACE_ID`] where its id belongs.
    pub trace_url: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: vec!["127.0.0.1:13210".to_owned()],
            config_file: None,
            external_url: None,
            allowed_hosts: Vec::new(),
            roles: BTreeMap::new(),
            trusted_user_header: None,
            trace_url: None,
        }
    }
}
