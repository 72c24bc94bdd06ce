"""What becomes of graded answers: counts, metrics as they are published, standard errors, two runs compared."""
