//! What people order on the board: the same as `hold`, `release`, `promote` and `rollback` do, and a pass now.
//!
//! Every order names who gave it. Whoever is not let in by `access`, sends no token, or comes from another site is refused
//! before the order is looked at.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::model::gate::GateName;
use crate::model::image::{Tag, Written, shorten};
use crate::model::outcome::Outcome;
use crate::model::proposal::Action;
use crate::pass::hold;
use crate::pass::order::{Order, one_line};
use crate::pass::watched::{OrderedError, Word};
use crate::queue::Cause;
use crate::service::Shared;
use crate::service::board::sessions::{COOKIE, LIFE, Visitor};
use crate::service::board::{Peer, Sender, api, is_from_here, memory, pages, session_token, visitor};
use crate::service::room;

/// The largest form, in bytes.
const MAX_FORM: usize = 16 << 10;

/// How long a client may take to send one.
const FORM_TIME: Duration = Duration::from_secs(10);

/// How long an order may wait for others before it.
const PATIENCE: Duration = Duration::from_secs(20);

type Fields = HashMap<String, String>;

/// What became of an order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    /// Whether it was followed.
    pub(super) done: bool,
    /// What it did, or why it did not, a line each.
    pub(super) lines: Vec<String>,
    #[serde(skip)]
    pub(super) status: u16,
}

impl Answer {
    fn refused(status: StatusCode, line: impl Into<String>) -> Self {
        Self { done: false, lines: vec![line.into()], status: status.as_u16() }
    }

