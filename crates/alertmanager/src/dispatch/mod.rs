//! Who is told, and with whom together: the routing tree and the groups of alerts that are told of in one notification.

mod group;
mod route;

pub use group::GroupId;
pub(crate) use group::{Groups, Member};
pub use route::{Route, RouteId, RouteTree};
