//! YAML with exact byte spans: chunks of a stream, the node tree of a chunk, and the reasons why one cannot be had.
//!
//! Entry points are [`split::chunks`] and [`build::parse`]. Nothing here knows what a manifest means, and nothing
//! here writes YAML: an edit splices bytes and compares what the parser says before and after.

pub(crate) mod build;
pub(crate) mod embedded;
pub(crate) mod split;
pub(crate) mod tree;

#[cfg(test)]
mod tests;

use crate::manifest::Limits;
use crate::model::file::Span;
use crate::model::image::shorten;

/// Why a chunk could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no YAML: where in the file, and what the parser says.
    Broken {
        /// The offset in the file.
        offset: usize,
        /// The parser's words.
        reason: String,
    },
    /// It goes beyond a limit; the reason in words.
    TooComplex(String),
}

/// Whether the parser reports comments and anchors. Trees are built without them where nothing asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Nodes alone.
    Nodes,
    /// Nodes and comments.
    Comments,
    /// Everything, for the comparison of two parses.
    Everything,
}

/// Returns the parser of one chunk of `text`; the spans it reports count from the chunk's start.
pub(crate) fn events<'a>(
    text: &'a str,
    chunk: &Span,
    limits: &Limits,
    detail: Detail,
) -> granit_parser::Parser<'a, granit_parser::StrInput<'a>> {
    let options = granit_parser::options! {
        emit_comments: detail != Detail::Nodes,
        emit_anchor_events: detail == Detail::Everything,
        max_buffered_comment_events: limits.max_nodes,
        flow_nesting_limit: limits.max_depth,
        block_nesting_limit: limits.max_depth,
    };
    granit_parser::Parser::new_from_str_with_options(&text[chunk.clone()], options)
}

/// Translates the parser's error into a fault with an offset in the file.
pub(crate) fn fault(chunk: &Span, error: &granit_parser::ScanError) -> Fault {
    if matches!(error.kind(), granit_parser::ErrorKind::RecursionLimitExceeded) {
        return Fault::TooComplex("nested more deeply than the limit allows".to_owned());
    }
    let offset = error.marker().byte_offset().unwrap_or(0).min(chunk.len());
    Fault::Broken { offset: chunk.start + offset, reason: shorten(&error.info()).replace("\\'", "'") }
}
