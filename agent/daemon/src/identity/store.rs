//! The identity on disk.

use super::envelope::is_for;
use super::trust::certificates_to_pem;
use super::{IdentityError, Key, Trust, Validity, renew_at};
use der::Decode;
use ring::rand::SecureRandom;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use x509_cert::Certificate;

const KEY: &str = "key.pem";
const AUTHORITIES: &str = "ca.pem";
const CONTROLLER: &str = "controller";
const ADDRESS: &str = "url";
const CERTIFICATE: &str = "certificate.pem";

const COMMON_NAME: const_oid::ObjectIdentifier = const_oid::ObjectIdentifier::new_unwrap("2.5.4.3");

/// The directory that keeps the identity. Layout: see the module's head.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

/// A complete identity, checked: the key belongs to the certificate, the root signed the intermediates.
#[derive(Debug)]
pub struct Identity {
    /// The agent's key.
    pub key: Key,
    /// Own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Root and controllers' intermediates.
    pub trust: Trust,
    /// The name that the controller's certificate must carry.
    pub controller: ServerName<'static>,
    /// The id that the controller gave this agent: the common name of its certificate.
    pub agent_id: String,
    /// From when to when the own certificate holds.
    pub validity: Validity,
}

impl Identity {
    /// When to renew, in seconds since 1970 UTC; `seed` spreads the fleet. See [`renew_at`].
    pub fn renew_at(&self, seed: u64) -> i64 {
        renew_at(self.validity, seed)
    }

    /// What to show to those who know the root alone: the chain, with the authority that signed it where it came alone.
    pub fn presented(&self) -> Vec<CertificateDer<'static>> {
        let mut chain = self.chain.clone();
        if let [own] = &self.chain[..]
            && let Some(issuer) = self.trust.issuer(own)
        {
            chain.push(issuer.clone());
        }
        chain
    }
}

impl Store {
    /// A store in `dir`; nothing is read or written yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The key kept here, or a new one that is now kept here. An agent that enrols again keeps its key.
    ///
    /// # Errors
    /// [`IdentityError::Io`], [`IdentityError::Exposed`], [`IdentityError::Damaged`], [`IdentityError::Key`].
    pub fn key_or_new(&self, rng: &dyn SecureRandom) -> Result<Key, IdentityError> {
        let path = self.dir.join(KEY);
        if path.try_exists().map_err(at(&path))? {
            return self.key(rng);
        }
        let key = Key::generate(rng)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(at(&self.dir))?;
        self.write(KEY, key.to_pem()?.as_bytes(), 0o600)?;
        Ok(key)
    }

