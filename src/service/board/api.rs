//! The JSON API under `/api/v1`: the same values as the pages.
//!
//! `config/openapi.json` describes it, and the tests compare answers with that. Orders are `orders`' matter.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;

use crate::service::Shared;
use crate::service::board::memory::Remembered;
use crate::service::board::{Sender, orders, view, visitor};

/// The most rows of images that one answer has.
const MOST_IMAGES: usize = 20_000;

type Asked = Query<HashMap<String, String>>;

/// Returns what is served below `/api/v1`.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/openapi.json", get(description))
        .route("/status", get(status))
        .route("/promotions", get(promotions))
        .route("/image", get(image))
        .route("/passes", get(passes))
        .route("/pass", get(pass))
        .route("/repositories", get(repositories))
        .route("/holds", get(holds))
        .route("/session", get(session))
        .route("/orders/{what}", post(orders::by_json))
        .fallback(|| async { nothing("no such address") })
}

async fn description() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../../../config/openapi.json")).into_response()
}

/// Answers that something is not there.
pub(super) fn nothing(what: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": what }))).into_response()
}

/// Answers of the repositories that are asked about, the one that is named or all; or that there is none of that name.
fn told<T: Serialize>(
    shared: &Shared,
    query: &HashMap<String, String>,
    of: impl FnOnce(&[(String, Remembered)]) -> T,
) -> Response {
    let asked = match query.get("repository") {
        Some(id) => shared.board.memory.named(id).into_iter().collect(),
        None => shared.board.memory.all(),
    };
    if asked.is_empty() && query.contains_key("repository") {
        return nothing("no such repository");
    }
    Json(of(&asked)).into_response()
}

/// Answers with a row of each repository that is asked about.
fn rows<T: Serialize>(
    shared: &Shared,
    query: &HashMap<String, String>,
    of: impl Fn(&str, &Remembered) -> T,
) -> Response {
    told(shared, query, |asked| asked.iter().map(|(url, row)| of(url, row)).collect::<Vec<T>>())
}

async fn status(State(shared): State<Arc<Shared>>, Query(query): Asked) -> Response {
    let room = std::cell::Cell::new(MOST_IMAGES);
    rows(&shared, &query, |url, row| {
        let mut overview = view::overview(url, row);
        let cut = overview.images.len().saturating_sub(room.get());
        overview.images.truncate(room.get());
        overview.left_out += cut;
        room.set(room.get() - overview.images.len());
        overview
    })
}

async fn promotions(State(shared): State<Arc<Shared>>, Query(query): Asked) -> Response {
    let fits = |one: &view::Promotion| {
        query.get("environment").is_none_or(|name| *name == one.environment)
            && query.get("group").is_none_or(|group| *group == one.group)
    };
    told(&shared, &query, |asked| {
        asked.iter().flat_map(|(url, row)| view::promotions(url, row)).filter(fits).collect::<Vec<_>>()
    })
}

async fn image(State(shared): State<Arc<Shared>>, Query(query): Asked) -> Response {
    let found = || {
        let (url, row) = shared.board.memory.named(query.get("repository")?)?;
        view::image(&url, &row, query.get("image")?)
    };
    found().map_or_else(|| nothing("no such image in such a repository"), |image| Json(image).into_response())
}

async fn passes(State(shared): State<Arc<Shared>>, Query(query): Asked) -> Response {
    told(&shared, &query, |asked| {
        let mut passes: Vec<_> = asked.iter().flat_map(|(url, row)| view::passes(url, row)).collect();
        passes.sort_by_key(|pass| std::cmp::Reverse(pass.began));
        passes
    })
}

async fn pass(State(shared): State<Arc<Shared>>, Query(query): Asked) -> Response {
    let found = || {
        let (url, row) = shared.board.memory.named(query.get("repository")?)?;
        view::one_pass(&url, &row, query.get("number")?.parse().ok()?)
    };
    found().map_or_else(|| nothing("no such pass is remembered"), |pass| Json(pass).into_response())
}

async fn repositories(State(shared): State<Arc<Shared>>, Query(query): Asked) -> Response {
    rows(&shared, &query, |url, row| {
        let outlook = shared.timetable().outlook(url);
        view::repository(url, row, outlook)
    })
}

async fn holds(State(shared): State<Arc<Shared>>, Query(query): Asked) -> Response {
    told(&shared, &query, |asked| asked.iter().flat_map(|(url, row)| view::holds(url, row)).collect::<Vec<_>>())
}

/// Tells who is logged in, with the token that orders must send along.
async fn session(State(shared): State<Arc<Shared>>, peer: Sender, headers: HeaderMap) -> Response {
    let visitor = visitor(&shared, &headers, peer.0);
    let (user, token) = visitor.map_or((None, None), |visitor| (Some(visitor.user), Some(visitor.token)));
    Json(json!({ "canAct": user.is_some(), "user": user, "token": token })).into_response()
}
