//! The built-in methods, one folder each.

#[cfg(feature = "btc")]
pub mod btc_ma;
#[cfg(feature = "dns")]
pub mod dns;
#[cfg(feature = "dns")]
pub mod dnslookup;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "http")]
pub mod httpdownload;
#[cfg(feature = "http")]
pub mod httpupload;
#[cfg(feature = "latencyload")]
pub mod latencyload;
#[cfg(feature = "packettrains")]
pub mod packettrains_ma;
#[cfg(feature = "ping")]
pub mod ping;
#[cfg(feature = "dns")]
pub mod reversednslookup;
#[cfg(any(feature = "dns", feature = "http"))]
pub mod tls;
#[cfg(feature = "traceroute")]
pub mod traceroute;
#[cfg(feature = "upnp")]
pub mod upnp;
#[cfg(feature = "wifi")]
pub mod wifi;

use crate::registry::Descriptor;

/// Every method that was compiled in.
pub(crate) fn all() -> Vec<Descriptor> {
    vec![
        #[cfg(feature = "btc")]
        btc_ma::descriptor(),
        #[cfg(feature = "dns")]
        dnslookup::descriptor(),
        #[cfg(feature = "dns")]
        reversednslookup::descriptor(),
        #[cfg(feature = "http")]
        httpdownload::descriptor(),
        #[cfg(feature = "http")]
        httpupload::descriptor(),
        #[cfg(feature = "latencyload")]
        latencyload::descriptor(),
        #[cfg(feature = "packettrains")]
        packettrains_ma::descriptor(),
        #[cfg(feature = "ping")]
        ping::descriptor(),
        #[cfg(feature = "traceroute")]
        traceroute::descriptor(),
        #[cfg(feature = "upnp")]
        upnp::descriptor(),
        #[cfg(feature = "wifi")]
        wifi::descriptor(),
    ]
}
