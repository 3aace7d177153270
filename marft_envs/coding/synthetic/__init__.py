"""Small functions made from tables of operations: how they are written, drawn, told apart and tested."""
