"""compare.html: the figures of compare.json as one self-contained page."""
