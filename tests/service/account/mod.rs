mod email;
mod lockout;
mod operator;
mod secrets;
pub mod sign_in;
