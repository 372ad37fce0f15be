//! The PKI on disk.

use super::issue::Authority;
use super::peers::{PEERS_KEY, PeerKey};
use super::{AGENTS_UNIT, CONTROLLERS_UNIT, PkiError};
use der::pem::LineEnding;
use rcgen::KeyPair;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use x509_parser::extensions::GeneralName;

pub(super) const ROOT: &str = "root.pem";
pub(super) const ROOT_KEY: &str = "root.key.pem";
pub(super) const CONTROLLERS: &str = "controllers.pem";
pub(super) const CONTROLLERS_KEY: &str = "controllers.key.pem";
pub(super) const AGENTS: &str = "agents.pem";
pub(super) const AGENTS_KEY: &str = "agents.key.pem";
pub(super) const SERVER: &str = "server.pem";

/// Every file of the directory, for a backup or a listing; the second is the one that belongs off-line.
pub const FILES: [&str; 8] = [
    ROOT,
    ROOT_KEY,
    CONTROLLERS,
    CONTROLLERS_KEY,
    AGENTS,
    AGENTS_KEY,
    SERVER,
    PEERS_KEY,
];

/// Stands above the root key in its file; PEM readers pass over it.
pub(super) const ROOT_KEY_NOTE: &str = "\
# The private key of the root. It belongs off-line: move this file to a medium that is kept apart.
# Nothing that runs reads it. Only a new intermediate needs it.
";

/// Root certificate and both intermediates with their keys.
#[derive(Debug)]
pub struct Pki {
    pub(super) root: CertificateDer<'static>,
    pub(super) controllers: Authority,
    pub(super) agents: Authority,
    /// Signs the tokens of measurements between agents.
    pub peers: PeerKey,
}

/// The server's key and certificate.
#[derive(Debug)]
pub struct ServerIdentity {
    /// Server certificate, then the controllers' intermediate.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
    /// DNS names and addresses it holds for, for its renewal.
    pub names: Vec<String>,
    /// First second of validity, since 1970 UTC.
    pub not_before: i64,
    /// Last second of validity, since 1970 UTC.
    pub not_after: i64,
}

impl Pki {
    /// Reads what [`super::create`] wrote; the root key is not read.
    ///
    /// # Errors
    /// [`PkiError::Io`] or [`PkiError::Damaged`] naming the file.
    pub fn load(dir: &Path) -> Result<Self, PkiError> {
        Ok(Self {
            root: certificate(dir, ROOT)?,
            controllers: authority(dir, CONTROLLERS_UNIT, CONTROLLERS, CONTROLLERS_KEY)?,
            agents: authority(dir, AGENTS_UNIT, AGENTS, AGENTS_KEY)?,
            peers: PeerKey::load(dir)?,
        })
    }

    /// What agents are told to expect: `sha256:` and the digest of the root certificate.
    pub fn fingerprint(&self) -> String {
        let mut text = String::from("sha256:");
        for byte in Sha256::digest(&self.root) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl ServerIdentity {
    /// Reads the server's file in `dir`.
    ///
    /// # Errors
    /// [`PkiError::Io`] or [`PkiError::Damaged`] naming the file.
    pub fn load(dir: &Path) -> Result<Self, PkiError> {
        let path = dir.join(SERVER);
        let damaged = |reason: &str| PkiError::Damaged {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        let pem = fs::read(&path).map_err(|source| io_error(&path, source))?;
        let key =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|error| damaged(&error.to_string()))?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|error| damaged(&error.to_string()))?;
        let own = chain
            .first()
            .ok_or_else(|| damaged("holds no certificate"))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(own)
            .map_err(|error| damaged(&error.to_string()))?;
        let names = parsed
            .subject_alternative_name()
            .map_err(|error| damaged(&error.to_string()))?
            .map(|names| names.value.general_names.iter().filter_map(name).collect())
            .unwrap_or_default();
        let validity = parsed.validity();
        let (not_before, not_after) = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        Ok(Self {
            chain,
            key,
            names,
            not_before,
            not_after,
        })
    }

    /// Replaces the server's file in `dir`, in one rename.
    ///
    /// # Errors
    /// [`PkiError::Io`] naming the file.
    pub fn store(&self, dir: &Path) -> Result<(), PkiError> {
        let path = dir.join(SERVER);
        let beside = dir.join(format!("{SERVER}.new"));
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(&beside, error));
            }
            _ => {}
        }
        write_new(&beside, self.to_pem()?.as_bytes())?;
        fs::rename(&beside, &path).map_err(|source| io_error(&path, source))?;
        sync(dir)
    }

    /// Whether two thirds of its life are over at `now` (seconds since 1970 UTC): time for
    /// [`Pki::issue_server`] with the same names.
    pub fn is_due(&self, now: i64) -> bool {
        now >= self.not_before + (self.not_after - self.not_before) / 3 * 2
    }

    pub(super) fn to_pem(&self) -> Result<String, PkiError> {
        let encode = |label, der: &[u8]| {
            der::pem::encode_string(label, LineEnding::LF, der)
                .map_err(|error| PkiError::Encoding(error.into()))
        };
        let mut pem = encode("PRIVATE KEY", self.key.secret_der())?;
        for certificate in &self.chain {
            pem += &encode("CERTIFICATE", certificate)?;
        }
        Ok(pem)
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let address: IpAddr = if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                v4.into()
            } else {
                <[u8; 16]>::try_from(*bytes).ok()?.into()
            };
            Some(ServerName::from(address).to_str().into_owned())
        }
        _ => None,
    }
}

