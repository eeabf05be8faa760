"""Read, check and join the JSONL batch files of the OpenAI Batch API, and turn them into Parquet."""
