"""What of `rushlight.nn.functional` is composed in Python of other operators, by subject."""
