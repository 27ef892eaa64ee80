//! Reads the service's OpenAPI description: its operations, the access that each needs, and requests that
//! match them. Requests are built from the description alone, so that a new route is covered without a change
//! of the tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

use crate::client::{Client, Request};
use crate::rng::Rng;

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// An operation of the description.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The method in upper case.
    pub method: String,
    /// The path below `/api/v1`, with `{parameters}`.
    pub path: String,
    /// The content of `x-access`, if the operation has it.
    pub access: Option<Access>,
    item: Value,
    whole: Arc<Value>,
}

/// The access that an operation requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `open`, `signed_in`, `studio`, `event`, `album` or `guest`.
    pub scope: String,
    /// The action; empty if the scope has no actions.
    pub action: String,
    pub roles: Vec<String>,
}

/// Returns the value for the parameter or field of this name, if the description alone is not enough.
pub type Fill<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Returns a unique id in the service's format that belongs to no resource.
pub fn unknown_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut rng = Rng::new(NEXT.fetch_add(1, Ordering::SeqCst));
    format!("{:016x}{:016x}", rng.number(), rng.number())
}

/// Returns the operations of the running service.
pub fn operations(client: &Client) -> Vec<Operation> {
    let whole = Arc::new(client.get("/openapi.json").is(200).document());
    let mut found = Vec::new();
    for (path, methods) in whole["paths"].as_object().expect("paths") {
        let path = path.strip_prefix("/api/v1").expect("paths begin with /api/v1");
        for method in METHODS {
            let Some(item) = methods.get(method) else { continue };
            found.push(Operation {
                method: method.to_uppercase(),
                path: path.to_owned(),
                access: access(&item["x-access"]),
                item: item.clone(),
                whole: Arc::clone(&whole),
            });
        }
    }
    found
}

fn access(described: &Value) -> Option<Access> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let roles = described["roles"].as_array().into_iter().flatten().map(text).collect();
    let scope = described.get("scope")?;
    Some(Access { scope: text(scope), action: text(&described["action"]), roles })
}

impl Operation {
    /// Returns the name for messages: method and path.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Returns the names of the path's parameters, in order.
    pub fn parameters(&self) -> Vec<&str> {
        let parts = self.path.split('/');
        parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
    }

    /// Returns the names of the JSON body's fields that `known` accepts, required or not. A list has the name
    /// of its items.
    pub fn fields(&self, known: impl Fn(&str) -> bool) -> Vec<String> {
        let Some(schema) = self.schema_of("application/json") else { return Vec::new() };
        let fields = self.resolved(&schema)["properties"].as_object().cloned().unwrap_or_default();
        let named = fields.into_iter().map(|(name, field)| match self.item_name(&name, &field) {
            Some(item) => item.to_owned(),
            None => name,
        });
        named.filter(|name| known(name)).collect()
    }

    /// Builds a request that matches the description. `fill` returns the values of the names it knows,
    /// including path parameters and optional fields. Other path parameters get an id that belongs to
    /// no resource.
    pub fn request(&self, fill: Fill) -> Request {
        let value = |name: &str| fill(name).unwrap_or_else(unknown_id);
        let parts = self.path.split('/').map(|part| {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            name.map_or_else(|| part.to_owned(), value)
        });
        let path = parts.collect::<Vec<_>>().join("/");
        let query = self.required("query", fill);
        let query: Vec<String> =
            query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        let headers = self.required("header", fill);
        Request { method: self.method.clone(), path, headers, body: self.body(fill) }
    }

