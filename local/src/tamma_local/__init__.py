"""The embedded cloud: AWS APIs, tasks, PostgreSQL and its REST interface on loopback ports, without an account."""
