//! From when to when a certificate holds, and when to ask for the next.

use der::Decode;
use x509_cert::Certificate;

/// The validity of a certificate, in seconds since 1970 UTC; both ends are inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: i64,
    /// Last second.
    pub not_after: i64,
}

impl Validity {
    /// The validity of a certificate in DER form; `None` when it cannot be read.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let validity = Certificate::from_der(certificate)
            .ok()?
            .tbs_certificate
            .validity;
        let seconds =
            |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).ok();
        Some(Self {
            not_before: seconds(validity.not_before)?,
            not_after: seconds(validity.not_after)?,
        })
    }

    /// Whether `now` (seconds since 1970 UTC) lies inside.
    pub fn contains(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// When to renew a certificate, in seconds since 1970 UTC: at two thirds of its life, give or take a twentieth of it
/// by `seed`, so that a fleet that was enrolled in one hour does not renew in one hour.
///
/// The last 28 % of the life at least are left for trying again. A validity that is empty or upside down is due at
/// its end.
pub fn renew_at(validity: Validity, seed: u64) -> i64 {
    let Some(life) = validity
        .not_after
        .checked_sub(validity.not_before)
        .filter(|&life| life > 0)
    else {
        return validity.not_after;
    };
    let spread = life / 10;
    // A remainder by something that fits i64 fits i64.
    let jitter = i64::try_from(seed % (spread.unsigned_abs() + 1)).unwrap_or(0) - spread / 2;
    validity.not_before + life / 3 * 2 + jitter
}
