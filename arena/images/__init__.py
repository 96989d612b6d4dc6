"""Images that voters put to contestants with a question."""
