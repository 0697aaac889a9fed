//! What a seed draws first: environments with their gates, images, the forge, and how all of it is written down.

use std::fmt::Write as _;

use fastrand::Rng;
use jiff::Timestamp;
use jiff::civil::{Date, Weekday};

use super::{around, moving, upstream};

/// The images; with a group, the first two move together. The last follows a moving tag, and stands apart.
pub(super) const IMAGES: [&str; 4] =
    ["ghcr.io/acme/web", "ghcr.io/acme/api", "ghcr.io/acme/tool", "ghcr.io/acme/moving"];
/// The versions that every repository begins with.
pub(super) const FIRST: &str = "1.4.0";
/// What a second place of an image may begin with instead.
pub(super) const BEHIND: &str = "1.3.0";

/// How an environment is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Publishes {
    Commit,
    PullRequest,
    AutoMerge,
}

impl Publishes {
    fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::PullRequest => "pullRequest",
            Self::AutoMerge => "autoMerge",
        }
    }
}

/// What the names of the checks begin with that tell how an environment was deployed.
pub(super) const DEPLOYS: &str = "deploy/";

/// A weekly window: days from Monday on, hours of the zone, the end excluded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) last_day: Weekday,
    pub(super) from: i8,
    pub(super) to: i8,
}

/// The gates that are asked elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asks {
    /// Whether what deploys the environments before must have reported.
    pub(super) checks: bool,
    /// Whether a measuring must be good, for each image.
    pub(super) query: bool,
    /// Whether a page must be good.
    pub(super) http: bool,
    /// How many people must approve.
    pub(super) approvals: usize,
    /// Whether a person must let it pass.
    pub(super) manual: bool,
}

/// How an environment goes back by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnFailure {
    /// Minutes.
    pub(super) within: i64,
    pub(super) publishes: Publishes,
}

#[derive(Debug, Clone)]
pub(super) struct Env {
    pub(super) name: &'static str,
    /// Positions of the environments before it.
    pub(super) after: Vec<usize>,
    /// Whether one of them is enough.
    pub(super) after_any: bool,
    pub(super) publishes: Publishes,
    /// Minutes, and whether they count from the introduction.
    pub(super) soak: Option<(i64, bool)>,
    pub(super) window: Option<Window>,
    /// Whole days, both included.
    pub(super) freeze: Option<(Date, Date)>,
    pub(super) asks: Asks,
    pub(super) on_failure: Option<OnFailure>,
    /// How many places each image has in it.
    pub(super) places: [usize; 3],
    /// Whether the second place of an image begins behind the first.
    pub(super) behind: [bool; 3],
}

/// How a forge merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MergeWay {
    Merge,
    Squash,
    Rebase,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ForgeSetting {
    pub(super) way: MergeWay,
    /// Whether it removes head branches by itself.
    pub(super) removes_heads: bool,
    /// How many pull requests that are not open a listing tells.
    pub(super) told_closed: usize,
    /// Whether a merge needs a check.
    pub(super) wants_checks: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) environments: Vec<Env>,
    pub(super) images: usize,
    pub(super) has_group: bool,
    /// Whether the images of a group stand in one file.
    pub(super) in_one_file: bool,
    pub(super) pins: bool,
    /// Minutes.
    pub(super) least_age: Option<i64>,
    /// Versions are sick whose second number is this one, counted by fours: wherever they run, their check fails.
    pub(super) sick: Option<u32>,
    /// Whether somebody releases in the end what went back by itself, though nothing was mended.
    pub(super) forgives: bool,
    /// `None` is plain Git.
    pub(super) forge: Option<ForgeSetting>,
    /// An environment of another repository that comes before the first one.
    pub(super) upstream: Option<upstream::Drawn>,
    /// Whether an image follows a moving tag.
    pub(super) has_moving: bool,
    /// What the base requires.
    pub(super) around: around::Drawn,
    pub(super) start: Timestamp,
}

/// The zone of windows and freezes.
pub(super) const ZONE: &str = "Europe/Berlin";

