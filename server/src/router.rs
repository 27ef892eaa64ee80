//! The route table: every route of the API with its access rule. The guard (`http/auth/guard.rs`) checks the
//! rule before the handler runs.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::UtoipaMethodRouterExt as _;
use utoipa_axum::routes;

use crate::api::album::{download_all, feedback, links, routes as albums, visitor};
use crate::api::studio::{invitations, keys, members};
use crate::api::{
    account, coverage, erasure, event, guest, matching, people, photo, privacy, search, studio,
    upload,
};
use crate::app::App;
use crate::error::ApiError;
use crate::http::auth::Action as A;
use crate::http::auth::AlbumPermission as R;
use crate::http::auth::GuestStage as S;
use crate::http::auth::Rule::{Album, Event, Guest, Open, SignedIn, Studio};
use crate::http::extract::BODY_BYTES_MAX;
use crate::http::middleware::{self, AllowedHosts};
use crate::openapi::{self, Api};
use crate::web;

/// Selects the responses to compress: all except images and ZIP archives, which are compressed already, and
/// server-sent events, which clients read while they arrive.
fn compressible() -> impl Predicate {
    DefaultPredicate::new().and(NotForContentType::new("application/zip"))
}

/// Maximum size of a selfie: 32 MiB, more than phones produce.
const SELFIE_BYTES_MAX: usize = 32 << 20;

fn of_a_selfie(methods: MethodRouter<App>) -> MethodRouter<App> {
    methods.layer(DefaultBodyLimit::max(SELFIE_BYTES_MAX))
}

/// Maximum size of a camera frame: 1 MiB.
const FRAME_BYTES_MAX: usize = 1 << 20;

fn of_a_frame(methods: MethodRouter<App>) -> MethodRouter<App> {
    methods.layer(DefaultBodyLimit::max(FRAME_BYTES_MAX))
}

/// Removes the body limit, because the upload handlers check the size against the announced length.
fn unbounded(methods: MethodRouter<App>) -> MethodRouter<App> {
    methods.layer(DefaultBodyLimit::disable())
}

#[rustfmt::skip]
fn table(api: Api) -> Api {
    api
        // Accounts
        .add(Open,                          routes!(account::routes::setup))
        .add(Open,                          routes!(account::routes::sign_in))
        .add(Open,                          routes!(invitations::accept))
        .add(Open,                          routes!(account::reset::request_reset, account::reset::set))
        .add(Open,                          routes!(account::email::confirm))
        .add(SignedIn,                      routes!(invitations::accept_own))
        .add(SignedIn,                      routes!(account::email::request_change))
        .add(SignedIn,                      routes!(account::routes::sign_out))
        .add(SignedIn,                      routes!(account::routes::me, account::routes::change))
        .add(SignedIn,                      routes!(crate::api::export::account::export))
        .add(SignedIn,                      routes!(account::routes::change_password))
        .add(SignedIn,                      routes!(account::routes::sessions, account::routes::end_others))
        .add(SignedIn,                      routes!(account::routes::end))
        .add(SignedIn,                      routes!(account::second_factor::begin, account::second_factor::confirm, account::second_factor::remove))
        .add(SignedIn,                      routes!(account::second_factor::renew_recovery_codes))
        // Studios
        .add(SignedIn,                      routes!(studio::routes::list, studio::routes::create))
        .add(Studio(A::ReadStudio),         routes!(studio::routes::show))
        .add(Studio(A::ManageStudio),       routes!(studio::routes::change))
        .add(Studio(A::ReadAudit),          routes!(studio::routes::receipts))
        .add(Studio(A::ReadAudit),          routes!(crate::api::audit::list))
        .add(Studio(A::ReadAudit),          routes!(crate::api::alerts::list))
        .add(Studio(A::ReadMembers),        routes!(studio::limits::list))
        .add(Studio(A::ReadMembers),        routes!(members::list))
        .add(Studio(A::ManageMembers),      routes!(members::change, members::remove))
        .add(Studio(A::ManageMembers),      routes!(invitations::list, invitations::create))
        .add(Studio(A::ManageMembers),      routes!(invitations::withdraw))
        .add(Studio(A::ManageKeys),         routes!(keys::list, keys::create))
        .add(Studio(A::ManageKeys),         routes!(keys::revoke))
        // Events
        .add(Studio(A::ReadStudio),         routes!(event::routes::list))
        .add(Studio(A::CreateEvent),        routes!(event::routes::create))
        .add(Event(A::ReadEvent),           routes!(event::routes::show))
        .add(Event(A::ManageEvent),         routes!(event::change::change))
        .add(Event(A::DeleteEvent),         routes!(event::routes::delete))
        .add(Event(A::ExportEvent),         routes!(crate::api::export::event::export))
        .add(Event(A::ReadEvent),           routes!(crate::api::folder::list))
        .add(Event(A::ManageEvent),         routes!(crate::api::folder::create))
        .add(Event(A::ManageEvent),         routes!(crate::api::folder::change, crate::api::folder::remove))
        // Uploads
        .add(Open,                          routes!(upload::routes::capabilities))
        .add(Event(A::UploadPhotos),        routes!(upload::routes::create))
        .add(Event(A::UploadPhotos),        routes!(upload::dedup::find_existing))
        .add(Event(A::UploadPhotos),        routes!(upload::routes::offset, upload::routes::append, upload::routes::terminate).map(unbounded))
        // Photos
        .add(Event(A::ReadPhotos),          routes!(photo::routes::list))
        .add(Event(A::ReadPhotos),          routes!(photo::routes::show))
        .add(Event(A::ManagePhotos),        routes!(photo::routes::change))
        .add(Event(A::ManagePhotos),        routes!(photo::bulk::change))
        .add(Event(A::ManagePhotos),        routes!(erasure::photos::remove_many))
        .add(Event(A::ManagePhotos),        routes!(erasure::photos::remove))
        .add(Event(A::ReadPhotos),          routes!(photo::files::original))
        .add(Event(A::ReadPhotos),          routes!(photo::files::web))
        .add(Event(A::ReadPhotos),          routes!(photo::files::thumb))
        // Indexing
        .add(Event(A::ReadEvent),           routes!(crate::api::indexing::routes::show))
        .add(Event(A::ReadEvent),           routes!(crate::api::indexing::routes::failed))
        .add(Event(A::ReadEvent),           routes!(crate::api::indexing::routes::progress))
        .add(Event(A::UploadPhotos),        routes!(crate::api::indexing::routes::control))
}

