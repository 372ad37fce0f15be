//! Who decides, within a transaction, what more agents are told.

use crate::{LoadChange, Standing, Withholding};
use glimpse_model::time::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Judges an addition within its transaction, so that two additions never pass side by side.
pub type Admit =
    Box<dyn FnOnce(&Standing) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send>;

/// Judges changes of what agents send by their own configuration, one after the other, within the
/// transaction that makes them; the answers are in their order.
pub type AdmitLoads =
    Box<dyn FnOnce(&Standing, &[LoadChange]) -> Vec<Result<(), Withholding>> + Send>;

/// Asked for one agent more under the instruction at this place of the [`Standing`] it was made of;
/// what it lets pass counts for what it is asked next.
pub type Gate = Box<dyn FnMut(usize) -> Result<(), Withholding> + Send>;

type Make = dyn Fn(&Standing, Timestamp) -> Gate + Send + Sync;

/// Judges whether an agent may be told an instruction that was there before it: makes a [`Gate`] of
/// what stands at a moment. The default lets nothing pass.
#[derive(Clone)]
pub struct Judge(Arc<Make>);

impl Judge {
    /// A judge that makes its gates by `gate`.
    pub fn new(gate: impl Fn(&Standing, Timestamp) -> Gate + Send + Sync + 'static) -> Self {
        Self(Arc::new(gate))
    }

    /// The gate at a moment, beside what stands then.
    pub fn gate(&self, standing: &Standing, now: Timestamp) -> Gate {
        (self.0)(standing, now)
    }
}

impl Default for Judge {
    fn default() -> Self {
        Self::new(|_, _| {
            Box::new(|_| {
                Err(Withholding {
                    target: String::new(),
                    reason: "nobody judges here what agents may be told".to_owned(),
                })
            })
        })
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge(…)")
    }
}
