"""`report`: one HTML file about a batch, for people."""
