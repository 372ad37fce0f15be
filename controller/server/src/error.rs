//! Problem details (RFC 9457), and the one place where errors become status codes.

use crate::enrolment::EnrolmentError;
use crate::repository::RepositoryError;
use crate::supervisor::SupervisorError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use glimpse_store::Error as StoreError;
use serde::Serialize;

/// Seconds after which a full or busy repository is asked again.
const RETRY_BUSY_S: u32 = 2;
/// Requests that are held open end by themselves.
const RETRY_CROWDED_S: u32 = 30;
/// A full disk is not mended by waiting a moment.
const RETRY_FULL_S: u32 = 60;

/// An answer that says what went wrong; of type `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Status code.
    pub status: StatusCode,
    /// What is wrong, in this very case.
    pub detail: String,
    /// When the same request may succeed, in seconds.
    pub retry_after_s: Option<u32>,
    /// Whether the asker may show a token (`WWW-Authenticate`).
    pub wants_token: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    /// A problem without any hint but its words.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            retry_after_s: None,
            wants_token: false,
        }
    }

    /// The same with the time after which the request may succeed.
    #[must_use]
    pub fn after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            title: self.status.canonical_reason().unwrap_or("problem"),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.wants_token {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"glimpse\", charset=\"UTF-8\""),
            );
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let wait = match &error {
            StoreError::Busy | StoreError::Closed => RETRY_BUSY_S,
            StoreError::Full => RETRY_FULL_S,
            _ => {
                // The asker can do nothing about it and learns no internals.
                tracing::error!(error = %error, "the repository failed");
                return Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the repository cannot be used at present",
                );
            }
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).after(wait)
    }
}

impl From<SupervisorError> for Problem {
    fn from(error: SupervisorError) -> Self {
        match error {
            SupervisorError::Refused(refused) => {
                Self::new(StatusCode::BAD_REQUEST, refused.to_string())
            }
            SupervisorError::Unknown | SupervisorError::Revoked | SupervisorError::Wish(_) => {
                Self::new(StatusCode::FORBIDDEN, error.to_string())
            }
            SupervisorError::Crowded => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()).after(RETRY_CROWDED_S)
            }
            SupervisorError::Store(error) => error.into(),
        }
    }
}

impl From<RepositoryError> for Problem {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Refused(refused) => {
                Self::new(StatusCode::BAD_REQUEST, refused.to_string())
            }
            RepositoryError::TooMany => Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
            RepositoryError::Crowded => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()).after(RETRY_BUSY_S)
            }
            RepositoryError::Spent { after_s } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()).after(after_s)
            }
            RepositoryError::Store(error) => error.into(),
        }
    }
}

impl From<EnrolmentError> for Problem {
    fn from(error: EnrolmentError) -> Self {
        match error {
            EnrolmentError::NoToken | EnrolmentError::Token(_) => Self {
                wants_token: true,
                ..Self::new(StatusCode::UNAUTHORIZED, error.to_string())
            },
            EnrolmentError::Request(detail) => Self::new(StatusCode::BAD_REQUEST, detail),
            EnrolmentError::NotKnown => Self::new(StatusCode::FORBIDDEN, error.to_string()),
            EnrolmentError::Issue(error) => {
                tracing::error!(error = %error, "no certificate could be issued");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "no certificate can be issued at present",
                )
            }
            EnrolmentError::Store(error) => error.into(),
        }
    }
}
