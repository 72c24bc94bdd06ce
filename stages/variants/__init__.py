"""Stage: materialises variant bundles from frames, importance and views."""
