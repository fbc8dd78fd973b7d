//! What is wrong with a configuration is said before anything runs, all of it at once.

use super::*;

fn problems(target: &Target) -> Vec<String> {
    let mut trust = Trust::load(None, &Clock::manual(0)).expect("built-in authorities");
    target.build(&mut trust).expect_err("problems").iter().map(ToString::to_string).collect()
}

fn http(change: impl FnOnce(&mut Http)) -> Target {
    let mut http = Http::get("http://127.0.0.1/");
    change(&mut http);
    Target::new("a", Check::Http(http))
}

fn chat(change: impl FnOnce(&mut Chat)) -> Target {
    let mut chat = Chat::new("https://a.test/v1/chat/completions", "m");
    change(&mut chat);
    Target::new("a", Check::Chat(chat))
}

fn header(name: &str, value: Secret) -> Header {
    Header { name: name.to_owned(), value }
}

#[test]
fn each_problem_names_its_key_and_what_was_expected() {
    let text = |text: &str| Secret::Text(text.to_owned());
    let valid = || http(|_| {});
    let cases: Vec<(Target, &str)> = vec![
        (Target { name: " ".to_owned(), ..valid() }, "name: expected 1 to 100 bytes"),
        (Target { interval: Duration::from_secs(90_000), ..valid() }, "interval: expected 1s to 1d, found 90000s"),
        (Target { timeout: Duration::from_secs(16), ..valid() }, "timeout: expected more than 0 and at most"),
        (Target { timeout: Duration::ZERO, ..valid() }, "timeout: expected more than 0"),
        (http(|http| http.url = "127.0.0.1:80".to_owned()), "url: expected "),
        (http(|http| http.method = "GET /".to_owned()), "method: expected a method such as `GET`"),
        (http(|http| http.headers = vec![header("a b", text("c"))]), "headers[0].name: expected the name of a header"),
        (http(|http| http.headers = vec![header("Content-Length", text("1"))]), "headers[0].name: expected another"),
        (http(|http| http.headers = vec![header("a", text("b\nc"))]), "headers[0].value: expected a value of one line"),
        (
            http(|http| http.headers = vec![header("a", Secret::File("/gone".into()))]),
            "headers[0].value_file: /gone: No such file",
        ),
        (http(|http| http.tls.ca_file = Some("/gone".into())), "tls.ca_file: /gone: No such file"),
        (
            http(|http| http.tls.ca_file = Some(testdata("README.md"))),
            "README.md: expected certificates in PEM form: found none",
        ),
        (http(|http| http.tls.cert_file = Some(testdata("client.pem"))), "tls.key_file: expected the key"),
        (http(|http| http.tls.key_file = Some(testdata("client.key"))), "tls.cert_file: expected the certificate"),
        (
            http(|http| {
                http.tls.cert_file = Some(testdata("client.pem"));
                http.tls.key_file = Some(testdata("second.key"));
            }),
            "tls.key_file: ",
        ),
        (
            http(|http| {
                http.url = "https://a.test/".to_owned();
                http.tls.server_name = Some("a b".to_owned());
            }),
            "tls.server_name: expected a host name",
        ),
        (Target::new("a", Check::Tcp(Tcp { address: "redis".to_owned(), tls: None })), "address: expected `host:port`"),
        (chat(|chat| chat.url = "https://a.test/v1".to_owned()), "url: expected the whole address such as"),
        (chat(|chat| chat.model = String::new()), "model: expected a text"),
        (chat(|chat| chat.max_tokens = 0), "max_tokens: expected at least 1"),
        (chat(|chat| chat.daily_tokens = 100), "daily_tokens: expected at least the 1119 tokens"),
        (chat(|chat| chat.api_key = Some(Secret::File("/gone".into()))), "api_key_file: /gone: No such file"),
    ];
    for (target, want) in cases {
        let found = problems(&target);
        assert_eq!(found.len(), 1, "{want}: {found:?}");
        assert!(found[0].contains(want), "{want}: {found:?}");
    }
}

#[test]
fn all_problems_of_all_targets_come_at_once() {
    let bad = Target { timeout: Duration::ZERO, ..http(|http| http.url = String::new()) };
    let off = chat(|chat| chat.max_tokens = 0);
    let config = Config { targets: vec![http(|_| {}), bad, off], roots_file: None };
    let found = build(&config, &Clock::manual(0)).expect_err("problems");
    let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["[1].name", "[1].timeout", "[1].url", "[2].name", "[2].max_tokens"]);
    let config = Config { targets: Vec::new(), roots_file: Some("/gone".into()) };
    assert_eq!(build(&config, &Clock::manual(0)).expect_err("a problem")[0].key, "roots_file");
}

#[test]
fn a_completion_runs_only_where_it_is_switched_on() {
    let mut off = chat(|_| {});
    off.name = "off".to_owned();
    let on = chat(|chat| chat.enabled = true);
    let config = Config { targets: vec![off, on], roots_file: Some(testdata("ca.pem")) };
    let probes = build(&config, &Clock::manual(0)).expect("valid");
    assert_eq!(probes.iter().map(|probe| &**probe.name()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn no_secret_is_in_a_debug_form() {
    let target = chat(|chat| {
        chat.api_key = Some(Secret::Text("sk-1".to_owned()));
        chat.headers = vec![header("x-key", Secret::Text("sk-1".to_owned()))];
    });
    let probe = probe_at(&target, &Clock::manual(0));
    assert!(!format!("{target:?} {probe:?}").contains("sk-1"));
}

#[test]
fn targets_that_trust_alike_share_one_client() {
    let mut trust = Trust::load(None, &Clock::manual(0)).expect("built-in authorities");
    let tls = Tls::default();
    let named = Tls { server_name: Some("a".to_owned()), ..Tls::default() };
    let own = Tls { ca_file: Some(testdata("ca.pem")), ..Tls::default() };
    let first = trust.client(&tls, true).expect("a client");
    assert!(Arc::ptr_eq(&first, &trust.client(&named, true).expect("a client")));
    assert!(!Arc::ptr_eq(&first, &trust.client(&tls, false).expect("a client")));
    assert!(!Arc::ptr_eq(&first, &trust.client(&own, true).expect("a client")));
}
