//! StoreAPI server and client, endpoint set and proxy.
