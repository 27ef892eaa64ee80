mod email;
mod lockout;
mod operator;
mod secrets;
mod sessions;
pub mod sign_in;
