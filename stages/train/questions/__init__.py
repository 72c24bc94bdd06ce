"""Which questions a step trains on, and how they are made ready for the policy."""
