//! Signatures as OpenWrt's `usign` makes and checks them: Ed25519 over the whole file, in text files of two lines.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::{Digest, Sha512};
use std::fmt::Write as _;

const ALGORITHM: &[u8] = b"Ed";
/// Kind and rounds of the encryption of a secret key: none.
const PLAIN: &[u8] = b"BK\0\0\0\0";

/// A key that signs.
pub(super) struct Key {
    id: [u8; 8],
    salt: [u8; 16],
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl Key {
    /// A new one.
    pub(super) fn generate() -> Result<Self> {
        let mut bytes = [0; 56];
        SystemRandom::new()
            .fill(&mut bytes)
            .ok()
            .context("the system gives no randomness")?;
        let (id, rest) = bytes.split_first_chunk().context("56 bytes")?;
        let (salt, rest) = rest.split_first_chunk().context("48 bytes")?;
        let seed = rest.first_chunk().context("32 bytes")?;
        Self::new(*id, *salt, *seed)
    }

    fn new(id: [u8; 8], salt: [u8; 16], seed: [u8; 32]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .ok()
            .context("no Ed25519 key")?;
        Ok(Self {
            id,
            salt,
            seed,
            pair,
        })
    }

    /// Reads a secret key file.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let bytes = second_line(text)?;
        let bytes: &[u8; 104] = bytes[..]
            .try_into()
            .context("a secret key of usign has 104 bytes")?;
        let at = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
        ensure!(at(0, 2) == ALGORITHM, "not an Ed25519 key");
        ensure!(
            at(2, 8) == PLAIN,
            "the key is encrypted, which is not supported"
        );
        let seed: [u8; 32] = at(40, 72).try_into()?;
        let key = Self::new(at(32, 40).try_into()?, at(8, 24).try_into()?, seed)?;
        ensure!(
            at(24, 32) == key.checksum() && at(72, 104) == key.pair.public_key().as_ref(),
            "the key is damaged"
        );
        Ok(key)
    }

    fn checksum(&self) -> Vec<u8> {
        let mut hash = Sha512::new();
        hash.update(self.seed);
        hash.update(self.pair.public_key());
        hash.finalize().iter().copied().take(8).collect()
    }

    /// Its name, under which routers keep the public half: `/etc/opkg/keys/ID`.
    pub(super) fn id(&self) -> String {
        self.id.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The secret key file.
    pub(super) fn secret(&self) -> String {
        let bytes = [
            ALGORITHM,
            PLAIN,
            &self.salt,
            &self.checksum(),
            &self.id,
            &self.seed,
            self.pair.public_key().as_ref(),
        ];
        self.text("private key", &bytes)
    }

    /// The public key file.
    pub(super) fn public(&self) -> String {
        let bytes = [ALGORITHM, &self.id, self.pair.public_key().as_ref()];
        self.text("public key", &bytes)
    }

    /// The signature file of `message`.
    pub(super) fn sign(&self, message: &[u8]) -> String {
        let signature = self.pair.sign(message);
        self.text("signed by key", &[ALGORITHM, &self.id, signature.as_ref()])
    }

    fn text(&self, what: &str, bytes: &[&[u8]]) -> String {
        let encoded = STANDARD.encode(bytes.concat());
        format!("untrusted comment: {what} {}\n{encoded}\n", self.id())
    }
}

fn second_line(text: &str) -> Result<Vec<u8>> {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    ensure!(
        first.starts_with("untrusted comment: "),
        "a file of usign begins with an untrusted comment"
    );
    let second = lines.next().context("the second line is missing")?;
    STANDARD
        .decode(second)
        .ok()
        .context("the second line is not base64")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Made by `usign -G` and `usign -S`.
    const SECRET: &str = "untrusted comment: test vector\n\
        RWRCSwAAAACC45N+hVQjbcLX2T5v6IbfFCKcU1puA8qVVQmoWFePX1A1R0UhGIz2ymzfdPz/5qgKr1jX4ZMHDSL+JYwjkKNBDA+nfwYGaS/JXNXFtJor\
        Zo6YRHW0vSz0+FUXRxWxjrQ=\n";
    const PUBLIC: &str = "RWSVVQmoWFePXwwPp38GBmkvyVzVxbSaK2aOmER1tL0s9PhVF0cVsY60";
    const MESSAGE: &[u8] = b"Package: x\nVersion: 1\n\n";
    const SIGNATURE: &str = "untrusted comment: signed by key 955509a858578f5f\n\
        RWSVVQmoWFePXzG2gboSthr86DYCjwRFWAI74TQvUedV4hkf0XKbfCy+c7jLNC0WKr/sco63BI4GIwl0eRmxodA1ev3Dq9H6FwA=\n";

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn what_usign_made_is_read_and_made_alike() {
        let key = Key::parse(SECRET).unwrap();
        assert_eq!(key.id(), "955509a858578f5f");
        assert_eq!(key.sign(MESSAGE), SIGNATURE);
        assert_eq!(key.public().lines().last(), Some(PUBLIC));
        assert_eq!(key.secret().lines().last(), SECRET.lines().last());
    }

    /// RFC 8032 §7.1, tests 1 to 3.
    #[test]
    fn signatures_are_those_of_the_rfc() {
        for (seed, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2465514\
                 1438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d2\
                 91612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027b\
                 eceea1ec40a",
            ),
        ] {
            let key = Key::new([0; 8], [0; 16], hex(seed).try_into().unwrap()).unwrap();
            assert_eq!(key.pair.public_key().as_ref(), hex(public));
            let made = STANDARD
                .decode(key.sign(&hex(message)).lines().last().unwrap())
                .unwrap();
            assert_eq!(made[10..], hex(&signature.replace([' ', '\n'], ""))[..]);
        }
    }

    #[test]
    fn new_keys_are_read_back_and_damaged_ones_refused() {
        let key = Key::generate().unwrap();
        let again = Key::parse(&key.secret()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_ne!(Key::generate().unwrap().id(), key.id());
        let damaged = SECRET.replace("FCKcU1pu", "FCKcU1pv");
        for (text, said) in [
            (damaged.as_str(), "damaged"),
            (&key.public(), "104 bytes"),
            ("RWRC", "untrusted comment"),
            (&SECRET.replace("RWRCSwAAAACC", "RWRCSwAAACqC"), "encrypted"),
        ] {
            let error = Key::parse(text).err().unwrap();
            assert!(format!("{error:#}").contains(said), "{error:#}");
        }
    }
}
