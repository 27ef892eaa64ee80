mod email;
mod sign_in;
