//! Amazon ECR: the operation `DescribeImages` of the API of version 2015-09-21, for one tag.

use jiff::Timestamp;
use serde::Deserialize;

use crate::registry::push_times::PushTime;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawImages {
    #[serde(default)]
    image_details: Vec<RawImage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawImage {
    /// Seconds since 1970, with a fraction.
    image_pushed_at: Option<f64>,
    image_digest: Option<String>,
}

/// Reads when the one image that was asked for was pushed.
///
/// # Errors
///
/// That it is not what the API documents.
pub(crate) fn read(body: &[u8]) -> Result<Option<PushTime>, serde_json::Error> {
    let raw: RawImages = serde_json::from_slice(body)?;
    let row = |image: RawImage| {
        // Whole seconds are what ages are counted in; a time beyond the calendar says nothing.
        let seconds = image.image_pushed_at.filter(|seconds| seconds.is_finite())?;
        PushTime::of(Timestamp::from_second(seconds as i64).ok(), image.image_digest.as_deref())
    };
    Ok(raw.image_details.into_iter().find_map(row))
}
