//! The system packages that the commands need: the one list, each with its reason.

use crate::process;
use anyhow::{Context, Result, bail};
use std::process::Command;

/// A package of the system and the program by which its presence is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Package {
    /// Name in Debian and OpenWrt's build hosts.
    pub(crate) name: &'static str,
    /// Program that it brings.
    pub(crate) program: &'static str,
    /// What for, as the rest of "needed …".
    pub(crate) why: &'static str,
}

/// Network namespaces and virtual links.
pub(crate) const IPROUTE2: Package = Package {
    name: "iproute2",
    program: "ip",
    why: "to lay out networks of our own",
};

/// The system's ping.
pub(crate) const IPUTILS_PING: Package = Package {
    name: "iputils-ping",
    program: "ping",
    why: "for pings of the type System",
};

/// Pings many, and counts what is lost.
pub(crate) const FPING: Package = Package {
    name: "fping",
    program: "fping",
    why: "to compare loss and cost",
};

/// Traces as researchers do, multipath discovery included.
pub(crate) const SCAMPER: Package = Package {
    name: "scamper",
    program: "scamper",
    why: "to compare paths",
};

/// Traces as operators do.
pub(crate) const MTR: Package = Package {
    name: "mtr-tiny",
    program: "mtr",
    why: "to compare the time that a path takes",
};

/// Fills a line.
pub(crate) const IPERF3: Package = Package {
    name: "iperf3",
    program: "iperf3",
    why: "to compare throughput",
};

/// Downloads and uploads.
pub(crate) const CURL: Package = Package {
    name: "curl",
    program: "curl",
    why: "to compare HTTP throughput, and for the commands of docs/restconf.md",
};

/// Translates addresses.
pub(crate) const NFTABLES: Package = Package {
    name: "nftables",
    program: "nft",
    why: "to put an agent behind a router that translates addresses",
};

/// Makes certificates as people do.
pub(crate) const OPENSSL: Package = Package {
    name: "openssl",
    program: "openssl",
    why: "for the commands of docs/restconf.md",
};

/// Judges data by YANG modules.
pub(crate) const LIBYANG_TOOLS: Package = Package {
    name: "libyang2-tools",
    program: "yanglint",
    why: "to judge what is said over RESTCONF",
};

/// Runs the client that knows no data model, the walker through ALTO servers, pyang, and the installation of Zig.
pub(crate) const PYTHON: Package = Package {
    name: "python3",
    program: "python3",
    why: "for RESTCONF and ALTO clients of another make, for pyang, and to install Zig",
};

/// What extensions of Python are built with.
pub(crate) const PYTHON_DEV: Package = Package {
    name: "python3-dev",
    program: "python3-config",
    why: "to build the tree of prefixes of an ALTO client",
};

/// Asks name servers.
pub(crate) const KDIG: Package = Package {
    name: "knot-dnsutils",
    program: "kdig",
    why: "to compare DNS times",
};

/// Round trips by UDP, against a server of its own.
pub(crate) const IRTT: Package = Package {
    name: "irtt",
    program: "irtt",
    why: "to compare round trips by UDP",
};

/// A gateway.
pub(crate) const MINIUPNPD: Package = Package {
    name: "miniupnpd",
    program: "miniupnpd",
    why: "to compare what is found on a home network",
};

/// The C compiler of `ring` and of the bundled `SQLite`.
pub(crate) const GCC: Package = Package {
    name: "gcc",
    program: "cc",
    why: "to build ring and SQLite",
};

/// Builds libyang.
pub(crate) const CMAKE: Package = Package {
    name: "cmake",
    program: "cmake",
    why: "to build libyang, the judge of what is made of YANG modules",
};

/// Tells where libraries are.
pub(crate) const PKG_CONFIG: Package = Package {
    name: "pkg-config",
    program: "pkg-config",
    why: "to find the regular expressions of libyang",
};

/// The regular expressions of libyang.
pub(crate) const PCRE2: Package = Package {
    name: "libpcre2-dev",
    program: "pcre2-config",
    why: "to build libyang, the judge of what is made of YANG modules",
};

/// The C++ compiler of libFuzzer.
pub(crate) const GPP: Package = Package {
    name: "g++",
    program: "g++",
    why: "to build libFuzzer",
};

/// The shell of routers, and their other programs.
pub(crate) const BUSYBOX: Package = Package {
    name: "busybox-static",
    program: "busybox",
    why: "to run what OpenWrt's packages run on routers",
};

/// Judges shell scripts.
pub(crate) const SHELLCHECK: Package = Package {
    name: "shellcheck",
    program: "shellcheck",
    why: "to judge the scripts of OpenWrt's packages",
};

/// Runs programs of other processors.
pub(crate) const QEMU: Package = Package {
    name: "qemu-user-static",
    program: "qemu-mips-static",
    why: "to run what is built for other processors",
};

/// Unpacks Debian's packages.
pub(crate) const DPKG: Package = Package {
    name: "dpkg",
    program: "dpkg-deb",
    why: "to unpack the sources of the standard library",
};

/// The browser.
pub(crate) const CHROMIUM: Package = Package {
    name: "chromium",
    program: "chromium",
    why: "to look at the LuCI pages as people do",
};

/// Runs the browser's driver.
pub(crate) const NODEJS: Package = Package {
    name: "nodejs",
    program: "node",
    why: "to drive the browser",
};

/// Brings the browser's driver.
pub(crate) const NPM: Package = Package {
    name: "npm",
    program: "npm",
    why: "to install playwright-core, which drives the browser",
};

/// Makes sure that `packages` are there: installs what is missing where this is a Debian-like system and we are root,
/// and says so.
///
/// # Errors
/// Names the missing packages where they cannot be installed.
pub(crate) fn ensure(packages: &[Package]) -> Result<()> {
    let missing = missing(packages, |program| process::find(program).is_some());
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        eprintln!(
            "`{}` is not installed; needed {}.",
            package.program, package.why
        );
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let by_hand = format!(
        "apt-get install --no-install-recommends {}",
        names.join(" ")
    );
    if process::find("apt-get").is_none() {
        bail!(
            "install these packages with your system's tools and start again: {}",
            names.join(" ")
        );
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("missing system packages; as root: {by_hand}");
    }
    eprintln!("Installing with apt-get: {}", names.join(" "));
    process::run(apt().args(["update", "-q"])).context("the package lists could not be read")?;
    process::run(
        apt()
            .args(["install", "-y", "-q", "--no-install-recommends"])
            .args(&names),
    )
    .with_context(|| format!("the packages could not be installed; by hand: {by_hand}"))?;
    match missing
        .iter()
        .find(|package| process::find(package.program).is_none())
    {
        Some(package) => bail!(
            "{} was installed but brought no `{}`",
            package.name,
            package.program
        ),
        None => Ok(()),
    }
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn missing(packages: &[Package], is_there: impl Fn(&str) -> bool) -> Vec<Package> {
    packages
        .iter()
        .copied()
        .filter(|package| !is_there(package.program))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let there = |program: &str| program == "ip";
        assert_eq!(missing(&[IPROUTE2, IPUTILS_PING], there), [IPUTILS_PING]);
        assert_eq!(missing(&[IPROUTE2], there), []);
    }
}
