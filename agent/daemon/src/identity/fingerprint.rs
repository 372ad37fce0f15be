//! SHA-256 of a certificate, as people pass it on.

use super::IdentityError;
use ring::digest;
use std::fmt;
use std::str::FromStr;

/// SHA-256 over the DER form of a certificate. Text form: `sha256:` and 64 hexadecimal digits.
///
/// Reading is lenient, because people copy from several programs: the prefix may be missing, the digits may be of
/// either case and separated by colons.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER form.
    pub fn of(certificate: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Self(bytes)
    }

    /// The 32 bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        const PREFIX: &str = "sha256:";
        let text = text.trim();
        let digits = match text.get(..PREFIX.len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &text[PREFIX.len()..],
            _ => text,
        };
        let mut bytes = [0; 32];
        let mut count = 0;
        for digit in digits.chars().filter(|&c| c != ':') {
            let Some(value) = digit
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
            else {
                return Err(IdentityError::Fingerprint(
                    "a fingerprint is sha256: and 64 hexadecimal digits: found something else",
                ));
            };
            let Some(byte) = bytes.get_mut(count / 2) else {
                return Err(IdentityError::Fingerprint(
                    "a fingerprint is sha256: and 64 hexadecimal digits: found more",
                ));
            };
            *byte = *byte << 4 | value;
            count += 1;
        }
        if count == 64 {
            Ok(Self(bytes))
        } else {
            Err(IdentityError::Fingerprint(
                "a fingerprint is sha256: and 64 hexadecimal digits: found fewer",
            ))
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
