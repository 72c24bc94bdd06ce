"""What a step will take, from the model's config alone: tokens, memory, arithmetic."""
