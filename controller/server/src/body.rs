//! Request bodies, bounded as sent and as inflated.

use crate::error::Problem;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, Limited};
use std::io::Read;
use std::time::Duration;

/// For the whole of a body to come in: a slow line sends the longest one within it.
const ARRIVAL: Duration = Duration::from_mins(2);

/// How a body is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

/// Reads at most `limit` bytes as they were sent. What says beforehand that it is longer is not read at all.
pub(crate) async fn receive(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<(Coding, Vec<u8>), Problem> {
    let coding = coding(headers)?;
    let too_long = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body may have at most {limit} bytes"),
        )
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_long());
    }
    let arrival = tokio::time::timeout(ARRIVAL, Limited::new(body, limit).collect());
    match arrival.await {
        Ok(Ok(collected)) => Ok((coding, collected.to_bytes().into())),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "the body ended before its end",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not come in time",
        )),
    }
}

/// Undoes the coding; counts while inflating, so that a bomb costs `limit` bytes at most.
pub(crate) fn inflate(coding: Coding, bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>, Problem> {
    if coding == Coding::Identity {
        return Ok(bytes);
    }
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut inflated = Vec::new();
    MultiGzDecoder::new(bytes.as_slice())
        .take(bound)
        .read_to_end(&mut inflated)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("gzip: {error}")))?;
    if inflated.len() > limit {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body may have at most {limit} bytes once inflated"),
        ));
    }
    Ok(inflated)
}

fn coding(headers: &HeaderMap) -> Result<Coding, Problem> {
    let Some(coding) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(Coding::Identity);
    };
    if coding.as_bytes().eq_ignore_ascii_case(b"identity") {
        Ok(Coding::Identity)
    } else if coding.as_bytes().eq_ignore_ascii_case(b"gzip") {
        Ok(Coding::Gzip)
    } else {
        Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content-encoding must be gzip or identity",
        ))
    }
}
