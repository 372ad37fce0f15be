//! The key that signs the tokens of measurements between agents.

use super::PkiError;
use super::files::{damaged, io_error, write_new};
use glimpse_model::token::{Claims, Token};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _, SigningKey as _};
use std::fs;
use std::io;
use std::path::Path;

pub(super) const PEERS_KEY: &str = "peers.key.pem";

/// Ed25519, apart from the authorities' keys: it vouches for a measurement, never for an identity.
#[derive(Debug)]
pub struct PeerKey {
    key: KeyPair,
    public: [u8; 32],
}

impl PeerKey {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`PkiError::Library`].
    pub(super) fn generate() -> Result<Self, PkiError> {
        Self::new(KeyPair::generate_for(&PKCS_ED25519)?)
            .map_err(|_| PkiError::Library(rcgen::Error::KeyGenerationUnavailable))
    }

    fn new(key: KeyPair) -> Result<Self, &'static str> {
        let public = key
            .der_bytes()
            .try_into()
            .map_err(|_| "is no Ed25519 key")?;
        Ok(Self { key, public })
    }

    /// Reads the key; a controller that was made before there were such keys gets one.
    pub(super) fn load(dir: &Path) -> Result<Self, PkiError> {
        let path = dir.join(PEERS_KEY);
        match fs::read_to_string(&path) {
            Ok(pem) => {
                let key =
                    KeyPair::from_pem(&pem).map_err(|error| damaged(&path, &error.to_string()))?;
                Self::new(key).map_err(|reason| damaged(&path, reason))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = Self::generate()?;
                match write_new(&path, made.to_pem().as_bytes()) {
                    // Another program was faster: its key holds.
                    Err(PkiError::Io { source, .. })
                        if source.kind() == io::ErrorKind::AlreadyExists =>
                    {
                        Self::load(dir)
                    }
                    written => written.map(|()| made),
                }
            }
            Err(source) => Err(io_error(&path, source)),
        }
    }

    pub(super) fn to_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// What agents check tokens with.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The token of `claims`.
    ///
    /// # Errors
    /// [`PkiError::Token`] when the claims are out of bounds.
    pub fn token(&self, claims: &Claims) -> Result<Token, PkiError> {
        let signature = self.key.sign(claims.unsigned().as_bytes())?;
        let signature = signature
            .as_slice()
            .try_into()
            .map_err(|_| PkiError::Token("the signature has a wrong length".to_owned()))?;
        Token::encode(claims, signature).map_err(|refused| PkiError::Token(refused.to_string()))
    }
}
