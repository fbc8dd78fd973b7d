//! TLS: whom to trust, when a certificate ends, and how hands are not shaken.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// 2126-10-28T02:18:27Z, the end of all certificates of the test data.
const END: Micros = 4_948_827_507_000_000;

/// A server with the certificate of the test data, which wants one of its client where it is told so.
async fn secure(want_client: bool) -> SocketAddr {
    let provider = Arc::new(ring::default_provider());
    let certificate = CertificateDer::from_pem_file(testdata("server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(testdata("server.key")).expect("a key");
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = if want_client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(testdata("ca.pem")).expect("an authority")).expect("added");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate], key).expect("a pair")));
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                say(stream, OK).await;
            }
        }
    })
    .await
}

fn target(address: SocketAddr, change: impl FnOnce(&mut Tls)) -> Target {
    let mut http = Http::get(format!("https://{address}/"));
    http.tls.ca_file = Some(testdata("ca.pem"));
    change(&mut http.tls);
    Target::new("secure", Check::Http(http))
}

async fn look_at(target: &Target, clock: &Clock) -> Outcome {
    let Run::Done(outcome) = probe_at(target, clock).run(clock).await else { panic!("skipped") };
    *outcome
}

#[tokio::test]
async fn an_own_authority_is_trusted_and_the_certificates_end_told() {
    let outcome = look(&target(secure(false).await, |_| {})).await;
    assert_eq!(failed(&outcome), (None, ""));
    assert_eq!(reached(&outcome), ["connect", "tls", "processing", "transfer"]);
    assert_eq!((outcome.tls_version, outcome.tls_expiry), (Some("TLSv1.3"), Some(END)));
}

#[tokio::test]
async fn an_unknown_authority_a_wrong_name_and_plain_text_are_tls_failures() {
    let address = secure(false).await;
    let plain = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 16]).await;
    })
    .await;
    let silent = serve(|stream| async move { drop(stream) }).await;
    let cases = [
        (target(address, |tls| tls.ca_file = None), "comes from an authority that is not trusted"),
        (target(address, |tls| tls.server_name = Some("other.test".to_owned())), "TLS with `other.test`: "),
        (target(plain, |_| {}), "TLS with `127.0.0.1`: "),
        (target(silent, |_| {}), "TLS with `127.0.0.1`: "),
    ];
    for (target, want) in cases {
        let outcome = look(&target).await;
        assert_eq!(outcome.failure, Some(Failure::Tls), "{want}: {outcome:?}");
        assert!(outcome.message.contains(want), "{}", outcome.message);
        assert_eq!(reached(&outcome), ["connect", "tls"]);
    }
}

#[tokio::test]
async fn an_expired_certificate_tells_when_it_expired() {
    let target = target(secure(false).await, |_| {});
    let outcome = look_at(&target, &Clock::manual(END + 1_000_000)).await;
    let want = "the certificate of `127.0.0.1` expired on 2126-10-28 02:18:27 UTC";
    assert_eq!(failed(&outcome), (Some(Failure::Tls), want));
    assert_eq!(outcome.tls_expiry, Some(END));
    let outcome = look_at(&target, &Clock::manual(0)).await;
    let want = "the certificate of `127.0.0.1` is not valid before 2026-11-21 02:18:27 UTC";
    assert_eq!(failed(&outcome), (Some(Failure::Tls), want));
}

#[tokio::test]
async fn an_own_certificate_is_shown_to_a_server_that_wants_one() {
    let address = secure(true).await;
    let outcome = look(&target(address, |tls| {
        tls.cert_file = Some(testdata("client.pem"));
        tls.key_file = Some(testdata("client.key"));
    }))
    .await;
    assert_eq!(failed(&outcome), (None, ""));
    let outcome = look(&target(address, |_| {})).await;
    // TLS 1.3 refuses a client after its side of the handshake is done: the first read tells.
    assert!(matches!(outcome.failure, Some(Failure::Tls | Failure::Cut)), "{outcome:?}");
}

#[tokio::test]
async fn the_certificate_of_a_port_is_watched_without_http() {
    let tls = Some(Tls { ca_file: Some(testdata("ca.pem")), ..Tls::default() });
    let tcp = Tcp { address: secure(false).await.to_string(), tls };
    let outcome = look(&Target::new("port", Check::Tcp(tcp))).await;
    assert_eq!((outcome.failure, outcome.tls_expiry, reached(&outcome)), (None, Some(END), vec!["connect", "tls"]));
}

#[tokio::test]
async fn a_handshake_that_hangs_is_timed_out_there() {
    let address = serve(|mut stream| async move {
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await.expect("a hello");
        too_long().await;
        std::future::pending::<()>().await;
    })
    .await;
    let outcome = look(&target(address, |_| {})).await;
    assert_eq!(failed(&outcome), (Some(Failure::Timeout), "no success within 5s: still shaking hands over TLS"));
}
