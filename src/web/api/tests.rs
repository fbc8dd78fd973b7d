//! The tables hold together: endpoints, parameters, schemas and the document that is made of them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::openapi::{components, document};
use super::{RESOURCES, endpoints, markdown};

/// Every name after `#/components/schemas/` below a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str) {
                found.insert(name.trim_start_matches("#/components/schemas/").to_owned());
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_schema_is_json_named_once_and_used() {
    let mut names = BTreeSet::new();
    for resource in RESOURCES {
        let schemas: Value = serde_json::from_str(resource.schemas).expect(resource.schemas);
        for name in schemas.as_object().expect("an object").keys() {
            assert!(names.insert(name.clone()), "{name} is there twice");
        }
    }
    let mut used = BTreeSet::new();
    references(&document(""), &mut used);
    let known: BTreeSet<String> = components().keys().cloned().collect();
    assert!(known.is_superset(&names));
    assert_eq!(used, known, "schemas that are used, and schemas that there are");
}

#[test]
fn every_endpoint_is_described_once() {
    let document = document("https://example.org/t");
    assert_eq!(document["servers"][0]["url"], "https://example.org/t");
    let mut operations = BTreeSet::new();
    for endpoint in endpoints() {
        let method = endpoint.method.as_str().to_lowercase();
        let operation = &document["paths"][endpoint.shown()][&method];
        let id = operation["operationId"].as_str().expect("an id");
        assert!(operations.insert(id.to_owned()), "{id} is there twice");
        let mut names = BTreeSet::new();
        for parameter in endpoint.parameters().chain(endpoint.body) {
            assert!(names.insert(parameter.name), "{id} has {} twice", parameter.name);
            assert!(!parameter.about.is_empty() && !parameter.about.ends_with('.'), "{id}: {}", parameter.about);
        }
        assert!(endpoint.path.starts_with("/api/v1/") && !endpoint.about.is_empty());
        assert_eq!(endpoint.body.is_empty(), endpoint.method == "GET", "{id}");
        assert!(markdown().contains(&format!("`{} {}`", endpoint.method, endpoint.shown())));
    }
    let described: usize = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .map(|path| path.as_object().map_or(0, |it| it.len()))
        .sum();
    assert_eq!(described, operations.len());
}
