//! What the report of a run shows: the pictures, the page, and the page in a browser.

mod browser;
mod messages;
mod page;
mod plots;
mod sample;
