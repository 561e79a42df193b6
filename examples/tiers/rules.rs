//! What can be read without any model: `2 espresso, 1 croissant, table 4`.

use std::fmt::Write;

use buttress::body::ReplayBody;
use buttress::core::BoxError;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};

/// Reads an order by the rules.
///
/// # Errors
/// If it is not written as the rules want it: the next tier may know better.
pub(crate) async fn read(
    request: Request<ReplayBody<Full<Bytes>>>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let body = request.into_body().collect().await?.to_bytes();
    let answer = parse(order(&body)?).ok_or("no rule fits")?;
    Ok(Response::new(answer.into()))
}

/// The text of the order in a request.
///
/// # Errors
/// If there is none.
pub(crate) fn order(body: &[u8]) -> Result<&str, BoxError> {
    let text = std::str::from_utf8(body)?;
    let (_, order) = text.split_once(r#""order":""#).ok_or("there is no order")?;
    Ok(order.trim_end_matches("\"}"))
}

/// A number and a word for each item, then the table.
fn parse(order: &str) -> Option<String> {
    let (items, table) = order.rsplit_once(", table ")?;
    let table: u8 = table.parse().ok()?;
    let mut read = String::new();
    for item in items.split(", ") {
        let (count, what) = item.split_once(' ')?;
        let count: u8 = count.parse().ok()?;
        let comma = if read.is_empty() { "" } else { "," };
        write!(read, r#"{comma}"{what}":{count}"#).ok()?;
    }
    Some(format!(r#"{{"table":{table},{read}}}"#))
}
