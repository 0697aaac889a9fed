//! Numbers, texts and lists as bytes, and back: nothing that is read is believed.

use std::sync::Arc;

use crate::model::file::RepoPath;
use crate::model::policy::Policy;

/// How many items a list makes room for before it has read them.
const ROOM: usize = 256;

/// A value that can be written as bytes and read again.
pub(super) trait Stored: Sized {
    /// Writes the value.
    fn put(&self, out: &mut Writer<'_>);

    /// Reads a value; `None` where the bytes are none.
    fn take(from: &mut Reader<'_>) -> Option<Self>;
}

/// Collects the bytes of one file's results.
pub(super) struct Writer<'a> {
    /// The file that the results are of; it is not written down.
    pub(super) path: &'a RepoPath,
    /// What was written.
    pub(super) bytes: Vec<u8>,
    /// The policies so far: one that several references share is written once, and is one again when it is read.
    pub(super) policies: Vec<Arc<Policy>>,
    /// Whether everything could be written.
    pub(super) is_whole: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(path: &'a RepoPath) -> Self {
        Self { path, bytes: Vec::new(), policies: Vec::new(), is_whole: true }
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Writes seven bits a byte, the lowest first; the eighth says that more follow.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

/// Reads the bytes of one file's results.
pub(super) struct Reader<'a> {
    /// The file that the results are of.
    pub(super) path: &'a RepoPath,
    /// Its length in bytes, which no place may exceed.
    pub(super) length: usize,
    /// What is still to be read.
    pub(super) rest: &'a [u8],
    /// The policies so far.
    pub(super) policies: Vec<Arc<Policy>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &'a RepoPath, bytes: &'a [u8]) -> Self {
        Self { path, length: 0, rest: bytes, policies: Vec::new() }
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }
}

impl Stored for u64 {
    fn put(&self, out: &mut Writer<'_>) {
        out.number(*self);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        from.number()
    }
}

impl Stored for usize {
    fn put(&self, out: &mut Writer<'_>) {
        out.number(*self as u64);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        Self::try_from(from.number()?).ok()
    }
}

impl Stored for bool {
    fn put(&self, out: &mut Writer<'_>) {
        out.byte(u8::from(*self));
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        match from.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Stored for String {
    fn put(&self, out: &mut Writer<'_>) {
        out.text(self);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        from.text().map(str::to_owned)
    }
}

impl<T: Stored> Stored for Option<T> {
    fn put(&self, out: &mut Writer<'_>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        if bool::take(from)? { T::take(from).map(Some) } else { Some(None) }
    }
}

impl<T: Stored> Stored for Result<T, String> {
    fn put(&self, out: &mut Writer<'_>) {
        self.is_ok().put(out);
        match self {
            Ok(value) => value.put(out),
            Err(reason) => reason.put(out),
        }
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        if bool::take(from)? { T::take(from).map(Ok) } else { String::take(from).map(Err) }
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn put(&self, out: &mut Writer<'_>) {
        self.len().put(out);
        self.iter().for_each(|item| item.put(out));
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let count = usize::take(from)?;
        // No item takes less than a byte.
        if count > from.rest.len() {
            return None;
        }
        let mut items = Self::with_capacity(count.min(ROOM));
        for _ in 0..count {
            items.push(T::take(from)?);
        }
        Some(items)
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn put(&self, out: &mut Writer<'_>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

/// Writes a structure field by field; one that is added does not compile before it is named here.
macro_rules! record {
    ($type:ident { $($field:ident),+ $(,)? }) => {
        impl Stored for $type {
            fn put(&self, out: &mut Writer<'_>) {
                let Self { $($field),+ } = self;
                $($field.put(out);)+
            }

            fn take(from: &mut Reader<'_>) -> Option<Self> {
                $(let $field = Stored::take(from)?;)+
                Some(Self { $($field),+ })
            }
        }
    };
}

/// Writes an enumeration as the number of its variant and what the variant holds.
macro_rules! choice {
    ($type:ident {
        $($number:literal => $variant:ident $(($($item:ident),+))? $({ $($field:ident),+ })?),+ $(,)?
    }) => {
        impl Stored for $type {
            fn put(&self, out: &mut Writer<'_>) {
                match self {
                    $(Self::$variant $(($($item),+))? $({ $($field),+ })? => {
                        out.byte($number);
                        $($($item.put(out);)+)?
                        $($($field.put(out);)+)?
                    })+
                }
            }

            fn take(from: &mut Reader<'_>) -> Option<Self> {
                match from.byte()? {
                    $($number => {
                        $($(let $item = Stored::take(from)?;)+)?
                        $($(let $field = Stored::take(from)?;)+)?
                        Some(Self::$variant $(($($item),+))? $({ $($field),+ })?)
                    })+
                    _ => None,
                }
            }
        }
    };
}

/// Writes a value as its text, and reads it as that text is read in a file.
macro_rules! text {
    ($type:ty, $write:expr, $read:expr) => {
        impl Stored for $type {
            fn put(&self, out: &mut Writer<'_>) {
                let write: fn(&Self) -> &str = $write;
                out.text(write(self));
            }

            fn take(from: &mut Reader<'_>) -> Option<Self> {
                let read: fn(&str) -> Option<Self> = $read;
                read(from.text()?)
            }
        }
    };
}

pub(super) use {choice, record, text};
