//! What is redacted and what only looks like it, and what holds for every text.

use proptest::prelude::*;

use super::*;

fn redactor() -> Redactor {
    Redactor::build(&Config::default())
}

/// The redacted text and the kinds that were found in it, each once.
fn redact(text: &str) -> (String, Vec<String>) {
    let redactor = redactor();
    let mut counts = vec![0; redactor.names().len()];
    let redacted = redactor.redact(text, &mut counts).into_owned();
    let found = redactor.names().iter().zip(&counts).filter(|(_, count)| **count > 0);
    (redacted, found.map(|(name, _)| name.to_string()).collect())
}

/// What is left of a text when marks are written as their kind in brackets.
fn short(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), redact(text).0);
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (mark, after) = after.split_once(CLOSE).unwrap();
        out.push_str(&format!("{before}<{}>", mark.trim_end_matches(PAD)));
        rest = after.to_owned();
    }
    out + &rest
}

#[test]
fn addresses_of_mail() {
    for (text, want) in [
        ("write to ann.lee+x@mail.example.org, please", "write to <email>, please"),
        ("邮箱：zhang_san@example.com。", "邮箱：<email>。"),
        ("<a@b.co>", "<<emai>>"),
        ("mailto:o'neil@example.com.", "mailto:<email>."),
        ("https://user:pa55@host.example.com/x", "https://user:<ke>@host.example.com/x"),
        ("13800138000@qq.com", "<email>"),
        ("a@b.com@c.org", "<email>@c.org"),
        ("jörg.müller@münchen.de, анна@пример.рф!", "<email>, <email>!"),
        ("用户@例子.公司谢谢；联系ann@example.com谢谢", "<email>谢谢；联系<email>谢谢"),
        ("ann＠example．com ann%40example.com", "<email> <email>"),
        // Near misses.
        ("你好@张三.李四，@小明 a:b@c", "你好@张三.李四，@小明 a:b@c"),
        ("@types/node and @ alone", "@types/node and @ alone"),
        ("user@localhost, lodash@4.17.21, a@b.c", "user@localhost, lodash@4.17.21, a@b.c"),
        ("x @example.com", "x @example.com"),
        ("name@.com a@-b.com", "name@.com a@-b.com"),
    ] {
        assert_eq!(short(text), want, "{text}");
    }
}

#[test]
fn telephone_numbers() {
    for (text, want) in [
        ("电话13800138000，", "电话<phone>，"),
        ("138 0013 8000 or 139-1234-5678", "<phone> or <phone>"),
        ("+86 138 0013 8000; +8613800138000; 86 13800138000; 008613800138000", "<phone>; <phone>; <phone>; <phone>"),
        ("+1 (415) 555-2671 / +1.415.555.2671", "<phone> / <phone>"),
        ("+44 20 7946 0958", "<phone>"),
        ("(415) 555-2671, 415-555-2671", "<phone>, <phone>"),
        ("+86 13800138000 2026", "<phone> 2026"),
        ("138.0013.8000, 138\u{a0}0013\u{a0}8000; 138  0013  8000", "<phone>, <phone>; <phone>"),
        ("tel13800138000 QQ13800138000，手机１３８００１３８０００", "tel<phone> QQ<phone>，手机<phone>"),
        ("+86\u{a0}138\u{a0}0013\u{a0}8000 86  13800138000", "<phone> <phone>"),
        // Near misses: dates, times, counts, amounts, versions, ids.
        ("2026-11-21 11:37:14, 20261121113714", "2026-11-21 11:37:14, 20261121113714"),
        ("1795132800 1795132800000 1795132800000000", "1795132800 1795132800000 1795132800000000"),
        ("12,345,678 tokens, 123456789 in, 98765432101 out", "12,345,678 tokens, 123456789 in, 98765432101 out"),
        ("13800138000.5 and 0.13800138000", "13800138000.5 and 0.13800138000"),
        ("x13800138000 13800138000x 138001380001", "x13800138000 13800138000x 138001380001"),
        ("10.8.1.9:40112 v1.13.8000", "10.8.1.9:40112 v1.13.8000"),
        ("1.138.0013.8000 138.0013.8000.1 138.0013-8000", "1.138.0013.8000 138.0013.8000.1 138.0013-8000"),
        ("order13800138000 SN13800138000 tel1 2026.1121.1137", "order13800138000 SN13800138000 tel1 2026.1121.1137"),
        ("1+12025550123 a+861234567890", "1+12025550123 a+861234567890"),
        ("+123, +20261121, (123) 456", "+123, +20261121, (123) 456"),
        ("115-555-2671 415-155-2671", "115-555-2671 415-155-2671"),
    ] {
        assert_eq!(short(text), want, "{text}");
    }
}

