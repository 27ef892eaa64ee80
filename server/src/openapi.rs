//! Builds the OpenAPI document from the routes themselves and renders it as an HTML page.
//!
//! [`Api::add`] is the only way to add a route, and it takes the route's access rule.

use axum::Json;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, html};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::{
    Content, HeaderBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Required, ResponseBuilder, Type,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn},
    security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt as _};

use crate::app::App;
use crate::error::{ErrorKind, Problem};
use crate::http::auth::{ALBUM_COOKIE, GUEST_COOKIE, Rule, SESSION_COOKIE, guard};
use crate::http::middleware::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, idempotency, throttle};

/// A builder of the API's router and its OpenAPI document.
pub struct Api {
    app: App,
    router: OpenApiRouter<App>,
}

impl Api {
    pub fn new(app: &App) -> Self {
        let info = InfoBuilder::new()
            .title("PicPick")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some("Finds the photos of an event by the faces in them."));
        let mut api = OpenApiBuilder::new().info(info.build()).build();
        let components = api.components.get_or_insert_default();
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE)));
        components.add_security_scheme("api_key", bearer);
        components.add_security_scheme("session", cookie);
        let visit = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(ALBUM_COOKIE)));
        components.add_security_scheme("album_session", visit);
        let guest = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(GUEST_COOKIE)));
        components.add_security_scheme("guest_session", guest);
        let schema = <Problem as utoipa::PartialSchema>::schema();
        components.schemas.insert("Problem".to_owned(), schema);
        Self { app: app.clone(), router: OpenApiRouter::with_openapi(api) }
    }

    /// Adds the operations of one path, all with the access rule `rule`.
    pub fn add(self, rule: Rule, routes: UtoipaMethodRouter<App>) -> Self {
        let (schemas, mut paths, methods) = routes;
        let mut creates = false;
        for item in paths.paths.values_mut() {
            let all = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.delete,
                &mut item.patch,
                &mut item.head,
                &mut item.options,
            ];
            all.into_iter().flatten().for_each(|operation| describe(operation, rule));
            // Idempotency keys are scoped to a caller, and open routes (sign-in, registration) have no
            // caller.
            let made = item.post.as_mut().filter(|_| rule != Rule::Open);
            creates |= made.is_some_and(describe_repetition);
        }
        let routes = (schemas, paths, methods);
        let routes = match creates {
            true => routes.layer(from_fn_with_state(self.app.clone(), idempotency)),
            false => routes,
        };
        let state = (self.app.clone(), rule);
        let guarded = routes
            .layer(from_fn_with_state(state.clone(), guard))
            .layer(from_fn_with_state(state, throttle));
        Self { router: self.router.routes(guarded), app: self.app }
    }

    /// Returns the router and the OpenAPI document.
    pub fn finish(self) -> (axum::Router<App>, OpenApi) {
        self.router.split_for_parts()
    }
}

/// Documents the header `Idempotency-Key` if the operation creates a resource, which it answers with status
/// 201. Returns whether the operation creates a resource.
fn describe_repetition(operation: &mut Operation) -> bool {
    let Some(RefOr::T(made)) = operation.responses.responses.get_mut("201") else { return false };
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let replayed = HeaderBuilder::new()
        .schema(Some(text().build()))
        .description(Some("'true' if this response is a replay of the stored first response"))
        .build();
    made.headers.insert(IDEMPOTENCY_REPLAYED.to_string(), RefOr::T(replayed));
    let schema = text().min_length(Some(1)).max_length(Some(255)).pattern(Some("^[!-~]+$")).build();
    let key = ParameterBuilder::new()
        .name(IDEMPOTENCY_KEY.as_str())
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A key that the client chooses, a new key for each resource to create. If the client repeats the request \
             with this key within 24 hours, the server returns the stored first response. The server rejects a \
             different request with this key.",
        ))
        .schema(Some(schema))
        .build();
    operation.parameters.get_or_insert_default().push(RefOr::T(key));
    true
}

