//! The pages: values of `view` put into the templates beside this file, which escape everything.
//!
//! Entry points are the handlers. No page needs the script: that only keeps it fresh, filters, and listens to keys.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, State as TemplateState, Value, context};
use serde::Serialize;

use crate::service::Shared;
use crate::service::board::orders::Answer;
use crate::service::board::sections::Sections;
use crate::service::board::sessions::Visitor;
use crate::service::board::view::Overview;
use crate::service::board::{Peer, Sender, view, visitor};

/// The most environments × images that the overview shows at once; it names the repositories beyond.
const MOST_CELLS: usize = 3_000;

/// The most rows of the other pages.
const MOST_ROWS: usize = 1_000;

/// The templates, by name.
const TEMPLATES: [(&str, &str); 13] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("overview.html", include_str!("templates/overview.html")),
    ("section.html", include_str!("templates/section.html")),
    ("promotions.html", include_str!("templates/promotions.html")),
    ("promotion.html", include_str!("templates/promotion.html")),
    ("image.html", include_str!("templates/image.html")),
    ("passes.html", include_str!("templates/passes.html")),
    ("pass.html", include_str!("templates/pass.html")),
    ("repositories.html", include_str!("templates/repositories.html")),
    ("repository.html", include_str!("templates/repository.html")),
    ("holds.html", include_str!("templates/holds.html")),
    ("login.html", include_str!("templates/login.html")),
    ("answer.html", include_str!("templates/answer.html")),
];

type Asked = Query<HashMap<String, String>>;

/// The templates, ready for use.
pub(super) struct Pages {
    templates: Environment<'static>,
    sections: Sections,
}

impl Pages {
    /// Reads the templates.
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment
            .set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().expect("it is plain"));
        for (name, text) in TEMPLATES {
            environment.add_template(name, text).expect("the tests read every template");
        }
        environment.add_filter("query", |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
        });
        environment.add_filter("moment", |text: &str| {
            stamp("", text, |moment| moment.strftime("%Y-%m-%d %H:%M UTC").to_string())
        });
        environment.add_filter("age", |state: &TemplateState<'_, '_>, text: &str| {
            let now = now(state);
            stamp(" data-age", text, |moment| format!("{} ago", rough(now.duration_since(moment))))
        });
        environment.add_filter("left", |state: &TemplateState<'_, '_>, text: &str| {
            let now = now(state);
            stamp(" data-until", text, |moment| {
                let left = moment.duration_since(now);
                if left.is_positive() { format!("in {}", rough(left)) } else { "now".to_owned() }
            })
        });
        environment.add_filter("took", |milliseconds: u64| match milliseconds {
            0..1_000 => format!("{milliseconds} ms"),
            _ => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        });
        environment.add_filter("tag_part", |text: &str| text.split('@').next().unwrap_or_default().to_owned());
        environment.add_filter("last_part", |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned());
        Self { templates: environment, sections: Sections::default() }
    }

    /// Makes a page.
    fn make(&self, name: &str, frame: &Frame, content: Value) -> Result<String, minijinja::Error> {
        let own = context! {
            now => frame.now.to_string(), user => frame.visitor.as_ref().map(|visitor| &visitor.user),
            token => frame.visitor.as_ref().map(|visitor| &visitor.token), here => &frame.here, ..content
        };
        let body = self.templates.get_template(name)?.render(own)?;
        let has_session = frame.visitor.as_ref().is_some_and(|visitor| visitor.has_session);
        self.templates.get_template("layout.html")?.render(context! {
            body => Value::from_safe_string(body), title => &frame.title, active => frame.active, here => &frame.here,
            user => frame.visitor.as_ref().map(|visitor| &visitor.user), has_session,
            token => frame.visitor.as_ref().map(|visitor| &visitor.token), has_users => frame.has_users,
            count => frame.count, version => env!("CARGO_PKG_VERSION"), query => &frame.query,
        })
    }
}

