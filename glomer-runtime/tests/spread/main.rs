//! Values get everywhere: cheaply, soon, and whatever happens.

mod budget;
mod faults;
mod healing;
mod support;
