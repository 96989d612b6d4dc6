"""The document of the API, made from what validates requests, and the page that shows it."""
