//! Operators: one file each, holding attributes, shape rule, naive definition, MACs, lowering and test cases.
//!
//! To add one, write its file and add its two lines below; `docs/add-an-operator.md` leads through it.