    /// Returns the status of the answer.
    pub(super) fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Takes an order of a page's form.
pub(super) async fn by_form(
    State(shared): State<Arc<Shared>>,
    peer: Sender,
    Path(what): Path<String>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let visitor = match allowed(&shared, &headers, peer.0) {
        Ok(visitor) => visitor,
        Err(refused) => return pages::answered(&shared, &headers, peer.0, &refused, "/"),
    };
    let fields = match body(request).await {
        Ok(body) => url::form_urlencoded::parse(&body).into_owned().collect::<Fields>(),
        Err(refused) => return pages::answered(&shared, &headers, peer.0, &refused, "/"),
    };
    let back = fields.get("back").filter(|back| is_local(back)).cloned().unwrap_or_else(|| "/".to_owned());
    let token = fields.get("token").map_or("", String::as_str);
    let answer = if visitor.sent(token) { order(&shared, &what, &fields, &visitor).await } else { untold() };
    pages::answered(&shared, &headers, peer.0, &answer, &back)
}

/// Takes an order as JSON; the token is in the header `X-Tagboat-Token`.
pub(super) async fn by_json(
    State(shared): State<Arc<Shared>>,
    peer: Sender,
    Path(what): Path<String>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let answer = async {
        let visitor = allowed(&shared, &headers, peer.0)?;
        let token = headers.get("x-tagboat-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !visitor.sent(token) {
            return Err(untold());
        }
        let body = body(request).await?;
        let fields: Fields = serde_json::from_slice(&body)
            .map_err(|_error| Answer::refused(StatusCode::BAD_REQUEST, "the body is no JSON object of strings"))?;
        Ok(order(&shared, &what, &fields, &visitor).await)
    };
    let answer = answer.await.unwrap_or_else(|refused| refused);
    match answer.code() {
        StatusCode::NOT_FOUND => api::nothing(answer.lines.first().map_or("", String::as_str)),
        code => (code, Json(answer)).into_response(),
    }
}

fn untold() -> Answer {
    Answer::refused(StatusCode::FORBIDDEN, "the form is not of this session: load the page again")
}

/// Whether a place to go back to is a page of ours.
fn is_local(back: &str) -> bool {
    back.starts_with('/') && !back.starts_with("//") && !back.contains(['\\', '\r', '\n'])
}

/// Finds who orders, or why nobody may.
fn allowed(shared: &Shared, headers: &HeaderMap, peer: Peer) -> Result<Visitor, Answer> {
    if !shared.live().door.is_open() {
        return Err(Answer::refused(
            StatusCode::NOT_FOUND,
            "nobody may act here: `access` in service.yaml lets people in",
        ));
    }
    if !is_from_here(headers) {
        return Err(Answer::refused(StatusCode::FORBIDDEN, "this comes from another site"));
    }
    visitor(shared, headers, peer).ok_or_else(|| Answer::refused(StatusCode::UNAUTHORIZED, "log in first"))
}

async fn body(request: Request) -> Result<Bytes, Answer> {
    let late = || Answer::refused(StatusCode::REQUEST_TIMEOUT, "the form did not come in time");
    let read = timeout(FORM_TIME, Bytes::from_request(request, &())).await.map_err(|_elapsed| late())?;
    let body = read.map_err(|refused| Answer::refused(refused.into_response().status(), "the form cannot be read"))?;
    if body.len() > MAX_FORM {
        return Err(Answer::refused(StatusCode::PAYLOAD_TOO_LARGE, "the form is too large"));
    }
    Ok(body)
}

/// An order that makes sense so far.
enum Wanted {
    Hold(hold::Order),
    Order(Order, Option<String>),
    Pass,
}

async fn order(shared: &Arc<Shared>, what: &str, fields: &Fields, visitor: &Visitor) -> Answer {
    let Some((url, _)) = fields.get("repository").and_then(|id| shared.board.memory.named(id)) else {
        return Answer::refused(StatusCode::BAD_REQUEST, "there is no such repository");
    };
    let wanted = match wanted(what, fields, visitor) {
        Ok(wanted) => wanted,
        Err(refused) => return refused,
    };
    if shared.is_stopping() {
        return Answer::refused(StatusCode::SERVICE_UNAVAILABLE, "the service is stopping: try again in a moment");
    }
    if matches!(wanted, Wanted::Pass) {
        tracing::info!(repository = url, user = visitor.user, order = what, "ordered");
        return run_now(shared, &url);
    }
    let Some(place) = shared.board.orders.take(room::host(&url), PATIENCE).await else {
        return Answer::refused(StatusCode::SERVICE_UNAVAILABLE, "others' orders are still followed: try again");
    };
    if shared.is_stopping() {
        return Answer::refused(StatusCode::SERVICE_UNAVAILABLE, "the service is stopping: try again in a moment");
    }
    let (handle, of_order, place_of) = (Handle::current(), Arc::clone(shared), url.clone());
    let by = visitor.user.clone();
    let followed = tokio::task::spawn_blocking(move || {
        // It is followed whether or not whoever gave it waits for the answer.
        let _place = place;
        let (live, now) = (of_order.live(), of_order.clock.now());
        match wanted {
            Wanted::Hold(order) => handle.block_on(Box::pin(live.watcher.hold(&place_of, &order, now))),
            Wanted::Order(order, reason) => {
                handle.block_on(Box::pin(live.watcher.order(&place_of, &order, Word { by, reason }, now)))
            }
            Wanted::Pass => Ok(Outcome::default()),
        }
    });
    let answer = match followed.await {
        Ok(Ok(outcome)) => done(&outcome),
        Ok(Err(error)) => not_done(&error),
        Err(_panic) => Answer::refused(StatusCode::INTERNAL_SERVER_ERROR, "it broke off; the log says why"),
    };
    let (user, said) = (&visitor.user, answer.lines.first().map_or("", String::as_str));
    tracing::info!(repository = url, user, order = what, done = answer.done, answer = said, "ordered");
    if answer.done && !shared.is_stopping() {
        let _answer = run_now(shared, &url);
    }
    answer
}

fn run_now(shared: &Shared, url: &str) -> Answer {
    let now = shared.clock.now();
    shared.timetable().hasten_for(url, Cause::Order, now);
    shared.wake.notify_one();
    Answer { done: true, lines: vec![format!("a pass of {} begins", memory::short(url))], status: 202 }
}

/// Reads what is ordered.
fn wanted(what: &str, fields: &Fields, visitor: &Visitor) -> Result<Wanted, Answer> {
    let wrong = |words: String| Answer::refused(StatusCode::BAD_REQUEST, words);
    let field = |name: &str| fields.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let needed = |name: &str| field(name).ok_or_else(|| wrong(format!("`{name}` is missing")));
    let image =
        |text: &str| text.parse::<Written>().map_err(|_error| wrong(format!("`{}` is no image", shorten(text))));
    let tag = |text: &str| text.parse::<Tag>().map_err(|_error| wrong(format!("`{}` is no tag", shorten(text))));
    let reason = field("reason").map(one_line).filter(|reason| !reason.is_empty());
    match what {
        "run" => Ok(Wanted::Pass),
        "hold" => {
            let until = field("until").map(|text| {
                text.parse()
                    .map_err(|_error| wrong(format!("`{}` is no moment: write 2026-12-24T18:00:00Z", shorten(text))))
            });
            Ok(Wanted::Hold(hold::Order::Hold {
                environment: field("environment").map(Into::into),
                image: image(needed("image")?)?,
                tag: tag(needed("tag")?)?,
                until: until.transpose()?,
                by: Some(visitor.user.clone()),
                reason,
            }))
        }
        "release" => Ok(Wanted::Hold(hold::Order::Release {
            image: image(needed("image")?)?,
            tag: field("tag").map(tag).transpose()?,
            environment: field("environment").map(Into::into),
            by: Some(visitor.user.clone()),
            reason,
        })),
        "rollback" => {
            let order = Order::Rollback {
                environment: needed("environment")?.into(),
                what: needed("image")?.to_owned(),
                to: field("tag").map(tag).transpose()?,
            };
            Ok(Wanted::Order(order, reason))
        }
        "promote" => {
            let mut skipped = BTreeSet::new();
            for name in field("skip").unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let known = GateName::ALL.into_iter().find(|gate| gate.as_str() == name);
                skipped.insert(known.ok_or_else(|| wrong(format!("`{}` is no gate", shorten(name))))?);
            }
            let order = Order::Promote {
                environment: needed("environment")?.into(),
                what: needed("image")?.to_owned(),
                tag: tag(needed("tag")?)?,
                at_once: field("now").is_some(),
                skipped,
            };
            Ok(Wanted::Order(order, reason))
        }
        _ => Err(Answer::refused(StatusCode::NOT_FOUND, "there is no such order")),
    }
}

