//! Two namespaces and what is between them.

use anyhow::{Context, Result};
use glimpse_tests::namespace::{End, Namespace, Tbf};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};

/// Where we measure from.
pub(crate) const NEAR: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 1);
/// Where the servers are.
pub(crate) const FAR: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 1);
/// The devices of the router between.
const ROUTER: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 1, 2), Ipv4Addr::new(10, 77, 2, 2)];
/// Device of either end.
const DEVICE: &str = "line0";
/// Devices of the router, towards us and away.
const DEVICES: [&str; 2] = ["near0", "far0"];
/// By what both ends avoid congestion unless a program says otherwise: it fills queues, whatever this machine does, and
/// every kernel lets a namespace take it.
const CONGESTION_CONTROL: &str = "reno";

/// Payload of a full TCP segment with timestamps, in bytes.
pub(crate) const SEGMENT: u32 = 1448;
/// The Ethernet frame around it, which is what tbf counts.
pub(crate) const FRAME: u32 = 1514;

/// A line with a router in its middle. What it shapes, it shapes there: a sender's own qdisc would hold its TCP back.
#[derive(Debug)]
pub(crate) struct Line {
    near: Namespace,
    far: Namespace,
    _router: Namespace,
}

impl Line {
    /// A line that is only as fast as this machine.
    pub(crate) fn direct() -> Result<Self> {
        Self::lay(None)
    }

    /// A line of this rate, both ways.
    pub(crate) fn shaped(tbf: Tbf) -> Result<Self> {
        Self::lay(Some(tbf))
    }

    fn lay(tbf: Option<Tbf>) -> Result<Self> {
        let names = ["glimpse-near", "glimpse-router", "glimpse-far"];
        let [near, router, far] = names.map(Namespace::new);
        let (near, router, far) = (near?, router?, far?);
        for ((end, address), (device, hop)) in [(&near, NEAR), (&far, FAR)]
            .into_iter()
            .zip(DEVICES.into_iter().zip(ROUTER))
        {
            let here = End {
                device: DEVICE,
                addresses: &[(IpAddr::V4(address), 24)],
            };
            let there = End {
                device,
                addresses: &[(IpAddr::V4(hop), 24)],
            };
            end.join(here, &router, there)?;
            end.ip(&["route", "add", "default", "via", &hop.to_string()])?;
            set(end, "net/ipv4/tcp_congestion_control", CONGESTION_CONTROL)?;
            if let Some(tbf) = tbf {
                router.shape(device, tbf)?;
            }
        }
        set(&router, "net/ipv4/ip_forward", "1")?;
        Ok(Self {
            near,
            far,
            _router: router,
        })
    }

    /// Our end.
    pub(crate) const fn near(&self) -> &Namespace {
        &self.near
    }

    /// The servers' end.
    pub(crate) const fn far(&self) -> &Namespace {
        &self.far
    }
}

/// Sets a variable of the kernel in `namespace`.
pub(crate) fn set(namespace: &Namespace, name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/{name}");
    namespace
        .enter(|| fs::write(&path, value))?
        .with_context(|| format!("cannot set {path} to {value}"))
}
