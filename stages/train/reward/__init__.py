"""What a reply is worth: built-in rewards and the user's own, tried before a run."""
