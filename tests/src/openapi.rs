//! The service's description of itself, read by somebody who trusts it in nothing: operations, who may use
//! them, and requests that fit them.
//!
//! Requests are made from the description alone, so that a route that is added is covered at once. Knows no
//! route by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

use crate::client::{Client, Request};
use crate::rng::Rng;

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// One operation, as the description has it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Upper case.
    pub method: String,
    /// Below `/api/v1`, with `{parameters}`.
    pub path: String,
    /// What `x-access` says; absent where the operation has none.
    pub access: Option<Access>,
    item: Value,
    whole: Arc<Value>,
}

/// Who may use an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `open`, `signed_in`, `studio`, `event` or `album`.
    pub scope: String,
    /// Empty where the scope has none.
    pub action: String,
    pub roles: Vec<String>,
}

/// A value for the parameter or field of this name, where the description alone is not enough.
pub type Fill<'a> = &'a dyn Fn(&str) -> Option<String>;

/// An id as the service makes them, of nothing; never the same again.
pub fn unknown_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut rng = Rng::new(NEXT.fetch_add(1, Ordering::SeqCst));
    format!("{:016x}{:016x}", rng.number(), rng.number())
}

/// The operations of the running service.
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
    /// As people name it.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The names of the path's parameters, in order.
    pub fn parameters(&self) -> Vec<&str> {
        let parts = self.path.split('/');
        parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
    }

    /// The names of the JSON body's fields that `known` accepts, required or not; of a list of things, the thing's.
    pub fn fields(&self, known: impl Fn(&str) -> bool) -> Vec<String> {
        let Some(schema) = self.schema_of("application/json") else { return Vec::new() };
        let fields = self.resolved(&schema)["properties"].as_object().cloned().unwrap_or_default();
        let named = fields.into_iter().map(|(name, field)| match self.thing_of(&name, &field) {
            Some(thing) => thing.to_owned(),
            None => name,
        });
        named.filter(|name| known(name)).collect()
    }

    /// A request that fits the description; `fill` gives the values of names it knows, path parameters and
    /// optional fields among them. Other path parameters get an id of nothing.
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
            schema = found.unwrap_or_else(|| panic!("{reference} leads nowhere")).clone();
        }
        schema
    }

    /// The smallest value that fits `schema`. Of several allowed ones the last is taken: roles are listed
    /// from the one that may do most to the one that may do least.
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
            let listed = || Some(json!([fill(self.thing_of(name, field)?)?]));
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

    /// What a list holds, by its name: a `photo`, for `photos`. `None` for what is no list.
    fn thing_of<'a>(&self, name: &'a str, field: &Value) -> Option<&'a str> {
        let kind = self.resolved(field)["type"].clone();
        let is_list =
            kind == "array" || kind.as_array().is_some_and(|all| all.contains(&json!("array")));
        name.strip_suffix('s').filter(|_| is_list)
    }
}

/// A text of the length and form that `schema` asks for. The patterns of the service are of digits, which
/// zeros satisfy.
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