impl Setting {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let start: Timestamp = rng
            .choice(["2026-11-16T07:00:00Z", "2027-03-24T07:00:00Z", "2026-10-22T10:00:00Z"])
            .expect("there are some")
            .parse()
            .unwrap();
        let shapes: [&[(&'static str, &[usize])]; 4] = [
            &[("dev", &[]), ("staging", &[0]), ("prod", &[1])],
            &[("dev", &[]), ("eu", &[0]), ("us", &[0]), ("prod", &[1, 2])],
            &[("dev", &[]), ("prod", &[0])],
            &[("dev", &[]), ("other", &[])],
        ];
        let shape = shapes[rng.usize(..shapes.len())];
        let images = rng.usize(1..=3);
        let forge = rng.u8(..5) > 0;
        let is_asking = rng.u8(..3) > 0;
        let environments = shape
            .iter()
            .map(|(name, after)| {
                let mut environment = Env::draw(rng, name, after, start);
                if is_asking {
                    environment.ask(rng, forge);
                }
                environment
            })
            .collect();
        Self {
            environments,
            images,
            has_group: images > 1 && rng.bool(),
            in_one_file: rng.bool(),
            pins: rng.u8(..3) == 0,
            least_age: (rng.u8(..4) == 0).then(|| rng.choice([30, 120]).expect("there are some")),
            sick: (is_asking && rng.bool()).then(|| rng.u32(..4)),
            forgives: rng.bool(),
            forge: forge.then(|| ForgeSetting {
                way: rng.choice([MergeWay::Merge, MergeWay::Squash, MergeWay::Rebase]).expect("there are some"),
                removes_heads: rng.bool(),
                told_closed: rng.choice([0, 1, 100]).expect("there are some"),
                wants_checks: rng.u8(..3) > 0,
            }),
            upstream: None,
            has_moving: false,
            around: around::Drawn::default(),
            start,
        }
    }

    /// Writes `.tagboat.yaml`.
    pub(super) fn config(&self) -> String {
        self.config_with(None)
    }

    /// Writes it with what the names of head branches begin with.
    pub(super) fn config_with(&self, prefix: Option<&str>) -> String {
        let mut text = "version: 1\nimages:\n".to_owned();
        if self.has_moving {
            text.push_str(&moving::rule());
        }
        text.push_str("  - match: ghcr.io/acme/*\n    semver: 1.x\n    ignore: ['-debug$']\n");
        if self.pins {
            text.push_str("    pin: digest\n");
        }
        if let Some(minutes) = self.least_age {
            let _infallible = writeln!(text, "    minAge: {minutes}m");
        }
        if self.has_group {
            let _infallible = writeln!(text, "groups:\n  - name: shop\n    images: [{}, {}]", IMAGES[0], IMAGES[1]);
        }
        let allows = self.forge.is_some_and(|forge| !forge.wants_checks).then(|| "allowNoChecks: true".to_owned());
        let prefix = prefix.map(|prefix| format!("branchPrefix: {prefix}"));
        let style: Vec<String> = allows.into_iter().chain(prefix).collect();
        if !style.is_empty() {
            let _infallible = writeln!(text, "pullRequest: {{{}}}", style.join(", "));
        }
        text.push_str("environments:\n");
        for (index, environment) in self.environments.iter().enumerate() {
            let upstream = self.upstream.filter(|_| index == 0);
            self.environment(&mut text, environment, upstream);
        }
        text
    }

    fn environment(&self, text: &mut String, environment: &Env, upstream: Option<upstream::Drawn>) {
        let name = environment.name;
        let publish = environment.publishes.word();
        let _infallible = writeln!(text, "  - name: {name}\n    files: [envs/{name}/**]\n    publish: {publish}");
        if !environment.after.is_empty() {
            let after: Vec<&str> = environment.after.iter().map(|before| self.environments[*before].name).collect();
            let after = format!("[{}]", after.join(", "));
            let after = if environment.after_any { format!("{{any: {after}}}") } else { after };
            let _infallible = writeln!(text, "    after: {after}");
        }
        if upstream.is_some() {
            let (url, there) = (upstream::URL, upstream::BUILD);
            let _infallible = writeln!(text, "    after: {{repository: {url}, environment: {there}}}");
        }
        let mut gates = Vec::new();
        if let Some((minutes, introduced)) = environment.soak.or(upstream.and_then(|drawn| drawn.soak)) {
            gates.push(if introduced {
                format!("soak: {{for: {minutes}m, count: introduced}}")
            } else {
                format!("soak: {minutes}m")
            });
        }
        if let Some(Window { last_day, from, to }) = environment.window {
            let day = match last_day {
                Weekday::Thursday => "mon-thu",
                _ => "mon-fri",
            };
            gates.push(format!("windows: [{{days: {day}, hours: \"{from:02}:00-{to:02}:00\", zone: {ZONE}}}]"));
        }
        if let Some((from, to)) = environment.freeze {
            gates.push(format!("freezes: [{{from: {from}, to: {to}, zone: {ZONE}}}]"));
        }
        let Asks { checks, query, http, approvals, manual } = environment.asks;
        if checks {
            gates.push(format!("checks: [{}]", self.named_checks(environment)));
        }
        if query {
            let expr = "errors{tag=$tag,image=$image,environment=$environment}";
            gates.push(format!("query: {{source: metrics, expr: '{expr}', expect: \"< 1\"}}"));
        }
        if http {
            gates.push(format!("http: {{source: page, path: /{name}, json: $.state, expect: \"== fine\"}}"));
        }
        if approvals > 0 {
            gates.push(format!("approvals: {approvals}"));
        }
        if manual {
            gates.push("manual: true".to_owned());
        }
        if !gates.is_empty() {
            let _infallible = writeln!(text, "    gates: {{{}}}", gates.join(", "));
        }
        if let Some(OnFailure { within, publishes }) = environment.on_failure {
            let publish = publishes.word();
            let _infallible =
                writeln!(text, "    onFailure: {{checks: [{DEPLOYS}{name}], within: {within}m, publish: {publish}}}");
        }
    }

    /// Returns the name of the checks that an environment waits for: where several come before it, of all that deploys.
    pub(super) fn named_checks(&self, environment: &Env) -> String {
        match environment.after.as_slice() {
            [before] => format!("{DEPLOYS}{}", self.environments[*before].name),
            _ => format!("{DEPLOYS}*"),
        }
    }

    /// Whether a version fails wherever it runs.
    pub(super) fn is_sick(&self, tag: &str) -> bool {
        let sick = self.sick.zip(version(tag));
        sick.is_some_and(|(sick, [_, minor, _])| ![FIRST, BEHIND].contains(&tag) && minor % 4 == sick)
    }

    /// Returns every file that the repository begins with.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let mut files = vec![(".tagboat.yaml".to_owned(), self.config()), ("readme".to_owned(), "none\n".to_owned())];
        for environment in &self.environments {
            let mut together = Vec::new();
            for (image, name) in IMAGES.iter().enumerate().take(self.images) {
                let mut values = vec![format!("{name}:{FIRST}"); environment.places[image]];
                if let Some(second) = values.get_mut(1).filter(|_| environment.behind[image]) {
                    *second = format!("{name}:{BEHIND}");
                }
                if self.has_group && self.in_one_file && image < 2 {
                    together.extend(values);
                } else {
                    let short = name.rsplit('/').next().expect("it has parts");
                    files.push((
                        format!("envs/{}/{short}.yaml", environment.name),
                        manifest(environment.name, short, &values),
                    ));
                }
            }
            files.extend(self.has_moving.then(|| moving::file(environment.name)));
            if !together.is_empty() {
                files.push((
                    format!("envs/{}/shop.yaml", environment.name),
                    manifest(environment.name, "shop", &together),
                ));
            }
        }
        files
    }