#[test]
fn numbers_of_cards() {
    for (text, want) in [
        ("card 4111111111111111 ok", "card <card> ok"),
        ("4111 1111 1111 1111, 5500-0000-0000-0004", "<card>, <card>"),
        ("3782 822463 10005 and 30569309025904", "<card> and <card>"),
        ("6222021234567890128", "<card>"),
        ("4111 1111 1111 1111 123", "<card> 123"),
        ("4111\u{a0}1111\u{a0}1111\u{a0}1111; 4111.1111.1111.1111; 4111  1111  1111  1111", "<card>; <card>; <card>"),
        ("４１１１１１１１１１１１１１１１", "<card>"),
        ("4111.1111.1111.1111.5 4111   1111   1111   1111", "4111.1111.1111.1111.5 4111   1111   1111   1111"),
        // Near misses: a wrong check digit, a count, times, UUIDs.
        ("4111111111111112 4111 1111 1111 1112", "4111111111111112 4111 1111 1111 1112"),
        ("1795132800000000 1795132800000000000", "1795132800000000 1795132800000000000"),
        ("6513270e-269e-4d37-b2a7-4de452e6b438", "6513270e-269e-4d37-b2a7-4de452e6b438"),
        ("12345678-4111-1111-1111-111111111111", "12345678-4111-1111-1111-111111111111"),
        ("41111111111111111111 4111111111111111a", "41111111111111111111 4111111111111111a"),
        ("0.4111111111111111", "0.4111111111111111"),
    ] {
        assert_eq!(short(text), want, "{text}");
    }
}