/// What stands around every page.
struct Frame {
    now: Timestamp,
    title: String,
    active: &'static str,
    /// The page's own address.
    here: String,
    query: String,
    visitor: Option<Visitor>,
    has_users: bool,
    count: u64,
}

impl Frame {
    fn new(shared: &Shared, headers: &HeaderMap, peer: Peer, title: &str, active: &'static str) -> Self {
        let live = shared.live();
        Self {
            now: shared.clock.now(),
            title: title.to_owned(),
            active,
            here: "/".to_owned(),
            query: String::new(),
            visitor: visitor(shared, headers, peer),
            has_users: matches!(live.door, crate::service::board::door::Door::Users(..)),
            count: shared.board.events.count(),
        }
    }
}

/// What a page is made of.
pub(super) struct Asking {
    shared: Arc<Shared>,
    headers: HeaderMap,
    peer: Peer,
    uri: Uri,
    query: HashMap<String, String>,
}

impl FromRequestParts<Arc<Shared>> for Asking {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let Query(query) = Asked::from_request_parts(parts, shared).await.map_err(IntoResponse::into_response)?;
        let peer = Sender::from_request_parts(parts, shared).await.map_err(IntoResponse::into_response)?;
        let (headers, uri) = (parts.headers.clone(), parts.uri.clone());
        Ok(Self { shared: Arc::clone(shared), headers, peer: peer.0, uri, query })
    }
}

impl Asking {
    /// Makes a page of a template, on a thread that may take a while; what is not there is told so.
    async fn page(
        self,
        template: &'static str,
        title: &str,
        active: &'static str,
        content: impl FnOnce(&Self) -> Option<(Option<String>, Value)> + Send + 'static,
    ) -> Response {
        let mut frame = Frame::new(&self.shared, &self.headers, self.peer, title, active);
        frame.here = self.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        frame.query = self.query.get("q").cloned().unwrap_or_default();
        let of_page = Arc::clone(&self.shared);
        let place = of_page.board.making.acquire().await.expect("the semaphore is never closed");
        let shared = Arc::clone(&self.shared);
        let made = tokio::task::spawn_blocking(move || {
            let Some((own_title, value)) = content(&self) else {
                let answer = Answer { done: false, lines: vec![NOT_THERE.to_owned()], status: 404 };
                let value = context! { answer => value(&answer), back => "/" };
                return (StatusCode::NOT_FOUND, shared.board.pages.make("answer.html", &frame, value));
            };
            if let Some(own) = own_title {
                frame.title = own;
            }
            (StatusCode::OK, shared.board.pages.make(template, &frame, value))
        });
        let answer = match made.await {
            Ok((status, Ok(text))) => html(status, text),
            Ok((_, Err(error))) => broken(&error.to_string()),
            Err(_panic) => broken("it could not be made"),
        };
        drop(place);
        answer
    }
}

/// What a page says that is not there.
const NOT_THERE: &str =
    "There is nothing at this address: the repository, image or pass may be gone, or was never there.";