#[rustfmt::skip]
fn faces_table(api: Api) -> Api {
    api
        // Search
        .add(Event(A::SearchFaces),         routes!(search::routes::by_selfie).map(of_a_selfie))
        .add(Event(A::SearchFaces),         routes!(search::routes::by_face))
        .add(Event(A::SearchFaces),         routes!(search::routes::compare))
        // Matching
        .add(Event(A::SearchFaces),         routes!(matching::routes::show))
        .add(Event(A::ManageEvent),         routes!(matching::routes::change))
        // Coverage
        .add(Event(A::SearchFaces),         routes!(coverage::report::show))
        .add(Event(A::SearchFaces),         routes!(coverage::photos::list))
        // People
        .add(Event(A::SearchFaces),         routes!(people::routes::list))
        .add(Event(A::SearchFaces),         routes!(people::routes::show))
        .add(Event(A::ManagePhotos),        routes!(people::corrections::merge))
        .add(Event(A::ManagePhotos),        routes!(people::corrections::split))
        .add(Event(A::ManagePhotos),        routes!(people::corrections::hide))
}

#[rustfmt::skip]
fn guests_table(api: Api) -> Api {
    api
        // Guests: the studio's side
        .add(Event(A::ManageGuests),        routes!(guest::links::list, guest::links::create))
        .add(Event(A::ManageGuests),        routes!(guest::links::withdraw))
        .add(Event(A::ManageGuests),        routes!(guest::guest_list::list, guest::guest_list::add))
        .add(Event(A::ManageGuests),        routes!(guest::guest_list::remove))
        .add(Event(A::ManageGuests),        routes!(guest::admin::list))
        .add(Event(A::ManageGuests),        routes!(guest::admin::remove))
        .add(Event(A::ExportEvent),         routes!(crate::api::export::guest::of_guest))
        .add(Event(A::ManageGuests),        routes!(guest::admin::consents))
        .add(Event(A::ManageGuests),        routes!(guest::access_requests::list))
        .add(Event(A::ManageGuests),        routes!(guest::access_requests::approve, guest::access_requests::decline))
        // Guests: registration and verification
        .add(Open,                          routes!(guest::registration::invitation))
        .add(Open,                          routes!(guest::registration::register))
        .add(Open,                          routes!(guest::registration::enter))
        .add(Open,                          routes!(guest::registration::confirm_letters))
        .add(Open,                          routes!(guest::access_requests::create))
        .add(Guest(S::Registered),          routes!(guest::routes::show, guest::routes::leave))
        .add(Guest(S::Registered),          routes!(guest::routes::sign_out))
        .add(Guest(S::Registered),          routes!(guest::challenge::begin))
        .add(Guest(S::Registered),          routes!(guest::challenge::show).map(of_a_frame))
        .add(Guest(S::Registered),          routes!(guest::contact_proof::send_again, guest::contact_proof::prove))
        .add(Guest(S::Registered),          routes!(guest::verification::verify))
        // Guests: their own photos, faces and settings
        .add(Guest(S::Verified),            routes!(guest::photos::list))
        .add(Guest(S::Verified),            routes!(guest::photos::thumb))
        .add(Guest(S::Verified),            routes!(guest::photos::web))
        .add(Guest(S::Verified),            routes!(guest::photos::download))
        .add(Guest(S::Verified),            routes!(guest::routes::archive))
        .add(Guest(S::Verified),            routes!(crate::api::export::guest::own))
        .add(Guest(S::Verified),            routes!(guest::photos::faces))
        .add(Guest(S::Verified),            routes!(guest::photos::face, guest::photos::claim))
        .add(Guest(S::Verified),            routes!(guest::notifications::watch))
        .add(Guest(S::Verified),            routes!(guest::routes::notify))
        .add(Guest(S::Verified),            routes!(guest::group::create, guest::group::join, guest::group::leave))
}

