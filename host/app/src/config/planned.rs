//! Keys and values that the design names and this version does not have. Whoever writes one made no typing
//! mistake, and must not believe that it works.

/// Keys; one of a section stands for everything under it.
const KEYS: [&str; 12] = [
    "keys",
    "models.auto_pull",
    "models.pin",
    "nodes.api_key",
    "queue.max_bytes",
    "routing.decode_weight",
    "routing.retry_budget",
    "routing.substitution",
    "routing.takeover",
    "telemetry.otlp_endpoint",
    "traces",
    "trust",
];
/// Kinds of nodes.
const NODE_KINDS: [&str; 3] = ["image", "openai", "speech"];

/// What is said of a key or value that is planned.
pub(crate) const NOT_YET: &str = "not in this version yet";

/// Whether a later version has this key.
pub(crate) fn is_key(key: &str) -> bool {
    KEYS.contains(&key)
}

/// Whether a later version has this kind of node.
pub(crate) fn is_node_kind(kind: &str) -> bool {
    NODE_KINDS.contains(&kind)
}
