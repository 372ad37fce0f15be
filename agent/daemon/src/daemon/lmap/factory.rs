//! Access control of an agent that nobody has configured.
//!
//! Everybody who is known may read. The controller configures measurements, but not which programs run (RFC 8194 §5); operators,
//! whom the household names, may do everything. Without configuration of its own nobody would write (RFC 8341 §3.4.1).

/// The configuration in RFC 7951's encoding.
pub(super) const CONFIGURATION: &str = r#"{"ietf-netconf-acm:nacm": {
  "groups": {"group": [{"name": "controller"}, {"name": "operator"}]},
  "rule-list": [
    {"name": "operator", "group": ["operator"], "rule": [
      {"name": "all", "module-name": "*", "access-operations": "*", "action": "permit"}]},
    {"name": "controller", "group": ["controller"], "rule": [
      {"name": "program", "path": "/ietf-lmap-control:lmap/tasks/task/program", "access-operations": "create update delete", "action": "deny"},
      {"name": "lmap", "module-name": "ietf-lmap-control", "access-operations": "*", "action": "permit"},
      {"name": "agent", "module-name": "glimpse-agent", "access-operations": "*", "action": "permit"}]}]}}"#;
