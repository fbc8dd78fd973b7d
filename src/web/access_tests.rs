//! The rules of `access`, one test each; every test fails without its rule.

use axum::http::Request;

use super::*;

const HERE: &str = "127.0.0.1";
const THERE: &str = "10.1.2.3";

fn peer(local: &str, remote: &str) -> Peer {
    Peer { local: local.parse().unwrap(), remote: remote.parse().unwrap(), tls: false, certificate: false }
}

fn request(headers: &[(&str, &str)]) -> Parts {
    let mut builder = Request::builder().uri("/");
    if !headers.iter().any(|(name, _)| *name == "host") {
        builder = builder.header("host", "127.0.0.1:13210");
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        builder = builder.header(*name, *value);
    }
    builder.body(()).expect("a request").into_parts().0
}

fn gate(config: &Config) -> Gate {
    Gate::open(config).expect("valid")
}

/// A gate with the user alice, password `secret`, an administrator, and bob, who is not listed.
fn guarded(config: Config) -> (Gate, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("web.yml");
    let hash = bcrypt::hash("secret", 4).expect("a hash");
    std::fs::write(&file, format!("basic_auth_users: {{alice: '{hash}', bob: '{hash}', carl: '{hash}'}}\n"))
        .expect("writable");
    let roles = [("alice".to_owned(), Role::Admin), ("carl".to_owned(), Role::Metrics)].into();
    (gate(&Config { config_file: Some(file), roles, ..config }), folder)
}

const VIEW: Access = Access::Role(Role::Viewer);
const ADMIN: Access = Access::Role(Role::Admin);

/// The role admitted with, or the code of the refusal.
async fn ask(gate: &Gate, peer: Peer, access: Access, headers: &[(&str, &str)]) -> Result<Role, &'static str> {
    let parts = request(headers);
    gate.admit(&peer, &parts, access, access == ADMIN)
        .await
        .map(|identity| identity.role)
        .map_err(|refusal| refusal.code)
}

#[tokio::test]
async fn without_authentication_direct_loopback_may_everything_and_others_may_scrape() {
    let gate = gate(&Config::default());
    for near in [peer(HERE, HERE), peer("::1", "::1"), peer("::ffff:127.0.0.1", "::ffff:127.0.0.1")] {
        assert_eq!(ask(&gate, near, ADMIN, &[]).await, Ok(Role::Admin));
    }
    for far in [peer(THERE, "10.9.9.9"), peer(THERE, THERE), peer(HERE, "10.9.9.9"), peer(THERE, HERE)] {
        assert_eq!(ask(&gate, far, Access::Health, &[]).await, Ok(Role::Metrics));
        assert_eq!(ask(&gate, far, Access::Scrape, &[]).await, Ok(Role::Metrics));
        assert_eq!(ask(&gate, far, VIEW, &[]).await, Err("authentication_not_configured"));
        assert_eq!(ask(&gate, far, ADMIN, &[]).await, Err("authentication_not_configured"));
    }
    let refusal = gate.admit(&peer(THERE, THERE), &request(&[]), VIEW, false).await.expect_err("refused");
    assert!(refusal.message.contains("web.config_file"), "{}", refusal.message);
}

