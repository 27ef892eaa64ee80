mod email;
mod lockout;
mod secrets;
mod sign_in;
