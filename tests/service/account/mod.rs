mod email;
mod lockout;
mod sign_in;
