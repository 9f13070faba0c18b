//! Models in memory as an operator wants them, version 1. Fields are added, never changed; a reader ignores what it does
//! not know.
//!
//! | route | body | answer |
//! | --- | --- | --- |
//! | `POST /admin/v1/models/load`, `/unload`, `/pin`, `/unpin` | [`WishModel`] | [`PlacesView`] |
//!
//! What cannot be done is answered 4xx with [`crate::admin::ErrorView`].

use serde::{Deserialize, Serialize};

/// What is wished for, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WishModel {
    /// The model's name.
    pub model: String,
    /// The node. Left out, a load or a pin is where the only one is that has the model, and what is taken back is taken
    /// back everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// Where a wish was taken down. It is carried out as soon as its machine is free for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacesView {
    /// The model.
    pub model: String,
    /// Each server; none when there was nothing to do.
    pub places: Vec<PlaceView>,
}

/// A model server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceView {
    /// Its node's name.
    pub node: String,
    /// Where it listens.
    pub origin: String,
}
