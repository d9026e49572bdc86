//! The runtime of Glomer.
