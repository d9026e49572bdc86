//! What people see of runs: a report's pictures and page, the page in a browser, and the list of
//! runs that `glomer serve` shows.

mod browser;
mod messages;
mod page;
mod plots;
mod sample;
mod serve;
