//! Rows of `decisions`: where nearly all bytes of a plan's JSON come from.
//!
//! Tags follow a grammar without anything that JSON escapes, and most reasons are one of a dozen fixed
//! phrases: both are copied as they are.

use std::io;

use crate::model::decision::{Decision, Reason};
use crate::model::image::Tag;
use crate::model::tags::TagList;
use crate::report::candidates::text_of;
use crate::report::json::sink::{Sink, escape_into};

/// How many of the reasons hold no data.
const FIXED: usize = 17;

/// Returns a number for each reason that holds no data.
fn fixed_position(reason: &Reason) -> Option<usize> {
    Some(match reason {
        Reason::InUse => 0,
        Reason::NotAVersion => 1,
        Reason::NotInFamily => 2,
        Reason::NotMatched => 3,
        Reason::Ignored => 4,
        Reason::OutOfRange => 5,
        Reason::PreRelease => 6,
        Reason::Lower => 7,
        Reason::Outranked => 8,
        Reason::SameVersion => 9,
        Reason::AgeUnknown => 10,
        Reason::SignatureMissing => 11,
        Reason::NothingToCompare => 12,
        Reason::NotFollowed => 13,
        Reason::Older => 14,
        Reason::NotBefore => 15,
        Reason::NotNext => 16,
        Reason::Held(_)
        | Reason::Behind(_)
        | Reason::OtherBuild(_)
        | Reason::TooYoung { .. }
        | Reason::PlatformMissing(_)
        | Reason::SignatureWrong(_)
        | Reason::Unknown(_) => return None,
    })
}

/// What follows a tag in its row, rendered once for each reason.
#[derive(Default)]
pub(super) struct Decisions {
    fixed: [Vec<u8>; FIXED],
    /// The last reason with data: runs of tags share one.
    last: Option<(Reason, Vec<u8>)>,
}

impl Decisions {
    /// Writes a decision with all its rejected tags.
    pub(super) fn row(&mut self, sink: &mut Sink<'_>, decision: &Decision, list: Option<&TagList>) -> io::Result<()> {
        let question = &decision.question;
        sink.raw("{\"image\":").string(question.image.as_str());
        sink.raw(",\"environment\":").string(question.environment.as_str());
        sink.raw(",\"current\":").optional(question.current.tag.as_ref().map(Tag::as_str));
        sink.raw(",\"chosen\":").optional(decision.chosen().map(Tag::as_str));
        sink.raw(",\"rejected\":[");
        let mut opening = "{\"tag\":\"";
        for (tag, reason) in decision.rejected.iter() {
            sink.raw(opening);
            match text_of(list, tag) {
                Some(text) => sink.raw(text),
                // Not reached while decisions and lists are of one pass; the row still says that there was one.
                None => sink.raw("#").number(tag.0 as usize),
            };
            sink.bytes(self.ending(reason));
            sink.drain()?;
            opening = ",{\"tag\":\"";
        }
        sink.raw("]}");
        Ok(())
    }

    fn ending(&mut self, reason: &Reason) -> &[u8] {
        if let Some(position) = fixed_position(reason) {
            let ending = &mut self.fixed[position];
            if ending.is_empty() {
                *ending = render(reason);
            }
            return ending;
        }
        let known = self.last.take().filter(|(last, _)| last == reason);
        let known = known.unwrap_or_else(|| (reason.clone(), render(reason)));
        &self.last.insert(known).1
    }
}

fn render(reason: &Reason) -> Vec<u8> {
    let mut ending = b"\",\"reason\":".to_vec();
    escape_into(&mut ending, &reason.to_string());
    ending.push(b'}');
    ending
}
