//! Policies, each part as the text that it is read from: ranges, patterns and formats are read again.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::manifest::stored::bytes::{Reader, Stored, Writer, choice, record, text};
use crate::model::policy::{CalverFormat, Direction, Pin, Policy, Range, Select, Step, TagPattern};
use crate::model::signature::Verify;
use crate::model::tags::Platform;
use crate::policy::{calver, pattern, platform, range};

text!(Range, |range| &range.text, |text| range::parse(text).ok());
text!(CalverFormat, |format| &format.text, |text| calver::parse_format(text).ok());
text!(TagPattern, |pattern| pattern.0.as_str(), |text| pattern::compile(text).ok());
text!(Platform, |platform| &platform.0, |text| platform::parse(text).ok());

choice!(Step { 0 => Patch, 1 => Minor, 2 => Major });
choice!(Direction { 0 => Ascending, 1 => Descending });
choice!(Pin { 0 => AsWritten, 1 => Digest });

choice!(Select {
    0 => Range(range),
    1 => Step(step),
    2 => Calver(format),
    3 => Numeric(direction),
    4 => Alphabetical(direction),
    5 => Newest,
    6 => Digest(tag),
});

record!(Policy { select, tags, ignore, prerelease, min_age, pin, platforms, verify });

/// No marker can say who must have signed, so nothing is kept that does.
impl Stored for Arc<Verify> {
    fn put(&self, out: &mut Writer<'_>) {
        out.is_whole = false;
    }

    fn take(_from: &mut Reader<'_>) -> Option<Self> {
        None
    }
}

/// Whole seconds, which is all that a duration in a file can say.
impl Stored for SignedDuration {
    fn put(&self, out: &mut Writer<'_>) {
        match u64::try_from(self.as_secs()) {
            Ok(seconds) if self.subsec_nanos() == 0 => seconds.put(out),
            _ => out.is_whole = false,
        }
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self::from_secs(i64::try_from(u64::take(from)?).ok()?))
    }
}

/// A number behind one that was written before, from 1; else 0 and the policy.
impl Stored for Arc<Policy> {
    fn put(&self, out: &mut Writer<'_>) {
        match out.policies.iter().position(|other| Self::ptr_eq(other, self)) {
            Some(at) => (at + 1).put(out),
            None => {
                0_usize.put(out);
                out.policies.push(Self::clone(self));
                Policy::put(self, out);
            }
        }
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        match usize::take(from)? {
            0 => {
                let policy = Self::new(Policy::take(from)?);
                from.policies.push(Self::clone(&policy));
                Some(policy)
            }
            number => from.policies.get(number - 1).cloned(),
        }
    }
}
