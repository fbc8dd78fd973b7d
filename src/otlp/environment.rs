//! The standard variables of OpenTelemetry become a sink, by the rules of its [exporter configuration].
//!
//! Variables are handed in; nothing here reads the process's own. A variable that is empty counts as not set. A value
//! that cannot be used is an error instead of a warning: a sink that silently sends elsewhere helps nobody.
//!
//! [exporter configuration]: https://opentelemetry.io/docs/specs/otel/protocol/exporter/

use std::path::PathBuf;
use std::time::Duration;

use super::config::verbatim_endpoint;
use super::{Compression, Config, Protocol, endpoint, header};
use crate::wording::{listed, quoted};

/// Name of the sink that the environment configures.
pub const NAME: &str = "otlp";

/// A variable that cannot be used. The values of headers are not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {message}")]
pub struct Error {
    /// Its name.
    pub variable: String,
    /// What was found and what was expected.
    pub message: String,
}

fn fault(variable: impl Into<String>, message: impl Into<String>) -> Error {
    Error { variable: variable.into(), message: message.into() }
}

/// The sink named [`NAME`] where `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set and
/// neither `OTEL_SDK_DISABLED` nor `OTEL_TRACES_EXPORTER=none` says that no traces are wanted.
///
/// Variables for traces win over general ones. The general endpoint gets `/v1/traces` added, the one for traces is used
/// as it is.
///
/// # Errors
///
/// The first variable that cannot be used.
pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Result<Option<Config>, Error> {
    let set = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if disabled || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none") {
        return Ok(None);
    }
    let either = |end: &str| {
        [format!("OTEL_EXPORTER_OTLP_TRACES_{end}"), format!("OTEL_EXPORTER_OTLP_{end}")]
            .into_iter()
            .find_map(|name| set(&name).map(|value| (name, value)))
    };
    let Some((endpoint_name, address)) = either("ENDPOINT") else { return Ok(None) };
    let protocol = match either("PROTOCOL") {
        Some(found) => one_of(found, &Protocol::ALL)?,
        None => Protocol::HttpProtobuf,
    };
    let read = if endpoint_name.contains("TRACES") { verbatim_endpoint } else { endpoint };
    let address = read(&address, protocol)
        .map_err(|error| fault(endpoint_name, format!("found {}; {error}", quoted(&address))))?;
    let mut config = Config::new(NAME, address);
    config.protocol = protocol;
    if let Some(found) = either("COMPRESSION") {
        config.compression = one_of(found, &Compression::ALL)?;
    }
    if let Some((name, value)) = either("TIMEOUT") {
        let millis = value.parse().ok().filter(|millis| (1..=3_600_000).contains(millis));
        let expected = || fault(name, format!("found {}; expected milliseconds from 1 to 3600000", quoted(&value)));
        config.timeout = Duration::from_millis(millis.ok_or_else(expected)?);
    }
    if let Some((name, value)) = either("HEADERS") {
        for (key, value) in pairs(&name, &value)? {
            config.headers.push(header(&key, &value).map_err(|error| fault(name.as_str(), error.to_string()))?);
        }
    }
    config.tls.ca_file = either("CERTIFICATE").map(|(_, path)| PathBuf::from(path));
    config.tls.client = match (either("CLIENT_CERTIFICATE"), either("CLIENT_KEY")) {
        (Some((_, certificate)), Some((_, key))) => Some((certificate.into(), key.into())),
        (None, None) => None,
        (Some((name, _)), None) => return Err(fault(name, "expected OTEL_EXPORTER_OTLP_CLIENT_KEY beside it")),
        (None, Some((name, _))) => return Err(fault(name, "expected OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE beside it")),
    };
    let (service_name, resource) = resource(&get)?;
    config.service_name = service_name.unwrap_or(config.service_name);
    config.resource = resource;
    Ok(Some(config))
}

