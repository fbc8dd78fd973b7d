//! The table of endpoints and the schemas beside the resources become an OpenAPI 3.1 document and the README's table.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::endpoint::{Answer, Endpoint};
use super::{RESOURCES, endpoints};
use crate::web::config::Role;

pub(super) static ENDPOINTS: &[Endpoint] =
    &[Endpoint::get("/api/v1/openapi.json", "this API as an OpenAPI 3.1 document", &[], "Document", |asked| {
        Ok(document(&asked.caller.base))
    })];

pub(super) const SCHEMAS: &str =
    r#"{"Document": {"type": "object", "required": ["openapi", "info", "paths", "components"]}}"#;

/// Shapes that several resources have in common.
const SHARED: &str = include_str!("shared.json");

/// All schemas by name. Every text is checked by a test.
static COMPONENTS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let texts = std::iter::once(SHARED).chain(RESOURCES.iter().map(|resource| resource.schemas));
    texts.filter_map(|text| serde_json::from_str::<Map<String, Value>>(text).ok()).flatten().collect()
});

/// What every endpoint may answer instead.
const PROBLEMS: [(&str, &str); 6] = [
    ("400", "a parameter is unknown or its value is not allowed; the message names both"),
    ("401", "a user name and a password are needed"),
    ("403", "the role, the host or the origin is not allowed; the message names the setting to change"),
    ("404", "there is no such thing"),
    ("503", "not now, or not in this instance; the message says why"),
    ("504", "the answer took longer than 10 s and was cut; ask for less time"),
];

/// The document; `base` is the address of the instance.
pub(super) fn document(base: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints() {
        let path = paths.entry(endpoint.shown()).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(endpoint.method.as_str().to_lowercase(), operation(endpoint));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "tokentail",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a gateway's requests used and cost. Times are RFC 3339 in UTC, lengths seconds, money decimal text. Lists are bounded: `limit` and `cursor`, whose value is the `next` of the page before. Filters may be repeated or separated by commas, and mean any of their values; a comma within one is written `\\,`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": if base.is_empty() { "/" } else { base }}],
        "security": [{}, {"password": []}],
        "paths": paths,
        "components": {
            "schemas": *COMPONENTS,
            "securitySchemes": {"password": {"type": "http", "scheme": "basic"}},
        },
    })
}

/// The types of a file, by the formats that may be asked for.
fn file(endpoint: &Endpoint) -> Value {
    let format = endpoint.parameters().find(|parameter| parameter.name == "format");
    let schema = format.map_or(Value::Null, |format| format.kind.schema());
    let formats = schema.get("enum").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    let takes = |name: &str| formats.iter().any(|known| known == name);
    let mut content = json!({
        "application/jsonl": {"schema": {"type": "string"}},
        "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
    });
    if let (true, Some(map)) = (takes("csv"), content.as_object_mut()) {
        map.insert("text/csv".to_owned(), json!({"schema": {"type": "string"}}));
    }
    content
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    if let Some((_, name)) = endpoint.variable() {
        parameters.push(json!({
            "name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1},
            "description": "percent-encoded once, slashes too",
        }));
    }
    parameters.extend(endpoint.parameters().map(|parameter| parameter.openapi("query")));
    let mut responses = Map::new();
    let content = match endpoint.answer {
        Answer::Value { schema, .. } => json!({"application/json": {"schema": reference(schema)}}),
        Answer::File(_) => file(endpoint),
    };
    responses.insert("200".to_owned(), json!({"description": endpoint.about, "content": content}));
    for (status, about) in PROBLEMS {
        responses.insert(status.to_owned(), problem(about));
    }
    responses.insert("default".to_owned(), problem("another problem"));
    let mut operation = json!({
        "operationId": operation_id(endpoint), "summary": endpoint.about,
        "description": format!("Role: {}.", role(endpoint.role)),
        "parameters": parameters, "responses": responses,
    });
    if !endpoint.body.is_empty() {
        let properties: Map<String, Value> = endpoint
            .body
            .iter()
            .map(|field| {
                let mut schema = field.kind.schema();
                if let Some(map) = schema.as_object_mut() {
                    map.insert("description".to_owned(), json!(field.about));
                }
                (field.name.to_owned(), schema)
            })
            .collect();
        let required: Vec<&str> = endpoint.body.iter().filter(|field| field.required).map(|field| field.name).collect();
        let schema = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        });
        if let Some(map) = operation.as_object_mut() {
            let body = json!({"required": true, "content": {"application/json": {"schema": schema}}});
            map.insert("requestBody".to_owned(), body);
        }
    }
    operation
}

fn problem(about: &str) -> Value {
    json!({"description": about, "content": {"application/json": {"schema": reference("Error")}}})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// `get_sessions_id` of `GET /api/v1/sessions/{id}`.
fn operation_id(endpoint: &Endpoint) -> String {
    let path = endpoint.path.trim_start_matches("/api/v1/").replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("{}_{}", endpoint.method.as_str().to_lowercase(), path.trim_matches('_').replace("__", "_"))
}

fn role(role: Role) -> &'static str {
    Role::ALL.into_iter().find(|(known, _)| *known == role).map_or("", |(_, label)| label)
}

/// The table of endpoints in Markdown, for the README.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| endpoint | role | what | asked with |\n|---|---|---|---|\n");
    for endpoint in endpoints() {
        let parameters = endpoint.parameters().chain(endpoint.body);
        let names: Vec<String> = parameters.map(|parameter| format!("`{}`", parameter.shown())).collect();
        text.push_str(&format!(
            "| `{} {}` | `{}` | {} | {} |\n",
            endpoint.method,
            endpoint.shown(),
            role(endpoint.role),
            endpoint.about,
            names.join(" ")
        ));
    }
    text
}

/// All schemas by name.
#[cfg(test)]
pub(super) fn components() -> &'static Map<String, Value> {
    &COMPONENTS
}