#[rustfmt::skip]
fn privacy_table(api: Api) -> Api {
    api
        // Erasures of guests and of faces
        .add(Event(A::ManageGuests),        routes!(privacy::erasures::list))
        .add(Event(A::EraseFaces),          routes!(privacy::erasures::create))
        .add(Event(A::UndoErasures),        routes!(privacy::erasures::undo))
        .add(Open,                          routes!(erasure::undo::by_link))
        // People in photos
        .add(Open,                          routes!(privacy::removal::create))
        .add(Event(A::ManageGuests),        routes!(privacy::removal::list))
        .add(Event(A::ManageGuests),        routes!(privacy::removal::decline))
        .add(Event(A::ReadEvent),           routes!(privacy::notice::show))
        .add(Event(A::ManageEvent),         routes!(privacy::notice::change))
        .add(Studio(A::ReadAudit),          routes!(privacy::log::list))
}

#[rustfmt::skip]
fn albums_table(api: Api) -> Api {
    api
        // The studio's side
        .add(Event(A::ManageEvent),         routes!(albums::list, albums::create))
        .add(Event(A::ManageEvent),         routes!(albums::show, albums::change, albums::remove))
        .add(Event(A::ManageEvent),         routes!(links::list, links::create))
        .add(Event(A::ManageEvent),         routes!(links::withdraw))
        .add(Event(A::ManageEvent),         routes!(feedback::picks))
        .add(Event(A::ManageEvent),         routes!(feedback::comments))
        .add(Event(A::ManageEvent),         routes!(feedback::resolve))
        // Visitors
        .add(Open,                          routes!(visitor::enter))
        .add(Album(R::View),                routes!(visitor::leave))
        .add(Album(R::View),                routes!(visitor::annotate))
        .add(Album(R::View),                routes!(visitor::show))
        .add(Album(R::View),                routes!(visitor::list))
        .add(Album(R::View),                routes!(visitor::photo))
        .add(Album(R::View),                routes!(visitor::thumb))
        .add(Album(R::View),                routes!(visitor::web))
        .add(Album(R::View),                routes!(visitor::download))
        .add(Album(R::View),                routes!(download_all::download_all))
        .add(Album(R::Annotate),            routes!(visitor::pick, visitor::remove_pick))
        .add(Album(R::Annotate),            routes!(visitor::comments, visitor::comment))
        .add(Album(R::Annotate),            routes!(visitor::resolve, visitor::delete_comment))
}

/// Returns the routes of the API, relative to `/api/v1`, and its OpenAPI document with full paths.
fn nested(app: &App) -> (Router<App>, OpenApi) {
    let (routes, mut described) =
        privacy_table(guests_table(albums_table(faces_table(table(Api::new(app)))))).finish();
    let paths = std::mem::take(&mut described.paths.paths);
    described.paths.paths =
        paths.into_iter().map(|(path, item)| (format!("/api/v1{path}"), item)).collect();
    (routes, described)
}

/// Builds the complete service for a listener that serves `hosts`: API, pages, health checks and middleware.
pub fn build_app(app: App, hosts: AllowedHosts) -> Router {
    let (routes, described) = nested(&app);
    let described = Arc::new(described);
    let page = Arc::clone(&described);
    let style = || async {
        ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("docs.css"))
    };
    let docs = Router::new()
        .route("/openapi.json", get(move || async move { openapi::document(&described) }))
        .route("/docs", get(move || async move { openapi::page(&page) }))
        .route("/docs.css", get(style));
    Router::new()
        .nest("/api/v1", routes.merge(docs))
        .merge(web::routes())
        .merge(web::security_txt::routes(&app))
        .merge(crate::web::album::routes(&app))
        .merge(crate::web::guest::routes(&app))
        .merge(web::privacy::routes(&app))
        .merge(crate::http::health::routes())
        .fallback(middleware::no_such_route)
        .method_not_allowed_fallback(middleware::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            axum::response::IntoResponse::into_response(ApiError::internal("a handler panicked"))
        }))
        .layer(CompressionLayer::new().compress_when(compressible()))
        .layer(from_fn_with_state(app.clone(), middleware::cors))
        .layer(from_fn_with_state(hosts, middleware::check_host))
        .layer(middleware::security_headers())
        .layer(from_fn_with_state(app.clone(), middleware::hsts))
        .layer(from_fn(middleware::access_log))
        .with_state(app)
}
