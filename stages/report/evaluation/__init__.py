"""What a page shows of evaluations: figures, runs set against each other, every answer."""