fn html(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

fn broken(reason: &str) -> Response {
    tracing::error!(%reason, "a page could not be made");
    (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be made; the log says why\n").into_response()
}

/// Answers an order that a form gave.
pub(super) fn answered(shared: &Shared, headers: &HeaderMap, peer: Peer, answer: &Answer, back: &str) -> Response {
    let title = if answer.done { "Done" } else { "Not done" };
    let frame = Frame::new(shared, headers, peer, title, "");
    let value = context! { answer => value(&answer), back };
    match shared.board.pages.make("answer.html", &frame, value) {
        Ok(text) => html(answer.code(), text),
        Err(error) => broken(&error.to_string()),
    }
}

/// Shows the login again, and why.
pub(super) fn refused_login(shared: &Shared, headers: &HeaderMap, peer: Peer, answer: &Answer) -> Response {
    let frame = Frame::new(shared, headers, peer, "Log in", "login");
    let value = context! { refused => answer.lines.first(), back => "/" };
    match shared.board.pages.make("login.html", &frame, value) {
        Ok(text) => html(answer.code(), text),
        Err(error) => broken(&error.to_string()),
    }
}

pub(super) async fn nothing(asking: Asking) -> Response {
    asking.page("answer.html", "Not there", "", |_| None).await
}

pub(super) async fn login(asking: Asking) -> Response {
    asking
        .page("login.html", "Log in", "login", |asking| {
            let back = asking.query.get("back").cloned().unwrap_or_else(|| "/".to_owned());
            let is_served = matches!(asking.shared.live().door, crate::service::board::door::Door::Users(..));
            is_served.then(|| (None, context! { back }))
        })
        .await
}

pub(super) async fn overview(asking: Asking) -> Response {
    asking
        .page("overview.html", "Overview", "overview", |asking| {
            let board = &asking.shared.board;
            let (all, now) = (board.memory.all(), asking.shared.clock.now());
            let wanted = asking.query.get("repository");
            let make = |overview: &Overview| {
                let template = board.pages.templates.get_template("section.html")?;
                template.render(context! { repo => value(overview), now => now.to_string() })
            };
            let (text, others) = match wanted {
                None => board.pages.sections.all(&all, now, MOST_CELLS, make).ok()?,
                Some(id) => {
                    let (url, row) = all.iter().find(|(_, row)| row.slug == *id)?;
                    (make(&view::overview(url, row)).ok()?, Vec::new())
                }
            };
            let others: Vec<Value> =
                others.into_iter().take(MOST_ROWS).map(|(name, id)| context! { name, id }).collect();
            let sections = Value::from_safe_string(text);
            Some((None, context! { is_empty => all.is_empty(), sections, others }))
        })
        .await
}

pub(super) async fn promotions(asking: Asking) -> Response {
    asking
        .page("promotions.html", "Promotions", "promotions", |asking| {
            let all = asking.shared.board.memory.all();
            let mut all: Vec<_> = all.iter().flat_map(|(url, row)| view::promotions(url, row)).collect();
            let count = all.len();
            all.truncate(MOST_ROWS);
            Some((None, context! { promotions => value(&all), left_out => count - all.len() }))
        })
        .await
}

pub(super) async fn promotion(asking: Asking) -> Response {
    asking
        .page("promotion.html", "Promotion", "promotions", |asking| {
            let (url, row) = asking.shared.board.memory.named(asking.query.get("repository")?)?;
            let (environment, group) = (asking.query.get("environment")?, asking.query.get("group")?);
            let mut all = view::promotions(&url, &row);
            all.retain(|one| one.environment == *environment && one.group == *group);
            let title = format!("{group} to {environment}");
            let arrived = view::arrived(&row, environment, group);
            let value = context! {
                promotions => value(&all), arrived => value(&arrived), environment, group, id => row.slug,
                name => super::memory::short(&url),
            };
            Some((Some(title), value))
        })
        .await
}

pub(super) async fn image(asking: Asking) -> Response {
    asking
        .page("image.html", "Image", "overview", |asking| {
            let (url, row) = asking.shared.board.memory.named(asking.query.get("repository")?)?;
            let found = view::image(&url, &row, asking.query.get("image")?)?;
            let title = found.image.clone();
            Some((Some(title), context! { image => value(&found) }))
        })
        .await
}

pub(super) async fn passes(asking: Asking) -> Response {
    asking
        .page("passes.html", "Passes", "passes", |asking| {
            let wanted = asking.query.get("repository");
            let all = asking.shared.board.memory.all();
            let own = all.iter().filter(|(_, row)| wanted.is_none_or(|id| *id == row.slug));
            let mut passes: Vec<_> = own.flat_map(|(url, row)| view::passes(url, row)).collect();
            passes.sort_by_key(|pass| std::cmp::Reverse(pass.began));
            passes.truncate(MOST_ROWS);
            Some((None, context! { passes => value(&passes) }))
        })
        .await
}

pub(super) async fn pass(asking: Asking) -> Response {
    asking
        .page("pass.html", "Pass", "passes", |asking| {
            let (url, row) = asking.shared.board.memory.named(asking.query.get("repository")?)?;
            let found = view::one_pass(&url, &row, asking.query.get("number")?.parse().ok()?)?;
            let title = format!("Pass {} of {}", found.number, found.name);
            Some((Some(title), context! { pass => value(&found) }))
        })
        .await
}

pub(super) async fn repositories(asking: Asking) -> Response {
    asking
        .page("repositories.html", "Repositories", "repositories", |asking| {
            let all = asking.shared.board.memory.all();
            let timetable = asking.shared.timetable();
            let all = all.iter().take(MOST_ROWS * 5);
            let mut all: Vec<_> = all.map(|(url, row)| view::repository(url, row, timetable.outlook(url))).collect();
            drop(timetable);
            // What fails comes first.
            all.sort_by_key(|row| (row.health != "failing", row.health != "partial", row.name.clone()));
            Some((None, context! { repositories => value(&all) }))
        })
        .await
}

pub(super) async fn repository(asking: Asking) -> Response {
    asking
        .page("repository.html", "Repository", "repositories", |asking| {
            let (url, row) = asking.shared.board.memory.named(asking.query.get("repository")?)?;
            let outlook = asking.shared.timetable().outlook(&url);
            let found = view::repository(&url, &row, outlook);
            let passes = view::passes(&url, &row);
            let title = found.name.clone();
            let value = context! {
                repository => value(&found), passes => value(&passes),
            };
            Some((Some(title), value))
        })
        .await
}

pub(super) async fn holds(asking: Asking) -> Response {
    asking
        .page("holds.html", "Holds", "holds", |asking| {
            let all = asking.shared.board.memory.all();
            let mut all: Vec<_> = all.iter().flat_map(|(url, row)| view::holds(url, row)).collect();
            all.truncate(MOST_ROWS);
            Some((None, context! { holds => value(&all) }))
        })
        .await
}

/// Makes a template's value.
fn value(of: &impl Serialize) -> Value {
    Value::from(Serde(of))
}

fn now(state: &TemplateState<'_, '_>) -> Timestamp {
    let text = state.lookup("now");
    text.as_ref().and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Makes a `time` element of a moment; the script keeps those with a `data-` attribute running.
fn stamp(attribute: &str, text: &str, words: impl FnOnce(Timestamp) -> String) -> Value {
    let Ok(moment) = text.parse::<Timestamp>() else { return Value::from(text) };
    let whole = moment.strftime("%Y-%m-%d %H:%M:%S UTC");
    let iso = moment.strftime("%Y-%m-%dT%H:%M:%SZ");
    Value::from_safe_string(format!("<time datetime=\"{iso}\" title=\"{whole}\"{attribute}>{}</time>", words(moment)))
}

/// Tells a duration in its largest unit, as the script does.
fn rough(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_somebody_wrote_is_text_on_a_page() {
        let pages = Pages::new();
        let frame = Frame {
            now: Timestamp::UNIX_EPOCH,
            title: "<script>title</script>".to_owned(),
            active: "overview",
            here: "/?q=\"><script>here</script>".to_owned(),
            query: "\"><script>query</script>".to_owned(),
            visitor: None,
            has_users: true,
            count: 1,
        };
        let answer = Answer { done: false, lines: vec!["<script>line</script>".to_owned()], status: 200 };
        let value = context! { answer => value(&answer), back => "\"><script>back" };
        let text = pages.make("answer.html", &frame, value).unwrap();
        assert!(text.contains("&lt;script&gt;line"), "{text}");
        assert_eq!(text.matches("<script").count(), 1, "only our own script is one: {text}");
    }

    #[test]
    fn durations_are_told_in_their_largest_unit() {
        let told = |seconds| rough(SignedDuration::from_secs(seconds));
        assert_eq!([told(-5), told(59), told(60), told(7_200), told(172_800)], ["0 s", "59 s", "1 min", "2 h", "2 d"]);
    }
}
