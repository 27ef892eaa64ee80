//! People: the first account, signing in and out, passwords and sessions.
//!
//! `routes.rs` speaks HTTP, `service.rs` holds the rules, `password.rs` the hashing; `second_factor.rs` speaks HTTP
//! about `totp.rs`, `reset.rs` and `email.rs` are about the links of mails. Knows nothing of studios beyond the one that the first account gets.

pub mod email;
pub mod export;
mod password;
pub mod reset;
pub mod routes;
pub mod second_factor;
mod service;
mod totp;

pub use password::{hash as hash_password, hash_secret, verify as verify_password};
pub use reset::reset_letter;
pub use service::{begin_setup, new_studio};
