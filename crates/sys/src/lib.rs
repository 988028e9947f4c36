//! The only unsafe code: system calls and mapped files behind safe functions.
