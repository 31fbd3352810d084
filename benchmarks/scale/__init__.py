"""What a day of many jobs needs and costs: quotas, prices and what the roles deploy, multiplied."""
