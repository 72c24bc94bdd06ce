"""Stage: rollout, rewards, advantages, losses, loop, checkpoints."""
