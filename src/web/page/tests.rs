//! The page's files are whole: the list, the policy, the words of both languages, and what the scripts may not do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

use super::*;

/// All files below a folder, by their paths relative to it.
fn files(folder: &Path, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&entry.path(), &format!("{name}/")));
        } else {
            found.insert(name);
        }
    }
    found
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/assets"))
}

/// Our own scripts by name.
fn scripts() -> BTreeMap<&'static str, &'static str> {
    let own = ASSETS.iter().filter(|asset| asset.path.ends_with(".js") && !asset.path.starts_with("vendor/"));
    own.map(|asset| (asset.path, std::str::from_utf8(asset.bytes).expect("text"))).collect()
}

fn words(language: &str) -> BTreeMap<String, String> {
    let name = format!("{language}.json");
    let asset = ASSETS.iter().find(|asset| asset.path == name).expect("a dictionary");
    serde_json::from_slice(asset.bytes).expect("keys and texts")
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

#[test]
fn every_file_of_the_folder_is_served_with_a_type_and_a_tag() {
    let mut listed: BTreeSet<String> = ASSETS.iter().map(|asset| asset.path.to_owned()).collect();
    assert_eq!(listed.len(), ASSETS.len(), "a file is listed twice");
    assert_eq!(PACKED.len(), ASSETS.len(), "a file has no content type");
    listed.insert("index.html".to_owned());
    listed.insert("vendor/README.md".to_owned());
    assert_eq!(files(folder(), ""), listed);
    for packed in PACKED.iter() {
        let path = format!("/assets/{}", packed.asset.path);
        let first = asset(&path, &HeaderMap::new());
        assert_eq!((first.status(), header(&first, "content-type")), (StatusCode::OK, Some(packed.kind)), "{path}");
        assert_eq!(header(&first, "content-encoding"), None);
        let mut asked = HeaderMap::new();
        asked.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\", W/\"x\""));
        asked.append(header::IF_NONE_MATCH, packed.tag.clone());
        assert_eq!(asset(&path, &asked).status(), StatusCode::NOT_MODIFIED, "{path}");
        asked.remove(header::IF_NONE_MATCH);
        asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br, gzip"));
        let packed_form = asset(&path, &asked);
        assert_eq!(header(&packed_form, "content-encoding").is_some(), packed.gzip.is_some(), "{path}");
    }
    for path in ["/assets/", "/assets/index.html", "/assets/../mod.rs", "/assets/main.js/", "/main.js"] {
        assert_eq!(asset(path, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn the_document_names_its_base_and_runs_nothing_of_others() {
    let response = shell("/a&\"<b");
    let policy = header(&response, "content-security-policy").expect("a policy");
    for want in ["default-src 'none'", "script-src 'self';", "style-src 'self';", "form-action 'none'"] {
        assert!(policy.contains(want), "{policy}");
    }
    for never in ["unsafe", "http", "*"] {
        assert!(!policy.contains(never), "{policy}");
    }
    assert_eq!(SHELL.matches("{base}").count(), 1);
    assert_eq!(SHELL.replacen("{base}", "/", 1).matches("href=\"/\"").count(), 1);
    let inline = Regex::new(r#"<script(?:>| [^>]*>[^<])|<style|\son\w+=|\sstyle="|https?://"#).expect("a pattern");
    assert!(!inline.is_match(SHELL), "{:?}", inline.find(SHELL));
    let addresses = Regex::new(r#"(?:src|href)="(assets/[^"]+)""#).expect("a pattern");
    for found in addresses.captures_iter(SHELL) {
        assert_eq!(asset(&format!("/{}", &found[1]), &HeaderMap::new()).status(), StatusCode::OK, "{}", &found[1]);
    }
}

#[tokio::test]
async fn a_base_is_text_of_an_attribute_whatever_it_holds() {
    let body = axum::body::to_bytes(shell("/a&\"<b").into_body(), 1 << 16).await.expect("a body");
    let text = String::from_utf8(body.to_vec()).expect("text");
    assert!(text.contains("<base href=\"/a&amp;&quot;&lt;b/\">"), "{text}");
}

#[test]
fn scripts_never_read_markup_from_a_text() {
    let forbidden = Regex::new(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setTimeout\(\s*[`'\x22]|DOMParser|createContextualFragment|srcdoc|javascript:",
    )
    .expect("a pattern");
    let import = Regex::new(r#"(?m)^import .* from "([^"]+)";$"#).expect("a pattern");
    for (name, text) in scripts() {
        assert!(!forbidden.is_match(text), "{name}: {:?}", forbidden.find(text).map(|found| found.as_str()));
        assert!(text.starts_with("// "), "{name} says first what it is");
        for found in import.captures_iter(text) {
            let from = Path::new(name).parent().expect("a parent").join(&found[1]);
            let path = from.to_string_lossy().replace("pages/../", "").replace("pages/./", "pages/").replace("./", "");
            assert!(ASSETS.iter().any(|asset| asset.path == path), "{name} imports {path}");
        }
    }
}

#[test]
fn both_languages_have_every_word_that_is_used_and_no_other() {
    let (english, chinese) = (words("en"), words("zh"));
    let keys = |words: &BTreeMap<String, String>| words.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&english), keys(&chinese));
    let blank = Regex::new(r"\{(\w+)\}").expect("a pattern");
    for (key, text) in &english {
        let names = |text: &str| blank.captures_iter(text).map(|found| found[1].to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(names(text), names(&chinese[key]), "{key}");
        assert!(!text.trim().is_empty() && !chinese[key].trim().is_empty(), "{key}");
    }

    // A key is written out, chosen between two that are, or begins with words and a dot.
    let quoted = Regex::new(r#""([a-z_]+(?:\.[a-z0-9_]+)*)""#).expect("a pattern");
    let called = Regex::new(r#"\bt\(\s*"([^"]+)""#).expect("a pattern");
    let family = Regex::new(r#"\bnamed\(\s*"([^"]+)"|\bt\(`([a-z_.]+)\.\$\{"#).expect("a pattern");
    let (mut used, mut families) = (BTreeSet::new(), BTreeSet::new());
    for (name, text) in scripts() {
        for found in called.captures_iter(text) {
            assert!(english.contains_key(&found[1]), "{name} uses the key {}", &found[1]);
        }
        used.extend(quoted.captures_iter(text).map(|found| found[1].to_owned()));
        for found in family.captures_iter(text) {
            let prefix = found.get(1).or(found.get(2)).expect("a name").as_str().to_owned();
            assert!(english.keys().any(|key| key.starts_with(&format!("{prefix}."))), "{name} uses the words {prefix}");
            families.insert(prefix);
        }
    }
    let unused: Vec<&String> = english
        .keys()
        .filter(|key| !used.contains(*key) && !families.iter().any(|family| key.starts_with(&format!("{family}."))))
        .collect();
    assert_eq!(unused, Vec::<&String>::new());
}

#[test]
fn closed_lists_have_words_for_each_of_their_values() {
    let english = words("en");
    let reasons = crate::record::ErrorReason::ALL.iter().map(|reason| format!("reason.{}", reason.label()));
    let anomalies = crate::record::Anomaly::ALL.iter().map(|anomaly| format!("anomaly.{}", anomaly.label()));
    let assumed = crate::record::Assumed::ALL.iter().map(|(_, name)| format!("assumed.{name}"));
    let missing: Vec<String> =
        reasons.chain(anomalies).chain(assumed).filter(|key| !english.contains_key(key)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn what_is_vendored_is_what_its_note_says() {
    let note = fs::read_to_string(folder().join("vendor/README.md")).expect("a note");
    for asset in ASSETS.iter().filter(|asset| asset.path.starts_with("vendor/")) {
        let sum = hex(&Sha256::digest(asset.bytes));
        let name = asset.path.trim_start_matches("vendor/");
        assert!(note.contains(&format!("| `{name}` | `{sum}` |")), "{name} {sum}");
    }
}
