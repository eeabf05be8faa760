"""The files of a job: what each one is, where it lies, and which results belong to which requests."""
