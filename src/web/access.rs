//! A request becomes an admission or a refusal that names the setting to change.
//!
//! The rules, in the order in which they are asked:
//!
//! 1. The Host is loopback, an address, the name listened on, the external URL's, or in `web.allowed_hosts`, so that a
//!    stranger's page cannot read us by DNS rebinding. That holds for `/metrics` too, which names tenants.
//! 2. Writing comes from our own pages or from no page (`Origin`, `Sec-Fetch-Site`) and carries JSON or nothing.
//! 3. Who asks is found out: by password, by a client certificate (the user `certificate`), or by the header in which a
//!    proxy names the user. That header is believed only from a loopback connection: the proxy must run beside us and
//!    must overwrite what its clients send. Without any authentication whoever connects directly over loopback is the
//!    administrator; a request that was forwarded by a proxy, or that came from elsewhere, may read `/metrics` only.
//! 4. The role is high enough.
//!
//! Health paths answer everybody, since probes carry neither names nor passwords. Nothing here answers a request.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};

use super::config::{Config, Role};
use super::credential::{Verifier, basic};
use super::error::Problem;
use super::live::{Live, Loaded};
use super::rules::Rules;

/// Largest body that a request may announce.
pub(super) const MAX_BODY: u64 = 1 << 20;

/// What a path asks of who uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Health,
    /// The role [`Role::Metrics`] where there is authentication, nothing where there is none.
    Scrape,
    /// A role; without authentication, a direct loopback connection.
    Role(Role),
}

/// Where a connection came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) tls: bool,
    /// The client has shown a certificate that was verified.
    pub(super) certificate: bool,
}

impl Peer {
    /// Both ends count: a rule of the host's firewall may lead strangers to a loopback address.
    fn is_loopback(&self) -> bool {
        self.local.to_canonical().is_loopback() && self.remote.to_canonical().is_loopback()
    }
}

/// Who was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// `None` where nobody had to say.
    pub(super) user: Option<String>,
    pub(super) role: Role,
}

/// Why a request is not answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// For programs; stable.
    pub(super) code: &'static str,
    /// For people; names the setting to change.
    pub(super) message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into() }
    }
}

/// Headers by which a proxy says that it forwards for somebody else.
const FORWARDED: [HeaderName; 4] =
    [header::FORWARDED, header::VIA, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-real-ip")];

/// Decides about requests.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) rules: Rules,
    pub(super) live: Live,
    verifier: Verifier,
    /// Whether a refused host was logged.
    told: AtomicBool,
}

impl Gate {
    /// Reads the settings and the web configuration file; all problems at once.
    pub(super) fn open(config: &Config) -> Result<Gate, Vec<Problem>> {
        match (Rules::check(config), Live::open(config.config_file.as_deref())) {
            (Ok(rules), Ok(live)) => Ok(Gate { rules, live, verifier: Verifier::new(), told: AtomicBool::new(false) }),
            (rules, live) => Err([rules.err(), live.err()].into_iter().flatten().flatten().collect()),
        }
    }

    /// Admits or refuses a request for a path that asks for `access` and, where `writes`, changes something.
    pub(super) async fn admit(
        &self,
        peer: &Peer,
        parts: &Parts,
        access: Access,
        writes: bool,
    ) -> Result<Identity, Refusal> {
        let needed = match access {
            Access::Health => return Ok(Identity { user: None, role: Role::Metrics }),
            Access::Scrape => Role::Metrics,
            Access::Role(role) => role,
        };
        let host = self.check_host(parts)?;
        check_length(&parts.headers)?;
        if writes {
            self.check_origin(parts, host.as_ref(), peer.tls)?;
            check_content(&parts.headers)?;
        }
        let identity = self.identify(peer, parts, access).await?;
        if identity.role < needed {
            let user = identity.user.as_deref().unwrap_or("this request");
            let needed = needed.label();
            let message = format!("{user:?} lacks the role {needed}; give it that role in web.roles");
            return Err(Refusal::new(StatusCode::FORBIDDEN, "role_missing", message));
        }
        Ok(identity)
    }

