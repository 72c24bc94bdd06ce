"""What the user types: one thin module per command over the stages."""
