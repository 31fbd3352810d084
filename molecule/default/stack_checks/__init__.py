"""The stack as its specification has it, checked with plain boto3 and nothing of this project."""