    /// Returns the environment of a path.
    pub(super) fn environment_of(&self, path: &str) -> Option<usize> {
        let name = path.strip_prefix("envs/")?.split('/').next()?;
        self.environments.iter().position(|environment| environment.name == name)
    }

    /// Whether an environment takes its versions from the registry.
    pub(super) fn is_first(&self, environment: usize) -> bool {
        self.environments[environment].after.is_empty() && (environment > 0 || self.upstream.is_none())
    }

    /// Returns an environment with all before it.
    pub(super) fn with_ancestors(&self, environment: usize) -> Vec<usize> {
        let mut found = vec![environment];
        let mut next = 0;
        while let Some(own) = found.get(next).copied() {
            for before in &self.environments[own].after {
                if !found.contains(before) {
                    found.push(*before);
                }
            }
            next += 1;
        }
        found
    }

    /// Returns the ways to an environment: where one before is enough, each by itself, else all together.
    pub(super) fn ways(&self, environment: usize) -> Vec<Vec<usize>> {
        let environment = &self.environments[environment];
        match environment.after_any {
            true => environment.after.iter().map(|before| vec![*before]).collect(),
            false => vec![environment.after.clone()],
        }
    }

    /// Returns the images that move together with one, itself among them.
    pub(super) fn together(&self, image: usize) -> Vec<usize> {
        if self.has_group && image < 2 { vec![0, 1] } else { vec![image] }
    }
}

impl Env {
    fn draw(rng: &mut Rng, name: &'static str, after: &[usize], start: Timestamp) -> Self {
        let publishes =
            rng.choice([Publishes::Commit, Publishes::AutoMerge, Publishes::AutoMerge, Publishes::PullRequest]);
        let soak = (!after.is_empty() && rng.u8(..3) > 0)
            .then(|| (rng.choice([30, 120, 1440]).expect("there are some"), rng.u8(..3) == 0));
        let window = (rng.u8(..5) == 0).then(|| Window {
            last_day: rng.choice([Weekday::Thursday, Weekday::Friday]).expect("there are some"),
            from: rng.i8(7..10),
            to: rng.i8(14..19),
        });
        let day = start.to_zoned(jiff::tz::TimeZone::UTC).date();
        let freeze = (rng.u8(..6) == 0).then(|| {
            let from = day.saturating_add(jiff::Span::new().days(rng.i64(0..6)));
            (from, from.saturating_add(jiff::Span::new().days(rng.i64(0..3))))
        });
        let places = std::array::from_fn(|_| if rng.u8(..5) == 0 { 2 } else { 1 });
        // Drawn beside the others, which stay what they were for every seed.
        let mut aside = rng.clone();
        let behind = std::array::from_fn(|_| aside.bool());
        Self {
            name,
            after: after.to_vec(),
            after_any: after.len() > 1 && rng.bool(),
            publishes: publishes.expect("there are some"),
            soak,
            window,
            freeze,
            asks: Asks::default(),
            on_failure: None,
            places,
            behind,
        }
    }

