//! The index of a feed, by which opkg finds packages and knows that they are whole.

use anyhow::Result;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Fields that the index leaves out.
const LEFT_OUT: [&str; 6] = [
    "Maintainer:",
    "LicenseFiles:",
    "Source:",
    "SourceName:",
    "Require-User:",
    "SourceDateEpoch:",
];

/// A package file.
pub(super) struct Listed {
    /// The file's name.
    pub(super) name: String,
    /// The file.
    pub(super) bytes: Vec<u8>,
}

/// `Packages`: what each control file says, with name, size and hash of the file.
pub(super) fn packages(listed: &[Listed]) -> Result<String> {
    let mut index = String::new();
    for package in listed {
        let control = super::ipk::control_of(&package.bytes)?;
        for line in control.lines() {
            if LEFT_OUT.iter().any(|field| line.starts_with(field)) {
                continue;
            }
            if line.starts_with("Description:") {
                let _ = writeln!(index, "Filename: {}", package.name);
                let _ = writeln!(index, "Size: {}", package.bytes.len());
                index.push_str("SHA256sum: ");
                for byte in Sha256::digest(&package.bytes) {
                    let _ = write!(index, "{byte:02x}");
                }
                index.push('\n');
            }
            let _ = writeln!(index, "{line}");
        }
        index.push('\n');
    }
    Ok(filled(index))
}

/// Old versions of usign err on messages that end just here in a block of their hash.
fn filled(mut index: String) -> String {
    if matches!((64 + index.len()) % 128, 110 | 111) {
        index.push_str("\n\n");
    }
    index
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::package::ipk::tests::package;

    #[test]
    fn the_index_says_where_each_package_is() {
        let package = package();
        let bytes = package.pack(5).unwrap();
        let hash = format!("{:x}", Sha256::digest(&bytes));
        let size = bytes.len();
        let listed = |name: &str| Listed {
            name: name.to_owned(),
            bytes: bytes.clone(),
        };
        let index = packages(&[listed("x_1.ipk"), listed("y_1.ipk")]).unwrap();
        let one = |name: &str| {
            format!(
                "Package: x\nVersion: 1.0-r2\nDepends: ca-bundle, y\nProvides: z\nLicense: Apache-2.0\nSection: net\n\
                 URL: https://example.org\nArchitecture: mips_24kc\nInstalled-Size: 10240\nFilename: {name}\nSize: {size}\n\
                 SHA256sum: {hash}\nDescription:  One\n \n two\n\n"
            )
        };
        assert_eq!(
            index.trim_end(),
            (one("x_1.ipk") + &one("y_1.ipk")).trim_end()
        );
    }

    #[test]
    fn lengths_that_usign_errs_on_are_avoided() {
        for length in 0..300 {
            let index = filled("x".repeat(length));
            assert!(!matches!((64 + index.len()) % 128, 110 | 111), "{length}");
            assert!(index.len() - length <= 2);
        }
    }
}
