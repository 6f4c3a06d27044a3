//! Checks answers against the OpenAPI document: the part of JSON Schema that the document uses. Stricter than the
//! document: a member that no schema names is a fault too, so that nothing goes undocumented.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use crate::station::Answer;

pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(command_centre::OPENAPI).unwrap());

/// Path of the document that a request's path is an instance of.
pub fn template_of(path: &str) -> Option<&'static str> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    // a path without parameters wins over one with
    let mut fitting: Vec<&str> =
        paths.keys().map(String::as_str).filter(|template| is_instance(template, path)).collect();
    fitting.sort_by_key(|template| template.matches('{').count());
    fitting.first().copied()
}

fn is_instance(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(part, given)| part.starts_with('{') && !given.is_empty() || part == given)
}

#[track_caller]
pub fn check(method: &str, path: &str, answer: &Answer) {
    let Some(template) = template_of(path) else { return };
    let operation = &DOCUMENT["paths"][template][method.to_lowercase()];
    if operation.is_null() {
        assert_eq!(answer.status.as_u16(), 405, "{method} {path} is not in the document");
        return;
    }
    let status = answer.status.as_u16().to_string();
    let response = resolve(&operation["responses"][&status]);
    assert!(!response.is_null(), "{method} {path}: status {status} is not in the document");
    let Some(content) = response.get("content").and_then(Value::as_object) else {
        assert!(answer.body.is_empty(), "{method} {path} {status} has a body that is not in the document");
        return;
    };
    let media_type = answer.headers["content-type"].to_str().unwrap().split(';').next().unwrap();
    let media = content.get(media_type);
    let media = media.unwrap_or_else(|| panic!("{method} {path} {status}: {media_type} is not in the document"));
    if media_type.ends_with("json") && !answer.headers.contains_key("content-encoding") {
        let faults = faults(&media["schema"], &answer.json());
        assert!(faults.is_empty(), "{method} {path} {status}: {faults:#?}\n{}", answer.json());
    }
}

/// Checks a value against a named schema.
#[track_caller]
pub fn fits(schema: &str, value: &Value) {
    let faults = faults(&DOCUMENT["components"]["schemas"][schema], value);
    assert!(faults.is_empty(), "{schema}: {faults:#?}\n{value}");
}

pub fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    judge(schema, value, "$", &mut faults);
    strangers(schema, value, "$", &mut faults);
    faults
}

/// What a reference stands for.
pub fn resolve(node: &Value) -> &Value {
    match node.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let target = DOCUMENT.pointer(reference.strip_prefix('#').unwrap());
            resolve(target.unwrap_or_else(|| panic!("{reference} leads nowhere")))
        }
        None => node,
    }
}

fn judge(schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let schema = resolve(schema);
    let members = schema.as_object().unwrap_or_else(|| panic!("no schema at {at}"));
    for (keyword, rule) in members {
        match keyword.as_str() {
            "type" if !is_type(rule, value) => faults.push(format!("{at}: {value} is not {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => faults.push(format!("{at}: {value} not in {rule}")),
            "minimum" if value.as_f64().is_some_and(|number| number < rule.as_f64().unwrap()) => {
                faults.push(format!("{at}: {value} is below {rule}"));
            }
            "minItems" if value.as_array().is_some_and(|items| (items.len() as u64) < rule.as_u64().unwrap()) => {
                faults.push(format!("{at}: fewer than {rule} items"));
            }
            "maxItems" if value.as_array().is_some_and(|items| items.len() as u64 > rule.as_u64().unwrap()) => {
                faults.push(format!("{at}: more than {rule} items"));
            }
            "required" => {
                let missing =
                    rule.as_array().unwrap().iter().filter(|name| value.get(name.as_str().unwrap()).is_none());
                faults.extend(missing.map(|name| format!("{at}: {name} is missing")));
            }
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(inner) = value.get(name) {
                        judge(schema, inner, &format!("{at}.{name}"), faults);
                    }
                }
            }
            "items" => {
                for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
                    judge(rule, inner, &format!("{at}[{index}]"), faults);
                    strangers(rule, inner, &format!("{at}[{index}]"), faults);
                }
            }
            "allOf" => rule.as_array().unwrap().iter().for_each(|part| judge(part, value, at, faults)),
            "anyOf" => {
                let fits_one = rule.as_array().unwrap().iter().any(|part| {
                    let mut inner = Vec::new();
                    judge(part, value, at, &mut inner);
                    inner.is_empty()
                });
                if !fits_one {
                    faults.push(format!("{at}: {value} fits none of anyOf"));
                }
            }
            "const" if rule != value => faults.push(format!("{at}: {value} is not {rule}")),
            "pattern" if rule.as_str().is_some_and(|pattern| pattern.ends_with("{64}$")) => {
                let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                if !value.as_str().is_none_or(is_digest) {
                    faults.push(format!("{at}: {value} is no digest"));
                }
            }
            "pattern" => {
                // the document's other patterns are those of codes and ids, which the model reads
                let text = value.as_str().unwrap_or("331083");
                if text.parse::<model::RegionCode>().is_err() && text.parse::<model::AlertId>().is_err() {
                    faults.push(format!("{at}: {value} is neither a code nor an id"));
                }
            }
            "type"
            | "enum"
            | "const"
            | "minimum"
            | "description"
            | "default"
            | "maximum"
            | "minItems"
            | "maxItems"
            | "minLength"
            | "maxLength"
            | "additionalProperties"
            | "example" => {}
            unknown => panic!("the checker does not know {unknown}, used at {at}"),
        }
    }
}

fn is_type(rule: &Value, value: &Value) -> bool {
    if let Some(any) = rule.as_array() {
        return any.iter().any(|rule| is_type(rule, value));
    }
    match rule.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the checker does not know the type {other}"),
    }
}

/// Members that no schema names, in objects whose schema names any.
fn strangers(schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(object) = value.as_object() else { return };
    let mut known = BTreeSet::new();
    properties(schema, &mut known);
    if known.is_empty() {
        return;
    }
    for (name, inner) in object {
        if !known.contains(name) {
            faults.push(format!("{at}: {name} is not in the document"));
        }
        if let Some(schema) = property(schema, name) {
            strangers(schema, inner, &format!("{at}.{name}"), faults);
        }
    }
}

fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["allOf", "anyOf"].into_iter().filter_map(|name| schema.get(name)?.as_array());
    lists.flatten()
}

fn properties(schema: &Value, known: &mut BTreeSet<String>) {
    let schema = resolve(schema);
    known.extend(schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|p| p.keys().cloned()));
    parts(schema).for_each(|part| properties(part, known));
}

fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let schema = resolve(schema);
    schema.get("properties").and_then(|p| p.get(name)).or_else(|| parts(schema).find_map(|part| property(part, name)))
}
