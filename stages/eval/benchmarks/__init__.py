"""One benchmark a file: its published layout read as samples."""