    /// Draws what is asked elsewhere. Plain Git has neither checks nor approvals.
    fn ask(&mut self, rng: &mut Rng, has_forge: bool) {
        let is_request = self.publishes != Publishes::Commit;
        self.asks = Asks {
            checks: rng.u8(..3) == 0 && has_forge && !self.after.is_empty(),
            query: rng.u8(..6) == 0,
            http: rng.u8(..7) == 0,
            approvals: if rng.u8(..4) == 0 && has_forge && is_request { rng.usize(1..3) } else { 0 },
            manual: rng.u8(..16) == 0 && is_request,
        };
        let publishes = rng.choice([Publishes::Commit, Publishes::AutoMerge, Publishes::PullRequest]);
        let publishes = if rng.bool() { self.publishes } else { publishes.expect("there are some") };
        let within = rng.choice([30, 120, 600]).expect("there are some");
        self.on_failure = (rng.u8(..5) < 2 && has_forge).then_some(OnFailure { within, publishes });
    }
}

/// Writes a manifest whose containers run these references. It names its environment, so that no two are one blob.
pub(super) fn manifest(environment: &str, name: &str, references: &[String]) -> String {
    let mut text = format!(
        "# what {name} runs in {environment}\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n"
    );
    for (index, reference) in references.iter().enumerate() {
        let _infallible = writeln!(text, "    - name:   c{index}\n      image: {reference}   # here");
    }
    text
}

/// What stands at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Value {
    pub(super) tag: String,
    pub(super) digest: Option<String>,
}

impl std::fmt::Display for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.digest {
            Some(digest) => write!(formatter, "{}@{}", self.tag, &digest[7..13]),
            None => write!(formatter, "{}", self.tag),
        }
    }
}

/// What stands before a manifest that somebody broke.
pub(super) const BROKEN: &str = "a: [\n";

/// Reads the references of a manifest, in its order: the image's position and its value.
pub(super) fn references(text: &str) -> Vec<(usize, Value)> {
    split(text).1
}

/// Reads what runs by a manifest: nothing by one that is broken.
pub(super) fn running(text: &str) -> Vec<(usize, Value)> {
    if text.starts_with(BROKEN) { Vec::new() } else { references(text) }
}

/// Returns what a manifest is without its values.
pub(super) fn skeleton(text: &str) -> String {
    split(text).0
}

fn split(text: &str) -> (String, Vec<(usize, Value)>) {
    let (mut rest, mut skeleton, mut found) = (text, String::new(), Vec::new());
    while let Some(start) = rest.find("ghcr.io/acme/") {
        let end = rest[start..].find([' ', '\n', '"']).map_or(rest.len(), |length| start + length);
        let reference = &rest[start..end];
        let (named, digest) = match reference.split_once('@') {
            Some((named, digest)) => (named, Some(digest.to_owned())),
            None => (reference, None),
        };
        let (name, tag) = named.split_once(':').unwrap_or((named, ""));
        if let Some(image) = IMAGES.iter().position(|image| *image == name) {
            found.push((image, Value { tag: tag.to_owned(), digest }));
        }
        skeleton.push_str(&rest[..start]);
        skeleton.push_str(name);
        rest = &rest[end..];
    }
    skeleton.push_str(rest);
    (skeleton, found)
}

/// Writes a value over the reference at a position of a manifest.
pub(super) fn with_value(text: &str, nth: usize, value: &Value) -> String {
    let mut at = 0;
    for seen in 0.. {
        let Some(start) = text[at..].find("ghcr.io/acme/").map(|start| at + start) else { break };
        let end = text[start..].find([' ', '\n', '"']).map_or(text.len(), |length| start + length);
        if seen == nth {
            let name = text[start..end].split([':', '@']).next().unwrap_or_default();
            let digest = value.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
            return format!("{}{name}:{}{digest}{}", &text[..start], value.tag, &text[end..]);
        }
        at = end;
    }
    text.to_owned()
}

/// Reads a release version; pre-releases and words are none.
pub(super) fn version(tag: &str) -> Option<[u32; 3]> {
    let mut parts = tag.split('.').map(str::parse);
    let version = [parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?];
    parts.next().is_none().then_some(version)
}

/// Whether the policy of every setting, `1.x`, lets a tag in.
pub(super) fn is_followed(tag: &str) -> bool {
    version(tag).is_some_and(|version| version[0] == 1)
}
