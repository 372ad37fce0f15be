//! `config plugins`: executables as methods.

use std::path::PathBuf;
use std::time::Duration;

use super::Error;
use super::value::Reader;

/// Whether and how plug-ins run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugins {
    /// `enabled`: plug-ins are announced and run (off).
    pub enabled: bool,
    /// `directory`: where they are (`/usr/lib/glimpse/plugins`).
    pub directory: PathBuf,
    /// `user`: who they run as, a user of their own (`glimpse-plugin`).
    pub user: String,
    /// `time_ms`: longest run allowed, 100 to 3 600 000 (60 000).
    pub time: Duration,
    /// `memory_bytes`: address space of each process, 4 194 304 to 4 294 967 296 (67 108 864).
    pub memory_bytes: u64,
    /// `output_bytes`: what one run may print, 1024 to 1 048 576 (65 536).
    pub output_bytes: u64,
    /// `disabled`: files or methods that are left out.
    pub disabled: Vec<String>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            enabled: false,
            directory: "/usr/lib/glimpse/plugins".into(),
            user: "glimpse-plugin".into(),
            time: Duration::from_mins(1),
            memory_bytes: 64 << 20,
            output_bytes: 64 << 10,
            disabled: Vec::new(),
        }
    }
}

impl Plugins {
    /// Reads the section.
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let default = Self::default();
        let user = reader.parsed("user", "the name of a user", |text| {
            ((1..=32).contains(&text.len()) && text.bytes().all(is_name)).then(|| text.to_owned())
        })?;
        let default_ms = u64::try_from(default.time.as_millis()).unwrap_or(u64::MAX);
        let time_ms = reader.number("time_ms", "ms", 100..=3_600_000, default_ms)?;
        Ok(Self {
            enabled: reader.flag("enabled", default.enabled)?,
            directory: reader.path("directory")?.unwrap_or(default.directory),
            user: user.unwrap_or(default.user),
            time: Duration::from_millis(time_ms),
            memory_bytes: reader.number(
                "memory_bytes",
                "bytes",
                4 << 20..=4 << 30,
                default.memory_bytes,
            )?,
            output_bytes: reader.number(
                "output_bytes",
                "bytes",
                1024..=1 << 20,
                default.output_bytes,
            )?,
            disabled: reader.list("disabled", "the name of a file or method", |text| {
                (text.len() <= 255 && !text.contains('/')).then(|| text.to_owned())
            })?,
        })
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::local::uci::settings;

    fn plugins(text: &str) -> Result<Plugins, String> {
        let text = format!("config plugins 'plugins'\n{text}");
        match settings::parse(text.as_bytes()) {
            Ok((settings, warnings)) => {
                assert_eq!(warnings, []);
                Ok(settings.plugins)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn plugins_are_off_unless_the_household_says_so() {
        assert_eq!(plugins("").unwrap(), Plugins::default());
        assert!(!Plugins::default().enabled);
    }

    #[test]
    fn every_option_is_read() {
        let text = "\toption enabled '1'\n\toption directory '/opt/p'\n\toption user 'meter'\n\
                    \toption time_ms '5000'\n\toption memory_bytes '33554432'\n\
                    \toption output_bytes '2048'\n\tlist disabled 'a.sh'\n\tlist disabled 'b'\n";
        let expected = Plugins {
            enabled: true,
            directory: "/opt/p".into(),
            user: "meter".into(),
            time: Duration::from_secs(5),
            memory_bytes: 32 << 20,
            output_bytes: 2048,
            disabled: vec!["a.sh".into(), "b".into()],
        };
        assert_eq!(plugins(text).unwrap(), expected);
    }

    #[test]
    fn each_fault_is_named() {
        for (text, said) in [
            (
                "\toption directory 'plugins'",
                "plugins.directory 'plugins': must be an absolute path (line 2)",
            ),
            (
                "\toption user 'a b'",
                "plugins.user 'a b': must be the name of a user (line 2)",
            ),
            (
                "\toption time_ms '99'",
                "plugins.time_ms '99': must be 100 to 3600000 ms (line 2)",
            ),
            (
                "\tlist disabled '../x'",
                "plugins.disabled '../x': must be the name of a file or method (line 2)",
            ),
        ] {
            assert_eq!(plugins(text).unwrap_err(), said);
        }
    }
}