fn authority(
    dir: &Path,
    unit: &'static str,
    certificate_file: &str,
    key_file: &str,
) -> Result<Authority, PkiError> {
    let path = dir.join(key_file);
    let damaged = |reason: &str| PkiError::Damaged {
        path: path.clone(),
        reason: reason.to_owned(),
    };
    let pem = fs::read(&path).map_err(|source| io_error(&path, source))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| damaged(&error.to_string()))?;
    let key = KeyPair::try_from(&key).map_err(|error| damaged(&error.to_string()))?;
    let der = certificate(dir, certificate_file)?;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(&der).map_err(|error| damaged(&error.to_string()))?;
    if *parsed.public_key().subject_public_key.data != *key.public_key_raw() {
        return Err(damaged("does not belong to the certificate beside it"));
    }
    Authority::new(unit, der, key)
}

fn certificate(dir: &Path, file: &str) -> Result<CertificateDer<'static>, PkiError> {
    let path = dir.join(file);
    let pem = fs::read(&path).map_err(|source| io_error(&path, source))?;
    CertificateDer::from_pem_slice(&pem).map_err(|error| PkiError::Damaged {
        path,
        reason: error.to_string(),
    })
}

pub(super) fn refuse_existing(dir: &Path) -> Result<(), PkiError> {
    match fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(false) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(true) => Err(PkiError::Exists {
            dir: dir.to_owned(),
        }),
        Err(source) => Err(io_error(dir, source)),
    }
}

/// Writes all files into a directory beside `dir` and renames it. The system refuses to rename over a directory that
/// holds something, so an existing PKI is safe even from a second program doing the same.
pub(super) fn write_all(dir: &Path, files: &[(&str, String)]) -> Result<(), PkiError> {
    let mut beside = dir.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    match fs::remove_dir_all(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error(beside, error));
        }
        _ => {}
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(beside)
        .map_err(|source| io_error(beside, source))?;
    for (name, contents) in files {
        write_new(&beside.join(name), contents.as_bytes())?;
    }
    sync(beside)?;
    fs::rename(beside, dir).map_err(|source| match source.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => PkiError::Exists {
            dir: dir.to_owned(),
        },
        _ => io_error(dir, source),
    })?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync(parent),
        _ => sync(Path::new(".")),
    }
}

/// A file that nobody else can read, not even for a moment.
pub(super) fn write_new(path: &Path, contents: &[u8]) -> Result<(), PkiError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| io_error(path, source))?;
    file.write_all(contents)
        .and_then(|()| file.sync_all())
        .map_err(|source| io_error(path, source))
}

fn sync(dir: &Path) -> Result<(), PkiError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| io_error(dir, source))
}

pub(super) fn damaged(path: &Path, reason: &str) -> PkiError {
    PkiError::Damaged {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

pub(super) fn io_error(path: &Path, source: io::Error) -> PkiError {
    PkiError::Io {
        path: path.to_owned(),
        source,
    }
}
