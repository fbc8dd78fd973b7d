//! The checked form of the section `web`: which hosts and origins are ours, and which role a user has.
//!
//! Pure: takes header text and says yes or no. Which request needs which answer is `access`'s matter.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderName, header};

use super::config::{Config, Role};
use super::error::Problem;

/// What the configuration says about requests.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Names that a Host may be, in lower case, besides loopback and addresses.
    hosts: Vec<String>,
    external: Option<External>,
    roles: BTreeMap<String, Role>,
    /// The header in which a trusted proxy names the user.
    pub(super) user_header: Option<HeaderName>,
}

/// The address that people use.
#[derive(Debug)]
struct External {
    https: bool,
    authority: Authority,
    /// Empty, or `/a/b` without a slash at the end.
    prefix: String,
}

impl Rules {
    pub(super) fn check(config: &Config) -> Result<Rules, Vec<Problem>> {
        let mut rules = Rules { roles: config.roles.clone(), ..Rules::default() };
        let mut problems = Vec::new();
        for (index, text) in config.allowed_hosts.iter().enumerate() {
            match text.parse::<Authority>() {
                Ok(authority) if !text.contains(['@', '*']) => rules.hosts.push(name(authority.host())),
                _ => {
                    let message = format!("expected a host name such as `tokentail.example.org`, found {text:?}");
                    problems.push(Problem::of_key(format!("web.allowed_hosts[{index}]"), message));
                }
            }
        }
        if let Some(text) = &config.external_url {
            match external(text) {
                Some(external) => {
                    rules.hosts.push(name(external.authority.host()));
                    rules.external = Some(external);
                }
                None => {
                    let message = format!("expected a URL such as `https://example.org/tokentail`, found {text:?}");
                    problems.push(Problem::of_key("web.external_url", message));
                }
            }
        }
        for text in &config.listen {
            if let Ok(authority) = text.parse::<Authority>() {
                rules.hosts.push(name(authority.host()));
            }
        }
        if let Some(text) = &config.trusted_user_header {
            match text.parse::<HeaderName>() {
                Ok(header) if header != header::AUTHORIZATION && header != header::HOST => {
                    rules.user_header = Some(header);
                }
                _ => {
                    let message = format!("expected a header such as `X-Forwarded-User`, found {text:?}");
                    problems.push(Problem::of_key("web.trusted_user_header", message));
                }
            }
        }
        if problems.is_empty() { Ok(rules) } else { Err(problems) }
    }

    /// What a proxy puts before our paths: empty, or `/a/b`.
    pub(super) fn prefix(&self) -> &str {
        self.external.as_ref().map_or("", |external| external.prefix.as_str())
    }

    /// What absolute addresses of our pages begin with: the external URL, else what the request was sent to, which
    /// [`Rules::allows_host`] has allowed. Empty where neither is known.
    pub(super) fn base(&self, host: Option<&str>, tls: bool) -> String {
        let scheme = |https| if https { "https" } else { "http" };
        match (&self.external, host) {
            (Some(External { https, authority, prefix }), _) => format!("{}://{authority}{prefix}", scheme(*https)),
            (None, Some(host)) => format!("{}://{host}", scheme(tls)),
            (None, None) => String::new(),
        }
    }

    /// Whether a request for this host is meant for us. DNS rebinding (a stranger's page whose name is made to point
    /// here) needs a name, so an address is always ours: Prometheus scrapes a pod by its address without any setting.
    pub(super) fn allows_host(&self, host: &Authority) -> bool {
        let name = name(host.host());
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = bare.map_or_else(|| name.parse::<Ipv4Addr>().is_ok(), |bare| bare.parse::<Ipv6Addr>().is_ok());
        address || name == "localhost" || self.hosts.contains(&name)
    }

    /// Whether an `Origin` is the page's own: that of the request itself, or of the external address.
    pub(super) fn allows_origin(&self, origin: &str, host: Option<&Authority>, https: bool) -> bool {
        let Ok(uri) = origin.parse::<Uri>() else { return false };
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return false };
        let origin_https = match scheme.as_str() {
            "https" => true,
            "http" => false,
            _ => return false,
        };
        let same = |own: &Authority, own_https: bool| {
            origin_https == own_https && place(&authority, origin_https) == place(own, own_https)
        };
        host.is_some_and(|host| same(host, https))
            || self.external.as_ref().is_some_and(|external| same(&external.authority, external.https))
    }

    /// The role of a user who is known by name.
    pub(super) fn role(&self, user: &str) -> Role {
        self.roles.get(user).copied().unwrap_or(Role::Viewer)
    }
}

