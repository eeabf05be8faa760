"""Count outcomes, tokens and costs, and group the errors."""