    /// Keeps what an enrolment brought. `controller` is the DNS name or address by which the controller was reached and
    /// verified: from now on it is the only one accepted. The certificate is written last, so that an interruption
    /// leaves an agent that is not enrolled, or the identity as it was with the new trust, never half a one.
    ///
    /// # Errors
    /// [`IdentityError::Io`] naming the file.
    pub fn enrol(
        &self,
        trust: &Trust,
        controller: &ServerName<'_>,
        chain: &[CertificateDer<'static>],
    ) -> Result<(), IdentityError> {
        self.renew_trust(trust)?;
        let name = format!("{}\n", controller.to_str());
        self.write(CONTROLLER, name.as_bytes(), 0o644)?;
        self.renew(chain)
    }

    /// Notes the address of the controller, which is asked to forget the agent when the household erases it, whatever the
    /// settings say by then.
    ///
    /// # Errors
    /// [`IdentityError::Io`] naming the file.
    pub fn note_address(&self, url: &str) -> Result<(), IdentityError> {
        self.write(ADDRESS, url.as_bytes(), 0o644)
    }

    /// Replaces the certificate, in one rename.
    ///
    /// # Errors
    /// [`IdentityError::Io`] naming the file.
    pub fn renew(&self, chain: &[CertificateDer<'static>]) -> Result<(), IdentityError> {
        self.write(
            CERTIFICATE,
            certificates_to_pem(chain.iter())?.as_bytes(),
            0o644,
        )
    }

    /// Replaces root and intermediates, in one rename.
    ///
    /// # Errors
    /// [`IdentityError::Io`] naming the file.
    pub fn renew_trust(&self, trust: &Trust) -> Result<(), IdentityError> {
        self.write(AUTHORITIES, trust.to_pem()?.as_bytes(), 0o644)
    }

    /// Reads and checks everything. Expiry is not an error here: [`Identity::validity`] tells, and the household
    /// wants to be shown it.
    ///
    /// # Errors
    /// [`IdentityError::NotEnrolled`] when there is no certificate; else the file at fault and what to do.
    pub fn load(&self, rng: &dyn SecureRandom) -> Result<Identity, IdentityError> {
        let path = self.dir.join(CERTIFICATE);
        let pem = match fs::read(&path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(IdentityError::NotEnrolled {
                    dir: self.dir.clone(),
                });
            }
            Err(source) => return Err(IdentityError::Io { path, source }),
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|error| damaged(&path, error.to_string()))?;
        let own = chain
            .first()
            .ok_or_else(|| damaged(&path, "holds no certificate"))?;
        let parsed =
            Certificate::from_der(own).map_err(|error| damaged(&path, error.to_string()))?;
        let agent_id =
            common_name(&parsed).ok_or_else(|| damaged(&path, "the certificate names no agent"))?;
        let validity = Validity::of(own).ok_or_else(|| damaged(&path, "has no validity"))?;
        let key = self.key(rng)?;
        if !is_for(own, &key) {
            return Err(damaged(&path, "does not belong to the key beside it"));
        }
        Ok(Identity {
            trust: self.trust()?,
            controller: self.controller()?,
            key,
            chain,
            agent_id,
            validity,
        })
    }

    /// Root and intermediates alone: kept also when the certificate has expired.
    ///
    /// # Errors
    /// [`IdentityError::Io`], [`IdentityError::Damaged`].
    pub fn trust(&self) -> Result<Trust, IdentityError> {
        let path = self.dir.join(AUTHORITIES);
        let pem = fs::read(&path).map_err(at(&path))?;
        Trust::from_pem(&pem).map_err(|error| damaged(&path, error.to_string()))
    }

    fn controller(&self) -> Result<ServerName<'static>, IdentityError> {
        let path = self.dir.join(CONTROLLER);
        let name = fs::read_to_string(&path).map_err(at(&path))?;
        ServerName::try_from(name.trim().to_owned())
            .map_err(|error| damaged(&path, error.to_string()))
    }

    fn key(&self, rng: &dyn SecureRandom) -> Result<Key, IdentityError> {
        let path = self.dir.join(KEY);
        let mode = fs::metadata(&path).map_err(at(&path))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(IdentityError::Exposed { path, mode });
        }
        let pem = fs::read(&path).map_err(at(&path))?;
        Key::from_pem(&pem, rng).map_err(|error| damaged(&path, error.to_string()))
    }

    /// Writes beside, makes it durable, renames: a reader sees the old file or the new one.
    fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), IdentityError> {
        let path = self.dir.join(name);
        let beside = self.dir.join(format!("{name}.new"));
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at(&beside)(error));
            }
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)
            .map_err(at(&beside))?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(at(&beside))?;
        fs::rename(&beside, &path).map_err(at(&path))?;
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(at(&self.dir))
    }
}

fn common_name(certificate: &Certificate) -> Option<String> {
    certificate
        .tbs_certificate
        .subject
        .0
        .iter()
        .flat_map(|set| set.0.iter())
        .find(|part| part.oid == COMMON_NAME)
        .and_then(|part| String::from_utf8(part.value.value().to_vec()).ok())
}

fn at(path: &Path) -> impl Fn(io::Error) -> IdentityError + '_ {
    move |source| IdentityError::Io {
        path: path.to_owned(),
        source,
    }
}

fn damaged(path: &Path, reason: impl Into<String>) -> IdentityError {
    IdentityError::Damaged {
        path: path.to_owned(),
        reason: reason.into(),
    }
}
