//! The whole product on a made-up gateway and chat service.

mod random;
pub mod traffic;
