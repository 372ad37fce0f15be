//! Media types, always written bare: a parameter after them breaks clients that compare whole texts.

/// Information resource directory (RFC 7285 §9.2).
pub const DIRECTORY: &str = "application/alto-directory+json";
/// Network map (RFC 7285 §11.2.1).
pub const NETWORK_MAP: &str = "application/alto-networkmap+json";
/// Cost map (RFC 7285 §11.2.3).
pub const COST_MAP: &str = "application/alto-costmap+json";
/// Endpoint properties (RFC 7285 §11.4).
pub const ENDPOINT_PROPERTY: &str = "application/alto-endpointprop+json";
/// The request for endpoint properties.
pub const ENDPOINT_PROPERTY_PARAMS: &str = "application/alto-endpointpropparams+json";
/// Error object (RFC 7285 §8.5).
pub const ERROR: &str = "application/alto-error+json";
