"""Campaigns: folders with the request and result files of many batches that belong together."""
