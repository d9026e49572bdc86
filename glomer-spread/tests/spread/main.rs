//! Values get everywhere: cheaply, soon, and whatever happens.

mod budget;
mod cost;
mod faults;
mod healing;
mod support;