#[test]
fn keys_and_tokens() {
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKCAQEA\n-----END RSA PRIVATE KEY-----";
    for (text, want) in [
        ("key sk-proj-abc123DEF456ghi789 end", "key <key> end"),
        ("sk-ant-api03-0123456789abcdefghij", "<key>"),
        ("ghp_0123456789abcdefghij0123456789abcdef", "<key>"),
        ("AKIAIOSFODNN7EXAMPLE; LTAI5tAbCdEfGhIjKlMn", "<key>; <key>"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN", "<key>"),
        ("Authorization: Bearer 0123456789abcdef0123", "Authorization: Bearer <key>"),
        ("OPENAI_API_KEY=abcd1234efgh", "OPENAI_API_KEY=<key>"),
        (r#"{"api_key": "abcd1234efgh", "n": 1}"#, r#"{"api_key": "<key>", "n": 1}"#),
        (r#"{\"client-secret\":\"abcd1234efgh\"}"#, r#"{\"client-secret\":\"<key>\"}"#),
        ("password: 123456 and PASSWD='hunter2!'", "password: <key> and PASSWD='<key>'"),
        ("https://h/?api_key=abcd1234efgh&x=1", "https://h/?api_key=<key>&x=1"),
        ("token=abcdef0123456789abcdef01 refresh_token: abcd1234efgh", "token=<key> refresh_token: <key>"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic <key>"),
        (r#"{"authorization":"Token 0123456789abcdef0123"}"#, r#"{"authorization":"Token <key>"}"#),
        (
            "postgres://admin:hunter2secret@host/db redis://:p@ss@h:6379",
            "postgres://admin:<key>@host/db redis://:<ke>@h:6379",
        ),
        ("smtp://ann%40example.com:hunter2@h ftp://13800138000:p1@h", "smtp://<email>:<key>@h ftp://<phone>:<>@h"),
        (
            "password：hunter2 密码：123456，口令=hunter2 API密钥: abcd1234efgh",
            "password：<key> 密码：<key>，口令=<key> API密钥: <key>",
        ),
        ("sk-abcdefghijklmnopqrstuvwx sk-proj-abcdefghijklmnopqrstuvwx", "<key> <key>"),
        (&format!("a {pem} b"), "a <key> b"),
        ("a -----BEGIN PRIVATE KEY-----\nMIIE cut", "a <key>"),
        // Near misses.
        ("sk-learn and scikit-learn, task-0123456789abcdef", "sk-learn and scikit-learn, task-0123456789abcdef"),
        (
            "token=42 tokens: 1024 token = tokenizer token: 12345678901234567890",
            "token=42 tokens: 1024 token = tokenizer token: 12345678901234567890",
        ),
        (
            "Authorization: Basic authentication is old; authorization: required",
            "Authorization: Basic authentication is old; authorization: required",
        ),
        (
            "http://host:8080/@a http://u:${PW}@h http://u:***@h a:b@c 12:30@home",
            "http://host:8080/@a http://u:${PW}@h http://u:***@h a:b@c 12:30@home",
        ),
        ("密码：至少八位 sk-folding-cube-container-large", "密码：至少八位 sk-folding-cube-container-large"),
        ("max_tokens=4096, total_token: 12345678", "max_tokens=4096, total_token: 12345678"),
        ("api_key=os.environ, password: at least 8", "api_key=os.environ, password: at least 8"),
        ("the bearer of this letter; Bearer token", "the bearer of this letter; Bearer token"),
        (
            "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        ),
        ("eyJ0 e.g. x==y a:b c::d", "eyJ0 e.g. x==y a:b c::d"),
    ] {
        assert_eq!(short(text), want, "{text}");
    }
}

#[test]
fn escapes_are_no_letters() {
    for (text, want) in [
        (r#"{"a":"\n13800138000\n"}"#, r#"{"a":"\n<phone>\n"}"#),
        (r#"{"a":"\nsk-proj-abc123DEF456ghi789\t4111111111111111"}"#, r#"{"a":"\n<key>\t<card>"}"#),
        (r#""\teyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozj""#, r#""\t<key>""#),
        (r"ann\u0040example.com \u0031\u0033800138000", "<email> <phone>"),
        (
            r#"{"a":"{\"b\":\"\\n13800138000\\nann\\u0040example.com\"}"}"#,
            r#"{"a":"{\"b\":\"\\n<phone>\\n<email>\"}"}"#,
        ),
        (r#"{"key":"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"}"#, r#"{"key":"<key>\n"}"#),
        // No escapes, and nothing behind them.
        (r"C:\\work\\2026 \alpha \u12 \", r"C:\\work\\2026 \alpha \u12 \"),
    ] {
        assert_eq!(short(text), want, "{text}");
    }
    let own = OwnPattern { name: "order".into(), regex: r"(?m)^\s*工号：\d+\s".into() };
    let redactor = Redactor::build(&Config { redact_patterns: vec![own], ..Config::default() });
    let mut counts = vec![0; redactor.names().len()];
    let json = r#"["\n\u5de5号：17\n","x"]"#;
    assert_eq!(redactor.redact(json, &mut counts), r#"["\n‹order·····›","x"]"#);
}

#[test]
fn a_mark_has_the_length_and_the_kind_of_what_it_stands_for() {
    let (redacted, found) = redact("to ann@example.org, card 4111111111111111");
    assert_eq!(redacted, "to ‹email········›, card ‹card··········›");
    assert_eq!(found, ["email", "card"]);
    assert_eq!(redact("no such thing").1, Vec::<String>::new());
}

#[test]
fn only_what_is_asked_for_is_redacted_and_own_expressions_come_first() {
    let own = |name: &str, regex: &str| OwnPattern { name: name.into(), regex: regex.into() };
    let config = Config {
        redact: vec![Pattern::Phone],
        redact_patterns: vec![own("employee", r"\bE-\d{11}\b"), own("word", "secret|"), own("broken", "(")],
        ..Config::default()
    };
    let redactor = Redactor::build(&config);
    assert_eq!(
        redactor.names().iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        ["phone", "employee", "word", "broken"]
    );
    let mut counts = vec![0; 4];
    let text = "E-13800138000 13800138000 a@b.com secret ‹word› secret";
    let redacted = redactor.redact(text, &mut counts).into_owned();
    assert_eq!(redacted, "‹employee···› ‹phone····› a@b.com ‹word› ‹word› ‹word›");
    assert_eq!(counts, [1, 1, 2, 0]);
    assert_eq!(redactor.redact(&redacted, &mut counts), redacted);
    let off = Redactor::build(&Config { redact: Vec::new(), ..Config::default() });
    assert!(matches!(off.redact(text, &mut []), Cow::Borrowed(same) if same == text));
}

/// A quarter of a megabyte of what nearly is something at every place takes as long as any other text: quadratic time would not end.
#[test]
fn hostile_text_takes_linear_time() {
    let own = OwnPattern { name: "own".into(), regex: r"[a-z]+@[a-z]+\.example".into() };
    let redactor = Redactor::build(&Config { redact_patterns: vec![own], ..Config::default() });
    let mut counts = vec![0; redactor.names().len()];
    for piece in [
        "a",
        "1",
        "@",
        "a@",
        "1 ",
        "1-",
        "+1",
        "+1 ",
        "(",
        "-",
        "=",
        ":",
        "eyJ-",
        "sk-",
        "bearer ",
        "bearer/",
        "api_key=",
        "api_key=\"",
        "\"",
        "password:",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "-----END ",
        "‹",
        "‹email",
        "‹email·",
        "·",
        "a.b",
        "a@a.",
        "4111 ",
        "13800138000@",
        "中",
        "\\",
        "\\n",
        "\\u0040",
        "\\u",
        "%40",
        "＠",
        "１",
        "中@",
        "中@中.",
        "é@é.",
        "://a:",
        "http://a:b@",
        "://:",
        "authorization: basic ",
        "authorization:",
        "密码：",
        "token=",
        "tel1",
        "tel",
        "1.",
        "1  ",
    ] {
        let text = piece.repeat((1 << 16) / piece.len());
        let redacted = redactor.redact(&text, &mut counts);
        assert_eq!(redacted.chars().count(), text.chars().count(), "{piece}");
    }
}

/// Text that is full of what the patterns look at.
fn nearly() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z0-9._@+-]{1,12}",
        "[0-9 +()-]{1,24}",
        "1[3-9][0-9]{9}",
        "4111[ -]?1111[ -]?1111[ -]?1111",
        "(sk-|ghp_|AKIA|eyJ|Bearer |api_key=|password: \"?)[A-Za-z0-9_.=-]{0,24}",
        "[a-z]{1,4}@[a-z]{1,4}\\.(com|c|1)[.@_-]?",
        "‹(email|phone|emai|x)?·{0,4}›?",
        "-----(BEGIN|END) (RSA )?PRIVATE KEY-----",
        "\\PC{0,6}",
        Just("\n".to_owned()),
        "[a-z]{0,2}://[a-z]{0,3}:[a-z1@·*$]{0,8}@h",
        "(密码|口令|token|Authorization)[:=：] ?(Basic )?[A-Za-z0-9=]{0,24}",
        "(tel|QQ|x)1[3-9][0-9]{9}",
        "[中é@.a公司]{1,8}",
        r"\\{1,3}(n|t|u0040|u00|u0031)?",
        "[０１３８＠：．]{1,12}",
    ];
    prop::collection::vec(word, 0..12).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn length_stays_and_twice_is_once(text in nearly()) {
        let redactor = redactor();
        let mut counts = vec![0; redactor.names().len()];
        let once = redactor.redact(&text, &mut counts).into_owned();
        prop_assert_eq!(once.chars().count(), text.chars().count());
        let before = counts.clone();
        prop_assert_eq!(redactor.redact(&once, &mut counts), once.clone());
        prop_assert_eq!(counts, before, "found again in {:?}", once);
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let redactor = redactor();
        let redacted = redactor.redact(&text, &mut []);
        prop_assert_eq!(redacted.chars().count(), text.chars().count());
    }
}
