"""From requests to table in one command: the journal of a campaign, its lock, and the steps that may be taken again."""
