"""What the package costs. Every number is a ratio or a difference within one run; nothing here asserts a time."""