/// Adds the parts that every operation has: the problem response, the access rule (`x-access`) and the
/// security schemes.
fn describe(operation: &mut Operation, rule: Rule) {
    let problem = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
    let response = ResponseBuilder::new()
        .description("An error, as an RFC 9457 problem document")
        .content("application/problem+json", problem)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
    let rule_is = Extensions::builder().add("x-access", rule.describe()).build();
    operation.extensions.get_or_insert_default().merge(rule_is);
    let none: [String; 0] = [];
    operation.security = Some(match rule {
        Rule::Open => Vec::new(),
        Rule::SignedIn => vec![SecurityRequirement::new("session", none)],
        Rule::Album(_) => vec![SecurityRequirement::new("album_session", none)],
        Rule::Guest(_) => vec![SecurityRequirement::new("guest_session", none)],
        _ => vec![
            SecurityRequirement::new("session", none.clone()),
            SecurityRequirement::new("api_key", none),
        ],
    });
}

/// Responds with the OpenAPI document as JSON.
pub fn document(api: &OpenApi) -> Response {
    let caching = [(header::CACHE_CONTROL, "max-age=300")];
    (caching, Json(api)).into_response()
}

/// Responds with the OpenAPI document as an HTML page. The page is rendered on the server and needs no
/// script, so the strict content security policy applies to the page too.
pub fn page(api: &OpenApi) -> Response {
    let operations = api.paths.paths.iter().flat_map(|(path, item)| {
        let all = [
            ("GET", &item.get),
            ("POST", &item.post),
            ("PUT", &item.put),
            ("PATCH", &item.patch),
            ("DELETE", &item.delete),
            ("HEAD", &item.head),
        ];
        all.into_iter()
            .filter_map(move |(method, operation)| Some((method, path, operation.as_ref()?)))
    });
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "PicPick API" }
                link rel="stylesheet" href="/api/v1/docs.css";
            }
            body {
                h1 { "PicPick API" }
                p { "Machine-readable: " a href="/api/v1/openapi.json" { "openapi.json" } " (OpenAPI 3.1)." }
                @for (method, path, operation) in operations {
                    section { (operation_section(method, path, operation)) }
                }
                h2 { "Problems" }
                p { "Every error is an RFC 9457 problem document with one of these codes." }
                dl {
                    @for kind in ErrorKind::ALL {
                        dt id=(kind.code()) { (kind.status().as_u16()) " " code { (kind.code()) } }
                        dd { (kind.title()) }
                    }
                }
            }
        }
    };
    ([(header::CACHE_CONTROL, "max-age=300")], Html(page.into_string())).into_response()
}

fn known(parameter: &RefOr<Parameter>) -> Option<&Parameter> {
    match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    }
}

fn operation_section(method: &str, path: &str, operation: &Operation) -> maud::Markup {
    let text = operation.summary.as_deref().unwrap_or_default();
    let more = operation.description.as_deref().unwrap_or_default();
    let rule = operation.extensions.as_ref().and_then(|all| all.get("x-access"));
    let statuses = operation.responses.responses.keys().filter(|status| *status != "default");
    html! {
        h2 { span.method { (method) } " " code { (path) } }
        p { (text) " " (more) }
        @if let Some(rule) = rule {
            p.rule {
                @match (rule["action"].as_str(), rule["roles"].as_array()) {
                    (Some(action), Some(roles)) => {
                        "Requires " code { (action) } ": "
                        (roles.iter().filter_map(|role| role.as_str()).collect::<Vec<_>>().join(", "))
                    }
                    _ => { "Open to: " (rule["scope"].as_str().unwrap_or("-").replace('_', " ")) }
                }
            }
        }
        @if let Some(parameters) = &operation.parameters {
            ul {
                @for parameter in parameters.iter().filter_map(known) {
                    li { code { (parameter.name) } " " (parameter.description.as_deref().unwrap_or_default()) }
                }
            }
        }
        p.answers { "Responses: " (statuses.cloned().collect::<Vec<_>>().join(", ")) }
    }
}
