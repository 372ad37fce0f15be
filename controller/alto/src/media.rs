//! Media types, always written bare: a parameter after them breaks clients that compare whole texts.

/// Information resource directory (RFC 7285 §9.2).
pub const DIRECTORY: &str = "application/alto-directory+json";
/// Network map (RFC 7285 §11.2.1).
pub const NETWORK_MAP: &str = "application/alto-networkmap+json";
/// Cost map (RFC 7285 §11.2.3).
pub const COST_MAP: &str = "application/alto-costmap+json";
/// The request for a part of a network map (RFC 7285 §11.3.1).
pub const NETWORK_MAP_FILTER: &str = "application/alto-networkmapfilter+json";
/// The request for a part of a cost map (RFC 7285 §11.3.2).
pub const COST_MAP_FILTER: &str = "application/alto-costmapfilter+json";
/// Costs between endpoints (RFC 7285 §11.5).
pub const ENDPOINT_COST: &str = "application/alto-endpointcost+json";
/// The request for costs between endpoints.
pub const ENDPOINT_COST_PARAMS: &str = "application/alto-endpointcostparams+json";
/// Property map (RFC 9240 §7).
pub const PROPERTY_MAP: &str = "application/alto-propmap+json";
/// The request for a part of a property map (RFC 9240 §8).
pub const PROPERTY_MAP_PARAMS: &str = "application/alto-propmapparams+json";
/// Update stream (RFC 8895 §5).
pub const EVENT_STREAM: &str = "text/event-stream";
/// The request for an update stream, and for its control (RFC 8895 §6.5, §7.3).
pub const UPDATE_STREAM_PARAMS: &str = "application/alto-updatestreamparams+json";
/// Messages of an update stream about itself (RFC 8895 §5.4).
pub const UPDATE_STREAM_CONTROL: &str = "application/alto-updatestreamcontrol+json";
/// Merge patch (RFC 7396), the only incremental change that is offered.
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// Endpoint properties (RFC 7285 §11.4).
pub const ENDPOINT_PROPERTY: &str = "application/alto-endpointprop+json";
/// The request for endpoint properties.
pub const ENDPOINT_PROPERTY_PARAMS: &str = "application/alto-endpointpropparams+json";
/// Error object (RFC 7285 §8.5).
pub const ERROR: &str = "application/alto-error+json";