/// Tells what an order did.
fn done(outcome: &Outcome) -> Answer {
    let commits = outcome.commits.iter().map(|landed| {
        let title = landed.message.lines().next().unwrap_or_default();
        format!("commit {}: {title}", landed.commit.short())
    });
    let proposals = outcome.proposals.iter().filter_map(|proposal| {
        let place = match (&proposal.url, &proposal.branch) {
            (Some(url), _) => format!("{}: pull request {url}", proposal.environment),
            (None, Some(branch)) if proposal.action != Action::Committed => {
                format!("{}: the branch {branch}", proposal.environment)
            }
            (None, _) => return None,
        };
        // Why it is no commit, where a hold waits to be merged.
        Some(match (&proposal.reason, proposal.moves.is_empty()) {
            (Some(reason), true) => format!("{place}: {reason}"),
            _ => place,
        })
    });
    let notes = outcome.skipped.iter().map(|row| format!("{}: {}", row.what, row.reason));
    let errors = outcome.errors.iter().map(ToString::to_string);
    let mut lines: Vec<String> = commits.chain(proposals).chain(notes).chain(errors).collect();
    if lines.is_empty() {
        lines.push("there was nothing to do: it is so already".to_owned());
    }
    Answer { done: outcome.errors.is_empty(), lines, status: if outcome.errors.is_empty() { 200 } else { 502 } }
}

/// Tells why an order was not followed.
fn not_done(error: &OrderedError) -> Answer {
    let status = if error.is_refusal() { StatusCode::CONFLICT } else { StatusCode::BAD_GATEWAY };
    let mut answer = Answer::refused(status, error.to_string());
    answer.lines.extend(error.hint().map(str::to_owned));
    answer
}

/// Lets a user of the file in.
pub(super) async fn log_in(State(shared): State<Arc<Shared>>, peer: Sender, request: Request) -> Response {
    let headers = request.headers().clone();
    let refuse = |refused: &Answer| pages::refused_login(&shared, &headers, peer.0, refused);
    if !matches!(shared.live().door, crate::service::board::door::Door::Users(..)) {
        return pages::answered(
            &shared,
            &headers,
            peer.0,
            &Answer::refused(StatusCode::NOT_FOUND, "nobody logs in here"),
            "/",
        );
    }
    if !is_from_here(&headers) {
        return refuse(&Answer::refused(StatusCode::FORBIDDEN, "this comes from another site"));
    }
    let fields = match body(request).await {
        Ok(body) => url::form_urlencoded::parse(&body).into_owned().collect::<Fields>(),
        Err(refused) => return refuse(&refused),
    };
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let address = shared.live().door.address(&headers, peer.0.0);
    let (user, password, back, now) = (field("user"), field("password"), field("back"), shared.clock.now());
    if user.len() > 200 || password.len() > 1_000 || !shared.board.sessions.may_try(address, &user, now) {
        tracing::warn!(peer = %address, "a login was refused: too many have failed");
        return refuse(&Answer::refused(StatusCode::TOO_MANY_REQUESTS, "too many logins failed: wait five minutes"));
    }
    let Ok(Ok(place)) = timeout(PATIENCE, shared.board.logins.acquire()).await else {
        return refuse(&Answer::refused(StatusCode::SERVICE_UNAVAILABLE, "too many at once: try again"));
    };
    let (of_login, name) = (Arc::clone(&shared), user.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let live = of_login.live();
        of_login.board.sessions.log_in(&live.door, address, &name, &password, now)
    });
    let token = looked.await.ok().flatten();
    drop(place);
    let Some(token) = token else {
        tracing::warn!(peer = %address, "a login failed");
        return refuse(&Answer::refused(StatusCode::UNAUTHORIZED, "name or password is wrong"));
    };
    tracing::info!(user, peer = %address, "logged in");
    let is_secure = headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https:"));
    let secure = if is_secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}", LIFE.as_secs());
    let back = if is_local(&back) { back } else { "/".to_owned() };
    (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, back)]).into_response()
}

/// Ends a session.
pub(super) async fn log_out(State(shared): State<Arc<Shared>>, peer: Sender, request: Request) -> Response {
    let headers = request.headers().clone();
    let answer = match (allowed(&shared, &headers, peer.0), body(request).await) {
        (Err(refused), _) | (_, Err(refused)) => refused,
        (Ok(visitor), Ok(body)) => {
            let fields: Fields = url::form_urlencoded::parse(&body).into_owned().collect();
            if visitor.sent(fields.get("token").map_or("", String::as_str)) {
                session_token(&headers).into_iter().for_each(|token| shared.board.sessions.end(token));
                let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
                let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, "/".to_owned())];
                return (StatusCode::SEE_OTHER, headers).into_response();
            }
            untold()
        }
    };
    pages::answered(&shared, &headers, peer.0, &answer, "/")
}
