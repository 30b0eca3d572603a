//! Builds libFuzzer: what is wanted is what its build leaves behind.
