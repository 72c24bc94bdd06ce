"""How an answer is got: frames chosen and shown, prompts batched, a policy here or a server asked."""
