//! PromQL: lexer, parser, printer, planner, functions and engine.
