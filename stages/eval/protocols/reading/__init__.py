"""How the harnesses read replies: one rule, or one step that rules share, a file."""
