"""Join results to requests, or export results: one row for each request, and an account of every line."""