    fn required(&self, place: &str, fill: Fill) -> Vec<(String, String)> {
        let all = self.item["parameters"].as_array().into_iter().flatten();
        let here = all.filter(|it| it["in"] == place && it["required"] == true);
        here.map(|parameter| {
            let name = parameter["name"].as_str().expect("a name");
            let value =
                fill(name).map_or_else(|| self.example(&parameter["schema"], fill), Value::from);
            (name.to_owned(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect()
    }

    fn body(&self, fill: Fill) -> Option<(String, Vec<u8>)> {
        let kinds = self.item["requestBody"]["content"].as_object()?;
        if let Some(schema) = self.schema_of("application/json") {
            let body = self.example(&schema, fill);
            return Some(("application/json".into(), body.to_string().into_bytes()));
        }
        kinds.keys().next().map(|kind| (kind.clone(), b"some bytes".to_vec()))
    }

    fn schema_of(&self, kind: &str) -> Option<Value> {
        let content = self.item["requestBody"]["content"].get(kind)?;
        content.get("schema").cloned()
    }

    fn resolved(&self, schema: &Value) -> Value {
        let mut schema = schema.clone();
        while let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("a reference into the document");
            let found = self.whole.pointer(pointer);
            schema = found.unwrap_or_else(|| panic!("{reference} does not exist")).clone();
        }
        schema
    }

    /// Returns the smallest value that matches `schema`. Of an enumeration the last value is taken, because
    /// roles are listed from most to least rights.
    fn example(&self, schema: &Value, fill: Fill) -> Value {
        let schema = self.resolved(schema);
        if let Some(value) = schema.get("const").or_else(|| schema["enum"].as_array()?.last()) {
            return value.clone();
        }
        for choice in ["oneOf", "anyOf", "allOf"] {
            let mut choices = schema[choice].as_array().into_iter().flatten();
            if let Some(chosen) = choices.find(|it| it["type"] != "null") {
                return self.example(chosen, fill);
            }
        }
        let kinds = schema["type"].as_array().cloned();
        let kinds = kinds.unwrap_or_else(|| vec![schema["type"].clone()]);
        let kind = kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null");
        match kind.unwrap_or("object") {
            "string" => Value::from(string(&schema)),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
            "boolean" => Value::from(false),
            "array" => {
                let count = schema["minItems"].as_u64().unwrap_or(0);
                (0..count).map(|_| self.example(&schema["items"], fill)).collect()
            }
            _ => self.object(&schema, fill),
        }
    }

    fn object(&self, schema: &Value, fill: Fill) -> Value {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut object = Map::new();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let listed = || Some(json!([fill(self.item_name(name, field)?)?]));
            match fill(name).map(Value::from).or_else(listed) {
                Some(value) => drop(object.insert(name.clone(), value)),
                None if required.contains(&name.as_str()) => {
                    object.insert(name.clone(), self.example(field, fill));
                }
                None => {}
            }
        }
        Value::from(object)
    }

    /// Returns the name of a list's items, derived from the list's name: `photo` for `photos`. `None` if
    /// `field` is no list.
    fn item_name<'a>(&self, name: &'a str, field: &Value) -> Option<&'a str> {
        let kind = self.resolved(field)["type"].clone();
        let is_list =
            kind == "array" || kind.as_array().is_some_and(|all| all.contains(&json!("array")));
        name.strip_suffix('s').filter(|_| is_list)
    }
}

/// Returns a text of the length and format that `schema` requires. The service's patterns require digits
/// only, so zeros match.
fn string(schema: &Value) -> String {
    let length = schema["minLength"].as_u64().unwrap_or(1).max(1) as usize;
    match (schema["format"].as_str(), schema["pattern"].as_str()) {
        (Some("email"), _) => "example@mail.example".into(),
        (Some("uuid"), _) => "00000000-0000-4000-8000-000000000000".into(),
        (Some("date-time"), _) => "2030-01-01T00:00:00Z".into(),
        (_, Some(pattern)) => {
            let counted = pattern.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
            let count = counted.and_then(|(count, _)| count.split(',').next()?.parse().ok());
            "0".repeat(count.unwrap_or(length))
        }
        _ => "x".repeat(length),
    }
}

#[test]
fn a_request_fits_its_description() {
    let whole = json!({ "components": { "schemas": {
        "Role": { "type": "string", "enum": ["owner", "viewer"] },
        "New": {
            "type": "object", "required": ["name", "role", "code", "count", "tags"],
            "properties": {
                "name": { "type": "string", "minLength": 3 }, "role": { "$ref": "#/components/schemas/Role" },
                "code": { "type": "string", "pattern": "^[0-9]{6}$" }, "event": { "type": ["string", "null"] },
                "photos": { "type": ["array", "null"], "items": { "type": "string" } },
                "count": { "type": "integer", "minimum": 5 }, "left_out": { "type": "string" },
                "tags": { "type": "array", "minItems": 1, "items": { "oneOf": [{ "type": "null" }, { "type": "boolean" }] } },
            },
        },
    } } });
    let item = json!({
        "parameters": [
            { "name": "q", "in": "query", "required": true, "schema": { "type": "string" } },
            { "name": "page", "in": "query", "schema": { "type": "string" } },
        ],
        "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/New" } } } },
        "x-access": { "scope": "studio", "action": "read", "roles": ["owner"] },
    });
    let operation = Operation {
        method: "POST".into(),
        path: "/studios/{studio}/x".into(),
        access: access(&item["x-access"]),
        item,
        whole: Arc::new(whole),
    };
    let fill =
        |name: &str| ["studio", "event", "photo"].contains(&name).then(|| format!("the-{name}"));
    let request = operation.request(&fill);
    assert_eq!(request.path, "/studios/the-studio/x?q=x");
    let body: Value = serde_json::from_slice(&request.body.unwrap().1).unwrap();
    assert_eq!(
        body,
        json!({ "name": "xxx", "role": "viewer", "code": "000000", "event": "the-event", "count": 5, "tags": [false], "photos": ["the-photo"] })
    );
    assert_eq!(operation.fields(|name| ["event", "photo"].contains(&name)), ["event", "photo"]);
    assert_eq!(operation.access.unwrap().action, "read");
    assert_eq!(access(&Value::Null), None);
}
