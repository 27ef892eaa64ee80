pub mod event;
pub mod guest;
pub mod orphaned_templates;
pub mod photos;
pub mod receipts;
pub mod remnants;
