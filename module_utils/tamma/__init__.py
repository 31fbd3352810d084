"""What the modules in library/ share: the plan engine and the edge of AWS."""
