//! The machine in virtual time: upstream's acceptance cases told anew, the recorded scenario, three nodes that lose each other.

mod cases;
mod golden;
mod lab;
mod simulation;