/// The service's name and further attributes of the resource, for every sink: `OTEL_SERVICE_NAME`, else `service.name`
/// of `OTEL_RESOURCE_ATTRIBUTES`.
///
/// # Errors
///
/// Where the attributes are no list of `key=value`.
#[expect(clippy::type_complexity, reason = "a name and a list of pairs")]
pub fn resource(get: impl Fn(&str) -> Option<String>) -> Result<(Option<String>, Vec<(String, String)>), Error> {
    const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let mut attributes = pairs(ATTRIBUTES, &get(ATTRIBUTES).unwrap_or_default())?;
    let mut name = None;
    attributes.retain(|(key, value)| {
        if key == "service.name" {
            name = Some(value.clone());
        }
        key != "service.name"
    });
    let own = get("OTEL_SERVICE_NAME").map(|value| value.trim().to_owned());
    Ok((own.into_iter().chain(name).find(|name| !name.is_empty()), attributes))
}

fn one_of<T: Copy>((name, value): (String, String), all: &[(T, &str)]) -> Result<T, Error> {
    let found = all.iter().find(|(_, label)| *label == value).map(|(kind, _)| *kind);
    let expected = || listed(all.iter().map(|(_, label)| *label));
    found.ok_or_else(|| fault(name, format!("found {}; expected one of {}", quoted(&value), expected())))
}

/// `key=value` pairs between commas, each part percent-decoded.
fn pairs(name: &str, text: &str) -> Result<Vec<(String, String)>, Error> {
    let mut found = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or_default();
        match (decoded(key.trim()), decoded(value.trim())) {
            (Some(key), Some(value)) if !key.is_empty() => found.push((key, value)),
            _ => return Err(fault(name, "expected `key=value` pairs between commas, special characters as %XX")),
        }
    }
    Ok(found)
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Option<Config>, Error> {
        from_environment(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn only_an_endpoint_makes_a_sink() {
        for variables in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h"), ("OTEL_SDK_DISABLED", "True")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h"), ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert_eq!(config(variables), Ok(None), "{variables:?}");
        }
        let plain = config(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318")]).unwrap().unwrap();
        assert_eq!(plain, Config::new("otlp", "http://h:4318/v1/traces".parse().unwrap()));
    }

    #[test]
    fn variables_for_traces_win_and_their_endpoint_is_verbatim() {
        let found = config(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces/in"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=general"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "Authorization=Bearer%20a%2Cb=, x = y "),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "own.pem"),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "own.key"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=a%20b"),
            ("OTEL_SERVICE_NAME", "mine"),
        ]);
        let found = found.unwrap().unwrap();
        assert_eq!(found.endpoint.to_string(), "https://traces/in");
        let headers: Vec<_> =
            found.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("authorization", "Bearer a,b="), ("x", "y")]);
        assert_eq!((found.timeout, found.compression), (Duration::from_millis(2500), Compression::Gzip));
        assert_eq!(found.tls.ca_file, Some("ca.pem".into()));
        assert_eq!(found.tls.client, Some(("own.pem".into(), "own.key".into())));
        assert_eq!(found.service_name, "mine");
        assert_eq!(found.resource, [("deployment.environment.name".to_owned(), "a b".to_owned())]);
        let grpc = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        assert_eq!(config(&grpc).unwrap().unwrap().protocol, Protocol::Grpc);
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named_with_what_was_expected() {
        for (name, value, want) in [
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "h:4318",
                "OTEL_EXPORTER_OTLP_ENDPOINT: found `h:4318`; expected an address",
            ),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "found `http/json`; expected one of `http/protobuf`, `grpc`"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "found `10s`; expected milliseconds"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "expected milliseconds"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "expected one of `none`, `gzip`"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "expected `key=value` pairs"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%zz", "expected `key=value` pairs"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "host=x", "set by the exporter"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "k", "expected OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
            ("OTEL_RESOURCE_ATTRIBUTES", "=x", "expected `key=value` pairs"),
        ] {
            let error =
                config(&[(name, value), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h")]).expect_err(want).to_string();
            assert!(error.starts_with(name) && error.contains(want), "{error}");
        }
    }
}
