pub mod derivatives;
pub mod watermark;
