use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::body_rate::paced;
use crate::app::App;
use crate::error::{Failure, Kind, Result};
use crate::http::auth::{Caller, Rule};
use crate::http::client_address::ClientAddress;
use crate::infra::admission::Place;
use crate::infra::rate_limit::Class;

/// A slot in the request's extensions for the caller, which the guard fills once it has identified the
/// caller.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<OnceLock<Caller>>);

impl Known {
    pub fn set(&self, caller: &Caller) {
        let _ = self.0.set(caller.clone());
    }
}

/// Runs before the guard of every API route: charges the rate limit of the client's address, acquires an
/// admission permit, and sets a time limit (for uploads, a minimum rate of the body). Afterwards reports
/// errors to the alerts.
pub async fn protect(
    State((app, rule)): State<(App, Rule)>,
    mut request: Request,
    next: Next,
) -> Response {
    let class = Class::of(rule, request.method());
    let ClientAddress(address) = ClientAddress::of_request(&request, app.settings());
    if let Err(failure) = app.limits().charge_address(address, class) {
        return failure.into_response();
    }
    let known = Known::default();
    request.extensions_mut().insert(known.clone());
    let response = match admitted(&app, class, request, next).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    };
    if let Some(kind) = response.extensions().get::<Kind>() {
        app.alerts().watch(*kind, known.0.get(), address);
    }
    response
}

async fn admitted(app: &App, class: Class, mut request: Request, next: Next) -> Result<Response> {
    let place = Place::from(app.admission(class).enter().await?);
    request.extensions_mut().insert(place.clone());
    match class.time_max(app.settings().protection.request_time_max) {
        Some(limit) => {
            let late = |_| {
                let seconds = limit.as_secs();
                Failure::new(
                    Kind::TimedOut,
                    format!("The request took longer than {seconds} seconds."),
                )
            };
            tokio::time::timeout(limit, next.run(request)).await.map_err(late)
        }
        None => Ok(next.run(request.map(paced)).await),
    }
}
