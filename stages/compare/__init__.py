"""Recipes x seeds on the same questions with the same number of generated rollouts."""
