//! What stands at the far end of a line: servers on threads of this program, in a namespace.

pub(crate) mod http;
pub(crate) mod line;
pub(crate) mod responder;

use anyhow::{Context, Result};
use glimpse_tests::namespace::Namespace;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// A server in a namespace, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Calls `bind` in `namespace`, which gives the port and what serves there.
    fn start<Binding, Serving>(
        namespace: &Namespace,
        bind: impl FnOnce() -> Binding + Send + 'static,
    ) -> Result<Self>
    where
        Binding: Future<Output = Result<(u16, Serving)>>,
        Serving: Future<Output = ()>,
    {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = tell.send(Err(error.into()));
                    return;
                }
            };
            runtime.block_on(async {
                match bind().await {
                    Ok((port, serving)) => {
                        // Whoever started it waits for this.
                        let _ = tell.send(Ok(port));
                        tokio::select! {
                            () = serving => {}
                            _ = stopped => {}
                        }
                    }
                    Err(error) => drop(tell.send(Err(error))),
                }
            });
        };
        // A thread belongs to the namespace of the one that starts it.
        let thread = namespace.enter(|| thread::spawn(serve))?;
        let port = told.recv().context("the server did not start")??;
        Ok(Self {
            port,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic has been printed by then.
            let _ = thread.join();
        }
    }
}
