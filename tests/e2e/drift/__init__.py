"""What somebody does to the stack behind its back, by the part of the stack that it is about."""
