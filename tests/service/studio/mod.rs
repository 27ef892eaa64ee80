mod creators;
mod members;
