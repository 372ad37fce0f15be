//! What may be asked of `httpdownload`: what all transfers may be asked, see
//! [`TransferOptions`](crate::methods::http::TransferOptions).

use glimpse_model::options::OptionSpec;

use crate::methods::http::options::transfer_options;

/// The table of options, with the original client's defaults and bounds, but for `threads` (1 to 6 there).
pub(super) const OPTIONS: &[OptionSpec] = transfer_options!();