#[tokio::test]
async fn what_a_proxy_forwards_is_not_a_direct_connection() {
    let gate = gate(&Config::default());
    for header in ["forwarded", "via", "x-forwarded-for", "x-real-ip"] {
        assert_eq!(ask(&gate, peer(HERE, HERE), VIEW, &[(header, "x")]).await, Err("authentication_not_configured"));
        assert_eq!(ask(&gate, peer(HERE, HERE), Access::Scrape, &[(header, "x")]).await, Ok(Role::Metrics));
    }
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_refused_everywhere_but_on_health_paths() {
    let gate = gate(&Config { allowed_hosts: vec!["tokentail.svc".to_owned()], ..Config::default() });
    let near = peer(HERE, HERE);
    for access in [Access::Scrape, VIEW, ADMIN] {
        assert_eq!(ask(&gate, near, access, &[("host", "evil.example")]).await, Err("host_not_allowed"), "{access:?}");
        assert!(ask(&gate, near, access, &[("host", "tokentail.svc:13210")]).await.is_ok(), "{access:?}");
        assert!(ask(&gate, near, access, &[("host", "10.1.2.3:13210")]).await.is_ok(), "{access:?}");
    }
    assert!(ask(&gate, near, Access::Health, &[("host", "evil.example")]).await.is_ok());
    for host in ["a@localhost", "local host", "localhost/x"] {
        assert_eq!(ask(&gate, near, VIEW, &[("host", host)]).await, Err("bad_host"), "{host}");
    }
    let refusal = gate.admit(&near, &request(&[("host", "evil.example")]), VIEW, false).await.expect_err("refused");
    assert!(refusal.message.contains("evil.example") && refusal.message.contains("web.allowed_hosts"));
}

#[tokio::test]
async fn the_host_is_given_once_and_the_request_line_counts_too() {
    let gate = gate(&Config::default());
    let near = peer(HERE, HERE);
    assert_eq!(ask(&gate, near, VIEW, &[("host", "localhost"), ("host", "localhost")]).await, Err("bad_host"));
    assert_eq!(ask(&gate, near, VIEW, &[("host", "")]).await, Err("bad_host"), "HTTP/1.1 without a Host");
    let mut parts = request(&[("host", "")]);
    parts.version = Version::HTTP_10;
    assert!(gate.admit(&near, &parts, VIEW, false).await.is_ok());
    let mut parts = request(&[]);
    parts.uri = "http://evil.example/".parse().expect("a URI");
    assert_eq!(gate.admit(&near, &parts, VIEW, false).await.expect_err("refused").code, "host_not_allowed");
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_write() {
    let gate = gate(&Config { external_url: Some("https://example.org/t".to_owned()), ..Config::default() });
    let near = peer(HERE, HERE);
    for headers in [
        [("origin", "http://127.0.0.1:13210")],
        [("origin", "https://example.org")],
        [("sec-fetch-site", "same-origin")],
        [("sec-fetch-site", "none")],
    ] {
        assert_eq!(ask(&gate, near, ADMIN, &headers).await, Ok(Role::Admin), "{headers:?}");
    }
    for headers in [
        [("origin", "http://evil.example")],
        [("origin", "null")],
        [("origin", "http://127.0.0.1:1")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
    ] {
        assert_eq!(ask(&gate, near, ADMIN, &headers).await, Err("cross_origin"), "{headers:?}");
        assert_eq!(ask(&gate, near, VIEW, &headers).await, Ok(Role::Admin), "reading is no write");
    }
}

#[tokio::test]
async fn writing_takes_json_or_nothing() {
    let gate = gate(&Config::default());
    let near = peer(HERE, HERE);
    let json = ("content-type", "application/json; charset=utf-8");
    for headers in [&[][..], &[("content-length", "0")], &[json], &[json, ("content-length", "2")]] {
        assert_eq!(ask(&gate, near, ADMIN, headers).await, Ok(Role::Admin), "{headers:?}");
    }
    for headers in [
        &[("content-type", "application/x-www-form-urlencoded")][..],
        &[("content-type", "text/plain"), ("content-length", "2")],
        &[("content-length", "2")],
        &[("transfer-encoding", "chunked")],
        &[json, ("content-type", "text/plain")],
        &[("content-type", "application/json-patch+json")],
    ] {
        assert_eq!(ask(&gate, near, ADMIN, headers).await, Err("content_type"), "{headers:?}");
    }
    assert_eq!(ask(&gate, near, ADMIN, &[json, ("content-length", "1048577")]).await, Err("too_large"));
    assert_eq!(ask(&gate, near, ADMIN, &[json, ("content-length", "1048576")]).await, Ok(Role::Admin));
}

#[tokio::test]
async fn with_users_everything_but_health_needs_a_password_from_everywhere() {
    let (gate, _folder) = guarded(Config::default());
    let (alice, wrong) = (("authorization", "Basic YWxpY2U6c2VjcmV0"), ("authorization", "Basic YWxpY2U6d3Jvbmc="));
    for from in [peer(HERE, HERE), peer(THERE, "10.9.9.9")] {
        assert!(ask(&gate, from, Access::Health, &[]).await.is_ok());
        for access in [Access::Scrape, VIEW, ADMIN] {
            assert_eq!(ask(&gate, from, access, &[]).await, Err("unauthorized"), "{access:?}");
            assert_eq!(ask(&gate, from, access, &[wrong]).await, Err("unauthorized"), "{access:?}");
            assert_eq!(ask(&gate, from, access, &[alice]).await, Ok(Role::Admin), "{access:?}");
        }
    }
    let refusal = gate.admit(&peer(HERE, HERE), &request(&[]), VIEW, false).await.expect_err("refused");
    assert_eq!(refusal.status, StatusCode::UNAUTHORIZED);
    assert!(refusal.message.contains("web.config_file"), "{}", refusal.message);
}

#[tokio::test]
async fn a_role_opens_its_own_paths_and_those_below() {
    let (gate, _folder) = guarded(Config::default());
    let near = peer(HERE, HERE);
    let bob = ("authorization", "Basic Ym9iOnNlY3JldA==");
    let carl = ("authorization", "Basic Y2FybDpzZWNyZXQ=");
    assert_eq!(ask(&gate, near, Access::Scrape, &[carl]).await, Ok(Role::Metrics));
    assert_eq!(ask(&gate, near, VIEW, &[carl]).await, Err("role_missing"));
    assert_eq!(ask(&gate, near, Access::Scrape, &[bob]).await, Ok(Role::Viewer));
    assert_eq!(ask(&gate, near, VIEW, &[bob]).await, Ok(Role::Viewer));
    assert_eq!(ask(&gate, near, ADMIN, &[bob]).await, Err("role_missing"));
    let refusal = gate.admit(&near, &request(&[bob]), ADMIN, true).await.expect_err("refused");
    assert!(refusal.message.contains("web.roles") && refusal.message.contains("admin"), "{}", refusal.message);
}

#[tokio::test]
async fn a_proxy_names_the_user_over_loopback_only() {
    let config = Config {
        trusted_user_header: Some("X-User".to_owned()),
        roles: [("alice".to_owned(), Role::Admin)].into(),
        ..Config::default()
    };
    let gate = gate(&config);
    let (near, far) = (peer(HERE, HERE), peer(THERE, "10.9.9.9"));
    let forwarded = ("x-forwarded-for", "203.0.113.9");
    assert_eq!(ask(&gate, near, ADMIN, &[("x-user", "alice"), forwarded]).await, Ok(Role::Admin));
    assert_eq!(ask(&gate, near, VIEW, &[("x-user", "eve")]).await, Ok(Role::Viewer));
    assert_eq!(ask(&gate, near, ADMIN, &[("x-user", "eve")]).await, Err("role_missing"));
    assert_eq!(
        ask(&gate, near, VIEW, &[]).await,
        Err("user_missing"),
        "a proxy that forgot to ask is no administrator"
    );
    assert_eq!(ask(&gate, near, VIEW, &[("x-user", " ")]).await, Err("user_missing"));
    assert_eq!(ask(&gate, near, VIEW, &[("x-user", "eve"), ("x-user", "alice")]).await, Err("user_missing"));
    assert_eq!(ask(&gate, near, Access::Scrape, &[]).await, Ok(Role::Metrics));
    assert_eq!(ask(&gate, far, VIEW, &[("x-user", "alice")]).await, Err("authentication_not_configured"));

    let (gate, _folder) = guarded(config);
    assert_eq!(ask(&gate, far, VIEW, &[("x-user", "alice")]).await, Err("unauthorized"));
    assert_eq!(ask(&gate, near, ADMIN, &[("x-user", "alice")]).await, Ok(Role::Admin));
    assert_eq!(ask(&gate, near, VIEW, &[]).await, Err("unauthorized"));
}

#[tokio::test]
async fn a_client_certificate_is_the_user_certificate() {
    let from = Peer { tls: true, certificate: true, ..peer(THERE, "10.9.9.9") };
    let viewer = gate(&Config::default());
    assert_eq!(ask(&viewer, from, VIEW, &[]).await, Ok(Role::Viewer));
    assert_eq!(ask(&viewer, from, ADMIN, &[]).await, Err("role_missing"));
    let admin = gate(&Config { roles: [("certificate".to_owned(), Role::Admin)].into(), ..Config::default() });
    assert_eq!(ask(&admin, from, ADMIN, &[]).await, Ok(Role::Admin));
    let (both, _folder) = guarded(Config::default());
    assert_eq!(
        ask(&both, from, VIEW, &[]).await,
        Err("unauthorized"),
        "where there are users, a password is needed too"
    );
}

#[tokio::test]
async fn where_every_client_must_have_a_certificate_none_gets_in_without_one() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/testdata");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("web.yml");
    let named = |name: &str| data.join(name).display().to_string();
    let text = format!(
        "tls_server_config: {{cert_file: {}, key_file: {}, client_auth_type: RequireAndVerifyClientCert, \
         client_ca_file: {}}}\n",
        named("server.pem"),
        named("server.key"),
        named("ca.pem")
    );
    std::fs::write(&file, text).expect("writable");
    let gate = gate(&Config { config_file: Some(file), ..Config::default() });
    // A connection that is older than the setting has shown none.
    for from in [peer(HERE, HERE), peer(THERE, "10.9.9.9")] {
        for access in [Access::Scrape, VIEW, ADMIN] {
            assert_eq!(ask(&gate, from, access, &[]).await, Err("authentication_not_configured"), "{access:?}");
        }
    }
    let shown = Peer { tls: true, certificate: true, ..peer(HERE, HERE) };
    assert_eq!(ask(&gate, shown, Access::Scrape, &[]).await, Ok(Role::Viewer));
}

#[test]
fn every_problem_of_the_settings_is_told_at_once() {
    let config = Config {
        config_file: Some("/nonexistent/web.yml".into()),
        external_url: Some("x".to_owned()),
        ..Config::default()
    };
    let problems = Gate::open(&config).expect_err("two problems");
    assert_eq!(problems.len(), 2, "{problems:?}");
}
