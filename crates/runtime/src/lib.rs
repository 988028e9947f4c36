//! Seams for time, chance, files and shutdown; the CPU pool and byte budgets.
