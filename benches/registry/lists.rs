//! The lists that the registry of the bench serves: a tenth of the images holds more than half of all tags.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

/// How many tags a page has at most; what Tagboat asks for.
const PAGE: usize = 1000;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Images.
    pub(crate) images: usize,
    /// Tags of all images together.
    pub(crate) tags: usize,
    /// How long each answer takes.
    pub(crate) latency: Duration,
    /// What the tags look like.
    pub(crate) form: Form,
}

/// What tags look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Releases, variants, candidates, builds of commits and dates: 12 characters on average.
    Mixed,
    /// One release, and builds by branch, time and commit of 33 characters each.
    Long,
}

impl fmt::Display for Load {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::Mixed => "12",
            Form::Long => "33",
        };
        let Self { images, tags, latency, .. } = self;
        write!(formatter, "{images} images, {tags} tags of {form} characters, {} ms", latency.as_millis())
    }
}

impl Load {
    /// Returns it as an argument.
    pub(crate) fn word(self) -> String {
        format!("{}:{}:{}:{}", self.images, self.tags, self.latency.as_millis(), usize::from(self.form == Form::Long))
    }

    /// Reads such an argument.
    pub(crate) fn parse(word: &str) -> Self {
        let mut numbers = word.split(':').map(|number| number.parse().expect("the bench calls itself"));
        let mut next = || numbers.next().expect("the bench calls itself");
        let (images, tags, latency) = (next(), next(), next());
        let form = if next() == 0 { Form::Mixed } else { Form::Long };
        Self { images, tags, latency: Duration::from_millis(latency as u64), form }
    }

    /// Returns how many tags an image has: every tenth eleven times as many as the others.
    fn tags_of(&self, image: usize) -> usize {
        let share = self.tags / (self.images * 2).max(1);
        if image.is_multiple_of(10) { share * 11 } else { share }
    }
}

/// Returns the paths of an image's pages, in order.
pub(crate) fn targets(load: &Load, image: usize) -> impl Iterator<Item = String> {
    let pages = load.tags_of(image).div_ceil(PAGE);
    (0..pages).map(move |page| target(image, page))
}

fn target(image: usize, page: usize) -> String {
    let first = format!("/v2/acme/app-{image}/tags/list?n={PAGE}");
    if page == 0 { first } else { format!("{first}&page={page}") }
}

/// Every page, ready to be sent.
pub(crate) struct Lists(HashMap<String, (Vec<u8>, String)>);

impl Lists {
    /// Makes them.
    pub(crate) fn new(load: &Load) -> Self {
        let mut pages = HashMap::new();
        for image in 0..load.images {
            let all: Vec<String> = (0..load.tags_of(image)).map(|index| tag(load.form, image, index)).collect();
            let count = all.len().div_ceil(PAGE);
            for (number, tags) in all.chunks(PAGE).enumerate() {
                let body = format!("{{\"name\":\"acme/app-{image}\",\"tags\":[\"{}\"]}}", tags.join("\",\""));
                let next = target(image, number + 1);
                let link = if number + 1 < count { format!("Link: <{next}>; rel=\"next\"\r\n") } else { String::new() };
                pages.insert(target(image, number), (body.into_bytes(), link));
            }
        }
        Self(pages)
    }

    /// Returns a page and the header that leads on. Nothing comes after a tag that is asked on from: whoever asks so has
    /// seen the last page, since all others have links.
    pub(crate) fn page(&self, target: &str) -> Option<(&[u8], String)> {
        if target.contains("last=") {
            return Some((br#"{"tags":[]}"#, String::new()));
        }
        self.0.get(target).map(|(body, link)| (body.as_slice(), link.clone()))
    }
}

/// A tag as busy repositories have them.
fn tag(form: Form, image: usize, index: usize) -> String {
    if form == Form::Long {
        // Every bit of the number changes with each index (a step of SplitMix64).
        let mixed = ((image << 32 | index) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        return if index == 0 {
            "1.5.0".to_owned()
        } else {
            format!("main-{}-{hash:017x}", 1_700_000_000 + index * 61)
        };
    }
    let (minor, patch, hash) = (index / 50, index / 5 % 10, (image * 7919 + index) & 0xfff_ffff);
    let mut tag = String::new();
    let _infallible = match index % 5 {
        0 => write!(tag, "1.{minor}.{patch}"),
        1 => write!(tag, "1.{minor}.{patch}-alpine"),
        2 => write!(tag, "v1.{minor}.{patch}-rc.1"),
        3 => write!(tag, "sha-{hash:07x}"),
        _ => write!(tag, "main-202601{:02}-{hash:07x}", index % 28 + 1),
    };
    tag
}
