//! `tokentail relay` as a process: what it needs, what it says, how it reloads and ends.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::arguments;
use crate::program::{Sidecar, fetch, run, wait};

/// A configuration with one receiver at an address where nobody listens.
fn configure(folder: &Path, receiver: &str) -> std::path::PathBuf {
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").expect("find an address").local_addr().expect("its address");
    fs::write(folder.join("url"), format!("http://{nobody}/send?key=the-robots-key\n")).expect("write a file");
    fs::write(folder.join("token"), "the-token\n").expect("write a file");
    let file = folder.join("relay.yaml");
    let receivers = format!("[{{name: {receiver}, kind: wecom, url_file: url}}]");
    fs::write(&file, format!("relay: {{token_file: token, receivers: {receivers}}}\n")).expect("write a file");
    file
}

#[test]
fn without_a_token_or_a_receiver_of_that_name_it_is_2_and_names_what_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), "ops");
    let ran = run(arguments!["relay", "--config", config, "--test", "dev"]).expect_code(2);
    assert!(ran.stderr.contains("`dev`: relay.receivers has `ops`"), "{}", ran.stderr);
    run(arguments!["relay", "--config", config, "--json"]).expect_code(2);
    fs::write(folder.path().join("token"), "").unwrap();
    let ran = run(arguments!["relay", "--config", config, "--listen", "127.0.0.1:0"]).expect_code(2);
    assert!(ran.stderr.contains("relay.token_file: ") && ran.stderr.contains("an empty file"), "{}", ran.stderr);
    let ran = run(["relay", "--listen", "127.0.0.1:0"]).expect_code(2);
    assert!(ran.stderr.contains("relay.token_file: name a file"), "{}", ran.stderr);
    let ran = run(["relay", "--listen", "nowhere"]).expect_code(2);
    assert!(ran.stderr.contains("--listen: `nowhere` has no port"), "{}", ran.stderr);
}

#[test]
fn it_reloads_at_sighup_and_ends_at_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), "ops");
    let relay = Sidecar::serve("relay", arguments!["--config", config]);
    assert_eq!(relay.get("/-/healthy").status, 200);
    let token = ("Authorization", "Bearer the-token");
    let status = |name: &str| fetch(relay.address, "POST", &format!("/alerts/{name}"), &[token]).unwrap().status;
    // A body that is none is told only to whoever may post to a receiver that there is.
    assert_eq!((status("ops"), status("dev")), (400, 404));
    configure(folder.path(), "dev");
    relay.signal(Signal::HUP);
    wait("the new receiver is there", || (status("dev") == 400).then_some(()));
    assert_eq!(status("ops"), 404);
    fs::write(&config, "relay: {receivers: []}\n").unwrap();
    relay.signal(Signal::HUP);
    wait("the bad file is refused", || relay.errors().contains("the old one stays").then_some(()));
    assert_eq!(status("dev"), 400);
    assert!(!relay.errors().contains("the-token") && !relay.errors().contains("the-robots-key"));
    assert_eq!(relay.stop(), Some(0));
}
