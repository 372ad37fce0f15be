//! What the agent is built for, and how much of it.

use clap::ValueEnum;
use std::fmt;

/// A kind of router, called as OpenWrt calls its packages' architecture (the families `aarch64` and `armv7` stand for all of theirs).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// Virtual routers and small servers.
    #[value(name = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    #[value(name = "aarch64")]
    Aarch64,
    /// 32-bit ARM with a floating-point unit.
    #[value(name = "armv7")]
    Armv7,
    /// Little-endian MIPS of 32 bits without a floating-point unit.
    #[value(name = "mipsel_24kc")]
    Mipsel24kc,
    /// Big-endian MIPS of 32 bits without a floating-point unit.
    #[value(name = "mips_24kc")]
    Mips24kc,
}

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Variant {
    /// Nothing: every method, the LMAP door, DNS over HTTPS.
    Full,
    /// The LMAP door and DNS over HTTPS, for flash of 8 MB.
    Mini,
}

impl Target {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::X86_64,
        Self::Aarch64,
        Self::Armv7,
        Self::Mipsel24kc,
        Self::Mips24kc,
    ];

    /// Its name on the command line and in names of files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Armv7 => "armv7",
            Self::Mipsel24kc => "mipsel_24kc",
            Self::Mips24kc => "mips_24kc",
        }
    }

    /// What rustc calls it.
    pub(crate) fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-musl",
            Self::Aarch64 => "aarch64-unknown-linux-musl",
            Self::Armv7 => "armv7-unknown-linux-musleabihf",
            Self::Mipsel24kc => "mipsel-unknown-linux-musl",
            Self::Mips24kc => "mips-unknown-linux-musl",
        }
    }

    /// What Zig calls it, and the processor: the same for Rust's code and C's.
    pub(super) fn zig(self) -> (&'static str, &'static str) {
        match self {
            Self::X86_64 => ("x86_64-linux-musl", "x86_64"),
            Self::Aarch64 => ("aarch64-linux-musl", "generic"),
            Self::Armv7 => ("arm-linux-musleabihf", "generic+v7a+vfp3d16-neon"),
            Self::Mipsel24kc => ("mipsel-linux-musleabi", "mips32r2+soft_float"),
            Self::Mips24kc => ("mips-linux-musleabi", "mips32r2+soft_float"),
        }
    }

    /// The emulator of Debian's `qemu-user-static` that runs it elsewhere.
    pub(crate) fn emulator(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-x86_64-static",
            Self::Aarch64 => "qemu-aarch64-static",
            Self::Armv7 => "qemu-arm-static",
            Self::Mipsel24kc => "qemu-mipsel-static",
            Self::Mips24kc => "qemu-mips-static",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Variant {
    /// The name of the package, and of the built file.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Full => "glimpse-agent",
            Self::Mini => "glimpse-agent-mini",
        }
    }

    /// What cargo is told, as in OpenWrt's Makefile.
    pub(super) fn features(self) -> &'static [&'static str] {
        match self {
            Self::Full => &["--features", "doh"],
            Self::Mini => &["--no-default-features"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for target in Target::ALL {
            assert_eq!(Target::from_str(target.name(), false), Ok(target));
        }
    }
}