    /// The Host, where there is one; HTTP/1.0 may do without, and no browser does.
    fn check_host(&self, parts: &Parts) -> Result<Option<Authority>, Refusal> {
        let bad = |message| Refusal::new(StatusCode::BAD_REQUEST, "bad_host", message);
        let mut values = parts.headers.get_all(header::HOST).iter();
        let (host, None) = (values.next(), values.next()) else {
            return Err(bad("more than one Host header"));
        };
        let host = host
            .map(|value| value.to_str().ok().and_then(|text| text.parse::<Authority>().ok()))
            .map(|host| {
                host.filter(|host| !host.as_str().contains('@')).ok_or_else(|| bad("the Host header is not a host"))
            })
            .transpose()?;
        if host.is_none() && parts.version >= Version::HTTP_11 {
            return Err(bad("the Host header is missing"));
        }
        for host in parts.uri.authority().into_iter().chain(&host) {
            if !self.rules.allows_host(host) {
                let name = host.host();
                // A scraper shows the status and not the text, so the log says it too, once: strangers could fill it.
                if !self.told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "refused a request for the host {name:?}; if it is ours, add it to web.allowed_hosts"
                    );
                }
                let message = format!("this server does not answer for the host {name:?}; add it to web.allowed_hosts");
                return Err(Refusal::new(StatusCode::FORBIDDEN, "host_not_allowed", message));
            }
        }
        Ok(host)
    }

    /// Browsers send `Origin` with every POST across sites, and `Sec-Fetch-Site` where the address can be trusted.
    fn check_origin(&self, parts: &Parts, host: Option<&Authority>, tls: bool) -> Result<(), Refusal> {
        let text = |value: &HeaderValue| value.to_str().map(str::to_owned).unwrap_or_default();
        let ours = |origin: String| self.rules.allows_origin(&origin, host, tls);
        let origins = parts.headers.get_all(header::ORIGIN).iter().map(text).all(ours);
        let own = |site: String| matches!(site.as_str(), "same-origin" | "none");
        let sites = parts.headers.get_all("sec-fetch-site").iter().map(text).all(own);
        if origins && sites {
            return Ok(());
        }
        let message = "a page of another origin may not write; behind a proxy, set web.external_url to the address that \
                       people use";
        Err(Refusal::new(StatusCode::FORBIDDEN, "cross_origin", message))
    }

    async fn identify(&self, peer: &Peer, parts: &Parts, access: Access) -> Result<Identity, Refusal> {
        let loaded = self.live.current();
        let named = |user: String| Identity { role: self.rules.role(&user), user: Some(user) };
        let trusted = self.rules.user_header.as_ref().filter(|_| peer.is_loopback());
        if let Some(user) = trusted.and_then(|header| user_of(&parts.headers, header)) {
            return Ok(named(user));
        }
        if !loaded.toolkit.users.is_empty() {
            return self.verify(&loaded, &parts.headers).await.map(named);
        }
        if peer.certificate {
            return Ok(named("certificate".to_owned()));
        }
        let forwarded = FORWARDED.iter().any(|name| parts.headers.contains_key(name));
        let direct = peer.is_loopback() && !forwarded && trusted.is_none();
        if direct && !loaded.authenticates() {
            return Ok(Identity { user: None, role: Role::Admin });
        }
        if access == Access::Scrape && !loaded.authenticates() {
            return Ok(Identity { user: None, role: Role::Metrics });
        }
        if let Some(header) = trusted {
            let message = format!(
                "the proxy has named no user; it must set the header {header:?}, which web.trusted_user_header asks for"
            );
            return Err(Refusal::new(StatusCode::FORBIDDEN, "user_missing", message));
        }
        let message = "without authentication, only GET /metrics, /-/healthy and /-/ready answer beyond direct loopback \
                       connections; set web.config_file to a web configuration file with basic_auth_users";
        Err(Refusal::new(StatusCode::FORBIDDEN, "authentication_not_configured", message))
    }

    async fn verify(&self, loaded: &Arc<Loaded>, headers: &HeaderMap) -> Result<String, Refusal> {
        let wrong = |what| {
            let message = format!("{what}; the users are the basic_auth_users of the file that web.config_file names");
            Err(Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", message))
        };
        let Some((user, password)) = basic(headers) else { return wrong("a user name and a password are needed") };
        if self.verifier.verify(loaded, &user, password).await {
            Ok(user)
        } else {
            wrong("wrong user name or password")
        }
    }
}

/// The one user that the proxy names; several are a client's attempt to add its own.
fn user_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok().map(str::trim).filter(|user| !user.is_empty()).map(str::to_owned)
}

fn check_length(headers: &HeaderMap) -> Result<(), Refusal> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "a request body is at most 1 MiB"));
    }
    Ok(())
}

/// A form of a stranger's page cannot send JSON, and a request without a body needs no type.
fn check_content(headers: &HeaderMap) -> Result<(), Refusal> {
    let body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let json = |kind: &HeaderValue| {
        let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/json")
    };
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    match (kinds.next(), kinds.next()) {
        (None, _) if !body => Ok(()),
        (Some(kind), None) if json(kind) => Ok(()),
        _ => {
            let message =
                "writing takes a JSON body with Content-Type: application/json, or no body and no Content-Type";
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", message))
        }
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
