"""Recipes: YAML files that pick one sampler, reward, advantage and loss each."""
