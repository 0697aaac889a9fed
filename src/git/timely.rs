//! The HTTP of a transfer with an end: whoever reads an answer is told when the time is up, however slowly it comes.
//!
//! Entry point: [`Timely`], which stands around gix's own client. Silence is that client's to end; neither sends anything again.

use std::any::Any;
use std::io::{self, BufRead, Read};

use gix::error::Result;
use gix::protocol::transport::client::blocking_io::http::reqwest::Remote;
use gix::protocol::transport::client::blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse};
use tokio::time::Instant;

/// The time of a transfer is up.
#[derive(Debug, thiserror::Error)]
#[error("the time is up")]
pub(super) struct TimeIsUp;

/// Gix's client, of whose answers nothing is read after a moment.
pub(super) struct Timely {
    http: Remote,
    ends: Instant,
}

impl Timely {
    /// Asks until a moment.
    pub(super) fn until(ends: Instant) -> Self {
        Self { http: Remote::default(), ends }
    }
}

impl Http for Timely {
    type Headers = Reading<<Remote as Http>::Headers>;
    type ResponseBody = Reading<<Remote as Http>::ResponseBody>;
    type PostBody = <Remote as Http>::PostBody;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let GetResponse { headers, body } = self.http.get(url, base_url, headers)?;
        let ends = self.ends;
        Ok(GetResponse { headers: Reading { inner: headers, ends }, body: Reading { inner: body, ends } })
    }

    fn post(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        body: PostBodyDataKind,
    ) -> Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let PostResponse { post_body, headers, body } = self.http.post(url, base_url, headers, body)?;
        let ends = self.ends;
        Ok(PostResponse { post_body, headers: Reading { inner: headers, ends }, body: Reading { inner: body, ends } })
    }

    fn configure(&mut self, config: &dyn Any) -> Result {
        self.http.configure(config)
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.http.redirected_base_url()
    }
}

/// What is read until a moment.
pub(super) struct Reading<R> {
    inner: R,
    ends: Instant,
}

impl<R> Reading<R> {
    fn check(&self) -> io::Result<()> {
        match Instant::now() < self.ends {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::TimedOut, TimeIsUp)),
        }
    }
}

impl<R: BufRead> Read for Reading<R> {
    /// Gives what has come: gix's own pipe waits until a buffer is full, however slowly that fills.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut come = self.fill_buf()?;
        let length = come.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Reading<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check()?;
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}
