"""Choose the requests to send again, and write them."""
