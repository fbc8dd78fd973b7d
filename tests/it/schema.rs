//! A value against a schema of the API's document: as much of JSON Schema 2020-12 as the document uses, and stricter, for a
//! property that a schema does not name is a problem.

use regex::Regex;
use serde_json::Value;

/// Checks a value against the schema of a name; the problems, with their places.
pub(crate) fn problems(document: &Value, name: &str, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, named(document, name), value, name, &mut found);
    found
}

fn named<'a>(document: &'a Value, name: &str) -> &'a Value {
    let schema = document.pointer("/components/schemas").and_then(|schemas| schemas.get(name));
    assert!(schema.is_some(), "there is no schema {name}");
    schema.expect("it was checked")
}

fn check(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let keywords = schema.as_object().expect("a schema is an object");
    for (keyword, rule) in keywords {
        let texts = || rule.as_array().into_iter().flatten().filter_map(Value::as_str);
        let ok = match keyword.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap_or_default().trim_start_matches("#/components/schemas/");
                check(document, named(document, name), value, place, found);
                true
            }
            "type" => match rule.as_str() {
                Some(kind) => is(kind, value),
                None => texts().any(|kind| is(kind, value)),
            },
            "enum" => rule.as_array().is_some_and(|values| values.contains(value)),
            "required" => {
                for name in texts().filter(|name| value.is_object() && value.get(name).is_none()) {
                    found.push(format!("{place}: {name} is missing"));
                }
                true
            }
            "properties" => {
                for (name, schema) in rule.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        check(document, schema, value, &format!("{place}.{name}"), found);
                    }
                }
                if !keywords.contains_key("additionalProperties") {
                    for name in value.as_object().into_iter().flat_map(|map| map.keys()) {
                        if rule.get(name).is_none() {
                            found.push(format!("{place}: {name} is not in the schema"));
                        }
                    }
                }
                true
            }
            "additionalProperties" => {
                let named = keywords.get("properties");
                for (name, value) in value.as_object().into_iter().flatten() {
                    if named.is_none_or(|named| named.get(name).is_none()) {
                        check(document, rule, value, &format!("{place}.{name}"), found);
                    }
                }
                true
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, rule, value, &format!("{place}[{index}]"), found);
                }
                true
            }
            "anyOf" => rule.as_array().into_iter().flatten().any(|schema| {
                let mut problems = Vec::new();
                check(document, schema, value, place, &mut problems);
                problems.is_empty()
            }),
            "minimum" => value.as_f64().zip(rule.as_f64()).is_none_or(|(value, least)| value >= least),
            "maximum" => value.as_f64().zip(rule.as_f64()).is_none_or(|(value, most)| value <= most),
            "minItems" | "maxItems" => {
                let bound = rule.as_u64().and_then(|bound| usize::try_from(bound).ok()).expect("a bound");
                let length = value.as_array().map_or(bound, Vec::len);
                if keyword == "minItems" { length >= bound } else { length <= bound }
            }
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap_or_default()).expect("a pattern");
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "format" => match (rule.as_str(), value.as_str()) {
                (Some("date-time"), Some(text)) => text.parse::<jiff::Timestamp>().is_ok(),
                (Some("date"), Some(text)) => text.parse::<jiff::civil::Date>().is_ok(),
                (Some("uri-reference"), Some(text)) => text.parse::<hyper::Uri>().is_ok(),
                _ => true,
            },
            "description" => true,
            other => {
                found.push(format!("{place}: nothing checks the keyword {other}"));
                true
            }
        };
        if !ok {
            let shown: String = value.to_string().chars().take(200).collect();
            found.push(format!("{place}: {shown} is not as {keyword} {rule} says"));
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[test]
fn what_is_not_as_the_schema_says_is_told() {
    let document = serde_json::json!({"components": {"schemas": {
        "Thing": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "pattern": "^[a-z]+$"}, "at": {"type": ["string", "null"], "format": "date-time"},
            "count": {"$ref": "#/components/schemas/Count"}, "list": {"type": "array", "items": {"enum": ["a", "b"]}}}},
        "Count": {"type": "integer", "minimum": 0},
        "Either": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Count"}]},
        "Map": {"type": "object", "additionalProperties": {"type": "boolean"}},
    }}});
    for (name, value, count) in [
        ("Thing", serde_json::json!({"name": "a", "at": null, "count": 1, "list": ["a"]}), 0),
        ("Thing", serde_json::json!({"name": "A", "at": "now", "count": -1, "list": ["c"]}), 4),
        ("Thing", serde_json::json!({"other": 1}), 2),
        ("Thing", serde_json::json!([]), 1),
        ("Either", serde_json::json!(null), 0),
        ("Either", serde_json::json!("x"), 1),
        ("Map", serde_json::json!({"x": true, "y": 1}), 1),
    ] {
        let found = problems(&document, name, &value);
        assert_eq!(found.len(), count, "{name} {value}: {found:?}");
    }
}
