//! The sockets of the program.

use super::{Certificates, DRAIN, StartError};
use crate::config::Config;
use crate::listener::{Bounds, Door, Gate, Listener, Transport};
use crate::pki::SharedConfig;
use std::net::SocketAddr;
use std::sync::Arc;

/// Every socket of the program, each with the address that was bound.
pub(super) struct Bound {
    pub(super) agent: (SocketAddr, Listener),
    pub(super) alto: (SocketAddr, Listener),
    pub(super) admin: (SocketAddr, Listener),
    pub(super) restconf: Option<(SocketAddr, Listener)>,
    pub(super) callhome: Option<(SocketAddr, Door)>,
}

impl Bound {
    pub(super) async fn new(
        config: &Config,
        certificates: &Certificates,
        gate: &Gate,
    ) -> Result<Self, StartError> {
        let bounds = Bounds {
            drain: DRAIN,
            ..Bounds::default()
        };
        let failed = |listener, address| {
            move |source| StartError::Bind {
                listener,
                address,
                source,
            }
        };
        let bind = async |listener, address, transport| {
            Listener::bind(address, transport, bounds, gate.clone())
                .await
                .and_then(|bound| Ok((bound.local_addr()?, bound)))
                .map_err(failed(listener, address))
        };
        let tls = |config: &SharedConfig| Transport::Tls(Arc::clone(config));
        let (for_agents, for_all) = (tls(&certificates.for_agents), tls(&certificates.for_all));
        Ok(Self {
            agent: bind("listen.agent", config.agent_listen, for_agents).await?,
            alto: bind("listen.alto", config.alto_listen, for_all).await?,
            admin: bind("listen.admin", config.admin_listen, Transport::Plain).await?,
            restconf: match config.restconf_listen {
                None => None,
                Some(address) => {
                    let transport = tls(&certificates.for_operators);
                    Some(bind("listen.restconf", address, transport).await?)
                }
            },
            callhome: match config.callhome_listen {
                None => None,
                Some(address) => {
                    let bound = Door::bind(address, bounds).await;
                    let bound = bound.and_then(|door| Ok((door.local_addr()?, door)));
                    Some(bound.map_err(failed("listen.callhome", address))?)
                }
            },
        })
    }
}