/// A host in the one spelling that is compared.
fn name(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn place(authority: &Authority, https: bool) -> (String, u16) {
    (name(authority.host()), authority.port_u16().unwrap_or(if https { 443 } else { 80 }))
}

fn external(text: &str) -> Option<External> {
    let parts = text.parse::<Uri>().ok()?.into_parts();
    let https = match parts.scheme?.as_str() {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let authority = parts.authority.filter(|authority| !authority.as_str().contains('@'))?;
    let path = parts.path_and_query?;
    if path.query().is_some() || path.path().contains("//") {
        return None;
    }
    Some(External { https, authority, prefix: path.path().trim_end_matches('/').to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(config: Config) -> Rules {
        Rules::check(&config).expect("valid")
    }

    fn ours() -> Rules {
        rules(Config {
            listen: vec!["gateway-1:13210".to_owned(), "127.0.0.1:13210".to_owned(), "[::]:1".to_owned()],
            external_url: Some("https://Example.org:8443/tools/tokentail/".to_owned()),
            allowed_hosts: vec!["Tokentail.monitoring.svc".to_owned(), "with-port:80".to_owned()],
            ..Config::default()
        })
    }

    #[test]
    fn a_host_is_ours_by_address_or_by_setting() {
        let cases = [
            ("localhost", true),
            ("LOCALHOST:13210", true),
            ("localhost.:1", true),
            ("127.0.0.1", true),
            ("127.9.9.9:80", true),
            ("[::1]:13210", true),
            ("10.1.2.3:13210", true),
            ("[2001:db8::1]", true),
            ("gateway-1:13210", true),
            ("example.org", true),
            ("EXAMPLE.org.:8443", true),
            ("tokentail.monitoring.svc:13210", true),
            ("with-port:13210", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evil.example.org", false),
            ("tokentail", false),
            ("2130706433", false),
            ("0x7f.1", false),
        ];
        for (host, want) in cases {
            assert_eq!(ours().allows_host(&host.parse().expect(host)), want, "{host}");
        }
    }

    #[test]
    fn an_origin_is_ours_by_scheme_host_and_port() {
        let cases = [
            ("http://127.0.0.1:13210", "127.0.0.1:13210", false, true),
            ("http://localhost", "localhost:80", false, true),
            ("https://localhost", "localhost:443", true, true),
            ("https://example.org:8443", "127.0.0.1:13210", false, true),
            ("https://example.org", "127.0.0.1:13210", false, false),
            ("http://127.0.0.1:13211", "127.0.0.1:13210", false, false),
            ("https://127.0.0.1:13210", "127.0.0.1:13210", false, false),
            ("http://localhost:13210", "127.0.0.1:13210", false, false),
            ("http://evil.example", "127.0.0.1:13210", false, false),
            ("null", "127.0.0.1:13210", false, false),
            ("", "127.0.0.1:13210", false, false),
            ("file://", "127.0.0.1:13210", false, false),
            ("ftp://127.0.0.1:13210", "127.0.0.1:13210", false, false),
        ];
        for (origin, host, https, want) in cases {
            let host = host.parse().expect(host);
            assert_eq!(ours().allows_origin(origin, Some(&host), https), want, "{origin} at {host}");
        }
        assert!(!ours().allows_origin("http://127.0.0.1", None, false));
    }

    #[test]
    fn the_prefix_is_the_path_of_the_external_url() {
        assert_eq!(ours().prefix(), "/tools/tokentail");
        for url in ["https://example.org", "https://example.org/"] {
            assert_eq!(rules(Config { external_url: Some(url.to_owned()), ..Config::default() }).prefix(), "");
        }
        assert_eq!(rules(Config::default()).prefix(), "");
    }

    #[test]
    fn addresses_begin_with_the_external_url_or_with_what_was_asked() {
        assert_eq!(ours().base(Some("127.0.0.1:13210"), false), "https://Example.org:8443/tools/tokentail");
        let plain = rules(Config::default());
        assert_eq!(plain.base(Some("127.0.0.1:13210"), false), "http://127.0.0.1:13210");
        assert_eq!(plain.base(Some("[::1]:1"), true), "https://[::1]:1");
        assert_eq!(plain.base(None, true), "");
    }

    #[test]
    fn a_user_who_is_not_listed_is_a_viewer() {
        let rules = rules(Config { roles: [("root".to_owned(), Role::Admin)].into(), ..Config::default() });
        assert_eq!((rules.role("root"), rules.role("Root")), (Role::Admin, Role::Viewer));
    }

    #[test]
    fn every_setting_that_cannot_be_used_is_told_with_its_key() {
        let config = Config {
            allowed_hosts: ["ok", "http://x/", "a@b", "*.example.org", ""].map(str::to_owned).into(),
            external_url: Some("example.org/x".to_owned()),
            trusted_user_header: Some("X User".to_owned()),
            ..Config::default()
        };
        let problems = Rules::check(&config).expect_err("six problems");
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        let want = [1, 2, 3, 4].map(|index| format!("web.allowed_hosts[{index}]"));
        assert_eq!(keys[..4], want);
        assert_eq!(keys[4..], ["web.external_url", "web.trusted_user_header"]);
        for header in ["Authorization", "host"] {
            let config = Config { trusted_user_header: Some(header.to_owned()), ..Config::default() };
            let problems = Rules::check(&config).expect_err("a header that every client sets itself");
            assert_eq!(problems[0].key, "web.trusted_user_header");
        }
        for url in ["ftp://example.org", "https://a@example.org", "https://example.org/?x=1", "https://example.org//x"]
        {
            assert!(external(url).is_none(), "{url}");
        }
    }
}
