"""A campaign: the folder in which the files of many batches of one piece of work live together."""
