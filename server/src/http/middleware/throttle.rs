use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::body_rate::enforce_rate;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::cost::request_class;
use crate::http::auth::{CallerSlot, Principal, Rule};
use crate::http::client_address::{ClientAddress, own_connection};
use crate::infra::admission::{EntryPermit, NO_TENANT};
use crate::infra::alerts::{Alerts, Pattern};
use crate::infra::long_answer::LongAnswer;
use crate::infra::rate_limit::RequestClass;

/// Runs before the guard of every API route: charges the rate limit of the client's address, acquires an
/// admission permit until the caller is known, and sets a time limit (for uploads, a minimum rate of the body). Afterwards reports
/// errors to the alerts.
pub async fn throttle(
    State((app, rule)): State<(App, Rule)>,
    mut request: Request,
    next: Next,
) -> Response {
    let class = request_class(rule, request.method());
    let ClientAddress(address) = ClientAddress::of_request(&request, &app.settings);
    let connection = own_connection(&request, &app.settings);
    if let Err(failure) = app.rate_limiter.charge_address(address, class) {
        return failure.into_response();
    }
    let known = CallerSlot::default();
    request.extensions_mut().insert(known.clone());
    let response = match admitted(&app, class, request, next).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    };
    if let (Some(answer), Some(peer)) = (response.extensions().get::<LongAnswer>(), connection) {
        answer.set_connection(&app.connections, peer);
    }
    if let Some(kind) = response.extensions().get::<ErrorKind>() {
        observe_response(&app.alerts, *kind, known.get(), address);
    }
    response
}

async fn admitted(
    app: &App,
    class: RequestClass,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    // The guard exchanges this place for one of the caller's studio.
    let entry = EntryPermit::of(app.entry().enter(NO_TENANT).await?);
    request.extensions_mut().insert(entry);
    match class.time_max(app.settings.protection.request_time_max) {
        Some(limit) => {
            let late = |_| {
                let seconds = limit.as_secs();
                ApiError::new(
                    ErrorKind::TimedOut,
                    format!("The request took longer than {seconds} seconds; try again."),
                )
            };
            tokio::time::timeout(limit, next.run(request)).await.map_err(late)
        }
        None => Ok(next.run(request.map(enforce_rate)).await),
    }
}

/// Counts a request that ended with the error `ended` for the alerts: by caller or, without an identified
/// caller, by address.
fn observe_response(
    alerts: &Alerts,
    ended: ErrorKind,
    caller: Option<&Principal>,
    address: IpAddr,
) {
    let pattern = match ended {
        ErrorKind::NotFound => Pattern::Enumeration,
        ErrorKind::WrongCredentials | ErrorKind::Unauthenticated => Pattern::Guessing,
        _ => return,
    };
    let studio = match caller {
        Some(Principal::Key { studio, .. } | Principal::Visitor { studio, .. }) => studio.as_str(),
        _ => "",
    };
    match caller {
        Some(caller) => alerts.record(pattern, &caller.name(), studio),
        None => alerts.record(pattern, &format!("address:{address}"), studio),
    }
}
