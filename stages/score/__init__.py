"""Stage: CLIP embeddings per video, importance per question."""
